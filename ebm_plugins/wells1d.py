"""A landscape on the line that is small enough to see whole: two wells in a wide bowl.

E(x) = c x² − Σ_k d_k exp(−(x − m_k)² / 2 s²),  p(x) = exp(−E(x)/T) / Z,  Z = ∫ exp(−E(x)/T) dx.

Two routes to Z that share no step: the trapezoid rule, which converges exponentially for smooth functions that
decay at both ends (Trefethen and Weideman, 2014), and a double power series in the depths whose every term is
the integral of a Gaussian.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

CENTRES = (-2.0, 1.6)
WIDTH = 0.9
BOWL = 0.1
POINTS = 801
TAILS = 8.5  # standard deviations of the bare bowl on either side: what is left out is below 1e-16 of Z

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Wells:
    """The exact answer for one setting. ``x``, ``energy``, ``weight`` and ``probability`` are (n,) over the view.

    ``partition`` is Z by quadrature over the whole line and ``error`` the change in it when every second point
    is left out. ``barrier`` is the top between the wells, ``shares`` the probability left and right of it and
    ``bottoms`` the lowest point of each, with its energy in ``lowest`` and p in ``peaks``; with a single well,
    ``barrier`` is None and these hold one entry.
    ``outside`` is the share of Z beyond the view.
    """

    x: Floats
    energy: Floats
    weight: Floats
    probability: Floats
    partition: float
    error: float
    barrier: float | None
    bottoms: tuple[float, ...]
    lowest: tuple[float, ...]
    peaks: tuple[float, ...]
    shares: tuple[float, ...]
    outside: float


def energy(x: ArrayLike, left: float, right: float) -> Floats:
    """E at ``x`` (any shape), for wells of depth ``left`` and ``right``."""
    x = np.asarray(x, dtype=float)
    total = BOWL * x**2
    for depth, centre in zip((left, right), CENTRES, strict=True):
        total = total - depth * np.exp(-((x - centre) ** 2) / (2 * WIDTH**2))
    return total


def slope(x: ArrayLike, left: float, right: float) -> Floats:
    """dE/dx at ``x`` (any shape)."""
    x = np.asarray(x, dtype=float)
    total = 2 * BOWL * x
    for depth, centre in zip((left, right), CENTRES, strict=True):
        away = (x - centre) / WIDTH
        total = total + depth * away / WIDTH * np.exp(-(away**2) / 2)
    return total


def solve(temperature: float, left: float, right: float, *, view: float = 6.0, points: int = POINTS) -> Wells:
    """E, exp(−E/T), p, Z and each well's share of the probability; curves over [−view, view].

    Raises ValueError for a temperature that is not positive and for depths below 0.
    """
    check(temperature, left, right)
    reach = TAILS * math.sqrt(temperature / (2 * BOWL))
    partition, error = _integral(-reach, reach, temperature, left, right, points)
    top, bottoms = _stationary(left, right)
    below = 1.0 if top is None else _integral(-reach, top, temperature, left, right, points)[0] / partition
    inside = _integral(-view, view, temperature, left, right, points)[0] if view < reach else partition
    x = np.linspace(-view, view, 361)
    e = energy(x, left, right)
    weight = np.exp(-e / temperature)
    lowest = tuple(float(energy(bottom, left, right)) for bottom in bottoms)
    return Wells(
        x=x,
        energy=e,
        weight=weight,
        probability=weight / partition,
        partition=partition,
        error=error,
        barrier=top,
        bottoms=bottoms,
        lowest=lowest,
        peaks=tuple(math.exp(-e / temperature) / partition for e in lowest),
        shares=(1.0,) if top is None else (below, 1.0 - below),
        outside=max(0.0, 1.0 - inside / partition),
    )


def partition_series(temperature: float, left: float, right: float) -> float:
    """Z without a grid: Σ_jk (d₁/T)^j (d₂/T)^k / (j! k!) · the integral of a Gaussian.

    Every term is positive, so nothing cancels. Raises as :func:`solve`.
    """
    check(temperature, left, right)
    depths = (left / temperature, right / temperature)
    terms = [np.arange(_terms(d)) for d in depths]
    log_weights = [_log_powers(d, n) for d, n in zip(depths, terms, strict=True)]
    j, k = np.meshgrid(*terms, indexing="ij")
    tight = BOWL / temperature + (j + k) / (2 * WIDTH**2)
    pull = (j * CENTRES[0] + k * CENTRES[1]) / (2 * WIDTH**2)
    rest = (j * CENTRES[0] ** 2 + k * CENTRES[1] ** 2) / (2 * WIDTH**2)
    log_term = log_weights[0][:, None] + log_weights[1][None, :] + pull**2 / tight - rest
    return float(np.sum(np.exp(log_term) * np.sqrt(np.pi / tight)))


def log10_cost(dim: int, points: int = 200) -> float:
    """log₁₀ of the evaluations that Z takes on a grid: ``points`` an axis, ``dim`` axes, points^dim in all."""
    if dim < 1 or points < 1:
        raise ValueError(f"expected at least one axis and one point, got {dim} axes of {points} points")
    return dim * math.log10(points)


def check(temperature: float, left: float, right: float) -> None:
    """Raise ValueError unless exp(−E/T) has a finite integral for these values."""
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(f"expected a temperature above 0, got {temperature}")
    for name, depth in (("left", left), ("right", right)):
        if not (math.isfinite(depth) and depth >= 0):
            raise ValueError(f"expected a depth of at least 0 for the {name} well, got {depth}")


def _integral(
    low: float, high: float, temperature: float, left: float, right: float, points: int
) -> tuple[float, float]:
    """∫ exp(−E/T) from ``low`` to ``high`` and its change when every second point is left out.

    The ends are tails or a stationary point of E, where the trapezoid rule's leading error term, proportional
    to the slope there, vanishes; at the ends of the view it does not, and five digits are all a caption needs.
    """
    x, step = np.linspace(low, high, points, retstep=True)
    weight = np.exp(-energy(x, left, right) / temperature)
    fine = float(np.trapezoid(weight, dx=float(step)))
    coarse = float(np.trapezoid(weight[::2], dx=2 * float(step)))
    return fine, abs(fine - coarse)


def _stationary(left: float, right: float) -> tuple[float | None, tuple[float, ...]]:
    """The top between the wells, or None where there is one well; and the bottom of each well, left to right."""
    x = np.linspace(-4.0, 4.0, 1601)  # every stationary point lies between the centres and 0, or between them
    rising = slope(x, left, right) > 0
    turns = np.flatnonzero(rising[1:] != rising[:-1])
    bottoms = [_root(x[i], x[i + 1], left, right) for i in turns if rising[i + 1]]
    tops = [_root(x[i], x[i + 1], left, right) for i in turns if not rising[i + 1]]
    return (tops[0] if len(bottoms) == 2 else None), tuple(bottoms)


def _root(low: float, high: float, left: float, right: float) -> float:
    """Where the slope changes sign between ``low`` and ``high``, by bisection."""
    sign = float(slope(low, left, right)) > 0
    for _ in range(50):
        middle = (low + high) / 2
        if (float(slope(middle, left, right)) > 0) == sign:
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
