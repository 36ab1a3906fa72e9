r"""Restricted Boltzmann machines: energies, conditionals, block Gibbs sweeps, and all that small ones allow exactly.

Visible units v (V,) are 0 or 1, or real with standard deviation σ (V,); hidden units h (H,) are 0 or 1.

.. math:: E(v, h) &= -b^\top v - c^\top h - v^\top W h \\
          E(v, h) &= \sum_i \frac{(v_i - b_i)^2}{2\sigma_i^2} - c^\top h - \sum_{ij} \frac{v_i}{\sigma_i^2} W_{ij} h_j

Summing h out leaves the free energy F(v), with which p(v) = exp(−F(v))/Z. Params: ``weights`` (V, H),
``visible_bias`` (V,), ``hidden_bias`` (H,), ``scale`` (V,) where visible units are real, and ``base_bias`` (V,), the
biases of independent units like the data, where tempering and annealing begin.

Between that base (β = 0) and the machine (β = 1) lies the path of machines with weights βW, hidden biases βc and
visible biases (1 − β)·base + βb. Sources: Smolensky 1986; Hinton 2002; Salakhutdinov, Murray 2008; Cho 2011.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ebm_plugins.coins import bernoulli
from ebm_plugins.records import Array, Params, Rng
from ebm_plugins.truth import states_of

MOST_UNITS = 20  # of the smaller layer, for sums over all its states
BLOCK = 4096  # states summed at a time
ROWS = 2048  # that hidden units hear at a time, where there may be many
STEEPEST = 600.0  # of the powers of e that are multiplied in float64
MOST_FOLDS = 3  # eight factors a logarithm: beyond, a call costs more than it saves


class Machine(NamedTuple):
    """The arrays of a machine in one float type. ``scale`` is None where visible units are 0 or 1."""

    weights: Array
    visible_bias: Array
    hidden_bias: Array
    base_bias: Array
    scale: Array | None = None

    def params(self) -> dict[str, Array]:
        """Copies in float64, named as a family's params are."""
        return {k: np.array(v, dtype=float) for k, v in self._asdict().items() if v is not None}


def machine(params: Params, dtype: Any = np.float64) -> Machine:
    """The machine that params describe; without ``base_bias`` its own visible biases stand in."""
    arrays = {name: np.asarray(params[name], dtype=dtype) for name in Machine._fields if name in params}
    arrays.setdefault("base_bias", arrays["visible_bias"])
    return Machine(**arrays)


def sigmoid(a: Array, out: Array | None = None) -> Array:
    """1/(1 + e^−a), into ``out`` where it is given. Its far tail is rough in float32: right for draws, wrong for
    log-probabilities."""
    out = np.multiply(a, 0.5, out=out)
    np.tanh(out, out=out)
    out *= 0.5
    out += 0.5
    return out


def softplus(a: Array) -> Array:
    """log(1 + e^a), without overflow. (np.log is vectorised where np.log1p is not: the error is one of 1 + e^−|a|.)"""
    return np.maximum(a, 0) + np.log(1 + np.exp(-np.abs(a)))


# --- One sweep ------------------------------------------------------------------------------------------------
# ``out`` is an array for the answer, so that a loop need not ask the system for a new one at every turn.


def signal(m: Machine, v: Array, out: Array | None = None) -> Array:
    """What hidden units (..., H) hear from visible ones (..., V), biases aside."""
    return np.matmul(v if m.scale is None else v / m.scale**2, m.weights, out=out)


def hidden_probability(m: Machine, v: Array, beta: Any = 1.0, out: Array | None = None) -> Array:
    """p(h = 1 | v) (..., H) at β of the path."""
    field = signal(m, v, out)
    field += m.hidden_bias
    if not _whole(beta):
        field *= beta
    return sigmoid(field, field)


def visible_mean(m: Machine, h: Array, beta: Any = 1.0, out: Array | None = None) -> Array:
    """E[v | h] (..., V) at β of the path: a probability, or the mean of a Gaussian."""
    field = np.matmul(h, m.weights.T, out=out)
    if _whole(beta):
        field += m.visible_bias
    else:
        field *= beta
        field += (1.0 - beta) * m.base_bias + beta * m.visible_bias
    return field if m.scale is not None else sigmoid(field, field)


def _whole(beta: Any) -> bool:
    return isinstance(beta, float) and beta == 1.0


def draw_hidden(m: Machine, v: Array, rng: Rng, beta: Any = 1.0, out: Array | None = None) -> Array:
    """h | v (..., H) at β of the path."""
    p = hidden_probability(m, v, beta, out)
    return bernoulli(p, rng, p)


def draw_visible(m: Machine, h: Array, rng: Rng, beta: Any = 1.0, out: Array | None = None) -> Array:
    """v | h (..., V) at β of the path."""
    mean = visible_mean(m, h, beta, out)
    if m.scale is None:
        return bernoulli(mean, rng, mean)
    mean += m.scale * rng.standard_normal(mean.shape, dtype=mean.dtype)
    return mean


def sweep(
    m: Machine, v: Array, rng: Rng, beta: Any = 1.0, out: Array | None = None, hidden: Array | None = None
) -> Array:
    """One sweep v → h → v of block Gibbs sampling, reversible with respect to p(v) at β of the path.

    ``out`` may be v itself, and then no array is new where ``hidden`` (..., H), for h, is given too.
    """
    return draw_visible(m, draw_hidden(m, v, rng, beta, hidden), rng, beta, out)


def draw_base(m: Machine, n: int, rng: Rng) -> Array:
    """(n, V) exact draws at β = 0, where all units are independent."""
    return draw_visible(m, np.zeros((n, m.weights.shape[1]), m.weights.dtype), rng, np.float32(0))


# --- Energies ---------------------------------------------------------------------------------------------------


def in_blocks(rows: int) -> Iterator[slice]:
    """So many rows a block at a time: what is heard of a block stays in the cache, and memory does not grow with rows."""
    for first in range(0, rows, ROWS):
        yield slice(first, min(first + ROWS, rows))


def path_energy(m: Machine, v: Array, beta: Any = 1.0) -> Array:
    """F(v) (...) at β of the path, in float64 sums; at β = 1 the free energy −log Σ_h exp(−E(v, h))."""
    bias = (1.0 - beta) * m.base_bias + beta * m.visible_bias
    if m.scale is None:
        visible = -np.sum(v * bias, axis=-1, dtype=float)
    else:
        visible = np.sum((v - bias) ** 2 / (2 * m.scale**2), axis=-1, dtype=float)
    return visible - np.sum(softplus(beta * (signal(m, v) + m.hidden_bias)), axis=-1, dtype=float)


def free_energy(params: Params, x: Array) -> Array:
    """F(x) (n,) of the batch x (n, V), in x's float type (float64 for cells given as whole numbers)."""
    dtype = np.float32 if np.asarray(x).dtype == np.float32 else np.float64
    m, x = machine(params, dtype), np.asarray(x, dtype=dtype)
    out = np.empty(len(x), dtype)
    for rows in in_blocks(len(x)):
        out[rows] = path_energy(m, x[rows])
    return out


def gradient(params: Params, x: Array) -> Array:
    """∇F (n, V). On a grid it is that of F continued to real cells."""
    dtype = np.float32 if np.asarray(x).dtype == np.float32 else np.float64
    m, x = machine(params, dtype), np.asarray(x, dtype=dtype)
    pull = np.empty_like(x)
    for rows in in_blocks(len(x)):
        np.matmul(hidden_probability(m, x[rows]), m.weights.T, out=pull[rows])
    return -m.visible_bias - pull if m.scale is None else (x - m.visible_bias - pull) / m.scale**2


def reconstruction_error(m: Machine, v: Array, rng: Rng) -> float:
    """Mean (v − E[v | h])² with h drawn given v. It says how well h describes v, and little of p(v)."""
    return float(np.mean((v - visible_mean(m, draw_hidden(m, v, rng))) ** 2))


def pseudo_log_likelihood(params: Params, x: Array) -> float:
    """Mean over rows of Σ_i log p(v_i | all other v), in nats, for visible units 0 or 1 (Besag 1975).

    Turning v_i by s changes −F by s·b_i + Σ_j log(q_j + p_j·e^{s W_ij}), with p_j = 1 − q_j = p(h_j = 1 | v): so a
    hidden unit costs a multiplication a turn, and the factors of several share a logarithm. Weights count as ±600 at
    most, past which a cell is certain.
    """
    m, x = machine(params), np.asarray(x, dtype=float)
    steepest = min(max(float(np.abs(m.weights).max(initial=0)), 1.0), STEEPEST)
    folds = min(MOST_FOLDS, int(np.log2(STEEPEST / steepest)))  # so that no product overflows

    def in_parts(a: Array) -> Array:
        """(2^folds, rows, H/2^folds) of (rows, H): the factors that are multiplied stand over each other."""
        padded = np.pad(a, ((0, 0), (0, -a.shape[1] % 2**folds)))
        return np.ascontiguousarray(padded.reshape(len(a), 2**folds, -1).swapaxes(0, 1))

    weights, heard = in_parts(np.clip(m.weights, -STEEPEST, STEEPEST)), in_parts(signal(m, x) + m.hidden_bias)
    with np.errstate(over="ignore"):
        p, q = 1 / (1 + np.exp(-heard)), 1 / (1 + np.exp(heard))
    turned = np.stack([np.exp(weights), np.exp(-weights)])  # by what a cell is
    on = (x > 0.5).astype(np.intp)
    factors, total = np.empty_like(p), np.zeros(len(x))
    for i in range(x.shape[1]):
        np.take(turned[:, :, i].swapaxes(0, 1), on[:, i], axis=1, out=factors, mode="clip")
        factors *= p
        factors += q
        product = factors
        while len(product) > 1:
            half = len(product) // 2
            product = np.multiply(product[:half], product[half:], out=product[:half])
        change = 1 - 2 * x[:, i]
        total -= softplus(change * m.visible_bias[i] + np.log(product[0]).sum(axis=1))
    return float(total.mean())


# --- Exact answers, over all states of the smaller layer ----------------------------------------------------------


def summed_layer(m: Machine) -> str:
    """Which layer's states are summed over: hidden, or visible where it is smaller and binary."""
    return "visible" if m.scale is None and len(m.visible_bias) < len(m.hidden_bias) else "hidden"


def log_weights(params: Params) -> Array | None:
    """log of the unnormalised probability of each state (2^k,) of the smaller layer, in the order of
    :func:`ebm_plugins.truth.states_of`; None when it has more than 20 units."""
    m = machine(params)
    if summed_layer(m) == "visible":
        bias, other, weights = m.visible_bias, m.hidden_bias, m.weights.T
    else:
        bias, other, weights = m.hidden_bias, m.visible_bias, m.weights
    if len(bias) > MOST_UNITS:
        return None
    return _binary_log_weights(bias, other, weights) if m.scale is None else _gaussian_log_weights(m)


def _binary_log_weights(bias: Array, other: Array, weights: Array) -> Array:
    """bias·s + Σ_i log(1 + exp(other_i + weights_i·s)) for all states s, with weights (O, S).

    exp(field) is a product of one factor for the first units and one for the last ten, so no exponential is taken
    a state, and one logarithm for eight units: where no field can pass ±80, eight factors stay below e^640.
    """
    units = len(bias)
    last = min(units, 10)
    low, high = states_of(np.arange(2**last), last), states_of(np.arange(2 ** (units - last)), units - last)
    low_field = weights[:, units - last :] @ low.T  # (O, 2^last)
    high_field = other[:, None] + weights[:, : units - last] @ high.T
    found = np.add.outer(high @ bias[: units - last], low @ bias[units - last :])
    largest = np.abs(other) + np.abs(weights).sum(axis=1)
    if largest.max(initial=0.0) > 80:
        for row, field in zip(found, high_field.T, strict=True):
            row += softplus(field[:, None] + low_field).sum(axis=0)
        return found.ravel()
    padded = -len(other) % 8
    low_factor = np.pad(np.exp(low_field), ((0, padded), (0, 0)))
    high_factor = np.pad(np.exp(high_field), ((0, padded), (0, 0)))
    buffer = np.empty_like(low_factor)
    for row, factor in zip(found, high_factor.T, strict=True):
        np.multiply(low_factor, factor[:, None], out=buffer)
        np.add(buffer, 1.0, out=buffer)
        row += np.log(np.multiply.reduce(buffer.reshape(-1, 8, len(low)), axis=1)).sum(axis=0)
    return found.ravel()


def _gaussian_log_weights(m: Machine) -> Array:
    """log ∫ exp(−E(v, h)) dv for all h."""
    assert m.scale is not None
    variance = m.scale**2
    constant = 0.5 * np.log(2 * np.pi * variance).sum() - (m.visible_bias**2 / (2 * variance)).sum()
    found = np.empty(2 ** len(m.hidden_bias))
    for first in range(0, len(found), BLOCK):
        index = np.arange(first, min(first + BLOCK, len(found)))
        h = states_of(index, len(m.hidden_bias))
        mean = h @ m.weights.T + m.visible_bias
        found[index] = h @ m.hidden_bias + (mean**2 / (2 * variance)).sum(axis=1) + constant
    return found


def log_sum(logs: Array) -> float:
    """log Σ exp of them all."""
    top = float(np.max(logs))
    return top + float(np.log(np.sum(np.exp(logs - top)))) if np.isfinite(top) else top


def log_partition(params: Params) -> float | None:
    """Exact log Z, or None when both layers are too large."""
    logs = log_weights(params)
    return None if logs is None else log_sum(logs)


def exact_draws(params: Params, n: int, rng: Rng) -> Array:
    """(n, V) independent draws of p(v). Raises ValueError when both layers have more than 20 units."""
    logs, m = log_weights(params), machine(params)
    if logs is None:
        raise ValueError(f"exact draws need a layer of at most {MOST_UNITS} units")
    cumulative = np.cumsum(np.exp(logs - logs.max()))
    index = np.searchsorted(cumulative, rng.random(n) * cumulative[-1], side="right")
    layer = summed_layer(m)
    states = states_of(
        np.minimum(index, len(logs) - 1), len(m.hidden_bias if layer == "hidden" else m.visible_bias)
    )
    return states if layer == "visible" else draw_visible(m, states, rng)


def expected_statistics(params: Params) -> tuple[Array, Array, Array]:
    """E[v hᵀ] (V, H), E[v] (V,) and E[h] (H,) under the machine, exactly. Raises ValueError as above."""
    logs, m = log_weights(params), machine(params)
    if logs is None:
        raise ValueError(f"exact expectations need a layer of at most {MOST_UNITS} units")
    p = np.exp(logs - log_sum(logs))
    hidden = summed_layer(m) == "hidden"
    states = states_of(np.arange(len(p)), len(m.hidden_bias if hidden else m.visible_bias))
    v = visible_mean(m, states) if hidden else states
    h = states if hidden else hidden_probability(m, states)
    return (p[:, None] * v).T @ h, p @ v, p @ h
