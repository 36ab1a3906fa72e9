"""Underdamped Langevin: exact positions on a Gaussian, a bias of order h² elsewhere, and what friction does."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import integrate, linalg

from ebm_plugins import Target, Vectors
from ebm_plugins.samplers import ula, underdamped

SIGMAS = 5.5  # two-sided false alarm 4e-8 each
N = 100_000


def gaussian() -> Target:
    return Target(energy=lambda x: 0.5 * (x * x).sum(axis=1), gradient=lambda x: 1.0 * x, space=Vectors(1))


def ripples() -> Target:
    """E = x²/2 + cos 2x: two shallow wells, curvature between −3 and 5."""
    return Target(
        energy=lambda x: (0.5 * x * x + np.cos(2 * x)).sum(axis=1),
        gradient=lambda x: x - 2 * np.sin(2 * x),
        space=Vectors(1),
    )


def run(target: Target, x: np.ndarray, **values) -> list:
    config = underdamped.Config(**values)
    return list(underdamped.sample(target, config, np.random.default_rng(0), x))


def linear(h: float, gamma: float) -> tuple[np.ndarray, np.ndarray]:
    """The matrix of one step on E = x²/2 and its stationary covariance, from the splitting's five factors."""
    kick, move = np.array([[1, 0], [-h / 2, 1]]), np.array([[1, h / 2], [0, 1]])
    bath, noise = np.diag([1, math.exp(-gamma * h)]), np.diag([0, 1 - math.exp(-2 * gamma * h)])
    after = kick @ move
    step = after @ bath @ move @ kick
    return step, linalg.solve_discrete_lyapunov(step, after @ noise @ after.T)


@pytest.mark.parametrize("h", [0.3, 1.0, 1.8])
def test_positions_on_a_gaussian_have_no_bias_at_any_stable_step(h: float) -> None:
    """Variance exactly 1 (and 1 − h²/4 for velocities), where ULA of the same η = h²/2 has 1/(1 − h²/4).

    The Lyapunov equation says so to 1e-12; 100,000 chains agree. False alarm 4e-8 each.
    """
    _, covariance = linear(h, 1.0)
    assert covariance == pytest.approx(np.diag([1.0, 1 - h * h / 4]), abs=1e-12)
    x = np.random.default_rng(1).standard_normal((N, 1))
    found = run(gaussian(), x, step_size=h, steps=120, every=120)[-1]
    assert np.mean(found.value**2) == pytest.approx(1, rel=SIGMAS * math.sqrt(2 / N))
    assert found.metrics["kinetic temperature"] == pytest.approx(1 - h * h / 4, rel=SIGMAS * math.sqrt(2 / N))
    *_, plain = ula.sample(
        gaussian(), ula.Config(step_size=h * h / 2, steps=120), np.random.default_rng(0), x
    )
    variance = 1 / (1 - h * h / 4)
    assert np.mean(plain.value**2) == pytest.approx(variance, rel=SIGMAS * math.sqrt(2 / N))


@pytest.mark.parametrize("friction", [0.2, 2.0, 20.0])
def test_friction_sets_the_autocorrelation(friction: float) -> None:
    """Lag-10 correlation of stationary chains equals that of the linear map. False alarm 4e-8 each."""
    step, covariance = linear(0.3, friction)
    expected = (np.linalg.matrix_power(step, 10) @ covariance)[0, 0]
    x = np.random.default_rng(2).standard_normal((N, 1))
    frames = [s.value for s in run(gaussian(), x, step_size=0.3, friction=friction, steps=210, every=10)]
    assert float((frames[-2] * frames[-1]).mean()) == pytest.approx(expected, abs=SIGMAS * math.sqrt(2 / N))


def test_little_friction_swings_and_much_friction_creeps() -> None:
    """After half a turn (h·10 = 3) the correlation is negative at γ = 0.2 and well above 0 at γ = 20."""
    swing, creep = (np.linalg.matrix_power(linear(0.3, g)[0], 10)[0, 0] for g in (0.2, 20.0))
    assert swing < -0.5
    assert creep > 0.5


def test_bias_on_a_rippled_energy_falls_faster_than_the_step() -> None:
    """⟨cos 2x⟩ by quadrature. Its bias is there at h = 0.6, and at h = 0.3 less than half of that (a quarter, for
    order h²). 400,000 chains over time 16, standard error 0.001: each margin is over five. False alarm under 1e-6.
    """

    def moment(f: Callable[[float], float]) -> float:
        return integrate.quad(lambda x: f(x) * math.exp(-(x**2) / 2 - math.cos(2 * x)), -12, 12, limit=200)[0]

    exact = moment(lambda x: math.cos(2 * x)) / moment(lambda x: 1.0)
    bias = []
    for h in (0.6, 0.3):
        x = 1.3 * np.random.default_rng(3).standard_normal((400_000, 1))
        found = run(ripples(), x, step_size=h, steps=round(16 / h), every=1000)[-1].value
        bias.append(float(np.cos(2 * found).mean()) - exact)
    error = math.sqrt(0.5 / 400_000)
    assert bias[0] > 8 * error
    assert abs(bias[1]) < 0.5 * bias[0]


def test_beyond_the_stability_limit_it_diverges_quietly() -> None:
    """h² times the curvature is at most 4."""
    found = run(gaussian(), np.ones((5, 1)), step_size=2.5, friction=0.1, steps=3000, every=1000)[-1]
    assert not np.isfinite(found.value).any()
