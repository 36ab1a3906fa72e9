"""Freed memory stays with the process, so that a loop of middling arrays asks the system for no new pages."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

LOOP = """
import json, resource
import numpy as np
from ebm_plugins import pages

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        kept = [np.ones(65_536, np.float32) for _ in range(8)]
        del kept
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
first = faults()
pages.keep()
faults()
print(json.dumps([first, faults()]))
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="another allocator keeps pages by rules of its own"
)
def test_a_loop_of_arrays_asks_for_no_new_pages():
    """50 times 8 arrays of 64 pages: over 1,000 page faults before, under 100 after, in a process of its own."""
    out = subprocess.run([sys.executable, "-c", LOOP], capture_output=True, text=True, check=True)
    before, after = json.loads(out.stdout)
    assert before > 1000
    assert after < 100
