"""The wells of an energy on the plane: where its minima are, what they are called, which is nearest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ebm_plugins.records import Array

GRID = 96
MOST = 6
SHALLOW = 0.1  # a well less deep than this, in units of the energy given, is not one
NAMES = {
    "Left": (-1, 0), "Right": (1, 0), "Bottom": (0, -1), "Top": (0, 1), "Middle": (0, 0),
    "Bottom left": (-1, -1), "Bottom right": (1, -1), "Top left": (-1, 1), "Top right": (1, 1),
}  # fmt: skip


def find(energy: Callable[[Array], Array], box: Array) -> Array | None:
    """(w, 2) isolated minima of the energy inside ``box`` (2, 2), deepest first; None unless two to six.

    Candidates on a grid are followed downhill, then kept when the energy curves upwards in every direction (a
    ring's floor does not) and a barrier parts them from every deeper one.
    """
    low, high = np.asarray(box, dtype=float)
    x, y = np.linspace(low[0], high[0], GRID), np.linspace(low[1], high[1], GRID)
    e = _energies(energy, np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)).reshape(
        GRID, GRID
    )
    around = np.pad(e, 1, constant_values=np.inf)
    lower = np.ones_like(e, dtype=bool)
    for i in (0, 1, 2):
        for j in (0, 1, 2):
            if (i, j) != (1, 1):
                lower &= e <= around[i : i + GRID, j : j + GRID]
    lower[[0, -1], :] = lower[:, [0, -1]] = False
    found = np.argwhere(lower & np.isfinite(e))
    if not 2 <= len(found) <= 64:
        return None
    step = (high - low) / (GRID - 1)
    points = _descend(energy, low + found * step, step)
    values = _energies(energy, points)
    kept: list[int] = []
    for i in np.argsort(values, kind="stable"):
        if _isolated(energy, points[i], step) and all(
            _parted(energy, points[i], points[j], step) for j in kept
        ):
            kept.append(int(i))
    return points[kept] if 2 <= len(kept) <= MOST else None


def nearest(states: Array, centres: Array) -> Array:
    """(n,) which centre (w, 2) each state (n, 2) is nearest to."""
    return np.argmin(((states[:, None, :] - centres[None, :, :]) ** 2).sum(axis=-1), axis=1)


def names(centres: Array) -> tuple[str, ...]:
    """A name for each centre (w, 2) by where it is among them: Left, Right, Top, Bottom, Middle, Top left ..."""
    from scipy.optimize import linear_sum_assignment

    low, high = centres.min(axis=0), centres.max(axis=0)
    half = 0.5 * (high - low)
    if len(centres) == 2:
        half = np.where(half == half.max(), half, np.inf)
    half = np.where(half > 0.2 * half[np.isfinite(half)].max(), half, np.inf)
    place = (centres - 0.5 * (low + high)) / half
    directions = np.array(list(NAMES.values()), dtype=float)
    cost = ((place[:, None, :] - directions[None]) ** 2).sum(axis=-1)
    cost[:, list(NAMES).index("Middle")] *= 2.0  # the middle is the middle only when it is near
    plain = 5
    if len(centres) <= plain:
        rows, columns = linear_sum_assignment(cost[:, :plain])
        if cost[rows, columns].mean() <= 0.5:
            return tuple(list(NAMES)[c] for c in columns)
    return tuple(list(NAMES)[c] for c in linear_sum_assignment(cost)[1])


def _descend(energy: Callable[[Array], Array], points: Array, step: Array) -> Array:
    """Compass search from every point at once: move to the best of eight neighbours, else halve the stride."""
    offsets = np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)], dtype=float)
    stride = np.ones(len(points))
    for _ in range(60):
        around = points[:, None, :] + stride[:, None, None] * step * offsets
        e = _energies(energy, around.reshape(-1, 2)).reshape(len(points), -1)
        best = np.where(e.min(axis=1) < e[:, 4], e.argmin(axis=1), 4)
        points = around[np.arange(len(points)), best]
        stride = np.where(best == 4, 0.5 * stride, stride)
    return np.asarray(points)


def _isolated(energy: Callable[[Array], Array], point: Array, step: Array) -> bool:
    """Whether the energy curves upwards in every direction, by second differences a grid step wide."""
    h = 0.5 * step
    a, b = np.array([h[0], 0.0]), np.array([0.0, h[1]])
    e = _energies(energy, point + np.array([0 * a, a, -a, b, -b, a + b, a - b, b - a, -a - b]))
    xx, yy = e[1] + e[2] - 2 * e[0], e[3] + e[4] - 2 * e[0]
    xy = 0.25 * (e[5] - e[6] - e[7] + e[8])
    if not np.isfinite([xx, yy, xy]).all():
        return False
    values = np.linalg.eigvalsh([[xx, xy], [xy, yy]])
    return bool(values[0] > 0.01 * values[1] > 0)


def _parted(energy: Callable[[Array], Array], point: Array, other: Array, step: Array) -> bool:
    """Whether the straight way from ``point`` to ``other`` climbs."""
    if (np.abs(point - other) < step).all():
        return False
    way = point + np.linspace(0, 1, 65)[:, None] * (other - point)
    e = _energies(energy, way)
    return bool(e.max() - e[0] > SHALLOW)


def _energies(energy: Callable[[Array], Array], x: Array) -> Array:
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        e = np.asarray(energy(x), dtype=float)
    return np.where(np.isnan(e), np.inf, e)
