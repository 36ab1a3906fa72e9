"""Uploads by their content: bytes go in and their SHA-256 comes out; the same bytes come back, or none.

One folder, one file an entry, named by its digest. It is written whole or not at all, checked against its name
whenever it is read (what does not agree is dropped), and what was used longest ago goes first when the folder is
full. :func:`get`, :func:`put`, :func:`has` and :func:`evict` are all that the rest knows of it, so that another
store can take its place. Settings, from the environment:

``EBM_STORE`` the folder (the user's cache folder unless said), ``EBM_STORE_MB`` how much it holds (512),
``EBM_STORE_DAYS`` how many days after its last use an entry goes (30).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from ebm_plugins.records import ConfigError

FOLDER, MEGABYTES, DAYS = "EBM_STORE", "EBM_STORE_MB", "EBM_STORE_DAYS"
DIGEST = re.compile(r"[0-9a-f]{64}")
BEGUN = ".part-"  # what a file is called until it is whole
ABANDONED = 3600.0  # seconds after which one that never became whole is removed


@dataclass(frozen=True)
class Settings:
    """Where entries lie, how many bytes they may take together, and how many days an unused one is kept."""

    folder: Path
    most_bytes: int
    days: float


def settings() -> Settings:
    """What the environment says; a number that is none counts as not said."""
    return Settings(_folder(), int(_number(MEGABYTES, 512) * 1e6), _number(DAYS, 30))


def put(content: bytes) -> str:
    """Keep ``content``; returns its digest. Raises ConfigError("data", ...) where it cannot be kept."""
    held = settings()
    if len(content) > held.most_bytes:
        raise ConfigError("data", f"at most {held.most_bytes / 1e6:g} MB", f"{len(content) / 1e6:.3g} MB")
    digest = hashlib.sha256(content).hexdigest()
    try:
        held.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, begun = tempfile.mkstemp(prefix=BEGUN, dir=held.folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(begun, held.folder / digest)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(begun)
            raise
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError("data", "a host that can keep data", f"one that cannot: {reason}") from error
    evict(held, spare=digest)
    return digest


def get(digest: str) -> bytes | None:
    """The bytes of this digest, or None when they are not kept (any more)."""
    path = _path(digest)
    if path is None:
        return None
    try:
        content = path.read_bytes() if path.stat().st_size <= settings().most_bytes else b""
    except OSError:
        return None
    if hashlib.sha256(content).hexdigest() != digest:
        with contextlib.suppress(OSError):
            path.unlink()
        return None
    _used(path)
    return content


def has(digest: str) -> bool:
    """Whether there is an entry of this digest, which counts as a use of it."""
    path = _path(digest)
    return path is not None and path.is_file() and _used(path)


def evict(held: Settings | None = None, *, spare: str = "") -> int:
    """Remove what has not been used for too long, then what was used longest ago until the rest fits.

    ``spare`` is the digest that stays whatever its age. Returns how many entries went.
    """
    held = held or settings()
    now, entries, gone = time.time(), [], 0
    with contextlib.suppress(OSError):
        for path in held.folder.iterdir():
            with contextlib.suppress(OSError):
                seen = path.stat()
                if path.name.startswith(BEGUN):
                    if now - seen.st_mtime > ABANDONED:
                        path.unlink()
                elif DIGEST.fullmatch(path.name):
                    entries.append((path.name == spare, seen.st_mtime, seen.st_size, path))
    total = sum(size for _, _, size, _ in entries)
    for spared, used, size, path in sorted(entries):
        if spared or (total <= held.most_bytes and now - used <= held.days * 86_400):
            continue
        with contextlib.suppress(OSError):
            path.unlink()
            gone, total = gone + 1, total - size
    return gone


def _path(digest: str) -> Path | None:
    """Where an entry lies. Only 64 hex digits are a digest: nothing else from a link becomes a path."""
    return settings().folder / digest if DIGEST.fullmatch(digest) else None


def _used(path: Path) -> bool:
    """Note that an entry was used now. False when it is no longer there."""
    try:
        os.utime(path)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _number(name: str, usual: float) -> float:
    try:
        value = float(os.environ.get(name, ""))
    except ValueError:
        return usual
    return value if 0 < value < 1e9 else usual


def _folder() -> Path:
    said = os.environ.get(FOLDER, "").strip()
    if said:
        return Path(said).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME", "").strip()
    with contextlib.suppress(RuntimeError):
        home = Path(cache) if cache else Path.home() / ".cache"
        nearest = next(p for p in (home, *home.parents) if p.exists())
        if os.access(nearest, os.W_OK):
            return home / "ebm-plugins" / "data"
    return Path(tempfile.gettempdir()) / f"ebm-plugins-{getattr(os, 'getuid', lambda: 0)()}" / "data"
