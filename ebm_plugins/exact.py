"""The exact answer, wherever there is one: enumeration, quadrature, closed form, a finite support.

p(x) = exp(−E(x)/T) / Z. :func:`truth_of` picks in that order: closed form, support, enumeration (at most 20 free
cells), quadrature (at most 2 dimensions), bracket, none. A :class:`Truth` says what is known and compares states
with it: total variation over cells, and the floor under which n exact draws stay.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ebm_plugins import minima
from ebm_plugins import quadrature as quadratures
from ebm_plugins.records import Array, Target

MOST_CELLS = 20  # free binary cells whose states are listed
EACH_STATE = 4096  # up to this many states, each is a cell of its own
ENERGY_CELLS, COUNT_CELLS = 12, 6
Energy = Callable[[Array], Array]
Bracket = tuple[float, float, float]


class Well(NamedTuple):
    """A local minimum of the energy: its name by position, where it is (2,), and its exact share."""

    name: str
    centre: Array
    share: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Truth:
    """What is known exactly. Only floats, text and arrays, so that it travels between processes; a float that is
    not known is NaN, an array that is not there is None.

    ``kind``: closed form, support, enumeration, quadrature, bracket or none (then ``reason`` says why, in a
    sentence). ``log_partition`` is log Σ exp(−E/T) (or the integral), with ``standard_error`` for a bracket and
    the estimated numerical error for quadrature; ``lower`` and ``upper`` bound it. ``second`` is the same by
    enumeration or quadrature where a closed form exists too. ``mean_energy`` and ``energy_sd`` are in units of E.
    """

    kind: str
    log_partition: float = np.nan
    standard_error: float = 0.0
    lower: float = np.nan
    upper: float = np.nan
    second: float = np.nan
    reason: str = ""
    temperature: float = 1.0
    dim: int = 0
    mean_energy: float = np.nan
    energy_sd: float = np.nan
    # a finite set of states: (2^dim,), or (s,) with its states (s, dim); cells numbered by ``labels`` (2^dim,)
    probabilities: Array | None = None
    states: Array | None = None
    labels: Array | None = None
    # the line or the plane: masses (nx, ny) of fine cells of ``box`` (2, dim), x along the first axis
    box: Array | None = None
    mass: Array | None = None
    leaf_corner: Array | None = None
    leaf_width: Array | None = None
    leaf_density: Array | None = None
    well_centres: Array | None = None
    well_shares: Array | None = None

    @property
    def comparable(self) -> bool:
        """Whether states can be compared with exact probabilities."""
        return self.probabilities is not None or self.mass is not None

    @property
    def wells(self) -> tuple[Well, ...]:
        """The wells of an energy on the plane, where it has two to six; otherwise none."""
        if self.well_centres is None or self.well_shares is None:
            return ()
        names = minima.names(self.well_centres)
        return tuple(
            Well(n, c, float(s)) for n, c, s in zip(names, self.well_centres, self.well_shares, strict=True)
        )

    def shares(self, states: Array) -> Array:
        """(w,) shares of the states (n, 2) that are nearest to each well; empty without wells or states."""
        states = _finite(states)
        if self.well_centres is None or not len(states):
            return np.empty(0)
        nearest = minima.nearest(states, self.well_centres)
        return np.bincount(nearest, minlength=len(self.well_centres)) / len(states)

    def cells(self, n: int) -> Array:
        """Exact probabilities of the cells that n draws are sorted into, the last one being everywhere else."""
        if self.mass is not None:
            rows, cols = (_edges(size, n, self.dim) for size in self.mass.shape)
            p = np.add.reduceat(np.add.reduceat(self.mass, rows[:-1], axis=0), cols[:-1], axis=1).ravel()
        elif self.probabilities is None:
            return np.empty(0)
        elif self.labels is not None:
            p = np.bincount(self.labels, weights=self.probabilities)
        else:
            p = np.asarray(self.probabilities, dtype=float)
        return np.append(p, max(0.0, 1.0 - float(p.sum())))

    def counts(self, states: Array, n: int | None = None) -> Array:
        """How many of the states (m, dim) lie in each of :meth:`cells` (n or m)."""
        states = np.asarray(states, dtype=float)
        n = len(states) if n is None else n
        size = len(self.cells(n))
        inside = _finite(states)
        if self.mass is not None and self.box is not None:
            index = self._place(inside, n)
        elif self.states is not None:
            index = _matched(inside, self.states)
        else:
            binary = ((inside == 0) | (inside == 1)).all(axis=1)
            index = state_index(np.where(binary[:, None], inside, 0.0))
            index = index if self.labels is None else self.labels[index].astype(np.int64)
            index = np.where(binary, index, size - 1)
        index = np.where(index < 0, size - 1, index)
        counts = np.bincount(index, minlength=size)
        counts[-1] += len(states) - len(inside)
        return counts

    def _place(self, states: Array, n: int) -> Array:
        assert self.mass is not None
        assert self.box is not None
        low, high = self.box
        fine = np.floor((states - low) / (high - low) * self.mass.shape[: self.dim])
        inside = ((fine >= 0) & (fine < self.mass.shape[: self.dim])).all(axis=1)
        index = np.zeros(len(states), dtype=np.int64)
        for axis in range(self.dim):
            edges = _edges(self.mass.shape[axis], n, self.dim)
            at = np.clip(fine[:, axis], 0, self.mass.shape[axis] - 1)
            index = index * (len(edges) - 1) + np.searchsorted(edges, at, side="right") - 1
        return np.where(inside, index, -1)

    def total_variation(self, states: Array, n: int | None = None) -> float:
        """½ Σ |share of the states (m, dim) − exact probability| over the cells for n (or m) draws; NaN where
        there are no probabilities or no states."""
        states = np.asarray(states, dtype=float)
        if not self.comparable or not len(states):
            return float("nan")
        n = len(states) if n is None else n
        return 0.5 * float(np.abs(self.counts(states, n) / len(states) - self.cells(n)).sum())

    def floor(self, n: int) -> tuple[float, float, float]:
        """2.5 %, 50 % and 97.5 % quantiles of the total variation of n exact draws; NaN where there is none."""
        if not self.comparable or n < 1:
            return (float("nan"),) * 3
        return _floor(self.cells(n).tobytes(), int(n))

    def marginals(self) -> list[tuple[Array, Array]]:
        """For the line and the plane: per axis, places (g,) and the exact density there (g,); else empty."""
        if self.mass is None or self.box is None:
            return []
        out = []
        for axis in range(self.dim):
            along = self.mass.sum(axis=1 - axis)
            step = (self.box[1, axis] - self.box[0, axis]) / len(along)
            out.append((self.box[0, axis] + step * (np.arange(len(along)) + 0.5), along / step))
        return out

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """(n, dim) independent exact draws. Raises ValueError where there are no probabilities."""
        if self.leaf_corner is not None and self.leaf_width is not None and self.leaf_density is not None:
            return quadratures.draw(self.leaf_corner, self.leaf_width, self.leaf_density, n, rng)
        if self.probabilities is None:
            raise ValueError(f"exact draws need probabilities; this truth is of kind {self.kind!r}")
        cumulative = np.cumsum(self.probabilities, dtype=float)
        index = np.searchsorted(cumulative, rng.random(n) * cumulative[-1], side="right")
        index = np.minimum(index, len(cumulative) - 1)
        return self.states[index] if self.states is not None else states_of(index, self.dim)


@dataclass(frozen=True, eq=False)
class EnergyField:
    """The energy on a grid of the plane, in units of E: ``energy[j, i]`` is E(x[i], y[j]), in float32."""

    x: Array
    y: Array
    energy: Array


def no_truth(reason: str, *, temperature: float = 1.0, dim: int = 0) -> Truth:
    """A truth that says only why there is none."""
    return Truth(kind="none", reason=reason, temperature=temperature, dim=dim)


def truth_of(
    target: Target,
    *,
    log_partition: float | None = None,
    support: Array | None = None,
    bracket: Bracket | Callable[[], Bracket | None] | None = None,
    states_hint: Array | None = None,
) -> Truth:
    """The exact answer for a target, by the first route that exists.

    ``log_partition`` and ``bracket`` (lower, upper, standard error) are the family's own, for the same target:
    leave them out when the temperature is not 1 or cells are clamped. A bracket costs a run of its own, so it may
    be a function that is only called when it is needed. ``support`` (s, dim) are all states that
    can be reached. ``states_hint`` (n, dim) says where to begin looking when the target has no box.
    """
    dim, temperature = target.space.dim, float(target.temperature)
    found = _found(target, support, states_hint)
    found = dataclasses.replace(found, temperature=temperature, dim=dim)
    found = dataclasses.replace(
        found, mean_energy=found.mean_energy * temperature, energy_sd=found.energy_sd * temperature
    )
    if log_partition is not None and np.isfinite(log_partition):
        value = float(log_partition)
        return dataclasses.replace(
            found, kind="closed form", log_partition=value, second=found.log_partition,
            standard_error=0.0, lower=value, upper=value, reason="",
        )  # fmt: skip
    if found.kind != "none":
        return found
    given = bracket() if callable(bracket) else bracket
    if given is None or not np.isfinite(given).all():
        return found
    lower, upper, error = map(float, given)
    return dataclasses.replace(
        found,
        kind="bracket",
        log_partition=0.5 * (lower + upper),
        lower=lower,
        upper=upper,
        standard_error=error,
    )


def _found(target: Target, support: Array | None, hint: Array | None) -> Truth:
    dim = target.space.dim
    if support is not None:
        return on_support(target.energy, support)
    if target.space.discrete:
        if dim <= MOST_CELLS:
            return enumerated(target.energy, dim)
        return no_truth(f"{dim} cells have {_power(2.0, dim)} states, too many to list.")
    if dim > 2:
        return no_truth(f"An integral over {dim} dimensions is out of reach of quadrature.")
    box = target.box
    if box is None and hint is not None and len(_finite(hint)):
        low, high = np.quantile(_finite(hint), [0.01, 0.99], axis=0)
        margin = np.maximum(0.5 * (high - low), 0.5)
        box = np.stack([low - margin, high + margin])
    return quadrature(target.energy, dim, box)


def quadrature(energy: Energy, dim: int, box: Array | None = None) -> Truth:
    """The truth of exp(−energy) over R^dim, dim 1 or 2; of kind ``none``, with a reason, where it has none."""
    try:
        found = quadratures.integrate(energy, dim, box)
    except quadratures.NoIntegralError as error:
        return no_truth(str(error), dim=dim)
    cells = found.cells
    centres = shares = None
    if dim == 2:
        centres = minima.find(energy, found.box)
        if centres is not None:
            mass = cells.node_masses(found.floor).ravel()
            nearest = minima.nearest(cells.nodes().reshape(-1, 2), centres)
            shares = np.bincount(nearest, weights=mass, minlength=len(centres)) / mass.sum()
    return Truth(
        kind="quadrature", log_partition=found.log_partition, standard_error=found.error,
        lower=found.log_partition, upper=found.log_partition, dim=dim,
        mean_energy=found.mean_energy, energy_sd=found.energy_sd, box=found.box, mass=found.mass,
        leaf_corner=cells.corner, leaf_width=cells.width,
        leaf_density=cells.density(found.floor).astype(np.float32), well_centres=centres, well_shares=shares,
    )  # fmt: skip


def enumerated(energy: Energy, dim: int) -> Truth:
    """The truth of exp(−energy) over all 2^dim states of ``dim`` cells, dim at most 20."""
    energies = np.concatenate([_energies(energy, x) for x in state_blocks(dim)])
    truth = _finite_truth("enumeration", energies, dim)
    if truth.probabilities is None or len(energies) <= EACH_STATE:
        return truth
    p = truth.probabilities
    on = np.bitwise_count(np.arange(len(p), dtype=np.uint32)).astype(float)
    label = _quantile_cells(energies, p, ENERGY_CELLS) * COUNT_CELLS + _quantile_cells(on, p, COUNT_CELLS)
    return dataclasses.replace(truth, labels=np.unique(label, return_inverse=True)[1].astype(np.uint16))


def on_support(energy: Energy, support: Array) -> Truth:
    """The truth of exp(−energy) over the given states (s, dim): the softmax of −energy."""
    support = np.unique(np.asarray(support, dtype=float), axis=0)
    if not len(support):
        return no_truth("No state can be reached.")
    truth = _finite_truth("support", _energies(energy, support), support.shape[1])
    return truth if truth.kind == "none" else dataclasses.replace(truth, states=support)


def _finite_truth(kind: str, energies: Array, dim: int) -> Truth:
    if np.isnan(energies).any() or (energies == -np.inf).any():
        count = int((np.isnan(energies) | (energies == -np.inf)).sum())
        return no_truth(f"The energy is not a number in {count} of {len(energies)} states.", dim=dim)
    if not np.isfinite(energies).any():
        return no_truth("The energy is infinite in every state.", dim=dim)
    log_z = log_sum_exp(-energies)
    p = np.exp(-energies - log_z)
    p /= p.sum()
    finite = np.where(p > 0, energies, energies.min())
    mean = float(p @ finite)
    sd = float(np.sqrt(p @ (finite - mean) ** 2))
    return Truth(
        kind=kind, log_partition=log_z, lower=log_z, upper=log_z, dim=dim, mean_energy=mean, energy_sd=sd,
        probabilities=p if len(p) <= 1 << 16 else p.astype(np.float32),
    )  # fmt: skip


def log_sum_exp(a: Array) -> float:
    """log Σ exp(a), in float64 and without overflow; −inf for an empty sum."""
    a = np.asarray(a, dtype=float)
    top = float(a.max(initial=-np.inf))
    return top if not np.isfinite(top) else top + float(np.log(np.exp(a - top).sum()))


def state_blocks(dim: int, block: int = 1 << 14) -> Iterator[Array]:
    """All states of ``dim`` cells in blocks (≤ block, dim) of float64, in the order of their indices."""
    if not 1 <= dim <= MOST_CELLS:
        raise ValueError(f"states are listed for 1 to {MOST_CELLS} cells, not {dim}")
    for first in range(0, 1 << dim, block):
        yield states_of(np.arange(first, min(first + block, 1 << dim)), dim)


def enumerate_states(dim: int) -> Array:
    """All 2^dim states (2^dim, dim) in float64, counting up with the first cell as the highest bit."""
    return np.concatenate(list(state_blocks(dim)))


def states_of(index: Array, dim: int) -> Array:
    """(n, dim) the states with these indices (n,): the bits, highest first."""
    return ((np.asarray(index)[:, None] >> np.arange(dim - 1, -1, -1)) & 1).astype(float)


def state_index(states: Array) -> Array:
    """(n,) the index of each state (n, dim) of 0 and 1 in :func:`enumerate_states`."""
    states = np.asarray(states)
    return states.astype(np.int64) @ (1 << np.arange(states.shape[1] - 1, -1, -1, dtype=np.int64))


def total_variation(p: Array, q: Array) -> float:
    """½ Σ |p − q| of two lists of probabilities."""
    return 0.5 * float(np.abs(np.asarray(p, dtype=float) - np.asarray(q, dtype=float)).sum())


def floor(p: Array, n: int) -> tuple[float, float, float]:
    """2.5 %, 50 % and 97.5 % quantiles of the total variation between probabilities p (k,) and n draws of them."""
    return _floor(np.asarray(p, dtype=float).tobytes(), int(n))


@lru_cache(maxsize=128)
def _floor(raw: bytes, n: int) -> tuple[float, float, float]:
    p = np.frombuffer(raw)
    p = p / p.sum()
    rng = np.random.default_rng(20_260_101)
    replicates = 2000 if len(p) <= 500 else 500
    if n < len(p):
        cumulative = np.cumsum(p)
        found = [
            np.bincount(
                np.minimum(np.searchsorted(cumulative, rng.random(n), "right"), len(p) - 1), minlength=len(p)
            )
            for _ in range(replicates)
        ]
        counts = np.array(found)
    else:
        counts = rng.multinomial(n, p, size=replicates)
    distances = 0.5 * np.abs(counts / n - p).sum(axis=1)
    low, middle, high = np.quantile(distances, [0.025, 0.5, 0.975])
    return float(low), float(middle), float(high)


def energy_field(
    target: Target, box: Array | None = None, states: Array | None = None, size: int = 120
) -> EnergyField:
    """The energy of a target on the plane, in units of E, on a size × size grid over ``box`` (2, 2): the given one,
    else the target's, else one around the states (n, 2), else ±5."""
    box = target.box if box is None else box
    if box is None and states is not None and len(_finite(states)):
        low, high = np.quantile(_finite(states), [0.005, 0.995], axis=0)
        margin = np.maximum(0.15 * (high - low), 0.5)
        box = np.stack([low - margin, high + margin])
    low, high = np.array([[-5.0, -5.0], [5.0, 5.0]]) if box is None else np.asarray(box, dtype=float)
    x, y = np.linspace(low[0], high[0], size), np.linspace(low[1], high[1], size)
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    energy = _energies(target.energy, grid) * target.temperature
    return EnergyField(
        x.astype(np.float32), y.astype(np.float32), energy.reshape(size, size).astype(np.float32)
    )


def _energies(energy: Energy, x: Array) -> Array:
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return np.asarray(energy(x), dtype=float)


def _finite(states: Array) -> Array:
    states = np.asarray(states, dtype=float)
    return states[np.isfinite(states).all(axis=1)] if states.ndim == 2 else np.empty((0, 0))


def _edges(size: int, n: int, dim: int) -> Array:
    """Where ``size`` fine cells are cut for n draws: about n/8 cells, 6 to 20 an axis on the plane."""
    if size == 1:
        return np.array([0, 1])
    k = int(np.clip(round(np.sqrt(n / 8)), 6, 20)) if dim == 2 else int(np.clip(round(n / 8), 12, 64))
    return np.rint(np.linspace(0, size, min(k, size) + 1)).astype(np.int64)


def _matched(states: Array, support: Array) -> Array:
    """(n,) which row of the support each state is, −1 for none."""
    scale = max(1.0, float(np.abs(support).max()))
    keys = {row.tobytes(): i for i, row in enumerate(np.round(support / scale, 9) + 0.0)}
    rows = np.round(states / scale, 9) + 0.0
    return np.array([keys.get(row.tobytes(), -1) for row in rows], dtype=np.int64)


def _quantile_cells(values: Array, p: Array, count: int) -> Array:
    """(n,) cell numbers that cut the values (n,) at quantiles of their distribution p (n,); ties stay together."""
    order = np.argsort(values, kind="stable")
    share = np.cumsum(p[order])
    cuts = values[order[np.searchsorted(share, np.arange(1, count) / count).clip(max=len(values) - 1)]]
    tolerance = 1e-9 * max(1.0, float(np.abs(cuts).max(initial=0.0)))
    return np.searchsorted(np.unique(cuts) + tolerance, values)


def _power(base: float, exponent: int) -> str:
    """A large power in words: 1.8 × 10¹⁹."""
    log = exponent * np.log10(base)
    power, digits = int(log), 10 ** (log - int(log))
    return f"{digits:.1f} × 10" + str(power).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
