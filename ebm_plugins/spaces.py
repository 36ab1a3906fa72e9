"""Where a state x lives. A space knows its dimension, its members, its random start and how it is corrupted.

A batch is always the first axis: ``(n, dim)``. Subclass one of these spaces and the dashboard draws yours as it
draws its parent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Space:
    """Base of all spaces. Subclasses give ``dim``, ``contains``, ``noise`` and the corruptions they know."""

    corruptions: ClassVar[tuple[str, ...]] = ("noise", "mask")
    discrete: ClassVar[bool] = False

    @property
    def dim(self) -> int:
        """Number of coordinates of one state."""
        raise NotImplementedError

    def contains(self, x: Array) -> NDArray[np.bool_]:
        """``(n,)`` booleans: which rows of ``x`` (n, dim) are states of this space."""
        x = np.asarray(x)
        if x.ndim != 2 or x.shape[1] != self.dim:
            return np.zeros(len(x) if x.ndim else 0, dtype=bool)
        return np.asarray(np.isfinite(x).all(axis=1))

    def noise(self, n: int, rng: np.random.Generator) -> Array:
        """``(n, dim)`` random states: where sampling starts when nothing better is known."""
        return rng.standard_normal((n, self.dim))

    def corrupt(self, x: Array, kind: str, amount: float, rng: np.random.Generator) -> Array:
        """A damaged copy of ``x`` (n, dim). ``amount`` is in [0, 1].

        ``noise`` adds Gaussian noise of standard deviation ``amount`` times the batch's; ``mask`` sets
        ``round(amount * dim)`` coordinates of each row to 0. Raises ValueError for a kind this space lacks.
        """
        self._check_kind(kind)
        x = np.array(x, dtype=float)
        if kind == "noise":
            return x + amount * (x.std() or 1.0) * rng.standard_normal(x.shape)
        x[self._chosen(x.shape, amount, rng)] = 0.0
        return x

    def restrict(self, count: int) -> Space:
        """The space of ``count`` free coordinates of this one, the others being clamped."""
        return Vectors(count)

    def describe(self) -> str:
        """In a reader's words, for messages."""
        return f"{type(self).__name__} of dimension {self.dim}"

    def _check_kind(self, kind: str) -> None:
        if kind not in self.corruptions:
            raise ValueError(
                f"{type(self).__name__} can be corrupted by {', '.join(self.corruptions)}, not {kind!r}"
            )

    @staticmethod
    def _chosen(shape: Sequence[int], amount: float, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Exactly ``round(amount * dim)`` coordinates of each row, uniformly at random."""
        n, dim = shape
        count = round(float(amount) * dim)
        chosen = np.zeros((n, dim), dtype=bool)
        order = rng.random((n, dim)).argsort(axis=1)[:, :count]
        np.put_along_axis(chosen, order, True, axis=1)
        return chosen


@dataclass(frozen=True)
class Plane(Space):
    """The plane R². Its random start is Gaussian with standard deviation 3 (the article's)."""

    @property
    def dim(self) -> int:
        return 2

    def noise(self, n: int, rng: np.random.Generator) -> Array:
        return 3.0 * rng.standard_normal((n, 2))


@dataclass(frozen=True)
class BinaryGrid(Space):
    """``rows × cols`` cells, each **0 or 1**, in row-major order. Spin models map s = 2x − 1 inside."""

    rows: int
    cols: int
    corruptions: ClassVar[tuple[str, ...]] = ("flip", "mask", "noise")
    discrete: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.rows < 1 or self.cols < 1:
            raise ValueError(
                f"a BinaryGrid has at least one row and one column, not {self.rows} × {self.cols}"
            )

    @property
    def dim(self) -> int:
        return self.rows * self.cols

    def contains(self, x: Array) -> NDArray[np.bool_]:
        x = np.asarray(x)
        if x.ndim != 2 or x.shape[1] != self.dim:
            return np.zeros(len(x) if x.ndim else 0, dtype=bool)
        return np.asarray(((x == 0) | (x == 1)).all(axis=1))

    def noise(self, n: int, rng: np.random.Generator) -> Array:
        return rng.integers(0, 2, (n, self.dim)).astype(float)

    def corrupt(self, x: Array, kind: str, amount: float, rng: np.random.Generator) -> Array:
        """``flip``: exactly ``round(amount * dim)`` cells change; ``mask``: as many are switched off;
        ``noise``: each cell is redrawn as a fair coin with probability ``amount``."""
        self._check_kind(kind)
        x = np.array(x, dtype=float)
        if kind == "noise":
            redrawn = rng.random(x.shape) < amount
            return np.where(redrawn, rng.integers(0, 2, x.shape), x)
        chosen = self._chosen(x.shape, amount, rng)
        x[chosen] = 1.0 - x[chosen] if kind == "flip" else 0.0
        return x

    def restrict(self, count: int) -> Space:
        return BinaryGrid(1, count)

    def describe(self) -> str:
        return f"a {self.rows} × {self.cols} grid of cells 0 or 1"


@dataclass(frozen=True)
class Vectors(Space):
    """R^size. With ``shape=(h, w)`` states are drawn as images."""

    size: int
    shape: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"Vectors have at least one coordinate, not {self.size}")
        if self.shape is not None and self.shape[0] * self.shape[1] != self.size:
            raise ValueError(
                f"an image of shape {self.shape} has {self.shape[0] * self.shape[1]} values, not {self.size}"
            )

    @property
    def dim(self) -> int:
        return self.size


@dataclass(frozen=True)
class Pairs(Space):
    """Two things side by side: a state is the left one's coordinates, then the right one's."""

    left: Space
    right: Space

    @property
    def dim(self) -> int:
        return self.left.dim + self.right.dim

    def contains(self, x: Array) -> NDArray[np.bool_]:
        x = np.asarray(x)
        if x.ndim != 2 or x.shape[1] != self.dim:
            return np.zeros(len(x) if x.ndim else 0, dtype=bool)
        cut = self.left.dim
        return np.asarray(self.left.contains(x[:, :cut]) & self.right.contains(x[:, cut:]))

    def noise(self, n: int, rng: np.random.Generator) -> Array:
        return np.hstack([self.left.noise(n, rng), self.right.noise(n, rng)])
