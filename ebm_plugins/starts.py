"""Where sampling begins: how many states, and which. A start is plain data, so it travels in a link.

``free`` is the row-major mask of the coordinates that may move, as a tuple of booleans; empty means all of them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ebm_plugins.records import Array, ConfigError
from ebm_plugins.records import Data as DataRecord
from ebm_plugins.spaces import BinaryGrid, Pairs, Space

MAX_STATES = 1_000_000
MAX_INLINE = 4096  # characters of drawn states in a link
STEP = 1.0 / 1024  # a drawn coordinate is an int16 multiple of this: ±32, to a thousandth


@dataclass(frozen=True)
class Noise:
    """``n`` states drawn from the space's own random start."""

    name: ClassVar[str] = "noise"
    n: int = 300
    free: tuple[bool, ...] = ()


@dataclass(frozen=True)
class Data:
    """The named rows of the dataset, each ``copies`` times."""

    name: ClassVar[str] = "data"
    rows: tuple[int, ...] = (0,)
    copies: int = 1
    free: tuple[bool, ...] = ()


@dataclass(frozen=True)
class Corrupted:
    """The named rows, each ``copies`` times, damaged by a corruption its space knows (``flip``, ``mask``,
    ``noise``) to an ``amount`` in [0, 1]."""

    name: ClassVar[str] = "corrupted"
    rows: tuple[int, ...] = (0,)
    kind: str = "flip"
    amount: float = 0.3
    copies: int = 1
    free: tuple[bool, ...] = ()


@dataclass(frozen=True)
class Drawn:
    """States that a person drew, each ``copies`` times: :func:`pack` makes ``states`` from an array."""

    name: ClassVar[str] = "drawn"
    states: str = ""
    copies: int = 1
    free: tuple[bool, ...] = ()


Start = Noise | Data | Corrupted | Drawn
KINDS: dict[str, type[Noise] | type[Data] | type[Corrupted] | type[Drawn]] = {
    k.name: k for k in (Noise, Data, Corrupted, Drawn)
}


def pack(x: Array, space: Space) -> str:
    """States (n, dim) as text for a link: packed bits on a grid, else little-endian int16 in steps of 1/1024."""
    x = np.asarray(x, dtype=float)
    if isinstance(space, BinaryGrid):
        raw = np.packbits(x.astype(np.uint8).reshape(len(x), -1), axis=1).tobytes()
    else:
        raw = np.clip(np.round(x / STEP), -32768, 32767).astype("<i2").tobytes()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def unpack(text: str, space: Space) -> Array:
    """The states (n, dim) that :func:`pack` wrote. Raises ConfigError when the text does not fit the space."""
    if len(text) > MAX_INLINE:
        raise ConfigError("start.states", f"at most {MAX_INLINE} characters", f"{len(text)} characters")
    if not text:
        raise ConfigError("start.states", "at least one drawn state", "none")
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ConfigError("start.states", "base64url text", text[:40]) from None
    width = (space.dim + 7) // 8 if isinstance(space, BinaryGrid) else 2 * space.dim
    if not raw or len(raw) % width:
        raise ConfigError(
            "start.states", f"a whole number of states of {width} bytes each", f"{len(raw)} bytes"
        )
    if isinstance(space, BinaryGrid):
        bits = np.unpackbits(np.frombuffer(raw, np.uint8).reshape(-1, width), axis=1)[:, : space.dim]
        return bits.astype(float)
    return np.frombuffer(raw, "<i2").reshape(-1, space.dim) * STEP


def _fields(cls: type[Any]) -> list[str]:
    return [f.name for f in fields(cls)]


def as_dict(start: Start) -> dict[str, Any]:
    """A start as plain data."""
    out: dict[str, Any] = {"start": start.name}
    for name in _fields(type(start)):
        value = getattr(start, name)
        out[name] = list(value) if isinstance(value, tuple) else value
    return out


def from_dict(values: Mapping[str, Any]) -> Start:
    """The start that :func:`as_dict` wrote. Raises ConfigError for anything else."""
    values = dict(values)
    name = values.pop("start", None)
    if name not in KINDS:
        raise ConfigError("start", "one of " + ", ".join(KINDS), name)
    cls = KINDS[name]
    for name in values:
        if name not in _fields(cls):
            raise ConfigError(f"start.{name}", "one of " + ", ".join(_fields(cls)), name)
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return cls(**given)


def check(start: Start, space: Space, rows: int) -> Start:
    """The same start, when it can begin a run in this space over a dataset of ``rows`` rows.

    Raises ConfigError naming the field that can mend it.
    """

    def whole(name: str, low: int, high: int) -> None:
        value = getattr(start, name)
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
            raise ConfigError(f"start.{name}", f"a whole number from {low} to {high}", value)

    if not isinstance(start, Noise | Data | Corrupted | Drawn):
        raise ConfigError("start", "a start: Noise, Data, Corrupted or Drawn", f"a {type(start).__name__}")
    if start.free:
        if len(start.free) != space.dim:
            raise ConfigError(
                "start.free", f"{space.dim} marks, one a coordinate", f"{len(start.free)} marks"
            )
        if not any(start.free):
            raise ConfigError("start.free", "at least one free coordinate", "none")
    if isinstance(start, Noise):
        whole("n", 1, MAX_STATES)
        return start
    whole("copies", 1, MAX_STATES)
    if isinstance(start, Drawn):
        inside = space.contains(unpack(start.states, space))
        if not inside.all():
            raise ConfigError("start.states", f"states of {space.describe()}", "something else")
        return start
    if rows == 0:
        raise ConfigError("start", "a start without data rows: this dataset is a bare space", start.name)
    if not start.rows:
        raise ConfigError("start.rows", "at least one row", "none")
    for row in start.rows:
        if isinstance(row, bool) or not isinstance(row, int | np.integer) or not 0 <= row < rows:
            raise ConfigError("start.rows", f"row numbers from 0 to {rows - 1}", row)
    if isinstance(start, Corrupted):
        if start.kind not in space.corruptions:
            raise ConfigError("start.kind", "one of " + ", ".join(space.corruptions), start.kind)
        if (
            isinstance(start.amount, bool)
            or not isinstance(start.amount, int | float)
            or not 0 <= start.amount <= 1
        ):
            raise ConfigError("start.amount", "a number from 0 to 1", start.amount)
    return start


def fits(data: Space, space: Space) -> bool:
    """Whether rows of the data's space can begin a run in ``space``: as states, or as the left halves of pairs."""
    return data.dim == space.dim or (isinstance(space, Pairs) and space.left == data)


def draw(start: Start, data: DataRecord, space: Space, rng: np.random.Generator) -> Array:
    """The states (n, dim) in which sampling begins, in float64. Rows that are left halves of pairs get right halves of
    the space's random start."""
    if isinstance(start, Noise):
        return np.asarray(space.noise(start.n, rng), dtype=float)
    if isinstance(start, Drawn):
        return np.repeat(unpack(start.states, space), start.copies, axis=0)
    x = np.repeat(np.asarray(data.x, dtype=float)[list(start.rows)], start.copies, axis=0)
    if isinstance(space, Pairs) and x.shape[1] == space.left.dim != space.dim:
        if isinstance(start, Corrupted):
            x = space.left.corrupt(x, start.kind, start.amount, rng)
        return np.hstack([x, np.asarray(space.noise(len(x), rng), dtype=float)[:, space.left.dim :]])
    return space.corrupt(x, start.kind, start.amount, rng) if isinstance(start, Corrupted) else x


def origins(start: Start) -> NDArray[np.int64] | None:
    """For starts made from data: which row each state came from (n,). None otherwise."""
    if isinstance(start, Data | Corrupted):
        return np.repeat(np.asarray(start.rows, dtype=np.int64), start.copies)
    return None


def free_mask(start: Start, dim: int) -> NDArray[np.bool_] | None:
    """The mask (dim,) of the coordinates that may move, or None when all may."""
    return np.asarray(start.free, dtype=bool) if start.free and not all(start.free) else None
