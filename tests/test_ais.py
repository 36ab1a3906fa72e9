"""Annealed importance sampling from both sides, against log Z by enumeration."""

from __future__ import annotations

import numpy as np
import pytest

from ebm_plugins import ais
from ebm_plugins.rbm_core import exact_draws, log_partition, machine


def params_of(cells: int, hidden: int, gaussian: bool = False, size: float = 1.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    found = {
        "weights": size * rng.normal(size=(cells, hidden)),
        "visible_bias": rng.normal(size=cells),
        "hidden_bias": rng.normal(size=hidden),
        "base_bias": 0.3 * rng.normal(size=cells),
    }
    return {**found, "scale": rng.uniform(0.7, 1.3, cells)} if gaussian else found


@pytest.mark.parametrize("gaussian", [False, True])
def test_mean_forward_is_below_and_mean_backward_above_log_z(gaussian):
    """Jensen: E[log w] < log Z forward, > log Z backward from exact draws. With 20 temperatures the gap is over 5
    standard errors of either mean on each side, so a wrong verdict has probability under 1e-6."""
    params = params_of(7, 5, gaussian)
    exact = log_partition(params)
    rng = np.random.default_rng(0)
    down, _ = ais.forward(params, rng, 4000, 20)
    up = ais.backward(params, rng, exact_draws(params, 4000, rng), 20)
    error = max(down.std(), up.std()) / np.sqrt(4000)
    assert down.mean() + 5 * error < exact < up.mean() - 5 * error


@pytest.mark.parametrize("gaussian", [False, True])
def test_both_estimates_agree_with_log_z_within_their_errors(gaussian):
    """Within 5 standard errors (under 1e-6 each), which are below 0.02 nats."""
    params = params_of(7, 5, gaussian)
    exact = log_partition(params)
    rng = np.random.default_rng(1)
    value, error = ais.estimate(ais.forward(params, rng, 2000, 300)[0])
    back, back_error = ais.estimate(-ais.backward(params, rng, exact_draws(params, 2000, rng), 300))
    assert abs(value - exact) < 5 * error < 0.1
    assert abs(-back - exact) < 5 * back_error < 0.1


def test_more_temperatures_tighten_the_gap():
    params = params_of(8, 6, size=2.0)
    rng = np.random.default_rng(2)
    start = exact_draws(params, 500, rng)
    gaps = [
        ais.backward(params, rng, start, k).mean() - ais.forward(params, rng, 500, k)[0].mean()
        for k in (10, 100, 1000)
    ]
    assert gaps[0] > 2 * gaps[1] > 4 * gaps[2] > 0


@pytest.mark.parametrize("gaussian", [False, True])
def test_bracket_holds_log_z(gaussian):
    """Ten brackets, each widened by 3 standard errors a side (a miss in about 1 in 700): all ten hold log Z."""
    params = params_of(9, 6, gaussian)
    exact = log_partition(params)
    for seed in range(10):
        low, high, error = ais.bracket(params, np.random.default_rng(seed), 128, 100)
        assert low <= exact <= high
        assert 0 < high - low < 12 * error  # three errors a side, and what the two estimates differ by


def test_bracket_without_exact_starts_holds_log_z_too(monkeypatch):
    """The route of large machines, on one whose log Z is known: forward ends, resampled, start the way back."""
    params = params_of(12, 12, size=0.7)
    exact = log_partition(params)
    monkeypatch.setattr(ais, "log_weights", lambda params: None)
    low, high, _ = ais.bracket(params, np.random.default_rng(0), 256)
    assert low <= exact <= high
    assert high - low < 0.2


def test_base_log_partition_is_that_of_independent_units():
    params = params_of(5, 4)
    params["weights"][:] = 0
    params["visible_bias"], params["hidden_bias"][:] = params["base_bias"], 0
    assert ais.base_log_partition(machine(params)) == pytest.approx(log_partition(params), abs=1e-12)


def test_a_log_z_that_is_off_by_a_constant_is_caught(monkeypatch):
    """Planted bug: log Z₀ with one log 2 too many."""
    params = params_of(7, 5)
    exact = log_partition(params)
    right = ais.base_log_partition
    monkeypatch.setattr(ais, "base_log_partition", lambda m: right(m) + np.log(2))
    low, _, _ = ais.bracket(params, np.random.default_rng(0), 256, 300)
    assert low > exact
