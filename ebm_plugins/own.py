"""Data of one's own: rows that a person drew or brought in a file, carried in the link."""

from __future__ import annotations

import io
import math

import numpy as np

from ebm_plugins.datasets import from_arrays, inline_key
from ebm_plugins.records import Array, ConfigError, Data
from ebm_plugins.spaces import BinaryGrid

MOST_ROWS = 24
MOST_BYTES = 65_536
ENDINGS = ("csv", "txt", "npy")


def has_room(data: Data) -> bool:
    """Whether a link can hold these data and one more row."""
    return isinstance(data.space, BinaryGrid) and len(data.x) < MOST_ROWS


def with_row(data: Data, state: Array) -> str | None:
    """The key of these data with one more row (dim,), or None where a link cannot hold them or it is there already."""
    if not has_room(data):
        return None
    state = np.asarray(state, dtype=float)
    if len(data.x) and (np.asarray(data.x) == state).all(axis=1).any():
        return None
    try:
        return inline_key(np.vstack([data.x, state]), data.space)
    except ConfigError:
        return None


def from_file(name: str, raw: bytes, space: BinaryGrid) -> str:
    """The key of the patterns in a file: a table of cells 0 or 1, one pattern a row, or one picture of the grid's shape.

    ``raw`` is a CSV or text file (separated by commas, semicolons or spaces) or a ``.npy`` array. Nothing is unpickled.
    Raises ConfigError("data", ...) for what is too large, of another kind, or no set of patterns of this grid.
    """
    if len(raw) > MOST_BYTES:
        raise ConfigError("data", f"a file of at most {MOST_BYTES // 1024} kB", f"{len(raw) // 1024} kB")
    ending = name.rpartition(".")[2].lower()
    if ending not in ENDINGS:
        raise ConfigError("data", "a file that ends in " + ", ".join(f".{e}" for e in ENDINGS), name[-40:])
    table = _npy(raw) if ending == "npy" else _text(raw)
    if table.shape == (space.rows, space.cols):
        table = table.reshape(1, -1)
    return inline_key(from_arrays(table, space).x, space)


def _text(raw: bytes) -> Array:
    try:
        lines = [line for line in raw.decode("utf-8-sig").splitlines() if line.strip()]
        rows = [[float(v) for v in line.replace(";", " ").replace(",", " ").split()] for line in lines]
    except ValueError:  # not UTF-8 text, or not numbers
        raise ConfigError("data", "a table of cells 0 or 1", "something that is not numbers") from None
    if not rows or any(len(row) != len(rows[0]) for row in rows):
        raise ConfigError("data", "rows of equal length", "none" if not rows else "rows of different lengths")
    return np.asarray(rows)


def _npy(raw: bytes) -> Array:
    """The array, when its header promises no more than the file holds: that is asked before any memory is taken."""
    file = io.BytesIO(raw)
    try:
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(file)
        fits = dtype.kind in "biuf" and math.prod(shape) * dtype.itemsize <= len(raw)
        array = np.load(io.BytesIO(raw), allow_pickle=False) if fits else None
    except (ValueError, EOFError, OSError, OverflowError):
        array = None
    if array is None or array.ndim < 2:
        raise ConfigError("data", "a .npy file of a table of numbers", "something else")
    return np.asarray(array, dtype=float)
