"""Learned wells: the gradient of the likelihood, that learning raises the exact one, and what each option does."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ebm_plugins import Data, Plane, wells
from ebm_plugins.families import langevin


def some_params(rng: np.random.Generator, k: int = 3) -> dict[str, np.ndarray]:
    return {
        "centres": rng.standard_normal((k, 2)), "heights": rng.uniform(0.5, 3, k), "widths": rng.uniform(0.4, 1.2, k),
        "confinement": np.array([0.3]),
    }  # fmt: skip


def two_clumps(n: int, seed: int, apart: float = 1.5) -> np.ndarray:
    """70 % of the rows about (−apart, 0), the others about (apart, 0), standard deviation 0.35."""
    rng = np.random.default_rng(seed)
    side = np.where(rng.random(n) < 0.7, -apart, apart)
    return np.stack([side, np.zeros(n)], axis=1) + 0.35 * rng.standard_normal((n, 2))


def learn(seed: int = 0, **values) -> list:
    config = langevin.TrainConfig(
        landscape="learned", **{"epochs": 100, "wells": 4, "chains": 300, "confinement": 0.3, **values}
    )
    data = Data(x=two_clumps(1000, 1), space=Plane(), test_x=two_clumps(1000, 2))
    return list(langevin.train(data, config, np.random.default_rng(seed)))


def test_slopes_are_the_derivatives_of_the_mean_energy() -> None:
    """By central differences in the centres, log heights and log widths, to 1e-8."""
    rng, h = np.random.default_rng(0), 1e-5
    params, x = some_params(rng), rng.standard_normal((40, 2))
    exact = wells.slopes(params, x)
    for name in wells.MOVED:
        for index in np.ndindex(params[name].shape):
            means = []
            for sign in (1, -1):
                moved = {key: value.copy() for key, value in params.items()}
                if name == "centres":
                    moved[name][index] += sign * h
                else:
                    moved[name][index] *= math.exp(sign * h)
                means.append(wells.energy(moved, x).mean())
            assert exact[name][index] == pytest.approx((means[0] - means[1]) / (2 * h), abs=1e-8)


def test_the_likelihoods_gradient_is_the_difference_of_two_means() -> None:
    """∂ mean log p = ⟨∂E⟩_model − ⟨∂E⟩_data, the model's mean by a grid, against differences of the exact one."""
    rng, h = np.random.default_rng(1), 1e-4
    params, x = some_params(rng), rng.standard_normal((30, 2))
    axis = np.linspace(-9, 9, 401)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    p = np.exp(-wells.energy(params, grid))
    p /= p.sum()
    depths = params["heights"] * np.exp(
        -((grid[:, None, :] - params["centres"]) ** 2).sum(axis=2) / (2 * params["widths"] ** 2)
    )
    model = -p @ depths
    ascent = model - wells.slopes(params, x)["heights"]

    def log_likelihood(moved: dict[str, np.ndarray]) -> float:
        return -float(wells.energy(moved, x).mean()) - wells.log_partition_on_the_plane(moved)

    for k in range(3):
        up, down = ({**params, "heights": params["heights"] * np.exp(s * h * np.eye(3)[k])} for s in (1, -1))
        assert ascent[k] == pytest.approx((log_likelihood(up) - log_likelihood(down)) / (2 * h), abs=1e-6)


def test_learning_raises_the_exact_likelihood_past_the_best_gaussian() -> None:
    """Held out too. The best Gaussian has −½ log det 2πeΣ nats; the clumps are far from it."""
    snapshots = learn(epochs=200)
    x = two_clumps(1000, 1)
    gaussian = -0.5 * np.linalg.slogdet(2 * math.pi * math.e * np.cov(x.T))[1]
    first, last = snapshots[0].metrics, snapshots[-1].metrics
    assert last["log-likelihood"] > max(gaussian + 0.3, first["log-likelihood"] + 0.5)
    assert last["held-out log-likelihood"] > gaussian + 0.3
    # entropy of the true mixture: no model can beat it on fresh data by more than the data's own noise
    entropy = math.log(2 * math.pi * math.e * 0.35**2) - 0.7 * math.log(0.7) - 0.3 * math.log(0.3)
    assert last["held-out log-likelihood"] < -entropy + 5 / math.sqrt(1000)


def left_share(apart: float) -> tuple[float, float]:
    """How much of the data, and of the learned model, is on the left."""
    x = two_clumps(1000, 1, apart)
    config = langevin.TrainConfig(
        landscape="learned", epochs=300, wells=4, chains=1000, confinement=0.3, short_run=40, short_step=0.05
    )
    *_, last = langevin.train(Data(x=x, space=Plane()), config, np.random.default_rng(0))
    axis = np.linspace(-6, 6, 301)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    p = np.exp(-wells.energy(last.value, grid))
    return float((x[:, 0] < 0).mean()), float(p[grid[:, 0] < 0].sum() / p.sum())


def test_clumps_that_chains_can_cross_between_get_their_share() -> None:
    """At the maximum of the likelihood the shares agree but for what four wells cannot express. The mean over 1,000
    chains has standard error 0.015 in each epoch; Adam averages about a hundred epochs: 0.05 is far outside chance."""
    data, model = left_share(0.8)
    assert model == pytest.approx(data, abs=0.05)


def test_snapshots_one_an_epoch_with_their_metrics_and_no_array_edited_later() -> None:
    seen = []
    config = langevin.TrainConfig(landscape="learned", epochs=25, wells=3, chains=50, confinement=0.3)
    data = Data(x=two_clumps(200, 1), space=Plane(), test_x=two_clumps(50, 2))
    for snapshot in langevin.train(data, config, np.random.default_rng(0)):
        seen.append((snapshot, {name: value.copy() for name, value in snapshot.value.items()}))
        assert snapshot.metrics["energy gap"] == pytest.approx(
            snapshot.metrics["model energy"] - snapshot.metrics["data energy"]
        )
    assert len(seen) == 25
    assert all((snapshot.value[name] == copy[name]).all() for snapshot, copy in seen for name in copy)
    assert "held-out log-likelihood" in seen[-1][0].metrics


def final(**values) -> float:
    return learn(**values)[-1].metrics["log-likelihood"]


def test_a_higher_learning_rate_learns_sooner() -> None:
    assert final(epochs=15, learning_rate=0.03) > final(epochs=15, learning_rate=0.003) + 0.02


def test_more_epochs_learn_more() -> None:
    assert final(epochs=120) > final(epochs=10) + 0.05


def test_more_wells_fit_a_ring_better() -> None:
    turn = np.random.default_rng(3).uniform(0, 2 * math.pi, 1000)
    x = 1.4 * np.stack([np.cos(turn), np.sin(turn)], axis=1) + 0.1 * np.random.default_rng(4).standard_normal(
        (1000, 2)
    )
    found = []
    for count in (1, 3, 16):
        config = langevin.TrainConfig(
            landscape="learned", epochs=150, wells=count, chains=300, confinement=0.5
        )
        *_, last = langevin.train(Data(x=x, space=Plane()), config, np.random.default_rng(0))
        found.append(last.metrics["log-likelihood"])
    assert found[0] + 0.05 < found[1] < found[2] - 0.05


def test_longer_short_runs_and_larger_steps_keep_the_chains_with_the_model() -> None:
    """Chains that hardly move still sit on the data when the wells have moved on: the exact mean energy of the
    model is further from theirs."""

    def lag(**values) -> float:
        last = learn(epochs=60, learning_rate=0.05, **values)[-1]
        axis = np.linspace(-8, 8, 321)
        grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        energies = wells.energy(last.value, grid)
        p = np.exp(-energies - (-energies).max())
        p /= p.sum()
        return abs(last.metrics["model energy"] - float(p @ energies))

    assert lag(short_run=1, short_step=0.001) > 2 * lag(short_run=40, short_step=0.03)


def test_the_bias_of_unadjusted_steps_goes_into_the_model() -> None:
    """At a long step the adjusted chains give the better exact likelihood."""
    values = {"epochs": 200, "short_step": 0.2, "learning_rate": 0.03}
    assert final(adjusted=True, **values) > final(adjusted=False, **values) + 0.05


def test_more_chains_make_the_gradient_less_noisy() -> None:
    """Spread of the last energy gap over seeds: 10 chains against 1,000, in theory a factor of 10."""
    gaps = {
        n: [learn(seed=s, epochs=5, chains=n)[-1].metrics["model energy"] for s in range(8)]
        for n in (10, 1000)
    }
    assert np.std(gaps[10]) > np.std(gaps[1000])


def test_a_bound_on_the_curvature_of_one_well() -> None:
    params = {
        "centres": np.zeros((1, 2)),
        "heights": np.array([3.0]),
        "widths": np.array([0.5]),
        "confinement": np.array([0.2]),
    }
    slope = wells.gradient(params, np.array([[1e-6, 0.0]]))[0, 0] / 1e-6
    assert wells.stiffness(params) == pytest.approx(slope, rel=1e-6)
