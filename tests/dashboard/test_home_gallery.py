"""Home's gallery and timeline over families that it has never heard of: its ways lead to their presets."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from strangers import HELD, a_family, a_registry, broken, opened, said, still

from dashboard import jobs, thumbnails, timeline
from dashboard.app_pages import gallery
from ebm_plugins import (
    BinaryGrid,
    RunSpec,
)
from ebm_plugins.registry import Provider


@pytest.fixture
def strangers():
    """Two renamed families that share a preset's name, and one that is broken."""
    return a_registry(
        a_family("zog", "Zog", 1961, ["As it was", "Zog alone"], "flat"),
        a_family("quux", "Quux", 1999, ["As it was"], "cells", sample=still, space=BinaryGrid),
        a_family("ouch", "Ouch", None, ["Hurts"], "flat", energy=broken),
    )


def pictured(registry):
    """Wait until no picture of the first row is still being made."""
    until = time.monotonic() + 30
    made = thumbnails.studio(registry)
    while any(made.picture(c.spec).state == thumbnails.WAITING for c in gallery.cards(registry)[0]):
        assert time.monotonic() < until, "the pictures took too long"
        time.sleep(0.05)


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
