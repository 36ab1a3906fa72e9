"""Requests that were under way when we changed the page: what they still say of before is nobody's choice.

AppTest sends what a browser would: an address, and the state of every widget.
"""

from __future__ import annotations

from urllib.parse import urlencode

from dashboard_tools import settled, visit_of
from streamlit.util import calc_hash

from dashboard import links
from ebm_plugins import link
from ebm_plugins import registry as registries


def sent(at):
    """What the browser would send now: its address and the state of its widgets."""
    query = {k: list(v) if isinstance(v, list) else [v] for k, v in at.query_params.items()}
    return query, at.get_widget_states() if hasattr(at, "get_widget_states") else at._tree.get_widget_states()


def arrives(at, query, states):
    """A request with this address and these widget states is answered."""
    at.query_params = query
    return at._run(states)


def address(at):
    return urlencode(dict(at.query_params), doseq=True)


def preset(at, family="dish"):
    return at.selectbox(key=f"{family}.preset")


def test_what_a_late_request_says_of_replaced_values_changes_nothing(three, monkeypatch):
    """The poll of a running page still has the values that the preset has just replaced, and the old address."""
    at = three("dish", {"preset": "Round", "seed": "3"})
    at.toggle(key="dish.train.tilt").set_value(False).run()
    query, _ = sent(at)
    preset(at).set_value("Leaning")
    _, late = sent(at)  # the preset is new, all else is as it was
    at.run()
    told = address(at)
    assert told == "train.tilt=true"
    arrives(at, query, late)
    assert visit_of(at, "dish").spec.train["tilt"] is True
    assert visit_of(at, "dish").spec.seed == 0
    assert (preset(at).value, address(at)) == ("Leaning", told)
    query, _ = sent(at)
    arrives(at, query, late)  # it has the new address, and has not drawn the controls yet
    assert (visit_of(at, "dish").spec.train["tilt"], address(at)) == (True, told)
    at.run()  # the browser has heard
    monkeypatch.setattr(links, "LAG", 0.0)  # and that is a while ago
    at.toggle(key="dish.train.tilt").set_value(False).run()  # now the old value is somebody's choice
    assert visit_of(at, "dish").spec.train["tilt"] is False


def test_an_old_address_is_late_until_the_browser_has_heard_however_long_it_takes(three, monkeypatch):
    monkeypatch.setattr(links, "LAG", 0.0)
    at = three("dish", {"seed": "3"})
    before, _ = sent(at)
    preset(at).set_value("Leaning").run()
    told = address(at)
    for _ in range(2):
        _, states = sent(at)
        arrives(at, before, states)
        assert (preset(at).value, address(at)) == ("Leaning", told)
    at.run()  # it sends the new address: it has heard
    _, states = sent(at)
    arrives(at, before, states)  # so this is a link
    assert visit_of(at, "dish").spec.seed == 3


def test_values_of_before_that_come_with_an_address_that_was_opened_change_nothing(three, monkeypatch):
    """The browser has the address of *Back*, or of a link, before the values that go with it: for a while its
    requests may hold that address and the values of before."""
    at = three("dish", {"seed": "3"})
    before, _ = sent(at)
    preset(at).set_value("Leaning").run()
    for _ in range(2):
        at.run()  # the browser has heard
    monkeypatch.setattr(links, "LAG", 0.0)
    _, states = sent(at)
    arrives(at, before, states)
    assert (visit_of(at, "dish").spec.seed, address(at)) == (3, "seed=3")
    monkeypatch.setattr(links, "LAG", 3.0)
    arrives(at, before, states)
    assert (visit_of(at, "dish").spec.seed, address(at)) == (3, "seed=3")
    assert at.number_input(key="dish.seed").value == 3
    monkeypatch.setattr(links, "LAG", 0.0)
    at.number_input(key="dish.seed").set_value(0).run()  # later it is a choice
    assert (visit_of(at, "dish").spec.seed, address(at)) == (0, "")


def test_a_preset_wins_over_whatever_else_its_request_says(three):
    at = three("dish", {"seed": "3"})
    at.number_input(key="dish.seed").set_value(9)
    at.toggle(key="dish.train.tilt").set_value(False)
    preset(at).set_value("Leaning").run()
    visit = visit_of(at, "dish")
    assert link.preset_of(visit.spec, registries.load(discover=False)) == "Leaning"
    assert address(at) == "train.tilt=true"


def test_a_control_that_is_no_longer_on_the_page_fires_no_more(three):
    """The state of a start's control comes in after the start was made another."""
    at = three("bulbs", {"start": "noise", "start.n": "40"})
    query, _ = sent(at)
    at.select_slider(key="bulbs.start.n").set_value(100)
    _, late = sent(at)
    at = three("bulbs", {"start": "noise", "start.n": "40"})
    at.selectbox(key="bulbs.preset").set_value("Two rows").run()
    told = address(at)
    arrives(at, query, late)
    assert address(at) == told


def test_a_late_value_that_is_no_longer_on_its_slider_is_not_taken_for_the_first_one_there(
    three, monkeypatch
):
    """2.3 is on the slider while it is in force only; a late request still brings it when a preset has set 1."""
    at = three("dish", {"preset": "Round", "train.width": "2.3"})
    query, _ = sent(at)
    preset(at).set_value("Leaning")
    _, late = sent(at)
    at.run()
    told = address(at)
    arrives(at, query, late)
    assert (at.select_slider(key="dish.train.width").value, address(at)) == (1.0, told)
    monkeypatch.setattr(links, "LAG", 0.0)
    for _ in range(2):  # the browser has heard
        at.run()
    assert "2.3" not in at.select_slider(key="dish.train.width").options


def test_compare_hears_late_too(three, monkeypatch):
    """Its old address, and the values that its new energy has replaced, ask for nothing until the browser has heard,
    however long that takes; after that they are a link and a choice."""
    monkeypatch.setattr(links, "LAG", 0.0)
    at = three("compare", {"budget": "5000", "n": "50", "seed": "3"})
    before, _ = sent(at)
    at.number_input(key="compare.seed").set_value(9).run()
    told = address(at)
    assert "seed=9" in told
    for _ in range(2):
        _, states = sent(at)
        arrives(at, before, states)
        assert (at.number_input(key="compare.seed").value, address(at)) == (9, told)
    at.run()  # it sends the new address: it has heard
    _, states = sent(at)
    arrives(at, before, states)  # so this is a link
    assert at.number_input(key="compare.seed").value == 3


def test_a_page_that_was_left_holds_no_finished_run_and_comes_back_as_it_was(three):
    """A tab that goes from page to page would hold the runs of all of them."""
    at = three("bulbs", {"seed": "5"})
    before = visit_of(at, "bulbs")
    assert before.shown is not None
    elsewhere(at, "dish")
    assert (before.job, before.shown) == (None, None)
    assert visit_of(at, "dish").shown is not None
    elsewhere(at, "bulbs")
    assert visit_of(at, "bulbs").spec.seed == 5
    assert visit_of(at, "bulbs").shown is not None


def elsewhere(at, path):
    """Another page in the same tab, by the bar above: without a query."""
    at._page_hash = calc_hash(path)
    at.query_params.clear()
    settled(at)
