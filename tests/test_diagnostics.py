"""The diagnostics against chains whose answers are known. Seeds are fixed; tolerances are stated where they are used."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from ebm_plugins import diagnostics


def autoregressive(phi: float, draws: int, chains: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = np.empty((draws, chains))
    x[0] = rng.standard_normal(chains)
    for i in range(1, draws):
        x[i] = phi * x[i - 1] + np.sqrt(1 - phi**2) * rng.standard_normal(chains)
    return x


def test_independent_draws_are_worth_their_number():
    """The estimate's relative spread is about √(2·lags/n), 2 % here; 10 % is five of them: false alarm under 1e-6."""
    x = np.random.default_rng(1).standard_normal((2000, 4))
    assert float(diagnostics.ess(x)) == pytest.approx(8000, rel=0.10)


@pytest.mark.parametrize("phi", [0.3, 0.6, 0.9])
def test_autoregressive_draws_are_worth_n_times_one_minus_phi_over_one_plus_phi(phi):
    """n = 32,000 and autocorrelation time τ ≤ 19: the relative spread of Geyer's estimate is about √(2(2M+1)/n)
    with M ≈ 2τ lags, at most 7 %; 25 % is over three of them on a fixed seed (false alarm under 1e-3)."""
    x = autoregressive(phi, 4000, 8)
    assert float(diagnostics.ess(x)) == pytest.approx(x.size * (1 - phi) / (1 + phi), rel=0.25)


def test_error_of_the_mean_follows_from_the_effective_draws():
    x = autoregressive(0.6, 4000, 8)
    assert float(diagnostics.mcse(x)) == pytest.approx(np.sqrt((1 + 0.6) / (1 - 0.6) / x.size), rel=0.15)


def test_chains_stuck_in_different_wells_disagree():
    """For two halves that never meet, ranks turn into the two halves of a normal: means ±0.798, variance 0.363,
    so R-hat is √(1 + 0.637/0.363) = 1.66."""
    rng = np.random.default_rng(2)
    stuck = rng.standard_normal((500, 8)) * 0.1 + np.array([-2, 2] * 4)
    assert float(diagnostics.rhat(stuck)) > 1.5
    assert float(diagnostics.rhat(np.tile(np.arange(4.0), (100, 1)))) == np.inf, "each stands still elsewhere"
    assert float(diagnostics.rhat(rng.standard_normal((500, 8)))) < 1.01


def test_one_chain_that_drifts_disagrees_with_itself():
    drift = np.linspace(0, 5, 400)[:, None] + np.random.default_rng(3).standard_normal((400, 1))
    assert float(diagnostics.rhat(drift)) > 1.5


def test_nan_and_constant_chains_are_not_worth_many_draws():
    x = np.random.default_rng(4).standard_normal((100, 4))
    x[73, 2] = np.nan
    assert np.isnan(diagnostics.ess(x))
    assert np.isnan(diagnostics.rhat(x))
    assert not float(diagnostics.ess(np.ones((100, 4)))) > 4
    made = diagnostics.report(x[:, :, None], x, {})
    assert np.isnan(made.ess)
    assert np.isnan(made.rhat)


def test_autocorrelation_of_ar1_is_phi_to_the_lag():
    """The spread of each lag is about √((1 + φ²)/(1 − φ²)/n) = 0.008; 0.05 is six of them."""
    rho = diagnostics.autocorrelation(autoregressive(0.6, 4000, 8))
    assert len(rho) == 51
    assert rho[:6] == pytest.approx(0.6 ** np.arange(6), abs=0.05)


def test_coordinates_come_back_one_by_one():
    x = np.random.default_rng(5).standard_normal((200, 4, 3))
    assert diagnostics.ess(x).shape == diagnostics.rhat(x).shape == diagnostics.mcse(x).shape == (3,)


def test_the_report_names_the_worst_place_and_uses_the_second_half():
    rng = np.random.default_rng(6)
    x = rng.standard_normal((1001, 6, 3))
    x[:501] = 1e6  # a long way to the wells, all of it in the first half
    x[:, :, 1] += np.array([-3, 3] * 3)
    made = diagnostics.report(
        x, rng.standard_normal((1001, 6)), {"acceptance": np.r_[np.zeros(500), np.full(500, 0.4)]}
    )
    assert made.worst == 1
    assert made.rhat > 1.5
    assert (made.draws, made.chains) == (500, 6)
    assert made.acceptance == pytest.approx(0.4)
    assert len(made.autocorrelation) == 51
    assert made.autocorrelation[50] > 0.5, "the wells never change"


def test_energy_can_be_the_worst_place():
    rng = np.random.default_rng(7)
    made = diagnostics.report(rng.standard_normal((400, 4, 2)), autoregressive(0.95, 400, 4), {})
    assert made.worst == -1
    assert made.ess == pytest.approx(made.energy_ess)


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (2, 1, 2), (3, 5, 2), (0, 0, 2), (10, 1, 64), (6, 64, 1), (8, 3, 0), (1, 300, 2)]
)
def test_odd_shapes_give_a_report_without_a_warning(shape):
    for fill in (0.0, np.nan, None):
        rng = np.random.default_rng(0)
        x = rng.standard_normal(shape) if fill is None else np.full(shape, fill)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            made = diagnostics.report(x, x.sum(axis=2), {"acceptance": np.array([np.nan])})
        assert np.isnan(made.acceptance)
        assert not made.ess > 4 * max(1, x.size)


def test_long_runs_are_thinned():
    x = np.zeros((9001, 100, 40), dtype=np.float32)
    x[:] = np.random.default_rng(8).standard_normal((9001, 100, 1))
    made = diagnostics.report(x, x[:, :, 0], {})
    assert made.draws <= diagnostics.MAX_DRAWS
    assert made.chains == 64
    assert made.draws * made.chains * 17 <= diagnostics.MAX_VALUES
