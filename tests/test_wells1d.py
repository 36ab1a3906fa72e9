"""The landscape of Home, held to closed forms and to routes that share no step with the quadrature."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq

from ebm_plugins import wells1d
from ebm_plugins.wells1d import START, Well

FAR = (Well(-5.0, 5.0, 0.4), Well(5.0, 5.0, 0.4))
NEAR = (Well(0.0, 5.0, 0.4), Well(0.5, 5.0, 2.0))
FLAT = (Well(-1.0, 0.0, 0.4), Well(1.0, 0.0, 2.0))
SETTINGS = [
    (temperature, wells) for temperature in (0.1, 0.7, 1.0, 3.0, 100.0) for wells in (START, FAR, NEAR, FLAT)
]
MANY = (*FAR, Well(0.0, 4.0, 0.6), Well(-2.2, 1.0, 0.5), Well(2.4, 3.0, 0.45))


@pytest.mark.parametrize(("temperature", "wells"), SETTINGS)
def test_partition_function_equals_the_power_series(temperature, wells):
    """Simpson against Σ of Gaussian integrals, at the limits of what can be set: equal to 1e-11."""
    expected = wells1d.partition_series(temperature, wells)
    assert wells1d.solve(temperature, wells).partition == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("wells", [(), START, FAR, NEAR, MANY])
@pytest.mark.parametrize("temperature", [0.1, 1.0, 100.0])
def test_shares_and_mean_energy_equal_adaptive_quadrature(temperature, wells):
    """Each basin's share and the mean energy against SciPy's adaptive rule, split at tops that its own root-finder
    found among the changes of sign of a fine central difference."""
    solved = wells1d.solve(temperature, wells)
    grid = np.linspace(-6, 6, 4801) + 1e-7
    rising = np.diff(wells1d.energy(grid, wells)) > 0
    turns = np.flatnonzero(rising[:-1] & ~rising[1:])
    tops = [brentq(lambda x: float(wells1d.slope(x, wells)), grid[i], grid[i + 2], xtol=1e-13) for i in turns]
    assert solved.tops == pytest.approx(tops, abs=1e-9)
    assert len(solved.shares) == len(solved.bottoms) == len(tops) + 1
    lowest = min(solved.lowest)

    def weight(x):
        return math.exp(-(float(wells1d.energy(x, wells)) - lowest) / temperature)

    def total(f, low, high):
        inside = [x for x in solved.bottoms if low < x < high]
        return quad(f, low, high, points=inside, epsabs=0, epsrel=1e-11, limit=500)[0]

    edges = [-6.0, *tops, 6.0]
    basins = [total(weight, low, high) for low, high in pairwise(edges)]
    np.testing.assert_allclose(solved.shares, np.array(basins) / sum(basins), rtol=1e-7, atol=1e-9)
    mean = lowest + sum(
        total(lambda x: weight(x) * (float(wells1d.energy(x, wells)) - lowest), low, high)
        for low, high in pairwise(edges)
    ) / sum(basins)
    assert solved.mean_energy == pytest.approx(mean, abs=1e-8)


@pytest.mark.parametrize("temperature", [0.1, 1.0, 100.0])
def test_a_bare_bowl_is_a_gaussian_cut_off_at_the_walls(temperature):
    """Without wells Z = √(πT/c) erf(6 √(c/T)), in one basin whose bottom is at 0."""
    solved = wells1d.solve(temperature, ())
    closed = math.sqrt(math.pi * temperature / wells1d.BOWL) * math.erf(
        wells1d.BOX * math.sqrt(wells1d.BOWL / temperature)
    )
    assert solved.partition == pytest.approx(closed, rel=1e-12)
    assert solved.shares == (1.0,)
    assert solved.tops == ()
    assert solved.bottoms == pytest.approx((0.0,), abs=1e-9)


def test_heat_makes_it_uniform_and_cold_leaves_the_deepest_basin():
    """As T grows Z tends to the length of the box and p to 1/12; as it falls one basin takes everything."""
    hot, cold = wells1d.solve(100.0), wells1d.solve(0.1)
    assert hot.partition == pytest.approx(2 * wells1d.BOX, rel=0.02)
    assert hot.probability.max() / hot.probability.min() < 1.07
    assert cold.shares[int(np.argmin(cold.lowest))] > 0.999
    shares = [wells1d.solve(t).shares[0] for t in (0.1, 0.3, 1.0, 3.0, 100.0)]
    assert shares == sorted(shares, reverse=True)


def test_a_deeper_well_holds_more():
    """The left share grows with the left depth."""
    shares = [
        wells1d.solve(1.0, (START[0]._replace(depth=d), START[1])).shares[0] for d in (2.0, 2.5, 3.0, 3.5)
    ]
    assert shares == sorted(shares)
    assert shares[0] < shares[-1] - 0.2


def test_slope_is_the_derivative_of_the_energy():
    """Central differences of step 1e-5 are good to about 1e-9."""
    x = np.linspace(-5, 5, 41)
    numeric = (wells1d.energy(x + 1e-5, MANY) - wells1d.energy(x - 1e-5, MANY)) / 2e-5
    np.testing.assert_allclose(wells1d.slope(x, MANY), numeric, atol=1e-8)


def test_the_error_that_is_reported_covers_the_error_that_is_made():
    """With too few points the quadrature is off, and says so: halving the points moves it by more than it errs."""
    truth = wells1d.partition_series(0.1, FAR)
    coarse = wells1d.solve(0.1, FAR, points=101)
    assert 1e-6 * truth < abs(coarse.partition - truth) <= coarse.error
    assert wells1d.solve(0.1, FAR).error < 1e-10 * truth


def test_bars_add_up_to_z_as_they_become_narrow():
    """Midpoint bars: four are far off, two thousand agree to six digits."""
    truth = wells1d.solve(1.0).partition
    errors = [abs(wells1d.bars(n, 1.0) - truth) / truth for n in (4, 12, 2000)]
    assert errors[0] > 0.1 > errors[1] > 1e-6 > errors[2]


def test_probability_is_the_weight_over_z():
    """p integrates to 1 over the box."""
    solved = wells1d.solve(1.0)
    assert wells1d.simpson(solved.probability, -6, 6) == pytest.approx(1.0, abs=1e-14)
    np.testing.assert_allclose(solved.probability * solved.partition, np.exp(-solved.energy), rtol=1e-13)


def test_the_cost_of_the_sum():
    """2001 points an axis: exact integers as the other route, in evaluations and in ages of the universe."""
    assert math.floor(wells1d.log10_cost(9)) == len(str(2001**9)) - 1 == 29
    assert math.floor(wells1d.log10_cost(64)) == len(str(2001**64)) - 1 == 211
    age = int(13.787e9 * 365.25 * 86400)
    assert 10 ** wells1d.log10_ages(9) == pytest.approx(2001**9 / (10**9 * age), rel=1e-9)
    assert wells1d.log10_ages(8) < 0 < wells1d.log10_ages(9)
    with pytest.raises(ValueError, match="at least one"):
        wells1d.log10_cost(0)


@pytest.mark.parametrize(
    ("temperature", "wells", "named"),
    [
        (0.0, START, "a temperature from 0.1 to 100, got 0"),
        (math.nan, START, "a temperature"),
        (1.0, (Well(0, -0.1, 1),), "a depth for well 1 from 0 to 5, got -0.1"),
        (1.0, (Well(0, 1, 1), Well(0, 1, 0)), "a width for well 2"),
        (1.0, (Well(math.inf, 1, 1),), "a place for well 1"),
        (1.0, (Well(0, 1, 1),) * 6, "at most 5 wells, got 6"),
    ],
)
def test_what_has_no_answer_is_refused(temperature, wells, named):
    """What is beyond its limits is named, not integrated."""
    with pytest.raises(ValueError, match=named):
        wells1d.solve(temperature, wells)


def test_the_series_is_for_two_wells_and_simpson_for_an_odd_number_of_points():
    with pytest.raises(ValueError, match="two wells, got 0"):
        wells1d.partition_series(1.0, ())
    with pytest.raises(ValueError, match="odd number of points"):
        wells1d.simpson(np.ones(4), 0, 1)
