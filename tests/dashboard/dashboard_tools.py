"""What tests of pages look at."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

APP = Path(__file__).parents[2] / "dashboard" / "app_main.py"


def texts(at: AppTest) -> str:
    """All Markdown on the page."""
    return "\n".join(m.value for m in at.markdown)


def visit_of(at: AppTest, family: str) -> Any:
    """What the session asks of a family (see dashboard.links)."""
    key = f"{family}: visit"
    return at.session_state[key] if key in at.session_state else None  # noqa: SIM401  (it has no get)


def open_page(path: str = "", query: dict[str, Any] | None = None, *, timeout: float = 60) -> AppTest:
    """The app at an address, not yet run. (AppTest cannot switch to pages that are functions: `_page_hash` does.)"""
    at = AppTest.from_file(str(APP), default_timeout=timeout)
    at._page_hash = calc_hash(path) if path else ""
    for name, value in (query or {}).items():
        at.query_params[name] = value
    return at


def settled(at: AppTest, seconds: float = 60) -> AppTest:
    """Run until no job of the page is running. (AppTest does not tick `run_every`.)"""
    at.run()
    end = time.monotonic() + seconds
    while any(b.label == "Stop" for b in at.button) and time.monotonic() < end:
        time.sleep(0.1)
        at.run()
    return at
