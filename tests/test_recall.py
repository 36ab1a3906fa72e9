"""The updates of spin networks, against cell-by-cell loops and enumerated transition matrices."""

from itertools import permutations

import numpy as np
import pytest

from ebm_plugins import recall
from ebm_plugins.memories import RULES, energy, memorise
from ebm_plugins.recall import (
    columns,
    flip_by_flip,
    local_fields,
    network,
    on_probability,
    settle,
    states,
    sweep,
    sweeps,
)


def coins(count, cells, seed=0):
    return np.random.default_rng(seed).integers(0, 2, (count, cells)) * 2.0 - 1.0


def all_states(cells):
    return ((np.arange(2**cells)[:, None] >> np.arange(cells)) & 1).astype(float)


def plain(field, x, orders):
    """The textbook loop: cells one by one, each with its own field, until a whole sweep changes nothing."""
    ends = []
    for state in 2 * x - 1:
        s = state.copy()
        for order in orders:
            before = s.copy()
            for i in order:
                h = field(s, i)
                if s[i] * h < -1e-9:
                    s[i] = -s[i]
            if (s == before).all():
                break
        ends.append(s)
    return (np.array(ends) + 1) / 2


def plain_field(params, xi):
    """Each rule's own field in plain form; Hebb's in integers."""
    rule, theta, n = recall.rule_of(params), params["thresholds"], xi.shape[1]
    if rule == "hebb":
        w = (xi.T @ xi).astype(np.int64)
        np.fill_diagonal(w, 0)
        return lambda s, i: int(w[i] @ s.astype(np.int64)) - theta[i] * n
    if rule in RULES[:3]:
        return lambda s, i: params["weights"][i] @ s - theta[i]

    def by_energy(s, i):
        both = np.array([s, s])
        both[:, i] = -1, 1
        off, on = energy(params, (both + 1) / 2)
        return (off - on) / 2

    return by_energy


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("count", "cells", "threshold"), [(5, 60, 0.0), (20, 60, 0.0), (30, 60, 0.0), (6, 33, 0.2)]
)
def test_blocked_sweeps_end_where_a_plain_sequential_sweep_ends(rule, count, cells, threshold):
    """Cell for cell, within capacity and past it, with any block."""
    xi = coins(count, cells)
    params = memorise(rule, xi, threshold=threshold)
    x = np.random.default_rng(1).integers(0, 2, (25, cells)).astype(float)
    rng = np.random.default_rng(2)
    wanted = plain(plain_field(params, xi), x, [rng.permutation(cells) for _ in range(60)])
    for block in (1, 7, 24, 1000):
        np.testing.assert_array_equal(settle(params, x, np.random.default_rng(2), block=block), wanted)


@pytest.mark.parametrize("count", [40, 160])
def test_low_rank_float32_fields_are_exact_on_a_large_grid(count):
    """784 cells, within capacity and past it: the same as integers, to the cell."""
    xi = coins(count, 784)
    params = memorise("hebb", xi)
    assert network(params).dtype == np.float32
    x = np.random.default_rng(1).integers(0, 2, (6, 784)).astype(float)
    rng = np.random.default_rng(3)
    wanted = plain(plain_field(params, xi), x, [rng.permutation(784) for _ in range(100)])
    np.testing.assert_array_equal(settle(params, x, np.random.default_rng(3)), wanted)


@pytest.mark.parametrize("rule", RULES)
def test_flip_by_flip_is_the_same_dynamics_and_the_energy_falls_at_each_flip(rule):
    params = memorise(rule, coins(9, 36), threshold=0.05)
    net = network(params)
    x = np.random.default_rng(1).integers(0, 2, (12, 36)).astype(float)
    s, cells = columns(net, x), np.arange(36)
    before, total = energy(params, x), np.zeros(12, dtype=int)
    for flipped in flip_by_flip(net, s, cells, np.random.default_rng(5)):
        after = energy(params, states(s))
        assert (after[flipped] < before[flipped]).all()
        assert (after[~flipped] == before[~flipped]).all()
        before, total = after, total + flipped
    np.testing.assert_array_equal(states(s), settle(params, x, np.random.default_rng(5)))
    swept = columns(net, x)
    np.testing.assert_array_equal(sum(sweeps(net, swept, cells, np.random.default_rng(5))), total)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("threshold", [0.0, -0.4])
def test_what_settles_is_at_rest_and_no_sweep_raises_the_energy(rule, threshold):
    params = memorise(rule, coins(12, 40), threshold=threshold)
    net, rng = network(params), np.random.default_rng(4)
    s = columns(net, rng.integers(0, 2, (50, 40)).astype(float))
    last = energy(params, states(s))
    for _ in sweeps(net, s, np.arange(40), rng):
        now = energy(params, states(s))
        assert (now <= last + 1e-9).all()
        last = now
    assert (recall.moving_cells(params, states(s)) == 0).all()


def test_a_cell_without_a_field_stays_as_it_is():
    params = memorise("hebb", np.array([[1.0, 1, 1, 1], [1, 1, -1, -1]]))  # cells 0, 1 and 2, 3 are two pairs
    x = np.array([[0.0, 0, 1, 1], [1, 1, 1, 1]])
    np.testing.assert_array_equal(settle(params, x, np.random.default_rng(0)), x)


def test_synchronous_updates_can_alternate_for_ever_and_raise_the_energy():
    """Two cells that agree: from (on, off) each takes the other's side. Three in a ring of mixed sign: E rises."""
    params = memorise("hebb", np.array([[1.0, 1.0]]))
    net = network(params)
    s = columns(net, np.array([[1.0, 0.0]]))
    seen = [states(s)]
    for _ in range(4):
        s = recall.synchronous(net, s, np.arange(2))
        seen.append(states(s))
    np.testing.assert_array_equal(seen[1], [[0, 1]])
    np.testing.assert_array_equal(seen[2], seen[0])
    np.testing.assert_array_equal(seen[4], seen[0])
    repel = {**params, "rule": np.array(1), "weights": np.array([[0.0, -1.0], [-1.0, 0.0]])}
    tilted = {**repel, "thresholds": np.array([-0.5, -0.5])}
    s = columns(network(tilted), np.array([[0.0, 0.0]]))
    after = states(recall.synchronous(network(tilted), s, np.arange(2)))
    rise = columns(network(tilted), after)
    again = states(recall.synchronous(network(tilted), rise, np.arange(2)))
    np.testing.assert_array_equal(again, [[0, 0]])
    assert energy(tilted, again)[0] > energy(tilted, after)[0]


@pytest.mark.parametrize("rule", RULES)
def test_only_free_cells_move_and_the_rest_settle_given_them(rule):
    params = memorise(rule, coins(6, 20))
    rng = np.random.default_rng(0)
    free = rng.random(20) < 0.5
    x = rng.integers(0, 2, (30, 20)).astype(float)
    ends = settle(params, x, rng, free=free)
    assert (ends[:, ~free] == x[:, ~free]).all()
    assert (ends[:, free] != x[:, free]).any()
    s = 2 * ends - 1
    assert (s * local_fields(params, ends))[:, free].min() > -1e-9
    net = network(params)
    spins = columns(net, x)
    for _ in flip_by_flip(net, spins, np.flatnonzero(free), np.random.default_rng(1)):
        pass
    assert (states(spins)[:, ~free] == x[:, ~free]).all()
    together = states(recall.synchronous(net, columns(net, x), np.flatnonzero(free)))
    assert (together[:, ~free] == x[:, ~free]).all()


def boltzmann(params, x, temperature):
    weight = np.exp(-(energy(params, x) - energy(params, x).min()) / temperature)
    return weight / weight.sum()


def single_cell(params, x, cell, temperature):
    """The transition matrix of redrawing one cell by Glauber's rule, from the library's fields and probability."""
    n, number = len(x), (x @ 2 ** np.arange(x.shape[1])).astype(int)
    on = on_probability(local_fields(params, x)[:, cell], temperature)
    matrix = np.zeros((n, n))
    with_on, with_off = number | (1 << cell), number & ~(1 << cell)
    matrix[np.arange(n), with_on] += on
    matrix[np.arange(n), with_off] += 1 - on
    return matrix


@pytest.mark.parametrize("rule", RULES)
def test_glauber_is_in_detailed_balance_with_the_boltzmann_distribution(rule):
    """To 1e-12: one cell drawn at random, and a sweep in an order drawn at random (all 24 of 4 cells)."""
    params = memorise(rule, coins(3, 4, seed=3), threshold=0.2)
    x, temperature = all_states(4), 0.8
    p = boltzmann(params, x, temperature)
    cells = [single_cell(params, x, i, temperature) for i in range(4)]
    swept = np.mean(
        [np.linalg.multi_dot([cells[i] for i in order]) for order in permutations(range(4))], axis=0
    )
    for matrix in (np.mean(cells, axis=0), swept):
        flow = p[:, None] * matrix
        assert np.abs(flow - flow.T).max() < 1e-12
        assert np.abs(p @ matrix - p).max() < 1e-12


@pytest.mark.parametrize("rule", RULES)
def test_one_warm_sweep_follows_its_transition_matrix(rule):
    """Frequencies of one sweep from one state against the product of the single-cell matrices: chi-square with
    7 degrees of freedom. False-alarm rate 1e-6 a rule (quantile 40.5)."""
    params = memorise(rule, coins(2, 3, seed=1), threshold=0.1)
    x, temperature, order, n = all_states(3), 0.9, np.array([2, 0, 1]), 40_000
    row = np.linalg.multi_dot([single_cell(params, x, i, temperature) for i in order])[5]
    net = network(params)
    s = columns(net, np.repeat(x[5:6], n, axis=0))
    sweep(net, s, order, temperature, np.random.default_rng(8))
    counts = np.bincount((states(s) @ [1, 2, 4]).astype(int), minlength=8)
    assert ((counts - n * row) ** 2 / (n * row)).sum() < 40.5


def largest_distance(p, n, alarm=1e-6):
    """What total variation of n independent draws from p stays under with probability 1 − alarm.

    Its mean is at most ½ Σ √(p(1 − p)/n), and one draw moves it by at most 1/n (McDiarmid 1989).
    """
    return 0.5 * np.sqrt(p * (1 - p) / n).sum() + np.sqrt(np.log(1 / alarm) / (2 * n))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("cells", [9, 16])
def test_warm_chains_sample_the_boltzmann_distribution(rule, cells):
    """Total variation and mean energy against enumeration, false-alarm rate 1e-6 each (4.9 standard errors); a
    temperature 15 % too high is caught by at least one of the two."""
    params = memorise(rule, coins(3, cells, seed=4), threshold=0.05)
    temperature, n = (1.2, 8000) if cells == 9 else (1.0, 8000)
    x = all_states(cells)
    p, values = boltzmann(params, x, temperature), energy(params, x)
    mean = p @ values
    error = np.sqrt((p @ values**2 - mean**2) / n)

    def measure(at):
        rng = np.random.default_rng(6)
        net = network(params)
        s = columns(net, rng.integers(0, 2, (n, cells)).astype(float))
        for _ in range(60):
            sweep(net, s, rng.permutation(cells), at, rng)
        number = (states(s) @ 2.0 ** np.arange(cells)).astype(int)
        seen = np.bincount(number, minlength=2**cells) / n
        return 0.5 * np.abs(seen - p).sum(), abs(values[number].mean() - mean) / error

    distance, score = measure(temperature)
    assert distance < largest_distance(p, n)
    assert score < 4.9
    distance, score = measure(1.15 * temperature)
    assert distance > largest_distance(p, n) or score > 4.9


@pytest.mark.parametrize("rule", ["storkey", "dense-exponential"])
def test_the_block_does_not_change_the_noise(rule):
    params = memorise(rule, coins(5, 30))
    ends = []
    for block in (3, 24):
        net, rng = network(params), np.random.default_rng(2)
        s = columns(net, np.zeros((40, 30)))
        for _ in range(5):
            sweep(net, s, rng.permutation(30), 0.7, rng, block=block)
        ends.append(states(s))
    np.testing.assert_array_equal(*ends)


def test_no_states_settle_to_no_states_and_inputs_are_kept():
    params = memorise("hebb", coins(2, 8))
    assert settle(params, np.zeros((0, 8)), np.random.default_rng(0)).shape == (0, 8)
    x = np.random.default_rng(0).integers(0, 2, (4, 8)).astype(float)
    kept = x.copy()
    settle(params, x, np.random.default_rng(0))
    assert (x == kept).all()


def test_weights_under_which_nothing_ever_rests_are_reported_not_waited_for():
    chase = memorise("storkey", coins(1, 2))
    chase["weights"] = np.array([[0.0, 1.0], [-1.0, 0.0]])
    with pytest.raises(RuntimeError, match="symmetric"):
        settle(chase, np.array([[1.0, 0.0]]), np.random.default_rng(0))


@pytest.mark.parametrize("rule", RULES[:3])
@pytest.mark.parametrize("threshold", [0.0, 0.3])
def test_energies_from_the_fields_are_the_energies(rule, threshold):
    xi = coins(6, 40)
    params = memorise(rule, xi, threshold=threshold)
    x = np.random.default_rng(1).integers(0, 2, (25, 40)).astype(float)
    net = network(params)
    np.testing.assert_allclose(
        recall.energies(net, columns(net, x)), energy(params, x), rtol=1e-10, atol=1e-10
    )
