"""Landscapes: gradients against finite differences, the article's numbers, closed forms, far-out states."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate

from ebm_plugins import landscapes, minima, wells

KEYS = [landscape.key for landscape in landscapes.LANDSCAPES if landscape.key != "learned"]
WELLS = {
    "centres": [[-2.0, -1.0], [2.0, 1.0], [0.0, 3.0]],
    "heights": [3.0, 2.0, 2.5],
    "widths": [0.8, 1.0, 0.7],
}


def in_box(key: str, n: int, seed: int = 0) -> np.ndarray:
    low, high = landscapes.box(landscapes.params_of(key))
    return np.random.default_rng(seed).uniform(low, high, (n, 2))


def grid(half: float, points: int) -> tuple[np.ndarray, float]:
    axis = np.linspace(-half, half, points)
    x, y = np.meshgrid(axis, axis)
    return np.stack([x.ravel(), y.ravel()], axis=1), float((axis[1] - axis[0]) ** 2)


@pytest.mark.parametrize("confinement", [0.0, 0.3])
@pytest.mark.parametrize("key", KEYS)
def test_gradient_is_the_derivative_of_the_energy(key: str, confinement: float) -> None:
    """Central differences err by h²E‴/6 + εE/h: with h = 1e-5 under 1e-6 of the largest slope in the box."""
    params = landscapes.params_of(key, confinement)
    x, h = in_box(key, 400), 1e-5
    numeric = np.stack(
        [
            (landscapes.energy(params, x + h * e) - landscapes.energy(params, x - h * e)) / (2 * h)
            for e in np.eye(2)
        ],
        axis=1,
    )
    exact = landscapes.gradient(params, x)
    assert np.abs(numeric - exact).max() < 1e-6 * max(1.0, np.abs(exact).max())


@pytest.mark.parametrize("key", KEYS)
def test_far_out_states_overflow_to_infinity_and_never_to_nan_or_a_warning(key: str) -> None:
    params = landscapes.params_of(key, 0.05)
    far = np.array([[s * r, t * r] for r in (1e3, 1e6, 1e30, 1e60) for s in (-1, 0, 1) for t in (-1, 0, 1)])
    with np.errstate(all="raise", under="ignore"):
        energies, slopes = landscapes.energy(params, far), landscapes.gradient(params, far)
    assert not np.isnan(energies).any()
    assert not np.isnan(slopes).any()
    assert (energies[np.abs(far).max(axis=1) > 0] > 40).all()


@pytest.mark.parametrize("key", KEYS)
def test_empty_batches_and_single_precision(key: str) -> None:
    params = landscapes.params_of(key, 0.05)
    assert landscapes.energy(params, np.empty((0, 2))).shape == (0,)
    assert landscapes.gradient(params, np.empty((0, 2))).shape == (0, 2)
    x = in_box(key, 50)
    for function in (landscapes.energy, landscapes.gradient):
        single, double = function(params, x.astype(np.float32)), function(params, x)
        assert single.dtype == np.float32
        assert np.allclose(single, double, rtol=2e-3, atol=2e-3 * np.abs(double).max())


def test_inputs_are_left_alone() -> None:
    for key in KEYS:
        x, params = in_box(key, 20), landscapes.params_of(key, 0.1)
        before = x.copy(), {name: value.copy() for name, value in params.items()}
        landscapes.energy(params, x)
        landscapes.gradient(params, x)
        assert (x == before[0]).all()
        assert all((params[name] == before[1][name]).all() for name in params)


def test_the_articles_grid_sum_is_155_776_and_not_104_53() -> None:
    """The sum of exp(−E) over 200 × 200 points of [−5, 5] × [−3, 5], by a plain loop as well."""
    xs, ys = np.linspace(-5, 5, 200), np.linspace(-3, 5, 200)
    points = np.stack([a.ravel() for a in np.meshgrid(xs, ys)], axis=1)
    cell = (xs[1] - xs[0]) * (ys[1] - ys[0])
    total = np.exp(-landscapes.energy(landscapes.params_of("three-wells"), points)).sum() * cell
    by_hand = 0.0
    for x, y in points:
        e = 0.0
        for (a, b), h, w in zip(*WELLS.values(), strict=True):
            e -= h * math.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * w * w))
        by_hand += math.exp(-e) * cell
    assert total == pytest.approx(155.776, abs=5e-4)
    assert total == pytest.approx(by_hand, rel=1e-12)


def test_without_confinement_the_integral_of_exp_minus_e_grows_with_the_area() -> None:
    """exp(−E) ≥ 1 everywhere, so the integral over a box is at least its area: there is no Z."""
    params = landscapes.params_of("three-wells")
    for half in (5.0, 50.0, 500.0):
        points, cell = grid(half, 401)
        density = np.exp(-landscapes.energy(params, points))
        assert density.min() >= 1.0
        assert density.sum() * cell >= (2 * half) ** 2


def test_confined_wells_have_the_stated_mean_energy_shares_and_mean() -> None:
    """Confinement 0.05, box ±16: mean energy −0.288, mean (−0.137, 0.218). Shares by the nearest of the article's centres:
    0.444, 0.326, 0.230; by the nearest minimum of the energy, which confinement moves a little inwards: 0.442, 0.326, 0.232.

    Midpoints of 1601 × 1601 cells, off the lines between wells (on a grid that holds them, ties move the shares
    by 0.001: so the third can be read as 0.231). Halving the cells moves nothing by 1e-4.
    """
    params = landscapes.params_of("three-wells", 0.05)
    axis = -16 + 32 / 1601 * (np.arange(1601) + 0.5)
    x, y = np.meshgrid(axis, axis + 0.0077)
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    energies = landscapes.energy(params, points)
    p = np.exp(-energies)
    p /= p.sum()
    bottoms = minima.find(lambda at: landscapes.energy(params, at), np.array([[-5.0, -5.0], [5.0, 5.0]]))
    assert bottoms is not None

    def shares(centres: np.ndarray) -> np.ndarray:
        nearest = np.stack([((points - c) ** 2).sum(axis=1) for c in centres], axis=1).argmin(axis=1)
        return np.bincount(nearest, weights=p)

    assert p @ energies == pytest.approx(-0.288, abs=5e-4)
    assert shares(np.array(WELLS["centres"])) == pytest.approx([0.4437, 0.3260, 0.2303], abs=2e-4)
    assert np.sort(shares(bottoms)) == pytest.approx([0.2316, 0.3261, 0.4423], abs=2e-4)
    assert p @ points == pytest.approx([-0.137, 0.218], abs=5e-4)


@pytest.mark.parametrize(
    "key", [k for k in KEYS if landscapes.log_partition(landscapes.params_of(k)) is not None]
)
def test_closed_forms_of_log_z_agree_with_adaptive_quadrature(key: str) -> None:
    params = landscapes.params_of(key)

    def density(y: float, x: float) -> float:
        return float(np.exp(-landscapes.energy(params, np.array([[x, y]]))[0]))

    # the inner integral follows the ridge, which is narrow
    inner = {
        "banana": (lambda x: x * x - 4.0, lambda x: x * x + 4.0, -9.0, 11.0),
        "funnel": (lambda x: -12.0, lambda x: 12.0, -400.0, 400.0),
        "ring": (lambda x: -5.5, lambda x: 5.5, -5.5, 5.5),
    }[key]
    if key == "funnel":  # integrate over x inside: its width is e^{v/2}
        total = integrate.quad(
            lambda v: integrate.quad(
                lambda x: density(v, x), -12 * math.exp(v / 2), 12 * math.exp(v / 2), epsabs=1e-12
            )[0],
            -12, 12,
        )[0]  # fmt: skip
    else:
        total = integrate.dblquad(density, inner[2], inner[3], inner[0], inner[1], epsabs=1e-7)[0]
    assert math.log(total) == pytest.approx(landscapes.log_partition(params), abs=1e-5)
    assert landscapes.log_partition(landscapes.params_of(key, 0.1)) is None


def test_known_minima() -> None:
    """Himmelblau's four zeros; Müller and Brown's three minima and their energies (1979), scaled by 0.04."""
    himmelblau = np.array([[3.0, 2.0], [-2.805118, 3.131312], [-3.779310, -3.283186], [3.584428, -1.848126]])
    assert landscapes.energy(landscapes.params_of("himmelblau"), himmelblau) == pytest.approx(0.0, abs=1e-9)
    params = landscapes.params_of("muller-brown")
    original = np.array([[-0.558224, 1.441726], [0.623499, 0.028038], [-0.050011, 0.466694]])
    places = (original - params["shift"]) * params["zoom"]
    depths = landscapes.energy(params, places) / params["scale"]
    assert depths == pytest.approx([-146.700, -108.167, -80.768], abs=2e-3)
    assert np.abs(landscapes.gradient(params, places)).max() < 1e-3


@pytest.mark.parametrize("key", KEYS)
def test_the_box_holds_most_of_the_mass(key: str) -> None:
    """At least 95 % for the proper ones, by a grid three boxes wide (the wells with confinement 0.05: 80 %)."""
    params = landscapes.params_of(key, 0.05 if key == "three-wells" else 0.0)
    low, high = landscapes.box(params)
    xs, ys = (np.linspace(a - (b - a), b + (b - a), 1501) for a, b in zip(low, high, strict=True))
    points = np.stack([a.ravel() for a in np.meshgrid(xs, ys)], axis=1)
    p = np.exp(-landscapes.energy(params, points))
    inside = ((points >= low) & (points <= high)).all(axis=1)
    assert p[inside].sum() / p.sum() > (0.8 if key == "three-wells" else 0.95)


def test_confinement_adds_its_parabola_to_every_landscape() -> None:
    for key in KEYS:
        x = in_box(key, 30)
        bare, confined = landscapes.params_of(key), landscapes.params_of(key, 0.7)
        added = landscapes.energy(confined, x) - landscapes.energy(bare, x)
        assert np.allclose(added, 0.7 * (x**2).sum(axis=1))


def test_an_unknown_landscape_number_is_named() -> None:
    params = {**landscapes.params_of("ring"), "landscape": np.array([99])}
    with pytest.raises(ValueError, match="expected a landscape from 0 to"):
        landscapes.energy(params, np.zeros((1, 2)))


def test_hessian_norm_of_a_known_curvature() -> None:
    """The ring's curvature across is 1/width² = 11.11 on it."""
    params = landscapes.params_of("ring")
    norm = landscapes.hessian_norm(
        lambda x: landscapes.gradient(params, x), np.array([[2.5, 0.0], [0.0, -2.5]])
    )
    assert norm == pytest.approx(1 / 0.09, rel=1e-5)


def test_log_partition_of_wells_against_a_wide_fine_grid() -> None:
    params = landscapes.params_of("three-wells", 0.05)
    points, cell = grid(16.0, 801)
    total = np.exp(-landscapes.energy(params, points)).sum() * cell
    # what lies beyond ±16 of the confining term alone is erfc(16·√0.05) < 5e-7 of it
    assert wells.log_partition_on_the_plane(params) == pytest.approx(math.log(total), abs=2e-6)
