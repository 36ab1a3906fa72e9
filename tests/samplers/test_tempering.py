"""Copies that swap, and cooling: exact swap tests, ladders, and barriers that only heat crosses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from ebm_plugins import BinaryGrid, ConfigError, Plane, Target, Vectors, landscapes
from ebm_plugins.exact import enumerate_states, state_index
from ebm_plugins.samplers import bit_flip
from ebm_plugins.samplers import parallel_tempering as tempering
from ebm_plugins.samplers import simulated_annealing as annealing

ALARM = 1e-6
DIM = 4
STATES = enumerate_states(DIM)


def plane(key: str) -> Target:
    params = landscapes.params_of(key)
    return Target(energy=lambda x: landscapes.energy(params, x), gradient=None, space=Plane())


def ising(x: np.ndarray) -> np.ndarray:
    s = 2 * x - 1
    return (
        -1.5 * (s[:, 0] * s[:, 1] + s[:, 1] * s[:, 3] + s[:, 3] * s[:, 2] + s[:, 2] * s[:, 0]) - 0.3 * s[:, 0]
    )


GRID = Target(energy=ising, gradient=None, space=BinaryGrid(2, 2))


def last_of(sampler, target: Target, x: np.ndarray, seed: int = 0, **values):
    config = sampler.Config(**values)
    *_, last = sampler.sample(target, config, np.random.default_rng(seed), x)
    return last


# --- Parallel tempering -----------------------------------------------------------------------------------------


def test_swaps_keep_detailed_balance_on_all_pairs_of_states() -> None:
    """π₁(x)π₂(y) α(x, y) = π₁(y)π₂(x) α(y, x) to 1e-12 over 16 × 16 pairs, and the test flips at exactly that α."""
    colder, hotter = 1.0, 2.7
    energies = ising(STATES)
    i, j = (a.ravel() for a in np.meshgrid(np.arange(16), np.arange(16)))
    joint = np.exp(-energies[i] / colder - energies[j] / hotter)
    swapped = np.exp(-energies[j] / colder - energies[i] / hotter)
    alpha, back = np.minimum(1, swapped / joint), np.minimum(1, joint / swapped)
    assert np.abs(joint * alpha - swapped * back).max() < 1e-12 * joint.max()
    cold = bit_flip.State(STATES[i], energies[i], 0, 0)
    hot = bit_flip.State(STATES[j], energies[j], 0, 0)
    for factor in (1 - 1e-12, 1 + 1e-12):
        down, up, made = tempering.swap(
            cold, hot, np.minimum(alpha * factor, np.nextafter(1, 0)), colder, hotter
        )
        goes = (alpha >= 1 - 1e-13) | (factor < 1)
        assert (down.x == np.where(goes[:, None], STATES[j], STATES[i])).all()
        assert (up.x == np.where(goes[:, None], STATES[i], STATES[j])).all()
        assert (down.energy == ising(down.x)).all()
        assert made == goes.sum()


def test_every_copy_stays_exact_at_its_own_heat() -> None:
    """Copies drawn exactly at their heats, 12 steps: χ² over 16 states for each of 4. False alarm 1e-6 each."""
    rng, n = np.random.default_rng(1), 30_000
    ladder = tempering.heats(tempering.Config(rungs=4, hottest=6.0))
    assert ladder == pytest.approx([1, 6 ** (1 / 3), 6 ** (2 / 3), 6])
    copies, laws = [], []
    for tau in ladder:
        p = np.exp(-ising(STATES) / tau)
        laws.append(p / p.sum())
        x = STATES[rng.choice(16, n, p=laws[-1])]
        copies.append(bit_flip.State(x, ising(x), 0, 0))
    from ebm_plugins.noise import Noise

    state, source = (
        tempering.State(copies[0].x, tuple(copies), 0, 0, 0),
        Noise((np.random.default_rng(2),) * 8),
    )
    for _ in range(12):
        state = tempering.step(GRID, state, source, ladder, 1.0, 1)
    for copy, law in zip(state.copies, laws, strict=True):
        counts = np.bincount(state_index(copy.x), minlength=16)
        assert stats.chisquare(counts, law * n).pvalue > ALARM
    assert state.tried > 0


@pytest.mark.parametrize("space", ["plane", "grid"])
def test_the_cold_copy_reaches_the_target_from_one_state(space: str) -> None:
    """20,000 chains from one state. Grid: χ² over 16 states; plane: N(0, 1)² by its mean energy and the share on the
    right. False alarm 1e-6 each."""
    if space == "grid":
        found = last_of(tempering, GRID, np.zeros((20_000, 4)), steps=40, every=40, rungs=3).value
        p = np.exp(-ising(STATES))
        assert (
            stats.chisquare(np.bincount(state_index(found), minlength=16), 20_000 * p / p.sum()).pvalue
            > ALARM
        )
        return
    bowl = Target(energy=lambda x: 0.5 * (x * x).sum(axis=1), gradient=None, space=Plane())
    found = last_of(tempering, bowl, np.full((20_000, 2), 3.0), steps=80, every=80, scale=1.7, rungs=3).value
    assert bowl.energy(found).mean() == pytest.approx(1, abs=5 / math.sqrt(20_000))
    assert (found[:, 0] > 0).mean() == pytest.approx(0.5, abs=5 * 0.5 / math.sqrt(20_000))


def test_heat_and_swaps_carry_chains_over_a_barrier() -> None:
    """All chains begin in the left of two equal wells, with short proposals. Half belong right: more heat and more
    swaps bring more of them there. Shares of 2,000 chains, each at least five standard errors (0.011) apart."""
    x, common = np.tile([-1.5, 0.0], (2000, 1)), {"scale": 0.25, "steps": 200, "every": 200}

    def share(**values) -> float:
        return float((last_of(tempering, plane("double-well"), x, **common, **values).value[:, 0] > 0).mean())

    cold, warm, hot = (share(hottest=h, rungs=5) for h in (1.0, 3.0, 20.0))
    assert cold + 0.055 < warm < hot - 0.055
    assert share(hottest=20.0, rungs=5, swap_every=200) + 0.055 < hot
    # two rungs so far apart hardly ever swap
    few = last_of(tempering, plane("double-well"), x, **common, hottest=1000.0, rungs=2).metrics["swaps"]
    many = last_of(tempering, plane("double-well"), x, **common, hottest=1000.0, rungs=16).metrics["swaps"]
    assert few < many


def test_a_larger_scale_is_refused_more_often() -> None:
    x = np.random.default_rng(0).standard_normal((500, 2))
    rates = [
        last_of(tempering, plane("ring"), x, steps=20, every=20, scale=s).metrics["acceptance"]
        for s in (0.1, 1, 10)
    ]
    assert rates == sorted(rates, reverse=True)


# --- Simulated annealing ----------------------------------------------------------------------------------------


def test_the_heats_fall_as_they_say() -> None:
    config = annealing.Config(hottest=8.0, coldest=0.5, steps=5)
    assert [annealing.heat(t, config) for t in range(5)] == pytest.approx([8, 4, 2, 1, 0.5])
    linear = annealing.Config(hottest=8.0, coldest=0.5, steps=6, cooling="linear")
    assert [annealing.heat(t, linear) for t in range(6)] == pytest.approx([8, 6.5, 5, 3.5, 2, 0.5])
    found = list(annealing.sample(GRID, config, np.random.default_rng(0), np.zeros((3, 4))))
    assert [s.metrics["heat"] for s in found] == pytest.approx([8, 4, 2, 1, 0.5])
    with pytest.raises(ConfigError) as error:
        next(annealing.sample(GRID, annealing.Config(hottest=1.0, coldest=2.0), np.random.default_rng(0), np.zeros((1, 4))))  # fmt: skip
    assert error.value.field == "coldest"


def test_at_a_constant_heat_it_samples_the_target_at_that_heat() -> None:
    """Heat 2 from exact draws: N(0, 2 I) keeps its variance; the grid its 16 probabilities. 5 standard errors, 1e-6."""
    rng, n = np.random.default_rng(3), 40_000
    bowl = Target(energy=lambda x: 0.5 * (x * x).sum(axis=1), gradient=None, space=Vectors(3))
    x = math.sqrt(2) * rng.standard_normal((n, 3))
    found = last_of(annealing, bowl, x, hottest=2.0, coldest=2.0, steps=15, every=15).value
    assert (found**2).mean() == pytest.approx(2, abs=5 * 2 * math.sqrt(2 / (3 * n)))
    p = np.exp(-ising(STATES) / 2)
    start = STATES[rng.choice(16, n, p=p / p.sum())]
    found = last_of(annealing, GRID, start, hottest=2.0, coldest=2.0, steps=10, every=10).value
    assert stats.chisquare(np.bincount(state_index(found), minlength=16), n * p / p.sum()).pvalue > ALARM


def test_slow_hot_cooling_finds_the_lowest_valley_and_fast_or_cold_does_not() -> None:
    """Müller and Brown's deepest basin from the one furthest away: the share of 1,000 chains that end in it
    (standard error 0.016)."""
    target = plane("muller-brown")
    params = landscapes.params_of("muller-brown")
    deepest, far = (
        (np.array(p) - params["shift"]) * params["zoom"] for p in ((-0.558, 1.442), (0.623, 0.028))
    )

    def share(**values) -> float:
        found = last_of(annealing, target, np.tile(far, (1000, 1)), every=500, scale=0.5, **values).value
        return float((np.linalg.norm(found - deepest, axis=1) < 0.5).mean())

    slow, fast, cold = (
        share(hottest=8.0, steps=2000),
        share(hottest=8.0, steps=50),
        share(hottest=0.1, steps=2000),
    )
    assert fast + 0.1 < slow
    assert cold < 0.05 < slow


def test_colder_ends_are_lower_and_both_coolings_get_there() -> None:
    x = np.random.default_rng(0).standard_normal((500, 2)) * 3
    energies = [
        float(plane("ring").energy(last_of(annealing, plane("ring"), x, every=300, steps=300, coldest=c).value).mean())
        for c in (1.0, 0.1, 0.01)
    ]  # fmt: skip
    assert energies == sorted(energies, reverse=True)
    # at heat τ the ring's energy is τ/2 in the mean
    assert energies[0] == pytest.approx(0.5, abs=0.2)
    assert energies[2] < 0.05
    linear = last_of(annealing, plane("ring"), x, every=300, steps=300, cooling="linear").value
    assert plane("ring").energy(linear).mean() < 0.15
    short = last_of(annealing, plane("ring"), x, every=300, steps=300, scale=0.01)
    assert (
        short.metrics["acceptance"]
        > last_of(annealing, plane("ring"), x, every=300, steps=300).metrics["acceptance"]
    )
