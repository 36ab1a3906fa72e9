"""The Learn tab and what a link says to its reader: lessons, a question, controls that are hidden or held."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest
from dashboard_tools import texts, visit_of

from dashboard import learn, links, start_panel
from ebm_plugins import classroom, load
from ebm_plugins.lessons import known_as
from ebm_plugins.link import write
from ebm_plugins.plans import plan

REGISTRY = load(discover=False)
LESSONS = [(f, one) for f in REGISTRY.families.values() for one in f.lessons]
EVIL = "<b>x</b> **y** $z$ [l](http://e.vil) www.e.vil :red[r] ![i](http://e.vil/i.png)"


def flat(at):
    return {name: value if isinstance(value, str) else value[0] for name, value in at.query_params.items()}


def query_of(spec):
    return dict(parse_qsl(urlsplit(write(spec, REGISTRY)).query, keep_blank_values=True))


@pytest.mark.parametrize(("family", "lesson"), LESSONS, ids=[known_as(*pair) for pair in LESSONS])
def test_every_lessons_link_opens_and_says_what_to_look_at(page, family, lesson):
    at = page(lesson.spec.family, {**query_of(lesson.spec), "lesson": known_as(family, lesson)})
    assert not at.exception
    made = visit_of(at, lesson.spec.family)
    assert made.mended == []
    assert made.shown is not None
    said = texts(at)
    assert "You are trying: " in said
    assert lesson.look in said
    assert lesson.claim in said
    assert "You have changed it since." not in said


@pytest.mark.parametrize("key", list(REGISTRY.families))
def test_the_tab_shows_every_lesson_of_its_family(page, key):
    at = page(key)
    at.session_state[f"{key} tabs"] = "Learn"
    at.run()
    assert not at.exception
    said = texts(at)
    assert "### Try this" in said
    assert "### What goes wrong" in said
    for lesson in REGISTRY.families[key].lessons:
        assert lesson.look in said
        assert lesson.claim in said


def test_a_lesson_that_was_changed_says_so_and_can_be_started_again(page):
    at = page("langevin", {"preset": "MALA removes the bias", "lesson": "langevin.accept-or-refuse"})
    at.number_input(key="langevin.seed").set_value(3).run()
    assert flat(at)["lesson"] == "langevin.accept-or-refuse"
    assert "You have changed it since." in texts(at)
    at.selectbox(key="langevin.preset").set_value("Banana").run()
    assert "lesson" not in at.query_params
    assert "You are trying" not in texts(at)


def test_an_unknown_lesson_is_named(page):
    at = page("langevin", {"lesson": "langevin.no-such"})
    assert "there is no such lesson here" in texts(at).replace("\\", "")


def test_a_question_is_plain_text_and_its_answer_waits(page):
    at = page("langevin", {"ask": EVIL, "answer": classroom.obscure(EVIL + "!")})
    assert [t.value for t in at.text] == [EVIL]
    assert "e.vil" not in texts(at)
    at.button(key="langevin answer").click().run()
    assert [t.value for t in at.text] == [EVIL, EVIL + "!"]
    at.button(key="langevin answer").click().run()
    assert [t.value for t in at.text] == [EVIL]


def test_a_question_too_long_is_cut_and_that_is_said(page):
    at = page("langevin", {"ask": "q" * 5000})
    assert [len(t.value) for t in at.text] == [classroom.MOST]
    assert "characters are shown" in texts(at)


def test_hidden_controls_and_parts_are_not_there(page):
    at = page("langevin", {"hide": "seed,start,train.landscape,verdict,truth", "lock": "nonsense"})
    keys = {
        w.key for kind in ("selectbox", "number_input", "button_group", "select_slider") for w in at.get(kind)
    }
    assert not keys & {"langevin.seed", "langevin.start", "langevin.train.landscape", "langevin.start.n"}
    assert "As close as" not in texts(at)
    assert "Truth" not in [t.label for t in at.tabs]
    assert "there is no such control here" in texts(at)


def test_a_locked_control_is_shown_and_cannot_be_changed(page):
    """Not even by a message that the page would not send."""
    at = page("langevin", {"lock": "sample.step_size,seed,train.landscape"})
    assert at.number_input(key="langevin.seed").disabled
    assert at.selectbox(key="langevin.train.landscape").disabled
    assert at.selectbox(key="langevin.preset").disabled
    assert at.selectbox(key="langevin.sampler").disabled
    made = visit_of(at, "langevin")
    before = made.spec
    for other in (replace(before, seed=5), REGISTRY.families["langevin"].presets["Banana"]):
        links.change(made, REGISTRY, other)
        assert made.spec == made.asked == before
        assert made.breach
    at.run()
    made = visit_of(at, "langevin")
    assert made.spec == before
    assert "Not changed: the link holds" in texts(at)
    at.select_slider(key="langevin.ula.sample.steps").set_value(100).run()
    assert visit_of(at, "langevin").spec.sample["steps"] == 100
    assert flat(at)["lock"] == "sample.step_size,seed,train.landscape"
    assert "Not changed" not in texts(at)


def test_a_held_start_is_not_drawn_on(page):
    at = page("hopfield", {"lock": "start,train.patterns"})
    assert "Start: Spoilt" in texts(at).replace("\\", "")
    assert "hopfield.start" not in {w.key for w in at.get("button_group")}
    made = visit_of(at, "hopfield")
    before = made.spec
    start_panel.drawn(made, REGISTRY, plan(before, REGISTRY), np.ones((1, 64)), None)
    assert made.spec == before
    assert made.breach == "start"


def test_a_teachers_link_is_made_and_opens_the_same_run(page):
    at = page("langevin", {"seed": "11"})
    at.session_state["langevin tabs"] = "Learn"
    at.run()
    at.text_area(key="langevin class ask").set_value("Why?").run()
    at.text_area(key="langevin class answer text").set_value("Because.").run()
    at.multiselect(key="langevin class hide").set_value(["verdict"]).run()
    at.multiselect(key="langevin class lock").set_value(["seed"]).run()
    address = next(c.value for c in at.code if "ask=" in c.value)
    assert "Because" not in address
    query = dict(parse_qsl(urlsplit(address).query, keep_blank_values=True))
    opened = page("langevin", query)
    made = visit_of(opened, "langevin")
    assert made.mended == []
    assert made.spec == visit_of(at, "langevin").spec
    assert made.room.answer == "Because."
    assert opened.number_input(key="langevin.seed").disabled
    assert [t.value for t in opened.text] == ["Why?"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("#### How\n\ntext\n\n##### Why", "### How\n\ntext\n\n#### Why"),
        ("# How\n## Why", "### How\n#### Why"),
        ("no heading, #1", "no heading, #1"),
        ("## A\n```\n# a comment\n```\n###### Z", "### A\n```\n# a comment\n```\n###### Z"),
    ],
)
def test_a_familys_own_headings_begin_under_those_of_the_page(text, wanted):
    assert learn.under(text) == wanted
