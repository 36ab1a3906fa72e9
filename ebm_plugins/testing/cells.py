"""Exact draws of a target and the cells they are sorted into, so that states can be held against them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ebm_plugins.exact import enumerate_states
from ebm_plugins.records import Array, Rng
from ebm_plugins.testing.statistics import fit_test, two_sample_test
from ebm_plugins.truth import Truth

EACH_STATE = 1024
REFERENCE = 40_000  # exact draws that cells of a continuous space are made from
BANDS, SPLITS = 8, 3  # of energy; of coordinates, so 2³ parts


@dataclass(frozen=True, eq=False)
class Exact:
    """An exact answer: ``draw(n, rng)`` states (n, dim), ``cell_of(states)`` (n,) the number of their cell, ``scores``
    (k, f) whose means are compared, and the cells' ``probabilities`` (k,) where they are known, else None."""

    draw: Callable[[int, Rng], Array]
    cell_of: Callable[[Array], Array]
    scores: Array
    probabilities: Array | None = None

    def counts(self, states: Array) -> Array:
        """(k,) how many states are in each cell."""
        return np.bincount(self.cell_of(states), minlength=len(self.scores))

    def fit(self, states: Array, rng: Rng) -> float:
        """Exact p-value of: these states (n, dim) are independent exact draws."""
        counts = self.counts(states)
        if self.probabilities is not None:
            return fit_test(counts, self.probabilities, self.scores, rng)
        return two_sample_test(counts, self.counts(self.draw(4 * len(states), rng)), self.scores, rng)

    def total_variation(self, states: Array, rng: Rng) -> float:
        """½ Σ |share of the states − share of exact draws| over the cells."""
        p = self.probabilities
        if p is None:
            fresh = self.counts(self.draw(REFERENCE, rng))
            p = fresh / fresh.sum()
        return 0.5 * float(np.abs(self.counts(states) / max(1, len(states)) - p).sum())


def listed(truth: Truth, energy: Callable[[Array], Array]) -> Exact:
    """The exact answer of a finite set of states; the last cell is everywhere else."""
    assert truth.probabilities is not None
    states = enumerate_states(truth.dim) if truth.states is None else truth.states
    if truth.labels is not None or len(states) > EACH_STATE:
        return drawn(truth.draw, energy)
    features = [np.asarray(energy(states), dtype=float)[:, None], states]
    if states.shape[1] <= 10:
        first, second = np.triu_indices(states.shape[1], 1)
        features.append(states[:, first] * states[:, second])
    p = np.append(np.asarray(truth.probabilities, dtype=float), 0.0)
    scores = np.vstack([np.hstack(features), np.zeros(sum(f.shape[1] for f in features))])
    scores[~np.isfinite(scores)] = 0.0
    return Exact(truth.draw, lambda x: truth.cell_of(x, len(x)), scores, p / p.sum())


def drawn(draw: Callable[[int, Rng], Array], energy: Callable[[Array], Array]) -> Exact:
    """The exact answer of which only draws are known: cells are bands of energy times halves of halves of coordinates,
    about equally full. (Their own draws are never compared with anything, so the test stays exact.)"""
    x = draw(REFERENCE, np.random.default_rng(20_260_401))
    e = np.asarray(energy(x), dtype=float)
    edges = np.quantile(e, np.linspace(0, 1, BANDS + 1)[1:-1])
    medians: list[Array] = []

    def part(states: Array) -> Array:
        index = np.zeros(len(states), dtype=np.int64)
        for level, cut in enumerate(medians):
            index = 2 * index + (states[:, level % states.shape[1]] > cut[index])
        return index

    for level in range(SPLITS):
        index, column = part(x), x[:, level % x.shape[1]]
        medians.append(np.array([np.median(column[index == i]) for i in range(2**level)]))

    def cell_of(states: Array) -> Array:
        states = np.asarray(states, dtype=float)
        whole: Array = np.asarray(np.isfinite(states).all(axis=1))
        safe = np.where(whole[:, None], states, 0.0)
        band = np.searchsorted(edges, np.asarray(energy(safe), dtype=float))
        return np.where(whole, band * 2**SPLITS + part(safe), BANDS * 2**SPLITS)

    cells = BANDS * 2**SPLITS + 1
    index, features = cell_of(x), np.column_stack([e, x, x * x])
    sums = np.stack([np.bincount(index, weights=f, minlength=cells) for f in features.T], axis=1)
    return Exact(draw, cell_of, sums / np.maximum(1, np.bincount(index, minlength=cells))[:, None])
