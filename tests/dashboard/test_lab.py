"""The page of a family, through AppTest: with the built-ins, and with three renamed families in their place."""

from __future__ import annotations

import json

import pytest
from dashboard_tools import open_page, settled, texts, visit_of


def test_every_page_renders_with_the_built_ins(page, registry):
    for path in ["", "plugins", *registry.families]:
        at = page(path)
        assert not at.exception, path
        assert "stopped in" not in texts(at), (path, texts(at))
        assert len(at.main.children), path


def test_every_page_opens_alive(page, registry):
    for key in registry.families:
        at = page(key)
        visit = visit_of(at, key)
        assert visit.shown is not None, key
        assert visit.shown.run is not None
        assert at.get("bidi_component"), key


def test_a_run_that_ends_while_the_page_is_drawn_has_its_stage_drawn_too(three, monkeypatch):
    """The page gives up waiting, draws the stage of the run before, and the new run ends just then: its verdict does
    not come beside the old stage."""
    from dashboard import lab

    at = three("dish")
    drawn = []

    def late(payload, **options):
        drawn.append(payload)
        visit_of(at, "dish").job.wait(60)

    monkeypatch.setattr(lab, "draw_stage", late)
    monkeypatch.setattr(lab, "QUICK", 0.0)
    at.number_input(key="dish.seed").set_value(77).run()
    job = visit_of(at, "dish").job
    assert job.spec.seed == 77
    assert drawn[-1] is job.stage


def test_nothing_depends_on_a_family(three):
    for path in ("", "plugins", "dish", "bulbs", "rod"):
        at = three(path)
        assert not at.exception, path
        assert "stopped in" not in texts(at), (path, texts(at))
    assert visit_of(three("rod"), "rod").spec.sampler == "amble"


def test_a_broken_family_shows_its_failure_and_the_others_work(three):
    at = three("raises")
    assert not at.exception
    assert "‘raises’ stopped in `sample`" in texts(at)
    assert "the lamp went out" in texts(at)
    assert "Everything else still works" in texts(at)
    assert any("KeyError" in c.value for c in at.code)
    assert visit_of(three("dish"), "dish").shown.run is not None


def test_controls_show_the_value_in_force_and_write_to_the_spec_and_the_address(three):
    at = three("dish", {"train.width": "3.3", "sample.steps": "7", "seed": "5"})
    assert at.select_slider(key="dish.train.width").value == 3.3
    assert at.slider(key="dish.dish.sample.steps").value == 7
    assert at.number_input(key="dish.seed").value == 5
    at.slider(key="dish.dish.sample.steps").set_value(9).run()
    at.toggle(key="dish.train.tilt").set_value(True).run()
    at.select_slider(key="dish.start.n").set_value(20).run()
    spec = visit_of(at, "dish").spec
    assert spec.sample["steps"] == 9
    assert spec.train["tilt"] is True
    assert spec.train["width"] == 3.3
    assert spec.start.n == 20
    again = three(
        "dish",
        {
            k: at.query_params.get_all(k)[0] if hasattr(at.query_params, "get_all") else v
            for k, v in flat(at).items()
        },
    )
    assert visit_of(again, "dish").spec == spec


def flat(at):
    return {k: v[0] if isinstance(v, list) else v for k, v in at.query_params.items()}


def test_a_preset_sets_everything_and_a_change_makes_it_your_own(three):
    at = three("dish")
    assert at.selectbox(key="dish.preset").value == "Round"
    at.selectbox(key="dish.preset").set_value("Leaning").run()
    assert visit_of(at, "dish").spec.train["tilt"] is True
    assert flat(at) in ({"preset": "Leaning"}, {"train.tilt": "true"})
    at.slider(key="dish.dish.sample.steps").set_value(11).run()
    assert at.selectbox(key="dish.preset").value == "Your own settings"


def test_changing_the_seed_changes_every_number(three):
    at = three("dish")
    before = visit_of(at, "dish").shown
    numbers = [m.value for m in at.metric]
    at.number_input(key="dish.seed").set_value(1)
    at.run()
    for _ in range(100):
        after = visit_of(at, "dish").shown
        if after is not before:
            break
        at.run()
    assert after.run.spec.seed == 1
    assert (after.run.sampling.last != before.run.sampling.last).all()
    changed = [m.value for m in at.metric]
    # log Z is exact: it is the one number that no seed may change.
    names = [m.label for m in at.metric]
    for name, old, new in zip(names, numbers, changed, strict=True):
        assert (old == new) == (name == "log Z"), name


def test_another_sampler_takes_what_it_knows_and_says_who_is_not_offered(three):
    at = three("dish", {"sample.steps": "7"})
    at.button_group(key="dish.sampler").set_value("amble").run()
    spec = visit_of(at, "dish").spec
    assert spec.sampler == "amble"
    assert spec.sample["steps"] == 7
    at = three("rod")
    assert "it needs states in Plane" in texts(at)


def test_what_training_refuses_is_shown_at_its_control_and_the_last_run_stays(three):
    at = three("bulbs")
    good = visit_of(at, "bulbs").shown
    at.button_group(key="bulbs.train.pick").set_value([0, 1, 2]).run()
    at.run()
    found = texts(at)
    assert "at most two rows" in found
    assert "Not run." in found
    assert visit_of(at, "bulbs").shown is good
    at.button_group(key="bulbs.train.pick").set_value([0]).run()
    at.run()
    assert "Not run." not in texts(at)


def test_stop_and_continue_from_the_page(three):
    at = open_page("bulbs", {"train.epochs": "300", "train.seconds": "0.05"}).run()
    stop = next(b for b in at.button if b.label == "Stop")
    stop.click().run()
    for _ in range(100):
        if visit_of(at, "bulbs").shown is not None:
            break
        at.run()
    spec = visit_of(at, "bulbs").spec
    assert spec.train_stop is not None
    assert "Stopped:" in texts(at)
    assert flat(at)["stop"].startswith(str(spec.train_stop))
    next(b for b in at.button if b.label == "Continue").click().run()
    assert visit_of(at, "bulbs").spec.train_stop is None


def test_rewind_samples_from_an_earlier_snapshot(three):
    at = three("bulbs")
    at.session_state["bulbs tabs"] = "Training"
    at.run()
    at.slider(key="bulbs.rewind").set_value(2).run()
    at.run()
    shown = visit_of(at, "bulbs").shown
    assert shown.run.training.count == 2
    assert visit_of(at, "bulbs").spec.train_stop == 2


def test_a_press_on_a_curve_of_training_rewinds_as_the_slider_does(three):
    """To the snapshot nearest to where it was pressed; at the last one, or past it, nothing is left to stop."""
    from unittest import mock

    from dashboard import tabs

    presses = []

    def figure(*_args, on_click=None, **_more):
        presses.append(on_click)

    at = three("bulbs")
    total = visit_of(at, "bulbs").shown.run.training.count
    assert total > 3
    at.session_state["bulbs tabs"] = "Training"
    for x, stop in ((2.4, 2), (2.6, 3), (-5.0, 1), (total + 9.0, None)):
        presses.clear()
        with mock.patch.object(tabs, "figure", figure):
            at.run()
        with mock.patch.object(tabs.links.st, "query_params", {}):
            presses[-1]({"x": x})
        assert visit_of(at, "bulbs").spec.train_stop == stop
        settled(at)
        assert visit_of(at, "bulbs").shown.run.training.count == (stop or total)
        assert at.slider(key="bulbs.rewind").value == (stop or total)


def test_every_tab_draws(three):
    for family in ("dish", "bulbs", "rod"):
        for tab in ("Truth", "Training", "Diagnostics", "Learn", "Take it away"):
            at = three(family)
            at.session_state[f"{family} tabs"] = tab
            at.run()
            assert not at.exception, (family, tab)
            assert "stopped in" not in texts(at), (family, tab, texts(at))


def test_the_copied_link_opens_the_same_run(three):
    from urllib.parse import parse_qsl, urlsplit

    from ebm_plugins.runs import result_digest

    at = three("bulbs", {"seed": "3", "sample.steps": "12"})
    at.session_state["bulbs tabs"] = "Take it away"
    at.run()
    link = next(c.value for c in at.code if "bulbs?" in c.value)
    query = dict(parse_qsl(urlsplit(link).query, keep_blank_values=True))
    assert query["seed"] == "3"
    assert "v" in query
    other = three("bulbs", query)
    assert visit_of(other, "bulbs").mended == []
    assert result_digest(visit_of(other, "bulbs").shown.run) == result_digest(visit_of(at, "bulbs").shown.run)
    assert "bit for bit" in texts(other)


def test_a_start_that_was_drawn_is_in_the_address(three):
    from ebm_plugins import BinaryGrid, starts

    text = starts.pack([[1, 0, 1, 0]], BinaryGrid(2, 2))
    at = three("bulbs", {"start": "drawn", "start.states": text})
    run = visit_of(at, "bulbs").shown.run
    assert run.sampling.frames[0].tolist() == [[1.0, 0.0, 1.0, 0.0]]
    at.slider(key="bulbs.train.epochs").set_value(6).run()
    assert flat(at)["start.states"] == text
    at.button_group(key="bulbs.start").set_value("noise").run()
    assert visit_of(at, "bulbs").spec.start.name == "noise"


def test_choosing_to_draw_says_what_to_do(three):
    at = three("bulbs")
    at.button_group(key="bulbs.start").set_value("drawn").run()
    assert "Nothing drawn yet." in texts(at)
    assert visit_of(at, "bulbs").shown is not None
    json.dumps(flat(at))


@pytest.mark.parametrize("path", ["dish", "bulbs"])
def test_every_control_has_a_label_and_a_help_text(three, path):
    at = three(path)
    for kind in (
        "slider",
        "select_slider",
        "selectbox",
        "number_input",
        "toggle",
        "button_group",
        "text_input",
    ):
        for widget in at.get(kind):
            assert widget.label, (kind, widget.key)
            assert widget.help, (kind, widget.key)


def test_the_last_frame_becomes_a_start_that_the_link_holds(three):
    at = three("bulbs")
    last = visit_of(at, "bulbs").shown.run.sampling.last
    next(b for b in at.button if b.label == "Begin from the last frame").click().run()
    at.run()
    spec = visit_of(at, "bulbs").spec
    assert spec.start.name == "drawn"
    assert (visit_of(at, "bulbs").shown.run.sampling.frames[0] == last).all()
    assert flat(at)["start.states"] == spec.start.states


def test_a_drawn_pattern_can_be_learned(three):
    from ebm_plugins import BinaryGrid, starts

    text = starts.pack([[1, 0, 1, 0]], BinaryGrid(2, 2))
    at = three("bulbs", {"start": "drawn", "start.states": text})
    next(b for b in at.button if b.label == "Own data").click().run()
    next(b for b in at.button if b.label == "Learn the shown start too").click().run()
    at.run()
    run = visit_of(at, "bulbs").shown.run
    assert run.data.x[-1].tolist() == [1.0, 0.0, 1.0, 0.0]
    assert len(run.data.x) == 4
    assert flat(at)["data"].startswith("inline:2x2:")


def test_two_controls_moved_at_once_both_count(three):
    at = three("bulbs")
    at.slider(key="bulbs.start.amount").set_value(4)
    at.select_slider(key="bulbs.start.copies").set_value(7)
    at.run()
    start = visit_of(at, "bulbs").spec.start
    assert (start.amount, start.copies) == (1.0, 7)


def test_going_away_and_back_loses_nothing_and_a_new_address_means_itself(three):
    from streamlit.util import calc_hash

    at = three("dish", {"seed": "5"})
    at._page_hash = calc_hash("bulbs")
    at.query_params.clear()
    at.run()
    at._page_hash = calc_hash("dish")
    at.query_params.clear()
    at.run()
    assert visit_of(at, "dish").spec.seed == 5
    assert flat(at) == {"seed": "5"}
    at.query_params["seed"] = "6"
    at.run()
    assert visit_of(at, "dish").spec.seed == 6
