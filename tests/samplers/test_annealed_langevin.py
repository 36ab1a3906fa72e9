"""Annealed Langevin: its ladder, what it is without heat, and wells that only heat reaches."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ebm_plugins import Plane, Target, Vectors, landscapes
from ebm_plugins.samplers import annealed_langevin, ula


def of(key: str) -> Target:
    params = landscapes.params_of(key)
    return Target(
        energy=lambda x: landscapes.energy(params, x),
        gradient=lambda x: landscapes.gradient(params, x),
        space=Plane(),
    )


def run(target: Target, x: np.ndarray, seed: int = 0, **values) -> list:
    config = annealed_langevin.Config(**values)
    return list(annealed_langevin.sample(target, config, np.random.default_rng(seed), x))


def test_the_ladder_is_geometric_and_ends_at_the_target() -> None:
    config = annealed_langevin.Config(hottest=16.0, rungs=5, steps=50)
    heats = [annealed_langevin.heat(t, config) for t in range(50)]
    assert heats == pytest.approx(np.repeat([16.0, 8.0, 4.0, 2.0, 1.0], 10))
    assert annealed_langevin.heat(10**6, config) == 1.0


def test_without_heat_it_is_plain_langevin_draw_for_draw() -> None:
    x = np.random.default_rng(1).standard_normal((200, 2))
    plain = ula.sample(of("ring"), ula.Config(step_size=0.01, steps=30), np.random.default_rng(2), x)
    for ours, other in zip(run(of("ring"), x, 2, step_size=0.01, hottest=1.0, steps=30), plain, strict=True):
        assert (ours.value == other.value).all()


def test_on_each_rung_the_variance_is_heat_over_one_minus_half_eta() -> None:
    """E = x²/2 with 100 steps a rung at η = 0.2 (memory 0.8^200 < 1e-19): τ/(1 − η/2). 50,000 chains, 5.5 standard
    deviations: false alarm 4e-8 each."""
    gaussian = Target(
        energy=lambda x: 0.5 * (x * x).sum(axis=1), gradient=lambda x: 1.0 * x, space=Vectors(1)
    )
    found = run(gaussian, np.zeros((50_000, 1)), step_size=0.2, hottest=9.0, rungs=3, steps=300, every=100)
    assert [s.metrics["heat"] for s in found] == pytest.approx([9.0, 3.0, 1.0])
    for snapshot, tau in zip(found, (9.0, 3.0, 1.0), strict=True):
        assert np.mean(snapshot.value**2) == pytest.approx(tau / 0.9, rel=5.5 * math.sqrt(2 / 50_000))


def test_a_hotter_start_crosses_the_barrier_more_often() -> None:
    """All chains begin in the left of two equal wells with a barrier of 3; exactly half belong to the right.

    Shares over 2,000 chains, standard error 0.011: each heat gets at least five of them further.
    """
    shares = []
    for hottest in (1.0, 3.0, 20.0):
        start = np.tile([-1.5, 0.0], (2000, 1))
        final = run(of("double-well"), start, step_size=0.005, hottest=hottest, steps=400, every=400)[
            -1
        ].value
        assert np.isfinite(final).all()
        shares.append(float((final[:, 0] > 0).mean()))
    assert shares[0] + 0.055 < shares[1] < shares[2] - 0.055
    assert shares[2] == pytest.approx(0.5, abs=0.055)


def test_more_rungs_cool_more_slowly_at_the_end() -> None:
    """With two rungs half of the steps are at the target; with ten, a tenth."""
    for rungs in (2, 10):
        config = annealed_langevin.Config(rungs=rungs, steps=200)
        assert sum(annealed_langevin.heat(t, config) == 1.0 for t in range(200)) == 200 // rungs
