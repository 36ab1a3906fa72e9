r"""Tests with exact p-values: by simulation of the null hypothesis, ranked among it, ties broken at random.

The p-value of R simulated values and the observed one is (how many are larger + U·(how many are equal + 1)) / (R + 1)
with U uniform, and so exactly uniform on [0, 1] when the hypothesis holds, whatever the statistic and however few the
draws: no approximation is made anywhere. Several statistics are put on one scale by the mean and spread of all R + 1
values, which treats them alike, and the largest counts.

A check fails when the p-values of :data:`STAGES` independent tests, each with fresh random numbers and more draws than
the one before, are *all* below a level: (alarm / tests)^(1 / stages). So a false alarm of 1e-6 needs p-values of about
0.005 only, which R = 999 can resolve, and most runs stop at the first stage.

Sources: Besag, Clifford 1989 (Monte-Carlo p-values); Westfall, Young 1993 (the largest of many); Gandy, Scott 2020
(the rank test, and tests in sequence).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ebm_plugins.records import Array, Rng

ALARM = 1e-6  # of each statistical check
STAGES = 3
REPLICATES = 999
PAIRINGS = 299  # of as many chains as there are; enough for up to 30 tests at once


def p_value(observed: Array, replicates: Array, rng: Rng) -> float:
    """The exact p-value of statistics (f,), large ones being suspicious, among their replicates (r, f) under the
    hypothesis."""
    pooled = np.vstack([np.atleast_1d(observed), replicates]).astype(float)
    spread = pooled.std(axis=0)
    scale = np.where(spread > 1e-12 * np.maximum(1.0, np.abs(pooled).max(axis=0)), spread, np.inf)
    score = ((pooled - pooled.mean(axis=0)) / scale).max(axis=1).round(9)
    larger, equal = (score[1:] > score[0]).sum(), (score[1:] == score[0]).sum()
    return float((larger + rng.random() * (equal + 1)) / len(score))


def fit_test(counts: Array, probabilities: Array, scores: Array, rng: Rng) -> float:
    """Do counts (k,) in cells come from these probabilities (k,)? χ², and the mean of each column of the scores (k, f).

    Exact for independent draws.
    """
    n = int(counts.sum())
    p = np.asarray(probabilities, dtype=float) / np.sum(probabilities)
    replicates = rng.multinomial(n, p, size=REPLICATES)
    expected = np.maximum(n * p, 1e-9)

    def statistics(c: Array) -> Array:
        squares = ((c - n * p) ** 2 / expected).sum(axis=1)
        return np.column_stack([squares, np.abs(c @ scores / max(n, 1) - p @ scores)])

    return p_value(statistics(np.asarray(counts)[None])[0], statistics(replicates), rng)


def two_sample_test(a: Array, b: Array, scores: Array, rng: Rng) -> float:
    """Do two counts (k,) in the same cells come from one distribution? As :func:`fit_test`, given the pooled counts."""
    a, b = np.asarray(a, dtype=np.int64), np.asarray(b, dtype=np.int64)
    both, n = a + b, int(a.sum())
    keep = both > 0
    replicates = rng.multivariate_hypergeometric(both[keep], n, size=REPLICATES, method="marginals")
    share = both[keep] / both.sum()

    def statistics(c: Array) -> Array:
        squares = ((c - n * share) ** 2 / (n * share)).sum(axis=1)
        return np.column_stack([squares, np.abs((c / n - share) @ scores[keep])])

    return p_value(statistics(a[keep][None])[0], statistics(replicates), rng)


def rank_test(
    walk: Callable[[Array, Rng], Sequence[Array]],
    x: Array,
    orders: Sequence[Callable[[Array], Array]],
    rng: Rng,
) -> float:
    """Gandy and Scott's (2020) rank test of a reversible kernel; exact for any number of steps and any mixing.

    ``x`` (n, dim) are independent exact draws; ``walk(x, rng)`` are the states after each of L steps. Each draw is put
    at a uniform place of a chain that is run both ways from it: by reversibility that is a stationary chain, and the
    rank in it of the draw's own value of an order (energy, a coordinate ...) is uniform on 0 … L. The draws are shared
    out among the orders. They are rounded to single precision first: a kernel that works in it keeps a state that it
    does not leave so, which has to tie with where it began.
    """
    n, x = len(x), x.astype(np.float32).astype(x.dtype)
    ways = [np.stack([x, *walk(x.copy(), rng)]) for _ in range(2)]
    length = len(ways[0])
    place = rng.integers(0, length, n)
    steps = np.arange(length)[:, None] - place
    counts = []
    for part, order in zip(np.array_split(np.arange(n), len(orders)), orders, strict=True):
        values = [np.stack([order(states[part]) for states in way]).round(9) for way in ways]
        at, columns = steps[:, part], np.arange(len(part))
        chain = np.where(at >= 0, values[0][np.abs(at), columns], values[1][np.abs(at), columns])
        own = values[0][0]
        below, ties = (chain < own).sum(axis=0), (chain == own).sum(axis=0)
        rank = below + np.floor(rng.random(len(part)) * ties).astype(int)
        counts.append(np.bincount(rank, minlength=length))
    observed = np.concatenate([_uneven(c[None]) for c in counts], axis=1)[0]
    fair = np.full(length, 1.0 / length)
    replicates = [_uneven(rng.multinomial(int(c.sum()), fair, size=REPLICATES)) for c in counts]
    return p_value(observed, np.concatenate(replicates, axis=1), rng)


def _uneven(counts: Array) -> Array:
    """(r, 3) of rank counts (r, k): χ² from even ones, and how far ranks lean to one side and to both ends."""
    size = counts.shape[1]
    n = counts.sum(axis=1, keepdims=True)
    line = np.linspace(-1.0, 1.0, size)
    square = line**2 - (line**2).mean()
    squares = ((counts - n / size) ** 2).sum(axis=1) / np.maximum(n[:, 0] / size, 1e-9)
    return np.column_stack([squares, np.abs(counts @ line), np.abs(counts @ square)])


def pairing_test(values: Array, lags: Sequence[int], rng: Rng) -> float:
    """Are chains independent? ``values`` (n, f) of chains that all began alike; the statistics are the correlation and
    the number of equal values between chains a lag apart, and between the first and the last, the second and the last
    but one ..., against chains in random order. Exact for exchangeable chains.
    """
    values = np.asarray(values, dtype=float)
    centred = values - values.mean(axis=0)
    _, labels = np.unique(values.round(9), axis=0, return_inverse=True)
    labels = labels.ravel()

    def statistics(order: Array) -> Array:
        v, w = centred[order], labels[order]
        found = []
        partners = [(np.roll(v, lag, axis=0), np.roll(w, lag)) for lag in lags]
        for u, labels_of_u in (*partners, (v[::-1], w[::-1])):
            found += list(np.abs((v * u).sum(axis=0)))
            found.append(float((w == labels_of_u).sum()))
        return np.array(found)

    n = len(values)
    replicates = np.stack([statistics(rng.permutation(n)) for _ in range(PAIRINGS)])
    return p_value(statistics(np.arange(n)), replicates, rng)


@dataclass(frozen=True)
class Evidence:
    """``p`` is exactly uniform when all is right (the least of all first-stage p-values, corrected for their number);
    ``against`` names the tests whose every stage spoke against, with their p-values."""

    p: float
    against: Mapping[str, tuple[float, ...]]


def confirm(tests: Mapping[str, Callable[[int], float]], alarm: float = ALARM) -> Evidence:
    """Run tests, each a function of its stage (0, 1, 2) that returns a p-value from fresh random numbers. Some test is
    in ``against`` with probability at most ``alarm`` when all hypotheses hold."""
    level = (alarm / max(1, len(tests))) ** (1.0 / STAGES)
    least, against = 1.0, {}
    for name, test in tests.items():
        ps: list[float] = []
        while len(ps) < STAGES and (not ps or ps[-1] <= level):
            ps.append(test(len(ps)))
        least = min(least, ps[0])
        if all(p <= level for p in ps):
            against[name] = tuple(ps)
    return Evidence(-math.expm1(len(tests) * math.log1p(-min(least, 1 - 1e-16))), against)
