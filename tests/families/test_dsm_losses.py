"""The three losses: gradients by finite differences, values by closed forms, and that they are the same up to a constant."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ebm_plugins import blas, datasets, network
from ebm_plugins.families import dsm_losses as losses
from ebm_plugins.families import dsm_model as models
from ebm_plugins.shapes import standardised
from ebm_plugins.spaces import Plane


def model_for(kind="energy", dim=2, seed=0, hidden=(6, 5), activation="silu", levels=3):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((300, dim))
    params = models.initial(x, kind, models.ladder(1.5, 0.2, levels), hidden, activation, rng)
    model = models.model_of(params)
    weights = tuple(w + 0.2 * rng.standard_normal(w.shape) for w in model.weights)
    return model._replace(weights=weights), x, rng


def gaussian(dim=2, sd=1.0, levels=3, largest=2.0, smallest=0.3):
    """The exact model of N(0, sd²I)."""
    model, _, _ = model_for(dim=dim)
    zero = tuple(np.zeros_like(w) for w in model.weights)
    return model._replace(
        weights=zero, mean=np.zeros(dim), scale=sd, sigmas=models.ladder(largest, smallest, levels)
    )


def value(loss, model, rows):
    """Value and gradient of a loss; sliced with the same directions each time."""
    if loss == "sliced":
        return losses.sliced(model, rows, 3, np.random.default_rng(9))
    return getattr(losses, loss)(model, rows)


@pytest.mark.parametrize("activation", models.ACTIVATIONS)
@pytest.mark.parametrize("kind", models.KINDS)
@pytest.mark.parametrize("loss", ["denoising", "sliced", "explicit"])
def test_the_gradient_of_each_loss_equals_finite_differences(loss, kind, activation):
    """Every weight, by fourth-order differences in float64, to 1e-7 of the largest."""
    model, x, rng = model_for(kind, activation=activation)
    rows = losses.batch(model, x, 8, "plain", rng)
    _, got = value(loss, model, rows)
    flat = np.concatenate([w.ravel() for w in model.weights])

    def at(moved):
        return value(loss, model._replace(weights=network.unflatten(moved, model.weights)), rows)[0]

    h, want = 1e-4, np.empty_like(flat)
    for i in range(len(flat)):
        e = np.zeros_like(flat)
        e[i] = h
        want[i] = (8 * (at(flat + e) - at(flat - e)) - (at(flat + 2 * e) - at(flat - 2 * e))) / (12 * h)
    found = np.concatenate([g.ravel() for g in got])
    np.testing.assert_allclose(found, want, atol=1e-7 * max(1.0, np.abs(want).max()))


@pytest.mark.parametrize("kind", models.KINDS)
@pytest.mark.parametrize("n", [8, 9])
def test_a_batch_in_parts_has_the_loss_and_the_gradient_of_the_whole_whatever_threads_do_it(kind, n):
    model, x, rng = model_for(kind)
    rows = losses.batch(model, x, n, "plain", rng)
    whole, slope = losses.denoising(model, rows)
    apart, slopes = losses.denoising_shared(model, rows, 2, blas.one_by_one)
    assert apart == pytest.approx(whole, rel=1e-12)
    for one, two in zip(slope, slopes, strict=True):
        np.testing.assert_allclose(two, one, atol=1e-12 * max(1.0, np.abs(one).max()))
    with ThreadPoolExecutor(2) as pool:
        again = losses.denoising_shared(model, rows, 2, lambda tasks: list(pool.map(lambda do: do(), tasks)))
    assert (again[0], [w.tobytes() for w in again[1]]) == (apart, [w.tobytes() for w in slopes])
    assert losses.denoising_shared(model, rows, 1, blas.one_by_one)[0] == whole


@pytest.mark.parametrize("kind", models.KINDS)
def test_explicit_is_half_the_square_plus_the_divergence(kind):
    """σ²·(½|s|² + ∇·s), the divergence by central differences of the score itself."""
    model, x, rng = model_for(kind, dim=3)
    rows = losses.batch(model, x, 10, "balanced", rng)

    def score(y):
        return -models.predicted_noise(model, y, rows.sigma) / rows.sigma[:, None]

    h, divergence = 1e-5, np.zeros(10)
    for j, e in enumerate(np.eye(3)):
        divergence += (score(rows.noised + h * e) - score(rows.noised - h * e))[:, j] / (2 * h)
    s = score(rows.noised)
    want = (rows.sigma**2 * (0.5 * (s * s).sum(axis=1) + divergence)).mean()
    np.testing.assert_allclose(losses.explicit(model, rows)[0], want, rtol=1e-7)


@pytest.mark.parametrize("kind", models.KINDS)
def test_sliced_tends_to_explicit_and_is_the_noisier_the_fewer_slices(kind):
    """Over 400 draws of directions, the mean is within 4.5 standard errors (false alarm 7e-6 a kind), and 16 slices
    have a sixteenth of the variance of one: the ratio of two variances of 400 is within a factor 1.6 (1e-5)."""
    model, x, rng = model_for(kind, dim=3)
    rows = losses.batch(model, x, 10, "balanced", rng)
    exact = losses.explicit(model, rows)[0]
    draws = {n: np.array([losses.sliced(model, rows, n, rng)[0] for _ in range(400)]) for n in (1, 16)}
    for n in draws:
        assert abs(draws[n].mean() - exact) < 4.5 * draws[n].std() / 20
    assert 10 < draws[1].var() / draws[16].var() < 25.6


def test_the_least_denoising_loss_of_gaussian_data():
    """(d/2)·s²/(σ²(s² + σ²)), times the weight σ², at each level; 4.5 standard errors, false alarm 7e-6 a level.

    ε given x̃ has variance s²/(s² + σ²) in each coordinate, so the loss is half a scaled χ²."""
    sd, dim, n = 1.3, 3, 40_000
    model = gaussian(dim, sd)
    x = sd * np.random.default_rng(1).standard_normal((n, dim))
    found = losses.by_level(model, x, np.random.default_rng(2))
    left = sd**2 / (sd**2 + model.sigmas**2)
    np.testing.assert_array_less(np.abs(found - dim / 2 * left), 4.5 * left * np.sqrt(dim / 2 / n))


def test_explicit_score_matching_at_the_truth_is_minus_half_the_dimension():
    """Data N(0, I − σ²I) with noise σ are N(0, I): E[½|s|² + ∇·s] = d/2 − d. 4.5 standard errors (7e-6)."""
    dim, sigma, n = 4, 0.5, 20_000
    model = gaussian(dim, np.sqrt(1 - sigma**2), levels=1, smallest=sigma)
    rng = np.random.default_rng(3)
    eps = rng.standard_normal((n, dim))
    noised = np.sqrt(1 - sigma**2) * rng.standard_normal((n, dim)) + sigma * eps
    rows = losses.Batch(noised, eps, np.full(n, sigma), np.ones(n))
    found = losses.explicit(model, rows)[0] / sigma**2
    assert abs(found + dim / 2) < 4.5 * np.sqrt(dim / 2 / n)


@pytest.mark.parametrize("kind", models.KINDS)
def test_denoising_and_explicit_differ_by_a_constant(kind):
    """Vincent 2011: for two models on the same rows, both losses differ by the same amount in expectation. The mean
    difference of 40 batches is within 4.5 of its standard errors (false alarm about 2e-4 at 39 degrees of freedom)."""
    one, _, rng = model_for(kind, seed=1, levels=2)
    two = model_for(kind, seed=2, levels=2)[0]
    two = two._replace(mean=one.mean, scale=one.scale)
    gaps = []
    for _ in range(40):
        x = one.mean + one.scale * rng.standard_normal((4000, 2))
        rows = losses.batch(one, x, 4000, "balanced", rng)
        by = [f(one, rows)[0] - f(two, rows)[0] for f in (losses.denoising, losses.explicit)]
        gaps.append(by[0] - by[1])
    assert abs(np.mean(gaps)) < 4.5 * np.std(gaps, ddof=1) / np.sqrt(40)


@pytest.mark.parametrize("kind", models.KINDS)
def test_the_ddpm_loss_is_the_score_loss_times_sigma_squared(kind):
    """½|s + ε/σ|² at each row, weighted by σ² (NCSN), is ½|ε guessed − ε|² (DDPM): an identity."""
    model, x, rng = model_for(kind)
    rows = losses.batch(model, x, 50, "balanced", rng)
    guess = models.predicted_noise(model, rows.noised, rows.sigma)
    s = -guess / rows.sigma[:, None]
    by_score = (rows.sigma**2 * 0.5 * ((s + rows.eps / rows.sigma[:, None]) ** 2).sum(axis=1)).mean()
    by_noise = (0.5 * ((guess - rows.eps) ** 2).sum(axis=1)).mean()
    np.testing.assert_allclose(by_score, by_noise, rtol=1e-13)
    np.testing.assert_allclose(losses.denoising(model, rows)[0], by_noise, rtol=1e-13)


def test_weights_of_the_levels():
    """Balanced counts every level alike; plain is the unweighted loss of the score, λ = 1, up to one factor."""
    sigmas = models.ladder(2.0, 0.1, 6)
    np.testing.assert_array_equal(losses.weights_of(sigmas, "balanced"), 1)
    plain = losses.weights_of(sigmas, "plain")
    np.testing.assert_allclose(plain * sigmas**2, plain[0] * sigmas[0] ** 2, rtol=1e-12)
    np.testing.assert_allclose(plain.mean(), 1)


def test_a_batch_is_rows_with_noise_of_their_level():
    """Each row less its noise is a row of the data, and every level comes up (false alarm 3·(2/3)^500)."""
    model, x, rng = model_for()
    rows = losses.batch(model, x, 500, "plain", rng)
    clean = rows.noised - rows.sigma[:, None] * rows.eps
    assert (np.abs(clean[:, None] - x).max(axis=2).min(axis=1) < 1e-12).all()
    assert set(rows.sigma) == set(model.sigmas)


def test_score_errors_are_the_excess_over_the_best_loss():
    """Over draws from p_σ the denoising loss is the best possible one plus the error: for a Gaussian model of the
    mixture, error(model) − error(truth) = loss(model) − loss(truth), the losses from noised component draws."""
    density = datasets.mixture("eight-gaussians")
    model = gaussian(2, 1.0, levels=2, largest=1.0, smallest=0.3)
    rng, n = np.random.default_rng(4), 60_000
    found = losses.score_errors(model, density, np.random.default_rng(5), n)
    centres = density.means[rng.integers(8, size=n)]
    clean = centres + density.sd * rng.standard_normal((n, 2))
    for level, sigma in enumerate(model.sigmas):
        eps = rng.standard_normal((n, 2))
        x = clean + sigma * eps
        ours = 0.5 * ((models.predicted_noise(model, x, np.full(n, sigma)) - eps) ** 2).sum(axis=1)
        best = 0.5 * ((-sigma * density.score(x, float(sigma)) - eps) ** 2).sum(axis=1)
        excess = ours - best
        assert abs(found[level] - excess.mean()) < 4.5 * excess.std() * np.sqrt(2 / n)  # false alarm 7e-6


def test_the_closed_form_is_for_the_built_in_eight_gaussians_alone():
    x = standardised("eight-gaussians")[0][0]
    assert losses.closed_form(datasets.from_arrays(x, Plane(), name="Eight Gaussians")) is not None
    assert losses.closed_form(datasets.from_arrays(x + 1, Plane(), name="Eight Gaussians")) is None
    assert losses.closed_form(datasets.from_arrays(x, Plane(), name="Mine")) is None
