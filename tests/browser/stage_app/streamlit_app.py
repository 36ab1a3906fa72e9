"""A page with one stage and nothing else: what the browser tests of the stage drive."""

import sys
from pathlib import Path

import streamlit as st

HERE = Path(__file__).resolve().parent
for folder in (str(HERE), str(HERE.parents[2])):
    if folder not in sys.path:
        sys.path.insert(0, folder)

from dashboard import web  # noqa: E402

app = st.App(HERE / "main.py", routes=web.routes(), middleware=web.middleware())
