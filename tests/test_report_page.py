"""The report and the picture of a run: text only where text was meant, the run's own numbers, nothing from elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from ebm_plugins import charts_svg, curves, framed, link, numbers, report_page, runs, stamps, takeaway
from ebm_plugins.palette import DARK, LIGHT
from ebm_plugins.wording import number

REQUEST = re.compile(r"""(src|href)\s*=|url\(\s*['"]?(?!#)|@import|<script|<link|<iframe""")


@pytest.fixture(scope="module")
def made(registry):
    found = {}
    for key, family in registry.families.items():
        spec = next(iter(family.presets.values()))
        short = {"epochs": 2} if "epochs" in family.train_config.model_fields else {}
        found[key] = runs.run(replace(spec, train={**spec.train, **short}, train_stop=None), registry)
    return found


def test_every_familys_report_is_one_page_without_requests(made, registry) -> None:
    for key, run in made.items():
        text = report_page.page(run, registry, "http://host" + link.write(run.spec, registry, full=True))
        assert not REQUEST.search(text), key
        assert runs.spec_digest(run.spec, registry) in text
        assert runs.result_digest(run) in text
        assert runs.environment_tag() in text
        assert run.verdict.head in text.replace("&#x27;", "'")
        assert "nan" not in re.sub(r"<[^>]*>", " ", text).lower().split()
        for figure in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
            ElementTree.fromstring(figure)
        values = re.findall(r"<path d=\"([^\"]*)\"", text)
        assert not any("nan" in d or "inf" in d for d in values)


def test_of_a_run_that_was_made_elsewhere_the_environment_is_that_one(made, registry) -> None:
    here, there = runs.environment_tag(), "0f3a5c7e9b1d"
    run = replace(made["langevin"], stamp=stamps.stamp(made["langevin"]).replace(here, there))
    text = report_page.page(run, registry, "/langevin")
    assert there in text
    assert here not in text
    assert f'ENVIRONMENT = "{there}"' in takeaway.script(run, registry)


def test_the_numbers_are_the_runs(made, registry) -> None:
    run = made["langevin"]
    text = report_page.page(run, registry, "/langevin")
    assert f"{numbers.of(run).total_variation:.3f}" in text
    assert f"{run.truth.log_partition:.4f}" in text


def test_one_chain_is_one_and_has_one_energy_at_the_end(made) -> None:
    run = made["hopfield"]
    assert run.sampling.energies.shape[1] == 1
    alt = curves.energy_traces(run).alt
    assert alt == f"Energy of one chain against step; at the end {number(run.sampling.energies[-1, 0])}."
    assert "-" not in alt
    many = curves.energy_traces(made["langevin"]).alt
    assert re.fullmatch("Energy of 12 chains against step; at the end −?[0-9.]+ to −?[0-9.]+\\.", many)


def test_settings_that_nothing_learns_from_are_one_row(made, registry) -> None:
    """Those that were set, and which landscape it is, are told; a model that learns tells all of them."""
    run = made["langevin"]
    text = report_page.page(run, registry, "/langevin")
    assert "train.landscape" in text
    assert "train.learning_rate" not in text
    assert "nothing is learned" in text
    spec = replace(run.spec, train={**run.spec.train, "confinement": 0.3})
    assert "train.confinement" in report_page.page(runs.run(spec, registry), registry, "/langevin")
    learned = report_page.page(made["dsm"], registry, "/dsm")
    assert all(f"train.{name}" in learned for name in made["dsm"].spec.train)
    assert "nothing is learned" not in learned


def test_strangers_words_stay_words(made, registry) -> None:
    run = made["langevin"]
    evil = "<script>alert(1)</script>\"'"
    changed = replace(run, data=replace(run.data, name=evil), notes=(evil,))
    text = report_page.page(changed, registry, evil)
    assert "<script" not in text
    picture, _, _ = framed.svg(changed, registry)
    assert "<script" not in picture
    ElementTree.fromstring(picture)


@pytest.mark.parametrize("dark", [False, True])
def test_a_framed_picture_has_its_digest_title_and_one_theme(made, registry, dark: bool) -> None:
    for key, run in made.items():
        picture, width, height = framed.svg(run, registry, dark=dark)
        root = ElementTree.fromstring(picture)
        assert (root.get("width"), root.get("height")) == (str(width), str(height))
        words = " ".join(root.itertext())
        assert registry.families[key].title in words
        assert runs.spec_digest(run.spec, registry)[:32] in words
        assert "light-dark" not in picture
        ground = next(iter(root)).get("fill")
        assert ground == (DARK if dark else LIGHT)["page"]


def test_a_chart_puts_every_number_in_its_place() -> None:
    line = {"type": "scatter", "mode": "lines", "x": [0, 1, 2], "y": [0.0, np.nan, 4.0]}
    bars = {"type": "bar", "x": ["a", "b"], "y": [1.0, 3.0]}
    for traces in ([line], [bars], [], [{"type": "pie"}], [{"type": "heatmap", "z": [[0, 1], [2, np.nan]]}]):
        text = charts_svg.svg({"data": traces}, 'an "alt" <b>')
        ElementTree.fromstring(text)
        assert "nan" not in text
    rects = [
        e
        for e in ElementTree.fromstring(charts_svg.svg({"data": [bars]})).iter()
        if e.get("fill") == LIGHT["model"]
    ]
    heights = [float(e.get("height")) for e in rects]
    assert heights[1] / heights[0] == pytest.approx(3, rel=0.02)
