"""The sampler's numbers on Home are what MALA really needs: what is promised is run."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2

from ebm_plugins import sampling_cost, wells1d

CHAINS = 400


@pytest.mark.parametrize("dim", [1, 2, pytest.param(4, marks=pytest.mark.slow)])
def test_the_measured_number_of_evaluations_gives_the_error_that_is_promised(dim):
    """400 runs of just that length: the sum of their squared errors over ERROR² is χ² with about 400 degrees of
    freedom. The number itself comes of 256 runs and is rounded to two digits, so the bounds (p = 1e-4 each) are
    widened by three standard deviations of it, √(2/256), and by the rounding, 5 %."""
    steps = sampling_cost.MEASURED[dim] // 2
    exact = dim * wells1d.solve(1.0).mean_energy
    off = sampling_cost.mean_energies(dim, steps, CHAINS, seed=11) - exact
    square = float(np.mean(off**2)) / sampling_cost.ERROR**2
    spread = 1.05 * (1 + 3 * np.sqrt(2 / 256))
    low, high = chi2.ppf([1e-4, 1 - 1e-4], CHAINS) / CHAINS
    assert low / spread < square < high * spread


def test_the_cost_grows_as_a_small_power_and_never_falls():
    """From axis to axis the price rises, by less than d²: nothing like 2001 to the power d."""
    dims = sorted(sampling_cost.MEASURED)
    assert dims == list(sampling_cost.DIMS)
    costs = [sampling_cost.MEASURED[dim] for dim in dims]
    assert costs == sorted(costs)
    assert costs[-1] / costs[0] < (dims[-1] / dims[0]) ** 2


def test_a_run_stays_in_the_box_and_forgets_nothing_of_its_seed():
    first, again = (sampling_cost.mean_energies(3, 200, 5, seed=2) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, sampling_cost.mean_energies(3, 200, 5, seed=3))
    with pytest.raises(ValueError, match="five steps"):
        sampling_cost.mean_energies(1, 4, 1, seed=0)
