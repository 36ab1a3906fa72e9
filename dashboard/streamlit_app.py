"""The file that ``streamlit run dashboard`` finds: the app, its routes and its headers.

The page itself is ``app_main.py``. Streamlit puts only this folder on ``sys.path``, so the root is added here.
"""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st

HERE = Path(__file__).resolve().parent
if str(HERE.parent) not in sys.path:
    sys.path.insert(0, str(HERE.parent))

from dashboard import arenas, limits, logs, warm, web  # noqa: E402  (the line above makes them findable)

arenas.limit()
limits.check()
logs.quiet()
logs.event("server starts")
app = st.App(HERE / "app_main.py", routes=web.routes(), middleware=web.middleware(), lifespan=warm.lifespan)
