"""Uploads and results by their content: bytes go in and their SHA-256 comes out; the same bytes come back, or none.

A :class:`Store` is one folder, at any URL that fsspec knows (:mod:`ebm_plugins.places`), with one file an entry. It is
checked against its name whenever it is read (what does not agree is dropped), and what was used longest ago goes
first when the folder is full. A result is found by its run's key, which is a *name* (:mod:`ebm_plugins.names`) of its
digest. Nothing is ever unpickled. Only 64 hex digits, or those and ``.word``, ever become part of a path, and a link
in the folder is not followed; were one followed all the same, the digest would not agree.

:func:`uploads` and :func:`results` are the two that there are. Settings, from the environment:

``EBM_STORE`` a folder or a URL (``s3://bucket/folder``). Uploads lie in it, results in its subfolder ``results``.
Unless said, they are the subfolders ``data`` and ``results`` of ``ebm-plugins`` in the user's cache folder.
``EBM_STORE_MB`` (512) and ``EBM_STORE_DAYS`` (30): how much uploads take, and how many days after its last use one
goes. ``EBM_RESULTS_MB`` (2048) and ``EBM_RESULTS_DAYS`` (90): likewise for results.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from ebm_plugins import names, places
from ebm_plugins.places import Place, PlaceError
from ebm_plugins.records import ConfigError

FOLDER, MEGABYTES, DAYS = "EBM_STORE", "EBM_STORE_MB", "EBM_STORE_DAYS"
RESULT_MEGABYTES, RESULT_DAYS = "EBM_RESULTS_MB", "EBM_RESULTS_DAYS"
USUAL = {
    MEGABYTES: 512.0,
    DAYS: 30.0,
    RESULT_MEGABYTES: 2048.0,
    RESULT_DAYS: 90.0,
}  # where a host says nothing
LISTED = 500  # writes of this process after which a store is listed again
UNSEEN = 0.05  # of the limit: what this process writes at most before it lists the store again
SHARE = 0.1  # of the limit: how far below it a full store is emptied
JUST = 60.0  # seconds for which a name whose content is not listed stays: it may have come during the listing
PROBE = b"the store is written and read"  # kept to see whether a store works


class StoreError(ConfigError):
    """Bytes that cannot be kept: too many, or by a store that cannot be written or reached."""


@dataclass(frozen=True)
class Store:
    """Entries at ``url``, of at most ``most_bytes`` together, each kept for ``days`` after its last use.

    Several processes may share one. Reads answer None where the store cannot be reached (the log says why).
    """

    url: str
    most_bytes: int
    days: float

    def put(self, content: bytes) -> str:
        """Keep ``content``; returns its digest. Raises StoreError where it cannot be kept."""
        if len(content) > self.most_bytes:
            most, came = f"at most {self.most_bytes / 1e6:g} MB", f"{len(content) / 1e6:.3g} MB"
            raise StoreError("data", most, came)
        digest = hashlib.sha256(content).hexdigest()
        self._write(digest, content)
        return digest

    def get(self, digest: str) -> bytes | None:
        """The bytes of this digest, or None when they are not kept (any more). It is a use of them."""
        try:
            return self._read(digest)
        except PlaceError:
            return None

    def has(self, digest: str) -> bool:
        """Whether there is an entry of this digest, which counts as a use of it. (Its bytes are not looked at.)"""
        place = self._reading()
        if place is None or not names.is_digest(digest):
            return False
        try:
            return place.use(digest)
        except PlaceError:
            return False

    def name(self, key: str, digest: str, note: Mapping[str, Any]) -> None:
        """Let ``key`` (64 hex digits, or those and ``.word``) stand for ``digest``, with a ``note`` of plain JSON.

        Raises ConfigError for what is no key, digest or note; StoreError where it cannot be kept.
        """
        content = names.write(key, digest, note)
        self._write(key + names.ENDING, content, spare=digest)

    def named(self, key: str) -> tuple[str, dict[str, Any]] | None:
        """What :meth:`name` said last of this key, or None when that or its content is not kept (any more).

        The content is read and checked: who wants it too asks :meth:`found`.
        """
        found = self.found(key)
        return None if found is None else found[:2]

    def found(self, key: str) -> tuple[str, dict[str, Any], bytes] | None:
        """The digest, the note and the bytes that a key stands for, or None. What does not agree is dropped."""
        place = self._reading()
        if place is None or not names.is_key(key):
            return None
        try:
            written = place.read(key + names.ENDING, names.MOST)
            said = None if written is None else names.read(key, written)
            content = None if said is None else self._read(said[0])
        except PlaceError:
            return None  # it may be there: a name is dropped only where its content is not
        if said is None or content is None:
            if written is not None:
                self.forget(key)
            return None
        return (*said, content)

    def forget(self, key: str) -> None:
        """Let a key stand for nothing. What it stood for is kept."""
        place = self._reading()
        if place is not None and names.is_key(key):
            with contextlib.suppress(PlaceError):
                place.remove([key + names.ENDING])

    def evict(self, *, spare: str = "") -> int:
        """Remove what was not used for ``days``; then, of a store past its limit, what was used longest ago.

        It goes until nine tenths of the limit are left, so that a full store is not listed at every write. ``spare``
        is the digest that stays whatever its age. Names go with their content. Returns how many entries went.
        Another process may use an entry meanwhile: on this machine it stays; in an object store one that was used in
        the second or so since the listing, and for days not before, can go.
        """
        tally = _tally(self.url)
        place = self._reading()
        if place is None:
            return 0
        try:
            with tally.lock:
                tally.total, tally.writes, tally.bytes = tally.total or 0, 0, 0
            files = place.files()
            gone, total = self._evict(place, files, spare)
        except PlaceError:
            return 0
        with tally.lock:
            tally.total = total
        return gone

    def size(self) -> int:
        """Bytes that the store holds, as far as this process knows: what it listed last, and what it wrote since.

        0 before it wrote anything here. (Nothing is listed for it, and what others write is seen at the next listing.)
        """
        tally = _tally(self.url)
        with tally.lock:
            return (tally.total or 0) + tally.bytes

    def check(self) -> None:
        """Raises StoreError unless this store can be written and read now: for a host to know when it starts."""
        digest = self.put(PROBE)
        if self.get(digest) != PROBE:
            raise StoreError("data", "a store that gives back what it keeps", "one that does not")

    def _read(self, digest: str) -> bytes | None:
        """:meth:`get`; raises PlaceError where it cannot be told whether there is such an entry."""
        if not names.is_digest(digest):
            return None
        place = places.at(self.url)
        content = place.read(digest, self.most_bytes)
        if content is not None and hashlib.sha256(content).hexdigest() != digest:
            place.remove([digest])
            return None
        if content is not None:
            place.mark(digest)
        return content

    def _evict(self, place: Place, files: list[places.File], spare: str) -> tuple[int, int]:
        """How many entries went, and how many bytes are left."""
        entries = sorted((f for f in files if names.is_digest(f.name)), key=lambda f: (f.used, f.name))
        total = left = sum(file.size for file in files)
        enough = self.most_bytes * (1 - SHARE) if total > self.most_bytes else total
        now, going = time.time(), []
        for file in entries:
            if file.name != spare and (left > enough or now - file.used > self.days * 86_400):
                going.append(file)
                left -= file.size
        if not going:
            return 0, total
        gone = place.drop(going)
        dead = self._dead(place, files, kept={file.name for file in entries} - gone, gone=gone)
        place.remove(dead)
        went = gone | dead
        return len(gone), total - sum(file.size for file in files if file.name in went)

    def _dead(self, place: Place, files: list[places.File], kept: set[str], gone: set[str]) -> set[str]:
        """The names that are none, or whose content went or was not there when ``files`` were listed."""
        just = time.time() - JUST
        listed = {file.name: file for file in files if file.name.endswith(names.ENDING)}
        dead = set()
        for name, content in place.read_all(listed, names.MOST).items():
            said = names.read(name.removesuffix(names.ENDING), content)
            if said is None or said[0] in gone or (said[0] not in kept and listed[name].used < just):
                dead.add(name)
        return dead

    def _write(self, name: str, content: bytes, spare: str = "") -> None:
        try:
            places.at(self.url).write(name, content)
        except PlaceError as error:
            wanted = "a host that can keep data (try again later, or tell whoever runs it)"
            raise StoreError("data", wanted, f"one that cannot: {error.reason}") from error
        tally = _tally(self.url)
        with tally.lock:
            due = tally.add(len(content), self.most_bytes)
        if due:
            self.evict(spare=spare or name)

    def _reading(self) -> Place | None:
        try:
            return places.at(self.url)
        except PlaceError:
            return None


@dataclass
class _Tally:
    """What this process knows of how full a store is: what it listed last, and what it wrote since."""

    total: int | None = None
    writes: int = 0
    bytes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, size: int, most: int) -> bool:
        """Count a write. Whether it is time to list the store again."""
        self.writes, self.bytes = self.writes + 1, self.bytes + size
        past = self.total is None or self.total + self.bytes > most
        return past or self.writes >= LISTED or self.bytes > UNSEEN * most


@lru_cache(maxsize=64)
def _tally(url: str) -> _Tally:
    return _Tally()


def uploads() -> Store:
    """The store of what people brought."""
    return Store(_urls()[0], int(_number(MEGABYTES) * 1e6), _number(DAYS))


def results() -> Store:
    """The store of what runs yielded."""
    return Store(_urls()[1], int(_number(RESULT_MEGABYTES) * 1e6), _number(RESULT_DAYS))


def _number(name: str) -> float:
    """What the environment says; a number that is none counts as not said."""
    try:
        value = float(os.environ.get(name, ""))
    except ValueError:
        return USUAL[name]
    return value if 0 < value < 1e9 else USUAL[name]


def _urls() -> tuple[str, str]:
    """Where uploads and results lie."""
    said = os.environ.get(FOLDER, "").strip()
    if said:
        home = said if "://" in said else str(Path(said).expanduser().absolute())
        return home, f"{home}{'' if home.endswith('/') else '/'}results"
    folder = _cache()
    return str(folder / "data"), str(folder / "results")


def _cache() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME", "").strip()
    with contextlib.suppress(RuntimeError):
        home = Path(cache) if cache else Path.home() / ".cache"
        nearest = next(p for p in (home, *home.parents) if p.exists())
        if os.access(nearest, os.W_OK):
            return (home / "ebm-plugins").absolute()
    return Path(tempfile.gettempdir()) / f"ebm-plugins-{getattr(os, 'getuid', lambda: 0)()}"
