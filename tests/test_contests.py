"""Who competes on what: read from any query without failing, written back to the same contest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ebm_plugins import contests, plans, registry, runs, starts
from ebm_plugins.config import knobs


def named(mended):
    return [(one.parameter, one.used) for one in mended]


def test_it_begins_in_the_plane_with_four_who_differ(registry):
    """The first family there in its first preset; its own method, then unbiased ones with and without a gradient."""
    contest, mended = contests.parse({}, registry)
    base = contest.base
    assert mended == []
    assert base == next(iter(registry.families[base.family].presets.values()))
    assert plans.plan(base, registry).space.dim == 2
    needs = [registry.samplers[k].needs_gradient for k in contest.samplers]
    assert len(contest.samplers) == contests.USUAL
    assert {True, False} == set(needs)
    assert contests.write(contest, registry) == {}


def test_every_preset_that_is_offered_can_be_run_by_all_who_compete(registry):
    """Each resolves with each sampler that is offered for it, from both starts."""
    offered = contests.energies(registry)
    assert len(offered) > 20
    for text, (_, _, base) in offered.items():
        contest = contests.on(text, base, registry)
        assert contest.samplers, text
        everybody = replace(contest, samplers=tuple(contests.candidates(base, registry)[0]))
        for start in ("one_place", "preset"):
            for key, spec in contests.rivals(replace(everybody, start=start), registry):
                made = plans.plan(spec, registry)
                assert made.sampler.key == key
                assert made.temperature == plans.plan(base, registry).temperature


def test_who_cannot_compete_is_refused_with_the_reason(registry):
    """Wrong space, no density, and the family's own method, which nobody can count."""
    fitting, refused = contests.candidates(
        registry.families["hopfield"].presets["As in the article"], registry
    )
    assert "gibbs" in fitting
    assert set(refused) >= {"hopfield", "simulated-annealing", "mala"}
    assert not set(fitting) & set(refused)


def test_rivals_begin_in_the_same_state_and_learn_the_same(registry):
    """One place: every chain of everybody in one state. Preset: the preset's own start, as many chains."""
    contest, _ = contests.parse({"n": "60", "budget": "1000"}, registry)
    for start in ("one_place", "preset"):
        specs = [spec for _, spec in contests.rivals(replace(contest, start=start), registry)]
        assert len({spec.start for spec in specs}) == 1
        assert len({plans.plan(spec, registry).training_digest for spec in specs}) == 1
        made = plans.plan(specs[0], registry)
        x = starts.draw(made.spec.start, made.data, made.space, runs.rng_of(made.spec, "start"))
        assert len(x) == 60
        assert bool((x == x[0]).all()) == (start == "one_place")


def test_a_seed_moves_the_place(registry):
    contest, _ = contests.parse({}, registry)
    one, two = (
        contests.spec_of(replace(contest, seed=s), contest.samplers[0], registry).start for s in (1, 2)
    )
    assert one != two


def test_the_energy_may_be_any_address_of_a_page(registry):
    """Temperature, training, start and its sampler's settings count."""
    text = "/langevin?train.landscape=double-well&sample.temperature=0.5&sampler=mala&sample.step_size=0.2&seed=9"
    contest, mended = contests.parse({"energy": text, "start": "preset"}, registry)
    assert mended == []
    assert (contest.seed, contest.base.train["landscape"]) == (9, "double-well")
    for key, spec in contests.rivals(contest, registry):
        assert spec.sample["temperature"] == 0.5
        if key == "mala":
            assert spec.sample["step_size"] == 0.2
    assert contests.parse(contests.write(contest, registry), registry) == (contest, [])


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"energy": "nothing?preset=none"}, ["energy"]),
        ({"energy": "infonce"}, ["energy"]),
        ({"energy": "rbm?preset=Digits that dream"}, ["energy"]),
        ({"energy": "langevin?preset=Mars&seed=-1"}, ["energy: preset", "energy: seed"]),
        ({"energy": "http://[bad"}, ["energy"]),
        ({"samplers": "zork,gibbs,ula,ULA"}, ["samplers", "samplers"]),
        ({"samplers": ""}, ["samplers"]),
        ({"samplers": "ula,mala,hmc,nuts,metropolis,underdamped,parallel-tempering"}, ["samplers"]),
        ({"budget": "1e5"}, ["budget"]),
        ({"budget": "99999999999999999999"}, ["budget"]),
        ({"n": "nan"}, ["n"]),
        ({"seed": "-3"}, ["seed"]),
        ({"start": "mars"}, ["start"]),
        ({"ula.step_size": "900"}, ["ula.step_size"]),
        ({"ula.steps": "9"}, ["ula.steps"]),
        ({"gibbs.order": "random"}, ["gibbs.order"]),
        ({"wells": "7"}, ["wells"]),
        ({"seed": ["1", "2"]}, ["seed"]),
        ({f"x{i}": "1" for i in range(300)}, ["", *(f"x{i}" for i in range(200))]),
        ({"energy": "<script>" * 9000}, ["energy"]),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(registry, query, said):
    """Each value by name; the contest that is left is one that runs, and is written back the same."""
    contest, mended = contests.parse(query, registry)
    assert [one.parameter for one in mended] == said
    assert all(len(one.given) < 80 for one in mended)
    assert contest.samplers
    for _, spec in contests.rivals(contest, registry):
        plans.plan(spec, registry)
    assert contests.parse(contests.write(contest, registry), registry) == (contest, [])


def test_settings_and_terms_travel_and_survive_another_energy(registry):
    """Settings belong to a sampler: on another energy those who still fit keep theirs."""
    query = {
        "samplers": "metropolis,mala",
        "mala.step_size": "0.2",
        "budget": "90000",
        "n": "100",
        "seed": "5",
    }
    contest, mended = contests.parse(query, registry)
    assert mended == []
    assert contests.spec_of(contest, "mala", registry).sample["step_size"] == 0.2
    assert contests.write(contest, registry) == {**query, "samplers": "mala,metropolis"}
    text = next(t for t in contests.energies(registry) if t.startswith("dsm"))
    moved = contests.on(text, contests.energies(registry)[text][2], registry, contest)
    assert (moved.budget, moved.n, moved.seed, moved.settings["mala"]) == (90_000, 100, 5, {"step_size": 0.2})
    grid = next(t for t in contests.energies(registry) if t.startswith("rbm"))
    assert contests.on(grid, contests.energies(registry)[grid][2], registry, contest).settings == {}


def test_a_setting_at_its_usual_value_is_not_written(registry):
    contest, _ = contests.parse({}, registry)
    key = contest.samplers[0]
    usual = contests.spec_of(contest, key, registry).sample["step_size"]
    same = replace(contest, settings={key: {"step_size": usual}})
    assert contests.write(same, registry) == {}


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["energy", "samplers", "budget", "n", "start", "seed", "mala.step_size", "hmc.leapfrogs", "v"]),
        st.one_of(
            st.text(max_size=30), st.integers(-5, 10**6).map(str), st.floats().map(str),
            st.sampled_from(["mala", "hmc,nuts", "preset", "langevin", "hopfield?preset=Warm", "dsm?seed=3"]),
        ),
    )
)  # fmt: skip
def test_no_query_fails(query):
    """Whatever comes: a contest that runs, and that reads back from what it writes."""
    contest, _ = contests.parse(query, _registry())
    assert contests.MOST >= len(contest.samplers) > 0
    for one in knobs(contests.Terms):
        assert one.decode(one.encode(getattr(contest, one.name))) == getattr(contest, one.name)
    assert contests.parse(contests.write(contest, _registry()), _registry()) == (contest, [])


def test_a_registry_without_energies_has_no_contest():
    """No family, and none that fits: None, and still no failure."""
    assert contests.parse({"seed": "1"}, registry.Registry())[0] is None


def _registry(kept=[]):  # noqa: B006  (made once)
    if not kept:
        kept.append(registry.load(discover=False))
    return kept[0]


def test_starts_in_one_place_keep_what_is_clamped(registry):
    """A clamped energy stays clamped, on a grid too."""
    base = registry.families["rbm"].presets["Two rows of an eight, against the exact answer"]
    contest = contests.on("x", base, registry)
    spec = contests.spec_of(contest, "gibbs", registry)
    made = plans.plan(spec, registry)
    assert made.free is not None
    assert np.array_equal(made.free, plans.plan(base, registry).free)
