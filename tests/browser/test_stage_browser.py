"""The stage and the figure component in Chromium: what a hand does to them, and what an eye sees."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest
from stage_tools import READY, cell, report, stage, until

pytestmark = pytest.mark.browser


def test_a_slow_answer_to_an_older_edit_takes_nothing_back(visit: Callable[..., Any]) -> None:
    page = visit("grid&late")
    page.get_by_label("To the start").click()
    before = ["on" in (cell(page, i).get_attribute("class") or "").split() for i in range(64)]
    for i in range(6):
        cell(page, i).click()
        until(page, lambda said, i=i: said["edits"] == i + 1)
    wanted = [not b if i < 6 else b for i, b in enumerate(before)]
    assert report(page)["states"] == [[float(v) for v in wanted]]
    page.wait_for_timeout(300)
    assert ["on" in (cell(page, i).get_attribute("class") or "").split() for i in range(64)] == wanted


def test_a_click_is_painted_at_once_and_the_new_run_soon_after(visit: Callable[..., Any]) -> None:
    """≤ 50 ms to paint: the best of three medians of 20, since other work on the machine only adds to them. That the
    new run takes ≤ 150 ms in the median is held in ``test_held_to``, beside the machine's speed; here it can."""
    page = visit("grid")
    page.get_by_label("To the start").click()
    measure = """async (i) => {
      const host = document.querySelector('[data-testid=stBidiComponentIsolated]').shadowRoot.querySelector('.stage');
      const node = host.querySelector(`.cell[data-i="${i}"]`), box = node.getBoundingClientRect();
      const was = node.className, digest = host.dataset.digest, began = performance.now();
      const at = { bubbles: true, composed: true, pointerId: 1, clientX: box.x + 9, clientY: box.y + 9, button: 0 };
      host.querySelector('.board').setPointerCapture = () => {};
      node.dispatchEvent(new PointerEvent('pointerdown', at));
      node.dispatchEvent(new PointerEvent('pointerup', at));
      await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
      const painted = performance.now() - began, changed = node.className !== was;
      while (host.dataset.digest === digest && performance.now() - began < 5000) await new Promise((d) => setTimeout(d, 2));
      return [changed, painted, performance.now() - began];
    }"""
    rounds = [[page.evaluate(measure, i) for i in range(20)] for _ in range(3)]
    assert all(changed for times in rounds for changed, _, _ in times)
    painted = min(statistics.median(t for _, t, _ in times) for times in rounds)
    quickest = min(t for times in rounds for _, _, t in times)
    print(f"painted {painted:.0f} ms, recomputed {quickest:.0f} ms at the quickest")
    assert painted <= 50
    assert quickest <= 150


def test_cells_are_moved_between_and_flipped_from_the_keyboard(visit: Callable[..., Any]) -> None:
    page = visit("grid")
    page.get_by_label("To the start").click()
    was = cell(page, 10).get_attribute("aria-pressed")
    cell(page, 0).focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Space"):
        page.keyboard.press(key)
    assert cell(page, 10).get_attribute("aria-pressed") != was
    assert until(page, lambda said: said["edits"] == 1)["states"][0][10] == float(was == "false")
    assert (
        page.evaluate(
            "document.querySelector('[data-testid=stBidiComponentIsolated]').shadowRoot.activeElement.dataset.i"
        )
        == "10"
    )


def test_dragging_paints_one_value_and_erasing_says_which_cells_are_free(visit: Callable[..., Any]) -> None:
    page = visit("grid")
    page.get_by_role("button", name="Erase").click()
    first, last = cell(page, 0).bounding_box(), cell(page, 7).bounding_box()
    page.mouse.move(first["x"] + 9, first["y"] + 9)
    page.mouse.down()
    page.mouse.move(last["x"] + 9, last["y"] + 9, steps=20)
    page.mouse.up()
    said = until(page, lambda said: said.get("free") == [i < 8 for i in range(64)])
    assert len(said["states"]) == 1
    page.get_by_role("button", name="Clear").click()
    until(page, lambda said: "states" not in said)


def test_it_plays_once_on_opening_and_rests_at_the_end(visit: Callable[..., Any]) -> None:
    page = visit("plane", still=False)
    assert stage(page, "playing") == "yes"
    page.wait_for_function("() => document.querySelector('[data-testid=stBidiComponentIsolated]').shadowRoot"
                           ".querySelector('.stage').dataset.playing === 'no'", timeout=20_000)  # fmt: skip
    assert stage(page, "at") == "200"


def test_who_wants_no_motion_gets_the_last_frame(visit: Callable[..., Any]) -> None:
    page = visit("plane")
    assert (stage(page, "at"), stage(page, "playing")) == ("200", None)


def test_the_transport_works_by_mouse_and_by_keyboard(visit: Callable[..., Any]) -> None:
    page = visit("plane")
    page.get_by_label("One back").click()
    assert stage(page, "at") == "199"
    page.get_by_label("To the start").click()
    assert stage(page, "at") == "0"
    page.get_by_label("One on").click()
    assert stage(page, "at") == "1"
    scrubber = page.get_by_label("Moment shown")
    scrubber.focus()
    page.keyboard.press("End")
    assert stage(page, "at") == "200"
    box = scrubber.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2)
    assert abs(int(stage(page, "at")) - 100) < 6
    assert f"{stage(page, 'at')} of 200" in page.locator(".moment").inner_text()
    page.get_by_label("To the start").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Home")
    assert stage(page, "at") == "0"
    page.locator("canvas.over").focus()
    page.keyboard.press("Space")
    time.sleep(0.5)
    assert stage(page, "playing") == "yes"
    page.keyboard.press("Space")
    assert stage(page, "playing") == "no"
    assert 0 < int(stage(page, "at")) < 200


def test_three_hundred_particles_move_at_thirty_frames_a_second(visit: Callable[..., Any]) -> None:
    """Drawn frames a second while it plays at full speed, in software rendering (median of 5 half seconds)."""
    page = visit("plane")
    rate = page.evaluate("""async () => {
      const host = document.querySelector('[data-testid=stBidiComponentIsolated]').shadowRoot.querySelector('.stage');
      const select = host.querySelector('select'), play = host.querySelector('.play');
      host.querySelector('.loop').click();
      select.value = '4'; select.dispatchEvent(new Event('change'));
      let drawn = 0;
      new MutationObserver(() => drawn++).observe(host, { attributes: true, attributeFilter: ['data-at'] });
      play.click();
      const rates = [];
      for (let i = 0; i < 5; i++) {
        const before = drawn, began = performance.now();
        await new Promise((done) => setTimeout(done, 500));
        rates.push((drawn - before) / ((performance.now() - began) / 1000));
      }
      play.click();
      return rates.sort((a, b) => a - b)[2];
    }""")
    print(f"{rate:.0f} frames a second")
    assert rate >= 30


def test_particles_are_dropped_where_one_clicks(visit: Callable[..., Any]) -> None:
    page = visit("plane")
    box = page.locator("canvas.over").bounding_box()
    for i in range(5):
        page.mouse.click(box["x"] + 120 + 30 * i, box["y"] + 250)
        time.sleep(0.08)
    said = until(page, lambda said: len(said.get("states", ())) == 5)
    xs = [x for x, _ in said["states"]]
    assert xs == sorted(xs)
    assert len({round(y, 3) for _, y in said["states"]}) == 1
    page.get_by_role("button", name="Clear").click()
    until(page, lambda said: "states" not in said)


def test_a_projection_lifts_what_is_dropped_on_it(visit: Callable[..., Any]) -> None:
    page = visit("vectors")
    box = page.locator("canvas.over").bounding_box()
    page.mouse.click(box["x"] + 220, box["y"] + 220)
    said = until(page, lambda said: said["edits"] == 1)
    assert len(said["states"][0]) == 6


def test_a_picture_is_chosen_and_drawn_on(visit: Callable[..., Any]) -> None:
    page = visit("images")
    box = page.locator("canvas.over").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.1)
    page.get_by_role("button", name="Draw").click()
    page.mouse.click(box["x"] + 5, box["y"] + box["height"] - 5)
    said = until(page, lambda said: said["edits"] == 1)
    assert len(said["states"]) == 1
    # of the start, which is noise: a dark pixel becomes the data's lightest, a light one their darkest (2e-11 and 1)
    assert said["states"][0][56] in (pytest.approx(0.0, abs=1e-6), pytest.approx(1.0, abs=0.2))


def test_light_and_dark_are_chosen_in_the_browser_without_a_rerun(visit: Callable[..., Any]) -> None:
    for what, wait in (("grid", READY), ("figure", ".ebm-plot .barlayer path")):
        page = visit(what, wait=wait)
        seconds = report(page).get("seconds")
        colour = ("() => getComputedStyle(document.querySelector('[data-testid=stBidiComponentIsolated]').shadowRoot"
                  ".querySelector('.cell.on')).backgroundColor" if what == "grid" else
                  "() => getComputedStyle(document.querySelector('.barlayer path')).fill")  # fmt: skip
        assert page.evaluate(colour) == "rgb(199, 70, 10)"
        page.emulate_media(color_scheme="dark")
        page.wait_for_function(f"() => ({colour})() === 'rgb(255, 154, 90)'", timeout=5000)
        assert report(page).get("seconds") == seconds


def test_a_figure_reports_clicks_on_a_heat_map_and_keeps_its_node_and_zoom(visit: Callable[..., Any]) -> None:
    page = visit("figure", wait=".ebm-plot .heatmaplayer image")
    page.evaluate("() => { document.querySelector('.ebm-plot').marked = true; }")
    box = page.locator(".ebm-plot").first.bounding_box()
    for _ in range(4):
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        time.sleep(0.4)  # two clicks within 300 ms are Plotly's double click
    until(page, lambda said: said["clicks"] == 4)
    page.evaluate("() => Plotly.relayout(document.querySelector('.ebm-plot'), {'xaxis.range': [1, 3]})")
    for i in range(20):
        page.get_by_role("button", name="Again").click()
        until(page, lambda said, i=i: said["seed"] == 8 + i)
    plot = page.evaluate(
        "() => { const n = document.querySelector('.ebm-plot'); return [n.marked, n._fullLayout.xaxis.range]; }"
    )
    assert plot == [True, [1, 3]]
    assert page.locator(".ebm-figure").first.get_attribute("aria-label") == "A heat map"
    assert page.locator(".ebm-figure").first.get_attribute("role") == "figure"


@pytest.mark.parametrize("what", ["plane", "grid", "many", "images", "vectors", "pairs"])
@pytest.mark.parametrize("width", [1440, 390])
def test_nothing_jumps_while_a_stage_arrives_and_nothing_runs_over(
    visit: Callable[..., Any], what: str, width: int
) -> None:
    page = visit(what, width=width, wait="")
    page.evaluate("""() => { window.shift = 0; new PerformanceObserver((list) => { for (const e of list.getEntries())
      window.shift += e.value; }).observe({ type: 'layout-shift', buffered: true }); }""")
    page.wait_for_selector(READY, timeout=30_000)
    page.wait_for_timeout(400)
    assert page.locator(".stage").get_attribute("role") == "figure"
    over = page.evaluate("""() => { const host = document.querySelector('[data-testid=stBidiComponentIsolated]').shadowRoot
      .querySelector('.stage'); return [host.scrollWidth - host.clientWidth,
      document.documentElement.scrollWidth - window.innerWidth]; }""")
    assert max(over) <= 1
    shift = page.evaluate("() => window.shift")
    print(f"{what} {width}: layout shift {shift:.4f}")
    assert shift < 0.02


def test_the_numbers_of_a_run_that_flew_off_are_not_cut(visit: Callable[..., Any]) -> None:
    """Energies of 10²⁸ stand beside their axis, inside the figure."""
    page = visit("flown")
    outside = """() => {
      const stage = document.querySelector('[data-testid=stBidiComponentIsolated]').shadowRoot.querySelector('.stage');
      return [...stage.querySelectorAll('svg .tick')].map((tick) => [tick.textContent,
        tick.getBoundingClientRect().left - tick.ownerSVGElement.getBoundingClientRect().left]);
    }"""
    found = page.evaluate(outside)
    assert any("×" in text for text, _ in found), found
    assert min(left for _, left in found) >= 0, found
