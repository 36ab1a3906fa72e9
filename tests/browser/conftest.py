"""For the tests of pages in Chromium: their tools, and an empty Streamlit app beside the dashboard."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # for the tools of these tests

from browser_tools import Visitor  # noqa: E402
from stage_tools import READY  # noqa: E402


@pytest.fixture(scope="module")
def empty(serve: Callable[..., Any]) -> Any:
    """An empty Streamlit app, running."""
    return serve(app=str(HERE / "empty_app"))


@pytest.fixture
def visitor(browser: Any, server: Any) -> Iterator[Callable[..., Visitor]]:
    """``visitor(width=..., scheme=..., still=...)`` is somebody with an empty cache who opens pages of the dashboard.

    When the test is over, no visitor may have seen an error of ours or sent a request to another machine.
    """
    came: list[Visitor] = []

    def come(url: str = server.url, **options: Any) -> Visitor:
        came.append(Visitor(browser, url, **options))
        return came[-1]

    yield come
    for one in came:
        one.leave()
    assert [fault for one in came for fault in one.faults] == []
    assert [request for one in came for request in one.abroad] == []


@pytest.fixture(scope="module")
def address(serve: Callable[..., Any]) -> str:
    """The address of ``stage_app``, running."""
    return str(serve(app=str(HERE / "stage_app")).url)


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """``visit("grid", still=True, ...)`` opens that page and waits for its stage. Errors of ours fail the test."""
    contexts, faults = [], []

    def go(
        what: str, *, still: bool = True, scheme: str = "light", width: int = 1440, wait: str = READY
    ) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            reduced_motion="reduce" if still else "no-preference",
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
        page.goto(f"{address}/?w={what}")
        if wait:
            page.wait_for_selector(wait, timeout=30_000)
        return page

    yield go
    for context in contexts:
        context.close()
    assert faults == []
