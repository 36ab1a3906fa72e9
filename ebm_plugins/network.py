r"""A small fully connected network with its derivatives by hand, and Adam. What dsm and infonce learn with.

Inputs travel as a *jet* of shape (k, n, dim): the point x and, for k > 1, the derivatives of a curve through it.
With the curve x + t·v, a jet (x, v) comes out as (f, ⟨v, ∇f⟩) and a jet (x, v, 0) as (f, ⟨v, ∇f⟩, vᵀ∇²f v), in one
forward pass. Through an activation φ the jet (a, a₁, a₂) becomes

.. math:: h = φ(a), \quad h_1 = φ'(a)\,a_1, \quad h_2 = φ''(a)\,a_1^2 + φ'(a)\,a_2 .

A reverse pass over it gives the gradient of any of these with respect to the weights: that of ⟨v, ∇ₓE⟩ is all that
score matching with an energy needs, and it takes no second reverse pass. A plain network is the case k = 1.

Weights are a tuple (W₁, b₁, W₂, b₂, ...), W of shape (in, out). Nothing is edited in place that a caller has seen.
Sources: Griewank, Walther 2008 (forward jets, reverse passes); Kingma, Ba 2015 (Adam).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ebm_plugins.records import Array, Rng

Weights = tuple[Array, ...]
Activation = Callable[[Array, int], list[Array]]


def silu(a: Array, order: int) -> list[Array]:
    """φ(a) = a·s with s = 1/(1 + e⁻ᵃ), and its first ``order`` ≤ 3 derivatives. Grows like a, smooth everywhere."""
    s = _sigmoid(a)
    value = a * s
    out = [value]
    if not order:
        return out
    rest = 1 - s
    first = value * rest
    first += s
    out.append(first)
    if order > 1:
        rest *= s
        second = value * -2  # φ'' = s(1 − s)(2 + a − 2φ)
        second += a
        second += 2
        second *= rest
        out.append(second)
    if order > 2:
        tilt = 1 - 2 * s
        out.append(rest * (3 * tilt + a * (tilt * tilt - 2 * rest)))
    return out


def softplus(a: Array, order: int) -> list[Array]:
    """φ(a) = log(1 + eᵃ) and its first ``order`` ≤ 3 derivatives."""
    out = [np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a)))]
    if order:
        s = _sigmoid(a)
        out.append(s)
        if order > 1:
            slope = s * (1 - s)
            out += [slope, slope * (1 - 2 * s)][: order - 1]
    return out


def tanh(a: Array, order: int) -> list[Array]:
    """φ(a) = tanh a and its first ``order`` ≤ 3 derivatives."""
    t = np.tanh(a)
    slope = 1 - t * t
    return [t, slope, -2 * t * slope, slope * (6 * t * t - 2)][: order + 1]


def relu(a: Array, order: int) -> list[Array]:
    """φ(a) = max(a, 0) and its first derivative; the higher ones are 0. Not for an energy: its score would jump."""
    value = np.maximum(a, 0)
    slope = np.greater(a, 0, out=np.empty_like(a), casting="unsafe")
    return [value, slope, *(np.zeros_like(a) for _ in range(order - 1))][: order + 1]


ACTIVATIONS: Mapping[str, Activation] = {"silu": silu, "softplus": softplus, "tanh": tanh, "relu": relu}


def _sigmoid(a: Array) -> Array:
    """1/(1 + e⁻ᵃ) by tanh, which is the fastest and never overflows; its far tail is only right absolutely."""
    s = np.multiply(a, 0.5)
    np.tanh(s, out=s)
    s *= 0.5
    s += 0.5
    return s


def start(sizes: Sequence[int], rng: Rng, dtype: type[np.floating] = np.float32) -> Weights:
    """Random weights of layers ``sizes`` (inputs, hidden ..., outputs): W ~ N(0, 1/inputs), b = 0."""
    weights: list[Array] = []
    for rows, cols in pairwise(sizes):
        weights.append((rng.standard_normal((rows, cols)) / np.sqrt(rows)).astype(dtype))
        weights.append(np.zeros(cols, dtype))
    return tuple(weights)


def named(weights: Weights, prefix: str = "") -> dict[str, Array]:
    """The weights by name, as they stand in params: ``weight_1``, ``bias_1``, ``weight_2`` ..."""
    return {f"{prefix}{('weight', 'bias')[i % 2]}_{i // 2 + 1}": array for i, array in enumerate(weights)}


def unnamed(params: Mapping[str, Array], prefix: str = "", dtype: type[np.floating] | None = None) -> Weights:
    """The weights that :func:`named` named, in ``dtype`` where it is given. Raises KeyError where there are none."""
    found: list[Array] = []
    while f"{prefix}weight_{len(found) // 2 + 1}" in params:
        layer = len(found) // 2 + 1
        found += [params[f"{prefix}weight_{layer}"], params[f"{prefix}bias_{layer}"]]
    if not found:
        raise KeyError(f"{prefix}weight_1")
    return tuple(array if dtype is None else array.astype(dtype, copy=False) for array in found)


class Pass(NamedTuple):
    """What a forward pass leaves: the jet ``out`` (k, n, outputs), each layer's input jet (k, n, in) and jet before
    its activation, and φ and its derivatives there."""

    out: Array
    inputs: tuple[Array, ...]
    before: tuple[Array, ...]
    slopes: tuple[list[Array], ...]


def forward(weights: Weights, x: Array, activation: Activation = silu) -> Pass:
    """The network on a jet ``x`` (k, n, inputs), k ≤ 3; or on plain points (n, inputs), taken for a jet of one.

    Every layer but the last ends in the activation.
    """
    h = x if x.ndim == 3 else x[None]
    order = len(h)
    inputs: list[Array] = []
    before: list[Array] = []
    slopes: list[list[Array]] = []
    last = len(weights) - 2
    for i in range(0, len(weights), 2):
        inputs.append(h)
        a = (h.reshape(-1, h.shape[-1]) @ weights[i]).reshape(*h.shape[:2], weights[i].shape[1])
        a[0] += weights[i + 1]
        if i == last:
            return Pass(a, tuple(inputs), tuple(before), tuple(slopes))
        phi = activation(a[0], order)
        before.append(a)
        slopes.append(phi)
        if order == 1:
            h = phi[0][None]
            continue
        h = np.empty_like(a)
        h[0] = phi[0]
        np.multiply(phi[1], a[1], out=h[1])
        if order > 2:
            h[2] = phi[2] * a[1] ** 2 + phi[1] * a[2]
    raise ValueError("a network has at least one layer")


def pull_back(weights: Weights, done: Pass, bar: Array) -> list[Array]:
    """The derivative of Σ bar·out, for ``bar`` in the shape of ``done.out``, with respect to each layer's jet before its
    activation, first layer first."""
    bars = [bar]
    for i in range(len(weights) - 2, 0, -2):
        bars.append(_through(done.slopes[i // 2 - 1], done.before[i // 2 - 1], _down(bars[-1], weights[i])))
    return bars[::-1]


def _down(bar: Array, weight: Array) -> Array:
    """From a derivative by a layer's jet before its activation (k, n, out) to that by its inputs (k, n, in)."""
    return (bar.reshape(-1, bar.shape[-1]) @ weight.T).reshape(*bar.shape[:2], -1)


def _through(phi: list[Array], a: Array, bar: Array) -> Array:
    """The reverse of the activation: from a derivative by its output jet to one by its input jet ``a``."""
    order = len(a)
    if order == 1:
        return bar * phi[1]
    out = np.empty_like(bar)
    np.multiply(phi[1], bar, out=out)
    if order == 2:
        out[0] += phi[2] * a[1] * bar[1]
        return out
    out[0] += phi[2] * (a[1] * bar[1] + a[2] * bar[2]) + phi[3] * a[1] ** 2 * bar[2]
    out[1] += 2 * phi[2] * a[1] * bar[2]
    return out


def weight_gradients(weights: Weights, done: Pass, bar: Array) -> tuple[Weights, list[Array]]:
    """The derivative of Σ bar·out with respect to the weights (in their shapes), and what :func:`pull_back` gives.

    ``bar`` has the shape of ``done.out``, or (n, outputs) where the jet is of one.
    """
    bars = pull_back(weights, done, bar if bar.ndim == 3 else bar[None])
    gradients: list[Array] = []
    ones = np.ones(done.out.shape[1], done.out.dtype)  # a product with them is the quickest sum
    for h, a in zip(done.inputs, bars, strict=True):
        gradients += [h.reshape(-1, h.shape[-1]).T @ a.reshape(-1, a.shape[-1]), ones @ a[0]]
    return tuple(gradients), bars


def backward(weights: Weights, done: Pass, bar: Array) -> tuple[Weights, Array]:
    """The same derivative with respect to the weights, and to the input jet (k, n, inputs)."""
    gradients, bars = weight_gradients(weights, done, bar)
    return gradients, _down(bars[0], weights[0])


class Slope(NamedTuple):
    """What :func:`slope` leaves: ``value`` (n,) of f and ``gradient`` (n, inputs) of it by x; each layer's input and
    derivative of f before its activation, that of hidden layers after it, and φ with two derivatives there."""

    value: Array
    gradient: Array
    inputs: tuple[Array, ...]
    bars: tuple[Array, ...]
    after: tuple[Array, ...]
    slopes: tuple[list[Array], ...]


def slope(weights: Weights, x: Array, activation: Activation = silu) -> Slope:
    """A network with one output at x (n, inputs), and its gradient by x."""
    h, last = x, len(weights) - 2
    inputs: list[Array] = [h]
    slopes: list[list[Array]] = []
    for i in range(0, last, 2):
        a = h @ weights[i]
        a += weights[i + 1]
        slopes.append(activation(a, 2))
        h = slopes[-1][0]
        inputs.append(h)
    value = (h @ weights[last] + weights[last + 1])[:, 0]
    bars: list[Array] = [np.ones((len(x), 1), x.dtype)]
    after: list[Array] = []
    for i in range(last, -1, -2):
        # what the output feels of the last hidden layer are the weights themselves, in every row
        after.append(bars[-1] @ weights[i].T if i < last else np.broadcast_to(weights[i].T, h.shape))
        if i:
            bars.append(after[-1] * slopes[i // 2 - 1][1])
    gradient = after.pop()
    return Slope(value, gradient, tuple(inputs), tuple(bars[::-1]), tuple(after[::-1]), tuple(slopes))


def slope_gradients(weights: Weights, done: Slope, v: Array) -> Weights:
    """The derivative by the weights of Σ ⟨v, ∇ₓf⟩ for fixed v (n, inputs): what :func:`backward` gives for a jet
    (x, v), at two thirds of its price, since the gradient's own reverse pass is a part of it."""
    last = len(weights) - 2
    tangents = [v]
    turned: list[
        Array
    ] = []  # φ''·a₁·(derivative after the activation): how v turns each hidden layer's slope
    for i in range(0, last, 2):
        phi, along = done.slopes[i // 2], tangents[-1] @ weights[i]
        tangents.append(phi[1] * along)
        along *= phi[2]
        along *= done.after[i // 2]
        turned.append(along)
    gradients: list[Array] = [np.zeros_like(weights[-1]), tangents[-1].T @ done.bars[-1]]
    bar: Array | None = None
    ones = np.ones(len(v), v.dtype)  # a product with them is the quickest sum
    for i in range(last - 2, -1, -2):
        below = turned[i // 2]
        if bar is not None:
            through = bar @ weights[i + 2].T
            through *= done.slopes[i // 2][1]
            below += through
        bar = below
        product = done.inputs[i // 2].T @ bar
        product += tangents[i // 2].T @ done.bars[i // 2]
        gradients += [ones @ bar, product]
    return tuple(gradients[::-1])


class Moments(NamedTuple):
    """What Adam remembers: running means of the gradient and of its square, all weights in a row, and the step."""

    first: Array
    second: Array
    step: int


def moments(weights: Sequence[Array]) -> Moments:
    """Adam before its first step."""
    size = sum(w.size for w in weights)
    dtype = np.result_type(*weights)
    return Moments(np.zeros(size, dtype), np.zeros(size, dtype), 0)


def adam(
    weights: Sequence[Array],
    gradients: Sequence[Array],
    state: Moments,
    rate: float,
    decay: tuple[float, float] = (0.9, 0.999),
    tiny: float = 1e-8,
) -> tuple[Weights, Moments]:
    """One downhill step of Adam: new weights (the old ones stay as they are) and what it remembers.

    ``weights`` may be any arrays, gradients have their shapes; ``rate`` is the step, ``decay`` of both means.
    """
    slope = np.concatenate([g.ravel() for g in gradients])
    t = state.step + 1
    first = decay[0] * state.first
    first += (1 - decay[0]) * slope
    slope *= slope
    second = decay[1] * state.second
    slope *= 1 - decay[1]
    second += slope
    move = np.sqrt(second, out=slope)
    move *= (1 - decay[1] ** t) ** -0.5
    move += tiny
    np.divide(first, move, out=move)
    move *= -rate / (1 - decay[0] ** t)
    flat = np.concatenate([w.ravel() for w in weights])
    flat += move
    return unflatten(flat, weights), Moments(first, second, t)


def unflatten(flat: Array, like: Sequence[Array]) -> Weights:
    """Arrays in the shapes of ``like``, views into one row of all their numbers."""
    out, first = [], 0
    for w in like:
        out.append(flat[first : first + w.size].reshape(w.shape))
        first += w.size
    return tuple(out)
