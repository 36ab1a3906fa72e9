r"""Data that come in pairs: the article's query and keys, digits with their names, correlated Gaussians.

Gaussian pairs: x ~ N(0, I_d) and y = ρx + √(1 − ρ²)·ξ, so that each coordinate has correlation ρ and
:math:`I(x; y) = -\tfrac d2 \ln(1 - \rho^2)`. The best critic is the log-ratio p(y|x)/p(y). Every draw is fixed.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from ebm_plugins.datasets import TRAIN_DIGITS, from_arrays
from ebm_plugins.hookspecs import hookimpl
from ebm_plugins.records import Array, Data, Dataset, Rng
from ebm_plugins.spaces import Pairs, Vectors

CORRELATION, DIMENSION = 0.9, 5  # of the dataset `gaussian-pairs`
GAUSSIAN_ROWS, GAUSSIAN_TEST_ROWS = 20_000, 2_000
IMAGE, NAME = Vectors(64, (8, 8)), Vectors(10)


def mutual_information(correlation: float, dim: int) -> float:
    """I(x; y) = −(d/2)·ln(1 − ρ²) of Gaussian pairs, in nats."""
    return -0.5 * dim * float(np.log1p(-(correlation**2)))


def gaussian(n: int, correlation: float, dim: int, rng: Rng) -> tuple[Array, Array]:
    """n Gaussian pairs: x (n, dim) and y (n, dim)."""
    x = rng.standard_normal((n, dim))
    return x, correlation * x + np.sqrt(1 - correlation**2) * rng.standard_normal((n, dim))


def best_critic(x: Array, y: Array, correlation: float) -> Array:
    """log p(y_j | x_i) − log p(y_j) of every pair (n, m): the critic whose bound is the highest that K keys allow."""
    left = 1 - correlation**2
    cross = correlation / left * (x @ y.T)
    squares = 0.5 * correlation**2 / left
    even = mutual_information(correlation, x.shape[1])
    return np.asarray(cross - squares * ((x * x).sum(axis=1)[:, None] + (y * y).sum(axis=1)) + even)


def _gaussian_pairs() -> Data:
    rng = np.random.default_rng(0)
    x, y = gaussian(GAUSSIAN_ROWS + GAUSSIAN_TEST_ROWS, CORRELATION, DIMENSION, rng)
    rows = np.hstack([x, y])
    return from_arrays(
        rows[:GAUSSIAN_ROWS],
        Pairs(Vectors(DIMENSION), Vectors(DIMENSION)),
        test_x=rows[GAUSSIAN_ROWS:],
        name="Gaussian pairs",
    )


def _digits_named(shuffled: bool) -> Data:
    """Digits beside their names as one-hot vectors. Unshuffled, the held-out ones are by other writers."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = np.random.default_rng(0).permutation(1797) if shuffled else np.arange(1797)
    labels = digits.target[order]
    rows = np.hstack([digits.data[order] / 16.0, np.eye(10)[labels]])
    cut = TRAIN_DIGITS
    return from_arrays(
        rows[:cut],
        Pairs(IMAGE, NAME),
        labels=labels[:cut],
        test_x=rows[cut:],
        test_labels=labels[cut:],
        name="Digits with names" if shuffled else "Digits with names, new writers",
        names=[f"{digit} (row {row})" for row, digit in enumerate(labels[:cut])],
    )


def _article_keys() -> Data:
    """The article's query with its key, and five random vectors, each its own query and key."""
    others = np.random.default_rng(0).standard_normal((5, 3))
    rows = np.vstack([[1.0, 0.0, 0.0, 0.9, 0.1, 0.0], np.hstack([others, others])])
    names = ["the query and its key", *(f"negative {i + 1}" for i in range(5))]
    return from_arrays(rows, Pairs(Vectors(3), Vectors(3)), name="The article's query and keys", names=names)


@hookimpl
def register_datasets() -> Iterator[Dataset]:
    """Pairs: images with names, Gaussians, the article's vectors."""
    yield Dataset(
        key="digits-named",
        title="Digits with names",
        summary="1,797 real digits, each beside its name as one of ten; 497 held out, in a fixed shuffled order.",
        space=Pairs(IMAGE, NAME),
        load=partial(_digits_named, True),
    )
    yield Dataset(
        key="digits-named-new-writers",
        title="Digits with names, new writers",
        summary="The same, unshuffled: the 497 held-out digits are by people whose hand was never seen.",
        space=Pairs(IMAGE, NAME),
        load=partial(_digits_named, False),
    )
    yield Dataset(
        key="gaussian-pairs",
        title="Gaussian pairs",
        summary=f"Two vectors of {DIMENSION} numbers, each coordinate correlated by {CORRELATION:g}: their mutual "
        f"information is {mutual_information(CORRELATION, DIMENSION):.3f} nats.",
        space=Pairs(Vectors(DIMENSION), Vectors(DIMENSION)),
        load=_gaussian_pairs,
    )
    yield Dataset(
        key="article-keys",
        title="The article's query and keys",
        summary="A query of three numbers, its key, and five random keys.",
        space=Pairs(Vectors(3), Vectors(3)),
        load=_article_keys,
    )
