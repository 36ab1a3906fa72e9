r"""Learning restricted Boltzmann machines: contrastive divergence, persistent chains, tempered chains.

The gradient of the mean log-likelihood is the difference of statistics under data and under the machine,

.. math:: \nabla_W = \langle v h^\top\rangle_d - \langle v h^\top\rangle_m,\quad
          \nabla_b = \langle v\rangle_d - \langle v\rangle_m,\quad \nabla_c = \langle h\rangle_d - \langle h\rangle_m .

With centering (Melchior, Fischer, Wiskott 2016), offsets μ (mean of the data) and λ (running mean of the hidden
units) are taken off first, and biases follow so that the machine stays an ordinary one:
:math:`\nabla_W^c = \langle(v-\mu)(h-\lambda)^\top\rangle_d - \langle\cdot\rangle_m`,
:math:`\nabla_b^c = \nabla_b - \nabla_W^c\lambda`, :math:`\nabla_c^c = \nabla_c - {\nabla_W^c}^\top\mu`.
Real visible units are learned in standard units (mean 0, overall standard deviation 1) and turned back at the end;
their steps are taken in units of σ², which keeps them stable when σ is small.

Sources: Hinton 2002, 2012 (practical guide); Tieleman 2008; Desjardins 2010; Cho 2011; Lee 2008 (sparsity).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ebm_plugins import rbm_tempering as tempering
from ebm_plugins.blas import Share, alone, cut, one_by_one, team
from ebm_plugins.coins import bernoulli
from ebm_plugins.rbm_core import Machine, draw_visible, hidden_probability, sweep
from ebm_plugins.records import Array, Rng

SHARED = 16_000_000  # multiplications, from which on two threads are worth their meeting
PARTS = 2  # of a batch that large, each with random numbers of its own, so that threads change nothing
SLIDING = 0.01  # how fast the hidden offsets follow
LEAST_SCALE = 0.05  # of the data's standard deviation: a smaller σ would make the density grow without end
Statistics = tuple[Array, Array, Array]


def initial(x: Array, config: Any, gaussian: bool, rng: Rng) -> Machine:
    """A machine of small random weights whose visible biases are the data's (smoothed) log-odds, or zero."""
    hidden, cells = config.hidden, x.shape[1]
    weights = config.initial_weights * rng.standard_normal((cells, hidden))
    mean = x.mean(axis=0) if gaussian else (x.sum(axis=0) + 0.5) / (len(x) + 1)
    base = mean if gaussian else np.log(mean / (1 - mean))
    bias = base if config.start_at_data else np.zeros(cells)
    scale = np.full(cells, config.noise, np.float32) if gaussian else None
    w, b, c, b0 = (a.astype(np.float32) for a in (weights, bias, np.zeros(hidden), base))
    return Machine(w, b, c, b0, scale)


def epochs(
    x: Array, config: Any, gaussian: bool, rng: Rng, begin: Machine | None = None
) -> Iterator[Machine]:
    """The machine after every epoch over x (n, V) in float32; what is yielded is never edited.

    ``begin`` (in float32) is where learning starts, in place of small random weights.
    """
    m = _copied(begin or initial(x, config, gaussian, rng))
    x = np.ascontiguousarray(x, dtype=np.float32)
    mean = np.zeros(x.shape[1], np.float32) if gaussian else x.mean(axis=0)
    offset = np.full(config.hidden, 0.5, np.float32)  # λ
    size = min(config.batch, len(x))
    desk = _desk(m, size, config)
    chains = _particles(m, x, config, rng)
    if config.method == "pcd":
        desk.v[: len(chains)] = chains
    velocity = Step(*map(np.zeros_like, (m.weights, m.visible_bias, m.hidden_bias)))
    total = config.epochs * -(-len(x) // size)
    shared = size * m.weights.size >= SHARED and config.method != "tempering"
    streams = rng.spawn(PARTS) if shared else [rng]
    # the last batch may be shorter
    parts = {n: _parts(desk, n, streams) for n in (size, len(x) % size or size)}
    done = 0
    for _ in range(config.epochs):
        order = rng.permutation(len(x))
        with team(len(streams)) as share, alone(), np.errstate(over="ignore", invalid="ignore"):
            for first in range(0, len(x), size):
                rows = order[first : first + size]
                end, v = desk.rows(len(rows))
                ends = share(
                    [
                        partial(_states, m, x, rows[part.rows], part, chains, config, done)
                        for part in parts[len(rows)]
                    ]
                )
                if config.method == "tempering":
                    (chains,) = ends
                rate = learning_rate(config, done / total)
                active = offset
                if config.centering or config.sparsity:
                    active = desk.ones[v] @ desk.p[v] / np.float32(len(rows))
                    offset += np.float32(SLIDING) * (active - offset)
                scale = _scale(m, desk, end, v, rate) if gaussian and config.learn_scale else None
                step = slope(desk, end, v, rate, (mean, offset) if config.centering else None, share)
                _update(m, velocity, step, rate, config, active)
                m = m if scale is None else m._replace(scale=scale)
                done += 1
        yield _copied(m)


class Part(NamedTuple):
    """One part of a batch: which of its ``rows``; where on the desk these stand, and what the machine makes of them or
    of its chains (``end``), each as visible states and hidden probabilities; room for ``h``; and its random numbers."""

    rows: slice
    data: tuple[Array, Array]
    end: tuple[Array, Array]
    h: Array
    rng: Rng


def _parts(desk: Desk, n: int, streams: Sequence[Rng]) -> list[Part]:
    """The parts of a batch of n rows, one for each stream of random numbers."""
    ends, data = desk.rows(n)
    places = zip(*(cut(rows, len(streams)) for rows in (slice(0, n), data, ends)), streams, strict=True)
    return [
        Part(rows, (desk.v[v], desk.p[v]), (desk.v[end], desk.p[end]), desk.h[end], rng)
        for rows, v, end, rng in places
    ]


def _states(
    m: Machine, x: Array, rows: Array, part: Part, chains: Array, config: Any, step: int
) -> Array:  # fmt: skip
    """Fill the part's places on the desk from these ``rows`` of x. Returns tempered ``chains`` as they stand then."""
    (data, on), (v, on_then) = part.data, part.end
    with np.errstate(over="ignore", invalid="ignore"):  # a thread has its own
        np.take(x, rows, axis=0, out=data, mode="clip")
        hidden_probability(m, data, out=on)
        begin = v if config.method == "pcd" else chains
        _, after = negative(m, on, begin, config, part.rng, step, v, part.h)
        hidden_probability(m, v, out=on_then)
    return after


def _copied(m: Machine) -> Machine:
    arrays = {name: array.copy() for name, array in m._asdict().items() if array is not None}
    return Machine(**arrays)


class Step(NamedTuple):
    """What is added to ``weights`` (V, H), ``visible`` (V,) and ``hidden`` (H,) biases."""

    weights: Array
    visible: Array
    hidden: Array


class Desk(NamedTuple):
    """The arrays that every update works in: visible rows ``v`` and hidden probabilities ``p``, those of the machine's
    own states first, then those of the data, then two rows for centering; hidden draws ``h``; as many ``ones``; and the
    ``step``."""

    v: Array
    p: Array
    h: Array
    ones: Array
    step: Step
    chains: int  # kept ones; 0 where as many start at the data

    def rows(self, n: int) -> tuple[slice, slice]:
        """Which rows are the machine's, and which the ``n`` of the data."""
        chains = self.chains or n
        return slice(0, chains), slice(chains, chains + n)


def _desk(m: Machine, size: int, config: Any) -> Desk:
    chains = 0 if config.method == "cd" else config.chains
    cells, hidden = m.weights.shape
    rows = (chains or size) + size + 2
    step = Step(*map(np.empty_like, (m.weights, m.visible_bias, m.hidden_bias)))
    h = np.empty((chains or size, hidden), np.float32)
    v, p = (np.empty((rows, units), np.float32) for units in (cells, hidden))
    return Desk(v, p, h, np.ones(rows, np.float32), step, chains)


def learning_rate(config: Any, progress: float) -> float:
    """The rate at ``progress`` in [0, 1) of the run."""
    rate = float(config.learning_rate)
    if config.schedule == "linear":
        return rate * (1 - progress)
    return rate / (1 + 9 * progress) if config.schedule == "inverse" else rate


def _particles(m: Machine, x: Array, config: Any, rng: Rng) -> Array:
    """Where persistent chains begin: at data rows; (R, n, V) for tempered ones."""
    v = x[rng.integers(0, len(x), config.chains)]
    return tempering.replicas_of(m, v, config.replicas, rng) if config.method == "tempering" else v


def negative(
    m: Machine,
    p: Array,
    particles: Array,
    config: Any,
    rng: Rng,
    step: int,
    out: Array | None = None,
    hidden: Array | None = None,
) -> tuple[Array, Array]:
    """Visible states (n, V) to learn away from, and the chains as they stand after k sweeps.

    ``p`` are the hidden probabilities of the batch; ``out`` and ``hidden`` (n, H) are room for states of the layers.
    """
    if config.method == "cd":
        v = draw_visible(m, bernoulli(p, rng, hidden), rng, out=out)
        for _ in range(config.k - 1):
            sweep(m, v, rng, out=v, hidden=hidden)
        return v, particles
    if config.method == "pcd":
        v = sweep(m, particles, rng, out=out, hidden=hidden)
        for _ in range(config.k - 1):
            sweep(m, v, rng, out=v, hidden=hidden)
        return v, v
    betas = tempering.ladder(len(particles))
    for j in range(config.k):
        particles, _ = tempering.step(m, particles, betas, rng, (step * config.k + j) % 2)
    if out is not None:
        out[...] = particles[0]
    return particles[0], particles


def statistics(v: Array, p: Array) -> Statistics:
    """⟨v hᵀ⟩ (V, H), ⟨v⟩ and ⟨h⟩ over a batch v (n, V) with hidden probabilities p (n, H)."""
    return v.T @ p / np.float32(len(v)), v.mean(axis=0), p.mean(axis=0)


def difference(data: Statistics, model: Statistics) -> Statistics:
    """The plain gradient: statistics of the data less those of the machine."""
    return data[0] - model[0], data[1] - model[1], data[2] - model[2]


def centred(slope: Statistics, mean: Array, offset: Array) -> Statistics:
    """The centered gradient, from the plain one and the offsets ``mean`` (V,) and ``offset`` (H,)."""
    weights, visible, hidden = slope
    weights = weights - np.outer(mean, hidden) - np.outer(visible, offset)
    return weights, visible - weights @ offset, hidden - mean @ weights


def slope(
    desk: Desk,
    end: slice,
    data: slice,
    rate: float,
    offsets: tuple[Array, Array] | None = None,
    share: Share[None] = one_by_one,
) -> Step:
    """``rate`` times :func:`difference`, or :func:`centred` with ``offsets``, from one product of the desk's rows.

    The signs are put into the hidden probabilities, which are spent here. Centering is two more rows of the product:
    μ against −∇c and ∇b against −λ. A large product is a task for each part of the visible units, given to ``share``.
    """
    step, count = desk.step, data.stop
    v, p = desk.v[:count], desk.p[:count]
    sign = np.empty(count, np.float32)
    for rows, weight in ((end, -rate / (end.stop - end.start)), (data, rate / (data.stop - data.start))):
        sign[rows] = weight
        p[rows] *= weight
    np.matmul(sign, v, out=step.visible)
    np.matmul(desk.ones[:count], p, out=step.hidden)
    if offsets is None:
        _products(v, p, step.weights, share)
        return step
    mean, offset = offsets
    desk.v[count], desk.v[count + 1] = mean, step.visible
    np.negative(step.hidden, out=desk.p[count])
    np.negative(offset, out=desk.p[count + 1])
    _products(desk.v[: count + 2], desk.p[: count + 2], step.weights, share)
    step.visible[...] -= step.weights @ offset
    step.hidden[...] -= mean @ step.weights
    return step


def _products(v: Array, p: Array, out: Array, share: Share[None]) -> None:
    """vᵀp."""
    parts = PARTS if v.size * p.shape[1] >= SHARED else 1
    units = cut(slice(0, v.shape[1]), parts)
    share([partial(np.matmul, v[:, some].T, p, out=out[some]) for some in units])


def _update(m: Machine, velocity: Step, step: Step, rate: float, config: Any, active: Array) -> None:
    """Move the machine by the step, decay, sparsity and momentum; in place."""
    if config.weight_decay:
        step.weights[...] -= np.float32(rate * config.weight_decay) * m.weights
    if config.sparsity:
        step.hidden[...] += np.float32(rate * config.sparsity) * (config.sparsity_target - active)
    if config.momentum:
        for old, new in zip(velocity, step, strict=True):
            old *= np.float32(config.momentum)
            old += new
        step = velocity
    for array, move in zip((m.weights, m.visible_bias, m.hidden_bias), step, strict=True):
        array += move


def _scale(m: Machine, desk: Desk, end: slice, data: slice, rate: float) -> Array:
    return rescaled(m, (desk.v[data], desk.p[data]), (desk.v[end], desk.p[end]), rate)


def rescaled(m: Machine, data: tuple[Array, Array], end: tuple[Array, Array], rate: float) -> Array:
    """σ (V,) after one step of log σ², by −∂E/∂log σ² = ((v − b)²/2 − v·(W h))/σ²: data less machine (Cho 2011).

    ``data`` and ``end`` are visible rows with their hidden probabilities.
    """
    assert m.scale is not None
    variance = m.scale**2

    def felt(v: Array, p: Array) -> Array:
        return np.asarray((0.5 * (v - m.visible_bias) ** 2 - v * (p @ m.weights.T)).mean(axis=0) / variance)

    pull = np.clip(felt(*data) - felt(*end), -1, 1)
    log_variance = np.log(variance) + np.float32(rate) * pull
    return np.maximum(np.exp(0.5 * log_variance), LEAST_SCALE).astype(np.float32)


# --- Standard units for real data -----------------------------------------------------------------------------


def standard_units(x: Array) -> tuple[Array, float]:
    """Mean (V,) and overall standard deviation of real data about it; 1 for constant data."""
    mean = x.mean(axis=0)
    return mean, float(np.sqrt(np.mean((x - mean) ** 2))) or 1.0


def from_standard(params: dict[str, Array], mean: Array, size: float) -> dict[str, Array]:
    """The same machine for v = mean + size·u, from one for u; energies differ by a constant."""
    scale = size * params["scale"]
    weights = size * params["weights"]
    return {
        "weights": weights,
        "visible_bias": mean + size * params["visible_bias"],
        "hidden_bias": params["hidden_bias"] - (mean / scale**2) @ weights,
        "base_bias": mean + size * params["base_bias"],
        "scale": scale,
    }


def learn(x: Array, config: Any, rng: Rng, begin: Machine | None = None) -> dict[str, Array]:
    """The params that all epochs over binary rows x (n, V) end with."""
    m = begin
    for latest in epochs(x, config, False, rng, begin):
        m = latest
    assert m is not None
    return m.params()
