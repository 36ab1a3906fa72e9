"""A page that hears late: its presets are changed while a run is going, and address, controls and spec agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from browser_tools import until

pytestmark = pytest.mark.browser

SLOW = "Wells learned from two moons"
LAST = "Banana"
# Every message of the server comes 0.8 s late, so that each poll of a running page (one in 0.3 s) that follows a
# change still has the address and the values of before it.
HEARS_LATE = """(() => {
  const late = (call) => (event) => setTimeout(() => call(event), 800);
  const own = Object.getOwnPropertyDescriptor(WebSocket.prototype, "onmessage");
  Object.defineProperty(WebSocket.prototype, "onmessage", {
    configurable: true, get() { return own.get.call(this); },
    set(call) { own.set.call(this, call && late(call.bind(this))); },
  });
  const add = WebSocket.prototype.addEventListener;
  WebSocket.prototype.addEventListener = function (name, call, ...rest) {
    return add.call(this, name, name === "message" ? late(call.bind(this)) : call, ...rest);
  };
})();"""


def query(page: Any) -> dict[str, str]:
    return {k: v[0] for k, v in parse_qs(urlsplit(page.evaluate("() => location.href")).query).items()}


def box(page: Any) -> Any:
    return page.locator("[data-testid=stSelectbox]", has_text="Preset").first.locator("input").first


def stop(page: Any) -> Any:
    """The run's own Stop. (Streamlit has one of that name in its header while a script runs.)"""
    return page.get_by_test_id("stButton").get_by_role("button", name="Stop")


def choose(page: Any, name: str) -> None:
    box(page).click()
    page.keyboard.type(name)
    page.keyboard.press("Enter")


def test_presets_changed_while_a_run_is_going_leave_the_address_of_the_last(
    visitor: Callable[..., Any],
) -> None:
    """From one slow run to another, whose page takes the late polls of the first, and on to a quick one."""
    one = visitor()
    one.context.add_init_script(HEARS_LATE)
    slow = SLOW.replace(" ", "+")
    page = one.open(
        f"langevin?preset={slow}&train.wells=16&train.epochs=1000&sample.step_size=0.05&seed=101", wait=""
    )
    stop(page).wait_for()
    for name in (SLOW, LAST):
        choose(page, name)
        until(lambda n=name: query(page) == {"preset": n}, page=page)
        page.wait_for_timeout(1500)
        assert query(page) == {"preset": name}
        assert box(page).input_value() == name
    stop(page).wait_for(state="detached")
    page.wait_for_timeout(4000)
    assert query(page) == {"preset": LAST}
    assert box(page).input_value() == LAST
    assert page.get_by_text("Not run.").count() == 0


def test_back_goes_to_the_address_of_before(visitor: Callable[..., Any]) -> None:
    page = visitor().open("langevin?preset=Banana")
    page.wait_for_selector("[data-testid=stTabs]")
    choose(page, "A step that diverges")
    until(lambda: query(page) == {"preset": "A step that diverges"}, page=page)
    page.go_back()
    until(lambda: box(page).input_value() == "Banana", page=page)
    page.wait_for_timeout(1500)
    assert query(page) == {"preset": "Banana"}
