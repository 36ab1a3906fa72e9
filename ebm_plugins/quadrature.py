r"""Z = ∫ exp(−E(x)) dx over the line or the plane, by adaptive Clenshaw-Curtis quadrature.

Cells are halved where the nine-point rule and the five-point rule inside it disagree, and the box is doubled,
axis by axis, until log Z moves by less than 1e-4. So both the refinement and the extent are checked; where
either never settles there is no answer, and the reason is said. The rule is in :mod:`ebm_plugins.clenshaw_curtis`.

Source: Clenshaw, Curtis 1960; Genz, Malik 1980 (halving along the axis that errs most).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from ebm_plugins.clenshaw_curtis import POINTS, Cells, least_between, over_parts, rule
from ebm_plugins.records import Array

ROOT = 16  # cells an axis of the first box
SETTLED = 1e-4  # largest movement of log Z at the last doubling
TOLERANCE = 1e-5  # summed disagreement of the two rules, as a share of Z, that stops refinement
GIVE_UP = 1e-3  # the same, when the evaluations run out
DOUBLINGS = 24
FALLING = 8  # doublings in a row that each find lower energies
EVALUATIONS = 1_000_000
FINE = 128  # at most this many fine cells an axis in the table of masses

Energy = Callable[[Array], Array]


class NoIntegralError(ArithmeticError):
    """There is no exact answer; the message is the reason, in plain words."""


@dataclass(frozen=True, eq=False)
class Integral:
    """What quadrature found: log ∫exp(−E), its error estimate, mean and standard deviation of E, the cells that
    hold mass, the least energy, and the box in which most of the mass is, cut into a table of masses."""

    log_partition: float
    error: float
    mean_energy: float
    energy_sd: float
    cells: Cells
    floor: float
    box: Array
    mass: Array
    outside: float


def integrate(energy: Energy, dim: int, box: Array | None = None) -> Integral:
    """∫exp(−energy) over R^dim, dim 1 or 2. ``energy`` maps (n, dim) to (n,); ``box`` (2, dim) is where to begin.

    Raises NoIntegralError, with the reason in plain words, when the integral is infinite, the energy is not a
    number somewhere, or neither extent nor refinement settles within the evaluations allowed.
    """
    counter = _Counter(energy, dim)
    low, high = _start(box, dim)
    low, high, cells = _settle(counter, low, high)
    floor = float(cells.energy.min())
    masses, off = cells.integrals(floor)
    total = float(masses.sum())
    error = float(off.max(axis=1).sum()) / total
    window, step = _window(cells, floor, low, high, box)
    cells = _no_wider(counter, cells, window, 64 * step)
    mass, outside = _table(cells, floor, window, step)
    p = cells.node_masses(floor).ravel()
    p /= p.sum()
    e = np.where(p > 0, cells.energy.ravel(), floor)
    mean = float(p @ e)
    sd = float(p @ (e - mean) ** 2) ** 0.5
    keep = masses_of(cells, floor) > 1e-9 * total
    return Integral(
        float(np.log(total)) - floor, error, mean, sd, cells.take(keep), floor, window, mass, outside
    )


def masses_of(cells: Cells, floor: float) -> Array:
    """(m,) integrals of exp(floor − E) over the cells."""
    return cells.integrals(floor)[0]


class _Counter:
    """The energy, counting its evaluations and refusing what is not a number."""

    def __init__(self, energy: Energy, dim: int) -> None:
        self.energy, self.dim, self.count = energy, dim, 0

    def cells(self, corner: Array, width: Array) -> Cells:
        """Cells with their energies."""
        shape = (len(corner), POINTS, POINTS if self.dim == 2 else 1)
        empty = np.empty(shape)
        x = Cells(corner, width, empty, empty[:, 0, 0]).nodes().reshape(-1, self.dim)
        self.count += len(x)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            e = np.asarray(self.energy(x), dtype=float)
        bad = np.isnan(e) | (e == -np.inf)
        if np.isnan(e).all():
            raise NoIntegralError("This model gives no energy, only its slope, so exp(−E) cannot be summed.")
        if bad.any():
            where = ", ".join(f"{v:.3g}".replace("-", "−") for v in x[bad][0])
            raise NoIntegralError(f"The energy is not a number at ({where}).")
        e = e.reshape(shape)
        return Cells(corner, width, e, least_between(e))

    def split(self, cells: Cells, along: NDArray[np.bool_]) -> Cells:
        """Every cell halved along the marked axes, ``along`` (m, d)."""
        corner, width = cells.corner, cells.width
        for axis in range(self.dim):
            cut = along[:, axis]
            width = width.copy()
            width[cut, axis] *= 0.5
            upper = corner[cut].copy()
            upper[:, axis] += width[cut, axis]
            corner = np.concatenate([corner, upper])
            width = np.concatenate([width, width[cut]])
            along = np.concatenate([along, along[cut]])
        return self.cells(corner, width)


def _start(box: Array | None, dim: int) -> tuple[Array, Array]:
    if box is None:
        return np.full(dim, -8.0), np.full(dim, 8.0)
    low, high = np.asarray(box, dtype=float).reshape(2, dim)
    if not np.isfinite([low, high]).all():
        return np.full(dim, -8.0), np.full(dim, 8.0)
    half = np.maximum(0.5 * (high - low), 1e-6)
    middle = 0.5 * (low + high)
    return middle - half, middle + half


def _grid(low: Array, width: Array, counts: Array) -> Array:
    """(m, d) lower corners of ``counts`` cells an axis, each ``width`` wide."""
    axes = [low[i] + width[i] * np.arange(counts[i]) for i in range(len(low))]
    return np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")], axis=1)


def _refine(counter: _Counter, cells: Cells) -> Cells:
    """Halve the cells that err until all of them together err by less than TOLERANCE of the whole."""
    while True:
        floor = float(cells.energy.min())
        if floor == np.inf:
            raise NoIntegralError("The energy is infinite wherever it was looked at.")
        masses, off = cells.integrals(floor)
        worst = off.max(axis=1)
        total = float(masses.sum())
        order = np.argsort(worst)
        keep = np.cumsum(worst[order]) <= TOLERANCE * total
        if keep.all():
            return cells
        if counter.count > EVALUATIONS:
            if worst.sum() <= GIVE_UP * total:
                return cells
            raise NoIntegralError(
                "The energy changes too sharply for quadrature: finer grids keep giving different answers."
            )
        chosen = np.sort(order[~keep])
        along = off[chosen] >= 0.5 * worst[chosen, None]
        rest = np.sort(order[keep])
        cells = cells.take(rest).join(counter.split(cells.take(chosen), along))


def _settle(counter: _Counter, low: Array, high: Array) -> tuple[Array, Array, Cells]:
    """Double the box along the axes that still add mass, until none does."""
    dim = counter.dim
    width = (high - low) / ROOT
    cells = _refine(counter, counter.cells(*_with_width(_grid(low, width, np.full(dim, ROOT)), width)))
    grow = np.ones(dim, dtype=bool)
    floor, falling = float(cells.energy.min()), 0
    for _ in range(DOUBLINGS):
        half = 0.5 * (high - low)
        wider_low, wider_high = low - half * grow, high + half * grow
        block = 0.25 * (high - low)
        corner = _grid(wider_low, block, np.where(grow, 8, 4))
        middle = corner + 0.5 * block
        new = ((middle < low) | (middle > high)).any(axis=1)
        cells = _refine(counter, cells.join(counter.cells(*_with_width(corner[new], block))))
        masses = masses_of(cells, float(cells.energy.min()))
        middle = cells.corner + 0.5 * cells.width
        beyond = (middle < low) | (middle > high)
        inside = float(masses[~beyond.any(axis=1)].sum())
        added = np.array([float(masses[beyond[:, i]].sum()) for i in range(dim)])
        low, high = wider_low, wider_high
        falling = falling + 1 if cells.energy.min() < floor - 1.0 else 0
        floor = float(cells.energy.min())
        if falling == FALLING:
            raise NoIntegralError("The energy keeps falling outwards, so exp(−E) grows without end.")
        grow = added > SETTLED / dim * max(inside, np.finfo(float).tiny)
        if not grow.any():
            return low, high, cells
        if counter.count > EVALUATIONS:
            break
    raise NoIntegralError(_endless(cells, low, high))


def _with_width(corner: Array, width: Array) -> tuple[Array, Array]:
    return corner, np.broadcast_to(width, corner.shape).copy()


def _endless(cells: Cells, low: Array, high: Array) -> str:
    """Why doubling the box never settled."""
    highest = cells.energy.max(axis=(1, 2))
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    near = (np.abs(cells.corner + 0.5 * cells.width - middle) < half / 16).all(axis=1)
    if near.any() and highest.max() - highest[near].max() < 0.01:
        least = f"{np.exp(-float(highest.max())):.3g}"
        return f"exp(−E) never falls below {least}, so its integral is infinite."
    power = int(np.floor(np.log10(half.max())))
    superscript = str(power).translate(str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"))
    return (
        f"log Z still grows when the box is of the order of 10{superscript} wide: exp(−E) falls off too slowly, "
        "or not at all, for an integral to be found."
    )


def _window(cells: Cells, floor: float, low: Array, high: Array, box: Array | None) -> tuple[Array, Array]:
    """The box (2, d) to tell apart places in, and its fine step (d,): the given box where it holds nine tenths of
    the mass, else from the half to the 99.5th percentile with a margin, on lines where cells can be cut."""
    mass = cells.node_masses(floor).ravel()
    nodes = cells.nodes().reshape(-1, cells.corner.shape[1])
    if box is not None:
        given = np.stack(_start(box, nodes.shape[1]))
        within = ((nodes >= given[0]) & (nodes <= given[1])).all(axis=1)
        if mass[within].sum() >= 0.9 * mass.sum():
            return given, (given[1] - given[0]) / FINE
    window, steps = np.empty((2, nodes.shape[1])), np.empty(nodes.shape[1])
    for axis in range(nodes.shape[1]):
        order = np.argsort(nodes[:, axis])
        share = np.cumsum(mass[order]) / mass.sum()
        a, b = nodes[order[np.searchsorted(share, [0.005, 0.995])], axis]
        margin = 0.05 * (b - a)
        a, b = max(a - margin, low[axis]), min(b + margin, high[axis])
        step = high[axis] - low[axis]
        while step * (FINE - 2) > max(b - a, 1e-12):
            step *= 0.5
        step *= 2.0
        window[0, axis] = low[axis] + step * np.floor((a - low[axis]) / step)
        window[1, axis] = low[axis] + step * np.ceil((b - low[axis]) / step)
        steps[axis] = step
    return window, steps


def _no_wider(counter: _Counter, cells: Cells, window: Array, limit: Array) -> Cells:
    """The same cells, those that meet the window halved until none is wider than ``limit`` (d,)."""
    while True:
        meets = ((cells.corner < window[1]) & (cells.corner + cells.width > window[0])).all(axis=1)
        wide = (cells.width > 1.0001 * limit) & meets[:, None]
        chosen = wide.any(axis=1)
        if not chosen.any():
            return cells
        cells = cells.take(~chosen).join(counter.split(cells.take(chosen), wide[chosen]))


def _table(cells: Cells, floor: float, window: Array, step: Array) -> tuple[Array, float]:
    """Masses (nx, ny), or (nx, 1) on the line, of the fine cells of the window, and the mass outside it."""
    dim = len(step)
    counts = np.rint((window[1] - window[0]) / step).astype(int)
    table = np.zeros((counts[0], counts[1] if dim == 2 else 1))
    ratio = np.maximum(np.rint(cells.width / step).astype(int), 1)
    first = np.floor((cells.corner + 1e-6 * step - window[0]) / step).astype(int)
    meets = ((cells.corner < window[1]) & (cells.corner + cells.width > window[0])).all(axis=1)
    density = cells.density(floor) * (0.5 * cells.width).prod(axis=1)[:, None, None]
    for parts in np.unique(ratio[meets], axis=0):
        rows = np.flatnonzero(meets & (ratio == parts).all(axis=1))
        sub = np.einsum("ap,mpq->maq", over_parts(int(parts[0])), density[rows])
        sub = np.einsum("bq,maq->mab", over_parts(int(parts[1])), sub) if dim == 2 else sub
        i = first[rows, 0, None] + np.arange(parts[0])
        j = first[rows, 1, None] + np.arange(parts[1]) if dim == 2 else np.zeros((len(rows), 1), dtype=int)
        i, j = np.broadcast_arrays(i[:, :, None], j[:, None, :])
        ok = (i >= 0) & (i < table.shape[0]) & (j >= 0) & (j < table.shape[1])
        np.add.at(table, (i[ok], j[ok]), sub[ok])
    np.maximum(table, 0.0, out=table)
    total = float(masses_of(cells, floor).sum())
    table /= total
    return table, max(0.0, 1.0 - float(table.sum()))


def draw(corner: Array, width: Array, density: Array, n: int, rng: np.random.Generator) -> Array:
    """(n, d) draws from the cells' polynomial densities (m, 9, 9), by rejection inside each cell."""
    dim = corner.shape[1]
    fine = rule()[1]
    weights = fine[:, None] if dim == 1 else np.outer(fine, fine)
    density = np.asarray(density, dtype=float)
    masses = (density * weights).sum(axis=(1, 2)) * width.prod(axis=1)
    top = 1.25 * density.max(axis=(1, 2))  # a polynomial can rise a little above its nodes
    cell = rng.choice(len(masses), size=n, p=masses / masses.sum())
    out, todo = np.empty((n, dim)), np.arange(n)
    while len(todo):
        t = rng.random((len(todo), dim))
        basis = [chebyshev.chebvander(2 * t[:, i] - 1, POINTS - 1) @ rule()[3] for i in range(dim)]
        at = np.einsum("np,npq->nq", basis[0], density[cell[todo]])
        value = at[:, 0] if dim == 1 else np.einsum("nq,nq->n", basis[1], at)
        accept = rng.random(len(todo)) * top[cell[todo]] < value
        rows = todo[accept]
        out[rows] = corner[cell[rows]] + width[cell[rows]] * t[accept]
        todo = todo[~accept]
    return out
