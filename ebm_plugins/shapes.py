r"""Shapes of the plane: how six toy datasets are drawn, and the closed density of the one that has it.

Each coordinate is standardised to mean 0 and variance 1 over the train part. Every draw is fixed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ebm_plugins.records import Array, Rng

TRAIN_POINTS, TEST_POINTS = 2000, 1000
EIGHT_RADIUS, EIGHT_SD = 4.0, 0.5
Points = tuple[Array, NDArray[np.int64]]  # (n, 2), and which part of the shape each belongs to (n,)


def _polar(radius: Array, angle: Array) -> Array:
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _two_moons(n: int, rng: Rng) -> Points:
    moon = rng.integers(2, size=n)
    x = _polar(np.ones(n), np.pi * (rng.random(n) + moon)) + moon[:, None] * [1.0, 0.5]
    return x + 0.1 * rng.standard_normal((n, 2)), moon


def _eight_centres() -> Array:
    return _polar(np.full(8, EIGHT_RADIUS), np.arange(8) * np.pi / 4)


def _eight_gaussians(n: int, rng: Rng) -> Points:
    part = rng.integers(8, size=n)
    return _eight_centres()[part] + EIGHT_SD * rng.standard_normal((n, 2)), part


def _rings(n: int, rng: Rng) -> Points:
    ring = rng.integers(3, size=n)
    return _polar(1.0 + ring + 0.08 * rng.standard_normal(n), 2 * np.pi * rng.random(n)), ring


def _checkerboard(n: int, rng: Rng) -> Points:
    """Uniform on the eight dark squares of a 4 × 4 board."""
    square = rng.integers(8, size=n)
    row, column = square // 2, 2 * (square % 2) + (square // 2) % 2
    return np.stack([column, row], axis=1) - 2.0 + rng.random((n, 2)), square


def _pinwheel(n: int, rng: Rng) -> Points:
    """Five blades: Gaussians, long outwards and thin across, turned the further the further out they are."""
    blade = rng.integers(5, size=n)
    blob = rng.standard_normal((n, 2)) * [0.3, 0.05] + [1.0, 0.0]
    angle = blade * 2 * np.pi / 5 + 0.25 * np.exp(blob[:, 0])
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([cos * blob[:, 0] - sin * blob[:, 1], sin * blob[:, 0] + cos * blob[:, 1]], axis=1), blade


def _swiss_roll(n: int, rng: Rng) -> Points:
    """A spiral of one and a half turns; the parts are its inner, middle and outer third by angle."""
    turn = rng.random(n)
    angle = 1.5 * np.pi * (1.0 + 2.0 * turn)
    return _polar(angle, angle) + 0.4 * rng.standard_normal((n, 2)), (3 * turn).astype(np.int64)


SHAPES: dict[str, tuple[str, str, Callable[[int, Rng], Points]]] = {
    "two-moons": ("Two moons", "Two half circles that reach into each other.", _two_moons),
    "eight-gaussians": (
        "Eight Gaussians",
        "Eight equal round clouds on a circle: its density and score are known in closed form.",
        _eight_gaussians,
    ),
    "rings": ("Rings", "Three rings around one centre, each with a third of the points.", _rings),
    "checkerboard": ("Checkerboard", "The dark squares of a 4×4 board, with sharp edges.", _checkerboard),
    "pinwheel": ("Pinwheel", "Five bent blades, thin across and long outwards.", _pinwheel),
    "swiss-roll": ("Swiss roll", "A spiral of one and a half turns, thin beside its gaps.", _swiss_roll),
}


@cache
def _drawn(key: str) -> tuple[Array, NDArray[np.int64], Array, Array]:
    """Points of a shape as drawn (train part first), their parts, and the train part's mean and deviation (2,)."""
    x, part = SHAPES[key][2](TRAIN_POINTS + TEST_POINTS, np.random.default_rng(0))
    train = x[:TRAIN_POINTS]
    return x, part, train.mean(axis=0), train.std(axis=0)


def standardised(key: str) -> tuple[Points, Points]:
    """The train and the test part of a shape: points (n, 2) with the part (n,) of the shape each belongs to."""
    x, part, mean, deviation = _drawn(key)
    x, cut = (x - mean) / deviation, TRAIN_POINTS
    return (x[:cut], part[:cut]), (x[cut:], part[cut:])


@dataclass(frozen=True)
class Mixture:
    """An equal-weight mixture of k Gaussians with one diagonal covariance: ``means`` (k, dim), ``sd`` (dim,).

    With Gaussian noise of deviation ``noise`` added, every variance grows by noise², so density and score are
    known in closed form at every noise level.
    """

    means: Array
    sd: Array

    def log_density(self, x: Array, noise: float = 0.0) -> Array:
        """log p(x) (n,) for x (n, dim), in nats, normalised."""
        from scipy.special import logsumexp

        exponents, variance = self._exponents(x, noise)
        constant = np.log(len(self.means)) + 0.5 * np.log(2 * np.pi * variance).sum()
        return np.asarray(logsumexp(exponents, axis=1) - constant)

    def score(self, x: Array, noise: float = 0.0) -> Array:
        """∇ log p(x) (n, dim) for x (n, dim)."""
        from scipy.special import softmax

        exponents, variance = self._exponents(x, noise)
        return np.asarray((softmax(exponents, axis=1) @ self.means - x) / variance)

    def _exponents(self, x: Array, noise: float) -> tuple[Array, Array]:
        variance = self.sd**2 + noise**2
        return -0.5 * ((x[:, None, :] - self.means) ** 2 / variance).sum(axis=2), variance


def mixture(key: str) -> Mixture | None:
    """The density that a dataset was drawn from, in its standardised coordinates; None where no closed form is
    known. (Its mean is not exactly 0: the train part's is.)"""
    if key != "eight-gaussians":
        return None
    _, _, mean, deviation = _drawn(key)
    return Mixture((_eight_centres() - mean) / deviation, EIGHT_SD / deviation)
