"""Data of one's own: what a file holds becomes rows of a space, and a key that a link can carry.

Three steps, so that nothing runs before it was looked at: :func:`ebm_plugins.files.read` a file, :func:`make` rows of
it under a :class:`Choice`, :func:`keep` them. Few patterns travel in the link itself; all else is kept by its digest
(:mod:`ebm_plugins.stored`), and is recognised when the same file is given again (:func:`recognise`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, permutations

import numpy as np
from numpy.typing import NDArray

from ebm_plugins import stored
from ebm_plugins.datasets import MAX_SIDE, inline_key
from ebm_plugins.file_limits import KEPT_ROWS, MOST_VALUES, refuse
from ebm_plugins.files import Content, Pictures, from_least_to_greatest, within_reach
from ebm_plugins.records import Array, ConfigError, Data
from ebm_plugins.spaces import BinaryGrid, Plane, Space, Vectors
from ebm_plugins.tables import Table

MOST_ROWS = 24  # that can be drawn into a link by hand
KINDS = {
    "points": "Points on the plane",
    "patterns": "Patterns of cells 0 or 1",
    "greys": "Grey pictures",
    "vectors": "Rows of numbers",
}
SCALINGS = {"standardise": "Standardise", "keep": "Keep as they are"}
THRESHOLDS = tuple(round(0.05 * k, 2) for k in range(1, 20))
SIDES = (2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32)
DIGITS = 6  # of standardised numbers: past them, machines differ
TRIED = 1000  # ways to read a file that are tried when its digest is looked for
LARGE = 1e6  # numbers past this have no place on the stage
SMALL = 1e-6  # nor has a column that varies by less


@dataclass(frozen=True)
class Choice:
    """How a file is to be read. ``columns`` are two of a table (for points), ``scaling`` is for points and rows of
    numbers; ``rows`` × ``cols``, ``threshold`` (a share of the way from the least value to the greatest) and
    ``dark`` (dark is on) are for patterns and pictures."""

    kind: str
    columns: tuple[int, int] = (0, 1)
    scaling: str = "standardise"
    rows: int = 8
    cols: int = 8
    threshold: float = 0.5
    dark: bool = False


@dataclass(frozen=True)
class Made:
    """Rows of a space, checked, and what was left out of them, in sentences."""

    x: Array
    space: Space
    dropped: tuple[str, ...] = ()

    @property
    def inline(self) -> bool:
        """Whether a link holds them itself."""
        return _inline(self.x, self.space) is not None


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


def kinds(content: Content, accepts: tuple[type[Space], ...]) -> tuple[str, ...]:
    """What this content can be read as by a family that accepts these spaces; the likeliest first."""
    table = isinstance(content, Table)
    width = content.x.shape[1] if isinstance(content, Table) else 0
    fits = {
        "points": table and width >= 2 and issubclass(Plane, accepts),
        "patterns": issubclass(BinaryGrid, accepts) and (not table or width >= 2),
        "greys": issubclass(Vectors, accepts)
        and (not table or any(min(shape) > 1 for shape in shapes(width))),
        "vectors": table and issubclass(Vectors, accepts) and 1 <= width <= stored.MOST_VECTORS,
    }
    return tuple(kind for kind in KINDS if fits[kind])


def shapes(width: int) -> tuple[tuple[int, int], ...]:
    """The pictures (rows, cols) that a table of this many columns can be, the squarest first; last one row of them."""
    pairs = [(r, width // r) for r in range(1, min(width, MAX_SIDE) + 1) if width % r == 0]
    fitting = [pair for pair in pairs if max(pair) <= MAX_SIDE]
    return tuple(sorted(fitting, key=lambda pair: (abs(pair[0] - pair[1]), pair)))


def sizes(content: Table) -> tuple[tuple[int, int], ...]:
    """The pictures (rows, cols) that this table can be: one a row, or the whole table as one."""
    whole = content.x.shape
    one = ((whole[0], whole[1]),) if 1 < whole[0] <= MAX_SIDE and whole[1] <= MAX_SIDE else ()
    return tuple(dict.fromkeys((*shapes(whole[1]), *one)))


def usual(content: Content, kind: str, space: Space | None = None) -> Choice:
    """The choice to begin with. ``space`` is that of the data in use: its size is kept where it can be."""
    choice = Choice(kind)
    if isinstance(content, Pictures):
        choice = replace(choice, dark=kind == "patterns" and _mean(content) > 0.5)
        shape = _shape(space) or (8, 8)
        return replace(choice, rows=shape[0], cols=shape[1])
    if kind == "points":
        telling = [c for c in range(content.x.shape[1]) if not _counts(content.x[:, c])]
        most = (*telling, *range(content.x.shape[1]))
        choice = replace(choice, columns=(most[0], next(c for c in most if c != most[0])))
    fitting, now = sizes(content), _shape(space)
    if fitting:
        shape = now if now is not None and now in fitting else fitting[0]
        choice = replace(choice, rows=shape[0], cols=shape[1])
    return choice


def make(content: Content, choice: Choice) -> Made:
    """The rows that a choice makes of a file's content.

    Raises ConfigError("data", ...) where nothing usable is left: what was expected, what came.
    """
    if choice.kind == "points":
        assert isinstance(content, Table)
        return _points(content, choice)
    if choice.kind == "vectors":
        assert isinstance(content, Table)
        x, dropped = _finite(content.x)
        return Made(_scaled(x, content.names, choice.scaling), Vectors(x.shape[1]), dropped)
    return _pictures(content, choice)


def keep(made: Made) -> str:
    """The key of these rows: with the rows in it where a link holds them, else of what the store now keeps."""
    return _inline(made.x, made.space) or stored.keep(made.x, made.space)


def recognise(content: Content, key: str) -> Made | None:
    """The rows of the key ``stored:…`` when some way to read this file gives exactly them, else None."""
    space = stored.space_of(key)
    held = _as_kept(content, space)
    if held is not None and stored.content_of(held.x, space)[0] == key:
        return held  # the file is the download of these very data
    for choice in islice(_ways(content, space), TRIED):
        try:
            made = make(content, choice)
        except ConfigError:
            continue
        if made.space == space and stored.content_of(made.x, space)[0] == key:
            return made
    return None


def _as_kept(content: Content, space: Space) -> Made | None:
    """The rows of a table without any change, where they are states of the space."""
    if not isinstance(content, Table) or content.x.shape[1] != space.dim:
        return None
    x = content.x / 255.0 if isinstance(space, Vectors) and space.shape is not None else content.x
    return Made(x, space) if np.isfinite(x).all() and space.contains(x).all() else None


def _ways(content: Content, space: Space) -> Iterator[Choice]:
    """The choices that give rows of this space."""
    shape = _shape(space)
    if isinstance(space, Plane) and isinstance(content, Table):
        for columns in permutations(range(content.x.shape[1]), 2):
            for scaling in SCALINGS:
                yield Choice("points", columns=columns, scaling=scaling)
    elif isinstance(space, BinaryGrid):
        for threshold in THRESHOLDS:
            for dark in (False, True):
                yield Choice("patterns", rows=space.rows, cols=space.cols, threshold=threshold, dark=dark)
    elif shape is not None:
        for dark in (False, True):
            yield Choice("greys", rows=shape[0], cols=shape[1], dark=dark)
    elif isinstance(content, Table):
        for scaling in SCALINGS:
            yield Choice("vectors", scaling=scaling)


def _points(table: Table, choice: Choice) -> Made:
    if len(set(choice.columns)) < 2 or not all(0 <= c < table.x.shape[1] for c in choice.columns):
        raise refuse(
            "two different columns", "the same one twice" if len(set(choice.columns)) < 2 else "others"
        )
    x, dropped = _finite(table.x[:, list(choice.columns)])
    names = [table.names[c] for c in choice.columns]
    if len(x) < 2:
        raise refuse("at least two rows with numbers in both columns", f"{len(x)}")
    return Made(_scaled(x, names, choice.scaling), Plane(), dropped)


def _finite(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """The rows without a gap, at most :data:`KEPT_ROWS` of them, and what was left out."""
    gaps, endless = np.isnan(x).any(axis=1), np.isinf(x).any(axis=1)
    whole = x[~(gaps | endless)]
    dropped = []
    if gaps.any():
        dropped.append(f"{_rows(int(gaps.sum()))} without a number in a chosen column")
    if (endless & ~gaps).any():
        dropped.append(f"{_rows(int((endless & ~gaps).sum()))} with an infinite number")
    if not len(whole):
        raise refuse("rows with finite numbers", "none" + (f": {', '.join(dropped)}" if dropped else ""))
    return _few(whole, dropped)


def _few(x: NDArray[np.float64], dropped: list[str]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    most = max(1, min(KEPT_ROWS, MOST_VALUES // x.shape[1]))
    if len(x) > most:
        dropped.append(f"{_rows(len(x) - most)} of {len(x):,}, so that {most:,} evenly spaced ones remain")
        x = x[np.linspace(0, len(x) - 1, most).round().astype(int)]
    return x, tuple(dropped)


def _scaled(x: NDArray[np.float64], names: Sequence[str], scaling: str) -> Array:
    """Every column with mean 0 and standard deviation 1; or as it is, where it fits the stage."""
    near_one = within_reach(x, axis=0)
    constant = ~(np.ptp(near_one, axis=0) > 1e-12)
    if constant.any():
        column = int(constant.argmax())
        raise refuse("columns that vary", f"‘{names[column]}’, which is {x[0, column]:g} in every row")
    if scaling == "keep":
        if np.abs(x).max() > LARGE:
            raise refuse(f"numbers up to {LARGE:,.0f} (or standardise them)", f"{np.abs(x).max():.3g}")
        least = np.ptp(x, axis=0)
        if (least < SMALL).any():
            column, wanted = (
                int(least.argmin()),
                f"columns that vary by {SMALL:f} or more (or standardise them)",
            )
            raise refuse(wanted, f"‘{names[column]}’, which varies by {least[column]:.3g}")
        return x
    return np.round((near_one - near_one.mean(axis=0)) / near_one.std(axis=0), DIGITS) + 0.0


def _pictures(content: Content, choice: Choice) -> Made:
    rows, cols = choice.rows, choice.cols
    if not (1 <= rows <= MAX_SIDE and 1 <= cols <= MAX_SIDE):
        raise refuse(f"a size of at most {MAX_SIDE} × {MAX_SIDE} cells", f"{rows} × {cols}")
    if isinstance(content, Pictures):
        grey = np.array([_fitted(p, rows, cols) for p in content.pictures[:KEPT_ROWS]])
        flat, dropped = _finite(grey.reshape(len(grey), -1))
        dropped = (*content.dropped, *dropped)
    else:
        x = content.x
        if x.shape == (rows, cols) and (rows * cols != x.shape[1]):
            x = x.reshape(1, -1)
        if x.shape[1] != rows * cols:
            raise refuse(
                f"a table of {rows * cols} columns, one a cell of {rows} × {cols}", f"{x.shape[1]} columns"
            )
        flat, dropped = _finite(x)
        low, high = float(flat.min()), float(flat.max())
        if not (low >= 0 and high <= 1):
            flat = from_least_to_greatest(flat)
    if float(np.ptp(flat)) == 0:
        raise refuse("pictures that vary", f"{_rows(len(flat), 'picture')} of one value")
    if choice.dark:
        flat = 1.0 - flat
    if choice.kind == "greys":
        greys = np.rint(255 * flat) / 255.0
        _differ(greys, "pictures that differ")
        return Made(greys, Vectors(rows * cols, (rows, cols)), dropped)
    cells = (flat > choice.threshold).astype(float)
    if cells.min() == cells.max():
        state = "on" if cells.all() else "off"
        raise refuse("patterns with cells on and cells off (move the threshold)", f"every cell {state}")
    _differ(cells, "patterns that differ (move the threshold, or give one alone)")
    return Made(cells, BinaryGrid(rows, cols), dropped)


def _differ(x: Array, expected: str) -> None:
    if len(x) > 1 and (x == x[0]).all():
        raise refuse(expected, f"{len(x):,} times the same")


def _fitted(picture: NDArray[np.float64], rows: int, cols: int) -> NDArray[np.float64]:
    """A picture (h, w) as rows × cols means over its middle, cut to that shape."""
    height, width = picture.shape
    if (height, width) == (rows, cols):
        return picture
    scale = min(height / rows, width / cols)
    tall, wide = scale * rows, scale * cols
    down = _weights(rows, (height - tall) / 2, tall, height)
    across = _weights(cols, (width - wide) / 2, wide, width)
    out: NDArray[np.float64] = np.round(down @ picture @ across.T, DIGITS)
    return out


def _weights(cells: int, first: float, length: float, pixels: int) -> NDArray[np.float64]:
    """(cells, pixels): the share of each pixel in the mean of each cell."""
    edges = first + length * np.arange(cells + 1) / cells
    at = np.arange(pixels)
    shared = np.minimum(edges[1:, None], at + 1.0) - np.maximum(edges[:-1, None], at)
    return np.asarray(np.clip(shared, 0.0, None) * cells / length)


def _inline(x: Array, space: Space) -> str | None:
    if not isinstance(space, BinaryGrid):
        return None
    try:
        return inline_key(x, space)
    except ConfigError:
        return None


def _counts(column: NDArray[np.float64]) -> bool:
    """Whether a column says nothing: a row's number, or the same in every row."""
    with np.errstate(invalid="ignore"):
        steps = np.diff(column[:1000])
    return bool(len(steps) > 1 and (steps == steps[0]).all() and steps[0] in (0.0, 1.0))


def _shape(space: Space | None) -> tuple[int, int] | None:
    if isinstance(space, BinaryGrid):
        return space.rows, space.cols
    return space.shape if isinstance(space, Vectors) else None


def _mean(content: Pictures) -> float:
    return float(np.mean([np.nanmean(p) if np.isfinite(p).any() else 0.0 for p in content.pictures[:100]]))


def _rows(count: int, what: str = "row") -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
