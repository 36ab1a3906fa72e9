"""What tests of pages look at."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

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


class Answer(NamedTuple):
    """What an app answered."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(app: Any, path: str, query: str = "", headers: Mapping[str, str] | None = None) -> Answer:
    """One GET request of an ASGI app, without a server."""
    said: list[dict[str, Any]] = []
    scope = {
        "type": "http", "method": "GET", "path": path, "query_string": query.encode(), "client": ("192.0.2.7", 1),
        "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in (headers or {}).items()],
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        said.append(message)

    asyncio.run(app(scope, receive, send))
    found = {k.decode(): v.decode() for k, v in said[0]["headers"]}
    return Answer(said[0]["status"], found, b"".join(m.get("body", b"") for m in said[1:]))
