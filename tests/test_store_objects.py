"""The store in an object store: a real S3 server on this machine, where one is installed."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_workers import together

from ebm_plugins import names, places, store
from ebm_plugins.store import Store, StoreError

MISSING = [name for name in ("s3fs", "moto", "flask", "boto3") if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"no {', '.join(MISSING)}: pip install s3fs 'moto[server]'"
)
KEY = "a" * 64


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """S3 on 127.0.0.1, with an empty bucket ``ebm``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    settings = {"AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    for name, value in (settings | {"AWS_DEFAULT_REGION": "us-east-1"}).items():
        monkeypatch.setenv(name, value)
    places._at.cache_clear()
    store._tally.cache_clear()
    try:
        until = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(
                    urllib.request.Request(f"{address}/ebm", method="PUT"), timeout=5
                ).close()
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.1)
        from s3fs import S3FileSystem

        S3FileSystem.clear_instance_cache()
        yield process
    finally:
        end(process)
        places._at.cache_clear()
        places._slow.clear()


def end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_uploads_and_results_in_a_bucket(server: object, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    monkeypatch.setenv(store.FOLDER, "s3://ebm/host")
    held = store.results()
    held.check()
    digest = held.put(b"result")
    held.name(KEY, digest, {"n": 1})
    upload = store.uploads().put(b"upload")
    assert held.found(KEY) == (digest, {"n": 1}, b"result")
    assert held.has(digest)
    assert not held.has(upload)
    assert store.uploads().get(upload) == b"upload"
    bucket = places.at("s3://ebm").fs
    assert f"ebm/host/{upload}" in bucket.find("ebm")
    assert f"ebm/host/results/{digest}" in bucket.find("ebm")
    code = f"from ebm_plugins import store; assert store.results().named('{KEY}') == ('{digest}', {{'n': 1}})"
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(root)}, check=True)
    bucket.pipe_file(f"ebm/host/results/{digest}", b"resulT")
    assert held.named(KEY) is None
    assert held.get(digest) is None
    assert not bucket.exists(f"ebm/host/results/{digest}")
    assert not bucket.exists(f"ebm/host/results/{KEY}{names.ENDING}")


def test_what_was_used_longest_ago_goes_first(server: object, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Store("s3://ebm/lru", 10_000, 30)
    digests = []
    for n in range(4):
        digests.append(held.put(bytes([n]) * 2000))
        held.name(f"{n:064x}", digests[n], {})
        time.sleep(1.1)  # S3 knows whole seconds
    places._marked.clear()  # as hours later, or in another process
    assert held.get(digests[0]) is not None
    small = Store(held.url, 8000, 30)
    assert small.evict(spare=digests[1]) == 1
    assert [held.has(digest) for digest in digests] == [True, True, False, True]
    assert [held.named(f"{n:064x}") is not None for n in range(4)] == [True, True, False, True]
    assert Store(held.url, 8000, 1e-9).evict() == 3
    assert [file for file in places.at(held.url).files() if names.is_digest(file.name)] == []


def test_a_use_is_one_small_request_in_six_hours(server: object, monkeypatch: pytest.MonkeyPatch) -> None:
    held, written = Store("s3://ebm/marks", 10**9, 30), []
    digest = held.put(b"abc")
    fs = places.at(held.url).fs
    plain = fs.pipe_file
    monkeypatch.setattr(fs, "pipe_file", lambda path, *more: written.append(path) or plain(path, *more))
    assert [held.get(digest) for _ in range(3)] == [b"abc"] * 3
    assert written == []  # it was written just now
    places._marked.clear()
    assert [held.get(digest) for _ in range(3)] == [b"abc"] * 3
    assert written == [f"ebm/marks/{digest}{places.USED}"]


def test_processes_that_write_far_more_than_there_is_room_for(server: object, root: Path) -> None:
    said = together("s3://ebm/many", 60_000, 2, 4, root)
    assert [one["wrong"] for one in said] == [[], []]
    assert min(one["turns"] for one in said) > 10
    held = Store("s3://ebm/many", 60_000, 30)
    held.evict()
    assert sum(file.size for file in places.at(held.url).files()) <= 60_000


def test_no_bucket_is_made_and_a_store_that_is_gone_is_said_soon(server: subprocess.Popen[bytes]) -> None:
    with pytest.raises(StoreError, match="No such folder or bucket"):
        Store("s3://nosuch/x", 10**9, 30).put(b"abc")
    assert not places.at("s3://ebm").fs.exists("nosuch")
    held = Store("s3://ebm/gone", 10**9, 30)
    digest = held.put(b"abc")
    end(server)
    began = time.monotonic()
    assert held.get(digest) is None
    first = time.monotonic() - began
    for _ in range(20):
        assert held.get(digest) is None
    with pytest.raises(StoreError, match="host that can keep data"):
        held.put(b"abc")
    print(f"gone: {first:.1f} s, then {time.monotonic() - began - first:.3f} s")
    assert time.monotonic() - began < 60
