"""Home's wells and what the sum costs: its numbers are the closed-form ones, and its address holds what is set."""

from __future__ import annotations

from pathlib import Path

import pytest
from strangers import a_registry, opened, said, sent
from streamlit.testing.v1 import AppTest

from dashboard.app_pages import home, home_address
from dashboard.plot import well_editor
from dashboard.plot.well_editor import Setting
from ebm_plugins import (
    sampling_cost,
    wells1d,
)
from ebm_plugins.wells1d import Well


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
