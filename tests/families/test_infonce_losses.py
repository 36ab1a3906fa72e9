"""The contrastive losses: against plain sums, finite differences, and what a critic that knows nothing scores."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from ebm_plugins import network
from ebm_plugins.families import infonce_core as core
from ebm_plugins.families import infonce_model as model
from ebm_plugins.network import start

HARDNESS = (0.0, 0.5, 2.0)
KNOWS_NOTHING = {
    "InfoNCE": lambda n: math.log(n),
    "symmetric": lambda n: math.log(n),
    "NT-Xent": lambda n: math.log(2 * n - 1),
}


def embeddings(n: int = 7, dim: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, dim)), rng.standard_normal((n, dim))


def by_plain_sums(kind: str, left: np.ndarray, right: np.ndarray, scale: float, hardness: float) -> float:
    """The same loss with loops and plain exponentials, from the formula."""
    if kind == "symmetric":
        both = (
            by_plain_sums("InfoNCE", left, right, scale, hardness),
            by_plain_sums("InfoNCE", right, left, scale, hardness),
        )
        return sum(both) / 2
    if kind == "NT-Xent":
        every = np.vstack([left, right])
        n = len(left)
        asked = [
            (every[i], every[(i + n) % (2 * n)], np.delete(every, [i, (i + n) % (2 * n)], axis=0))
            for i in range(2 * n)
        ]
    else:
        asked = [(left[i], right[i], np.delete(right, i, axis=0)) for i in range(len(left))]
    losses = []
    for query, own, others in asked:
        s, negatives = scale * query @ own, scale * others @ query
        mean = (np.exp(negatives) ** (1 + hardness)).mean() ** (1 / (1 + hardness))
        losses.append(-s + math.log(math.exp(s) + len(others) * mean))
    return float(np.mean(losses))


@pytest.mark.parametrize("hardness", HARDNESS)
@pytest.mark.parametrize("kind", core.LOSSES)
def test_each_loss_is_its_formula(kind: str, hardness: float) -> None:
    left, right = embeddings()
    found = core.slopes(kind, left, right, math.log(1.7), hardness).loss
    assert found == pytest.approx(by_plain_sums(kind, left, right, 1.7, hardness), rel=1e-12)


@pytest.mark.parametrize("unit", [True, False])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("hardness", HARDNESS)
@pytest.mark.parametrize("kind", core.LOSSES)
def test_the_gradient_by_hand_is_that_of_finite_differences(
    kind: str, hardness: float, shared: bool, unit: bool
) -> None:
    """To 1e-6 of the largest, for every weight of both encoders and for log(1/τ), in float64."""
    rng = np.random.default_rng(3)
    f = start((5, 6, 3), rng, np.float64)
    g = None if shared else start((5, 4, 3), rng, np.float64)
    left, right = embeddings(6, 5, 1)
    flat = [*f, *(g or ()), np.array([0.4])]

    def loss(arrays: list[np.ndarray]) -> float:
        first, second = tuple(arrays[:4]), None if shared else tuple(arrays[4:-1])
        return model.loss_and_slopes(kind, (first, second), arrays[-1], left, right, unit, hardness)[0]

    by_hand = model.loss_and_slopes(kind, (f, g), flat[-1], left, right, unit, hardness)[1]
    assert [a.shape for a in by_hand] == [a.shape for a in flat]
    step = 1e-6
    for k, array in enumerate(flat):
        for index in np.ndindex(array.shape):
            ends = []
            for sign in (1, -1):
                moved = [a.copy() for a in flat]
                moved[k][index] += sign * step
                ends.append(loss(moved))
            assert by_hand[k][index] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-6)


@pytest.mark.parametrize("hardness", HARDNESS)
@pytest.mark.parametrize("kind", core.LOSSES)
@pytest.mark.parametrize("n", [2, 64])
def test_a_critic_that_knows_nothing_scores_the_log_of_the_keys(kind: str, hardness: float, n: int) -> None:
    """log K; for NT-Xent log(2N − 1)."""
    same = np.ones((n, 3))
    assert core.slopes(kind, same, same, 2.0, hardness).loss == pytest.approx(
        KNOWS_NOTHING[kind](n), abs=1e-12
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("hardness", HARDNESS)
@pytest.mark.parametrize("kind", core.LOSSES)
def test_losses_and_gradients_stay_finite_at_any_temperature(kind: str, hardness: float, dtype: type) -> None:
    """From τ = 1e-30 to 1e30. As τ → 0, τ × InfoNCE tends to how much nearer the nearest wrong key is."""
    left, right = (x.astype(dtype) for x in embeddings())
    for log_scale in (-69.0, 0.0, 20.0, 69.0):
        found = core.slopes(kind, left, right, log_scale, hardness)
        assert np.isfinite(found.loss)
        assert np.isfinite(found.left).all()
        assert np.isfinite(found.right).all()
    if kind == "InfoNCE" and dtype is np.float64:
        table = left @ right.T
        gap = (table.max(axis=1) - np.diagonal(table)).mean()
        cold = core.slopes(kind, left, right, 20.0, hardness).loss / math.exp(20.0)
        assert cold == pytest.approx(gap, rel=1e-6)


def test_hardness_moves_the_push_onto_the_nearest_negatives() -> None:
    """β shifts the derivative from all negatives to the hardest one, and raises the loss; β = 0 is InfoNCE."""
    logits = np.array([[1.0, 2.0, 0.0, -1.0]])
    own = np.array([0])
    shares, losses = [], []
    for hardness in (0.0, 1e-9, 0.5, 1.0, 3.0, 500.0):
        loss, slope = core.contrast(logits, own, hardness)
        shares.append(slope[0, 1] / slope[0, 1:].sum())
        losses.append(loss[0])
        assert slope.sum() == pytest.approx(0, abs=1e-12), "a constant added to all logits changes nothing"
    assert losses[1] == pytest.approx(losses[0], abs=1e-8)
    assert shares[1] == pytest.approx(shares[0], abs=1e-8)
    assert (np.diff(shares[1:]) > 0).all()
    assert (np.diff(losses[1:]) > 0).all()
    assert losses[-1] == pytest.approx(-1 + math.log(math.exp(1) + 3 * math.exp(2)), rel=1e-2), (
        "the hardest alone"
    )


def test_symmetric_is_the_same_when_both_sides_are_exchanged_and_one_way_is_not() -> None:
    left, right = embeddings()
    there, back = (core.slopes("symmetric", a, b, 0.5) for a, b in ((left, right), (right, left)))
    assert there.loss == pytest.approx(back.loss, rel=1e-12)
    np.testing.assert_allclose(there.left, back.right, atol=1e-14)
    one, other = (core.slopes("InfoNCE", a, b, 0.5).loss for a, b in ((left, right), (right, left)))
    assert abs(one - other) > 0.01


def test_log_sum_exp_of_nothing_is_minus_infinity() -> None:
    assert core.log_sum_exp(np.array([[-np.inf, -np.inf], [0.0, 0.0]])).tolist() == [-np.inf, math.log(2)]


def test_alignment_and_uniformity_of_known_configurations() -> None:
    """All in one point: 0 and 0. Opposite points of the sphere: squared distance 4, so log of e⁻⁸ for each pair."""
    point = np.tile([[1.0, 0.0]], (5, 1))
    assert core.alignment(point, point) == 0
    assert core.uniformity(point) == pytest.approx(0, abs=1e-12)
    assert core.alignment(point, -point) == pytest.approx(4)
    assert core.uniformity(np.array([[1.0, 0.0], [-1.0, 0.0]])) == pytest.approx(-8)
    assert math.isnan(core.uniformity(point[:1]))


def test_uniformity_of_even_points_is_that_of_the_sphere() -> None:
    """On the circle the mean of exp(−2‖u − v‖²) = exp(−4 + 4 cos φ) over φ is e⁻⁴·I₀(4), by quadrature here."""
    angles = 2 * np.pi * np.arange(4000) / 4000
    mean = np.exp(-4 + 4 * np.cos(angles)).mean()
    points = np.random.default_rng(0).standard_normal((2000, 2))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    assert core.uniformity(points) == pytest.approx(math.log(mean), abs=0.02)


def test_a_tie_counts_for_its_share() -> None:
    logits = np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 1.0], [3.0, 0.0, 1.0]])
    assert core.matched(logits).tolist() == [0.5, 1.0, 0.0]
    assert core.matched(np.zeros((4, 4))).mean() == 0.25


@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0, 300.0])
def test_symmetric_is_the_mean_of_both_ways_also_where_one_exponential_cannot_serve_both(
    scale: float,
) -> None:
    logits = scale * np.random.default_rng(0).standard_normal((9, 9))
    loss, slope = core.symmetric(logits)
    (there, down), (back, across) = core.one_way(logits), core.one_way(logits.T)
    assert loss == pytest.approx(0.5 * (there + back), rel=1e-12, abs=1e-12)
    np.testing.assert_allclose(slope, 0.5 * (down + across.T), atol=1e-14)


def test_memory_of_the_energy_does_not_grow_with_the_hidden_units_of_all_pairs() -> None:
    """20,000 pairs and the widest encoder: its hidden layer would be 164 MB in float64, and the pairs are 20 MB."""
    weights = network.start((64, 1024, 32), np.random.default_rng(0))
    params = {
        **network.named(weights, "left_"),
        "unit": np.array([True]),
        "temperature": np.array([0.1]),
        "bank_queries": np.zeros((1, 64)),
    }
    x = np.random.default_rng(1).random((20_000, 128))
    tracemalloc.start()
    found = model.energy(params, x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 70e6
    np.testing.assert_allclose(found[-5:], model.energy(params, x[-5:]), rtol=1e-12)
