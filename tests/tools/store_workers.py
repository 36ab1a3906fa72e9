"""Processes that use one store at once, for the tests of the store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

# What each process does for some seconds: keeps and names entries of its own and entries that all keep, reads both,
# evicts (ever younger entries, where the store began with old ones), and tells what it saw that must not be.
WORK = """
import hashlib, json, random, sys, time
from ebm_plugins.store import Store

url, most, seed, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
held, chance, wrong, turns, gone = Store(url, most, 90), random.Random(seed), [], 0, 0
roomy = most >= 10**9  # then nothing that was used just now may go
spared = held.put(b"spared by %d" % seed * 50)
began = now = time.monotonic()
while (now := time.monotonic()) < began + seconds:
    turns += 1
    common = chance.randrange(200)
    content = b"common %d" % common * 100 if chance.random() < 0.5 else chance.randbytes(chance.randint(1, 4000))
    digest = hashlib.sha256(content).hexdigest()
    if held.put(content) != digest:
        wrong.append("another digest")
    key = hashlib.sha256(b"key" + digest.encode()).hexdigest()
    held.name(key, digest, {"turn": 1})
    found = held.found(key)
    if found is None and roomy:
        wrong.append("what was put just now went")
    if found is not None and (found[0] != digest or found[2] != content):
        wrong.append("another content")
    if turns % 3 == 0:
        gone += Store(url, most, 90 * (1 - (now - began) / seconds) + 1).evict(spare=spared)
    if roomy and held.get(spared) is None:
        wrong.append("what was spared went")
print(json.dumps({"turns": turns, "gone": gone, "wrong": wrong[:10]}))
"""


def together(url: str, most: int, processes: int, seconds: float, root: Path) -> list[dict[str, Any]]:
    environment = os.environ | {"PYTHONPATH": str(root)}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WORK, url, str(most), str(seed), str(seconds)],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for seed in range(processes)
    ]  # fmt: skip
    said = []
    try:
        for process in running:
            out, err = process.communicate(timeout=seconds + 60)
            assert process.returncode == 0, err
            assert err == ""
            said.append(json.loads(out))
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()
    return said
