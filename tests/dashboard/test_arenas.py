"""The server's threads share two arenas of memory."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

TRIED = """
import sys, threading
from dashboard import arenas
told = arenas.limit() if sys.argv[1] == "told" else True
gate = threading.Barrier(13)

def take():
    kept = [bytearray(3_000) for _ in range(500)]
    gate.wait()
    gate.wait()

threads = [threading.Thread(target=take) for _ in range(12)]
for one in threads:
    one.start()
gate.wait()
with open("/proc/self/maps") as maps:  # an arena of a thread is a heap of 64 MB, aligned to that, of which a part is used
    starts = {int(line.split("-")[0], 16) for line in maps}
print(told, sum(start % 2**26 == 0 for start in starts))
gate.wait()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator has rules of its own")
def test_a_dozen_threads_make_one_arena_more_and_no_others():
    """Without a word each takes one of its own, up to eight a core: the count sees them."""

    def count(how: str) -> int:
        out = subprocess.run([sys.executable, "-c", TRIED, how], capture_output=True, text=True, check=True)
        told, arenas = out.stdout.split()
        assert told == "True"
        return int(arenas)

    assert count("told") <= 3  # something else may lie where an arena would
    assert count("untold") >= 6
