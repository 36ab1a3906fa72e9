"""Home in Chromium: wells that are dragged, by mouse, by keyboard and by touch; and every number equal to Python's."""

from __future__ import annotations

import json
import math
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from browser_tools import STAGE, until
from scipy.stats import chi2

from dashboard.app_pages import home_address
from dashboard.plot.well_editor import Setting
from ebm_plugins import sampling_cost, wells1d
from ebm_plugins.registry import load
from ebm_plugins.wells1d import Well

pytestmark = pytest.mark.browser

READY = ".wells[data-ready=yes]"
SEEN = """() => {
  const host = [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")]
    .map((h) => h.shadowRoot && h.shadowRoot.querySelector(".wells")).find(Boolean);
  return { ...host.dataset };
}"""


def come(visitor: Any, query: str = "", **options: Any) -> Any:
    one = visitor(**options)
    one.open(f"?{query}" if query else "", wait=READY)
    return one


def setting(page: Any) -> Setting:
    """What the browser computes with."""
    seen = page.evaluate(SEEN)
    return Setting(float(seen["temperature"]), tuple(Well(*row) for row in json.loads(seen["wells"])))


def linked(page: Any) -> Setting:
    """What the address describes, once Python has heard of the last change."""
    now = setting(page)
    until(lambda: written(page)[0] == now, page=page)
    assert written(page)[1] == []
    return now


def written(page: Any) -> Any:
    return home_address.read(parse_qs(urlsplit(page.url).query))


def agree(page: Any) -> None:
    """The browser's Z, shares and mean energy are those of wells1d, which is held to closed forms."""
    seen, solved = page.evaluate(SEEN), wells1d.solve(*setting(page))
    assert float(seen["z"]) == pytest.approx(solved.partition, rel=1e-9)
    assert float(seen["mean"]) == pytest.approx(solved.mean_energy, abs=1e-9)
    np.testing.assert_allclose(json.loads(seen["shares"]), solved.shares, rtol=1e-6, atol=1e-9)


def middle(page: Any, number: int) -> tuple[float, float]:
    box = page.get_by_role("slider", name=f"Well {number}").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_well_is_dragged_with_the_mouse_and_the_link_reproduces_it(visitor: Any, scheme: str) -> None:
    one = come(visitor, scheme=scheme, still=False)
    page = one.page
    agree(page)
    assert setting(page) == Setting()
    x, y = middle(page, 1)
    page.mouse.move(x, y)
    page.mouse.down()
    frames = int(page.evaluate(SEEN)["frames"])
    for i in range(20):
        page.mouse.move(x + 3 * i, y + 2 * i)
        if i == 10:
            assert setting(page).wells[0].centre > -1.6  # at once, while the hand is on it
    assert int(page.evaluate(SEEN)["frames"]) > frames + 10
    assert urlsplit(page.url).query == ""  # Python is told afterwards
    page.mouse.up()
    now = linked(page)
    assert now.wells[0].centre == pytest.approx(-2 + 12 * 57 / (page.evaluate(PLOT)["width"] - 58), abs=0.03)
    assert now.wells[0].depth > 3.0
    agree(page)
    x2, y2 = middle(page, 1)
    assert (x2 - x, y2 - y) == pytest.approx((57, 38), abs=1.5)  # where the hand left it
    again = come(visitor, urlsplit(page.url).query, scheme=scheme)
    assert setting(again.page) == now
    assert float(again.page.evaluate(SEEN)["z"]) == float(page.evaluate(SEEN)["z"])
    agree(again.page)


PLOT = """() => {
  const host = [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")]
    .map((h) => h.shadowRoot && h.shadowRoot.querySelector(".wells")).find(Boolean);
  const box = host.querySelector(".plot").getBoundingClientRect();
  return { x: box.x, y: box.y, width: box.width, height: box.height };
}"""


def test_everything_is_done_from_the_keyboard_and_spoken(visitor: Any) -> None:
    page = come(visitor).page
    handle = page.get_by_role("slider", name="Well 1", exact=True)
    handle.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("PageUp")
    assert setting(page).wells[0] == Well(-2.4, 3.1, 1.0)
    assert handle.get_attribute("aria-valuenow") == "-2.4"
    spoken = handle.get_attribute("aria-valuetext")
    share = round(100 * wells1d.solve(*setting(page)).shares[0])
    assert spoken == f"place −2.40, depth 3.10, width 1.00; {share}\u202f% of the probability"
    linked(page)
    agree(page)
    page.get_by_role("button", name="Add", exact=True).focus()
    page.keyboard.press("Enter")
    assert len(setting(page).wells) == 3
    page.get_by_role("slider", name="Well 3").focus()
    page.keyboard.press("Delete")
    assert len(setting(page).wells) == 2
    page.get_by_role("slider", name="Width").focus()
    page.keyboard.press("Home")
    assert setting(page).wells[1].width == wells1d.WIDTHS[0]
    page.get_by_role("slider", name="Temperature").focus()
    page.keyboard.press("End")
    assert setting(page).temperature == wells1d.TEMPERATURES[1]
    page.keyboard.press("Home")
    assert setting(page).temperature == wells1d.TEMPERATURES[0]
    linked(page)
    agree(page)
    for _ in range(2):
        page.get_by_role("button", name="Remove").click()
    assert setting(page).wells == ()
    linked(page)
    agree(page)
    page.get_by_role("button", name="Reset").click()
    until(lambda: urlsplit(page.url).query == "", page=page)
    assert setting(page) == Setting()


def test_every_stop_of_the_tab_key_is_seen_and_none_is_a_trap(visitor: Any) -> None:
    """From the temperature on, Tab walks over every handle and control of the wells and leaves them."""
    page = come(visitor).page
    page.get_by_role("slider", name="Temperature").focus()
    deep = """() => { let e = document.activeElement; while (e && e.shadowRoot && e.shadowRoot.activeElement)
      e = e.shadowRoot.activeElement; return e.getAttribute("aria-label") || e.innerText.trim().split("\\n")[0]
        || (e.closest("label") || e).innerText.trim().split("\\n")[0]; }"""
    names = []
    for _ in range(14):
        page.keyboard.press("Tab")
        names.append(page.evaluate(deep))
    assert names[:3] == ["Reset", "Well 1", "Well 2"]
    for name in ("Choose well 2", "Add", "Remove", "Place", "Depth", "Width", "Bars"):
        assert name in names
    assert names[-1] == "Axes d"


def test_wells_are_made_by_a_click_on_empty_ground_up_to_five(visitor: Any) -> None:
    page = come(visitor).page
    box = page.evaluate(PLOT)
    page.mouse.click(box["x"] + 0.85 * box["width"], box["y"] + 0.75 * box["height"])
    made = setting(page).wells
    assert len(made) == 3
    assert made[2].centre > 3
    for _ in range(2):
        page.get_by_role("button", name="Add", exact=True).click()
    assert len(setting(page).wells) == 5
    assert page.get_by_role("button", name="Add", exact=True).is_disabled()
    linked(page)
    agree(page)


def test_a_well_is_dragged_by_touch_on_a_phone_and_the_page_still_scrolls(visitor: Any) -> None:
    one = come(visitor, width=390)
    page = one.page
    touch = one.context.new_cdp_session(page)
    page.get_by_role("slider", name="Well 2").scroll_into_view_if_needed()
    x, y = middle(page, 2)

    def send(kind: str, *points: tuple[float, float]) -> None:
        touch.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": a, "y": b} for a, b in points]}
        )

    send("touchStart", (x, y))
    for i in range(1, 11):
        send("touchMove", (x + 4 * i, y + 3 * i))
    send("touchEnd")
    now = linked(page)
    assert now.wells[1].centre > 2.5
    assert now.wells[1].depth > 2.0
    agree(page)
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    main = "() => document.querySelector('[data-testid=stMain]').scrollTop"
    before, box = page.evaluate(main), page.evaluate(PLOT)
    x, y = box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 3
    send("touchStart", (x, y))
    for i in range(1, 11):
        send("touchMove", (x, y - 15 * i))
    send("touchEnd")
    until(lambda: page.evaluate(main) > before + 50, page=page)
    assert setting(page) == now


@pytest.mark.parametrize("temperature", ["0.1", "1", "100"])
def test_the_crowd_follows_p(visitor: Any, temperature: str) -> None:
    """After 1000 sweeps, 400 walkers 40 sweeps apart, 100 times: their share in 24 bars against quadrature. The walkers
    are independent of each other; a bar's share is averaged over 100 looks, whose variance is at most that of a single
    look. So Σ (seen − expected)²/expected over 400 draws is at most χ² with 23 degrees of freedom in expectation: the
    bound is its 1 − 1e-6 quantile."""
    page = come(visitor, f"temperature={temperature}").page
    counts = page.evaluate(
        """() => {
      const host = [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")]
        .map((h) => h.shadowRoot && h.shadowRoot.querySelector(".wells")).find(Boolean);
      const { crowd, setting, lim } = host.wells.state, counts = new Array(24).fill(0);
      crowd.step(setting, 1000);
      for (let look = 0; look < 100; look++) {
        crowd.step(setting, 40);
        for (const x of crowd.x) counts[Math.min(23, Math.floor(((x + lim.box) / (2 * lim.box)) * 24))]++;
      }
      return counts;
    }"""
    )
    seen = np.array(counts) / sum(counts)
    solved = wells1d.solve(float(temperature), points=24 * 100 + 1)
    expected = np.array(
        [wells1d.simpson(solved.probability[100 * i : 100 * i + 101], 0, 0.5) for i in range(24)]
    )
    square = 400 * float(np.sum((seen - expected) ** 2 / np.maximum(expected, 1e-4)))
    assert square < chi2.ppf(1 - 1e-6, 23)
    if temperature == "0.1":
        assert seen[:12].sum() > 0.99  # cold: all in the deepest well
    if temperature == "100":
        assert seen.max() / seen.min() < 1.3  # hot: everywhere


def test_the_crowd_moves_unless_motion_is_unwanted(visitor: Any) -> None:
    moving, still = come(visitor, still=False).page, come(visitor).page
    first = int(moving.evaluate(SEEN)["frames"])
    until(lambda: int(moving.evaluate(SEEN)["frames"]) > first + 5, page=moving)
    moving.get_by_role("button", name="Pause the crowd").click()
    moving.wait_for_timeout(300)
    paused = moving.evaluate(SEEN)["frames"]
    moving.wait_for_timeout(500)
    assert moving.evaluate(SEEN)["frames"] == paused
    resting = still.evaluate(SEEN)["frames"]
    still.wait_for_timeout(500)
    assert still.evaluate(SEEN)["frames"] == resting
    still.get_by_role("button", name="Let the crowd move").click()
    until(lambda: int(still.evaluate(SEEN)["frames"]) > int(resting) + 5, page=still)


def test_the_bars_add_up_to_what_python_adds_up(visitor: Any) -> None:
    page = come(visitor).page
    bars = page.get_by_role("slider", name="Bars")
    for key, count in (("Home", 4), ("End", 60)):
        bars.focus()
        page.keyboard.press(key)
        text = page.locator(".sum").inner_text()
        assert f"{count} bars, each {12 / count:.2f} wide, add up to {wells1d.bars(count, 1.0):.5g}." in text
    assert "Z = 31.877" in text
    cold = come(visitor, "temperature=0.1").page.locator(".sum").inner_text()
    front, power = f"{wells1d.solve(0.1).partition:.3e}".split("e+")
    assert f"Z = {front} × 10{power.translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))}" in cold


def test_the_cost_is_said_as_python_computes_it(visitor: Any) -> None:
    page = come(visitor).page
    dims = page.get_by_role("slider", name="Axes")
    cost = page.locator(".cost")
    dims.scroll_into_view_if_needed()
    for dim in (1, 8, 9, 10, 64):
        dims.fill(str(dim))
        data = cost.evaluate("(host) => ({ ...host.dataset })")
        assert float(data["grid"]) == pytest.approx(wells1d.log10_cost(dim), rel=1e-12)
        assert float(data["ages"]) == pytest.approx(wells1d.log10_ages(dim), abs=1e-9)
        if dim in sampling_cost.MEASURED:
            assert 10 ** float(data["sampler"]) == pytest.approx(sampling_cost.MEASURED[dim])
        else:
            low, high = (sampling_cost.MEASURED[d] for d in ((4, 9) if dim == 8 else (9, 16)))
            assert math.log10(low) < float(data["sampler"]) < math.log10(high)
            assert "Between two measured numbers" in cost.inner_text()
        if dim == 9:
            ages = 10 ** wells1d.log10_ages(9)
            assert f"{ages:.0f} times the age of the universe" in cost.inner_text().replace("\u202f", "")
    assert "2 001⁶⁴".replace(" ", "") in cost.inner_text().replace("\u202f", "")


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1440, "light")])
def test_nothing_jumps_and_little_is_sent(visitor: Any, width: int, scheme: str) -> None:
    one = come(visitor, width=width, scheme=scheme, still=False)
    page = one.page
    page.wait_for_selector(".cost[data-ready=yes]")
    page.wait_for_timeout(4000)
    page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollTo(0, 1e5)")
    page.wait_for_timeout(4000)
    shift, shifts = one.shift()
    assert shift < 0.02, shifts
    assert one.received <= 1.5e6


def test_somebody_who_comes_back_finds_what_the_address_says(visitor: Any) -> None:
    """A visit of another page ends the setting, as it does on every page: the address is bare, and so are the wells."""
    page = come(visitor).page
    page.get_by_role("slider", name="Well 1", exact=True).focus()
    page.keyboard.press("ArrowRight")
    linked(page)
    page.get_by_role("link", name="Plugins").first.click()
    page.wait_for_selector(READY, state="detached")
    page.get_by_role("link", name="Home").first.click()
    page.wait_for_selector(READY)
    assert written(page)[0] == setting(page)


def test_the_timeline_says_of_each_family_how_it_avoids_z(visitor: Any) -> None:
    """Pointed at or reached with Tab, its words are shown below the line, and nothing moves; a click opens its page."""
    page = come(visitor).page
    line = page.locator(".ebm-timeline")
    line.scroll_into_view_if_needed()
    families = [f for f in load(discover=False).families.values() if f.lens]
    top = page.locator(".ebm-timeline").bounding_box()["height"]
    for i, family in enumerate(families):
        link = line.get_by_role("link", name=family.title)
        link.hover() if i % 2 else link.focus()
        shown = page.locator(".ebm-timeline .shown .avoids")
        assert shown.count() == 1
        assert family.lens is not None
        assert family.lens.authors in shown.inner_text()
        assert link.get_attribute("aria-describedby") == shown.get_attribute("id")
        words = [word for word in family.lens.avoids.split("$")[0].split() if word][:3]
        assert all(word in shown.inner_text() for word in words)
    assert page.locator(".ebm-timeline").bounding_box()["height"] == top
    until(lambda: page.locator(".ebm-timeline .formula.awaited").count() == 0, page=page)
    line.get_by_role("link", name=families[0].title).click()
    page.wait_for_url(f"**/{families[0].key}*")


def test_on_a_phone_every_family_says_so_itself(visitor: Any) -> None:
    page = come(visitor, width=390).page
    page.locator(".ebm-timeline").scroll_into_view_if_needed()
    assert all(page.locator(".ebm-timeline .avoids").nth(i).is_visible() for i in range(6))
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def test_a_card_of_the_gallery_is_one_link_to_its_preset(visitor: Any) -> None:
    page = come(visitor).page
    cards = page.locator("a.card")
    until(lambda: cards.count() == 6, page=page)
    href = cards.nth(1).get_attribute("href")
    assert parse_qs(urlsplit(href).query)["preset"]
    cards.nth(1).scroll_into_view_if_needed()
    until(lambda: cards.nth(0).locator("svg").count() == 1, 60, page=page)
    cards.nth(1).focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{urlsplit(href).path}*")
    page.wait_for_selector(STAGE)
