"""Memory that is kept between the steps of a loop.

A program that frees arrays of some hundred kB gives their pages back to the system, which clears them before it hands
them out again: half of the time of a small network's learning step. The GNU C library gives back less once a large
array has come and gone: from then on it keeps up to twice that array's size (``mallopt(3)``, M_TRIM_THRESHOLD). Where
another allocator is at work nothing changes.
"""

from __future__ import annotations

import numpy as np

KEPT = 2**24  # bytes; nothing is written to them, so that they cost no memory


def keep() -> None:
    """From now on keep up to 32 MB of freed memory in this process, for its next arrays. Takes microseconds."""
    np.empty(KEPT, np.uint8)
