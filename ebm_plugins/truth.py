"""What is known exactly of a target, and how states compare with it: shares, total variation, floor, draws.

Total variation is taken over cells: all states where there are few, cells of energy and of lit cells where there
are many, about n/8 squares of the plane for n draws. Its floor is what n independent exact draws come to.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ebm_plugins import minima, quadrature
from ebm_plugins.records import Array

REPLICATES = 2000  # of n exact draws; 500 where there are over 500 cells
OF_WELLS = 20_000  # replicates of the shares of the wells
QUANTILES = (
    0.025,
    0.5,
    0.975,
    0.985,
)  # the floor's three, and the rarer one where the wells are held to theirs too


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
    # which neighbourhood each state belongs to (s,), where every chain keeps to one of several
    strata: Array | None = None
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
        """The wells of an energy on the plane, the fullest first, where it has two to six; otherwise none."""
        if self.well_centres is None or self.well_shares is None:
            return ()
        names = minima.names(self.well_centres)
        return tuple(
            Well(n, c, float(s)) for n, c, s in zip(names, self.well_centres, self.well_shares, strict=True)
        )

    def shares(self, states: Array) -> Array:
        """(w,) shares of the states (n, 2) that are nearest to each well; empty without wells or states."""
        states = finite(states)
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
        n = len(states) if n is None else n
        return np.bincount(self.cell_of(states, n), minlength=len(self.cells(n)))

    def cell_of(self, states: Array, n: int) -> Array:
        """(m,) which of :meth:`cells` (n) each state (m, dim) lies in; what is not finite is in the last."""
        states = np.asarray(states, dtype=float)
        size = len(self.cells(n))
        whole = np.isfinite(states).all(axis=1)
        inside = states[whole]
        if self.mass is not None and self.box is not None:
            index = self._place(inside, n)
        elif self.states is not None:
            index = _matched(inside, self.states)
        else:
            binary = ((inside == 0) | (inside == 1)).all(axis=1)
            index = state_index(np.where(binary[:, None], inside, 0.0))
            index = index if self.labels is None else self.labels[index].astype(np.int64)
            index = np.where(binary, index, size - 1)
        found = np.full(len(states), size - 1, dtype=np.int64)
        found[whole] = np.where(index < 0, size - 1, index)
        return found

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
        return self._quantiles(n)[:3]

    def seldom(self, n: int) -> float:
        """The 98.5 % quantile of the total variation of n exact draws; NaN where there is none."""
        return self._quantiles(n)[3]

    def off_wells(self, shares: Array, n: int) -> tuple[float, float]:
        """Pearson's n Σ (share − exact)² / exact of the wells' shares (w,) of n draws, and its 99 % quantile for exact
        draws; both NaN without wells."""
        if self.well_shares is None or len(shares) != len(self.well_shares) or n < 1:
            return float("nan"), float("nan")
        exact = np.asarray(self.well_shares, dtype=float)
        return _pearson(np.asarray(shares), exact, n), _wells_limit(exact.tobytes(), int(n))

    def chance_of_wells(self, shares: Array, n: int) -> float:
        """At most how probable it is that of n exact draws some well holds a share as far off as the worst of these (w,):
        twice the smaller binomial tail of each count, the least of them times the number of wells (Bonferroni), so that
        it holds for wells that hardly hold a draw as well. 1 at most; NaN without wells."""
        if self.well_shares is None or len(shares) != len(self.well_shares) or n < 1:
            return float("nan")
        from scipy.special import bdtr, bdtrc

        exact = np.clip(np.asarray(self.well_shares, dtype=float), 0.0, 1.0)
        expected = n * exact
        counts = n * np.asarray(shares, dtype=float)
        # Of pooled states the counts are not whole: each is rounded towards what is expected.
        counts = np.where(counts < expected, np.ceil(counts - 1e-9), np.floor(counts + 1e-9))
        below, above = bdtr(counts, n, exact), bdtrc(counts - 1, n, exact)  # P(≤ count), P(≥ count)
        return float(min(1.0, 2 * len(counts) * np.minimum(below, above).min()))

    def _quantiles(self, n: int) -> tuple[float, float, float, float]:
        if not self.comparable or n < 1:
            return (float("nan"),) * 4
        if self.strata is not None and self.probabilities is not None:
            return _floor_of_strata(
                self.probabilities.tobytes(), self.strata.astype(np.int64).tobytes(), int(n)
            )
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
            return quadrature.draw(self.leaf_corner, self.leaf_width, self.leaf_density, n, rng)
        if self.probabilities is None:
            raise ValueError(f"exact draws need probabilities; this truth is of kind {self.kind!r}")
        cumulative = np.cumsum(self.probabilities, dtype=float)
        index = np.searchsorted(cumulative, rng.random(n) * cumulative[-1], side="right")
        index = np.minimum(index, len(cumulative) - 1)
        return self.states[index] if self.states is not None else states_of(index, self.dim)


def no_truth(reason: str, *, temperature: float = 1.0, dim: int = 0) -> Truth:
    """A truth that says only why there is none."""
    return Truth(kind="none", reason=reason, temperature=temperature, dim=dim)


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
    return _floor(np.asarray(p, dtype=float).tobytes(), int(n))[:3]


def _pearson(shares: Array, exact: Array, n: int) -> Any:
    return n * ((shares - exact) ** 2 / np.maximum(exact, 1e-12)).sum(axis=-1)


@lru_cache(maxsize=128)
def _wells_limit(raw: bytes, n: int) -> float:
    p = np.frombuffer(raw)
    p = p / p.sum()
    counts = np.random.default_rng(20_260_101).multinomial(n, p, size=OF_WELLS)
    return float(np.quantile(_pearson(counts / n, p, n), 0.99))


@lru_cache(maxsize=128)
def _floor(raw: bytes, n: int) -> tuple[float, float, float, float]:
    p = np.frombuffer(raw)
    p = p / p.sum()
    rng = np.random.default_rng(20_260_101)
    replicates = REPLICATES if len(p) <= 500 else REPLICATES // 4
    if n < len(p):
        cells = np.minimum(np.searchsorted(np.cumsum(p), rng.random((replicates, n)), "right"), len(p) - 1)
        cells += len(p) * np.arange(replicates)[:, None]
        counts = np.bincount(cells.ravel(), minlength=replicates * len(p)).reshape(replicates, -1)
    else:
        counts = rng.multinomial(n, p, size=replicates)
    distances = 0.5 * np.abs(counts / n - p).sum(axis=1)
    low, middle, high, seldom = np.quantile(distances, QUANTILES)
    return float(low), float(middle), float(high), float(seldom)


@lru_cache(maxsize=128)
def _floor_of_strata(raw: bytes, raw_strata: bytes, n: int) -> tuple[float, float, float, float]:
    """The floor where it is settled beforehand how many of the n draws are made in each stratum."""
    p, strata = np.frombuffer(raw), np.frombuffer(raw_strata, dtype=np.int64)
    rng = np.random.default_rng(20_260_101)
    replicates = REPLICATES if len(p) <= 500 else REPLICATES // 4
    shares = np.bincount(strata, weights=p)
    ends = np.rint(np.cumsum(shares / shares.sum()) * n).astype(int)
    distances = np.zeros(replicates)
    for stratum, draws in enumerate(np.diff(ends, prepend=0)):
        inside = p[strata == stratum]
        counts = rng.multinomial(draws, inside / inside.sum(), size=replicates)
        distances += 0.5 * np.abs(counts / n - inside).sum(axis=1)
    low, middle, high, seldom = np.quantile(distances, QUANTILES)
    return float(low), float(middle), float(high), float(seldom)


def finite(states: Array) -> Array:
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
