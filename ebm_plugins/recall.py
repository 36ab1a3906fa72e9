r"""Networks of spins that remember: local fields, and the three ways of updating a state by them.

A state is N spins :math:`s_i = \pm 1`; inside this module a batch is ``(N, n)``, one column a state, so that what
happens to one cell in every state is one contiguous row. The local field of a cell is half of what the energy
gains when that cell is switched off,

.. math:: h_i(s) = \tfrac12\,[E(s_i = -1) - E(s_i = +1)],

whatever the energy is; for pairwise weights it is the textbook :math:`\sum_j w_{ij} s_j - \theta_i`. So

* *asynchronous*: cells are visited one at a time and take the sign of their field. The energy falls by
  :math:`2|h_i|` at each flip and never rises; a cell whose field is zero stays as it is.
* *synchronous*: every cell takes the sign of its field at once. The energy may rise, and the end may be a 2-cycle.
* *Glauber*: a cell is on with probability :math:`\sigma(2 h_i / T)`, which leaves exp(−E/T) invariant.

All states of a batch share the order in which cells are visited. Given the order they are independent, and the
order allows the sequential update to be done in blocks: the fields of a block of cells come from one matrix
product, and what the earlier cells of the block changed is added when a later one is reached. Nothing is
approximated: the states are those of the cell-by-cell loop.

Sources: Hopfield (1982); Glauber (1963); Amit, Gutfreund, Sompolinsky (1985); Storkey (1997); Krotov, Hopfield
(2016); Demircigil et al. (2017).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebm_plugins import compiled
from ebm_plugins.blas import alone
from ebm_plugins.memories import PAIRWISE, rule_of, spins
from ebm_plugins.records import Array, Params, Rng

TIE = 1e-9  # a field smaller than this is a tie: far above rounding, far below any real field
MOST_SWEEPS = 5000
BLOCK = 24  # cells a matrix product
EXACT_FLOAT32 = 2**24  # integers up to here are exact in float32


# --- Fields ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Network:
    """Params made ready for the kernels. Fields, thresholds and ties are held times ``scale``.

    Hebb's weights times N are integers, and then float32 holds every field exactly. ``low_rank``: the fields
    are taken from the overlaps Ξs in place of the weights.
    """

    rule: str
    patterns: Array  # (P, N)
    thresholds: Array  # (N,)
    weights: Array | None  # (N, N)
    scale: float
    low_rank: bool
    table: Array | None  # (2N + 1,): ½N[F((o + 1)/N) − F((o − 1)/N)] at the overlap o − N without the cell
    sharpness: float

    @property
    def dtype(self) -> Any:
        """The kernels' number type."""
        return self.patterns.dtype

    @property
    def tie(self) -> float:
        return TIE * self.scale


def network(params: Params) -> Network:
    """The params made ready for :func:`fields`, :func:`sweep` and :func:`flip_by_flip`."""
    rule = rule_of(params)
    patterns = np.asarray(params["patterns"], dtype=float)
    thresholds = np.asarray(params["thresholds"], dtype=float)
    count, size = patterns.shape
    weights, table, scale, low_rank, sharpness = None, None, 1.0, False, 1.0
    if rule in PAIRWISE:
        weights = np.asarray(params["weights"], dtype=float)
        if rule == "hebb":
            scale, low_rank, thresholds = float(size), 2 * count < size, thresholds * size
            if not thresholds.any() and count * size < EXACT_FLOAT32:
                patterns, weights = patterns.astype(np.float32), weights.astype(np.float32)
            weights = weights * weights.dtype.type(size)
            np.rint(weights, out=weights)
    elif rule == "dense-polynomial":
        degree = int(params["order"])
        m = np.arange(-size - 1, size + 2) / size
        if degree % 2:
            m = np.maximum(m, 0.0)
        power = m**degree * (size / degree)
        table = 0.5 * (power[2:] - power[:-2])
    else:
        sharpness = float(params["sharpness"])
    return Network(rule, patterns, thresholds, weights, scale, low_rank, table, sharpness)


def _dense_field(net: Network, site: int, without: Array) -> Array:
    """(n,) the memory's part of one cell's field, from the overlaps (P, n) that leave this cell out."""
    column = net.patterns[:, site]
    if net.table is not None:
        index = without.astype(np.int64) + net.patterns.shape[1]
        return np.asarray(column @ net.table[index])
    b = net.sharpness
    mass = np.exp(b * (without - without.max(axis=0)))
    on, off = mass[column > 0].sum(axis=0), mass[column < 0].sum(axis=0)
    near, far = np.exp(-2 * b), 1.0
    return np.asarray((np.log(on * far + off * near) - np.log(on * near + off * far)) / (2 * b))


def overlaps_of(net: Network, s: Array) -> Array | None:
    """Ξs (P, n) of the spins s (N, n), where the fields are taken from them; else None."""
    return np.asarray(net.patterns @ s) if net.weights is None or net.low_rank else None


def fields(net: Network, s: Array, overlaps: Array | None = None) -> Array:
    """h (N, n), times the network's scale, of the spins s (N, n), and of their overlaps where these are known."""
    if overlaps is None:
        overlaps = overlaps_of(net, s)
    if net.weights is not None:
        if overlaps is None:
            h = net.weights @ s
        else:
            h = net.patterns.T @ overlaps
            h -= len(net.patterns) * s
        if net.thresholds.any():
            h -= net.thresholds[:, None]
        return np.asarray(h)
    assert overlaps is not None
    h = np.empty_like(s)
    for site in range(len(s)):
        without = overlaps - np.outer(net.patterns[:, site], s[site])
        h[site] = _dense_field(net, site, without) - net.thresholds[site]
    return h


def energies(net: Network, s: Array) -> Array:
    """E (n,) of the spins s (N, n) under pairwise weights: −½ s·h + ½ θ·s, from the fields h, or Σ_j s_j h_j = |Ξs|² − PN
    − θ·s from the overlaps."""
    if net.low_rank:
        overlaps = (net.patterns @ s).astype(float)
        halves = np.einsum("ij,ij->j", overlaps, overlaps) - float(net.patterns.size)
        halves -= net.thresholds @ s if net.thresholds.any() else 0.0
    else:
        halves = (s * fields(net, s)).sum(axis=0, dtype=float)
    if net.thresholds.any():
        halves -= net.thresholds @ s
    return np.asarray(-0.5 * halves / net.scale)


def local_fields(params: Params, x: Array) -> Array:
    """h (n, N) of the states x (n, N) in 0 or 1, in the units of the energy."""
    net = network(params)
    return np.asarray(fields(net, columns(net, x)).T.astype(float) / net.scale)


def columns(net: Network, x: Array) -> Array:
    """States x (n, N) in 0 or 1 as the spins (N, n) that the kernels work on: a new array."""
    return np.ascontiguousarray(spins(x).T, dtype=net.dtype)


def states(s: Array) -> NDArray[np.float64]:
    """Spins (N, n) as states (n, N) in 0 or 1: a new array."""
    return np.ascontiguousarray((s > 0).T).astype(
        float
    )  # bytes are turned over, and then made eight times as wide


def unstable(net: Network, s: Array, overlaps: Array | None = None) -> NDArray[np.bool_]:
    """(N, n) which cells point against their field."""
    h = fields(net, s, overlaps)
    h *= s
    return np.asarray(h < -net.tie)


def moving_cells(params: Params, x: Array) -> NDArray[np.int64]:
    """(n,) how many cells of each state x (n, N) point against their field; 0 means that it is at rest."""
    net = network(params)
    return np.asarray(unstable(net, columns(net, x)).sum(axis=0))


def on_probability(field: Array, temperature: float) -> Array:
    """Glauber's probability that a cell with this field is on: σ(2h/T)."""
    return np.asarray(0.5 * (1.0 + np.tanh(np.asarray(field) / temperature)))


# --- Updates --------------------------------------------------------------------------------------------------


def _drawn(h: Array, noise: Array) -> Array:
    """(n,) the spins of one cell by Glauber's rule: on where its field is above logistic noise."""
    return np.where(h > noise, 1, -1)


def sweep(
    net: Network, s: Array, order: NDArray[np.int64], temperature: float = 0.0, rng: Rng | None = None,
    block: int = BLOCK, overlaps: Array | None = None,
) -> NDArray[np.int64]:  # fmt: skip
    """Visit the cells in ``order`` once, in every state of s (N, n), which is changed in place.

    At temperature 0 a cell takes the sign of its field, above it is drawn by Glauber's rule, for which ``rng``
    is needed. So are the overlaps, if they are given. Returns (n,) how many cells flipped. The noise is drawn cell by cell in the order of the visit,
    so the block does not change it. Hebb's whole numbers are done by a compiled kernel where there is one and enough to
    do: the states are the same.
    """
    flips = np.zeros(s.shape[1], dtype=np.int64)
    overlaps = overlaps_of(net, s) if overlaps is None else overlaps
    if overlaps is not None and net.low_rank and net.dtype == np.float32 and temperature == 0:
        compact = compiled.recall(len(order) * s.shape[1])
        if compact is not None:
            compact(np.ascontiguousarray(net.patterns.T), order, overlaps, s, flips)
            return flips
    for first in range(0, len(order), block):
        sites = order[first : first + block]
        noise: Array | None = None
        if temperature > 0:
            assert rng is not None
            # h > L with L logistic of scale T/2 happens with probability σ(2h/T).
            noise = rng.logistic(0.0, 0.5 * temperature * net.scale, (len(sites), s.shape[1]))
        step = _dense_block if net.weights is None else _pairwise_block
        flips += step(net, s, sites, overlaps, noise)
    return flips


def _pairwise_block(
    net: Network, s: Array, sites: Array, overlaps: Array | None, noise: Array | None
) -> NDArray[np.int64]:
    """One block of cells under pairwise weights; s and the overlaps (P, n) follow."""
    assert net.weights is not None
    spins_here = s[sites]
    if overlaps is not None:
        here = net.patterns[:, sites]
        h = here.T @ overlaps - len(here) * spins_here
    else:
        h = net.weights[sites] @ s
    if net.thresholds.any():
        h -= net.thresholds[sites, None]
    if noise is None:
        # Where no cell of the block points against its field, none of them will flip.
        wrong = spins_here * h < -net.tie
        busy = np.flatnonzero(wrong.any(axis=0))
        if not len(busy):
            return np.zeros(s.shape[1], dtype=np.int64)
    else:
        busy = np.arange(s.shape[1])
    change = np.zeros_like(spins_here)
    if 2 * len(busy) < s.shape[1]:
        change[:, busy] = _in_turn(net, sites, h[:, busy], spins_here[:, busy], None)
    else:
        change = _in_turn(net, sites, h, spins_here, noise)
    s[sites] = spins_here + change
    if overlaps is not None:
        overlaps += here @ change
    return np.asarray(np.count_nonzero(change, axis=0))


@functools.cache
def _template(size: int, dtype: str) -> tuple[Array, Array]:
    """[0, I] (b, 2b), and ones below the diagonal (b, b)."""
    return np.eye(size, 2 * size, size, dtype=dtype), np.tri(size, k=-1, dtype=dtype)


def _in_turn(net: Network, sites: Array, h: Array, s: Array, noise: Array | None) -> Array:
    r"""(b, n) the changes of a block of cells visited one after another, from the fields h (b, n) before it.

    With J the couplings inside the block and L their part below the diagonal, the j-th cell sees
    :math:`(h - Ls)_j + \sum_{i<j} L_{ji} s'_i`: one product with what stands in the rows of [s'; h − Ls]. It takes the
    sign of that; a tie, which counts for the old sign, has been added beforehand.
    """
    assert net.weights is not None
    size = len(sites)
    seen, earlier = _template(size, s.dtype.char)
    seen = seen.copy()
    below = np.multiply(net.weights[sites[:, None], sites], earlier, out=seen[:, :size])
    rows = np.zeros((2 * size, s.shape[1]), dtype=s.dtype)
    new, rest = rows[:size], rows[size:]
    np.subtract(h, below @ s, out=rest)
    if noise is None:
        # Integers, which float32 holds to the half, are further than that from every tie.
        rest += s * s.dtype.type(0.5 if s.dtype == np.float32 else net.tie)
    one, field = s.dtype.type(1), np.empty_like(s[0])
    for j, (sees, spin) in enumerate(zip(seen, new, strict=True)):
        np.dot(sees, rows, field)
        if noise is None:
            np.copysign(one, field, spin)
        else:
            spin[:] = _drawn(field, noise[j])
    return np.asarray(new - s)


def _dense_block(
    net: Network, s: Array, sites: Array, overlaps: Array | None, noise: Array | None
) -> NDArray[np.int64]:
    """The same under a dense interaction, whose fields are not linear: one cell after another."""
    assert overlaps is not None
    flips = np.zeros(s.shape[1], dtype=np.int64)
    for j, site in enumerate(sites):
        column = net.patterns[:, site]
        field = _dense_field(net, site, overlaps - np.outer(column, s[site])) - net.thresholds[site]
        if noise is None:
            change = np.where(s[site] * field < -net.tie, -2 * s[site], 0)
        else:
            change = _drawn(field, noise[j]) - s[site]
        moved = np.flatnonzero(change)
        overlaps[:, moved] += np.outer(column, change[moved])
        s[site] += change
        flips += change != 0
    return flips


def synchronous(net: Network, s: Array, sites: NDArray[np.int64]) -> Array:
    """The spins (N, n) after all these cells took the sign of their field at once; a cell without one stays."""
    new = s.copy()
    new[sites] = np.where(unstable(net, s)[sites], -s[sites], s[sites])
    return new


def flip_by_flip(net: Network, s: Array, sites: NDArray[np.int64], rng: Rng) -> Iterator[NDArray[np.bool_]]:
    """The asynchronous update one flip at a time: at each step every state of s (N, n) that is not at rest makes
    the next flip of its sweep, in place. Yields (n,) which states flipped; ends when all rest.

    With the same generator this passes through the same states as :func:`sweep` after :func:`sweep`.
    """
    size, n = s.shape
    orders: list[NDArray[np.int64]] = []
    ranks: list[NDArray[np.int64]] = []
    turn, position = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    awake = np.arange(n)
    while True:
        moving = np.zeros((size, len(awake)), dtype=bool)
        moving[sites] = unstable(net, s[:, awake])[sites]
        alive = moving.any(axis=0)
        awake, moving = awake[alive], moving[:, alive]
        if not len(awake):
            return
        while len(orders) < turn[awake].max() + 2:
            orders.append(rng.permutation(sites))
            rank = np.full(size, size)
            rank[orders[-1]] = np.arange(len(sites))
            ranks.append(rank)
        rank_of = np.stack(ranks)

        def nearest(turn_now: Array, after: Array, cells: Array, table: Array = rank_of) -> Array:
            """(a,) the first unstable cell's place in its sweep, N when there is none from ``after`` on."""
            place = table[turn_now].T
            return np.asarray(np.where(cells & (place >= after), place, size).min(axis=0))

        place = nearest(turn[awake], position[awake], moving)
        late = place == size  # nothing is left in this sweep: the next one begins
        turn[awake[late]] += 1
        if late.any():
            place[late] = nearest(turn[awake[late]], np.zeros(late.sum(), dtype=np.int64), moving[:, late])
        cell = np.stack(orders)[turn[awake], place]
        s[cell, awake] *= -1
        position[awake] = place + 1
        flipped = np.zeros(n, dtype=bool)
        flipped[awake] = True
        yield flipped


def sweeps(
    net: Network, s: Array, sites: NDArray[np.int64], rng: Rng, block: int = BLOCK
) -> Iterator[NDArray[np.int64]]:
    """The asynchronous update one sweep at a time, on s (N, n) in place: yields (n,) flips, ends when all rest.

    A state is finished, and does not change from then on, when none of its cells points against its field. Finished
    states are left out once they are most.
    """
    with alone():
        overlaps = overlaps_of(net, s)
        stirred = _restless(net, s, sites, overlaps)
    left, part = np.arange(s.shape[1]), s
    while stirred.any():
        if 2 * np.count_nonzero(stirred) < len(left):
            # (s[:, left] would have its columns in one piece, and not its rows)
            part = np.compress(stirred, part, axis=1)
            overlaps = None if overlaps is None else np.compress(stirred, overlaps, axis=1)
            left = left[stirred]
        flips = np.zeros(s.shape[1], dtype=np.int64)
        with alone():
            flips[left] = sweep(net, part, rng.permutation(sites), block=block, overlaps=overlaps)
            stirred = _restless(net, part, sites, overlaps)
        if part is not s:
            s[:, left] = part
        yield flips


def _restless(net: Network, s: Array, sites: NDArray[np.int64], overlaps: Array | None) -> NDArray[np.bool_]:
    """(n,) in which states one of these cells points against its field."""
    wrong = unstable(net, s, overlaps)
    return np.asarray((wrong if len(sites) == len(s) else wrong[sites]).any(axis=0))


def settle(
    params: Params, x: Array, rng: Rng, free: Array | None = None, block: int = BLOCK
) -> NDArray[np.float64]:
    """Where the states x (n, N) in 0 or 1 come to rest under asynchronous updates: (n, N).

    ``free`` (N,) says which cells may move. Raises RuntimeError when states still move after
    :data:`MOST_SWEEPS`, which symmetric weights rule out.
    """
    net = network(params)
    s = columns(net, x)
    sites = np.arange(len(s)) if free is None else np.flatnonzero(free)
    for count, _ in enumerate(sweeps(net, s, sites, rng, block), start=1):
        if count == MOST_SWEEPS:
            raise RuntimeError(f"states still move after {MOST_SWEEPS} sweeps: are the weights symmetric?")
    return states(s)
