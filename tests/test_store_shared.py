"""One store used by several processes, as workers and replicas use it: nothing torn, nothing spared lost, no errors."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from store_workers import together

from ebm_plugins import names, places, store
from ebm_plugins.store import Store

LONG = bool(os.environ.get("EBM_SLOW"))


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
