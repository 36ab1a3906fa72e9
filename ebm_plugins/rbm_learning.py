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

from collections.abc import Iterator
from typing import Any

import numpy as np

from ebm_plugins import rbm_tempering as tempering
from ebm_plugins.rbm_core import Machine, bernoulli, draw_visible, hidden_probability, sweep
from ebm_plugins.records import Array, Rng

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
    """The machine after every epoch over x (n, V) in float32; arrays are replaced, never edited.

    ``begin`` (in float32) is where learning starts, in place of small random weights.
    """
    m = begin or initial(x, config, gaussian, rng)
    x = np.ascontiguousarray(x, dtype=np.float32)
    mean = np.zeros(x.shape[1], np.float32) if gaussian else x.mean(axis=0)
    offset = np.full(config.hidden, 0.5, np.float32)  # λ
    size = min(config.batch, len(x))
    particles = _particles(m, x, config, rng)
    velocity: list[Array] = [
        np.zeros_like(m.weights),
        np.zeros_like(m.visible_bias),
        np.zeros_like(m.hidden_bias),
    ]
    total = config.epochs * -(-len(x) // size)
    done = 0
    for _ in range(config.epochs):
        order = rng.permutation(len(x))
        for first in range(0, len(x), size):
            v = x[order[first : first + size]]
            with np.errstate(over="ignore", invalid="ignore"):
                p = hidden_probability(m, v)
                offset = (1 - SLIDING) * offset + SLIDING * p.mean(axis=0)
                end, particles = negative(m, v, p, particles, config, rng, done)
                slope = difference(statistics(v, p), statistics(end, hidden_probability(m, end)))
                if config.centering:
                    slope = centred(slope, mean, offset)
                rate = learning_rate(config, done / total)
                m, velocity = _update(m, velocity, slope, rate, config, p)
                if m.scale is not None and config.learn_scale:
                    m = _rescaled(m, v, p, end, rate)
            done += 1
        yield m


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
    m: Machine, v: Array, p: Array, particles: Array, config: Any, rng: Rng, step: int
) -> tuple[Array, Array]:
    """Visible states (n, V) to learn away from, and the chains as they stand after k sweeps.

    ``v`` (n, V) is the batch, ``p`` its hidden probabilities.
    """
    if config.method == "cd":
        v = draw_visible(m, bernoulli(p, rng), rng)
        for _ in range(config.k - 1):
            v = sweep(m, v, rng)
        return v, particles
    if config.method == "pcd":
        for _ in range(config.k):
            particles = sweep(m, particles, rng)
        return particles, particles
    betas = tempering.ladder(len(particles))
    for j in range(config.k):
        particles, _ = tempering.step(m, particles, betas, rng, (step * config.k + j) % 2)
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


def _update(
    m: Machine, velocity: list[Array], slope: Statistics, rate: float, config: Any, p: Array
) -> tuple[Machine, list[Array]]:
    rate32, momentum = np.float32(rate), np.float32(config.momentum)
    pull = (slope[0] - np.float32(config.weight_decay) * m.weights, slope[1], slope[2])
    if config.sparsity > 0:
        wanted = np.float32(config.sparsity) * (np.float32(config.sparsity_target) - p.mean(axis=0))
        pull = (pull[0], pull[1], pull[2] + wanted)
    velocity = [momentum * old + rate32 * new for old, new in zip(velocity, pull, strict=True)]
    weights, visible, hidden = velocity
    moved = m._replace(
        weights=m.weights + weights,
        visible_bias=m.visible_bias + visible,
        hidden_bias=m.hidden_bias + hidden,
    )
    return moved, velocity


def _rescaled(m: Machine, v: Array, p: Array, end: Array, rate: float) -> Machine:
    """One step of log σ², by −∂E/∂log σ² = ((v − b)²/2 − v·(W h))/σ²: data less machine (Cho 2011)."""
    assert m.scale is not None
    variance = m.scale**2

    def felt(v: Array, p: Array) -> Array:
        return np.asarray((0.5 * (v - m.visible_bias) ** 2 - v * (p @ m.weights.T)).mean(axis=0) / variance)

    slope = np.clip(felt(v, p) - felt(end, hidden_probability(m, end)), -1, 1)
    log_variance = np.log(variance) + np.float32(rate) * slope
    least = np.float32(LEAST_SCALE)
    return m._replace(scale=np.clip(np.exp(0.5 * log_variance), least, None).astype(np.float32))


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
