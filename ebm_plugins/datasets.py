r"""Data: bare spaces, the article's patterns, bars and stripes, scikit-learn's real digits, six shapes of the plane,
and data that a user brings.

Every split and every draw is fixed, so a dataset is the same on each machine (to rounding); what is loaded cannot
be written to. Sources: digits, Alpaydin and Kaynak 1998 (UCI, through scikit-learn); bars and stripes, MacKay 2003, §43.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebm_plugins import starts
from ebm_plugins.hookspecs import hookimpl
from ebm_plugins.records import Array, ConfigError, Data, Dataset
from ebm_plugins.shapes import SHAPES, Mixture, mixture, standardised
from ebm_plugins.spaces import BinaryGrid, Plane, Space, Vectors

TRAIN_DIGITS = 1300  # of 1,797
INLINE = "inline:"  # what a dataset key begins with when the data are in the key itself
MAX_SIDE = 64  # cells along a side of an inline grid

# ---------------------------------------------------------------------------------------------------------------
# Data that a user brings


def from_arrays(
    x: Any,
    space: Space,
    *,
    labels: Any = None,
    test_x: Any = None,
    test_labels: Any = None,
    name: str = "",
    names: Sequence[str] = (),
) -> Data:
    """Checked data from anything array-like: ``x`` (n, dim), or (n, rows, cols) where the space draws images.

    Raises ConfigError("data", ...) in the user's words for what is empty, ragged, not a number, not finite, of
    the wrong width, or not a state of ``space``; and for labels or names that do not match the rows.
    """
    states = _states(x, space, "row")
    held_out = None if test_x is None else _states(test_x, space, "test row")
    if held_out is None and test_labels is not None:
        raise ConfigError("data", "test labels only with test rows", "test labels alone")
    if names and len(names) != len(states):
        raise ConfigError("data", f"{len(states)} names, one a row", f"{len(names)} names")
    return Data(
        x=states,
        space=space,
        labels=_labels(labels, len(states), "labels"),
        test_x=held_out,
        test_labels=None if held_out is None else _labels(test_labels, len(held_out), "test labels"),
        name=name,
        names=tuple(str(n) for n in names),
    )


def inline(key: str) -> Data:
    """The binary patterns that a dataset key of the form ``inline:ROWSxCOLS:BASE64URL`` carries in itself.

    Raises ConfigError("data", ...) unless it is exactly what :func:`inline_key` writes.
    """
    form = "inline:ROWSxCOLS:PATTERNS, as the dashboard writes it"
    match = re.fullmatch(r"inline:([1-9][0-9]?)x([1-9][0-9]?):([A-Za-z0-9_-]+)", key)
    if match is None:
        raise ConfigError("data", form, _short(key))
    space = _grid(int(match[1]), int(match[2]))
    try:
        x = starts.unpack(match[3], space)
    except ConfigError as error:
        raise ConfigError("data", f"patterns of {space.describe()}: {error.expected}", error.got) from None
    if starts.pack(x, space) != match[3]:
        raise ConfigError("data", form, f"{_short(key)} (its last character does not fit)")
    names = [f"Pattern {i + 1}" for i in range(len(x))]
    return from_arrays(x, space, name="Patterns in the link", names=names)


def inline_key(x: Any, space: Space) -> str:
    """The dataset key that carries the binary patterns ``x`` (n, dim) in a link.

    Raises ConfigError("data", ...) for what :func:`from_arrays` refuses, for a space that is no grid, and for
    more patterns than a link can carry.
    """
    if not isinstance(space, BinaryGrid):
        raise ConfigError("data", "patterns of cells 0 or 1 (only these fit in a link)", space.describe())
    space = _grid(space.rows, space.cols)
    text = starts.pack(_states(x, space, "row"), space)
    if len(text) > starts.MAX_INLINE:
        most = starts.MAX_INLINE * 3 // 4 // ((space.dim + 7) // 8)
        raise ConfigError("data", f"at most {most} patterns of this size in a link", f"{len(x)} patterns")
    return f"{INLINE}{space.rows}x{space.cols}:{text}"


def _grid(rows: int, cols: int) -> BinaryGrid:
    if max(rows, cols) > MAX_SIDE:
        raise ConfigError("data", f"a grid of at most {MAX_SIDE} × {MAX_SIDE} cells", f"{rows} × {cols}")
    return BinaryGrid(rows, cols)


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")


def _states(x: Any, space: Space, word: str) -> Array:
    """``x`` as float64 states of ``space`` (n, dim) that cannot be written to, or ConfigError."""
    try:
        raw = np.asarray(x)
    except ValueError:
        raise ConfigError("data", f"{word}s of equal length", "rows of different lengths") from None
    if raw.size == 0:
        raise ConfigError("data", f"at least one {word}", "none")
    if raw.dtype.kind not in "biuf":
        odd = next((v for v in raw.flat if isinstance(v, str) or not isinstance(v, int | float)), raw.flat[0])
        raise ConfigError("data", "numbers only", _short(str(odd)))
    image = (space.rows, space.cols) if isinstance(space, BinaryGrid) else getattr(space, "shape", None)
    if raw.ndim == 3 and raw.shape[1:] == image:
        raw = raw.reshape(len(raw), -1)
    if raw.ndim != 2 or raw.shape[1] != space.dim:
        size = " × ".join(map(str, raw.shape))
        raise ConfigError("data", f"a table of {space.dim} columns ({space.describe()})", f"one of {size}")
    states = np.array(raw, dtype=float)
    if not np.isfinite(states).all():
        row, column = np.argwhere(~np.isfinite(states))[0]
        got = f"{states[row, column]} in {word} {row}, column {column}"
        raise ConfigError("data", "finite numbers (fill in or remove what is missing)", got)
    outside = ~space.contains(states)
    if outside.any():
        row = int(outside.argmax())
        raise ConfigError("data", f"states of {space.describe()}", _culprit(states[row], space, word, row))
    return _fixed(states)


def _culprit(state: Array, space: Space, word: str, row: int) -> str:
    if not isinstance(space, BinaryGrid):
        return f"something else in {word} {row}"
    column = int(((state != 0) & (state != 1)).argmax())
    return f"{state[column]:g} in {word} {row}, column {column}"


def _labels(labels: Any, n: int, word: str) -> Array | None:
    if labels is None:
        return None
    labels = np.array(labels)
    if labels.shape != (n,):
        raise ConfigError("data", f"{n} {word}, one a row", f"{word} of shape {labels.shape}")
    if labels.dtype.kind not in "biufU":
        raise ConfigError("data", f"{word} that are numbers or words", f"{labels.dtype} values")
    return _fixed(labels)


def _fixed(x: Array) -> Array:
    x.setflags(write=False)
    return x


# ---------------------------------------------------------------------------------------------------------------
# Bare spaces and patterns


def _bare(name: str, space: Space) -> Data:
    return Data(x=_fixed(np.zeros((0, space.dim))), space=space, name=name)


def _article_patterns() -> Data:
    """A bar two wide, a line and a diagonal. In spins they overlap by 32, 32 and 36 of 64."""
    x = np.zeros((3, 8, 8))
    x[0, :6, 3:5] = 1
    x[1, 3, :] = 1
    x[2][np.diag_indices(8)] = 1
    names = ("Bar", "Line", "Diagonal")
    return from_arrays(x, BinaryGrid(8, 8), name="The article's patterns", names=names)


def _article_six() -> Data:
    """Six rows of six bits, three different ones, each twice (as the article trains its RBM on them)."""
    words = ("110000", "110000", "000011", "000011", "101010", "101010")
    x = [[int(bit) for bit in word] for word in words]
    return from_arrays(x, BinaryGrid(1, 6), name="The article's six rows", names=words)


def _bars_and_stripes(n: int) -> Data:
    """All n × n patterns of whole columns (bars, label 0) or whole rows (stripes, label 1), each once.

    Empty and full are both, and counted as bars: 2^(n + 1) − 2 patterns, so the best possible mean
    log-likelihood is −log(2^(n + 1) − 2).
    """
    words = (np.arange(2**n)[:, None] >> np.arange(n)[::-1]) & 1
    bars = np.repeat(words[:, None, :], n, axis=1)
    stripes = np.repeat(words[1:-1, :, None], n, axis=2)
    names = [f"bars {''.join(map(str, w))}" for w in words]
    names += [f"stripes {''.join(map(str, w))}" for w in words[1:-1]]
    names[0], names[len(words) - 1] = "empty", "full"
    labels = [0] * len(bars) + [1] * len(stripes)
    title = f"Bars and stripes {n}×{n}"
    return from_arrays(
        np.concatenate([bars, stripes]), BinaryGrid(n, n), labels=labels, name=title, names=names
    )


@cache
def _digit_images() -> tuple[Array, NDArray[np.int64]]:
    """All 1,797 digits in their fixed shuffled order: grey in [0, 1] (n, 64), and which digit each is (n,)."""
    table = _digit_table()
    order = np.random.default_rng(0).permutation(1797)
    return _fixed(table[order, :-1] / 16.0), _fixed(table[order, -1].astype(np.int64))


def _digit_table() -> Array:
    """scikit-learn's digits (1797, 65): 64 grey values from 0 to 16, then the digit. Its own file is read where it
    lies, because importing scikit-learn for it takes a second; where it lies elsewhere, scikit-learn is asked."""
    found = find_spec("sklearn")
    for folder in (found.submodule_search_locations or []) if found else []:
        path = Path(folder, "datasets", "data", "digits.csv.gz")
        if path.is_file():
            return np.loadtxt(path, delimiter=",")
    from sklearn.datasets import load_digits

    digits = load_digits()
    return np.column_stack([digits.data, digits.target])


def _digits(binary: bool) -> Data:
    """1,300 digits to learn from, 497 held out. Binary: a cell is 1 where at least half of it is ink."""
    grey, labels = _digit_images()
    cut = TRAIN_DIGITS
    return from_arrays(
        (x := (grey >= 0.5) if binary else grey)[:cut],
        BinaryGrid(8, 8) if binary else Vectors(64, (8, 8)),
        labels=labels[:cut],
        test_x=x[cut:],
        test_labels=labels[cut:],
        name="Digits, binary" if binary else "Digits",
        names=[f"{digit} (row {row})" for row, digit in enumerate(labels[:cut])],
    )


def _shape(key: str) -> Data:
    (x, labels), (test_x, test_labels) = standardised(key)
    return from_arrays(x, Plane(), labels=labels, test_x=test_x, test_labels=test_labels, name=SHAPES[key][0])


# ---------------------------------------------------------------------------------------------------------------


@hookimpl
def register_datasets() -> Iterator[Dataset]:
    for key, title, space in (
        ("plane", "Plane", Plane()),
        ("grid-8x8", "Empty 8×8 grid", BinaryGrid(8, 8)),
        ("grid-4x4", "Empty 4×4 grid", BinaryGrid(4, 4)),
    ):
        summary = f"No data, only the space: {'the plane' if key == 'plane' else space.describe()}."
        yield Dataset(key=key, title=title, summary=summary, space=space, load=partial(_bare, title, space))
    yield Dataset(
        key="article-patterns",
        title="The article's patterns",
        summary="A bar, a line and a diagonal on 8×8 cells, more alike than memories should be.",
        space=BinaryGrid(8, 8),
        load=_article_patterns,
    )
    yield Dataset(
        key="article-six",
        title="The article's six rows",
        summary="Three rows of six bits, each twice: what the article trains its RBM on.",
        space=BinaryGrid(1, 6),
        load=_article_six,
    )
    for n in (2, 3, 4):
        yield Dataset(
            key=f"bars-and-stripes-{n}x{n}",
            title=f"Bars and stripes {n}×{n}",
            summary=f"All {2 ** (n + 1) - 2} patterns of whole columns or whole rows, each once.",
            space=BinaryGrid(n, n),
            load=partial(_bars_and_stripes, n),
        )
    yield Dataset(
        key="digits",
        title="Digits",
        summary="1,797 real handwritten digits, 8×8 greys from 0 to 1, 497 of them held out.",
        space=Vectors(64, (8, 8)),
        load=partial(_digits, False),
    )
    yield Dataset(
        key="digits-binary",
        title="Digits, binary",
        summary="The same real digits in black and white: a cell is on where at least half of it is ink.",
        space=BinaryGrid(8, 8),
        load=partial(_digits, True),
    )
    for key, (title, summary, _) in SHAPES.items():
        yield Dataset(key=key, title=title, summary=summary, space=Plane(), load=partial(_shape, key))


__all__ = [
    "INLINE",
    "MAX_SIDE",
    "Mixture",
    "from_arrays",
    "inline",
    "inline_key",
    "mixture",
    "register_datasets",
]
