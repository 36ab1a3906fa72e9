"""The same data, the same budget: what the page says of held-out rows is what the headless functions say."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from dashboard_tools import open_page, texts

from dashboard.app_pages import same_data
from ebm_plugins import BinaryGrid, Data, Dataset, RunSpec, Snapshot, budget, contests, held_out, trials
from ebm_plugins import registry as registries
from ebm_plugins.config import NoConfig
from ebm_plugins.records import Family
from ebm_plugins.runs import run as run_of

LABEL = "What each family makes of rows that it has not seen"
FAST = {"budget": "10000", "n": "50", "samplers": "metropolis"}


def opened(query):
    at = open_page("compare", {**FAST, **query})
    at.run()
    end = time.monotonic() + 90
    while "come to their end" in texts(at) or "are done." in texts(at):
        assert time.monotonic() < end
        time.sleep(0.1)
        at.run()
    assert not at.exception
    return at


def rows(at):
    for one in at.get("bidi_component"):
        data = json.loads(one.proto.json) if one.proto.json else {}
        if data.get("label") == LABEL:
            return data["rows"]
    raise AssertionError("no table of held-out rows")


@pytest.mark.parametrize(
    "query",
    [
        {"data": "two-moons", "families": "langevin,dsm"},
        {"data": "digits-binary", "families": "hopfield,rbm"},
    ],
)
def test_the_table_is_what_the_headless_functions_say(registry, monkeypatch, query):
    """Cell for cell, from the address alone."""
    monkeypatch.setenv(registries.ALLOW_VARIABLE, "")
    trial, rest, mended = trials.parse({**FAST, **query}, registry)
    contest, unused = contests.parse(rest, registry)
    assert mended == unused == []
    shown = rows(opened(query))
    entrants = trials.entrants(trial, contest.n, contest.seed, registry)
    assert [e.family for e in entrants] == query["families"].split(",")
    for entrant, row in zip(entrants, shown, strict=True):
        *_, spent = budget.spend(entrant.spec, registry, contest.budget)
        score = held_out.log_likelihood(spent.run)
        assert row[1]["text"] == same_data.likelihood(score).text
        assert row[1]["below"] == same_data.likelihood(score).below
        assert row[1]["text"] == "—" or "±" in row[1]["text"]
        if row[1]["text"] == "—":
            assert "too many to list" in row[1]["below"]
        apart, _ = held_out.distance(spent.run)
        assert row[3]["order"] == pytest.approx(apart.value)


def test_pairs_have_a_dash_a_reason_and_their_own_words(registry, monkeypatch):
    """A family whose states are no rows of the data, and whose method cannot be counted, is there all the same."""
    monkeypatch.setenv(registries.ALLOW_VARIABLE, "")
    (row,) = rows(opened({"data": "gaussian-pairs"}))
    assert row[1]["text"] == "—"
    assert "a Z of its own" in row[1]["below"]
    assert row[4]["below"] == "held out loss"
    assert row[6]["below"] == "not counted"


def test_the_log_likelihood_is_what_training_says_of_the_same_rows(registry):
    """Three families that report it themselves, on a grid and in the plane: exact log Z here and there."""
    for family, data, name in (
        ("rbm", "digits-binary", "held_out_log_likelihood"),
        ("langevin", "two-moons", "held-out log-likelihood"),
    ):
        trial = trials.Trial(data=data, families=(family,))
        (entrant,) = trials.entrants(trial, 20, 0, registry)
        made = run_of(replace_steps(entrant.spec), registry)
        score = held_out.log_likelihood(made)
        assert score.known
        assert score.low == score.high == score.value
        assert score.value == pytest.approx(made.training.metrics[name][-1], abs=1e-5)
        assert score.value > held_out.independent(made)


def replace_steps(spec):
    return replace(spec, sample={**spec.sample, "steps": 5})


def test_a_model_that_is_the_data_s_scores_their_entropy_and_one_that_knows_nothing_less():
    """Independent coins, learned by counting: the log-likelihood is the closed form, and equals that of the model of
    independent coordinates but for its one count of each kind."""
    rng = np.random.default_rng(3)
    x = (rng.random((400, 4)) < [0.9, 0.2, 0.5, 0.7]).astype(float)
    data = Data(x=x[:300], test_x=x[300:], space=BinaryGrid(2, 2))

    def train(data, config, rng):
        p = (data.x.sum(axis=0) + 1) / (len(data.x) + 2)
        yield Snapshot({"log_odds": np.log(p / (1 - p))})

    def sample(params, config, rng, x):
        while True:
            yield Snapshot((rng.random(x.shape) < 1 / (1 + np.exp(-params["log_odds"]))).astype(float))

    coins = Family(
        key="coins", title="Coins", summary="Coins.", accepts=(BinaryGrid,), train_config=NoConfig, sample_config=NoConfig,
        energy=lambda params, x: -(x @ params["log_odds"]), train=train, sample=sample, exactness="exact",
    )  # fmt: skip
    dataset = Dataset(key="tossed", title="Tossed", summary="Coins.", space=data.space, load=lambda: data)
    registry = registries.Registry(families={"coins": coins}, datasets={"tossed": dataset}, samplers={},
                                   providers={k: registries.Provider("test", "1", "test") for k in ("coins", "data:tossed", "tossed")})  # fmt: skip
    made = run_of(RunSpec(family="coins", dataset="tossed", sample_stop=5), registry)
    score = held_out.log_likelihood(made)
    assert score.how == "exact log Z"
    assert score.value == pytest.approx(held_out.independent(made), abs=1e-9)
    p = 1 / (1 + np.exp(-made.params["log_odds"]))
    rows_ = x[300:]
    each = (rows_ * np.log(p) + (1 - rows_) * np.log(1 - p)).sum(axis=1)
    assert score.value == pytest.approx(each.mean())
    assert score.error == pytest.approx(each.std(ddof=1) / 10)
    # third parties: with no sampler installed its own method runs, uncounted
    trial = trials.default(registry)
    assert trial == trials.Trial(data="tossed", families=("coins",))
    (entrant,) = trials.entrants(trial, 50, 0, registry)
    assert not entrant.counted
    assert trials.write(trial, registry) == {}


def test_the_energy_distance_is_its_closed_form_and_the_floor_holds():
    """Normals a distance apart on the line: 2E|X−Y| − E|X−X'| − E|Y−Y'| by formula. False alarms: the floor is a 97.5 %
    quantile; with this seed exact draws are below it."""
    from math import erf, exp, pi, sqrt

    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, (1500, 1)), rng.normal(2, 1, (1500, 1))

    def folded(mean):  # E|N(mean, 2)|
        return 2 / sqrt(pi) * exp(-(mean**2) / 4) + mean * erf(mean / 2)

    exact = 2 * folded(2.0) - 2 * folded(0.0)
    assert held_out.energy_distance(x, y) == pytest.approx(
        exact, abs=4 * 2 * sqrt(2 / 1500)
    )  # four standard errors
    z = rng.normal(0, 1, (300, 1))
    floor = held_out._floor(rng.normal(0, 1, (1000, 1)), x[:1000], 300)
    assert held_out.energy_distance(z, x[:1000]) < floor < 0.1 * exact


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"data": "mars"}, "data"),
        ({"data": ["two-moons", "rings"]}, "data"),
        ({"families": "zork,dsm"}, "families"),
        ({"families": ","}, "families"),
        ({"methods": "zork"}, "methods"),
        ({"families": "x," * 100_000}, "families"),
    ],
)
def test_what_cannot_be_used_is_named_and_nothing_fails(registry, query, parameter):
    trial, rest, mended = trials.parse(query, registry)
    assert rest == {}
    assert mended
    assert {one.parameter for one in mended} == {parameter}
    assert trial.families


def test_an_address_is_written_and_read_again(registry):
    for data in ("two-moons", "digits-binary"):
        learners = tuple(trials.learners(data, registry))
        trial = trials.Trial(data=data, families=learners[-1:])
        trial = trials.Trial(
            data=data, families=learners[-1:], methods=tuple(trials.methods_of(trial, registry))[:2]
        )
        values = trials.write(trial, registry)
        assert trials.parse(values, registry) == (trial, {}, [])


def test_families_and_samplers_make_a_row_each_and_what_does_not_fit_says_why(registry):
    trial = trials.Trial(data="two-moons", families=("langevin", "dsm"), methods=("mala", "gibbs"))
    entrants = trials.entrants(trial, 50, 3, registry)
    assert [(e.family, e.sampler) for e in entrants] == [
        ("langevin", "mala"), ("langevin", "gibbs"), ("dsm", "mala"), ("dsm", "gibbs"),
    ]  # fmt: skip
    assert [e.spec is None for e in entrants] == [False, True, False, True]
    assert all(e.reason for e in entrants if e.spec is None)
    assert {e.spec.seed for e in entrants if e.spec} == {3}


def test_strangers_are_in_the_trial(three, monkeypatch):
    """A third-party family learns from third-party data; nobody of ours is named."""
    at = three("compare", {"budget": "5000", "n": "50"})
    at.run()
    end = time.monotonic() + 150  # one of them hangs until it is ended
    while "come to their end" in texts(at) and time.monotonic() < end:
        time.sleep(0.1)
        at.run()
    assert not at.exception
    assert {row[0]["text"] for row in rows(at)} <= {"Bulbs", "Rod", "Dish", "Raises", "Hangs"}
