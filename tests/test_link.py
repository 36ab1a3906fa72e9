"""Links: every spec survives the round trip, and nothing that a stranger writes makes reading fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import toy_families as cases
from hypothesis import given, settings
from hypothesis import strategies as st

from ebm_plugins import BinaryGrid, ConfigError, Plane, RunSpec, starts
from ebm_plugins.link import parse, preset_of, write
from ebm_plugins.plans import offered_samplers
from ebm_plugins.registry import Registry
from ebm_plugins.runs import resolve

DOTS = starts.pack(np.array([[0.5, -1.0], [2.0, 2.0]]), Plane())
BOWL = replace(
    cases.BOWL,
    presets={
        "Usual": RunSpec(family="bowl", dataset="cloud", start=starts.Noise(50)),
        "Far away": RunSpec(
            family="bowl", dataset="cloud", sample={"scale": 3.0}, start=starts.Drawn(states=DOTS)
        ),
        "Stopped": RunSpec(family="bowl", dataset="cloud", train_stop=2, sampler="nudge"),
    },
)
REGISTRY = replace(cases.REGISTRY, families={"bowl": BOWL, "grid": cases.GRID})

SPECS = [
    RunSpec(family="bowl"),
    *BOWL.presets.values(),
    RunSpec(family="bowl", seed=12, train={"rate": 0.1}, sample={"every": 3}),
    RunSpec(family="bowl", sampler="nudge", train_stop=3, sample_stop=0),
    RunSpec(
        family="bowl",
        dataset="cloud",
        start=starts.Corrupted(rows=(3, 4), kind="noise", amount=0.1, copies=2),
    ),
    RunSpec(family="bowl", dataset="cloud", start=starts.Data(rows=(0,), copies=7)),
    RunSpec(family="bowl", dataset="cloud", sampler="nudge", start=starts.Noise(9, free=(False, True))),
    RunSpec(family="grid", dataset="lamps"),
    RunSpec(
        family="grid", dataset="lamps", start=starts.Drawn(states=starts.pack(np.eye(3), BinaryGrid(1, 3)))
    ),
]


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("full", [False, True])
def test_every_spec_survives_the_round_trip(spec, full):
    asked = resolve(spec, REGISTRY)
    address = write(asked, REGISTRY, full=full)
    read, mended = parse("https://example.org/base" + address, REGISTRY)
    assert read == asked, address
    assert mended == []


def test_defaults_are_left_out_and_a_full_link_has_them_all():
    usual = resolve(BOWL.presets["Usual"], REGISTRY)
    assert write(usual, REGISTRY) == "/bowl"
    assert write(replace(usual, seed=3), REGISTRY) == "/bowl?seed=3"
    far = resolve(BOWL.presets["Far away"], REGISTRY)
    assert write(far, REGISTRY) == "/bowl?preset=Far%20away"
    assert preset_of(far, REGISTRY) == "Far away"
    assert preset_of(replace(far, seed=3), REGISTRY) == ""
    full = write(usual, REGISTRY, full=True)
    for part in (
        "data=cloud",
        "train.epochs=5",
        "train.rate=0.5",
        "sample.steps=20",
        "start=noise",
        "start.n=50",
        "seed=0",
        "v=",
    ):
        assert part in full
    changed = replace(
        BOWL, presets={"Usual": RunSpec(family="bowl", dataset="cloud", seed=99, start=starts.Noise(7))}
    )
    assert parse(full, replace(REGISTRY, families={"bowl": changed}))[0] == usual, (
        "a changed default changes no old link"
    )


@pytest.mark.parametrize(
    ("query", "parameter", "reason", "used"),
    [
        ("seed=x", "seed", "whole number", "0"),
        ("seed=-1", "seed", "whole number", "0"),
        ("seed=1e3", "seed", "whole number", "0"),
        ("train.rate=9", "train.rate", "from 0 to 1", "0.5"),
        ("train.rate=nan", "train.rate", "from 0 to 1", "0.5"),
        ("train.rate=inf", "train.rate", "from 0 to 1", "0.5"),
        ("train.epochs=2.5", "train.epochs", "whole number", "5"),
        ("sample.steps=", "sample.steps", "whole number", "20"),
        ("sampler=nuts", "sampler", "one of", "bowl"),
        ("sampler=flip", "sampler", "runs on this family", "bowl"),
        ("data=lamps", "data", "Plane", "cloud"),
        ("data=nowhere", "data", "one of", "cloud"),
        ("data=inline:8x8:%00", "data", "", "cloud"),
        ("start=middle", "start", "one of", "noise"),
        ("start.n=0", "start.n", "whole number", "50"),
        ("start.rows=1", "start.rows", "one of", "nothing"),
        ("start=data&start.rows=5000", "start.rows", "from 0 to 49", "0"),
        ("start=drawn&start.states=%F0%9F%98%80", "start.states", "base64url", ""),
        ("preset=gone", "preset", "one of Usual", "Usual"),
        ("stop=a,b", "stop", "TRAIN,SAMPLE", "no stop"),
        ("seed=1&seed=2", "seed", "more than once", "the first, 1"),
        ("colour=red", "colour", "no such parameter", "nothing"),
        ("v=9.9.9", "v", "Copy link", "nothing"),
        ("v=", "v", "Copy link", "nothing"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_what_is_used_instead(query, parameter, reason, used):
    spec, mended = parse(f"/bowl?{query}", REGISTRY)
    assert [m.parameter for m in mended] == [parameter]
    assert reason in mended[0].reason
    assert used in mended[0].used
    assert resolve(spec, REGISTRY) == spec


def test_case_does_not_matter_for_names_and_choices():
    spec, mended = parse("/BOWL?SEED=4&Sampler=NUDGE&TRAIN.Rate=0.25", REGISTRY)
    assert (spec.seed, spec.sampler, spec.train["rate"], mended) == (4, "nudge", 0.25, [])


def test_a_sampler_of_another_config_starts_from_its_own_defaults():
    spec, mended = parse("/bowl?preset=far%20away&sampler=nudge", REGISTRY)
    assert (spec.sampler, dict(spec.sample), mended) == ("nudge", {}, [])


def test_an_unknown_family_is_the_only_thing_that_cannot_be_read():
    for link in ("/nothing?seed=3", "", "http://[bad", "///"):
        with pytest.raises(ConfigError, match="family"):
            parse(link, REGISTRY)


names = st.one_of(
    st.sampled_from(["data", "preset", "sampler", "seed", "start", "stop", "v", "start.n", "start.rows", "start.free",
                     "start.states", "start.kind", "start.amount", "start.copies", "train.rate", "train.epochs",
                     "sample.steps", "sample.every", "family", "TRAIN.RATE"]),
    st.text(max_size=20),
)  # fmt: skip
texts = st.one_of(
    st.text(max_size=60),
    st.sampled_from(["", "0", "-1", "1e999", "nan", "noise", "data", "drawn", "corrupted", "bowl", "nudge", "flip",
                     "cloud", "plane", "lamps", "1,2", ",", "true", "AAAA", "../../etc/passwd", "<script>", "9" * 500]),
    st.integers().map(str), st.floats().map(str),
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(names, st.one_of(texts, st.lists(texts, max_size=3)), max_size=8))
def test_any_query_gives_a_spec_that_resolves_and_names_what_it_ignored(query):
    spec, mended = parse(query, REGISTRY, family="bowl")
    assert resolve(spec, REGISTRY) == spec
    known = {"family", "v"}
    read = parse(write(spec, REGISTRY), REGISTRY)[0]
    assert read == spec
    for name in query:
        plain = name.strip().lower()
        if (
            "." not in plain
            and plain not in {*known, "data", "preset", "sampler", "seed", "start", "stop"}
            and query[name] != []
        ):
            assert any(m.parameter == plain[:60] or m.parameter for m in mended), name


def test_a_hundred_thousand_characters_and_ten_thousand_parameters_are_survived():
    long = "9" * 100_000
    query = "&".join([f"seed={long}", f"start.rows={long}", f"train.rate={long}", f"x{long}=1"])
    spec, mended = parse(f"/bowl?{query}", REGISTRY)
    assert spec == resolve(RunSpec(**BOWL.presets["Usual"].as_dict() | {"start": starts.Noise(50)}), REGISTRY)
    assert len(mended) == 4
    assert all(len(m.given) <= 61 and len(m.parameter) <= 61 for m in mended)
    many = "&".join(f"p{i}=1" for i in range(10_000))
    _, mended = parse(f"/bowl?{many}", REGISTRY)
    assert "10000 parameters" in mended[0].given


def test_bounds_are_named_as_a_person_writes_them(registry: Registry) -> None:
    def reason(query: str) -> str:
        return parse(f"/langevin?{query}", registry)[1][0].reason

    assert reason("seed=-1") == "expected a whole number from 0 to 2⁶³ − 1"
    assert reason("sample.steps=0") == "expected a whole number from 1 to 100000"
    assert reason("sample.step_size=9") == "expected a number from 0.00001 to 5"


def test_an_unknown_sampler_is_answered_with_those_offered(registry: Registry) -> None:
    reason = parse("/hopfield?sampler=nobody", registry)[1][0].reason
    assert "gibbs" in reason
    assert not {"ula", "nuts", "langevin"} & set(reason.replace(",", " ").split())


def test_one_copy_of_each_goes_without_saying(registry: Registry) -> None:
    """Where the preset has none or one; where it has more, it is said."""
    states = starts.pack(np.array([[0.0, 1.0]]), Plane())
    for copies in (1, 7):
        spec = resolve(RunSpec(family="langevin", start=starts.Drawn(states=states, copies=copies)), registry)
        address = write(spec, registry)
        assert ("start.copies" in address) == (copies > 1)
        assert parse(address, registry) == (spec, [])
    for name, family in registry.families.items():
        for preset in family.presets.values():
            if isinstance(preset.start, starts.Data | starts.Corrupted | starts.Drawn):
                spec = resolve(replace(preset, start=replace(preset.start, copies=1)), registry)
                assert parse(write(spec, registry), registry) == (spec, []), name


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("/rbm?sampler=ula", "ula: it needs states in Plane or Vectors, and these are in BinaryGrid"),
        ("/infonce?sampler=hmc", "hmc: it needs states in Plane or Vectors"),
        (
            "/metropolis-hastings?sampler=gibbs",
            "gibbs: it needs states in BinaryGrid, and these are in Plane",
        ),
        ("/metropolis-hastings?data=digits", "digits, which is in Vectors"),
    ],
)
def test_a_link_that_asks_for_what_does_not_fit_is_told_why(registry, address, reason):
    _, mended = parse(address, registry)
    (told,) = mended
    assert reason in told.reason
    assert told.reason.startswith("expected ")


def test_what_came_is_not_said_twice(registry):
    _, (told,) = parse("/langevin?sampler=Nothing", registry)
    assert "got" not in told.reason


def test_a_model_without_an_energy_is_offered_no_sampler_that_compares_energies(registry):
    """The same link with an energy network keeps its sampler, and so does one that follows the gradient alone."""
    spec, (told,) = parse("/dsm?sampler=mala&train.model=score", registry)
    assert "mala: it compares energies, and this model has none" in told.reason
    assert (spec.sampler, spec.train["model"]) == ("dsm", "score")
    for address in ("/dsm?sampler=mala&train.model=energy", "/dsm?sampler=ula&train.model=score"):
        spec, mended = parse(address, registry)
        assert mended == []
        assert spec.sampler != "dsm"
    dsm = registry.families["dsm"]
    for model, gone in (
        ("score", {"mala", "hmc", "nuts", "metropolis", "parallel-tempering"}),
        ("energy", set()),
    ):
        offered, refused = offered_samplers(dsm, Plane(), registry, dsm.train_config(model=model))
        assert gone <= set(refused)
        assert {"ula", "underdamped", "annealed-langevin"} <= set(offered)
        assert not gone & set(offered)
