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


@pytest.fixture(scope="session")
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
