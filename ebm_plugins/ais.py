r"""log Z of a restricted Boltzmann machine by annealed importance sampling, from both sides.

Forward, chains start from independent units and are carried along the path of :mod:`ebm_plugins.rbm_core` to the
machine; the weights satisfy E[w] = Z/Z₀, so the mean of log w is at most log Z − log Z₀. Backward, chains start from
the machine; E[1/w] = Z₀/Z, so the mean of log w is at least that, when they start from exact draws of it.

Sources: Neal 2001; Salakhutdinov, Murray 2008; Burda, Grosse, Salakhutdinov 2015; Grosse et al. 2015.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from ebm_plugins.blas import alone
from ebm_plugins.coins import bernoulli
from ebm_plugins.rbm_core import (
    Machine,
    draw_base,
    draw_visible,
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
TILE = 256  # chains; what a step of theirs works in stays in a core's cache
TOGETHER = 64  # steps whose fractions are multiplied: at most 2⁶⁴
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
    m, betas = machine(params, np.float32), ladder(temperatures).tolist()
    logs, v = _in_tiles(m, rng, chains, betas, lambda rows, own: draw_base(m, rows.stop - rows.start, own))
    return base_log_partition(m) + logs, v


def backward(params: Params, rng: Rng, v: Array, temperatures: int = TEMPERATURES) -> Array:
    """log Z₀ + log w (chains,) of annealings from states v (chains, V) of the machine back to the base."""
    m, betas = machine(params, np.float32), ladder(temperatures).tolist()
    logs, _ = _in_tiles(m, rng, len(v), betas[::-1], lambda rows, _: np.array(v[rows], dtype=np.float32))
    return base_log_partition(m) - logs


def _in_tiles(
    m: Machine, rng: Rng, chains: int, betas: list[float], begin: Callable[[slice, Rng], Array]
) -> tuple[Array, Array]:
    """:func:`_annealed` for tiles of chains, each with random numbers of its own.

    ``begin(rows, rng)`` says where the chains of a tile start. One thread does them all: two would spend more on
    waiting for the interpreter, between calls this small, than they gain.
    """
    tiles = [slice(first, min(first + TILE, chains)) for first in range(0, chains, TILE)]

    with alone():
        parts = [
            _annealed(m, begin(rows, own), betas, own)
            for rows, own in zip(tiles, rng.spawn(len(tiles)), strict=True)
        ]
    logs, ends = zip(*parts, strict=True)
    return np.concatenate(logs), np.concatenate(ends)


def _annealed(m: Machine, v: Array, betas: list[float], rng: Rng) -> tuple[Array, Array]:
    r"""Σ of F at β less F at the next β (n,) for states v (n, V) that are carried along ``betas``; and where they end.

    v is edited. For visible units 0 or 1 what hidden units hear, a, serves the weight and the draw, and the weight is

    .. math:: Δβ\Bigl(v^\top(b - b_0) + \sum_j \frac{a_j + |a_j|}{2}\Bigr) + \sum_j \log\frac{1 + t_j}{1 + t'_j}

    with :math:`t = \tanh(β|a|/2)`, since :math:`1 + e^{-β|a|} = 2/(1 + t)`; t′, at the next β, is that of the draw, too.
    Numbers between 1 and 2 are multiplied over 64 steps before a logarithm is taken.
    """
    logs = np.zeros(len(v))
    if m.scale is not None:
        for old, new in pairwise(betas):
            logs += path_energy(m, v, np.float32(old)) - path_energy(m, v, np.float32(new))
            v = sweep(m, v, rng, np.float32(new), out=v)
        return logs, v
    heard = np.empty((len(v), len(m.hidden_bias)), np.float32)
    size, work = np.empty_like(heard), np.empty_like(heard)
    before, after = np.ones_like(heard), np.ones_like(heard)
    ones = np.ones_like(m.hidden_bias)
    tilt = m.visible_bias - m.base_bias + 0.5 * (m.weights @ ones)  # Σa is linear in v
    always = 0.5 * float(m.hidden_bias.sum(dtype=float))
    for step, (old, new) in enumerate(pairwise(betas), 1):
        signal(m, v, heard)
        heard += m.hidden_bias
        np.abs(heard, out=size)
        logs += (new - old) * (v @ tilt + 0.5 * (size @ ones) + always)
        np.multiply(size, 0.5 * old, out=work)
        np.tanh(work, out=work)
        work += 1
        before *= work
        heard *= 0.5 * new
        np.tanh(heard, out=heard)
        np.abs(heard, out=work)
        work += 1
        after *= work
        if step % TOGETHER == 0 or step == len(betas) - 1:
            before /= after
            logs += np.log(before, out=before).sum(axis=1, dtype=float)
            before.fill(1)
            after.fill(1)
        heard += 1
        heard *= 0.5
        bernoulli(heard, rng, heard)
        draw_visible(m, heard, rng, new, out=v)
    return logs, v


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
        hidden = np.empty((chains, len(m.hidden_bias)), np.float32)
        with alone():
            for _ in range(SWEEPS):
                sweep(m, v, rng, out=v, hidden=hidden)
    back, back_error = estimate(-backward(params, rng, v, temperatures))
    low, high = lower - ERRORS * error, -back + ERRORS * back_error
    return min(low, high), max(low, high), max(error, back_error)
