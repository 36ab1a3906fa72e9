"""Compare over families that it knows and families that it has never heard of: the table, the contest, the address."""

from __future__ import annotations

import json
import time

import pytest
from dashboard_tools import open_page, texts
from streamlit.testing.v1 import AppTest

from dashboard import jobs
from dashboard.app_pages import compare, compare_charts
from dashboard.job import DONE
from dashboard.unification import COLUMNS, UNSAID
from ebm_plugins import budget, contests
from ebm_plugins import registry as registries

FAST = {"budget": "5000", "n": "50"}


def made(at: AppTest, seconds: float = 60) -> AppTest:
    """Run until nobody is waited for. (AppTest does not tick `run_every`.)"""
    at.run()
    end = time.monotonic() + seconds
    while "are done." in texts(at) and time.monotonic() < end:
        time.sleep(0.1)
        at.run()
    assert not at.exception
    return at


def opened(query=None) -> AppTest:
    return made(open_page("compare", {**FAST, **(query or {})}))


def component(at: AppTest, label: str):
    """The data of the table with this label."""
    for one in at.get("bidi_component"):
        data = json.loads(one.proto.json) if one.proto.json else {}
        if data.get("label") == label:
            return data
    raise AssertionError(f"no table {label!r} on the page")


def families_table(at: AppTest):
    return component(at, "Families of energy-based models")


def numbers(at: AppTest):
    return component(at, "What each sampler made of the budget")


def query_of(at: AppTest) -> dict[str, str]:
    return {k: (v[0] if isinstance(v, list) else v) for k, v in dict(at.query_params).items()}


def test_every_family_is_a_row_from_its_lens(registry, monkeypatch):
    """In the registry's order, each with a link to its page, its energy as LaTeX and its badge."""
    monkeypatch.setenv(registries.ALLOW_VARIABLE, "")
    table = families_table(opened())
    assert [row[0]["name"] for row in table["rows"]] == list(registry.families)
    assert [c["title"] for c in table["columns"]] == [c.title for c in COLUMNS]
    for row, family in zip(table["rows"], registry.families.values(), strict=True):
        assert row[0]["href"] == family.key
        assert row[1]["order"] == family.lens.year
        assert family.lens.energy in row[2]["text"]
        assert [c["text"] for c in row[3:6]] == [family.lens.learns, family.lens.samples, family.lens.avoids]
        assert row[6]["badge"]
    assert table["katex"].startswith("static/js/rehype-katex.")


def test_renamed_families_without_a_lens_have_rows_of_what_their_records_say(three):
    """Three strangers and two that misbehave: each is there, with its summary, its methods and its badge."""
    at = made(three("compare", FAST))
    rows = {row[0]["name"]: row for row in families_table(at)["rows"]}
    assert set(rows) == {"dish", "bulbs", "rod", "raises", "hangs"}
    assert rows["dish"][1]["text"] == UNSAID
    assert rows["dish"][2]["text"] == "One round well."
    assert rows["rod"][4]["text"] == "Amble"
    assert rows["bulbs"][6]["text"] == "Exact"
    assert "One question, five answers" in texts(at)


def test_strangers_compete(three):
    """A third-party sampler on a third-party energy: picture, verdict and numbers, and nobody of ours is named."""
    at = made(three("compare", FAST))
    assert [row[0]["text"] for row in numbers(at)["rows"]] == ["Amble", "Slope"]
    assert at.get("button_group")[0].proto.options[0].content == "Amble"


def test_the_numbers_are_those_of_the_headless_function(registry, monkeypatch):
    """Cell for cell, and they change with the seed."""
    monkeypatch.setenv(registries.ALLOW_VARIABLE, "")
    shown = {}
    for seed in ("1", "2"):
        query = {**FAST, "seed": seed, "samplers": "mala,metropolis"}
        contest, mended = contests.parse(query, registry)
        assert mended == []
        rows = numbers(opened(query))["rows"]
        for place, (key, spec) in enumerate(contests.rivals(contest, registry)):
            *_, spent = budget.spend(spec, registry, contest.budget)
            title = registry.samplers[key].title
            entry = compare_charts.Entry(place, compare.short(title), title, spent)
            cells = compare_charts.row(entry, spent.run.verdict.status, spent.run.verdict.head)
            assert [c["text"] for c in rows[place]] == [c.text for c in cells]
            assert [c["below"] for c in rows[place]] == [c.below for c in cells]
        shown[seed] = rows
    assert shown["1"] != shown["2"]


def test_the_page_shows_what_the_address_says_and_writes_what_is_changed(registry, monkeypatch):
    """Energy, samplers, budget and settings from the query; a control writes it; an address of ours is kept short."""
    monkeypatch.setenv(registries.ALLOW_VARIABLE, "")
    query = {
        "energy": "metropolis-hastings?preset=Two wells, one start",
        "samplers": "metropolis,mala",
        "mala.step_size": "0.2",
    }
    at = opened(query)
    assert "value in the link" not in texts(at)
    assert at.selectbox(key="compare.energy").value == query["energy"]
    assert at.select_slider(key="compare.mala.step_size").value == 0.2
    assert query_of(at) == {**FAST, **query}
    at.number_input(key="compare.seed").set_value(11)
    made(at)
    assert query_of(at)["seed"] == "11"
    at.selectbox(key="compare.energy").set_value("langevin?preset=Banana")
    made(at)
    assert query_of(at)["energy"] == "langevin?preset=Banana"
    assert "Metropolis" in texts(at)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"energy": "mars"}, "energy=mars"),
        ({"samplers": "zork,mala"}, "samplers=zork"),
        ({"budget": "lots"}, "budget=lots"),
        ({"n": "7"}, "n=7"),
        ({"wells": "7"}, "wells=7"),
        ({"mala.step_size": "nan"}, "mala.step\\_size"),
        ({"energy": "<script>" * 9000}, "energy="),
    ],
)
def test_what_in_the_address_cannot_be_used_is_named(query, said, monkeypatch):
    """One notice, a line a value; the page is alive, and a change of a control takes the notice away."""
    monkeypatch.setenv(registries.ALLOW_VARIABLE, "")
    at = opened(query)
    assert "One value in the link was changed." in texts(at)
    assert said.replace("\\", "") in texts(at)
    assert numbers(at)["rows"]
    at.number_input(key="compare.seed").set_value(3)
    made(at)
    assert "in the link" not in texts(at)


def test_one_that_fails_costs_nobody_else_anything(monkeypatch):
    """Settings that do not go together are said where the sampler stands; the others have their pictures."""
    monkeypatch.setenv(registries.ALLOW_VARIABLE, "")
    at = opened(
        {"samplers": "mala,metropolis", "metropolis.proposal": "independent", "metropolis.warmup": "100"}
    )
    assert "Not run." in texts(at)
    assert [row[0]["text"][:10] for row in numbers(at)["rows"]] == ["Metropolis"]
    assert "MALA" in texts(at)


def test_an_energy_without_an_exact_answer_says_so(monkeypatch):
    """The article's wells without walls: no distance, and the reason in its place."""
    monkeypatch.setenv(registries.ALLOW_VARIABLE, "")
    at = opened({"energy": "langevin?preset=As in the article", "samplers": "ula,mala"})
    assert "There is no exact answer here." in texts(at)
    assert numbers(at)["rows"]


def test_a_grid_has_its_own_samplers_and_pictures(monkeypatch):
    """A learned energy on cells: it is learned once, whoever competes."""
    monkeypatch.setenv(registries.ALLOW_VARIABLE, "")
    at = opened({"energy": "hopfield?preset=Warm: Glauber against the exact answer"})
    titles = [row[0]["text"] for row in numbers(at)["rows"]]
    assert len(titles) == 3
    assert not at.error


def test_samplers_that_begin_at_once_learn_their_energy_once(registry):
    """The engine trains for the first who asks; the others take what it learned."""
    counted = []
    family = registry.families["rbm"]

    def train(data, config, rng):
        counted.append(config)
        yield from family.train(data, config, rng)

    from dataclasses import replace

    taught = replace(registry, families={**registry.families, "rbm": replace(family, train=train)})
    engine = jobs.Engine(taught)
    base = replace(family.presets["As in the article"], train={"epochs": 20})
    contest = replace(contests.on("x", base, taught), n=50, budget=5_000)
    running = [engine.spend(spec, 5_000, key) for key, spec in contests.rivals(contest, taught)]
    assert all(job.wait(60) for job in running)
    assert [job.state for job in running] == [DONE] * len(running)
    assert len(counted) == 1
    assert all(job.spent is not None and job.stage["svg"].startswith("<svg") for job in running)


def test_names_at_the_lines_are_short_and_differ():
    assert compare.short("Unadjusted Langevin (ULA)") == "ULA"
    assert compare_charts.brief(["ULA", "Metropolis–Hastings"]) == ["ULA", "Metropolis"]
    alike = ["Parallel tempering", "Parallel universes"]
    assert compare_charts.brief(alike) == alike
