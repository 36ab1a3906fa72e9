r"""log Z of a restricted Boltzmann machine by annealed importance sampling, from both sides.

Forward, chains start from independent units and are carried along the path of :mod:`ebm_plugins.rbm_core` to the
machine; the weights satisfy E[w] = Z/Z₀, so the mean of log w is at most log Z − log Z₀. Backward, chains start from
the machine; E[1/w] = Z₀/Z, so the mean of log w is at least that, when they start from exact draws of it.

Sources: Neal 2001; Salakhutdinov, Murray 2008; Burda, Grosse, Salakhutdinov 2015; Grosse et al. 2015.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ebm_plugins.rbm_core import (
    Machine,
    draw_base,
    exact_draws,
    log_sum,
    log_weights,
    machine,
    path_energy,
    signal,
    softplus,
    sweep,
)
from ebm_plugins.records import Array, Params, Rng

TEMPERATURES = 1000
SWEEPS = 200  # from resampled forward chains to where the backward ones start
ERRORS = 3.0  # standard errors that a bracket is widened by on each side


def base_log_partition(m: Machine) -> float:
    """log Z₀ of the independent units at β = 0."""
    hidden = len(m.hidden_bias) * np.log(2.0)
    if m.scale is None:
        return float(softplus(np.asarray(m.base_bias, dtype=float)).sum() + hidden)
    return float(0.5 * np.log(2 * np.pi * np.asarray(m.scale, dtype=float) ** 2).sum() + hidden)


def ladder(count: int) -> Array:
    """``count`` + 1 values of β from 0 to 1, evenly spaced."""
    return np.linspace(0.0, 1.0, count + 1)


def forward(params: Params, rng: Rng, chains: int, temperatures: int = TEMPERATURES) -> tuple[Array, Array]:
    """log Z₀ + log w (chains,) of independent annealings, and the states (chains, V) where they end."""
    m = machine(params, np.float32)
    betas = ladder(temperatures)
    v = draw_base(m, chains, rng)
    logs = np.full(chains, base_log_partition(m))
    for low, high in pairwise(betas):
        logs += _increment(m, v, low, high)
        v = sweep(m, v, rng, np.float32(high))
    return logs, v


def backward(params: Params, rng: Rng, v: Array, temperatures: int = TEMPERATURES) -> Array:
    """log Z₀ + log w (chains,) of annealings from states v (chains, V) of the machine back to the base."""
    m = machine(params, np.float32)
    betas = ladder(temperatures)
    v = np.asarray(v, dtype=np.float32)
    logs = np.full(len(v), base_log_partition(m))
    for high, low in pairwise(betas[::-1]):
        logs += _increment(m, v, low, high)
        v = sweep(m, v, rng, np.float32(low))
    return logs


def _increment(m: Machine, v: Array, low: float, high: float) -> Array:
    """F at β = low less F at high (chains,), from one matrix product where visible units are 0 or 1."""
    if m.scale is not None:
        return path_energy(m, v, np.float32(low)) - path_energy(m, v, np.float32(high))
    heard = signal(m, v) + m.hidden_bias
    size = np.abs(heard)
    ratio = (1 + np.exp(np.float32(-high) * size)) / (1 + np.exp(np.float32(-low) * size))
    hidden = np.log(ratio).sum(axis=1, dtype=float)
    hidden += (high - low) * np.maximum(heard, 0).sum(axis=1, dtype=float)
    return np.asarray(hidden + (high - low) * (v @ (m.visible_bias - m.base_bias)))


def estimate(logs: Array) -> tuple[float, float]:
    """log of the mean of exp(logs), and its standard error (delta method)."""
    n = len(logs)
    weights = np.exp(logs - logs.max())
    spread = float(weights.std(ddof=1) / weights.mean()) if n > 1 else float("inf")
    return log_sum(logs) - float(np.log(n)), spread / float(np.sqrt(n))


def bracket(
    params: Params, rng: Rng, chains: int, temperatures: int = TEMPERATURES
) -> tuple[float, float, float]:
    """``(lower, upper, standard error)`` of log Z: the forward and the backward estimate, each widened by three of
    its standard errors; the last is the larger of the two.

    The backward chains start from exact draws where one layer has at most 20 units, and otherwise from
    the forward ends, resampled by weight and swept 200 times more; then ``upper`` is an estimate, no bound.
    """
    logs, ends = forward(params, rng, chains, temperatures)
    lower, error = estimate(logs)
    m = machine(params, np.float32)
    if log_weights(params) is not None:
        v = exact_draws(params, chains, rng)
    else:
        weights = np.cumsum(np.exp(logs - logs.max()))
        chosen = np.searchsorted(weights, rng.random(chains) * weights[-1], side="right")
        v = ends[np.minimum(chosen, chains - 1)]
        for _ in range(SWEEPS):
            v = sweep(m, v, rng)
    back, back_error = estimate(-backward(params, rng, v, temperatures))
    low, high = lower - ERRORS * error, -back + ERRORS * back_error
    return min(low, high), max(low, high), max(error, back_error)
