"""Data that a link names by their digest: ``stored:SPACE:SHA256``, with the rows in the store.

SPACE is ``plane``, ``gridROWSxCOLS`` (cells 0 or 1), ``greyROWSxCOLS`` (pictures) or ``vectorsDIM``. What is kept is
one ``.npy`` file, written the same by every version: float64, or one byte a cell.
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

from ebm_plugins import arrays, store
from ebm_plugins.datasets import MAX_SIDE, from_arrays
from ebm_plugins.records import Array, ConfigError, Data
from ebm_plugins.spaces import BinaryGrid, Plane, Space, Vectors

PREFIX = "stored:"
KEY = re.compile(r"stored:(plane|grid|grey|vectors)(?:([1-9][0-9]{0,3})(?:x([1-9][0-9]?))?)?:([0-9a-f]{64})")
MOST_VECTORS = 64
NAMES = {"plane": "Your points", "grid": "Your patterns", "grey": "Your pictures", "vectors": "Your table"}


class GoneError(ConfigError):
    """Data that a link names and that are not kept here (any more)."""


def space_of(key: str) -> Space:
    """The space that a key says. Raises ConfigError("data", ...) for what is no such key."""
    kind, first, second, _ = _parts(key)
    if kind == "plane" and not first:
        return Plane()
    if kind == "vectors" and first and not second and int(first) <= MOST_VECTORS:
        return Vectors(int(first))
    if kind in ("grid", "grey") and second and int(first) <= MAX_SIDE and int(second) <= MAX_SIDE:
        rows, cols = int(first), int(second)
        return BinaryGrid(rows, cols) if kind == "grid" else Vectors(rows * cols, (rows, cols))
    raise _malformed(key)


def digest_of(key: str) -> str:
    """The SHA-256 in a key."""
    return _parts(key)[3]


def missing(key: str) -> bool:
    """Whether this is the key of data that are not kept here (any more). Where they are, that is a use of them."""
    if not KEY.fullmatch(key):
        return False
    try:
        space_of(key)
    except ConfigError:
        return False
    return not store.uploads().has(digest_of(key))


def load(key: str) -> Data:
    """The data of a key. Raises GoneError when they are not kept here, ConfigError when they are not what it says."""
    return _load(key)


def content_of(x: Array, space: Space) -> tuple[str, bytes]:
    """The key of rows ``x`` (n, dim) of ``space``, and the bytes that are to be kept for it."""
    import hashlib

    rows = np.asarray(x, dtype=float)
    if isinstance(space, BinaryGrid):
        kind, table = f"grid{space.rows}x{space.cols}", rows.astype(np.uint8)
    elif isinstance(space, Vectors) and space.shape is not None:
        kind, table = f"grey{space.shape[0]}x{space.shape[1]}", np.rint(255 * rows).astype(np.uint8)
    else:
        kind = "plane" if isinstance(space, Plane) else f"vectors{space.dim}"
        table = rows.astype("<f8")
    content = arrays.npy(table)
    key = f"{PREFIX}{kind}:{hashlib.sha256(content).hexdigest()}"
    space_of(key)
    return key, content


def keep(x: Array, space: Space) -> str:
    """Keep rows ``x`` (n, dim) of ``space``; returns their key."""
    key, content = content_of(x, space)
    store.uploads().put(content)
    return key


@lru_cache(maxsize=8)
def _load(key: str) -> Data:
    space = space_of(key)
    content = store.uploads().get(digest_of(key))
    if content is None:
        wanted = "data that are kept on this machine; give the file that they came from again"
        raise GoneError("data", wanted, f"{key[:24]}…, which are not here (any more)")
    table = arrays.from_npy(content)
    if isinstance(space, Vectors) and space.shape is not None:
        if table.dtype != np.uint8:
            raise ConfigError("data", "pictures of one byte a cell", f"{table.dtype} values")
        table = table / 255.0
    data = from_arrays(table, space, name=NAMES[_parts(key)[0]])
    return data


def _parts(key: str) -> tuple[str, str, str, str]:
    match = KEY.fullmatch(key)
    if match is None:
        raise _malformed(key)
    return match[1], match[2] or "", match[3] or "", match[4]


def _malformed(key: str) -> ConfigError:
    shown = repr(key if len(key) <= 40 else key[:40] + "…")
    return ConfigError("data", "stored:SPACE:SHA256, as the dashboard writes it", shown)
