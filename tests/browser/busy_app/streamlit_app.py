"""The dashboard on a server that is often held up: what its pages' scripts make is sent a quarter second late, and then
all at once, so that one run of a script is followed by the next before anything of it was sent."""

import sys
import time
from pathlib import Path

import streamlit as st
from streamlit.runtime.app_session import AppSession

ROOT = Path(__file__).resolve().parents[3]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from dashboard import warm, web  # noqa: E402

HELD_UP = 0.25  # seconds
flush = AppSession.flush_browser_queue


def late(session: AppSession):  # type: ignore[no-untyped-def]
    messages = flush(session)
    if messages:
        time.sleep(HELD_UP)
    return messages


AppSession.flush_browser_queue = late  # type: ignore[method-assign]
app = st.App(
    ROOT / "dashboard" / "app_main.py",
    routes=web.routes(),
    middleware=web.middleware(),
    lifespan=warm.lifespan,
)
