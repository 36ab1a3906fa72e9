"""Stacks of restricted Boltzmann machines: what the transpose leaves unchanged, the bound, and what learning adds."""

from __future__ import annotations

import numpy as np
import pytest

from ebm_plugins import deep_belief as deep
from ebm_plugins.datasets import register_datasets
from ebm_plugins.families.rbm import TrainConfig
from ebm_plugins.rbm_core import free_energy, log_partition


def bars() -> np.ndarray:
    return next(d for d in register_datasets() if d.key == "bars-and-stripes-3x3").load().x


@pytest.fixture(scope="module")
def stacks() -> list[list[dict[str, np.ndarray]]]:
    return stacked(0)


def stacked(seed: int) -> list[list[dict[str, np.ndarray]]]:
    """Ten hidden units, then nine on top of them."""
    config = TrainConfig(method="cd", learning_rate=0.1, epochs=3000, batch=14, chains=100)
    return list(deep.stack(bars(), (10, 9), config, np.random.default_rng(seed)))


def test_a_stack_has_the_widths_that_were_asked_for(stacks):
    assert [len(layers) for layers in stacks] == [1, 2]
    assert stacks[1][1]["weights"].shape == (10, 9)
    np.testing.assert_array_equal(stacks[1][0]["weights"], stacks[0][0]["weights"])


def test_the_transpose_on_top_changes_nothing(stacks):
    """Hinton, Osindero, Teh 2006: p(v) of the pair is that of the machine alone, by enumeration of both."""
    bottom, x = stacks[0][0], bars()
    alone = -float(free_energy(bottom, x).mean()) - log_partition(bottom)
    assert deep.exact_log_likelihood([bottom, deep.transposed(bottom)], x) == pytest.approx(alone, abs=1e-9)
    assert log_partition(deep.transposed(bottom)) == pytest.approx(log_partition(bottom), abs=1e-9)


def test_the_second_layer_improves_the_exact_likelihood(stacks):
    """CD-1 leaves the first machine short of its rows; the second learns what their hidden units really look like.

    Over twelve seeds it gains 0.07 nats with a standard deviation of 0.033, so that the mean of three is below 0 in
    2 of 10,000 cases."""
    x, gained = bars(), []
    for layers in (stacks, *map(stacked, (1, 2))):
        bottom = layers[0][0]
        alone = -float(free_energy(bottom, x).mean()) - log_partition(bottom)
        gained.append(deep.exact_log_likelihood(layers[1], x) - alone)
    assert np.mean(gained) > 0


def test_the_bound_is_below_the_exact_likelihood_and_tight_for_the_transpose(stacks):
    """200 draws a row; the bound's Monte-Carlo error is measured over 10 repetitions, and 6 of it allowed."""
    x, rng = bars(), np.random.default_rng(1)
    for layers, tight in ((stacks[1], False), ([stacks[0][0], deep.transposed(stacks[0][0])], True)):
        z, exact = log_partition(layers[-1]), deep.exact_log_likelihood(layers, x)
        values = [deep.bound(layers, x, z, rng, draws=20) for _ in range(10)]
        error = np.std(values) / np.sqrt(10)
        assert np.mean(values) < exact + 6 * error + 1e-9
        if tight:
            assert abs(np.mean(values) - exact) < 6 * error + 1e-9


def test_dreams_of_a_stack_have_its_distribution(stacks):
    """Cells of 4,000 dreams against the exact mean of a two-layer stack, by enumeration of the first hidden layer:
    9 means of numbers in [0, 1] within 0.05 but for 18·exp(−2·4,000·0.05²) = 4e-8 (Hoeffding), chains being mixed."""
    from ebm_plugins.rbm_core import machine, visible_mean
    from ebm_plugins.truth import states_of

    layers = stacks[1]
    h = states_of(np.arange(2**10), 10)
    p = np.exp(-free_energy(layers[1], h) - log_partition(layers[1]))
    want = p @ visible_mean(machine(layers[0]), h)
    dreams = deep.dream(layers, 4000, 500, np.random.default_rng(2))
    np.testing.assert_allclose(dreams.mean(axis=0), want, atol=0.05)


def test_too_large_a_first_layer_is_refused_by_the_exact_likelihood():
    wide = {"weights": np.zeros((3, 15)), "visible_bias": np.zeros(3), "hidden_bias": np.zeros(15)}
    with pytest.raises(ValueError, match="at most 14 units"):
        deep.exact_log_likelihood([wide, deep.transposed(wide)], np.zeros((1, 3)))
