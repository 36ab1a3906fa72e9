"""What is made of a finished run is made once: a rerun of the page draws it again and computes nothing."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from ebm_plugins.records import Run

Made = TypeVar("Made")

_made: dict[int, dict[str, Any]] = {}
_lock = threading.Lock()


def of(run: Run, make: Callable[[Run], Made]) -> Made:
    """What ``make(run)`` returned the first time; it is not to be edited. It goes when the run goes.

    Two pages that ask at once may both make it: the first one's is kept. What raises is not kept.
    """
    name = f"{make.__module__}.{make.__qualname__}"
    with _lock:
        if id(run) not in _made:  # a run holds arrays and has no hash, so it is known by where it is
            _made[id(run)] = {}
            weakref.finalize(run, _made.pop, id(run), None)
        kept = _made[id(run)]
    if name not in kept:
        kept.setdefault(name, make(run))
    made: Made = kept[name]
    return made
