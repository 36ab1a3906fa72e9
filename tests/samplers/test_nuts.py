"""The No-U-Turn sampler: its bookkeeping against a plain recursion, exact invariance, and how far it goes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from ebm_plugins import Plane, Target, Vectors, landscapes
from ebm_plugins.chains import Adjusted
from ebm_plugins.samplers import nuts
from ebm_plugins.testing.cells import drawn
from ebm_plugins.testing.kernels import drift

ALARM = 1e-6


def gaussian(dim: int) -> Target:
    return Target(energy=lambda x: 0.5 * (x * x).sum(axis=1), gradient=lambda x: 1.0 * x, space=Vectors(dim))


def wells() -> Target:
    params = landscapes.params_of("three-wells", 0.05)
    return Target(
        energy=lambda x: landscapes.energy(params, x),
        gradient=lambda x: landscapes.gradient(params, x),
        space=Plane(),
    )


def exact_wells(n: int, seed: int) -> np.ndarray:
    rng, bare, found = np.random.default_rng(seed), landscapes.params_of("three-wells"), []
    while sum(map(len, found)) < n:
        x = rng.standard_normal((200_000, 2)) / math.sqrt(0.1)
        depth = -landscapes.energy(bare, x)
        found.append(x[rng.random(len(x)) < np.exp(depth - 3.1)])
    return np.concatenate(found)[:n]


def run(target: Target, x: np.ndarray, seed: int, **values) -> list:
    return list(nuts.sample(target, nuts.Config(**values), np.random.default_rng(seed), x))


def subtree(*args):
    """As the kernels call it: with what overflows passed over in silence."""
    with np.errstate(all="ignore"):
        return nuts.subtree(*args)


# --- Bookkeeping ------------------------------------------------------------------------------------------------


def test_the_places_of_subtrees() -> None:
    """Leaf 1 ends (0, 1); 3 ends (2, 3) and (0..3); 5 ends (4, 5); 7 ends (6, 7), (4..7) and (0..7). By brute force:
    a subtree that begins at an even leaf is found again at every leaf that ends it."""
    kept: dict[int, int] = {}
    for leaf in range(64):
        nearest, furthest = nuts.places(leaf)
        if leaf % 2 == 0:
            kept[nearest] = leaf
            assert furthest > nearest
            continue
        found = {kept[place] for place in range(furthest, nearest + 1)}
        wanted = {leaf + 1 - 2**j for j in range(1, 7) if (leaf + 1) % 2**j == 0}
        assert found == wanted


def by_recursion(target: Target, x, p, size: float, depth: int):
    """The leaves of a subtree of one chain in order of visit, and whether it (or a part of it) turns back."""
    if depth == 0:
        p = p - 0.5 * size * target.gradient(x[None])[0]
        x = x + size * p
        p = p - 0.5 * size * target.gradient(x[None])[0]
        return [(x, p)], False
    first, turned = by_recursion(target, x, p, size, depth - 1)
    if turned:
        return first, True
    second, turned = by_recursion(target, *first[-1], size, depth - 1)
    leaves = first + second
    left, right = leaves[0][1], leaves[-1][1]
    along = sum(q for _, q in leaves) - 0.5 * (left + right)
    return leaves, turned or left @ along <= 0 or right @ along <= 0


@pytest.mark.parametrize("size", [0.15, -0.4, 1.1])
def test_subtrees_are_those_of_a_plain_recursion(size: float) -> None:
    """Every chain's ends, momenta and verdict, at depths 0 to 4."""
    rng, target = np.random.default_rng(1), wells()
    x, p = exact_wells(60, 1), rng.standard_normal((60, 2))
    start = nuts.Point(x, p, target.gradient(x))
    h = target.energy(x) + 0.5 * (p * p).sum(axis=1)
    turns = 0
    for depth in range(5):
        made = subtree(
            target,
            start,
            np.full((60, 1), size),
            2**depth,
            depth + 1,
            h,
            rng.random(60),
            np.ones(60, dtype=bool),
        )
        for i in range(60):
            leaves, turned = by_recursion(target, x[i], p[i], size, depth)
            assert made.good[i] == (not turned)
            turns += turned
            if turned:
                continue
            assert np.allclose(made.end.x[i], leaves[-1][0])
            assert np.allclose(made.total[i], sum(q for _, q in leaves))
            energies = [target.energy(a[None])[0] + 0.5 * b @ b for a, b in leaves]
            assert made.log_weight[i] == pytest.approx(np.logaddexp.reduce(h[i] - np.array(energies)))
            assert made.leaves[i] == 2**depth
            assert any(np.allclose(made.drawn.x[i], a) for a, _ in leaves)
    assert turns > 20


def test_one_uniform_draws_a_leaf_by_its_weight() -> None:
    """20,000 chains on one straight trajectory of 8 leaves over a bumpy energy: χ² of the leaf drawn against exp(−H).
    False alarm 1e-6."""
    bumpy = Target(energy=lambda x: 1.5 * np.sin(3 * x[:, 0]), gradient=lambda x: 0.0 * x, space=Vectors(1))
    n = 20_000
    x, p = np.zeros((n, 1)), np.ones((n, 1))
    made = subtree(
        bumpy, nuts.Point(x, p, 0.0 * x), np.full((n, 1), 0.4), 8, 4, np.full(n, 0.5),
        np.random.default_rng(2).random(n), np.ones(n, dtype=bool),
    )  # fmt: skip
    leaf = np.rint(made.drawn.x[:, 0] / 0.4).astype(int) - 1
    weights = np.exp(-1.5 * np.sin(3 * 0.4 * np.arange(1, 9)))
    assert weights.max() > 10 * weights.min()
    share = weights / weights.sum()
    assert stats.chisquare(np.bincount(leaf, minlength=8), n * share).pvalue > ALARM
    assert made.log_weight == pytest.approx(math.log(weights.sum()))
    assert made.good.all()


# --- Invariance -------------------------------------------------------------------------------------------------


EXACT = drawn(lambda n, rng: exact_wells(n, int(rng.integers(2**31))), wells().energy)


def drifts(**values) -> bool:
    """Whether exact draws are exact no more after 10 steps."""
    config = nuts.Config(steps=10, every=10, **values)
    return bool(drift(lambda x, rng: next(nuts.sample(wells(), config, rng, x)).value, EXACT, 15_000).against)


@pytest.mark.parametrize(("step_size", "depth"), [(0.5, 5), (1.2, 3), (0.25, 1)])
def test_exact_draws_stay_exact(step_size: float, depth: int) -> None:
    """15,000 exact draws after 10 steps. False alarm 1e-6 each."""
    assert not drifts(step_size=step_size, depth=depth)


def test_the_same_test_catches_a_trajectory_drawn_without_weights(monkeypatch) -> None:
    """A planted bug: leaves drawn uniformly. At a coarse step their energies differ, and the draws drift off."""
    real = nuts.subtree

    def unweighted(target, start, size, leaves, depth, start_energy, uniform, going):
        flat = Target(energy=lambda x: np.zeros(len(x)), gradient=target.gradient, space=target.space)
        kinetic = start_energy - target.energy(start.x)
        made = real(flat, start, size, leaves, depth, kinetic, uniform, going)
        drawn = made.drawn
        return made._replace(
            drawn=Adjusted(drawn.x, target.energy(drawn.x), drawn.gradient, 0), log_weight=np.full(len(kinetic), math.log(leaves))
        )  # fmt: skip

    monkeypatch.setattr(nuts, "subtree", unweighted)
    assert drifts(step_size=1.2, depth=3)


# --- What its knobs do ---------------------------------------------------------------------------------------------


def test_a_smaller_step_takes_more_leapfrogs_for_the_same_way() -> None:
    """On N(0, I) a trajectory turns after about half an orbit, π/ε leapfrogs, whatever the step."""
    x = np.random.default_rng(0).standard_normal((400, 10))
    found = [
        run(gaussian(10), x, 1, steps=5, every=5, step_size=e, depth=10)[-1].metrics
        for e in (0.4, 0.1, 0.025)
    ]
    leapfrogs = [m["leapfrogs"] for m in found]
    assert leapfrogs == sorted(leapfrogs)
    for count, e in zip(leapfrogs, (0.4, 0.1, 0.025), strict=True):
        assert 0.5 * math.pi / e < count < 4 * math.pi / e
    assert [m["acceptance"] for m in found] == sorted(m["acceptance"] for m in found)


def test_depth_caps_the_trajectory() -> None:
    x = np.random.default_rng(0).standard_normal((200, 2))
    for depth in (1, 3, 5):
        found = run(gaussian(2), x, 1, steps=3, every=3, step_size=0.001, depth=depth)[-1].metrics[
            "leapfrogs"
        ]
        assert found == 2**depth - 1


def test_it_forgets_faster_than_one_leapfrog_at_a_time() -> None:
    """N(0, I) in ten dimensions at the same ε: correlation of |x|² after 10 steps, and of x."""
    x = np.random.default_rng(0).standard_normal((4000, 10))
    far = run(gaussian(10), x, 1, steps=3, every=3, step_size=0.3)[-1].value
    near = run(gaussian(10), x, 1, steps=3, every=3, step_size=0.3, depth=1)[-1].value
    # antithetic moves may even anticorrelate: what counts is the size
    assert abs((x * far).mean()) < 0.3 < (x * near).mean()


def test_warm_up_tunes_the_leapfrog() -> None:
    x = np.random.default_rng(7).standard_normal((1000, 5))
    for eps in (0.01, 3.0):
        found = run(gaussian(5), x, 8, step_size=eps, steps=200, every=50, warmup=150, target_acceptance=0.8)
        assert found[-1].metrics["acceptance"] == pytest.approx(0.8, abs=0.03)


def test_a_trajectory_that_leaves_the_energy_surface_is_dropped() -> None:
    quartic = Target(energy=lambda x: (x**4).sum(axis=1), gradient=lambda x: 4 * x**3, space=Vectors(1))
    start = np.full((5, 1), 1e30)
    found = run(quartic, start, 0, step_size=5.0, steps=5, every=5)[-1]
    assert (found.value == start).all()
    assert found.metrics["acceptance"] == 0
