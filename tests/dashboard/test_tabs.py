"""The Truth and Diagnostics tabs of a method that descends: what it did, and nothing of draws that it does not make."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest


def page(address: str) -> None:
    from types import SimpleNamespace
    from unittest import mock

    from dashboard import tabs
    from ebm_plugins import link
    from ebm_plugins.registry import load
    from ebm_plugins.runs import run

    registry = load(discover=False)
    made = run(link.parse(address, registry)[0], registry)
    with mock.patch.object(tabs, "panels"):
        tabs._truth(SimpleNamespace(family="test"), made)
        tabs._diagnostics(SimpleNamespace(family="test"), made)


def metrics(address: str) -> dict[str, object]:
    at = AppTest.from_function(page, args=(address,), default_timeout=60).run()
    assert not at.exception
    return {m.label: m for m in at.metric}


@pytest.mark.parametrize(
    ("address", "labels"),
    [
        ("/hopfield", {"Flips", "Cells changed"}),
        ("/metropolis-hastings?sampler=simulated-annealing", {"Distance from the start"}),
    ],
)
def test_a_descent_has_no_draws_to_count(address, labels):
    found = metrics(address)
    assert labels < set(found)
    assert not {"R-hat", "Effective draws", "Total variation", "log Z"} & set(found)
    assert found["Energy at the end"].delta.startswith("start ")
    assert "never" not in found["Energy rose"].delta, "annealing may"
    assert all(m.value != "very large" for m in found.values())


def test_a_sampler_has_them_and_the_rule_is_stated():
    found = metrics("/langevin?sample.steps=20")
    assert {"R-hat", "Effective draws", "Total variation", "log Z"} < set(found)
    assert "about 3 times in 100" in found["Total variation"].help


@pytest.mark.parametrize("address", ["/dsm?train.steps=20&start.n=60", "/langevin?sampler=annealed-langevin"])
def test_on_a_ladder_only_the_last_states_are_draws(address):
    """Its frames are of other densities: no R-hat that 'wants 1.01 or less', nothing pooled along a chain."""
    found = metrics(address)
    assert not {"R-hat", "Effective draws", "Energy along chains"} & set(found)
    assert found["Draws"].value == ("60" if "start.n=60" in address else "300")
    assert "Total variation" in found


def test_a_figure_that_only_says_why_it_is_empty_is_a_line_and_not_a_panel():
    from types import SimpleNamespace

    from dashboard.studies_tab import only_words
    from ebm_plugins.families.hopfield_figures import blank, message

    why = message("This landscape was not learned from data.")
    job = SimpleNamespace(over=True, error=None, figures=[why])
    assert only_words(job) == "This landscape was not learned from data."
    drawn = blank(200)
    drawn.add_scatter(x=[0], y=[1])
    for other in ({"figures": [drawn]}, {"over": False}, {"error": ValueError()}, {"figures": []}):
        assert only_words(SimpleNamespace(**{**vars(job), **other})) == ""
