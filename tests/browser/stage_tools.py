"""What tests of the stage alone (``stage_app``) look with."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

READY = ".stage[data-ready=yes]"


def report(page: Any) -> dict[str, Any]:
    """What the page's script last said."""
    return dict(json.loads(page.locator("#report").get_attribute("data-report")))


def until(page: Any, true: Callable[[dict[str, Any]], bool], seconds: float = 10.0) -> dict[str, Any]:
    """The page's report as soon as it is as wanted; fails after some seconds."""
    deadline = time.monotonic() + seconds
    while True:
        said = report(page)
        if true(said):
            return said
        assert time.monotonic() < deadline, said
        time.sleep(0.05)


def stage(page: Any, name: str) -> Any:
    """A data attribute of the stage."""
    return page.locator(".stage").get_attribute(f"data-{name}")


def cell(page: Any, i: int) -> Any:
    return page.locator(f".board .cell[data-i='{i}']")
