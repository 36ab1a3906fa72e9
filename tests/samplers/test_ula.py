"""Unadjusted Langevin against its known stationary law, and where it breaks."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from ebm_plugins import ConfigError, Plane, Target, Vectors
from ebm_plugins.samplers import ula

SIGMAS = 5.5  # two-sided false alarm 4e-8 each


def gaussian(dim: int = 1, temperature: float = 1.0) -> Target:
    return Target(
        energy=lambda x: 0.5 * (x * x).sum(axis=1) / temperature,
        gradient=lambda x: x / temperature,
        space=Plane() if dim == 2 else Vectors(dim),
        temperature=temperature,
    )


def last(target: Target, config: ula.Config, x: np.ndarray, seed: int = 0) -> np.ndarray:
    for snapshot in ula.sample(target, config, np.random.default_rng(seed), x):
        states = snapshot.value
    return states


def check_variance(x: np.ndarray, expected: float) -> None:
    """The mean square of n independent normals has relative standard deviation √(2/n)."""
    assert np.mean(x * x) == pytest.approx(expected, rel=SIGMAS * math.sqrt(2 / x.size))


@pytest.mark.parametrize(("eta", "stated"), [(0.1, 1.0526), (0.5, 1.3333), (1.0, 2.0)])
def test_stationary_variance_is_one_over_one_minus_half_eta(eta: float, stated: float) -> None:
    """100,000 chains from N(0, 1), after (1 − η)^2k has fallen under 1e-9. False alarm 4e-8 each."""
    assert 1 / (1 - eta / 2) == pytest.approx(stated, abs=5e-5)
    x = np.random.default_rng(1).standard_normal((100_000, 1))
    check_variance(last(gaussian(), ula.Config(step_size=eta, steps=100, every=100), x), stated)


def test_at_eta_two_the_variance_grows_by_four_a_step() -> None:
    """x′ = −x + 2ξ: variance 1 + 4k after k steps, for ever. False alarm 4e-8 each."""
    x = np.random.default_rng(2).standard_normal((50_000, 1))
    for steps in (10, 100):
        check_variance(last(gaussian(), ula.Config(step_size=2.0, steps=steps, every=100), x), 1 + 4 * steps)


def test_beyond_eta_two_it_diverges_to_infinity_without_a_warning() -> None:
    """|1 − 2.5| = 1.5: 1.5^k passes 1e308 before k = 1,800."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        states = last(gaussian(), ula.Config(step_size=2.5, steps=4000, every=1000), np.ones((10, 1)))
    assert not np.isfinite(states).any()


def test_an_energy_steeper_than_a_parabola_diverges_from_far_out_at_a_step_that_is_fine_inside() -> None:
    """E = x⁴/4 at η = 0.1: |1 − ηx²| > 1 from x = √20 on (Roberts, Tweedie 1996)."""
    quartic = Target(energy=lambda x: 0.25 * (x**4).sum(axis=1), gradient=lambda x: x**3, space=Vectors(1))
    config = ula.Config(step_size=0.1, steps=200, every=200)
    assert np.isfinite(last(quartic, config, np.zeros((1000, 1)))).all()
    assert not np.isfinite(last(quartic, config, np.full((1000, 1), 8.0))).any()


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_temperature_is_the_targets_and_is_not_applied_twice(temperature: float) -> None:
    """With E/T in the target the variance is T/(1 − η/2T); the config's own field changes nothing."""
    x = math.sqrt(temperature) * np.random.default_rng(3).standard_normal((100_000, 1))
    target = gaussian(temperature=temperature)
    eta = 0.2
    states = last(target, ula.Config(step_size=eta, steps=100, every=100, temperature=temperature), x)
    check_variance(states, temperature / (1 - eta / (2 * temperature)))
    other = last(target, ula.Config(step_size=eta, steps=100, every=100, temperature=7.0), x)
    assert (states == other).all()


def test_one_step_is_drift_plus_noise_by_the_formula() -> None:
    rng = np.random.default_rng(4)
    x, noise = rng.standard_normal((2, 50, 2))
    moved = ula.step(lambda y: 3.0 * y, x, noise, 0.08)
    assert np.allclose(moved, x - 0.08 * 3.0 * x + math.sqrt(0.16) * noise, rtol=1e-14)


def test_lag_one_correlation_is_one_minus_eta() -> None:
    """A larger step forgets faster. 50,000 pairs: standard error under 1/√50,000. False alarm 4e-8 each."""
    for eta in (0.05, 0.4):
        x = np.random.default_rng(5).standard_normal((50_000, 1)) / math.sqrt(1 - eta / 2)
        moved = last(gaussian(), ula.Config(step_size=eta, steps=1), x)
        correlation = float((x * moved).mean() * (1 - eta / 2))
        assert correlation == pytest.approx(1 - eta, abs=SIGMAS * math.sqrt(2 / 50_000))


def test_no_gradient_is_refused_in_words() -> None:
    bare = Target(energy=lambda x: x.sum(axis=1), gradient=None, space=Plane())
    with pytest.raises(ConfigError, match="needs no gradient"):
        next(ula.sample(bare, ula.Config(), np.random.default_rng(0), np.zeros((3, 2))))
