"""The landscape of Home, held to closed forms and to routes that share no step with the quadrature."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad

from ebm_plugins import wells1d

SETTINGS = [
    (1.0, 3.0, 2.0),
    (0.2, 4.0, 4.0),
    (0.2, 0.0, 4.0),
    (3.0, 4.0, 0.5),
    (3.0, 0.0, 0.0),
    (0.7, 1.3, 3.9),
]


@pytest.mark.parametrize("setting", SETTINGS)
def test_partition_function_equals_the_power_series(setting):
    """Quadrature against Σ of Gaussian integrals: both are good to rounding, so they agree to 1e-11."""
    assert wells1d.solve(*setting).partition == pytest.approx(wells1d.partition_series(*setting), rel=1e-11)


@pytest.mark.parametrize("temperature", [0.2, 1.0, 3.0])
def test_a_bare_bowl_is_a_gaussian(temperature):
    """With no wells Z = √(πT/c), and half of the mass of p lies within 0.6745 standard deviations."""
    solved = wells1d.solve(temperature, 0.0, 0.0)
    assert solved.partition == pytest.approx(math.sqrt(math.pi * temperature / wells1d.BOWL), rel=1e-13)
    assert wells1d.partition_series(temperature, 0.0, 0.0) == pytest.approx(solved.partition, rel=1e-13)
    sd = math.sqrt(temperature / (2 * wells1d.BOWL))
    assert solved.outside == pytest.approx(math.erfc(6.0 / sd / math.sqrt(2)), abs=2e-5)
    assert solved.shares == (1.0,)
    assert solved.barrier is None


@pytest.mark.parametrize("setting", [s for s in SETTINGS if len(wells1d.solve(*s).shares) == 2])
def test_shares_equal_adaptive_quadrature(setting):
    """Each well's share against SciPy's adaptive rule, split at a top found by its own root-finder."""
    from scipy.optimize import brentq

    temperature, left, right = setting
    solved = wells1d.solve(*setting)
    top = brentq(lambda x: float(wells1d.slope(x, left, right)), -1.0, 0.9, xtol=1e-13)
    assert solved.barrier == pytest.approx(top, abs=1e-9)

    def weight(x):
        return math.exp(-float(wells1d.energy(x, left, right)) / temperature)

    below = quad(weight, -60, top, points=[-2.0], epsabs=0, epsrel=1e-11, limit=500)[0]
    above = quad(weight, top, 60, points=[1.6], epsabs=0, epsrel=1e-11, limit=500)[0]
    assert solved.shares[0] == pytest.approx(below / (below + above), abs=1e-8)
    assert sum(solved.shares) == pytest.approx(1.0, abs=1e-15)


def test_slope_is_the_derivative_of_the_energy():
    """Central differences of step 1e-5 are good to about 1e-9."""
    x = np.linspace(-5, 5, 41)
    numeric = (wells1d.energy(x + 1e-5, 3.0, 2.0) - wells1d.energy(x - 1e-5, 3.0, 2.0)) / 2e-5
    np.testing.assert_allclose(wells1d.slope(x, 3.0, 2.0), numeric, atol=1e-8)


def test_the_error_that_is_reported_covers_the_error_that_is_made():
    """With too few points the quadrature is off, and says so: halving the points moves it by more than it errs."""
    setting = (0.2, 4.0, 4.0)
    truth = wells1d.partition_series(*setting)
    coarse = wells1d.solve(*setting, points=61)
    assert abs(coarse.partition - truth) <= coarse.error
    assert coarse.error > 1e-6 * truth
    assert wells1d.solve(*setting).error < 1e-10 * truth


def test_depth_and_temperature_move_the_shares_as_they_must():
    """A deeper left well holds more; heat evens the wells out; a well of depth 0 is none."""
    deeper = [wells1d.solve(1.0, d, 2.0).shares[0] for d in (2.0, 2.5, 3.0, 3.5)]
    assert deeper == sorted(deeper)
    assert deeper[0] < deeper[-1] - 0.2
    cold, warm = wells1d.solve(0.3, 3.0, 2.0), wells1d.solve(1.5, 3.0, 2.0)
    assert cold.shares[0] > 0.9 > warm.shares[0]
    assert len(wells1d.solve(1.0, 3.0, 0.0).bottoms) == 1


def test_probability_is_the_weight_over_z():
    """p integrates to the share of Z that the view holds."""
    solved = wells1d.solve(1.0, 3.0, 2.0)
    area = np.trapezoid(solved.probability, solved.x)
    assert area + solved.outside == pytest.approx(1.0, abs=1e-4)
    np.testing.assert_allclose(solved.probability * solved.partition, np.exp(-solved.energy), rtol=1e-13)


def test_the_cost_of_the_sum():
    """200 points an axis: 200^9 is 5 × 10²⁰ and 200^64 is 2 × 10¹⁴⁷; exact integers as the other route."""
    assert wells1d.log10_cost(1) == pytest.approx(math.log10(200))
    assert wells1d.log10_cost(9) == pytest.approx(len(str(200**9)) - 1 + math.log10(5.12))
    assert math.floor(wells1d.log10_cost(64)) == len(str(200**64)) - 1 == 147
    with pytest.raises(ValueError, match="at least one"):
        wells1d.log10_cost(0)


@pytest.mark.parametrize(
    "bad", [(0.0, 1, 1), (-1.0, 1, 1), (math.nan, 1, 1), (1.0, -0.1, 1), (1.0, 1, math.inf)]
)
def test_what_has_no_answer_is_refused(bad):
    """A temperature of 0 or a depth below 0 is named, not integrated."""
    with pytest.raises(ValueError, match="expected a"):
        wells1d.solve(*bad)
