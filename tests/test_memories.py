"""Learning rules and energies of spin networks, against their definitions written out."""

import numpy as np
import pytest

from ebm_plugins.memories import RULES, energy, hebb, memorise, pseudo_inverse, storkey
from ebm_plugins.recall import local_fields, moving_cells


def coins(count, cells, seed=0):
    return np.random.default_rng(seed).integers(0, 2, (count, cells)) * 2.0 - 1.0


def all_states(cells):
    return ((np.arange(2**cells)[:, None] >> np.arange(cells)) & 1).astype(float)


def test_hebb_adds_correlations_one_pattern_after_another():
    xi = coins(5, 12)
    whole = np.array(
        [[0 if i == j else sum(p[i] * p[j] for p in xi) / 12 for j in range(12)] for i in range(12)]
    )
    step = None
    for pattern in xi:
        step = hebb(pattern[None], step)
    np.testing.assert_allclose(hebb(xi), whole, atol=1e-14)
    np.testing.assert_allclose(step, whole, atol=1e-14)


def test_storkey_is_the_published_increment_term_by_term():
    xi, n = coins(4, 9), 9
    w = np.zeros((n, n))
    for p in xi:
        new = w.copy()
        for i in range(n):
            for j in range(n):
                if i == j:
                    continue
                h_ij = sum(w[i, k] * p[k] for k in range(n) if k not in (i, j))
                h_ji = sum(w[j, k] * p[k] for k in range(n) if k not in (i, j))
                new[i, j] = w[i, j] + (p[i] * p[j] - p[i] * h_ji - h_ij * p[j]) / n
        w = new
    np.testing.assert_allclose(storkey(xi), w, atol=1e-13)
    np.testing.assert_allclose(storkey(xi[2:], storkey(xi[:2])), w, atol=1e-13)


@pytest.mark.parametrize("rule", RULES[:3])
def test_pairwise_weights_are_symmetric_with_a_zero_diagonal(rule):
    weights = memorise(rule, coins(7, 20))["weights"]
    np.testing.assert_allclose(weights, weights.T, atol=1e-13)
    assert (np.diag(weights) == 0).all()


@pytest.mark.parametrize("count", [1, 10, 31])
def test_pseudo_inverse_makes_every_independent_pattern_rest_exactly(count):
    xi = coins(count, 32)
    assert np.linalg.matrix_rank(xi) == count
    weights = pseudo_inverse(xi)
    own = np.diag(np.linalg.pinv(xi) @ xi)
    np.testing.assert_allclose(xi @ weights, xi * (1 - own), atol=1e-10)
    assert (moving_cells(memorise("pseudo-inverse", xi), (xi + 1) / 2) == 0).all()


def test_pseudo_inverse_survives_dependent_and_repeated_patterns():
    xi = coins(4, 16)
    repeated = np.vstack([xi, xi[:2], -xi[2:]])
    np.testing.assert_allclose(pseudo_inverse(repeated), pseudo_inverse(xi), atol=1e-12)
    assert (moving_cells(memorise("pseudo-inverse", repeated), (repeated + 1) / 2) == 0).all()


def test_as_many_patterns_as_cells_leave_nothing_to_correct():
    xi = 1.0 - 2.0 * np.eye(8)  # eight independent patterns of eight cells
    params = memorise("pseudo-inverse", xi)
    assert np.abs(params["weights"]).max() < 1e-9
    assert (moving_cells(params, all_states(8)) == 0).all()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("threshold", [0.0, 0.3])
@pytest.mark.parametrize("order", [2, 3, 4, 7])
def test_a_field_is_half_of_what_switching_off_costs(rule, threshold, order):
    """h_i = ½[E(s_i = −1) − E(s_i = +1)] for every state and cell of 6, from the energy alone."""
    params = memorise(rule, coins(3, 6), order=order, sharpness=0.7, threshold=threshold)
    x = all_states(6)
    h = local_fields(params, x)
    for i in range(6):
        on, off = x.copy(), x.copy()
        on[:, i], off[:, i] = 1, 0
        np.testing.assert_allclose(h[:, i], (energy(params, off) - energy(params, on)) / 2, atol=1e-12)


def test_pairwise_energy_is_the_double_sum():
    params = memorise("storkey", coins(3, 7), threshold=0.25)
    for x in all_states(7)[::11]:
        s, w = 2 * x - 1, params["weights"]
        double = -sum(w[i, j] * s[i] * s[j] for i in range(7) for j in range(i + 1, 7)) + 0.25 * s.sum()
        assert energy(params, x[None])[0] == pytest.approx(double, abs=1e-12)


@pytest.mark.parametrize(
    ("rule", "order", "even"),
    [("hebb", 3, True), ("storkey", 3, True), ("pseudo-inverse", 3, True), ("dense-polynomial", 2, True),
     ("dense-polynomial", 4, True), ("dense-polynomial", 3, False), ("dense-exponential", 3, False)],
)  # fmt: skip
def test_energy_is_even_without_thresholds_where_the_interaction_is(rule, order, even):
    x = all_states(8)
    params = memorise(rule, coins(3, 8), order=order)
    assert np.allclose(energy(params, x), energy(params, 1 - x), atol=1e-12) is even
    tilted = memorise(rule, coins(3, 8), order=order, threshold=0.5)
    assert not np.allclose(energy(tilted, x), energy(tilted, 1 - x), atol=1e-3)


def test_dense_polynomial_of_degree_two_is_hebb_but_for_a_constant():
    xi, x = coins(4, 9), all_states(9)
    gap = energy(memorise("dense-polynomial", xi, order=2), x) - energy(memorise("hebb", xi), x)
    np.testing.assert_allclose(gap, -len(xi) / 2, atol=1e-12)


def test_dense_exponential_steps_down_where_demircigils_sum_does():
    xi, x = coins(5, 10), all_states(10)
    ours = energy(memorise("dense-exponential", xi), x)
    theirs = -np.exp((2 * x - 1) @ xi.T).sum(axis=1)
    np.testing.assert_allclose(ours, -np.log(-theirs), atol=1e-12)
    assert (np.sign(np.diff(ours)) == np.sign(np.diff(theirs)))[np.abs(np.diff(ours)) > 1e-9].all()


def test_dense_exponential_does_not_overflow_and_keeps_small_differences():
    xi = coins(3, 2000)
    params = memorise("dense-exponential", xi, sharpness=10.0)
    values = energy(params, (np.vstack([xi, -xi]) + 1) / 2)
    assert np.isfinite(values).all()
    np.testing.assert_allclose(values[:3], -2000.0, atol=1e-6)
    assert np.isfinite(local_fields(params, (xi + 1) / 2)).all()


def test_sharpness_decides_between_the_nearest_pattern_and_a_blend():
    """At β → 0 the energy tends to the mean overlap, whose only minimum is the cells' majority."""
    xi = coins(3, 40, seed=2)
    majority = (np.sign(xi.sum(axis=0)) + 1) / 2
    blunt = memorise("dense-exponential", xi, sharpness=0.01)
    sharp = memorise("dense-exponential", xi, sharpness=2.0)
    assert moving_cells(blunt, majority[None])[0] == 0
    assert (moving_cells(blunt, (xi + 1) / 2) > 0).all()
    assert (moving_cells(sharp, (xi + 1) / 2) == 0).all()


@pytest.mark.parametrize("rule", RULES)
def test_energy_of_no_states_of_float32_and_inputs_untouched(rule):
    params = memorise(rule, coins(3, 8))
    before = {k: v.copy() for k, v in params.items()}
    x = all_states(8)[:5]
    kept = x.copy()
    assert energy(params, x[:0]).shape == (0,)
    single = energy(params, x.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, energy(params, x), rtol=1e-5, atol=1e-5)
    assert (x == kept).all()
    assert all((params[k] == before[k]).all() for k in params)
