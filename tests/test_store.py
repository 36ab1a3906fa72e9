"""The store: the same bytes or none, whole or not at all, never a path from a link, never more than it may hold."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path

import pytest

from ebm_plugins import ConfigError, places, store


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(store.FOLDER, str(tmp_path / "store"))
    monkeypatch.delenv(store.MEGABYTES, raising=False)
    monkeypatch.delenv(store.DAYS, raising=False)
    return tmp_path / "store"


def age(path: Path, days: float) -> None:
    then = time.time() - 86_400 * days
    os.utime(path, (then, then))


def test_what_was_put_comes_back_by_its_digest(folder: Path) -> None:
    digest = store.uploads().put(b"abc")
    assert digest == hashlib.sha256(b"abc").hexdigest()
    assert store.uploads().get(digest) == b"abc"
    assert store.uploads().has(digest)
    assert store.uploads().put(b"abc") == digest
    assert [p.name for p in folder.iterdir()] == [digest]
    assert store.uploads().get("0" * 64) is None
    assert not store.uploads().has("0" * 64)


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "", "a" * 63, "A" * 64, "g" * 64, "a" * 64 + "\n", "a" * 64 + "\0"]
)
def test_only_a_digest_is_looked_for(name: str, folder: Path) -> None:
    folder.mkdir()
    (folder.parent / "secret").write_bytes(b"secret")
    assert store.uploads().get(name) is None
    assert not store.uploads().has(name)


def test_what_was_damaged_is_dropped(folder: Path) -> None:
    digest = store.uploads().put(b"abc")
    (folder / digest).write_bytes(b"abd")
    assert store.uploads().get(digest) is None
    assert not (folder / digest).exists()


def test_what_was_used_longest_ago_goes_when_it_is_full(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(store.MEGABYTES, "0.001")
    digests = [store.uploads().put(bytes([n]) * 300) for n in range(3)]
    for days, digest in zip((3, 2, 1), digests, strict=True):
        age(folder / digest, days)
    assert store.uploads().get(digests[0]) is not None  # used now
    last = store.uploads().put(b"x" * 300)
    assert [store.uploads().has(d) for d in (*digests, last)] == [True, False, True, True]
    with pytest.raises(ConfigError, match="at most"):
        store.uploads().put(b"x" * 1001)


def test_what_nobody_uses_goes_in_time_and_what_never_became_whole_too(folder: Path) -> None:
    old, new = store.uploads().put(b"old"), store.uploads().put(b"new")
    begun = folder / f"{places.BEGUN}abc"
    begun.write_bytes(b"")
    age(folder / old, 31)
    age(folder / new, 29)
    age(begun, 1)
    (folder / "somebody's file").write_bytes(b"")
    age(folder / "somebody's file", 99)
    assert store.uploads().evict() == 1
    assert sorted(p.name for p in folder.iterdir()) == sorted([new, "somebody's file"])


def test_a_write_that_fails_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ConfigError, match="No space left"):
        store.uploads().put(b"abc")
    assert list(folder.iterdir()) == []


def test_many_at_once_lose_nothing() -> None:
    found: list[bytes | None] = []

    def work(n: int) -> None:
        for k in range(20):
            content = b"%d" % ((n + k) % 7) * 1000
            found.append(store.uploads().get(store.uploads().put(content)))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 160
    assert None not in found


def test_settings_that_are_no_numbers_count_as_not_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("", "many", "-1", "nan", "inf"):
        monkeypatch.setenv(store.MEGABYTES, text)
        monkeypatch.setenv(store.DAYS, text)
        assert (store.uploads().most_bytes, store.uploads().days) == (512_000_000, 30)


def test_without_a_setting_it_is_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(store.FOLDER)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert store.uploads().url == str(tmp_path / "ebm-plugins" / "data")
