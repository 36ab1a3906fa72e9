"""Three ways down a ladder of noise, with exact scores: each against its law."""

from __future__ import annotations

import numpy as np
import pytest

from ebm_plugins import datasets
from ebm_plugins.families import dsm_samplers as ways
from ebm_plugins.families.dsm_figures import mode_shares
from ebm_plugins.families.dsm_model import ladder

METHODS = ("annealed", "predictor-corrector", "probability-flow")
DENSITY = datasets.mixture("eight-gaussians")


def gaussian_score(sd):
    """The score of N(0, sd²I) with noise σ."""
    return lambda x, sigma: -x / x.dtype.type(sd**2 + sigma**2)


def mixture_score(x, sigma):
    return DENSITY.score(x.astype(float), float(sigma)).astype(np.float32)


def come_down(score, method, sigmas, x, seed=0, **options):
    settings = {"steps": 60, "step_size": 0.3, "every": 1000, "denoise": False, "noised": False, **options}
    return list(ways.descend(score, method, sigmas, x, np.random.default_rng(seed), **settings))


def test_levels_of_each_method():
    sigmas = ladder(2.0, 0.5, 3)
    annealed = ways.levels_of("annealed", sigmas, 6)
    np.testing.assert_allclose(annealed, [2, 2, 1, 1, 0.5, 0.5, 0.5])
    np.testing.assert_allclose(ways.levels_of("annealed", sigmas, 1), [0.5, 0.5])
    for method in METHODS[1:]:
        levels = ways.levels_of(method, sigmas, 7)
        assert len(levels) == 8
        np.testing.assert_allclose(levels[:-1] / levels[1:], 4 ** (1 / 7))
        np.testing.assert_array_equal(ways.levels_of(method, sigmas[-1:], 3), 0.5)


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 11, 37])
def test_annealed_levels_never_rise_and_end_at_the_smallest(steps):
    levels = ways.levels_of("annealed", ladder(3.0, 0.1, 10), steps)
    assert len(levels) == steps + 1
    assert (np.diff(levels) <= 0).all()
    np.testing.assert_allclose(levels[[-2, -1]], 0.1)


def test_the_flow_of_gaussian_data_is_a_scaling():
    """dx/dσ = σx/(s² + σ²) is solved by x ∝ √(s² + σ²): no randomness, and Heun's error falls with its square."""
    sd, sigmas = 0.8, ladder(3.0, 0.1, 5)
    x = np.random.default_rng(0).standard_normal((100, 2))
    want = x * np.sqrt((sd**2 + 0.1**2) / (sd**2 + 3.0**2))
    errors = []
    for steps in (10, 20):
        out = x.astype(np.float64)
        levels = ways.levels_of("probability-flow", sigmas, steps)
        for k in range(steps):
            out = ways.flow(gaussian_score(sd), out, levels[k], levels[k + 1])
        errors.append(np.abs(out / want - 1).max())
    assert 3.2 < errors[0] / errors[1] < 4.8
    found = come_down(gaussian_score(sd), "probability-flow", sigmas, x, steps=200)[-1][0]
    np.testing.assert_allclose(found, want, rtol=1e-3)
    again = come_down(gaussian_score(sd), "probability-flow", sigmas, x, seed=5, steps=200)[-1][0]
    np.testing.assert_array_equal(found, again)


@pytest.mark.parametrize("step_size", [0.1, 0.6])
def test_a_langevin_step_settles_at_its_own_variance(step_size):
    """On N(0, v), v = s² + σ²: x' = (1 − α/v)x + √(2α)ξ with α = ησ² settles at v/(1 − α/2v), not at v.

    20,000 chains, started there: after 100 steps the variance is within 4.5 standard errors (false alarm 7e-6)."""
    sd, sigma, n = 0.4, 0.5, 20_000
    v = sd**2 + sigma**2
    settled = v / (1 - step_size * sigma**2 / (2 * v))
    rng = np.random.default_rng(1)
    x = np.sqrt(settled) * rng.standard_normal((n, 1))
    for _ in range(100):
        x = ways.langevin(gaussian_score(sd), x, sigma, step_size, rng.standard_normal(x.shape))
    assert abs(x.var() / settled - 1) < 4.5 * np.sqrt(2 / n)


def test_a_step_down_keeps_a_gaussian_to_first_order():
    """From N(0, s² + σ²) the predictor leaves variance (1 − d/v)²v + d with d = σ² − σ'²: v' + d²/v. 4.5 s.e. (7e-6)."""
    sd, above, below, n = 0.4, 0.5, 0.42, 20_000
    v, drop = sd**2 + above**2, above**2 - below**2
    rng = np.random.default_rng(2)
    x = np.sqrt(v) * rng.standard_normal((n, 1))
    x = ways.predictor(gaussian_score(sd), x, above, below, rng.standard_normal(x.shape))
    assert abs(x.var() / (sd**2 + below**2 + drop**2 / v) - 1) < 4.5 * np.sqrt(2 / n)


@pytest.mark.parametrize("method", METHODS)
def test_with_the_exact_score_all_eight_modes_are_filled_alike(method):
    """4,000 samples from exact draws at the largest noise, 200 steps. Each share is within 4.5 standard errors of an
    eighth (false alarm 6e-5 a method over eight modes), and 99 % are within 4 sd of a component: those of noise
    0.05 alone leave 0.05 % outside."""
    rng, n = np.random.default_rng(3), 4000
    start = DENSITY.means[rng.integers(8, size=n)]
    start = start + np.sqrt(DENSITY.sd**2 + 2.8**2) * rng.standard_normal((n, 2))
    x = come_down(mixture_score, method, ladder(2.8, 0.05, 10), start, steps=200)[-1][0]
    shares = mode_shares(DENSITY, x.astype(float))
    assert shares[-1] < 0.01
    assert np.abs(shares[:8] - 0.125).max() < 4.5 * np.sqrt(0.125 * 0.875 / n) + 0.01 / 8


def test_a_ladder_finds_modes_that_one_level_never_leaves_for():
    """All start at one mode. 200 steps at the smallest noise spread by √(2·200·ησ²) = 0.55 at most, a fifth of the way
    to the opposite one, which gets nothing; down the ladder every mode is within 4.5 standard errors of an eighth."""
    start = np.repeat(DENSITY.means[:1], 2000, axis=0)
    one = come_down(mixture_score, "annealed", ladder(2.8, 0.05, 1), start, steps=200)[-1][0]
    many = come_down(mixture_score, "annealed", ladder(2.8, 0.05, 10), start, steps=200)[-1][0]
    assert mode_shares(DENSITY, one.astype(float))[4] == 0
    assert mode_shares(DENSITY, many.astype(float))[:8].min() > 0.125 - 4.5 * np.sqrt(0.125 * 0.875 / 2000)


@pytest.mark.parametrize("method", METHODS)
def test_denoising_is_tweedies_step_on_the_last_state(method):
    x, sigmas = np.random.default_rng(4).standard_normal((50, 2)), ladder(1.0, 0.2, 4)
    plain = come_down(mixture_score, method, sigmas, x)[-1][0]
    clean = come_down(mixture_score, method, sigmas, x, denoise=True)[-1][0]
    np.testing.assert_allclose(clean, plain + 0.04 * mixture_score(plain, 0.2), rtol=1e-5, atol=1e-6)


def test_noise_on_the_start_is_that_of_the_first_level():
    """A flow of a flat density does not move: what is left is the start and its noise. 4.5 s.e. (7e-6)."""
    x = np.full((5000, 2), 3.0)
    flat = lambda y, sigma: 0 * y  # noqa: E731
    still = come_down(flat, "probability-flow", ladder(2.0, 0.1, 4), x)[-1][0]
    moved = come_down(flat, "probability-flow", ladder(2.0, 0.1, 4), x, noised=True)[-1][0]
    np.testing.assert_array_equal(still, 3.0)
    assert abs(moved.mean() - 3) < 4.5 * 2 / 100
    assert abs(moved.std() / 2 - 1) < 4.5 / np.sqrt(2 * 10_000)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_held_stays_and_the_rest_is_drawn_given_it(method):
    """Held at x of the top mode, y has the exact conditional's sign and place: near the top or the bottom mode, where
    the density given x has all but 1e-6 of its mass within 5 sd."""
    x = np.zeros((600, 2))
    x[:, 0] = 0.123456789
    free = np.array([False, True])
    out = come_down(
        mixture_score, method, ladder(2.8, 0.05, 10), x, steps=200, every=50, free=free, noised=True
    )
    for states, _ in out:
        np.testing.assert_array_equal(states[:, 0], 0.123456789)
    y = out[-1][0][:, 1]
    top, bottom = DENSITY.means[2, 1], DENSITY.means[6, 1]
    near = np.minimum(abs(y - top), abs(y - bottom)) < 5 * DENSITY.sd[1]
    assert near.mean() > 0.9
    assert 0.3 < (y > 0).mean() < 0.7


@pytest.mark.parametrize("method", METHODS)
def test_every_does_not_change_the_run_and_the_start_is_kept(method):
    x = np.random.default_rng(5).standard_normal((20, 2))
    kept = x.copy()
    often = come_down(mixture_score, method, ladder(2.0, 0.2, 4), x, every=1)
    seldom = come_down(mixture_score, method, ladder(2.0, 0.2, 4), x, every=7)
    assert (len(often), len(seldom)) == (60, 9)
    np.testing.assert_array_equal(often[-1][0], seldom[-1][0])
    np.testing.assert_array_equal(often[6][0], seldom[0][0])
    np.testing.assert_array_equal(x, kept)
    assert often[-1][1] == pytest.approx(0.2)
