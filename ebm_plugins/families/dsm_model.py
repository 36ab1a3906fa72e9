r"""The noise-conditional network of denoising score matching: one energy, or one score field, for every noise level.

With data of mean m and deviation s, a state x noised by σ is brought to unit scale, :math:`u = (x - m)/\sqrt{s^2 +
σ^2}`, and the network f sees u and log σ. An energy network has

.. math:: E(x, σ) = \tfrac12|u|^2 + \frac{\sqrt{s^2 + σ^2}}{σ}\,f(u, \log σ), \qquad
          ε(x, σ) = σ∇_xE = \frac{σ}{\sqrt{s^2 + σ^2}}\,u + ∇_uf ,

so what it has to learn is of the order of 1 at every σ, f = 0 is exact for Gaussian data, and exp(−E) has a finite
integral: f grows no faster than |u|. A score network puts a vector F(u, log σ) in the place of ∇_uf, and then no E
need exist. ``ε`` is the predicted noise, and the score is −ε/σ: predicting noise (Ho 2020) and predicting the score
are one thing. Sources: Song, Ermon 2019; Karras 2022 (unit scale); Salimans, Ho 2021 (energy or score).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ebm_plugins import network
from ebm_plugins.network import Weights
from ebm_plugins.records import Array, Params, Rng

KINDS = ("energy", "score")
ACTIVATIONS = ("silu", "tanh", "softplus")
WAVES = 2  # pairs sin, cos of log σ among the inputs
GAIN = 3.0  # of the first layer's random weights: the network starts with detail finer than the whole data
TILE = 262_144  # hidden units of a layer, over the states that are seen at once: they stay in a core's cache


class Model(NamedTuple):
    """A model out of its params, in one precision. ``sigmas`` (L,) fall from the largest to the smallest."""

    kind: str
    weights: Weights
    activation: network.Activation
    sigmas: Array
    mean: Array
    scale: float

    @property
    def dim(self) -> int:
        """Number of coordinates of a state."""
        return len(self.mean)


def ladder(largest: float, smallest: float, levels: int) -> Array:
    """The noise levels (L,), geometric from the largest to the smallest; one level is the smallest."""
    return np.geomspace(largest, smallest, levels) if levels > 1 else np.array([float(smallest)])


def initial(
    x: Array, kind: str, sigmas: Array, hidden: tuple[int, ...], activation: str, rng: Rng
) -> dict[str, Array]:
    """Params before learning, for data x (n, dim): random weights in float32, the last layer's a tenth as large."""
    dim = x.shape[1]
    sizes = (dim + 1 + 2 * WAVES, *hidden, 1 if kind == "energy" else dim)
    weights = list(network.start(sizes, rng))
    weights[0] *= np.float32(GAIN)
    weights[-2] *= np.float32(0.1)
    return {
        "kind": np.array([KINDS.index(kind)]),
        "activation": np.array([ACTIVATIONS.index(activation)]),
        "sigmas": np.asarray(sigmas, dtype=float),
        "mean": x.mean(axis=0),
        "scale": np.array([np.sqrt(x.var(axis=0).mean())]),
        "box": _box(x, float(sigmas[-1])),
        **network.named(tuple(weights)),
    }


def _box(x: Array, sigma: float) -> Array:
    """(2, dim): where the data are, with a margin."""
    low, high = x.min(axis=0), x.max(axis=0)
    margin = 0.1 * (high - low) + 4 * sigma
    return np.stack([low - margin, high + margin])


def model_of(params: Params, dtype: Any = np.float64) -> Model:
    """The model that params describe, its numbers in ``dtype``."""
    dtype = np.dtype(dtype).type
    return Model(
        KINDS[int(params["kind"][0])],
        network.unnamed(params, dtype=dtype),
        network.ACTIVATIONS[ACTIVATIONS[int(params["activation"][0])]],
        params["sigmas"].astype(dtype),
        params["mean"].astype(dtype),
        float(params["scale"][0]),
    )


def inputs(model: Model, x: Array, sigma: Array) -> tuple[Array, Array, Array]:
    """What the network sees (n, dim + 5), u among it; and 1/√(s² + σ²) and σ, both (n, 1). ``sigma`` is (n,)."""
    dtype = model.mean.dtype
    sigma = np.asarray(sigma, dtype=dtype)[:, None]
    inverse = 1 / np.sqrt(dtype.type(model.scale**2) + sigma * sigma)
    dim = model.dim
    out = np.empty((len(x), dim + 1 + 2 * WAVES), dtype)
    np.multiply(x - model.mean, inverse, out=out[:, :dim])
    tau = _place(model, sigma)[:, 0]
    out[:, dim] = tau
    for k in range(WAVES):
        out[:, dim + 1 + 2 * k] = np.sin(0.5 * np.pi * (k + 1) * tau)
        out[:, dim + 2 + 2 * k] = np.cos(0.5 * np.pi * (k + 1) * tau)
    return out, inverse, sigma


def _place(model: Model, sigma: Array) -> Array:
    """log σ on the scale of the ladder: 1 at its largest, −1 at its smallest; 0 where the ladder is one level."""
    top, bottom = np.log(model.sigmas[0]), np.log(model.sigmas[-1])
    if top == bottom:
        return np.zeros_like(sigma)
    return (2 * np.log(sigma) - top - bottom) / (top - bottom)


def predicted_noise(model: Model, x: Array, sigma: Array) -> Array:
    """ε(x, σ) (n, dim) for states x (n, dim) at noise levels sigma (n,), a tile of states at a time."""
    out = np.empty(x.shape, model.mean.dtype)
    for rows in tiles(model, len(x)):
        z, inverse, level = inputs(model, x[rows], sigma[rows])
        if model.kind == "energy":
            detail = network.slope(model.weights, z, model.activation).gradient[:, : model.dim]
        else:
            detail = network.forward(model.weights, z, model.activation).out[0]
        np.add(level * inverse * z[:, : model.dim], detail, out=out[rows])
    return out


def tiles(model: Model, states: int) -> Iterator[slice]:
    """So many states, in tiles that depend on the width of the network alone: memory does not grow with them."""
    rows = max(64, TILE // max(w.shape[-1] for w in model.weights))
    for first in range(0, states, rows):
        yield slice(first, min(first + rows, states))


def score(params: Params, x: Array, sigma: float | None = None) -> Array:
    """∇ log p_σ(x) (n, dim) as learned, at one noise level (the smallest unless given), in x's precision."""
    return -_tiled(params, x, sigma, _noise_over_sigma, x.shape[1:])


def gradient(params: Params, x: Array) -> Array:
    """∇ₓE (n, dim) at the smallest noise level: minus the score. There for a score network too."""
    return -score(params, x)


def energy(params: Params, x: Array) -> Array:
    """E(x) (n,) at the smallest noise level. NaN for a score network, which has none."""
    return energy_at(params, x, None)


def energy_at(params: Params, x: Array, sigma: float | None) -> Array:
    """E(x, σ) (n,) at one noise level (the smallest for None). Levels share no constant: compare within one."""
    if KINDS[int(params["kind"][0])] == "score":
        return np.full(len(x), np.nan, _floats(x).dtype)
    return _tiled(params, x, sigma, _energy, ())


def _energy(model: Model, x: Array, sigma: Array) -> Array:
    z, inverse, sigma = inputs(model, x, sigma)
    u = z[:, : model.dim]
    f = network.forward(model.weights, z, model.activation).out[0, :, 0]
    return np.asarray(0.5 * np.einsum("ij,ij->i", u, u) + f / (sigma * inverse)[:, 0])


def _noise_over_sigma(model: Model, x: Array, sigma: Array) -> Array:
    return predicted_noise(model, x, sigma) / sigma[:, None]


def _tiled(params: Params, x: Array, sigma: float | None, function: Any, shape: tuple[int, ...]) -> Array:
    """``function(model, x, sigmas)`` for all states, a tile at a time; in float32 where x is, else in float64."""
    x = _floats(x)
    model = model_of(params, x.dtype)
    level = x.dtype.type(model.sigmas[-1] if sigma is None else sigma)
    out = np.empty((len(x), *shape), x.dtype)
    for rows in tiles(model, len(x)):
        out[rows] = function(model, x[rows], np.full(rows.stop - rows.start, level))
    return out


def box(params: Params) -> Array | None:
    """(2, 2): where the data are, with a margin, on the plane."""
    return params["box"] if params["box"].shape[1] == 2 else None


def denoised(params: Params, x: Array, sigma: float | None = None) -> Array:
    """Tweedie's formula: the mean E[clean | x] = x + σ²·score (n, dim), at the smallest noise level unless given."""
    level = float(params["sigmas"][-1]) if sigma is None else sigma
    x = _floats(x)
    return np.asarray(x + x.dtype.type(level**2) * score(params, x, level))


def curl(params: Params, x: Array, sigma: float | None = None, h: float = 1e-4) -> Array:
    """∂s₁/∂x₂ − ∂s₂/∂x₁ (n,) of the score on the plane, by central differences: 0 where an energy exists."""
    x = np.asarray(x, dtype=float)
    right, up = np.array([h, 0.0]), np.array([0.0, h])
    across = score(params, x + up, sigma)[:, 0] - score(params, x - up, sigma)[:, 0]
    along = score(params, x + right, sigma)[:, 1] - score(params, x - right, sigma)[:, 1]
    return np.asarray((across - along) / (2 * h))


def _floats(x: Array) -> Array:
    x = np.asarray(x)
    return x if x.dtype in (np.float32, np.float64) else x.astype(float)
