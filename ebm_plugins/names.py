"""What the store knows an entry by, beside its digest: a key of the caller's, and what was noted with it.

A name is a small JSON object ``{"key", "digest", "note", "sum"}``; ``sum`` is the SHA-256 of the other three. So one
that was damaged, cut short or put in the place of another is told from one that was written. (Against accidents: who
may write into a store may write anything, and a host gives that right to its own processes alone.)
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from ebm_plugins.records import ConfigError

DIGEST = re.compile(r"[0-9a-f]{64}")
KEY = re.compile(r"[0-9a-f]{64}(?:\.[a-z][a-z0-9_-]{0,31})?")
MOST = 16_384  # bytes that a name may take
ENDING = ".name"


def is_digest(digest: object) -> bool:
    """Whether this is 64 hexadecimal digits in small letters, and nothing more."""
    return isinstance(digest, str) and DIGEST.fullmatch(digest) is not None


def is_key(key: object) -> bool:
    """Whether this is a digest, or one followed by ``.word``."""
    return isinstance(key, str) and KEY.fullmatch(key) is not None


def write(key: str, digest: str, note: Mapping[str, Any]) -> bytes:
    """The bytes of a name. Raises ConfigError for a key or a digest that is none, or a note that is not plain JSON."""
    if not is_key(key):
        raise ConfigError("key", "64 hex digits, or those and .word", _shown(key))
    if not is_digest(digest):
        raise ConfigError("digest", "64 hex digits", _shown(digest))
    try:
        again = json.loads(_plain([key, digest, dict(note)]))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError("note", "plain JSON (finite numbers, words, lists, objects)", str(error)) from error
    if again != [key, digest, dict(note)]:
        raise ConfigError(
            "note", "plain JSON that comes back as it was", "tuples, or names that are no words"
        )
    content = _plain({"key": key, "digest": digest, "note": again[2], "sum": _sum(*again)}).encode("ascii")
    if len(content) > MOST:
        raise ConfigError("note", f"at most {MOST:,} bytes", f"{len(content):,}")
    return content


def read(key: str, content: bytes) -> tuple[str, dict[str, Any]] | None:
    """The digest and the note of what :func:`write` wrote for this very key; None of anything else."""
    try:
        said = json.loads(content.decode("ascii"))
        if not isinstance(said, dict) or set(said) != {"key", "digest", "note", "sum"} or said["key"] != key:
            return None
        digest, note = said["digest"], said["note"]
        if not is_digest(digest) or not isinstance(note, dict) or said["sum"] != _sum(key, digest, note):
            return None
    except (ValueError, RecursionError):
        return None
    return digest, note


def _sum(key: str, digest: str, note: Mapping[str, Any]) -> str:
    return hashlib.sha256(_plain([key, digest, note]).encode("ascii")).hexdigest()


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _shown(text: object) -> str:
    shown = repr(text)
    return shown if len(shown) <= 40 else shown[:40] + "…"
