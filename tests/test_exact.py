"""Exact answers, each against an independent route: a closed form, a plain sum over states, or a brute-force grid."""

from __future__ import annotations

import dataclasses
import io
import time

import numpy as np
import pytest
from scipy.stats import binom, multivariate_normal

from ebm_plugins import exact, landscapes, minima, quadrature
from ebm_plugins.records import Target
from ebm_plugins.spaces import BinaryGrid, Plane, Vectors

ALL = [found.key for found in landscapes.LANDSCAPES if found.key not in ("learned",)]


def landscape(key, confinement=0.0, temperature=1.0, boxed=True):
    params = landscapes.params_of(key, confinement)
    return Target(
        energy=lambda x: landscapes.energy(params, x) / temperature, gradient=None, space=Plane(),
        box=landscapes.box(params) if boxed else None, temperature=temperature,
    )  # fmt: skip


def plane(energy, **fields):
    return Target(energy=energy, gradient=None, space=Plane(), **fields)


def brute_force(energy, low, high, size=1600):
    """log Z and mean energy by the midpoint rule, a fixed grid of 1,600 × 1,600."""
    axes = [low[i] + (high[i] - low[i]) * (np.arange(size) + 0.5) / size for i in (0, 1)]
    energies = []
    for x in axes[0]:
        e = energy(np.column_stack([np.full(size, x), axes[1]]))
        energies.append(e)
    e = np.concatenate(energies)
    least = e.min()
    w = np.exp(least - e)
    area = np.prod((np.asarray(high) - low) / size)
    return float(np.log(w.sum() * area) - least), float((w @ np.where(w > 0, e, 0)) / w.sum())


# The plane


def test_three_wells_without_confinement_have_no_exact_answer():
    for boxed in (True, False):
        truth = exact.truth_of(landscape("three-wells", boxed=boxed))
        assert truth.kind == "none"
        assert truth.reason == "exp(−E) never falls below 1, so its integral is infinite."
        assert np.isnan(truth.log_partition)
        assert not truth.comparable


def test_the_sum_over_unconfined_wells_grows_with_the_box():
    """exp(−E) ≥ 1 everywhere: twice the width, nearly four times the sum."""
    params = landscapes.params_of("three-wells")

    def total(scale):
        return np.exp(
            brute_force(lambda x: landscapes.energy(params, x), np.full(2, -scale), np.full(2, scale), 400)[0]
        )

    assert total(20) / total(10) > 2.5


def test_confined_wells_have_the_measured_mean_energy_occupation_and_mean():
    """Occupation by the nearest of the article's centres, from masses at nodes: a cell that a line between two wells cuts
    falls to one of them, so to 0.0015."""
    target = landscape("three-wells", 0.05)
    truth = exact.truth_of(target)
    assert truth.kind == "quadrature"
    assert truth.mean_energy == pytest.approx(-0.288, abs=5e-4)
    log_z, mean = brute_force(target.energy, np.full(2, -16.0), np.full(2, 16.0))
    assert truth.log_partition == pytest.approx(log_z, abs=1e-4)
    assert truth.mean_energy == pytest.approx(mean, abs=2e-4)
    found = quadrature.integrate(target.energy, 2, target.box)
    x = found.cells.nodes().reshape(-1, 2)
    p = found.cells.node_masses(found.floor).ravel()
    p /= p.sum()
    assert p @ x == pytest.approx([-0.137, 0.218], abs=2e-3)
    centres = landscapes.params_of("three-wells")["centres"]
    occupation = np.bincount(minima.nearest(x, centres), weights=p)
    assert occupation == pytest.approx([0.444, 0.326, 0.231], abs=1.5e-3)


def test_wells_are_named_by_where_they_are_with_their_exact_shares():
    """Shares by the nearest minimum of the energy, as the page counts; by the article's centres they are 0.444, 0.326
    and 0.230. Both by brute force in test_landscapes."""
    truth = exact.truth_of(landscape("three-wells", 0.05))
    assert [w.name for w in truth.wells] == ["Left", "Right", "Top"], "the fullest first"
    assert [w.share for w in truth.wells] == pytest.approx([0.4423, 0.3261, 0.2316], abs=5e-4)
    assert truth.shares(np.array([[-2.0, -1.0], [2, 1], [2, 1], [0, 3]])) == pytest.approx([0.25, 0.5, 0.25])
    double = exact.truth_of(landscape("double-well")).wells
    assert sorted(w.name for w in double) == ["Left", "Right"]
    assert [w.share for w in double] == pytest.approx([0.5, 0.5], abs=1e-3), "by symmetry"
    four = {w.name: w.centre for w in exact.truth_of(landscape("himmelblau")).wells}
    assert set(four) == {"Top left", "Top right", "Bottom left", "Bottom right"}
    assert four["Top right"] == pytest.approx([3, 2], abs=1e-6)
    assert four["Bottom left"] == pytest.approx([-3.779310, -3.283186], abs=1e-5)
    for key in ("ring", "banana", "funnel"):
        assert exact.truth_of(landscape(key)).wells == (), f"{key} has no separate wells"


def test_two_wells_above_each_other_are_bottom_and_top():
    assert minima.names(np.array([[0.1, 2.0], [0.0, -2.0]])) == ("Top", "Bottom")
    assert len(set(minima.names(np.random.default_rng(0).standard_normal((6, 2))))) == 6


@pytest.mark.parametrize("temperature", [0.25, 1.0, 4.0])
@pytest.mark.parametrize("boxed", [True, False])
def test_closed_forms_are_met(temperature, boxed):
    """∫exp(−E/T) of banana, funnel at T = 1 and ring, to the 1e-4 at which the box stops doubling."""
    bend = 10.0
    truth = exact.truth_of(landscape("banana", temperature=temperature, boxed=boxed))
    assert truth.log_partition == pytest.approx(np.log(2 * np.pi * temperature / np.sqrt(bend)), abs=2e-4)
    assert truth.mean_energy == pytest.approx(temperature, rel=2e-3), "½T for each of two squares"
    truth = exact.truth_of(landscape("ring", temperature=temperature, boxed=boxed))
    params = landscapes.params_of("ring")
    params["width"] = params["width"] * np.sqrt(temperature)
    assert truth.log_partition == pytest.approx(landscapes.log_partition(params), abs=2e-4)
    if temperature == 1:
        truth = exact.truth_of(landscape("funnel", boxed=boxed))
        assert truth.log_partition == pytest.approx(np.log(2 * np.pi * 1.5), abs=2e-4)


@pytest.mark.parametrize("key", ["double-well", "muller-brown", "himmelblau"])
def test_a_brute_force_grid_agrees(key):
    target = landscape(key)
    truth = exact.truth_of(target)
    low, high = landscapes.box(landscapes.params_of(key))
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    log_z, mean = brute_force(target.energy, middle - 3 * half, middle + 3 * half)
    assert truth.log_partition == pytest.approx(log_z, abs=2e-4)
    assert truth.mean_energy == pytest.approx(mean, abs=2e-3)


def test_neals_own_funnel_from_a_poor_box():
    """Spread 3: scales from e^−4.5 to e^4.5 within three standard deviations."""
    truth = exact.quadrature(
        lambda x: x[:, 0] ** 2 / 18 + 0.5 * x[:, 0] + 0.5 * x[:, 1] ** 2 * np.exp(-x[:, 0]), 2
    )
    assert truth.log_partition == pytest.approx(np.log(2 * np.pi * 3), abs=2e-4)
    assert truth.mean_energy == pytest.approx(1.0, abs=2e-3)
    assert truth.energy_sd == pytest.approx(np.sqrt(0.5 + 0.5 + 9 / 4), abs=5e-3), "½u² + ½v² + 3u/2"


@pytest.mark.parametrize(
    ("scale", "centre"),
    [(1e-3, 0.3), (1.0, 200.0), (1000.0, 0.0), (1.0, 0.0)],
    ids=["spike", "far", "wide", "unit"],
)
def test_a_normal_is_found_whatever_its_scale_and_place(scale, centre):
    truth = exact.quadrature(lambda x: 0.5 * (((x - centre) / scale) ** 2).sum(axis=1), 2)
    assert truth.log_partition == pytest.approx(np.log(2 * np.pi * scale**2), abs=2e-4)
    assert (truth.mean_energy, truth.energy_sd) == pytest.approx((1, 1), abs=1e-3)


def test_a_kink_is_refined_until_it_is_right():
    truth = exact.quadrature(lambda x: np.abs(x - 0.123).sum(axis=1), 2)
    assert truth.log_partition == pytest.approx(np.log(4), abs=2e-4)


def test_huge_energies_do_not_overflow():
    for shift in (1e5, -1e5):
        truth = exact.quadrature(lambda x, shift=shift: 0.5 * (x**2).sum(axis=1) + shift, 2)
        assert truth.log_partition == pytest.approx(np.log(2 * np.pi) - shift, abs=2e-4)


def test_energies_that_fall_or_grow_too_slowly_have_no_exact_answer():
    for energy in (lambda x: -x[:, 0], lambda x: np.log1p((x**2).sum(axis=1)), lambda x: 0.5 * x[:, 0] ** 2):
        truth = exact.quadrature(energy, 2)
        assert truth.kind == "none"
        assert truth.reason.endswith(".")
    assert "keeps falling" in exact.quadrature(lambda x: -x[:, 0], 2).reason


def test_an_energy_that_is_not_a_number_has_no_exact_answer_and_says_where():
    truth = exact.quadrature(lambda x: np.where(x[:, 0] > 1, np.nan, (x**2).sum(axis=1)), 2)
    assert truth.kind == "none"
    assert truth.reason.startswith("The energy is not a number at (")
    assert "slope" in exact.quadrature(lambda x: np.full(len(x), np.nan), 2).reason
    assert exact.quadrature(lambda x: np.full(len(x), np.inf), 2).kind == "none"


def test_an_energy_with_no_structure_is_refused_rather_than_guessed():
    def static(x):
        return 0.01 * (x**2).sum(axis=1) + 40 * np.sin(1e9 * x[:, 0]) * np.cos(1e9 * x[:, 1])

    assert exact.quadrature(static, 2).kind == "none"


@pytest.mark.parametrize("key", ALL)
def test_quadrature_of_a_landscape_takes_under_half_a_second(key):
    target = landscape(key, 0.05 if key == "three-wells" else 0.0)
    best = np.inf
    for _ in range(3):
        begun = time.process_time()
        exact.truth_of(target)
        best = min(best, time.process_time() - begun)
    assert best < 0.5


def test_on_the_line_the_integral_and_the_marginal_are_the_normal():
    truth = exact.truth_of(Target(energy=lambda x: 0.5 * x[:, 0] ** 2, gradient=None, space=Vectors(1)))
    assert truth.log_partition == pytest.approx(0.5 * np.log(2 * np.pi), abs=1e-5)
    ((x, density),) = truth.marginals()
    assert density == pytest.approx(np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi), abs=2e-3)
    draws = truth.draw(2000, np.random.default_rng(0))
    assert draws.shape == (2000, 1)
    assert truth.total_variation(draws) < truth.floor(2000)[2]


def test_marginals_are_the_projected_density():
    truth = exact.quadrature(lambda x: 0.5 * ((x - [1, -2]) ** 2 / [1, 4]).sum(axis=1), 2)
    (x, px), (y, py) = truth.marginals()
    assert px == pytest.approx(np.exp(-0.5 * (x - 1) ** 2) / np.sqrt(2 * np.pi), abs=0.008)
    assert py == pytest.approx(np.exp(-((y + 2) ** 2) / 8) / np.sqrt(8 * np.pi), abs=0.004)


def test_cell_masses_are_those_of_a_correlated_normal():
    cov = np.array([[1.0, 0.8], [0.8, 1.0]])
    truth = exact.quadrature(lambda x: 0.5 * np.einsum("ni,ij,nj->n", x, np.linalg.inv(cov), x), 2)
    normal = multivariate_normal(np.zeros(2), cov)
    (low, high), shape = truth.box, truth.mass.shape
    step = (high - low) / shape
    for i, j in [
        (shape[0] // 2, shape[1] // 2),
        (shape[0] // 3, shape[1] // 3),
        (shape[0] // 2, shape[1] // 3),
    ]:
        corner = low + step * (i, j)
        assert truth.mass[i, j] == pytest.approx(
            normal.cdf(corner + step, lower_limit=corner), rel=1e-3, abs=1e-8
        )
    inside = normal.cdf(high, lower_limit=low)
    assert truth.mass.sum() == pytest.approx(inside, abs=1e-4)


@pytest.mark.parametrize("key", ALL)
def test_exact_draws_of_every_landscape_stay_under_the_floor(key):
    """8 landscapes, each under the 99.99th percentile of the floor: the 97.5 % one widened by as much again as it is
    above the median (total variation over many cells is nearly normal: z = 1.96 becomes 3.9), false alarm 5e-4."""
    truth = exact.truth_of(landscape(key, 0.05 if key == "three-wells" else 0.0))
    draws = truth.draw(4000, np.random.default_rng(1))
    _, middle, high = truth.floor(4000)
    assert truth.total_variation(draws) < high + (high - middle)
    energies = landscape(key, 0.05 if key == "three-wells" else 0.0).energy(draws)
    assert abs(energies.mean() - truth.mean_energy) < 5 * truth.energy_sd / np.sqrt(4000)


# Total variation and its floor


def test_total_variation_counts_cells_by_the_number_of_draws():
    truth = exact.quadrature(lambda x: 0.5 * (x**2).sum(axis=1), 2)
    for n, k in ((1, 6), (300, 6), (800, 10), (3200, 20), (100_000, 20)):
        assert len(truth.cells(n)) == k * k + 1
        assert truth.cells(n).sum() == pytest.approx(1)
    assert truth.total_variation(np.full((300, 2), 1e9)) == pytest.approx(1 - truth.cells(300)[-1])
    assert truth.total_variation(np.full((300, 2), np.nan)) == pytest.approx(1 - truth.cells(300)[-1])
    assert np.isnan(truth.total_variation(np.empty((0, 2))))


def test_the_floor_is_what_exact_draws_come_to():
    """400 fresh sets of 300 draws over the floor's 97.5 % quantile: the count lies in the central 1 − 1e-6 of a
    binomial with probability 0.025, widened by the 0.0105 (three standard errors) that 2,000 replicates leave."""
    truth = exact.truth_of(landscape("three-wells", 0.05))
    rng = np.random.default_rng(2)
    over = sum(truth.total_variation(truth.draw(300, rng)) > truth.floor(300)[2] for _ in range(400))
    assert binom.ppf(5e-7, 400, 0.025 - 0.0105) <= over <= binom.ppf(1 - 5e-7, 400, 0.025 + 0.0105)


def test_the_floor_of_a_fair_coin_is_the_binomials():
    """TV of n tosses is |k/n − ½|: for n = 100 its median is that of |k − 50|/100, 0.03."""
    low, middle, high = exact.floor(np.array([0.5, 0.5]), 100)
    assert middle == pytest.approx(0.03, abs=0.011)
    assert high == pytest.approx(0.10, abs=0.011), "P(|k − 50| > 10) = 0.035, > 9: 0.057"
    assert low == pytest.approx(0.0, abs=0.011)
    assert exact.floor(np.array([0.5, 0.5]), 100) == (low, middle, high), "the same each time"


def test_total_variation_of_lists():
    assert exact.total_variation([1, 0], [0, 1]) == 1
    assert exact.total_variation([0.5, 0.5], [0.25, 0.75]) == 0.25


# The order, and the rest


def test_a_closed_form_comes_first_and_keeps_the_probabilities():
    fields = np.array([0.3, -1.0])
    target = Target(energy=lambda x: x @ fields, gradient=None, space=BinaryGrid(1, 2))
    right = float(np.log1p(np.exp(-fields)).sum())
    truth = exact.truth_of(target, log_partition=right)
    assert truth.kind == "closed form"
    assert truth.log_partition == right
    assert truth.second == pytest.approx(right, abs=1e-12)
    assert truth.comparable
    wrong = exact.truth_of(target, log_partition=right + 0.5)
    assert abs(wrong.second - wrong.log_partition) == pytest.approx(0.5), "a wrong closed form can be seen"


def test_support_is_a_softmax_over_the_given_states():
    keys = np.array([[1.0, 0, 0], [0, 2, 0], [0, 0, 3]])
    target = Target(energy=lambda x: x.sum(axis=1) / 0.5, gradient=None, space=Vectors(3), temperature=0.5)
    truth = exact.truth_of(target, support=keys)
    p = np.exp(-np.array([1, 2, 3]) / 0.5)
    assert truth.kind == "support"
    assert truth.mean_energy == pytest.approx(p @ [1, 2, 3] / p.sum())
    draws = truth.draw(400, np.random.default_rng(0))
    assert truth.total_variation(draws) < truth.floor(400)[2]
    assert truth.total_variation(np.ones((10, 3))) == pytest.approx(1.0), "states outside the support"


def test_a_bracket_is_asked_for_last_and_only_when_needed():
    big = Target(energy=lambda x: x.sum(axis=1), gradient=None, space=BinaryGrid(8, 8))
    truth = exact.truth_of(big, bracket=lambda: (1.0, 2.0, 0.1))
    assert (truth.kind, truth.lower, truth.upper, truth.standard_error) == ("bracket", 1.0, 2.0, 0.1)
    assert not truth.comparable

    def never():
        raise AssertionError("a bracket costs a run of its own")

    small = Target(energy=lambda x: x.sum(axis=1), gradient=None, space=BinaryGrid(2, 2))
    assert exact.truth_of(small, bracket=never).kind == "enumeration"


def test_three_dimensions_are_out_of_reach():
    truth = exact.truth_of(Target(energy=lambda x: (x**2).sum(axis=1), gradient=None, space=Vectors(3)))
    assert truth.kind == "none"
    assert "3 dimensions" in truth.reason
    assert np.isnan(truth.total_variation(np.zeros((5, 3))))
    assert np.isnan(truth.floor(5)).all()
    with pytest.raises(ValueError, match="none"):
        truth.draw(1, np.random.default_rng(0))


def test_a_hint_finds_mass_far_away():
    def energy(x):
        return 0.5 * (((x - 5000.0) / 0.05) ** 2).sum(axis=1)

    hint = 5000.0 + np.random.default_rng(0).standard_normal((100, 2))
    assert exact.truth_of(plane(energy), states_hint=hint).log_partition == pytest.approx(
        np.log(2 * np.pi * 0.0025), abs=2e-4
    )


def test_a_truth_travels_as_plain_arrays():
    for truth in (
        exact.truth_of(landscape("three-wells", 0.05)),
        exact.no_truth("A reason."),
        exact.enumerated(lambda x: x.sum(axis=1), 9),
    ):
        fields = {f.name: getattr(truth, f.name) for f in dataclasses.fields(truth)}
        assert all(isinstance(v, float | int | str | np.ndarray | None) for v in fields.values())
        held = io.BytesIO()
        np.savez(held, **{k: v for k, v in fields.items() if v is not None})
        assert held.tell() < 1_000_000
        held.seek(0)
        loaded = np.load(held, allow_pickle=False)
        again = exact.Truth(**{k: loaded[k][()] if loaded[k].ndim == 0 else loaded[k] for k in loaded.files})
        if truth.comparable:
            x = truth.draw(300, np.random.default_rng(0))
            assert again.total_variation(x) == truth.total_variation(x)
        assert [w.name for w in again.wells] == [w.name for w in truth.wells]


def test_the_energy_field_is_in_units_of_e():
    target = landscape("three-wells", 0.05, temperature=2.0)
    field = exact.energy_field(target, size=50)
    params = landscapes.params_of("three-wells", 0.05)
    assert field.energy.dtype == np.float32
    assert field.energy.shape == (50, 50)
    at = np.array([[field.x[7], field.y[31]]], dtype=float)
    assert field.energy[31, 7] == pytest.approx(landscapes.energy(params, at)[0], abs=1e-5)
    assert (field.x[0], field.x[-1]) == (-6, 6)
    free = exact.energy_field(plane(target.energy), states=np.array([[0.0, 10.0], [1.0, 12.0]]))
    assert free.y[0] < 10 < 12 < free.y[-1]
