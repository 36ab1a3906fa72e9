"""Coins from 16-bit words: their frequencies, where a tie decides, and that an answer may take the place of its p."""

from __future__ import annotations

import numpy as np
import pytest

from ebm_plugins import coins

N = 4_000_000


def share(p: float, dtype: type = np.float32, n: int = N) -> float:
    return float(coins.bernoulli(np.full(n, p, dtype), np.random.default_rng(5)).mean(dtype=float))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("p", [0.5, 0.3, 0.003, 0.9999])
def test_frequencies_are_the_probabilities(p, dtype):
    """Each within 5 standard errors of a binomial share (5.7e-7 each)."""
    p = float(dtype(p))
    assert abs(share(p, dtype) - p) < 5 * np.sqrt(p * (1 - p) / N)


@pytest.mark.parametrize("p", [5e-6, 1 - 5e-6])
def test_probabilities_finer_than_a_word_are_kept(p):
    """p = 5e-6 is a third of 1/65,536. In 40 million coins 200 are expected; Poisson's 113 to 300 hold all but 1e-9
    below and 5e-11 above. Rounded to words it would be none, or 610."""
    rng = np.random.default_rng(6)
    odd = sum(int((coins.bernoulli(np.full(N, p, np.float32), rng) != (p > 0.5)).sum()) for _ in range(10))
    assert 113 < odd < 300


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_never_and_always(dtype):
    """One that is 1 fails once in 2^24 times: not in 100,000, with this seed; zeros never succeed."""
    assert share(0.0, dtype) == 0
    assert share(1.0, dtype, 100_000) == 1


def test_neighbouring_coins_are_independent():
    """Four coins share a 64-bit word: all 16 outcomes of four equally often, and of coins eight apart too. Chi-square
    with 15 degrees of freedom is above 60 with probability 2e-7."""
    x = coins.bernoulli(np.full(N, 0.5, np.float32), np.random.default_rng(7)).astype(int)
    for columns in (x.reshape(-1, 4), x.reshape(-1, 32)[:, ::8]):
        seen = np.bincount(columns @ [8, 4, 2, 1], minlength=16)
        mean = len(columns) / 16
        assert ((seen - mean) ** 2 / mean).sum() < 60


def test_each_coin_has_its_own_probability_in_any_shape_and_in_place():
    """80,000 probabilities, more than one block; the means of 1,000 throws are all within 0.114 of them, but for a
    false alarm of 160,000·exp(−2·1,000·0.114²) = 8e-7 (Hoeffding)."""
    rng = np.random.default_rng(8)
    p = rng.random((2, 40, 1000)).astype(np.float32)
    total = np.zeros(p.shape)
    for _ in range(1000):
        total += coins.bernoulli(p, rng)
    assert np.abs(total / 1000 - p).max() < 0.114
    copy = p.copy()
    assert coins.bernoulli(p, np.random.default_rng(1), p) is p
    np.testing.assert_array_equal(p, coins.bernoulli(copy, np.random.default_rng(1)))
    assert set(np.unique(p)) == {0.0, 1.0}


def test_words_are_as_many_as_asked():
    rng = np.random.default_rng(0)
    for n in (0, 1, 4, 5, 1001):
        assert coins.words(rng, n).shape == (n,)
