"""Flips and Gibbs on a grid small enough to write the transition matrix down, entry by entry."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ebm_plugins import BinaryGrid, Target
from ebm_plugins.exact import enumerate_states, state_index
from ebm_plugins.samplers import bit_flip, gibbs

ALARM = 1e-6
DIM = 4
STATES = enumerate_states(DIM)
COUPLING = np.random.default_rng(5).normal(0, 0.8, (DIM, DIM))


def energy(x: np.ndarray) -> np.ndarray:
    """Ising with a field: no symmetry that could hide a mistake."""
    s = 2 * x - 1
    return -(s @ np.triu(COUPLING, 1) * s).sum(axis=1) - s @ np.arange(1, DIM + 1) * 0.2


TARGET = Target(energy=energy, gradient=None, space=BinaryGrid(2, 2))
PI = np.exp(-energy(STATES))
PI /= PI.sum()


class Given:
    """Stands in for the random numbers of a block: uniforms in the order they will be asked for."""

    def __init__(self, *uniforms: np.ndarray) -> None:
        self.uniforms = list(uniforms)

    def uniform(self, n: int) -> np.ndarray:
        return self.uniforms.pop(0)


def metropolis_matrix(heat: float = 1.0) -> np.ndarray:
    """One proposal of one flip, from the definition: each of the cells, or none, with probability 1/(d + 1)."""
    matrix = np.zeros((len(STATES), len(STATES)))
    for i, x in enumerate(STATES):
        for site in range(DIM):
            y = x.copy()
            y[site] = 1 - y[site]
            j = int(state_index(y[None])[0])
            matrix[i, j] = min(1.0, np.exp((energy(x[None]) - energy(y[None]))[0] / heat)) / (DIM + 1)
        matrix[i, i] = 1.0 - matrix[i].sum()
    return matrix


def gibbs_matrix(site: int) -> np.ndarray:
    """One visit, from the definition: the cell is redrawn from its conditional probability under π itself."""
    matrix = np.zeros((len(STATES), len(STATES)))
    for i, x in enumerate(STATES):
        pair = np.repeat(x[None], 2, axis=0)
        pair[:, site] = [0.0, 1.0]
        both = state_index(pair)
        matrix[i, both] = PI[both] / PI[both].sum()
    return matrix


def test_detailed_balance_of_the_transition_matrix() -> None:
    """π_i P_ij = π_j P_ji to 1e-12, for a proposal of Metropolis and for a visit of Gibbs; rows sum to one."""
    for matrix in (metropolis_matrix(), *(gibbs_matrix(site) for site in range(DIM))):
        flow = PI[:, None] * matrix
        assert np.abs(flow - flow.T).max() < 1e-12
        assert matrix.sum(axis=1) == pytest.approx(1, abs=1e-14)


def test_a_sweep_of_gibbs_leaves_pi_alone_and_one_from_a_stale_state_does_not() -> None:
    sweep = np.linalg.multi_dot([gibbs_matrix(site) for site in range(DIM)])
    assert np.abs(PI @ sweep - PI).max() < 1e-12
    stale = np.ones((len(STATES), len(STATES)))
    for site in range(DIM):
        on = gibbs_matrix(site) @ STATES[:, site]
        stale *= np.where(STATES[:, site] == 1, on[:, None], 1 - on[:, None])
    assert np.abs(PI @ stale - PI).max() > 0.01


@pytest.mark.parametrize("site", range(DIM))
def test_a_flip_is_taken_at_exactly_its_probability(site: int) -> None:
    """The kernel against the matrices: with a uniform a hair under the entry it moves, a hair over it stays."""
    towards = STATES.copy()
    towards[:, site] = 1 - towards[:, site]
    rows, columns = np.arange(len(STATES)), state_index(towards)
    choose = np.full(len(STATES), (site + 0.5) / (DIM + 1))
    nothing = np.full(len(STATES), (DIM + 0.5) / (DIM + 1))
    for heat in (1.0, 2.5):
        alpha = metropolis_matrix(heat)[rows, columns] * (DIM + 1)
        for factor in (1 - 1e-12, 1 + 1e-12):
            # after the first proposal of the sweep, the others propose nothing
            uniforms = [choose, alpha * factor] + [nothing, np.zeros(len(STATES))] * (DIM - 1)
            start = bit_flip.State(STATES, energy(STATES), 0, 0)
            with np.errstate(divide="ignore"):
                moved = bit_flip.step(TARGET, start, Given(*uniforms), 1, heat)
            goes = (alpha >= 1 - 1e-13) | (factor < 1)
            expected = np.where(goes[:, None], towards, STATES)
            assert (moved.x == expected).all()
            assert np.allclose(moved.energy, energy(moved.x))
            assert (moved.proposed, moved.accepted) == (len(STATES), goes.sum())
    probability = gibbs_matrix(site)[rows, columns]
    for factor in (1 - 1e-12, 1 + 1e-12):
        # random order: every visit of the sweep but the first refuses, its uniform being next to 1
        first = np.full(len(STATES), (site + 0.5) / DIM)
        uniforms = [first, probability * factor] + [first, np.full(len(STATES), 1 - 1e-16)] * (DIM - 1)
        uniforms = [np.minimum(u, np.nextafter(1, 0)) for u in uniforms]
        moved = gibbs.step(TARGET, gibbs.State(STATES, energy(STATES), 0), Given(*uniforms), "random")
        assert (moved.x == (towards if factor < 1 else STATES)).all()


@pytest.mark.parametrize(
    ("sampler", "values"),
    [
        (bit_flip, {"flips": 1}), (bit_flip, {"flips": 2}), (bit_flip, {"flips": 64}),
        (gibbs, {"order": "in-turn"}), (gibbs, {"order": "random"}),
    ],
)  # fmt: skip
def test_exact_draws_stay_exact_and_any_start_gets_there(sampler, values) -> None:
    """χ² of 20,000 chains over the 16 states after 1, 4 and 16 sweeps from exact draws; and after 60 from one state,
    with flips of one cell or two (flips of all at once only ever reach two states). False alarm 1e-6 each."""
    rng = np.random.default_rng(1)
    exact = STATES[rng.choice(len(STATES), 20_000, p=PI)]
    config = sampler.Config(steps=16, **values)
    for sweep, snapshot in enumerate(
        sampler.sample(TARGET, config, np.random.default_rng(2), exact), start=1
    ):
        if sweep in (1, 4, 16):
            counts = np.bincount(state_index(snapshot.value), minlength=len(STATES))
            assert stats.chisquare(counts, PI * counts.sum()).pvalue > ALARM
    if values.get("flips") == 64:
        return
    config = sampler.Config(steps=60, every=60, **values)
    (last,) = sampler.sample(TARGET, config, np.random.default_rng(3), np.zeros((20_000, DIM)))
    counts = np.bincount(state_index(last.value), minlength=len(STATES))
    assert stats.chisquare(counts, PI * counts.sum()).pvalue > ALARM


def test_a_flat_energy_does_not_trap_flips_in_one_parity() -> None:
    """From a single state all 2⁴ states are alike after 40 sweeps. False alarm 1e-6."""
    flat = Target(energy=lambda x: np.zeros(len(x)), gradient=None, space=BinaryGrid(2, 2))
    config = bit_flip.Config(steps=40, every=40)
    (last,) = bit_flip.sample(flat, config, np.random.default_rng(0), np.zeros((20_000, DIM)))
    assert stats.chisquare(np.bincount(state_index(last.value), minlength=16)).pvalue > ALARM
    assert last.metrics["acceptance"] == 1.0


def test_more_flips_at_once_are_accepted_less_often() -> None:
    rng = np.random.default_rng(4)
    coupling = rng.normal(0, 0.4, (16, 16))
    target = Target(
        energy=lambda x: -(((2 * x - 1) @ coupling) * (2 * x - 1)).sum(axis=1),
        gradient=None,
        space=BinaryGrid(4, 4),
    )
    x = rng.integers(0, 2, (500, 16)).astype(float)
    rates = []
    for flips in (1, 3, 8):
        *_, last = bit_flip.sample(
            target, bit_flip.Config(flips=flips, steps=20, every=10), np.random.default_rng(0), x
        )
        rates.append(last.metrics["acceptance"])
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 2 * rates[-1]


def test_one_sweep_in_turn_forgets_independent_cells_and_one_at_random_does_not() -> None:
    """Without couplings a visited cell is a fresh draw: none of its past is left in turn, (1 − 1/d)^d of it at random.

    Correlation over 40,000 × 4 cells of fair coins: standard error 0.0025, 5.5 of them.
    """
    free = Target(energy=lambda x: np.zeros(len(x)), gradient=None, space=BinaryGrid(2, 2))
    x = np.random.default_rng(0).integers(0, 2, (40_000, DIM)).astype(float)
    for order, left in (("in-turn", 0.0), ("random", (1 - 1 / DIM) ** DIM)):
        (after,) = gibbs.sample(free, gibbs.Config(order=order, steps=1), np.random.default_rng(1), x)
        assert float(((2 * x - 1) * (2 * after.value - 1)).mean()) == pytest.approx(left, abs=5.5 * 0.0025)


def test_gibbs_survives_energies_of_any_size() -> None:
    steep = Target(energy=lambda x: 1e6 * x.sum(axis=1), gradient=None, space=BinaryGrid(2, 2))
    (last,) = gibbs.sample(steep, gibbs.Config(steps=1), np.random.default_rng(0), np.ones((50, DIM)))
    assert not last.value.any()
