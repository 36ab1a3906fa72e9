"""Hamiltonian Monte Carlo on a Gaussian, where a leapfrog is a rotation and everything can be written down."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ebm_plugins import Target, Vectors
from ebm_plugins.samplers import hmc

SIGMAS = 5.5  # two-sided false alarm 4e-8 each


def gaussian(dim: int = 1) -> Target:
    return Target(energy=lambda x: 0.5 * (x * x).sum(axis=1), gradient=lambda x: 1.0 * x, space=Vectors(dim))


def step(x: np.ndarray, seed: int = 0, **values) -> tuple[np.ndarray, float]:
    (found,) = hmc.sample(gaussian(x.shape[1]), hmc.Config(steps=1, **values), np.random.default_rng(seed), x)
    return found.value, found.metrics["acceptance"]


@pytest.mark.parametrize("leapfrogs", [1, 4, 9])
def test_more_leapfrogs_turn_further(leapfrogs: int) -> None:
    """A leapfrog of size ε turns phase space by θ, cos θ = 1 − ε²/2; at ε = 0.1 almost nothing is refused, so the
    correlation of a step is cos(Lθ). 100,000 pairs, standard error under √(2/n). False alarm 4e-8 each."""
    x = np.random.default_rng(1).standard_normal((100_000, 1))
    moved, rate = step(x, step_size=0.1, leapfrogs=leapfrogs)
    assert rate > 0.998
    turned = math.cos(leapfrogs * math.acos(1 - 0.1**2 / 2))
    assert float((x * moved).mean()) == pytest.approx(turned, abs=SIGMAS * math.sqrt(2 / len(x)) + 2e-3)


def test_an_orbit_that_closes_goes_nowhere_until_the_step_is_jittered() -> None:
    """ε = 1 turns by 60°: six leapfrogs come home exactly. Jitter is there to break this."""
    x = np.random.default_rng(2).standard_normal((5000, 1))
    home, rate = step(x, step_size=1.0, leapfrogs=6)
    assert rate == 1.0
    assert np.allclose(home, x, atol=1e-12)
    moved, _ = step(x, step_size=1.0, leapfrogs=6, jitter=0.3)
    assert ((moved - x) ** 2).mean() > 0.5


@pytest.mark.parametrize(
    "values", [{"step_size": 1.5, "leapfrogs": 3}, {"step_size": 1.0, "leapfrogs": 6, "jitter": 1.0}]
)
def test_variance_stays_one_at_any_step_size(values) -> None:
    """Exact start, 20 steps, 100,000 chains. False alarm 4e-8 each."""
    x = np.random.default_rng(3).standard_normal((100_000, 1))
    (found,) = hmc.sample(gaussian(), hmc.Config(steps=20, every=20, **values), np.random.default_rng(4), x)
    assert np.mean(found.value**2) == pytest.approx(1, rel=SIGMAS * math.sqrt(2 / 100_000))


def test_past_the_stability_limit_everything_is_refused() -> None:
    """ε > 2: the leapfrog grows without bound."""
    x = np.random.default_rng(5).standard_normal((1000, 1))
    moved, rate = step(x, step_size=3.0, leapfrogs=50)
    assert rate == 0
    assert (moved == x).all()


def test_leapfrogs_by_the_book() -> None:
    """Against a plain leapfrog of one particle at a time."""
    rng, eps = np.random.default_rng(6), 0.4
    force = lambda x: x**3 - x  # noqa: E731
    target = Target(
        energy=lambda x: (0.25 * x**4 - 0.5 * x**2).sum(axis=1), gradient=lambda x: x**3 - x, space=Vectors(1)
    )
    x, push = rng.standard_normal((2, 40, 1))

    class Given:
        def normal(self, like: np.ndarray) -> np.ndarray:
            return push.copy()

        def uniform(self, n: int) -> np.ndarray:
            return np.zeros(n) + 1e-300  # accept whatever comes

    start = hmc.Adjusted(x, target.energy(x), target.gradient(x), 0)
    moved = hmc.step(target, start, Given(), eps, 5).x
    for i in range(40):
        q, p = x[i, 0], push[i, 0]
        for _ in range(5):
            p -= eps / 2 * force(q)
            q += eps * p
            p -= eps / 2 * force(q)
        assert moved[i, 0] == pytest.approx(q, rel=1e-9)


def test_warm_up_tunes_the_leapfrog() -> None:
    x = np.random.default_rng(7).standard_normal((4000, 5))
    for eps in (0.01, 3.0):
        config = hmc.Config(
            step_size=eps, leapfrogs=3, steps=300, every=50, warmup=200, target_acceptance=0.7
        )
        *_, found = hmc.sample(gaussian(5), config, np.random.default_rng(8), x)
        assert found.metrics["acceptance"] == pytest.approx(0.7, abs=0.03)
