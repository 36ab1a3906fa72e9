"""Home over families that it has never heard of: its numbers are the closed-form ones, its ways lead to presets."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import jobs, thumbnails, timeline
from dashboard.app_pages import gallery, home, home_address
from dashboard.plot import well_editor
from dashboard.plot.well_editor import Setting
from ebm_plugins import (
    BinaryGrid,
    Data,
    Dataset,
    Family,
    Lens,
    NoConfig,
    Plane,
    RunSpec,
    Snapshot,
    sampling_cost,
    starts,
    wells1d,
)
from ebm_plugins.config import Config, knob
from ebm_plugins.registry import Provider, Registry
from ebm_plugins.wells1d import Well

HELD = (
    threading.Event()
)  # a sampler of ours waits for it, so that a picture stays unmade as long as a test wants
HELD.set()


class Walk(Config):
    """How long to walk."""

    steps: int = knob(5, "Steps.", ge=1, le=50)


def walk(params, config, rng, x):
    for _ in range(config.steps):
        HELD.wait(20)
        x = x + 0.1 * rng.standard_normal(x.shape)
        yield Snapshot(x)


def still(params, config, rng, x):
    for _ in range(config.steps):
        yield Snapshot(x)


def train(data, config, rng):
    yield Snapshot({"nothing": np.zeros(1)})


def bowl(params, x):
    return 0.5 * (x**2).sum(axis=1)


def broken(params, x):
    raise RuntimeError("the planted fault")


def a_family(key, title, year, names, dataset, *, sample=walk, energy=bowl, space=Plane):
    """A stranger with presets."""
    presets = {
        name: RunSpec(family=key, dataset=dataset, start=starts.Noise(n=4 + i))
        for i, name in enumerate(names)
    }
    lens = year and Lens(year=year, authors="Nobody", energy="E", learns="l", samples="s", avoids="a")
    return Family(
        key=key, title=title, summary="A stranger.", accepts=(space,), energy=energy, train=train, sample=sample,
        train_config=NoConfig, sample_config=Walk, presets=presets, lens=lens or None,
    )  # fmt: skip


def a_registry(*families):
    """A registry of these families and two bare spaces."""
    spaces = {"flat": Plane(), "cells": BinaryGrid(3, 3)}
    datasets = {
        key: Dataset(
            key=key,
            title=key.title(),
            summary="Bare.",
            space=space,
            load=lambda space=space, key=key: Data(x=np.zeros((0, space.dim)), space=space, name=key),
        )
        for key, space in spaces.items()
    }
    keys = [f.key for f in families] + list(datasets)
    house = {k: Provider("a-house", "1.0", "a_house") for k in keys}
    return Registry(
        families={f.key: f for f in families},
        datasets=datasets,
        providers={**house, **{f"data:{k}": house[k] for k in datasets}},
    )


@pytest.fixture
def strangers():
    """Two renamed families that share a preset's name, and one that is broken."""
    return a_registry(
        a_family("zog", "Zog", 1961, ["As it was", "Zog alone"], "flat"),
        a_family("quux", "Quux", 1999, ["As it was"], "cells", sample=still, space=BinaryGrid),
        a_family("ouch", "Ouch", None, ["Hurts"], "flat", energy=broken),
    )


def opened(registry, **query):
    """Home, run over a registry."""

    def script(registry):
        from dashboard.app_pages.home import home

        home(registry)

    test = AppTest.from_function(script, kwargs={"registry": registry}, default_timeout=30)
    for name, value in query.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception
    return test


def said(test):
    return "\n".join(element.value for element in test.markdown)


def pictured(registry):
    """Wait until no picture of the first row is still being made."""
    until = time.monotonic() + 30
    made = thumbnails.studio(registry)
    while any(made.picture(c.spec).state == thumbnails.WAITING for c in gallery.cards(registry)[0]):
        assert time.monotonic() < until, "the pictures took too long"
        time.sleep(0.05)


def sent(test, component="ebm.wells"):
    """What the component of this name was given."""
    found = [
        json.loads(c.proto.json) for c in test.get("bidi_component") if c.proto.component_name == component
    ]
    return found[0]


def shown(test):
    data = sent(test)
    return Setting(data["temperature"], tuple(Well(*row) for row in data["wells"]))


TWO = wells1d.START
OTHER = Setting(0.35, (Well(-3.25, 1.5, 0.4), Well(0.0, 5.0, 2.0), Well(4.8, 0.05, 0.95)))


def test_the_page_opens_with_two_wells_and_the_browser_gets_the_numbers_to_compute_with():
    test = opened(a_registry())
    assert shown(test) == Setting(1.0, TWO)
    limits = sent(test)["limits"]
    assert (limits["box"], limits["bowl"], limits["points"]) == (wells1d.BOX, wells1d.BOWL, 2001)
    assert dict(test.query_params) == {}


@pytest.mark.parametrize(
    "setting", [OTHER, Setting(100.0, ()), Setting(0.1, (Well(-5.0, 5.0, 0.4),) * 5), Setting()]
)
def test_what_the_address_is_written_with_is_read_back(setting):
    """To the last digit that the browser sets; and a page with that address shows it, with nothing to mend."""
    written = home_address.write(setting)
    assert home_address.read({name: [text] for name, text in written.items()}) == (setting, [])
    assert all(set(text) <= set("-_.~0123456789none") for text in written.values())
    test = opened(a_registry(), **written)
    assert shown(test) == setting
    assert "in the link" not in said(test)


def test_links_of_before_keep_working():
    """``temperature``, ``left`` and ``right`` are a temperature and the depths of the two wells."""
    test = opened(a_registry(), temperature="2.5", left="0.5")
    assert shown(test) == Setting(2.5, (TWO[0]._replace(depth=0.5), TWO[1]))
    assert "in the link" not in said(test)


def test_what_the_browser_says_is_written_into_the_address_and_ends_the_notice():
    def script(registry):
        import streamlit as st

        from dashboard.app_pages import home
        from dashboard.plot.well_editor import parse

        if st.button("move"):
            home.moved(parse({"number": 1, "temperature": 0.5, "wells": [[1, 2, 0.7]]}))
        home.home(registry)

    test = AppTest.from_function(script, kwargs={"registry": a_registry()}, default_timeout=30)
    test.query_params["left"] = "nan"
    test.run()
    assert "1 value in the link was changed." in said(test)
    test.button[0].click().run()
    assert dict(test.query_params) == {"temperature": "0.5", "wells": "1_2_0.7"}
    assert "in the link" not in said(test)


@pytest.mark.parametrize(
    "message",
    [
        None, "x", 7, [], {}, {"wells": [[1, 2, 0.7]]}, {"temperature": 1},
        {"temperature": "nan", "wells": []}, {"temperature": 0, "wells": []}, {"temperature": None, "wells": []},
        {"temperature": 1, "wells": [[1, 2]]}, {"temperature": 1, "wells": [[1, 2, 0.7, 4]]},
        {"temperature": 1, "wells": [[1, 2, 0.7]] * 6}, {"temperature": 1, "wells": [[9, 2, 0.7]]},
        {"temperature": 1, "wells": "abc"}, {"temperature": 1, "wells": {"a": 1}}, {"temperature": 1, "wells": 3},
        {"temperature": 1, "wells": [["1e999", 2, 0.7]]}, {"temperature": 1, "wells": [[1, 2, 0.0]]},
    ],
)  # fmt: skip
def test_a_message_that_is_none_of_ours_changes_nothing(message):
    assert well_editor.parse(message) is None


def test_a_message_of_ours_is_the_setting():
    message = {"number": 3, "temperature": 0.35, "wells": [list(well) for well in OTHER.wells]}
    assert well_editor.parse(message) == OTHER


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"temperature": "0"}, "`temperature=0`: expected a number from 0.1 to 100, so `1` is used."),
        ({"left": "nan"}, "`left=nan`: expected a number from 0 to 4, so `3` is used."),
        ({"right": "1e999"}, "so `2` is used"),
        ({"left": ["1", "2"]}, "it is given more than once, so `3` is used"),
        ({"well": "7"}, "`well=7`: this page has no such setting, so it is left out."),
        ({"left": "<script>" * 9000}, "so `3` is used"),
        ({"wells": "1_2"}, "expected place\\_depth\\_width for each well, with \\~ between them"),
        ({"wells": ""}, "expected place\\_depth\\_width"),
        (
            {"wells": "0_2_0.7~9_2_0.7"},
            "expected a place for well 2 from −5 to 5, got 9, so the page's own wells are used.",
        ),
        ({"wells": "0_-1_0.7"}, "expected a depth for well 1"),
        ({"wells": "0_1_0"}, "expected a width for well 1"),
        ({"wells": "0_nan_1"}, "expected place"),
        ({"wells": "1e1_1_1"}, "expected place"),
        ({"wells": "~".join(["0_1_1"] * 6)}, "expected at most 5 wells"),
        ({"wells": "0_1_1~" * 9_000}, "expected at most 5 wells"),
        ({"wells": "_" * 9_000}, "expected place"),
        ({"wells": "1٣_1_1"}, "expected place"),
    ],
)
def test_what_in_the_address_cannot_be_used_is_named(query, named):
    """Never a dead page, never a silent default."""
    test = opened(a_registry(), **query)
    assert "1 value in the link was changed." in said(test)
    assert named in said(test)
    assert shown(test) == Setting(1.0, TWO)


def test_a_link_with_all_the_wells_has_no_use_for_the_depths_of_two():
    test = opened(a_registry(), wells="1_2_0.7", left="3")
    assert shown(test) == Setting(1.0, (Well(1, 2, 0.7),))
    assert "`left=3`: the link gives all the wells, so it is left out." in said(test)


def test_what_the_sum_costs_is_what_the_modules_say():
    """The browser is given the numbers of wells1d and of the measurement, and the page says how they were had."""
    test = opened(a_registry())
    data = sent(test, "ebm.cost")
    assert data["measured"] == [[dim, n] for dim, n in sorted(sampling_cost.MEASURED.items())]
    assert (data["points"], data["rate"]) == (wells1d.POINTS, wells1d.RATE)
    assert data["age"] == pytest.approx(4.3508e17, rel=1e-4)
    assert "took 2001 evaluations" in said(test)
    assert f"±\u00a0{sampling_cost.ERROR:g}" in said(test)


def links(test):
    """The cards of the gallery: where each leads, and its heading."""
    found = [
        json.loads(c.proto.json)
        for c in test.get("bidi_component")
        if c.proto.component_name == "ebm.thumbnail"
    ]
    return [(card["href"], card["title"]) for card in found]


def test_every_preset_is_a_card_that_links_to_it(strangers):
    """A card a family first, with the preset that it opens with; a shared name is told apart by the family's."""
    test = opened(strangers)
    assert links(test) == [
        ("zog?preset=As+it+was", "Zog: as it was"),
        ("quux?preset=As+it+was", "Quux: as it was"),
        ("ouch?preset=Hurts", "Hurts"),
        ("zog?preset=Zog+alone", "Zog alone"),
    ]
    assert not test.get("button_group")


def test_a_family_is_not_shown_by_what_another_shows_already():
    """Two families open with the same landscape: the second is shown by a preset of another, under its own name."""

    def deck(key, *specs):
        family = a_family(key, key.title(), 1, [], "flat")
        return replace(
            family, presets={name: RunSpec(family=key, dataset=d, train=t) for name, d, t in specs}
        )

    first, second = {"landscape": "hills"}, {"landscape": "dales"}
    registry = a_registry(
        deck("one", ("Hills", "flat", first), ("Dales", "flat", second)),
        deck(
            "two",
            ("Hills", "flat", first),
            ("Slow", "flat", first),
            ("Dales", "flat", second),
            ("Mine", "flat", second),
        ),
        deck("three", ("Hills", "flat", first), ("Again", "flat", first)),
    )
    shown, _ = gallery.cards(registry)
    assert [(c.family.key, c.name) for c in shown[:3]] == [
        ("one", "Hills"),
        ("two", "Mine"),
        ("three", "Hills"),
    ]


def test_who_made_a_third_partys_preset_is_said(strangers):
    first, _ = gallery.cards(strangers)
    assert all(card.about.endswith("from a-house") for card in first)
    own = replace(strangers, providers={k: Provider("ebm-plugins", "1.0", "x") for k in strangers.providers})
    assert not any("from" in card.about for card in gallery.cards(own)[0])


def test_more_presets_are_drawn_on_request_only():
    """Nine presets of two families: six cards, in turns, and three when their family is chosen."""
    names = [f"Number {i}" for i in range(7)]
    registry = a_registry(
        a_family("zog", "Zog", 1, names, "flat"), a_family("quux", "Quux", 2, ["A", "B"], "flat")
    )
    first, rest = gallery.cards(registry)
    assert [c.name for c in first] == ["Number 0", "A", "Number 1", "B", "Number 2", "Number 3"]
    assert [c.name for c in rest] == ["Number 4", "Number 5", "Number 6"]
    test = opened(registry)
    assert len(links(test)) == 6
    more = test.get("button_group")[0]
    assert more.options == ["Zog · 3"]
    more.set_value("zog").run()
    assert len(links(test)) == 9


def test_the_page_never_waits_for_a_picture(strangers):
    """With a sampler that does not answer, the page is there at once, and the picture's place is waiting."""
    HELD.clear()
    try:
        began = time.monotonic()
        test = opened(strangers)
        assert time.monotonic() - began < 10
        assert "Start from something alive" in said(test)
        zog = gallery.cards(strangers)[0][0]
        assert thumbnails.studio(strangers).picture(zog.spec).state == thumbnails.WAITING
        test.run()
        assert not test.exception
    finally:
        HELD.set()


def test_pictures_are_real_runs_and_a_broken_family_costs_its_own_only(strangers):
    """Each good preset gets an SVG of its run; the broken one says why, with its traceback."""
    opened(strangers)
    pictured(strangers)
    made = thumbnails.studio(strangers)
    zog, quux, ouch = (made.picture(card.spec) for card in gallery.cards(strangers)[0][:3])
    assert zog.state == quux.state == thumbnails.READY
    assert zog.svg.startswith("<svg")
    assert zog.svg.count("<circle") == 4  # Noise(n=4): the first preset
    assert ouch.state == thumbnails.FAILED
    assert "the planted fault" in ouch.reason
    test = opened(strangers)
    assert "Why there is no picture" in [e.label for e in test.expander]
    assert any("the planted fault" in block.value for block in test.code)


def test_another_seed_gives_another_picture(strangers):
    """The picture is of the run that the spec describes, not of the family."""
    made = thumbnails.Studio(jobs.Engine(strangers, slots=1))
    specs = [RunSpec(family="zog", dataset="flat", seed=seed) for seed in (0, 1, 0)]
    until = time.monotonic() + 30
    while any(made.picture(s).state == thumbnails.WAITING for s in specs) and time.monotonic() < until:
        time.sleep(0.05)
    first, second, again = (made.picture(s).svg for s in specs)
    assert first == again != second


def test_the_timeline_is_made_of_the_lenses(strangers):
    """In order of years, links to the pages, today last; a family without a lens is not on it."""
    points = timeline.place(strangers.families, today=2026)
    assert [(p.name, p.year) for p in points] == [("Zog", 1961), ("Quux", 1999), ("Today", 2026)]
    rows = timeline.payload(points, strangers.families)["points"]
    assert [row["href"] for row in rows] == ["zog", "quux", ""]
    assert [(row["authors"], row["avoids"]) for row in rows] == [("Nobody", "a"), ("Nobody", "a"), ("", "")]
    where = [p.at for p in points]
    assert (where[1] - where[0]) / (where[2] - where[0]) == pytest.approx((1999 - 1961) / (2026 - 1961))
    test = opened(strangers)
    assert "years of avoiding *Z*" in said(test)
    shown = [
        json.loads(c.proto.json)
        for c in test.get("bidi_component")
        if c.proto.component_name == "ebm.timeline"
    ]
    assert [p["name"] for p in shown[0]["points"]] == ["Zog", "Quux", "Today"]


def test_labels_of_a_crowded_timeline_never_overlap():
    """Forty families within three years: in each lane, labels keep their width apart."""
    families = {f"f{i}": a_family(f"f{i}", f"F {i}", 2020 + i % 3, [], "flat") for i in range(40)}
    points = timeline.place(families, today=2026)
    lanes: dict = {}
    for point in points:
        lanes.setdefault((point.side, point.lane), []).append(point.at)
    for places in lanes.values():
        assert (np.diff(sorted(places)) >= timeline.LABEL - 1e-9).all()
    assert timeline.payload(points, families)["height"] > timeline.LANE * (max(p.lane for p in points) + 1)


def test_a_registry_of_nothing_is_a_page_too():
    """No family: no timeline, no gallery, no error."""
    text = said(opened(a_registry()))
    assert "years of" not in text
    assert "Start from" not in text
    assert "Why this is hard" in text


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "No"), (1, "One"), (19, "Nineteen"), (20, "Twenty"), (44, "Forty-four"), (120, "120")],
)
def test_years_in_words(number, words):
    """Whole numbers below a hundred, as English spells them."""
    assert home.spelt(number) == words


def test_home_names_no_family():
    """The built-in families' names stand nowhere in what this page is made of."""
    from ebm_plugins.registry import load

    names = {w for f in load(discover=False).families.values() for w in (f.key, f.title)}
    folder = Path(home.__file__).parent
    files = [*folder.glob("*.py"), folder.parent / "timeline.py", folder.parent / "thumbnails.py"]
    for file in files:
        text = file.read_text(encoding="utf-8").lower()
        assert not [name for name in names if name.lower() in text], file.name
