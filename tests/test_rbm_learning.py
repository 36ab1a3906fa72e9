"""Learning restricted Boltzmann machines: gradients against enumeration, and what each option changes."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest

from ebm_plugins import rbm_learning as learning
from ebm_plugins.datasets import register_datasets
from ebm_plugins.families.rbm import TrainConfig
from ebm_plugins.families.rbm_studies import exact_gradient, flat
from ebm_plugins.rbm_core import free_energy, hidden_probability, log_partition, machine, visible_mean


def bars(n: int) -> np.ndarray:
    return next(d for d in register_datasets() if d.key == f"bars-and-stripes-{n}x{n}").load().x


def log_likelihood(params: dict[str, np.ndarray], x: np.ndarray) -> float:
    return -float(free_energy(params, x).mean()) - log_partition(params)


def learned(x: np.ndarray, seed: int = 0, **values: Any) -> dict[str, np.ndarray]:
    config = TrainConfig(**{"hidden": 8, "batch": 14, "learning_rate": 0.3, "schedule": "constant", **values})
    return learning.learn(x, config, np.random.default_rng(seed))


def perturbed(params: dict[str, np.ndarray], step: np.ndarray) -> dict[str, np.ndarray]:
    cells, hidden = params["weights"].shape
    cut = cells * hidden
    return {
        **params,
        "weights": params["weights"] + step[:cut].reshape(cells, hidden),
        "visible_bias": params["visible_bias"] + step[cut : cut + cells],
        "hidden_bias": params["hidden_bias"] + step[cut + cells :],
    }


def test_the_gradient_is_that_of_the_exact_log_likelihood():
    """Finite differences of log p by enumeration, in every parameter."""
    x = bars(2)
    params = learned(x, hidden=3, epochs=30)
    slope = exact_gradient(params, x)
    for k in range(len(slope)):
        step = np.zeros(len(slope))
        step[k] = 1e-5
        numeric = (
            log_likelihood(perturbed(params, step), x) - log_likelihood(perturbed(params, -step), x)
        ) / 2e-5
        assert slope[k] == pytest.approx(numeric, abs=1e-8)


def expected_cd(params: dict[str, np.ndarray], x: np.ndarray, k: int) -> np.ndarray:
    """The expectation of the CD-k step, with the sweep v → h → v as a matrix over all visible states."""
    m = machine(params)
    cells, hidden = params["weights"].shape
    v = np.array(list(product((0.0, 1.0), repeat=cells)))
    h = np.array(list(product((0.0, 1.0), repeat=hidden)))
    on_h, on_v = hidden_probability(m, v), visible_mean(m, h)
    to_h = np.prod(np.where(h[None] == 1, on_h[:, None], 1 - on_h[:, None]), axis=2)
    to_v = np.prod(np.where(v[None] == 1, on_v[:, None], 1 - on_v[:, None]), axis=2)
    share = np.array([(x == state).all(axis=1).mean() for state in v])
    after = share @ np.linalg.matrix_power(to_h @ to_v, k)
    model = ((after[:, None] * v).T @ on_h, after @ v, after @ on_h)
    return flat(learning.difference(learning.statistics(x, hidden_probability(m, x)), model))


@pytest.fixture(scope="module")
def half_learned() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    return bars(2), learned(bars(2), hidden=4, epochs=1000, initial_weights=0.3, k=5, chains=200)


def test_cd_k_tends_to_the_exact_gradient(half_learned):
    x, params = half_learned
    exact = exact_gradient(params, x)
    errors = [np.linalg.norm(expected_cd(params, x, k) - exact) for k in (1, 2, 5, 20, 100, 1000)]
    assert all(a > b for a, b in pairwise(errors))
    assert errors[0] > 0.5 * np.linalg.norm(exact)
    assert errors[-1] < 1e-12


@pytest.mark.parametrize("k", [1, 3])
def test_the_cd_step_is_on_average_the_expected_one(half_learned, k):
    """40,000 chains a row, 240,000 in all; each statistic lies in [0, 1], so all 24 are within 0.0065 but for a
    false alarm of 48·exp(−2·240,000·0.0065²) = 8e-8 (Hoeffding)."""
    x, params = half_learned
    m, rng = machine(params, np.float32), np.random.default_rng(0)
    rows = np.repeat(x.astype(np.float32), 40_000, axis=0)
    config = TrainConfig(method="cd", k=k)
    p = hidden_probability(m, rows)
    end, _ = learning.negative(m, p, rows[:1], config, rng, 0)
    step = flat(
        learning.difference(
            learning.statistics(rows, p), learning.statistics(end, hidden_probability(m, end))
        )
    )
    np.testing.assert_allclose(step, expected_cd(params, x, k), atol=0.0065)


@pytest.mark.parametrize("method", ["pcd", "tempering"])
def test_persistent_chains_settle_on_the_exact_gradient(half_learned, method):
    """40,000 chains, 50 sweeps at fixed params (bias under 0.002): within 0.015 of the exact gradient in
    all 24 entries but for a false alarm of 48·exp(−2·40,000·0.015²) = 7e-7 (Hoeffding). The expected
    step of CD-1 would fail here."""
    x, params = half_learned
    m, rng = machine(params, np.float32), np.random.default_rng(0)
    config = TrainConfig(method=method, k=50, chains=2000, replicas=3)
    rows = x.astype(np.float32)
    p = hidden_probability(m, rows)
    begin = learning._particles(m, rows, config.model_copy(update={"chains": 40_000}), rng)
    end, _ = learning.negative(m, p, begin, config, rng, 0)
    step = flat(
        learning.difference(
            learning.statistics(rows, p), learning.statistics(end, hidden_probability(m, end))
        )
    )
    exact = exact_gradient(params, x)
    np.testing.assert_allclose(step, exact, atol=0.015)
    assert np.abs(expected_cd(params, x, 1) - exact).max() > 0.015


def flipped(params: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The machine that gives 1 − v the probability that this one gives v."""
    return {
        "weights": -params["weights"],
        "visible_bias": -params["visible_bias"],
        "hidden_bias": params["hidden_bias"] + params["weights"].sum(axis=0),
        "base_bias": -params["base_bias"],
    }


def test_the_flipped_machine_is_the_same_but_for_the_bits():
    x = bars(3)
    params = learned(x, epochs=50)
    assert log_likelihood(flipped(params), 1 - x) == pytest.approx(log_likelihood(params, x), abs=1e-10)


def flipped_step(slope: tuple[Any, ...]) -> tuple[Any, ...]:
    return -slope[0], -slope[1], slope[2] + slope[0].sum(axis=0)


@pytest.mark.parametrize("centering", [True, False])
def test_centered_steps_are_blind_to_flipping_the_bits_and_plain_ones_are_not(centering):
    """A step from data x, and one from 1 − x of the flipped machine, lead to machines that are flips of each other
    (to 1e-12 in exact gradients) with centering, and only with it."""
    x = bars(3)[:9]
    params = learned(x, epochs=50)

    def step(params: dict[str, np.ndarray], x: np.ndarray) -> tuple[Any, ...]:
        from ebm_plugins.rbm_core import expected_statistics

        p = hidden_probability(machine(params), x)
        slope = learning.difference(learning.statistics(x, p), expected_statistics(params))
        return learning.centred(slope, x.mean(axis=0), p.mean(axis=0)) if centering else slope

    here, there = flipped_step(step(params, x)), step(flipped(params), 1 - x)
    off = max(float(np.abs(a - b).max()) for a, b in zip(here, there, strict=True))
    assert off < 1e-7 if centering else off > 0.01  # sums over batches are in float32


@pytest.mark.parametrize("centering", [True, False])
@pytest.mark.parametrize("chains", [0, 7])
def test_the_one_product_gives_the_gradient_of_its_parts(centering, chains):
    """The signed, stacked product of an update against statistics taken one by one in float64, times the rate. Its
    sums over 12 numbers below 1 are in float32: to 2e-6."""
    rng, config = (
        np.random.default_rng(0),
        TrainConfig(hidden=4, method="pcd" if chains else "cd", chains=chains or 1),
    )
    m = learning.initial(bars(2), config, False, rng)
    desk = learning._desk(m, 5, config)
    end, data = desk.rows(5)
    desk.v[: data.stop] = rng.integers(0, 2, (data.stop, 4))
    desk.p[: data.stop] = rng.random((data.stop, 4))
    offsets = rng.random(4).astype(np.float32), rng.random(4).astype(np.float32)
    v, p = desk.v.astype(float), desk.p.astype(float)
    want = learning.difference(learning.statistics(v[data], p[data]), learning.statistics(v[end], p[end]))
    want = learning.centred(want, *offsets) if centering else want
    got = learning.slope(desk, end, data, 0.5, offsets if centering else None)
    np.testing.assert_allclose(flat(got), 0.5 * flat(want), atol=2e-6)


def test_centering_keeps_the_direction_of_ascent():
    """The centered gradient has a positive product with the plain one: it climbs too."""
    x = bars(3)
    params = learned(x, epochs=30)
    p = hidden_probability(machine(params), x)
    from ebm_plugins.rbm_core import expected_statistics

    slope = learning.difference(learning.statistics(x, p), expected_statistics(params))
    assert flat(slope) @ flat(learning.centred(slope, x.mean(axis=0), p.mean(axis=0))) > 0


# --- Every option changes the result in the known direction --------------------------------------------------

SLOW = {"learning_rate": 0.05, "epochs": 400, "initial_weights": 0.3}  # stops well before it has learned


def test_more_sweeps_or_persistent_chains_learn_better_than_cd_1():
    """Bars and stripes 3×3 (best −2.639), mean of the seeds 0 to 2: CD-1 stays behind CD-10, PCD and tempering by over
    0.15 nats. (Single seeds differ by 0.13 to 0.25.)"""
    x = bars(3)
    common = {"hidden": 16, "epochs": 2000, "learning_rate": 0.2, "schedule": "linear"}

    def reached(**values: Any) -> float:
        return float(np.mean([log_likelihood(learned(x, seed, **values, **common), x) for seed in range(3)]))

    short = reached(method="cd", k=1)
    for better in (
        {"method": "cd", "k": 10},
        {"method": "pcd", "k": 2, "chains": 300},
        {"method": "tempering", "k": 1, "chains": 100, "replicas": 4},
    ):
        assert reached(**better) > short + 0.15, better


def test_more_replicas_and_more_chains_change_what_is_kept():
    m = machine(learned(bars(2), hidden=3, epochs=5), np.float32)
    rows = bars(2).astype(np.float32)
    for chains, replicas in ((7, 2), (20, 5)):
        config = TrainConfig(method="tempering", chains=chains, replicas=replicas)
        assert learning._particles(m, rows, config, np.random.default_rng(0)).shape == (replicas, chains, 4)


def test_more_chains_make_a_steadier_gradient():
    """Standard deviation of the PCD step over repetitions falls as 1/√chains: 16 times the chains, a quarter of it
    (within 30 %, over 6 standard errors of a deviation from 200 × 24 numbers)."""
    x = bars(2)
    params = learned(x, hidden=4, epochs=300)
    m, rows, rng = machine(params, np.float32), x.astype(np.float32), np.random.default_rng(0)
    p = hidden_probability(m, rows)

    def spread(chains: int) -> float:
        config = TrainConfig(method="pcd", k=20, chains=chains)
        ends = []
        for _ in range(200):
            end, _ = learning.negative(m, p, learning._particles(m, rows, config, rng), config, rng, 0)
            ends.append(flat(learning.statistics(end, hidden_probability(m, end))))
        return float(np.std(ends, axis=0).mean())

    assert spread(20) / spread(320) == pytest.approx(4, rel=0.3)


def test_hidden_units_buy_likelihood():
    x = bars(3)
    few, many = (log_likelihood(learned(x, hidden=h, k=3, chains=200, epochs=1000), x) for h in (2, 16))
    assert many > few + 0.5


def test_momentum_goes_further_in_the_same_time():
    """The median of the seeds 0 to 4: chains lag behind the larger steps, and a single seed may end lower."""
    x = bars(3)
    slow, fast = (
        np.median([log_likelihood(learned(x, seed, **SLOW, momentum=m), x) for seed in range(5)])
        for m in (0.0, 0.9)
    )
    assert fast > slow + 0.5


def test_learning_rate_and_epochs_go_further():
    x = bars(3)
    base = log_likelihood(learned(x, **SLOW), x)
    assert log_likelihood(learned(x, **{**SLOW, "learning_rate": 0.2}), x) > base + 0.5
    assert log_likelihood(learned(x, **{**SLOW, "epochs": 2000}), x) > base + 0.5


def test_smaller_batches_make_more_steps():
    x = bars(3)
    large, small = (log_likelihood(learned(x, **{**SLOW, "batch": b}), x) for b in (14, 2))
    assert small > large + 0.5


def test_schedules_end_with_the_steps_they_say():
    config = {
        name: TrainConfig(schedule=name, learning_rate=0.2) for name in ("constant", "linear", "inverse")
    }
    rate = learning.learning_rate
    assert [rate(config["constant"], t) for t in (0.0, 0.5, 1.0)] == [0.2, 0.2, 0.2]
    assert [rate(config["linear"], t) for t in (0.0, 0.5, 1.0)] == [0.2, 0.1, 0.0]
    assert rate(config["inverse"], 1.0) == pytest.approx(0.02)
    steps = {}
    for name in config:
        asked = TrainConfig(hidden=8, epochs=200, batch=14, learning_rate=0.3, schedule=name)
        machines = list(learning.epochs(bars(3), asked, False, np.random.default_rng(0)))
        steps[name] = np.abs(machines[-1].weights - machines[-2].weights).mean()
    assert steps["linear"] < 0.1 * steps["constant"]
    assert steps["linear"] < steps["inverse"] < 0.5 * steps["constant"]


def test_weight_decay_keeps_weights_small():
    norms = [
        np.linalg.norm(learned(bars(3), epochs=500, weight_decay=d)["weights"]) for d in (0.0, 0.01, 0.1)
    ]
    assert norms[0] > 1.2 * norms[1] > 1.4 * norms[2]


def test_sparsity_brings_hidden_units_to_their_target():
    x = bars(3)

    def activity(**values: Any) -> float:
        return float(hidden_probability(machine(learned(x, epochs=800, **values)), x).mean())

    free = activity()
    assert abs(activity(sparsity=5.0, sparsity_target=0.1) - 0.1) < 0.3 * abs(free - 0.1)
    assert abs(activity(sparsity=5.0, sparsity_target=0.8) - 0.8) < 0.3 * abs(free - 0.8)


def test_initial_weights_and_biases_are_as_asked():
    x = bars(3)[:5]
    rng = np.random.default_rng(0)
    m = learning.initial(x, TrainConfig(hidden=500, initial_weights=0.2), False, rng)
    assert m.weights.std() == pytest.approx(0.2, rel=0.05)  # 4,500 draws: 1 % standard error
    assert not learning.initial(x, TrainConfig(start_at_data=False), False, rng).visible_bias.any()
    odds = 1 / (1 + np.exp(-m.visible_bias))
    np.testing.assert_allclose(odds, (x.sum(axis=0) + 0.5) / 6, atol=1e-6)


# --- Real visible units -----------------------------------------------------------------------------------------


def test_standard_units_and_back_change_the_energy_by_a_constant():
    rng = np.random.default_rng(0)
    x = rng.normal(3.0, 20.0, (50, 4))
    mean, size = learning.standard_units(x)
    params = {
        "weights": rng.normal(size=(4, 3)), "visible_bias": rng.normal(size=4), "hidden_bias": rng.normal(size=3),
        "base_bias": np.zeros(4), "scale": rng.uniform(0.5, 1.5, 4),
    }  # fmt: skip
    back = learning.from_standard(params, mean, size)
    gap = free_energy(back, x) - free_energy(params, (x - mean) / size)
    np.testing.assert_allclose(gap, gap[0], atol=1e-9)
    assert log_partition(back) - gap[0] == pytest.approx(log_partition(params) + 4 * np.log(size), abs=1e-9)


def gaussian(x: np.ndarray, seed: int = 0, **values: Any) -> dict[str, np.ndarray]:
    config = TrainConfig(
        **{"hidden": 1, "method": "tempering", "learning_rate": 0.05, "epochs": 100, **values}
    )
    m = None
    for m in learning.epochs(x, config, True, np.random.default_rng(seed)):  # noqa: B007
        pass
    return m.params()


def two_clusters() -> np.ndarray:
    """500 points about ±1 on a line in three dimensions, with standard deviation 0.3 about each."""
    rng = np.random.default_rng(5)
    x = np.sign(rng.normal(size=(500, 1))) + 0.3 * rng.normal(size=(500, 3))
    return x - x.mean(axis=0)


def test_a_gaussian_machine_finds_two_clusters_and_their_width():
    """log p beats the best Gaussian's, and the learned σ is the clusters' 0.3 (to 15 %), not the data's 1.04."""
    x = two_clusters()
    params = gaussian(x)
    covariance = np.cov(x.T)
    best = -0.5 * (np.linalg.slogdet(2 * np.pi * covariance)[1] + 3)
    assert log_likelihood(params, x) > best + 1.0
    np.testing.assert_allclose(params["scale"], 0.3, rtol=0.15)


def test_between_far_clusters_persistent_chains_lag_and_tempered_ones_do_not():
    """No chain crosses by itself, so the hidden bias that weighs the clusters runs away under PCD, to and fro: the
    median of the seeds 0 to 4 is far off, the best of them need not be."""
    x = two_clusters()
    alone = [log_likelihood(gaussian(x, seed, method="pcd", epochs=300), x) for seed in range(5)]
    assert log_likelihood(gaussian(x), x) > np.median(alone) + 0.5


def test_scale_is_kept_where_it_is_not_learned_and_learned_scale_fits_better():
    x = two_clusters()
    fixed = gaussian(x, learn_scale=False, noise=0.7)
    np.testing.assert_allclose(fixed["scale"], 0.7, rtol=1e-6)
    assert log_likelihood(gaussian(x, noise=0.7), x) > log_likelihood(fixed, x) + 0.3


def test_the_step_of_log_variance_is_the_exact_slope():
    """Finite differences of the exact log-likelihood in log σ², against the statistic under exact draws.

    200,000 draws: within 0.05, over 6 standard errors of each of the two means."""
    from ebm_plugins.rbm_core import exact_draws

    x = two_clusters()
    params = gaussian(x, epochs=5)
    rng = np.random.default_rng(0)
    m = machine(params, np.float64)
    draws = exact_draws(params, 200_000, rng)
    sides = [(v, hidden_probability(m, v)) for v in (x, draws)]
    slope = 2 * np.log(learning.rescaled(m, *sides, 1e-3).astype(float) / m.scale) / 1e-3
    for i in range(3):
        step = np.zeros(3)
        step[i] = 1e-4
        up, down = ({**params, "scale": params["scale"] * np.exp(s * step / 2)} for s in (1, -1))
        numeric = (log_likelihood(up, x) - log_likelihood(down, x)) / 2e-4
        assert slope[i] == pytest.approx(np.clip(numeric, -1, 1), abs=0.05)


@pytest.mark.parametrize("method", ["cd", "pcd"])
def test_a_batch_in_parts_learns_as_well_and_threads_change_no_bit(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two machines whose batches were cut in two, one part's last batch of one row empty; in one thread and in two. One
    that forgot a part of the rows, or learned from its data as its states, would not come near the likelihood."""
    from threadpoolctl import threadpool_limits

    x = bars(2)
    rows = np.concatenate([x, x, x[:1]])
    whole = learned(rows, method=method, epochs=400, batch=6, chains=12)
    monkeypatch.setattr(learning, "SHARED", 1)
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            found.append(learned(rows, method=method, epochs=400, batch=6, chains=12))
    for name, array in found[0].items():
        np.testing.assert_array_equal(array, found[1][name])
    assert log_likelihood(found[0], x) == pytest.approx(log_likelihood(whole, x), abs=0.15)
    start = learned(rows, method=method, epochs=1, batch=6, chains=12)
    assert log_likelihood(whole, x) > log_likelihood(start, x) + 0.2
