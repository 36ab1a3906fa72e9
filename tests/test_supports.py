"""Chains that each keep to one of several finite neighbourhoods: their truth, its floor, the start, the stage's table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from ebm_plugins import (
    Data,
    Dataset,
    Family,
    NoConfig,
    Pairs,
    RunSpec,
    Snapshot,
    Target,
    Vectors,
    exact,
    starts,
)
from ebm_plugins.registry import Provider, Registry
from ebm_plugins.runs import run
from ebm_plugins.views import pair_similarity

KEYS = np.array([[0.0], [1.0], [2.0]])
SPACE = Pairs(Vectors(1), Vectors(1))


def energy(params, x):
    """Keys near their query are low."""
    return (x[:, 0] - x[:, 1]) ** 2


def support(params, x):
    return np.hstack([np.repeat(x[:1, :1], 3, axis=0), KEYS])


def sample(params, config, rng, x) -> Iterator[Snapshot]:
    """Exact draws of each query's key."""
    table = -((x[:, :1] - KEYS[:, 0]) ** 2)
    shares = np.exp(table) / np.exp(table).sum(axis=1, keepdims=True)
    while True:
        drawn = (rng.random((len(x), 1)) >= np.cumsum(shares, axis=1)).sum(axis=1)
        yield Snapshot(np.hstack([x[:, :1], KEYS[np.minimum(drawn, 2)]]))


def train(data, config, rng) -> Iterator[Snapshot]:
    yield Snapshot({"none": np.zeros(1)})


FAMILY = Family(
    key="near", title="Near", summary="A key near its query.", accepts=(Vectors,), energy=energy, train=train,
    sample=sample, support=support, train_config=NoConfig, sample_config=NoConfig, exactness="exact",
    state_space=lambda space: Pairs(space, Vectors(1)),
)  # fmt: skip
ROWS = Dataset(
    key="rows", title="Rows", summary="Numbers.", space=Vectors(1),
    load=lambda: Data(x=np.arange(100.0)[:, None] / 50, space=Vectors(1), name="Rows"),
)  # fmt: skip
REGISTRY = Registry(
    families={"near": FAMILY}, datasets={"rows": ROWS}, samplers={}, failures=(),
    providers={key: Provider("test", "1", "m") for key in ("near", "data:rows")},
)  # fmt: skip


def asked(start, stop: int = 30, seed: int = 0):
    return run(RunSpec(family="near", dataset="rows", start=start, sample_stop=stop, seed=seed), REGISTRY)


def by_hand(query: float) -> np.ndarray:
    weights = np.exp(-((query - KEYS[:, 0]) ** 2))
    return weights / weights.sum()


def test_the_truth_of_several_neighbourhoods_is_the_softmax_in_each_in_its_share() -> None:
    target = Target(energy=lambda x: energy({}, x), gradient=None, space=SPACE, temperature=2.0)
    states = tuple(support({}, np.array([[q, 0.0]])) for q in (0.0, 2.0))
    truth = exact.truth_of(target, support=exact.Supports(states, np.array([30, 10])))
    assert truth.kind == "support"
    assert np.isnan(truth.log_partition), "each neighbourhood has a Z of its own"
    p = np.r_[0.75 * by_hand(0.0), 0.25 * by_hand(2.0)]
    np.testing.assert_allclose(truth.probabilities, p, rtol=1e-12)
    np.testing.assert_array_equal(truth.states, np.vstack(states))
    e = energy({}, truth.states)
    assert truth.mean_energy == pytest.approx(2 * (p @ e)), "in units of E: the target's energies are over T"
    within = [by_hand(q) @ (e[i : i + 3] - by_hand(q) @ e[i : i + 3]) ** 2 for q, i in ((0.0, 0), (2.0, 3))]
    assert truth.energy_sd == pytest.approx(2 * np.sqrt(0.75 * within[0] + 0.25 * within[1]))


def test_the_floor_is_that_of_draws_whose_number_in_each_neighbourhood_is_settled() -> None:
    """Simulated anew. Where each neighbourhood has one likely state there is next to nothing left to chance."""
    target = Target(energy=lambda x: 40 * energy({}, x), gradient=None, space=SPACE)
    states = tuple(support({}, np.array([[q, 0.0]])) for q in (0.0, 1.0, 2.0))
    sharp = exact.truth_of(target, support=exact.Supports(states, np.ones(3)))
    assert sharp.floor(300)[2] < 1e-6
    assert exact.floor(sharp.cells(300), 300)[2] > 0.03, "which is what chance allocation would allow"
    plain = Target(energy=lambda x: energy({}, x), gradient=None, space=SPACE)
    truth = exact.truth_of(plain, support=exact.Supports(states, np.ones(3)))
    rng = np.random.default_rng(1)
    distances = []
    for _ in range(3000):
        counts = np.concatenate([rng.multinomial(100, by_hand(q)) for q in (0.0, 1.0, 2.0)])
        distances.append(0.5 * np.abs(counts / 300 - truth.probabilities).sum())
    np.testing.assert_allclose(truth.floor(300), np.quantile(distances, [0.025, 0.5, 0.975]), rtol=0.06)


def test_neighbourhoods_that_overlap_have_no_truth() -> None:
    target = Target(energy=lambda x: energy({}, x), gradient=None, space=SPACE)
    states = support({}, np.zeros((1, 2)))
    truth = exact.truth_of(target, support=exact.Supports((states, states), np.ones(2)))
    assert truth.kind == "none"
    assert "overlap" in truth.reason


def test_a_run_from_several_rows_is_held_against_its_own_mixture() -> None:
    """Exact draws: of five seeds, three at least agree (each is doubted three times in 100: false alarm 3e-4)."""
    made = [asked(starts.Data(rows=(10, 60), copies=200), seed=seed) for seed in range(5)]
    assert sum(one.verdict.status == "good" for one in made) >= 3
    for one in made:
        assert one.report.chains == 64, "the first 64 chains all began at the first row"
    mixed = asked(starts.Data(rows=(10, 60) * 4, copies=8))
    assert mixed.report.chains == 32
    assert mixed.report.rhat < 1.1, "chains of different questions are not held against each other"
    assert "of the 32 chains that choose among the same states" in mixed.notes[0]


def test_a_wrong_sampler_of_several_neighbourhoods_is_seen() -> None:
    """Keys drawn for the other chains' queries: the planted bug is far off the mixture."""

    def wrong(params, config, rng, x) -> Iterator[Snapshot]:
        for snapshot in sample(params, config, rng, x):
            yield Snapshot(np.hstack([x[:, :1], snapshot.value[::-1, 1:]]))

    registry = replace(REGISTRY, families={"near": replace(FAMILY, sample=wrong)})
    spec = RunSpec(family="near", dataset="rows", start=starts.Data(rows=(0, 99), copies=200), sample_stop=30)
    assert run(spec, registry).verdict.status == "bad"


def test_too_many_neighbourhoods_have_no_truth_but_a_reason() -> None:
    made = asked(starts.Data(rows=tuple(range(70))), stop=5)
    assert made.truth.kind == "none"
    assert "more than 64" in made.truth.reason


def test_one_neighbourhood_has_its_log_partition() -> None:
    made = asked(starts.Data(rows=(25,), copies=100), stop=5)
    assert made.truth.log_partition == pytest.approx(np.log(np.exp(-((0.5 - KEYS[:, 0]) ** 2)).sum()))
    assert not made.notes


def test_rows_begin_as_left_halves_and_are_damaged_there_only() -> None:
    """With right halves of the space's random start, which are the same whatever is done to the left."""
    data = ROWS.load()
    x = starts.draw(starts.Data(rows=(3, 4), copies=2), data, SPACE, np.random.default_rng(0))
    np.testing.assert_array_equal(x[:, 0], data.x[[3, 3, 4, 4], 0])
    assert len(np.unique(x[:, 1])) == 4
    masked = starts.draw(
        starts.Corrupted(rows=(3, 4), kind="mask", amount=1.0), data, SPACE, np.random.default_rng(0)
    )
    assert (masked[:, 0] == 0).all()
    assert (masked[:, 1] != 0).all()
    assert starts.fits(Vectors(1), SPACE)
    assert not starts.fits(Vectors(3), SPACE)
    assert not starts.fits(Vectors(4, (2, 2)), Pairs(Vectors(4), Vectors(1)))


def test_the_table_is_of_what_sampling_met_with_the_likeliest_partners_first() -> None:
    """Not of the start's right halves, which are noise; each query's nearest key stands in its order."""
    made = asked(starts.Data(rows=(50, 0, 99), copies=40), stop=20)
    left, right, similarity = pair_similarity(made)
    np.testing.assert_allclose(left[:, 0], [1.0, 0.0, 1.98])
    np.testing.assert_array_equal(right[:, 0], [1.0, 0.0, 2.0])
    np.testing.assert_allclose(similarity, -((left - right.T) ** 2))
