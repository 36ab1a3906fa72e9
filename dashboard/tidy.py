"""What visitors have left behind goes back to the system, once a minute.

Streamlit's own collection after every click is off (``.streamlit/config.toml``): with many visitors it took half of the
server's time. Python then collects when there is reason to, which for a server of many objects is seldom, and glibc
keeps the pages that were freed. Both are looked after here, beside the clicks.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import threading
import time

EVERY = 60.0  # seconds


def begin() -> None:
    """Tidy up every minute, in a thread of its own, for as long as the process lives."""
    threading.Thread(target=_go_on, daemon=True, name="tidy").start()


def once() -> None:
    """Collect cycles, and give the pages that are free back to the system where the C library can."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


def _go_on() -> None:
    while True:
        time.sleep(EVERY)
        once()
