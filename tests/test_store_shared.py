"""One store used by several processes, as workers and replicas use it: nothing torn, nothing spared lost, no errors."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from ebm_plugins import names, places, store
from ebm_plugins.store import Store

LONG = bool(os.environ.get("EBM_SLOW"))

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


def together(url: str, most: int, processes: int, seconds: float, root: Path) -> list[dict]:
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


def test_processes_that_write_and_evict_at_once(tmp_path: Path, root: Path) -> None:
    """The store begins with old entries, many of them those that are put again while they are about to go."""
    held = Store(str(tmp_path), 10**9, 999)
    chance = random.Random(0)
    for n in range(800):
        digest = held.put(b"common %d" % n * 100)
        then = time.time() - 86_400 * chance.uniform(2, 90)
        os.utime(tmp_path / digest, (then, then))
    said = together(str(tmp_path), 10**9, 4 if LONG else 2, 20 if LONG else 2, root)
    assert [one["wrong"] for one in said] == [[]] * len(said)
    assert min(one["turns"] for one in said) > 30
    assert sum(one["gone"] for one in said) > 600
    _whole(held)


def test_processes_that_write_far_more_than_there_is_room_for(tmp_path: Path, root: Path) -> None:
    said = together(str(tmp_path), 60_000, 4 if LONG else 2, 20 if LONG else 2, root)
    assert [one["wrong"] for one in said] == [[]] * len(said)
    assert sum(one["gone"] for one in said) >= 0
    held = Store(str(tmp_path), 60_000, 30)
    held.evict()
    assert 0 < sum(file.size for file in places.at(held.url).files()) <= 60_000
    _whole(held)


def _whole(held: Store) -> None:
    """Everything in this folder is an entry or a name, and whole."""
    for path in Path(held.url).iterdir():
        if names.is_digest(path.name):
            assert held.get(path.name) is not None
        else:
            assert names.read(path.stem, path.read_bytes()) is not None
            assert path.suffix == names.ENDING


def test_what_one_replica_keeps_the_other_opens(tmp_path: Path, root: Path) -> None:
    """Two processes on one folder, each with a process life of its own: every name of one is found by the other."""
    code = """
import hashlib, sys, time
from ebm_plugins import store
mine, others = sys.argv[1:]
held, missing = store.results(), 0
key = lambda who, n: hashlib.sha256(f"{who} {n}".encode()).hexdigest()
for n in range(60):
    content = f"{mine} {n}".encode() * 2000
    held.name(key(mine, n), held.put(content), {"n": n})
for n in range(60):
    until = time.monotonic() + 30
    while (found := held.found(key(others, n))) is None and time.monotonic() < until:
        time.sleep(0.01)
    assert found is not None and found[1:] == ({"n": n}, f"{others} {n}".encode() * 2000), n
"""
    environment = os.environ | {"PYTHONPATH": str(root), store.FOLDER: str(tmp_path / "shared")}
    pairs = [("one", "two"), ("two", "one")]
    running = [subprocess.Popen([sys.executable, "-c", code, *pair], env=environment) for pair in pairs]
    try:
        assert [process.wait(timeout=60) for process in running] == [0, 0]
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()


def test_one_that_is_killed_in_the_middle_leaves_no_entry(tmp_path: Path, root: Path) -> None:
    """kill −9 at any moment of a write: what is there is whole."""
    code = """
import sys
from ebm_plugins.store import Store
held, n = Store(sys.argv[1], 10**10, 30), 0
held.put(b"")
print("ready", flush=True)
while True:
    n += 1
    content = b"%d" % n * 300_000
    held.name(f"{n:064x}", held.put(content), {})
"""
    environment = os.environ | {"PYTHONPATH": str(root)}
    for n in range(8 if LONG else 3):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], env=environment, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.05 + 0.013 * n)
        process.kill()
        process.wait()
        process.stdout.close()
    held = Store(str(tmp_path), 10**10, 30)
    files = places.at(held.url).files()
    assert len(files) > 3
    for file in files:
        if names.is_digest(file.name):
            assert held.get(file.name) is not None
        else:
            assert held.named(file.name.removesuffix(names.ENDING)) is not None
    left = [p for p in tmp_path.iterdir() if p.name.startswith(places.BEGUN)]
    for path in left:
        os.utime(path, (0, 0))
    held.evict()
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(places.BEGUN)]
