"""Chains that are clamped to different values: only those clamped alike are held against each other."""

from __future__ import annotations

import numpy as np
import pytest

from ebm_plugins import recalled, starts
from ebm_plugins.runs import run
from ebm_plugins.spaces import BinaryGrid
from ebm_plugins.specs import RunSpec

SPACE = BinaryGrid(3, 3)
HALF = (False,) * 3 + (True,) * 6


def completed(registry, tops, copies):
    """Bars and stripes whose top row is given, copies times each."""
    states = np.zeros((len(tops), 9))
    states[:, :3] = tops
    start = starts.Drawn(states=starts.pack(states, SPACE), copies=copies, free=HALF)
    train = {"hidden": 4, "epochs": 2}
    return run(
        RunSpec(
            family="rbm", dataset="bars-and-stripes-3x3", train=train, sample={"steps": 400}, start=start, seed=3
        ),
        registry,
    )  # fmt: skip


@pytest.mark.parametrize("copies", [1, 4])
def test_chains_of_different_questions_are_not_compared(registry, copies):
    """All at once R-hat is that of cells which never move: beyond any number. Those alike agree after 400 sweeps."""
    made = completed(registry, [(0, 0, 0), (1, 1, 1), (1, 0, 1)], copies)
    assert made.report.chains == copies
    assert made.report.rhat < 1.1
    text = made.verdict.text
    assert "above 100" not in text
    who = (
        "The 4 chains that are clamped as the first one is"
        if copies > 1
        else "The two halves of the first chain"
    )
    assert who in text
    assert "clamped as the first one is" in made.notes[-1]


def test_chains_of_one_question_are_all_compared(registry):
    made = completed(registry, [(1, 0, 1)], 12)
    assert made.report.chains == 12
    assert made.truth.comparable
    assert made.notes == ()


@pytest.mark.parametrize("steps", [1, 300])
def test_whether_chains_of_different_questions_rest_is_asked_of_each(registry, steps):
    """Seven spoilt copies, the upper half of each held as it was spoilt: as many rest as by its own target each."""
    start = starts.Corrupted(rows=(0,), kind="flip", amount=0.3, copies=7, free=(False,) * 32 + (True,) * 32)
    spec = RunSpec(
        family="hopfield", dataset="article-patterns", sample={"temperature": 0.01, "steps": steps}, start=start, seed=4
    )  # fmt: skip
    made = run(spec, registry)
    assert made.target.chainwise
    family, last = registry.families["hopfield"], np.asarray(made.sampling.last, dtype=float)
    falls = 0
    for state in last:
        flips = np.repeat(state[None], 32, axis=0)
        flips[np.arange(32), np.arange(32, 64)] = 1 - flips[np.arange(32), np.arange(32, 64)]
        falls += family.energy(made.params, flips).min() < family.energy(made.params, state[None])[0] - 1e-9
    assert recalled._moving(made) == falls
    assert (falls > 0) == (steps == 1)
    assert made.verdict.text
