"""The dashboard with the JSON routes, on whatever engine there is."""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st

ROOT = Path(__file__).resolve().parents[3]
for folder in (ROOT, ROOT / "tests" / "tools"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from api_engine import complete  # noqa: E402

from dashboard import api, warm, web  # noqa: E402

complete()
here = {getattr(route, "path", "") for route in web.routes()}
routes = web.routes() + [r for r in api.routes() if getattr(r, "path", "") not in here]
app = st.App(
    ROOT / "dashboard" / "app_main.py", routes=routes, middleware=web.middleware(), lifespan=warm.lifespan
)
