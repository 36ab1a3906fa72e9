"""A config model → widgets, and back."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field
from streamlit.testing.v1 import AppTest

from dashboard import controls
from ebm_plugins import Config, knob

Share = Annotated[float, Field(ge=0, le=9)]


class Everything(Config):
    whole: int = knob(5, "A whole number", ge=1, le=10)
    large: int = knob(5, "A whole number of many", ge=1, le=10**6)
    share: float = knob(0.5, "A share", ge=0, le=1)
    wide: float = knob(2.0, "A number without bounds", unit="kT")
    rate: float = knob(0.01, "A rate", ge=1e-4, le=1, log=True)
    count: int = knob(300, "A count", ge=1, le=10_000, log=True)
    on: bool = knob(True, "On or off")
    few: Literal["a", "b", "c"] = knob("b", "One of three")
    many: Literal["one", "two", "three", "four", "five", "six"] = knob("two", "One of six")
    pair: tuple[Share, Share] = knob((0.5, 1.5), "Two numbers")
    steps: tuple[Annotated[int, Field(ge=0)], ...] = knob((1, 2), "Some numbers")


class Vast(Config):
    vast: int = knob(2**60, "A whole number past what JavaScript is exact for")


def script() -> None:
    import streamlit as st

    from dashboard import controls
    from ebm_plugins import ConfigError
    from ebm_plugins.config import knobs

    values = st.session_state.setdefault("values", {})
    error = ConfigError("train.share", "less", 0.5) if st.session_state.get("wrong") else None
    controls.config(knobs(st.session_state["model"]), values, "x.train", values.__setitem__, error)


@pytest.fixture
def drawn() -> AppTest:
    at = AppTest.from_function(script)
    at.session_state["model"] = Everything
    return at.run()


def test_a_browser_that_has_not_read_the_state_yet_has_the_value_in_force_too():
    """Streamlit's browser begins with a widget's default, and says that in whatever it asks before it has read the
    state: a link's seed came as 0 so."""
    at = AppTest.from_function(script)
    at.session_state["model"] = Everything
    at.session_state["values"] = {
        "whole": 7, "large": 70, "share": 0.25, "wide": -3.0, "rate": 0.1, "count": 7, "on": False, "few": "c",
        "many": "five", "pair": (0.25, 4.0), "steps": (4, 5, 6),
    }  # fmt: skip
    at.run()
    assert not at.exception
    assert at.slider(key="x.train.whole").proto.default == [7]
    assert at.number_input(key="x.train.large").proto.default == 70
    assert at.slider(key="x.train.share").proto.default == [0.25]
    assert at.number_input(key="x.train.wide").proto.default == -3
    for key in ("rate", "count"):
        one = at.select_slider(key=f"x.train.{key}")
        assert one.proto.options[int(one.proto.default[0])] == controls.number(one.value)
        assert one.value == at.session_state["values"][key]
    assert at.toggle(key="x.train.on").proto.default is False
    assert list(at.button_group(key="x.train.few").proto.default) == [2]
    assert at.selectbox(key="x.train.many").proto.default == 4
    assert [at.number_input(key=f"x.train.pair.{i}").proto.default for i in (0, 1)] == [0.25, 4]
    assert at.text_input(key="x.train.steps").proto.default == "4, 5, 6"


def test_a_number_that_a_browser_cannot_count_to_is_said_beside_its_control():
    at = AppTest.from_function(script)
    at.session_state["model"] = Vast
    at.run()
    assert at.number_input(key="x.train.vast").value == 2**53 - 1
    assert any(str(2**60) in one.value for one in at.markdown)


def test_a_long_list_of_values_fits_into_its_box_which_stays_the_same_while_it_is_edited():
    """Streamlit makes a box anew, and takes the cursor from it, where the most that it holds is another."""
    boxes = []
    for many in (2, 400):
        at = AppTest.from_function(script)
        at.session_state["model"] = Everything
        at.session_state["values"] = {"steps": tuple(range(1000, 1000 + many))}
        boxes.append(at.run().text_input(key="x.train.steps").proto)
    assert len(boxes[1].default) > 2000
    assert boxes[0].max_chars == boxes[1].max_chars > len(boxes[1].default)


def test_each_kind_has_its_widget_with_its_default_and_help(drawn):
    assert drawn.slider(key="x.train.whole").value == 5
    assert drawn.number_input(key="x.train.large").value == 5
    assert drawn.slider(key="x.train.share").value == 0.5
    assert drawn.number_input(key="x.train.wide").value == 2.0
    assert drawn.select_slider(key="x.train.rate").value == 0.01
    assert drawn.select_slider(key="x.train.count").value == 300
    assert drawn.toggle(key="x.train.on").value is True
    assert drawn.button_group(key="x.train.few").value in ("b", ["b"])
    assert drawn.selectbox(key="x.train.many").value == "two"
    assert drawn.number_input(key="x.train.pair.1").value == 1.5
    assert drawn.text_input(key="x.train.steps").value == "1, 2"
    for kind in (
        "slider",
        "number_input",
        "select_slider",
        "toggle",
        "button_group",
        "selectbox",
        "text_input",
    ):
        assert all(w.label and w.help for w in drawn.get(kind)), kind
    assert "From 1 to 10." in drawn.slider(key="x.train.whole").help
    assert "(kT)" in drawn.number_input(key="x.train.wide").label


def test_each_widget_writes_its_value_back(drawn):
    drawn.slider(key="x.train.whole").set_value(7).run()
    drawn.select_slider(key="x.train.rate").set_value(0.1).run()
    drawn.toggle(key="x.train.on").set_value(False).run()
    drawn.button_group(key="x.train.few").set_value("c").run()
    drawn.selectbox(key="x.train.many").set_value("six").run()
    drawn.number_input(key="x.train.pair.0").set_value(3.0).run()
    drawn.text_input(key="x.train.steps").set_value("4,5,6").run()
    values = drawn.session_state["values"]
    assert values == {
        "whole": 7, "rate": 0.1, "on": False, "few": "c", "many": "six", "pair": (3.0, 1.5), "steps": (4, 5, 6),
    }  # fmt: skip
    assert Everything(**values)


def test_a_bad_list_is_named_and_the_last_good_value_stays(drawn):
    drawn.text_input(key="x.train.steps").set_value("4,-5").run()
    assert "steps" not in drawn.session_state["values"]
    assert any("at least 0" in m.value for m in drawn.markdown)
    assert drawn.text_input(key="x.train.steps").value == "1, 2"


def test_an_error_is_shown_at_its_control(drawn):
    drawn.session_state["wrong"] = True
    drawn.run()
    assert sum("Expected less" in m.value for m in drawn.markdown) == 1


def test_a_log_slider_has_the_value_in_force_even_off_its_grid():
    marks = controls.round_numbers(0.001, 1)
    assert marks[0] == 0.001
    assert marks[-1] == 1
    assert 0.0123 not in marks
    at = AppTest.from_function(script)
    at.session_state["model"] = Everything
    at.session_state["values"] = {"rate": 0.0123}
    assert at.run().select_slider(key="x.train.rate").value == 0.0123


def test_numbers_as_they_are_read():
    assert controls.number(60_000) == "60\u202f000"
    assert controls.number(0.05) == "0.05"
    assert controls.number(-2.5) == "−2.5"
    assert controls.number(4e9) == "4 × 10⁹"
    assert controls.number(1e-5) == "1 × 10⁻⁵"


@pytest.mark.parametrize(
    ("option", "read"),
    [("three-wells", "Three wells"), ("bit_flip", "Bit flip"), ("pcd", "PCD"), ("cd-k", "CD-K"), ("LeCun", "LeCun"), (3, "3")],
)  # fmt: skip
def test_options_read_as_words(option, read):
    assert controls.words(option) == read
