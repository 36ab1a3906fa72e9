"""The files of one folder, wherever fsspec finds it: on this machine, in memory, in an object store.

A :class:`Place` reads, writes, lists and removes files by their plain names, and notes that one was used. What a
file holds and which names there are is the business of :mod:`ebm_plugins.store`; it lets nothing become a name that
could lead out of the folder.

On this machine a file is written beside its place and renamed (whole or not at all), in a folder that nobody else
may enter (0700), and its time of use is its time of change. An object store takes a file as a single PUT, and its
times cannot be touched: there, a use is an empty object ``NAME.used``, written at most every :data:`MARKED` seconds
by each process. That is one small request more for what is read often, none for the rest, and a use is known to
within that time; the order in which entries go is then right to within it too.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

BEGUN = ".part-"  # what a file on this machine is called until it is whole
USED = ".used"  # ends the name of the note of a use, where the times of files cannot be touched
ABANDONED = 3600.0  # seconds after which a file that never became whole is removed
MARKED = 6 * 3600.0  # seconds for which such a note is not written again
SLOW, AGAIN = 1.0, 15.0  # seconds: a call that took longer to fail, and how long the place is not asked again
QUIET = 60.0  # seconds between two lines of the log about one place
TIMES = (
    "mtime",
    "LastModified",
    "last_modified",
    "updated",
    "modified",
    "created",
)  # as fsspec's backends say it

_log = logging.getLogger(__name__)
_marked: dict[tuple[str, str], float] = {}
_slow: dict[str, tuple[float, str]] = {}
_silent: dict[str, float] = {}


class PlaceError(OSError):
    """A place that cannot be used now. ``reason`` names no path, no address and no secret."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True)
class File:
    """One file of a place: its name, its size in bytes, when it was last used (seconds since 1970)."""

    name: str
    size: int
    used: float


@dataclass(frozen=True)
class Place:
    """A folder ``root`` of the file system ``fs``. Every method raises PlaceError where it cannot be used."""

    fs: Any
    root: str
    local: bool

    def read(self, name: str, most: int) -> bytes | None:
        """What a file holds, or None where there is none, a link or a folder, or more than ``most`` bytes.

        (The size is looked at before anything is read on this machine only; elsewhere it costs a request.)
        """
        with self._call("read"):
            try:
                content = self._local_read(name, most) if self.local else self.fs.cat_file(self._path(name))
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                return None
        return content if content is not None and len(content) <= most else None

    def read_all(self, names: Iterable[str], most: int) -> dict[str, bytes]:
        """What these files hold, without those for which :meth:`read` says None: at once where that is quicker."""
        if not self.fs.async_impl:
            read = {name: self.read(name, most) for name in names}
            return {name: content for name, content in read.items() if content is not None}
        paths = [self._path(name) for name in names]
        with self._call("read"):
            found: dict[str, bytes] = self.fs.cat(paths, on_error="omit") if paths else {}
        return {_last(path): content for path, content in found.items() if len(content) <= most}

    def write(self, name: str, content: bytes) -> None:
        """Keep a file, whole or not at all, in place of the one of this name."""
        with self._call("write"):
            if self.local:
                self._local_write(name, content)
                return
            try:
                self.fs.pipe_file(self._path(name), content)
            except FileNotFoundError:
                if self.fs.async_impl:
                    raise  # an object store has no folders: it is the bucket that is not there
                self.fs.makedirs(self.root, exist_ok=True)
                self.fs.pipe_file(self._path(name), content)
        _note(_marked, (self.root, name), time.time())

    def use(self, name: str) -> bool:
        """Note that a file was used now. False when it is no longer there (or no file)."""
        with self._call("write"):
            if not self.local:
                return bool(self.fs.isfile(self._path(name))) and self.mark(name)
            try:
                if not stat.S_ISREG(os.lstat(self._path(name)).st_mode):
                    return False
                os.utime(self._path(name))
            except (FileNotFoundError, NotADirectoryError):
                return False
            except OSError:
                return True  # a folder that may only be read
        return True

    def mark(self, name: str) -> bool:
        """Where times cannot be touched: note that a file, known to be there, was used. Always True."""
        if self.local:
            return self.use(name)
        now, key = time.time(), (self.root, name)
        if now - _marked.get(key, 0.0) > MARKED:
            _note(_marked, key, now)
            with contextlib.suppress(Exception):  # one that may only be read
                self.fs.pipe_file(self._path(name + USED), b"")
        return True

    def remove(self, names: Iterable[str]) -> None:
        """Remove files, and the notes of their use. What is not there, or may not be removed, is passed over."""
        names = list(names)
        with self._call("write"):
            if self.fs.async_impl:
                paths = [self._path(name + end) for name in names for end in ("", USED)]
                with contextlib.suppress(FileNotFoundError, PermissionError):
                    self.fs.rm(paths) if paths else None
            else:
                for name in names:
                    for end in ("",) if self.local else ("", USED):
                        with contextlib.suppress(OSError):
                            self.fs.rm_file(self._path(name + end))
        for name in names:
            _marked.pop((self.root, name), None)

    def files(self) -> list[File]:
        """All files, with the time of their last use; removes what was begun long ago and never became whole."""
        with self._call("read"):
            try:
                found = self.fs.ls(self.root, detail=True)
            except FileNotFoundError:
                return []
        now = time.time()
        plain = {_last(i["name"]): (int(i["size"] or 0), _when(i, now)) for i in found if i["type"] == "file"}
        for name, (_, written) in list(plain.items()):
            if name.startswith(BEGUN) and self.local:
                del plain[name]
                if now - written > ABANDONED:
                    self.remove([name])
        notes = {name.removesuffix(USED): used for name, (_, used) in plain.items() if name.endswith(USED)}
        self.remove([n + USED for n in notes if n not in plain and now - notes[n] > ABANDONED])
        return [
            File(name, size, max(written, notes.get(name, 0.0)))
            for name, (size, written) in plain.items()
            if not name.endswith(USED)
        ]

    def drop(self, files: Iterable[File]) -> set[str]:
        """Remove listed files; the names of those that went.

        On this machine, one that was used or written since it was listed stays. (It is looked at, moved aside, looked
        at again and moved back: no process can write it between the last look and the removal.)
        """
        if not self.local:
            names = [file.name for file in files]
            self.remove(names)
            return set(names)
        return {file.name for file in files if self._local_drop(file)}

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}"

    def _local_read(self, name: str, most: int) -> bytes | None:
        flags = (
            os.O_RDONLY
            | getattr(os, "O_NOFOLLOW", 0)
            | getattr(os, "O_NONBLOCK", 0)
            | getattr(os, "O_BINARY", 0)
        )
        try:
            handle = os.open(self._path(name), flags)
        except OSError as error:
            if os.path.islink(self._path(name)):
                raise FileNotFoundError(name) from error
            raise
        with os.fdopen(handle, "rb") as file:
            seen = os.fstat(handle)
            return file.read() if stat.S_ISREG(seen.st_mode) and seen.st_size <= most else None

    def _local_write(self, name: str, content: bytes) -> None:
        _make(self.root)
        handle, begun = tempfile.mkstemp(prefix=BEGUN, dir=self.root)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(begun, self._path(name))
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(begun)
            raise

    def _local_drop(self, file: File) -> bool:
        path = self._path(file.name)
        aside = f"{self.root}/{BEGUN}{secrets.token_hex(8)}"
        try:
            if os.lstat(path).st_mtime > file.used:
                return False
            os.rename(path, aside)
            if os.lstat(aside).st_mtime > file.used:
                os.replace(aside, path)
                return False
            os.unlink(aside)
        except OSError:
            return False
        return True

    @contextlib.contextmanager
    def _call(self, verb: str) -> Iterator[None]:
        """What goes wrong in here is a PlaceError, and told to the log once a minute.

        A place that took long to fail is not asked again for :data:`AGAIN` seconds: an object store that is gone
        does, and a page that waits for it helps nobody.
        """
        began = time.monotonic()
        until, reason = _slow.get(self.root, (began, ""))
        if began < until:
            raise PlaceError(reason)
        try:
            yield
        except Exception as error:
            now, reason = time.monotonic(), _reason(error)
            if now - began > SLOW:
                _slow[self.root] = (now + AGAIN, reason)
            if now > _silent.get(self.root, now - 1):
                _silent[self.root] = now + QUIET
                _log.warning(
                    "cannot %s the store at %s: %s: %s", verb, self.root, type(error).__name__, error
                )
            raise PlaceError(reason) from error


def at(url: str) -> Place:
    """The place of a URL. Raises PlaceError for one whose protocol is not known or not installed, naming its package."""
    return _at(url, os.getpid())


@lru_cache(maxsize=64)
def _at(url: str, _process: int) -> Place:
    from fsspec.core import url_to_fs
    from fsspec.implementations.local import LocalFileSystem

    try:
        fs, root = url_to_fs(url, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise PlaceError(str(error)) from error
    return Place(fs, root.rstrip("/"), isinstance(fs, LocalFileSystem))


def _reason(error: Exception) -> str:
    """What went wrong, for a visitor's eyes: no path and no address."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, FileNotFoundError):
        return "No such folder or bucket"
    return "Permission denied" if isinstance(error, PermissionError) else type(error).__name__


def _make(folder: str) -> None:
    """A folder, and those above it that are missing, that nobody else may enter."""
    if os.path.isdir(folder):
        return
    _make(os.path.dirname(folder))
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)


def _note(notes: dict[tuple[str, str], float], key: tuple[str, str], value: float) -> None:
    if len(notes) > 100_000:
        notes.clear()
    notes[key] = value


def _last(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _when(info: dict[str, Any], now: float) -> float:
    """When a file was written. A backend that does not say it says now: such entries never grow old."""
    for key in TIMES:
        said = info.get(key)
        if isinstance(said, str):
            with contextlib.suppress(ValueError):
                said = datetime.fromisoformat(said)
        if isinstance(said, datetime):
            return said.timestamp()
        if isinstance(said, (int, float)):
            return float(said)
    return now
