"""Exact answers on grids of cells, against plain sums over states and closed forms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ebm_plugins import exact
from ebm_plugins.records import Target
from ebm_plugins.spaces import BinaryGrid


def random_grid(dim, seed=0):
    rng = np.random.default_rng(seed)
    couplings, fields = rng.standard_normal((dim, dim)), rng.standard_normal(dim)
    return lambda x: (x @ couplings * x).sum(axis=1) / np.sqrt(dim) + x @ fields


@pytest.mark.parametrize("dim", [1, 4, 9])
def test_enumeration_is_the_plain_sum(dim):
    energy = random_grid(dim)
    states = np.array(list(itertools.product((0.0, 1.0), repeat=dim)))
    assert (exact.enumerate_states(dim) == states).all()
    assert (exact.state_index(states) == np.arange(2**dim)).all()
    truth = exact.truth_of(
        Target(energy=lambda x: energy(x) / 2, gradient=None, space=BinaryGrid(1, dim), temperature=2.0)
    )
    weights = np.exp(-energy(states) / 2)
    assert truth.kind == "enumeration"
    assert truth.log_partition == pytest.approx(np.log(weights.sum()), abs=1e-12)
    assert truth.probabilities == pytest.approx(weights / weights.sum(), abs=1e-14)
    mean = weights @ energy(states) / weights.sum()
    assert truth.mean_energy == pytest.approx(mean, abs=1e-12), "in units of E, not E/T"
    assert truth.energy_sd == pytest.approx(
        np.sqrt(weights @ (energy(states) - mean) ** 2 / weights.sum()), abs=1e-10
    )


def test_independent_cells_have_a_closed_form_up_to_twenty():
    fields = np.linspace(-2, 2, 20)
    target = Target(energy=lambda x: x @ fields, gradient=None, space=BinaryGrid(4, 5))
    truth = exact.truth_of(target)
    assert truth.log_partition == pytest.approx(np.log1p(np.exp(-fields)).sum(), abs=1e-9)
    p = 1 / (1 + np.exp(fields))
    assert truth.mean_energy == pytest.approx(fields @ p, abs=1e-5)
    draws = truth.draw(4000, np.random.default_rng(0))
    assert truth.total_variation(draws) < truth.floor(4000)[2]
    assert (
        truth.total_variation(np.random.default_rng(0).integers(0, 2, (4000, 20))) > 4 * truth.floor(4000)[2]
    )
    assert len(truth.cells(4000)) <= 73


def test_more_than_twenty_cells_are_not_listed():
    truth = exact.truth_of(Target(energy=lambda x: x.sum(axis=1), gradient=None, space=BinaryGrid(8, 8)))
    assert (truth.kind, truth.reason) == ("none", "64 cells have 1.8 × 10¹⁹ states, too many to list.")
    with pytest.raises(ValueError, match="20 cells"):
        exact.enumerate_states(21)


def test_small_grids_use_every_state_as_a_cell():
    energy = random_grid(4)
    truth = exact.truth_of(Target(energy=energy, gradient=None, space=BinaryGrid(2, 2)))
    states = truth.draw(500, np.random.default_rng(3))
    shares = np.bincount(exact.state_index(states), minlength=16) / 500
    assert truth.total_variation(states) == pytest.approx(exact.total_variation(shares, truth.probabilities))
    assert truth.total_variation(np.full((10, 4), 0.5)) == pytest.approx(1.0), "half-lit cells are no states"


def test_a_grid_with_a_broken_energy_has_a_reason():
    truth = exact.truth_of(
        Target(energy=lambda x: np.where(x[:, 0] > 0, np.nan, 0), gradient=None, space=BinaryGrid(1, 3))
    )
    assert (truth.kind, truth.reason) == ("none", "The energy is not a number in 4 of 8 states.")
    walls = exact.truth_of(
        Target(energy=lambda x: np.where(x[:, 0] > 0, np.inf, 0), gradient=None, space=BinaryGrid(1, 3))
    )
    assert walls.log_partition == pytest.approx(np.log(4))


def test_log_sum_exp_neither_overflows_nor_underflows():
    assert exact.log_sum_exp([1e4, 1e4]) == pytest.approx(1e4 + np.log(2))
    assert exact.log_sum_exp([-1e4, -1e4]) == pytest.approx(-1e4 + np.log(2))
    assert exact.log_sum_exp([-np.inf, 0.0]) == 0.0
    assert exact.log_sum_exp([]) == -np.inf
