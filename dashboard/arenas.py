"""How the server's many threads take memory.

The GNU C library gives threads up to eight arenas a core, and what one has freed another cannot use. Streamlit draws
each visitor's page in a thread of its own: with forty visitors who click, a server of two cores grew by 32 MB, and by 20
with two arenas. Threads of Python hardly wait for an arena: the interpreter lets one at a time run. Where another
allocator is at work nothing changes.
"""

from __future__ import annotations

import ctypes

M_ARENA_MAX = -8  # malloc.h
ARENAS = 2


def limit() -> bool:
    """From now on this process makes no arena past :data:`ARENAS`; whether its allocator could be told."""
    try:
        return bool(ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS))
    except (AttributeError, OSError, TypeError):  # not glibc, or not Linux
        return False
