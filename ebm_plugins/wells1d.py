"""A landscape on a line that is small enough to see whole: a few wells in a wide bowl, in a box.

E(x) = c x² − Σ_k d_k exp(−(x − m_k)² / 2 s_k²) for |x| ≤ 6,  p(x) = exp(−E(x)/T) / Z,
Z = ∫ exp(−E(x)/T) dx over the box. So p is uniform when T is large, and all in the deepest well when T is small.

Two routes to Z that share no step: Simpson's rule on :data:`POINTS` points, and (for two wells) a double power
series in the depths whose every term is the integral of a Gaussian over the box.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

BOX = 6.0  # x lives between −BOX and BOX
BOWL = 0.1
POINTS = 2001
BASIN_POINTS = 801  # for the share of one basin
MOST = 5  # wells
CENTRES, DEPTHS, WIDTHS, TEMPERATURES = (-5.0, 5.0), (0.0, 5.0), (0.4, 2.0), (0.1, 100.0)
AGE = 13.787e9 * 365.25 * 86400  # of the universe, in seconds (Planck 2018, table 2: 13.787 ± 0.020 Gyr)
RATE = 1e9  # evaluations a second, as a good processor might

Floats = NDArray[np.float64]


class Well(NamedTuple):
    """A dip of the energy: where it is, how deep (in units of E) and how wide (a standard deviation, in x)."""

    centre: float
    depth: float
    width: float


START = (Well(-2.0, 3.0, 0.9), Well(1.6, 2.0, 0.9))


@dataclass(frozen=True)
class Solved:
    """The exact answer for one setting. ``x``, ``energy``, ``weight`` and ``probability`` are (POINTS,) over the box.

    ``partition`` is Z and ``error`` the change in it when every second point is left out. ``mean_energy`` is the
    mean of E under p. ``bottoms`` are the lowest points of the basins from left to right, ``lowest`` the energy
    there, ``tops`` the highest points between them, and ``shares`` the probability between the tops.
    """

    x: Floats
    energy: Floats
    weight: Floats
    probability: Floats
    partition: float
    error: float
    mean_energy: float
    tops: tuple[float, ...]
    bottoms: tuple[float, ...]
    lowest: tuple[float, ...]
    shares: tuple[float, ...]


def energy(x: ArrayLike, wells: Sequence[Well] = START) -> Floats:
    """E at ``x`` (any shape)."""
    x = np.asarray(x, dtype=float)
    total = BOWL * x**2
    for centre, depth, width in wells:
        total = total - depth * np.exp(-((x - centre) ** 2) / (2 * width**2))
    return total


def slope(x: ArrayLike, wells: Sequence[Well] = START) -> Floats:
    """dE/dx at ``x`` (any shape)."""
    x = np.asarray(x, dtype=float)
    total = 2 * BOWL * x
    for centre, depth, width in wells:
        away = (x - centre) / width
        total = total + depth * away / width * np.exp(-(away**2) / 2)
    return total


def solve(temperature: float, wells: Sequence[Well] = START, *, points: int = POINTS) -> Solved:
    """E, exp(−E/T), p, Z and each basin's share of the probability.

    Raises ValueError for a setting that :func:`check` refuses.
    """
    check(temperature, wells)
    x = np.linspace(-BOX, BOX, points)
    e = energy(x, wells)
    weight = np.exp(-e / temperature)
    partition = simpson(weight, -BOX, BOX)
    tops, bottoms = _stationary(wells)
    edges = (-BOX, *tops, BOX)
    basins = [_basin(low, high, temperature, wells) for low, high in pairwise(edges)]
    return Solved(
        x=x,
        energy=e,
        weight=weight,
        probability=weight / partition,
        partition=partition,
        error=abs(partition - simpson(weight[::2], -BOX, BOX)),
        mean_energy=simpson(e * weight, -BOX, BOX) / partition,
        tops=tops,
        bottoms=bottoms,
        lowest=tuple(float(energy(bottom, wells)) for bottom in bottoms),
        shares=tuple(basin / sum(basins) for basin in basins),
    )


def bars(count: int, temperature: float, wells: Sequence[Well] = START) -> float:
    """Z as ``count`` bars of equal width, each as high as exp(−E/T) in its middle."""
    width = 2 * BOX / count
    middles = -BOX + width * (np.arange(count) + 0.5)
    return float(width * np.exp(-energy(middles, wells) / temperature).sum())


def partition_series(temperature: float, wells: Sequence[Well] = START) -> float:
    """Z of two wells without a grid: Σ_jk (d₁/T)^j (d₂/T)^k / (j! k!) · the integral of a Gaussian over the box.

    Every term is positive, so nothing cancels. Raises as :func:`solve`, and for another number of wells.
    """
    check(temperature, wells)
    if len(wells) != 2:
        raise ValueError(f"expected two wells, got {len(wells)}")
    depths = [well.depth / temperature for well in wells]
    terms = [np.arange(_terms(d)) for d in depths]
    log_weights = [_log_powers(d, n) for d, n in zip(depths, terms, strict=True)]
    j, k = np.meshgrid(*terms, indexing="ij")
    (m, _, s), (n, _, t) = wells
    tight = BOWL / temperature + j / (2 * s**2) + k / (2 * t**2)
    pull = j * m / (2 * s**2) + k * n / (2 * t**2)
    rest = j * m**2 / (2 * s**2) + k * n**2 / (2 * t**2)
    log_term = log_weights[0][:, None] + log_weights[1][None, :] + pull**2 / tight - rest
    root = np.sqrt(tight)
    inside = _erf(root * (BOX - pull / tight)) + _erf(root * (BOX + pull / tight))
    return float(np.sum(np.exp(log_term) * np.sqrt(np.pi) / root * inside / 2))


def simpson(values: Floats, low: float, high: float) -> float:
    """∫ of what has these values at evenly spaced points (an odd number of them) from ``low`` to ``high``."""
    if len(values) % 2 == 0 or len(values) < 3:
        raise ValueError(f"expected an odd number of points, at least 3, got {len(values)}")
    total = values[0] + values[-1] + 4 * values[1::2].sum() + 2 * values[2:-1:2].sum()
    return float(total * (high - low) / (len(values) - 1) / 3)


def log10_cost(dim: int, points: int = POINTS) -> float:
    """log₁₀ of the evaluations that Z takes on a grid: ``points`` an axis, ``dim`` axes, points^dim in all."""
    if dim < 1 or points < 1:
        raise ValueError(f"expected at least one axis and one point, got {dim} axes of {points} points")
    return dim * math.log10(points)


def log10_ages(dim: int, points: int = POINTS) -> float:
    """log₁₀ of the time that :func:`log10_cost` takes at :data:`RATE`, in ages of the universe."""
    return log10_cost(dim, points) - math.log10(RATE * AGE)


def check(temperature: float, wells: Sequence[Well]) -> None:
    """Raise ValueError unless exp(−E/T) can be integrated as it is here: all values within their limits."""
    if len(wells) > MOST:
        raise ValueError(f"expected at most {MOST} wells, got {len(wells)}")
    _within("a temperature", temperature, TEMPERATURES)
    for number, well in enumerate(wells, 1):
        for name, value, limits in zip(
            ("a place", "a depth", "a width"), well, (CENTRES, DEPTHS, WIDTHS), strict=True
        ):
            _within(f"{name} for well {number}", value, limits)


def _within(name: str, value: float, limits: tuple[float, float]) -> None:
    if not (math.isfinite(value) and limits[0] <= value <= limits[1]):
        raise ValueError(f"expected {name} from {limits[0]:g} to {limits[1]:g}, got {value:g}")


def _basin(low: float, high: float, temperature: float, wells: Sequence[Well]) -> float:
    """∫ exp(−E/T) from ``low`` to ``high``."""
    x = np.linspace(low, high, BASIN_POINTS)
    return simpson(np.exp(-energy(x, wells) / temperature), low, high)


def _stationary(wells: Sequence[Well]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The tops between the basins, and the bottom of each basin, left to right.

    Beyond every centre the energy rises towards the wall, so no basin has its bottom there.
    """
    x = np.linspace(-BOX, BOX, POINTS)
    rising = slope(x, wells) > 0
    turns = np.flatnonzero(rising[1:] != rising[:-1])
    bottoms = [_root(x[i], x[i + 1], wells) for i in turns if rising[i + 1]]
    tops = [_root(x[i], x[i + 1], wells) for i in turns if not rising[i + 1]]
    return tuple(tops), tuple(bottoms)


def _root(low: float, high: float, wells: Sequence[Well]) -> float:
    """Where the slope changes sign between ``low`` and ``high``, by bisection."""
    sign = float(slope(low, wells)) > 0
    for _ in range(40):
        middle = (low + high) / 2
        if (float(slope(middle, wells)) > 0) == sign:
            low = middle
        else:
            high = middle
    return float((low + high) / 2)


def _terms(depth: float) -> int:
    """Terms of exp(depth) after which the rest is below 1e-17 of it."""
    return int(depth + 12 * math.sqrt(depth + 1) + 30)


def _log_powers(depth: float, n: NDArray[np.int64]) -> Floats:
    """log(depth^n / n!) for each n."""
    logs = np.full(n.shape, -np.inf)
    logs[0] = 0.0
    if depth > 0:
        logs = n * math.log(depth) - np.array([math.lgamma(int(i) + 1) for i in n])
    return logs


def _erf(x: Floats) -> Floats:
    return np.vectorize(math.erf, otypes=[float])(x)
