"""A start that is to be drawn and is not yet: one thing to do, no fault, and what is shown is called by its name."""

from __future__ import annotations

import pytest
from dashboard_tools import texts, visit_of


def test_an_empty_drawing_is_no_fault_and_what_is_shown_is_said_to_be_of_before(three):
    at = three("dish")
    before = visit_of(at, "dish").shown
    next(c for c in at.get("button_group") if c.key == "dish.start").set_value("drawn").run()
    assert not at.exception
    said = texts(at)
    assert "Nothing drawn yet." in said
    assert "run before" in said
    assert "0 bytes" not in said
    assert ":red[" not in said
    assert "These are of the run before" in said
    assert visit_of(at, "dish").shown is before


@pytest.mark.parametrize("query", [{"start": "drawn"}, {"start": "drawn", "start.copies": "2"}])
def test_a_link_to_an_empty_drawing_is_mended_by_the_name_that_it_holds(three, query):
    said = texts(three("dish", query))
    assert "`start=drawn`" in said
    assert "bytes" not in said
    assert "nothing is drawn" in said


def test_states_that_are_no_text_of_states_are_still_refused_by_their_name(three):
    said = texts(three("dish", {"start": "drawn", "start.states": "AAA"}))
    assert "start.states=" in said
