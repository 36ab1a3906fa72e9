"""The noise-conditional energy and score: derivatives, closed forms, and what tells one kind from the other."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from ebm_plugins import exact
from ebm_plugins.families import dsm
from ebm_plugins.families import dsm_model as models
from ebm_plugins.shapes import mixture


def params_for(kind="energy", dim=2, activation="silu", seed=0, levels=4, hidden=(9, 7), mean=0.3, sd=1.2):
    """Random weights in float64, none of them small."""
    rng = np.random.default_rng(seed)
    x = mean + sd * rng.standard_normal((400, dim))
    params = models.initial(x, kind, models.ladder(2.0, 0.1, levels), hidden, activation, rng)
    noisy = {
        k: v + 0.2 * rng.standard_normal(v.shape)
        for k, v in params.items()
        if k.startswith(("weight", "bias"))
    }
    return {**params, **noisy}, rng


def untaught(dim=2, sd=1.0, mean=0.0, levels=3):
    """A model whose network says nothing, for data of exactly this mean and deviation."""
    params, _ = params_for(dim=dim, levels=levels)
    quiet = {k: 0 * v for k, v in params.items() if k.startswith(("weight", "bias"))}
    return {**params, **quiet, "mean": np.full(dim, mean), "scale": np.array([sd])}


def by_differences(f, x, h=1e-5):
    out = np.empty(x.shape)
    for j in range(x.shape[1]):
        e = np.zeros(x.shape[1])
        e[j] = h
        out[:, j] = (8 * (f(x + e) - f(x - e)) - (f(x + 2 * e) - f(x - 2 * e))) / (12 * h)
    return out


@pytest.mark.parametrize("activation", models.ACTIVATIONS)
@pytest.mark.parametrize("dim", [1, 2, 6])
def test_the_score_is_minus_the_gradient_of_the_energy_at_every_level(dim, activation):
    """By fourth-order differences in float64, good to 1e-8 of the largest energies here."""
    params, rng = params_for(dim=dim, activation=activation)
    x = 2 * rng.standard_normal((12, dim))
    for sigma in (2.0, 0.5, 0.1):
        slope = by_differences(lambda y, s=sigma: models.energy_at(params, y, s), x)
        np.testing.assert_allclose(-models.score(params, x, sigma), slope, rtol=1e-7, atol=1e-7)
    np.testing.assert_array_equal(models.gradient(params, x), -models.score(params, x, 0.1))
    np.testing.assert_array_equal(models.energy(params, x), models.energy_at(params, x, 0.1))


def test_a_network_that_says_nothing_is_exact_for_gaussian_data():
    """Data N(m, s²I): the score at noise σ is −(x − m)/(s² + σ²)."""
    params = untaught(dim=3, sd=0.7, mean=-1.0)
    x = np.random.default_rng(1).standard_normal((50, 3))
    for sigma in (2.0, 0.3, 0.1):
        np.testing.assert_allclose(models.score(params, x, sigma), -(x + 1) / (0.49 + sigma**2), rtol=1e-12)


def test_tweedie_on_gaussian_data_is_the_posterior_mean():
    """x̃ = x + σε with x ~ N(m, s²): E[x | x̃] = (s²x̃ + σ²m)/(s² + σ²), by conjugacy and without any score."""
    params = untaught(dim=2, sd=0.7, mean=-1.0)
    x = np.random.default_rng(2).standard_normal((40, 2))
    for sigma in (2.0, 0.1):
        want = (0.49 * x - sigma**2) / (0.49 + sigma**2)
        np.testing.assert_allclose(models.denoised(params, x, sigma), want, rtol=1e-12)


def test_tweedie_on_a_mixture_is_the_posterior_mean():
    """The mean of x given x̃, by Bayes over components and conjugacy in each, equals x̃ + σ²·score."""
    density, sigma = mixture("eight-gaussians"), 0.3
    x = 2 * np.random.default_rng(3).standard_normal((200, 2))
    total = density.sd**2 + sigma**2
    logs = -0.5 * ((x[:, None] - density.means) ** 2 / total).sum(axis=2)
    weight = np.exp(logs - logs.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    each = (density.sd**2 * x[:, None] + sigma**2 * density.means) / total
    want = (weight[:, :, None] * each).sum(axis=1)
    np.testing.assert_allclose(x + sigma**2 * density.score(x, sigma), want, atol=1e-10)


def test_an_energy_network_has_no_curl_and_a_score_network_has():
    x = np.random.default_rng(4).standard_normal((100, 2))
    for sigma in (1.0, 0.1):
        scale = sigma**-2
        assert np.abs(models.curl(params_for("energy")[0], x, sigma)).max() < 1e-5 * scale
        assert np.abs(models.curl(params_for("score")[0], x, sigma)).max() > 1e-2 * scale


def test_the_jacobian_of_an_energy_networks_score_is_symmetric_in_any_dimension():
    params, rng = params_for(dim=4)
    x, h = rng.standard_normal((1, 4)), 1e-5
    jacobian = np.stack([
        (models.score(params, x + h * e, 0.5) - models.score(params, x - h * e, 0.5))[0] / (2 * h) for e in np.eye(4)
    ])  # fmt: skip
    np.testing.assert_allclose(jacobian, jacobian.T, atol=1e-7 * np.abs(jacobian).max())


def test_the_curl_of_a_field_that_is_known():
    """A score network of one linear layer is s = −(plain + A u)/σ, whose curl is (A₁₂ − A₂₁ swapped) over σ√(s² + σ²)."""
    params, _ = params_for("score", hidden=())
    matrix = params["weight_1"]  # (inputs, 2): detail_j = Σ_i u_i W_ij
    sigma, scale = 0.5, float(params["scale"][0])
    want = -(matrix[1, 0] - matrix[0, 1]) / (sigma * np.sqrt(scale**2 + sigma**2))
    found = models.curl(params, np.random.default_rng(5).standard_normal((20, 2)), sigma)
    np.testing.assert_allclose(found, want, rtol=1e-6)


def test_a_score_network_has_a_gradient_and_no_energy():
    params, rng = params_for("score")
    x = rng.standard_normal((7, 2))
    assert np.isnan(models.energy(params, x)).all()
    assert models.energy(params, x).shape == (7,)
    assert np.isfinite(models.gradient(params, x)).all()


@pytest.mark.parametrize("seed", range(3))
def test_exp_minus_the_energy_has_a_finite_integral_whatever_the_weights(seed):
    """The network grows like |u| and the energy like |u|²/2, so quadrature settles even on random weights."""
    params, _ = params_for(seed=seed)
    truth = exact.quadrature(lambda x: models.energy(params, x), 2, models.box(params))
    assert truth.kind == "quadrature", truth.reason
    far = 1e6 * np.random.default_rng(seed).standard_normal((50, 2))
    assert (models.energy(params, far) > 1e9).all()


def test_predicting_the_noise_is_predicting_the_score():
    """s = −ε/σ (Ho 2020): one number, read in two units."""
    params, rng = params_for("score")
    x = rng.standard_normal((9, 2))
    model = models.model_of(params)
    for sigma in (2.0, 0.1):
        eps = models.predicted_noise(model, x, np.full(9, sigma))
        np.testing.assert_allclose(models.score(params, x, sigma), -eps / sigma, rtol=1e-13)


def test_precision_shape_and_tiles():
    params, rng = params_for()
    x = rng.standard_normal((models.TILE + 10, 2))
    kept = x.copy()
    whole = models.energy(params, x)
    np.testing.assert_array_equal(x, kept)
    np.testing.assert_allclose(whole[-20:], models.energy(params, x[-20:]), rtol=1e-12)
    single = models.energy(params, x.astype(np.float32))
    assert single.dtype == models.score(params, x.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(single, whole, rtol=1e-3, atol=1e-3)
    assert models.energy(params, x[:0]).shape == (0,)
    assert models.gradient(params, x[:0]).shape == (0, 2)
    assert models.energy(params, np.zeros((2, 2), dtype=int)).dtype == np.float64


@pytest.mark.parametrize("of", ["energy", "gradient", "sample"])
def test_memory_does_not_grow_with_the_hidden_units_of_all_states(of):
    """20,000 states and the widest network: one hidden layer of all of them is 82 MB in float32, and a pass holds many. A
    tile's is 1 MB in float32; the states, at most, are a third of a MB an array."""
    rng = np.random.default_rng(0)
    sigmas = models.ladder(2.8, 0.1, 10)
    params = models.initial(
        rng.standard_normal((100, 2)), "energy", sigmas, (1024, 1024), "silu", np.random.default_rng(1)
    )
    x = rng.standard_normal((20_000, 2))
    tracemalloc.start()
    if of == "sample":
        next(iter(dsm.sample(params, dsm.SampleConfig(steps=1, every=1), rng, x)))
    else:
        getattr(models, of)(params, x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


def test_the_ladder_is_geometric():
    """NCSN's: from 1 to 0.01 in 10 levels, each the one before over 10^(2/9) = 1.668."""
    sigmas = models.ladder(1.0, 0.01, 10)
    assert (sigmas[0], len(sigmas)) == (1.0, 10)
    np.testing.assert_allclose(sigmas[:-1] / sigmas[1:], 10 ** (2 / 9), rtol=1e-12)
    np.testing.assert_allclose(sigmas[-1], 0.01)
    assert models.ladder(1.0, 0.01, 1).tolist() == [0.01]
