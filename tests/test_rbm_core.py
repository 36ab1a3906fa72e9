"""Energies, conditionals and exact answers of restricted Boltzmann machines, each by an independent route."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from ebm_plugins import rbm_core as core
from ebm_plugins import rbm_tempering as tempering
from ebm_plugins.exact import floor, state_index, total_variation
from ebm_plugins.rbm_core import free_energy, log_partition, machine

SIZES = [(6, 4), (3, 7), (1, 1), (9, 12)]


def random_params(cells: int, hidden: int, seed: int = 0, size: float = 1.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "weights": size * rng.normal(size=(cells, hidden)),
        "visible_bias": rng.normal(size=cells),
        "hidden_bias": rng.normal(size=hidden),
        "base_bias": rng.normal(size=cells),
    }


def gaussian_params(cells: int, hidden: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {**random_params(cells, hidden, seed), "scale": rng.uniform(0.6, 1.4, cells)}


def all_states(units: int) -> np.ndarray:
    return np.array(list(product((0.0, 1.0), repeat=units)))


def joint_energy(params: dict[str, np.ndarray], v: np.ndarray, h: np.ndarray) -> float:
    """E(v, h), written out from its definition for one v and one h."""
    w, b, c = params["weights"], params["visible_bias"], params["hidden_bias"]
    if "scale" not in params:
        return float(-b @ v - c @ h - v @ w @ h)
    s2 = params["scale"] ** 2
    return float((((v - b) ** 2) / (2 * s2)).sum() - c @ h - (v / s2) @ w @ h)


@pytest.mark.parametrize(("cells", "hidden"), [(6, 4), (3, 7)])
@pytest.mark.parametrize("make", [random_params, gaussian_params])
def test_free_energy_is_minus_log_of_the_sum_over_hidden_states(make, cells, hidden):
    params = make(cells, hidden)
    rng = np.random.default_rng(1)
    x = rng.integers(0, 2, (5, cells)).astype(float) if make is random_params else rng.normal(size=(5, cells))
    want = [-np.log(sum(np.exp(-joint_energy(params, v, h)) for h in all_states(hidden))) for v in x]
    np.testing.assert_allclose(free_energy(params, x), want, rtol=1e-12)


@pytest.mark.parametrize(("cells", "hidden"), SIZES)
def test_log_partition_is_the_sum_over_all_visible_states(cells, hidden):
    params = random_params(cells, hidden)
    want = np.logaddexp.reduce(-free_energy(params, all_states(cells)))
    assert log_partition(params) == pytest.approx(want, abs=1e-10)


def test_log_partition_of_huge_weights_takes_the_safe_route():
    params = random_params(8, 11, size=200.0)
    want = np.logaddexp.reduce(-free_energy(params, all_states(8)))
    assert log_partition(params) == pytest.approx(want, rel=1e-12)


def test_log_partition_of_a_gaussian_machine_is_the_integral():
    params = gaussian_params(2, 5)
    grid, step = np.linspace(-16, 16, 641, retstep=True)
    x = np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2)
    want = np.logaddexp.reduce(-free_energy(params, x)) + 2 * np.log(step)
    assert log_partition(params) == pytest.approx(want, abs=1e-9)


def test_without_weights_log_partition_has_a_closed_form():
    params = random_params(10, 6)
    params["weights"][:] = 0
    want = np.log1p(np.exp(params["visible_bias"])).sum() + np.log1p(np.exp(params["hidden_bias"])).sum()
    assert log_partition(params) == pytest.approx(want, abs=1e-12)
    params["scale"] = np.linspace(0.5, 2, 10)
    want = (
        0.5 * np.log(2 * np.pi * params["scale"] ** 2).sum() + np.log1p(np.exp(params["hidden_bias"])).sum()
    )
    assert log_partition(params) == pytest.approx(want, abs=1e-12)


def test_log_partition_ends_at_twenty_units_of_the_smaller_layer():
    assert log_partition(random_params(21, 21)) is None
    assert log_partition(random_params(4, 30)) is not None
    assert log_partition(gaussian_params(4, 21)) is None


@pytest.mark.parametrize("make", [random_params, gaussian_params])
def test_gradient_equals_finite_differences(make):
    params = make(5, 4)
    x = np.random.default_rng(2).normal(size=(7, 5))
    slope = core.gradient(params, x)
    for i in range(5):
        step = np.zeros(5)
        step[i] = 1e-6
        numeric = (free_energy(params, x + step) - free_energy(params, x - step)) / 2e-6
        np.testing.assert_allclose(slope[:, i], numeric, atol=1e-7)


def test_energy_keeps_float32_takes_no_rows_and_edits_nothing():
    params = random_params(5, 4)
    x = all_states(5)
    before = x.copy()
    assert free_energy(params, x.astype(np.float32)).dtype == np.float32
    assert free_energy(params, x).dtype == np.float64
    assert free_energy(params, x[:0]).shape == (0,)
    assert core.gradient(params, x[:0]).shape == (0, 5)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_allclose(free_energy(params, x.astype(np.float32)), free_energy(params, x), atol=1e-5)


def test_pseudo_log_likelihood_by_its_definition():
    params = random_params(6, 3)
    x = all_states(6)[::5]
    total = []
    for v in x:
        own = np.exp(-free_energy(params, v[None])[0])
        for i in range(6):
            other = v.copy()
            other[i] = 1 - other[i]
            total.append(np.log(own / (own + np.exp(-free_energy(params, other[None])[0]))))
    assert core.pseudo_log_likelihood(params, x) == pytest.approx(np.sum(total) / len(x), abs=1e-10)


def test_expected_statistics_by_summing_over_both_layers():
    for cells, hidden in ((4, 3), (3, 5)):
        params = random_params(cells, hidden)
        pairs = [(v, h) for v in all_states(cells) for h in all_states(hidden)]
        p = np.exp([-joint_energy(params, v, h) for v, h in pairs])
        p /= p.sum()
        vh, v, h = core.expected_statistics(params)
        np.testing.assert_allclose(
            vh, sum(q * np.outer(*pair) for q, pair in zip(p, pairs, strict=True)), atol=1e-12
        )
        np.testing.assert_allclose(v, sum(q * pair[0] for q, pair in zip(p, pairs, strict=True)), atol=1e-12)
        np.testing.assert_allclose(h, sum(q * pair[1] for q, pair in zip(p, pairs, strict=True)), atol=1e-12)


def exact_probabilities(params: dict[str, np.ndarray]) -> np.ndarray:
    logs = -free_energy(params, all_states(len(params["visible_bias"])))
    return np.exp(logs - np.logaddexp.reduce(logs))


def test_a_sweep_is_reversible_with_respect_to_p():
    """The kernel v → h → v written down as a matrix from the conditionals: detailed balance to 1e-14."""
    params = random_params(4, 3)
    m = machine(params)
    v, h = all_states(4), all_states(3)
    on_h, on_v = core.hidden_probability(m, v), core.visible_mean(m, h)
    to_h = np.prod(np.where(h[None] == 1, on_h[:, None], 1 - on_h[:, None]), axis=2)
    to_v = np.prod(np.where(v[None] == 1, on_v[:, None], 1 - on_v[:, None]), axis=2)
    flow = exact_probabilities(params)[:, None] * (to_h @ to_v)
    np.testing.assert_allclose(flow, flow.T, atol=1e-14)


DRAWS = 20_000


@pytest.mark.parametrize("sweeps", [1, 4, 16])
@pytest.mark.parametrize("replicas", [1, 4])
def test_exact_draws_do_not_drift(sweeps, replicas):
    """20,000 exact draws stay exact: total variation under the floor's median plus 0.0186, 2 times the floor.

    One draw of n moves the total variation by at most 1/n, so it passes its mean by t with probability at most
    exp(−2nt²) (McDiarmid): t = √(ln 10⁶/2n) gives a false alarm of 1e-6. (Mean and median differ by under 0.0005.)
    """
    params = random_params(6, 4, size=1.5)
    p = exact_probabilities(params)
    rng = np.random.default_rng(sweeps)
    m = machine(params, np.float32)
    betas = tempering.ladder(replicas)
    v = tempering.replicas_of(m, core.exact_draws(params, DRAWS, rng).astype(np.float32), replicas, rng)
    if replicas > 1:  # exact draws at every temperature
        for r in range(1, replicas):
            v[r] = core.exact_draws(at(params, float(betas[r, 0, 0])), DRAWS, rng)
    for k in range(sweeps):
        v, _ = tempering.step(m, v, betas, rng, k % 2)
    share = np.bincount(state_index(v[0]), minlength=64) / DRAWS
    assert total_variation(share, p) < floor(p, DRAWS)[1] + np.sqrt(np.log(1e6) / (2 * DRAWS))


def at(params: dict[str, np.ndarray], beta: float) -> dict[str, np.ndarray]:
    """The machine at β of the path, as params of its own."""
    return {
        "weights": beta * params["weights"],
        "visible_bias": (1 - beta) * params["base_bias"] + beta * params["visible_bias"],
        "hidden_bias": beta * params["hidden_bias"],
        "base_bias": params["base_bias"],
    }


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
def test_path_energy_is_that_of_a_machine_between(beta):
    params = random_params(5, 4)
    x = all_states(5)
    np.testing.assert_allclose(
        core.path_energy(machine(params), x, beta), free_energy(at(params, beta), x), atol=1e-12
    )


def test_the_drift_test_catches_swaps_that_are_always_accepted(monkeypatch):
    """Planted bug: with every swap accepted, hot states flow into β = 1 and the same bound is broken."""
    monkeypatch.setattr(tempering, "path_energy", lambda m, v, beta: np.zeros(v.shape[:-1]))
    with pytest.raises(AssertionError):
        test_exact_draws_do_not_drift(4, 4)


def test_the_drift_test_catches_hidden_units_that_forget_their_bias(monkeypatch):
    """Planted bug: p(h | v) without c."""
    monkeypatch.setattr(
        core,
        "hidden_probability",
        lambda m, v, beta=1.0, out=None: core.sigmoid(beta * core.signal(m, v)),
    )
    with pytest.raises(AssertionError):
        test_exact_draws_do_not_drift(4, 1)


def test_tempering_crosses_where_gibbs_does_not():
    """Two far modes, all chains start in one: after 50 sweeps Gibbs has crossed in under 2 % of the chains and
    tempering in 40 to 60 % (p of the other mode is one half by symmetry; 2,000 chains, ± 9 standard errors)."""
    cells = 8
    params = {
        "weights": np.full((cells, 1), 6.0), "visible_bias": np.full(cells, -3.0),
        "hidden_bias": np.array([-24.0]), "base_bias": np.zeros(cells),
    }  # fmt: skip
    m, rng = machine(params, np.float32), np.random.default_rng(0)
    crossed = []
    for replicas in (1, 12):
        v = tempering.replicas_of(m, np.zeros((2000, cells), np.float32), replicas, rng)
        for k in range(50 if replicas == 1 else 200):
            v, _ = tempering.step(m, v, tempering.ladder(replicas), rng, k % 2)
        crossed.append(float((v[0].mean(axis=1) > 0.5).mean()))
    assert crossed[0] < 0.02
    assert 0.4 < crossed[1] < 0.6


@pytest.mark.parametrize("size", [0.01, 5.0, 60.0, 400.0])
def test_pseudo_log_likelihood_of_small_and_of_huge_weights(size: float) -> None:
    """By softplus of what each hidden unit hears, for weights whose products of exponentials would overflow."""
    params = random_params(7, 21, seed=3, size=size)
    params["weights"] = np.clip(params["weights"], -600, 600)
    x = all_states(7)[::9]
    m = machine(params)
    total = np.zeros(len(x))
    for i in range(7):
        other = x.copy()
        other[:, i] = 1 - other[:, i]
        total -= np.logaddexp(0, core.path_energy(m, x) - core.path_energy(m, other))
    assert core.pseudo_log_likelihood(params, x) == pytest.approx(total.mean(), rel=1e-9)
