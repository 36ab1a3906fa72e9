r"""Three ways to fit a score without knowing it, with gradients by hand.

For x̃ = x + σε and a model score s, each is E over data, noise and levels of a weight λ(σ) times

.. math:: \text{denoising:}\ \tfrac12|s(\tilde x) + ε/σ|^2, \qquad
          \text{explicit:}\ \tfrac12|s|^2 + ∇\cdot s, \qquad
          \text{sliced:}\ \tfrac12|s|^2 + v^\top(∇s)\,v,\ v \sim N(0, I).

They have the same minimum, the score of the noised data; they differ by a constant, and in how noisy they are. With
the weight σ² (Song, Ermon 2019) every level counts alike, and the denoising loss is :math:`\tfrac12|ε_θ - ε|^2`, the
one of Ho 2020. Sources: Hyvärinen 2005 (explicit), Vincent 2011 (denoising), Song 2019 (sliced, with the variance
of |s|² reduced).
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from ebm_plugins import network
from ebm_plugins.blas import Share, cut
from ebm_plugins.families.dsm_model import Model, inputs, predicted_noise
from ebm_plugins.network import Weights
from ebm_plugins.records import Array, Data, Rng
from ebm_plugins.shapes import SHAPES, Mixture, mixture, standardised
from ebm_plugins.spaces import Plane

MEASURED = (
    64  # rows, or exact draws a level, that a snapshot is measured on; the same at each, so they compare
)


class Batch(NamedTuple):
    """Noised rows x + σε: ``noised`` (n, dim), the noise ``eps`` (n, dim), ``sigma`` (n,), and the weight of each
    row's loss in units of σ², ``weight`` (n,)."""

    noised: Array
    eps: Array
    sigma: Array
    weight: Array


def batch(model: Model, x: Array, size: int, weighting: str, rng: Rng) -> Batch:
    """``size`` random rows of x (n, dim) at random levels. ``weighting`` is ``balanced`` (σ²) or ``plain`` (1).

    The plain weights are divided by their mean over the levels, so that both have the same size on average.
    """
    dtype = model.mean.dtype
    level = rng.integers(len(model.sigmas), size=size)
    sigma = model.sigmas[level]
    eps = rng.standard_normal((size, model.dim), dtype=dtype)
    noised = x[rng.integers(len(x), size=size)] + sigma[:, None] * eps
    return Batch(noised, eps, sigma, weights_of(model.sigmas, weighting)[level])


def weights_of(sigmas: Array, weighting: str) -> Array:
    """λ(σ)/σ² of each level (L,): 1 where balanced; where plain proportional to 1/σ², with mean 1."""
    if weighting == "balanced":
        return np.ones_like(sigmas)
    inverse = 1 / sigmas**2
    return np.asarray(inverse / inverse.mean())


def denoising(model: Model, rows: Batch) -> tuple[float, Weights]:
    """The denoising loss and its gradient by the weights."""
    z, inverse, sigma = inputs(model, rows.noised, rows.sigma)
    share = (rows.weight / len(rows.sigma))[:, None]
    plain = sigma * inverse * z[:, : model.dim] - rows.eps
    if model.kind == "score":
        done = network.forward(model.weights, z, model.activation)
        off = plain + done.out[0]
        return _half(share, off), network.weight_gradients(model.weights, done, share * off)[0]
    bent = network.slope(model.weights, z, model.activation)
    off = plain + bent.gradient[:, : model.dim]
    return _half(share, off), network.slope_gradients(model.weights, bent, _along(z, share * off))


def denoising_shared(
    model: Model, rows: Batch, parts: int, share: Share[tuple[float, Weights]]
) -> tuple[float, Weights]:
    """The same, of ``parts`` of the batch apart, which ``share`` may give to threads (:func:`ebm_plugins.blas.team`)."""
    if parts == 1:
        return denoising(model, rows)
    n = len(rows.sigma)
    cuts = cut(slice(0, n), parts)
    found = share([partial(denoising, model, Batch(*(column[part] for column in rows))) for part in cuts])
    loss, slope = 0.0, tuple(np.zeros_like(w) for w in model.weights)
    for part, (value, its) in zip(cuts, found, strict=True):
        of = (part.stop - part.start) / n
        loss += of * value
        for whole, some in zip(slope, its, strict=True):
            whole += whole.dtype.type(of) * some
    return loss, slope


def explicit(model: Model, rows: Batch) -> tuple[float, Weights]:
    """The explicit loss, its trace summed over all coordinates, and its gradient by the weights."""
    dim = model.dim
    directions = np.tile(np.eye(dim, dtype=model.mean.dtype), (len(rows.sigma), 1))
    return _traced(model, rows, directions, dim, 1.0)


def sliced(model: Model, rows: Batch, slices: int, rng: Rng) -> tuple[float, Weights]:
    """The sliced loss, with the mean over ``slices`` random directions for the trace, and its gradient."""
    directions = rng.standard_normal((len(rows.sigma) * slices, model.dim), dtype=model.mean.dtype)
    return _traced(model, rows, directions, slices, 1.0 / slices)


def _traced(model: Model, rows: Batch, v: Array, copies: int, each: float) -> tuple[float, Weights]:
    """σ²·(½|s|² + each·Σ vᵀ(∇s)v), with ``copies`` directions v a row: (n·copies, dim), those of a row together.

    In u, vᵀ(∇s)v is −(c²|v|² + (c/σ)·vᵀ(∂ detail/∂u)v) with c = 1/√(s² + σ²).
    """
    z, inverse, sigma = inputs(model, rows.noised, rows.sigma)
    share = (rows.weight / len(rows.sigma))[:, None]
    dim = model.dim
    many = np.repeat(z, copies, axis=0)
    along = _along(many, v)
    factor = np.repeat(-each * share * sigma * inverse, copies, axis=0)
    fixed = np.repeat(-each * share * (sigma * inverse) ** 2, copies, axis=0) * v * v
    if model.kind == "score":
        done = network.forward(model.weights, z, model.activation)
        guess = sigma * inverse * z[:, :dim] + done.out[0]
        first = network.weight_gradients(model.weights, done, share * guess)[0]
        jet = network.forward(model.weights, np.stack([many, along]), model.activation)
        bar = np.zeros_like(jet.out)
        bar[1] = factor * v
    else:
        bent = network.slope(model.weights, z, model.activation)
        guess = sigma * inverse * z[:, :dim] + bent.gradient[:, :dim]
        first = network.slope_gradients(model.weights, bent, _along(z, share * guess))
        jet = network.forward(model.weights, np.stack([many, along, np.zeros_like(many)]), model.activation)
        bar = np.zeros_like(jet.out)
        bar[2] = factor
    second = network.weight_gradients(model.weights, jet, bar)[0]
    loss = _half(share, guess) + float((bar * jet.out).sum()) + float(fixed.sum())
    return loss, tuple(a + b for a, b in zip(first, second, strict=True))


def _along(z: Array, v: Array) -> Array:
    """A direction v (n, dim) in u as one of the network's inputs z: log σ stays."""
    out = np.zeros_like(z)
    out[:, : v.shape[1]] = v
    return out


def _half(share: Array, off: Array) -> float:
    return 0.5 * float((share * off * off).sum())


def by_level(model: Model, x: Array, rng: Rng) -> Array:
    """The denoising loss of each level (L,), weight σ², over the rows of x (n, dim), each with fresh noise."""
    sigma = np.repeat(model.sigmas, len(x))
    eps = rng.standard_normal((len(sigma), model.dim), dtype=model.mean.dtype)
    off = predicted_noise(model, np.tile(x, (len(model.sigmas), 1)) + sigma[:, None] * eps, sigma) - eps
    return 0.5 * np.asarray((off * off).sum(axis=1), dtype=float).reshape(-1, len(x)).mean(axis=1)


def of_gaussian(x: Array, rows: Array, sigmas: Array) -> Array:
    """The denoising loss (L,), weight σ², on the rows (m, dim) of the Gaussian with the mean m and the covariance C of
    x (n, dim), in closed form: with P = (C + σ²)⁻¹, ½(σ²·mean |P(x − m)|² + |σ²P − 1|²). A bar for a network to beat."""
    off = np.asarray(rows, dtype=float) - np.asarray(x, dtype=float).mean(axis=0)
    spread, axes = np.linalg.eigh(np.atleast_2d(np.cov(np.asarray(x, dtype=float).T, bias=True)))
    squares = ((off @ axes) ** 2).mean(axis=0)
    out = []
    for sigma in np.asarray(sigmas, dtype=float):
        precision = 1 / (np.maximum(spread, 0) + sigma**2)
        out.append(0.5 * float((sigma**2 * squares * precision**2 + (sigma**2 * precision - 1) ** 2).sum()))
    return np.array(out)


def closed_form(data: Data) -> Mixture | None:
    """The density that these data were drawn from, where it is known: for the built-in eight Gaussians."""
    if not isinstance(data.space, Plane) or data.name != SHAPES["eight-gaussians"][0]:
        return None
    same = np.array_equal(data.x, standardised("eight-gaussians")[0][0])
    return mixture("eight-gaussians") if same else None


def score_errors(model: Model, density: Mixture, rng: Rng, draws: int = MEASURED) -> Array:
    """½σ²·E|s − s*|² of each level (L,), over exact draws from p_σ: the denoising loss above the best possible one."""
    sigma = np.repeat(model.sigmas, draws)
    centres = density.means[rng.integers(len(density.means), size=len(sigma))]
    x = centres + np.sqrt(density.sd**2 + sigma[:, None] ** 2) * rng.standard_normal(centres.shape)
    guess = predicted_noise(model, x.astype(model.mean.dtype), sigma).reshape(-1, draws, model.dim)
    errors = []
    for level, noise in enumerate(model.sigmas):
        rows = slice(level * draws, (level + 1) * draws)
        off = guess[level] + noise * density.score(x[rows], float(noise))
        errors.append(0.5 * float((off * off).sum(axis=1).mean()))
    return np.array(errors)


__all__ = [
    "Batch", "batch", "by_level", "closed_form", "denoising", "denoising_shared", "explicit", "of_gaussian", "score_errors", "sliced", "weights_of",
]  # fmt: skip
