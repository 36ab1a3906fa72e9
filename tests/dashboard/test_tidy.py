"""Memory that nobody holds any more goes back to the system."""

from __future__ import annotations

import gc
import os
import sys

import pytest
from processes import read

from dashboard import tidy


@pytest.mark.skipif(sys.platform != "linux", reason="the pages of glibc")
def test_cycles_and_their_pages_go_back() -> None:
    """150 MB of small things that hold each other, and a few that live on between them."""

    def resident() -> float:
        found = read(os.getpid())
        assert found is not None
        return found.resident / 1e6

    tidy.once()
    gc.disable()
    try:
        before = resident()
        cycle = [bytearray(1000) for _ in range(150_000)]
        alive = cycle[::10_000]
        cycle.append(cycle)  # type: ignore[arg-type]
        del cycle
        full = resident()
        assert full > before + 120
        tidy.once()
        assert resident() < before + 40
        assert len(alive) == 15
    finally:
        gc.enable()
