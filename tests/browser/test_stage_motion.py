"""The stage in motion: loop, the cursor that all traces share, proposals, the surface, and what is sent for it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest
from stage_tools import stage, until

pytestmark = pytest.mark.browser

measured = pytest.mark.skipif(
    os.environ.get("EBM_MEASURE") != "1", reason="a figure of the clock: set EBM_MEASURE=1 on a quiet machine"
)
ROOT = "document.querySelector('[data-testid=stBidiComponentIsolated]').shadowRoot.querySelector('.stage')"
CURSORS = f"() => [...{ROOT}.querySelectorAll('.cursor')].map((line) => Number(line.getAttribute('x1')))"
INK = """(c) => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0;
  for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; }"""

REFUSED = {"light": [134, 142, 154], "dark": [125, 135, 150]}
# How many pixels are of a colour; and how many of them lie within 4 % of the plane's sides of its edge.
GREY = """(c, [r, g, b]) => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data, found = [];
  for (let i = 0; i < d.length; i += 4) {
    if (d[i] === r && d[i + 1] === g && d[i + 2] === b && d[i + 3] === 255) found.push([(i / 4) % c.width, Math.floor(i / 4 / c.width)]);
  }
  const ratio = c.width / c.clientWidth, [left, top, side] = c.parentNode.dataset.plane.split(',').map((v) => v * ratio);
  const edge = found.filter(([x, y]) => Math.min(x - left, left + side - x, y - top, top + side - y) < 0.04 * side);
  return { count: found.length, edge: edge.length }; }"""


def view(page: Any, name: str) -> Any:
    """A data attribute of the view."""
    page.wait_for_timeout(80)  # it is drawn in the next frame
    return page.locator(".main").get_attribute(f"data-{name}")


def test_the_cursor_of_every_trace_moves_with_the_scrubber(visit: Callable[..., Any]) -> None:
    page = visit("grid")
    at_end = page.evaluate(CURSORS)
    assert len(at_end) == 2
    assert at_end[0] == pytest.approx(at_end[1], abs=0.5)
    page.get_by_label("Moment shown").focus()
    page.keyboard.press("Home")
    at_start = page.evaluate(CURSORS)
    assert at_start[0] == pytest.approx(at_start[1], abs=0.5)
    assert at_start[0] < at_end[0] - 100


def test_a_click_on_a_trace_goes_there_a_drag_scrubs_and_a_hand_above_it_reads(
    visit: Callable[..., Any],
) -> None:
    page = visit("plane")
    box = page.locator(".chart.line .plot").bounding_box()
    middle = box["x"] + 44 + (box["width"] - 56) / 2, box["y"] + 50
    page.mouse.move(*middle)
    assert stage(page, "at") == "200"  # to look is not to go
    assert "at step 100" in page.locator(".chart.line .reading").text_content()
    page.mouse.click(*middle)
    assert abs(int(stage(page, "at")) - 100) <= 1
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 44, middle[1], steps=4)
    page.mouse.up()
    assert stage(page, "at") == "0"


def test_it_begins_again_when_it_is_to_repeat(visit: Callable[..., Any]) -> None:
    page = visit("plane")
    page.locator("canvas.over").focus()
    for key in ("l", ".", "Space"):  # repeat, 4×, play
        page.keyboard.press(key)
    assert page.get_by_label("Repeat").get_attribute("aria-pressed") == "true"
    assert page.get_by_label("Speed").input_value() == "4"
    seen = page.evaluate(f"""async () => {{ const host = {ROOT}; const seen = [];
      const watch = new MutationObserver(() => seen.push(Number(host.dataset.at)));
      watch.observe(host, {{ attributes: true, attributeFilter: ['data-at'] }});
      await new Promise((done) => setTimeout(done, 5000)); return seen; }}""")
    page.keyboard.press("Space")
    turns = [i for i in range(1, len(seen)) if seen[i] < seen[i - 1]]
    assert turns
    assert all(seen[i - 1] == 200 for i in turns)  # each round is shown to its end
    assert stage(page, "playing") == "no"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_refused_proposals_are_rings_where_few_particles_are_seen(
    visit: Callable[..., Any], scheme: str
) -> None:
    """Of four particles two are refused at each odd step and none at even ones."""
    page = visit("refused", scheme=scheme)
    assert page.locator(".legend .mark").all_inner_texts()[-2:] == ["accepted", "refused"]
    page.get_by_label("To the start").click()
    assert view(page, "proposals") == "0"
    page.get_by_label("One on").click()
    assert view(page, "proposals") == "4"
    assert view(page, "refused") == "2"
    assert page.locator("canvas.over").evaluate(GREY, REFUSED[scheme])["count"] > 0
    page.get_by_label("One on").click()
    assert view(page, "refused") == "0"
    assert page.locator("canvas.over").evaluate(GREY, REFUSED[scheme])["count"] == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("reach", [1, 40])
def test_among_many_a_dozen_show_what_was_accepted_and_refused_also_beyond_the_window(
    visit: Callable[..., Any], scheme: str, reach: int
) -> None:
    """Every fifth of sixty: six are refused at odd steps and none at even ones, wherever the place proposed is."""
    page = visit(f"refused&n=60&reach={reach}", scheme=scheme)
    assert page.locator(".legend .mark").all_inner_texts()[-2:] == ["accepted", "refused (12 of 60 shown)"]
    page.get_by_label("To the start").click()
    assert view(page, "proposals") == "0"
    page.get_by_label("One on").click()
    assert (view(page, "proposals"), view(page, "refused")) == ("12", "6")
    found = page.locator("canvas.over").evaluate(GREY, REFUSED[scheme])
    assert found["count"] > 6 * 10  # each ring has as many whole pixels, at the least
    if reach > 1:  # the rings stand along the edge
        assert found["edge"] > 6 * 4
    page.get_by_label("One on").click()
    assert (view(page, "proposals"), view(page, "refused")) == ("12", "0")


def test_where_nothing_is_refused_the_legend_speaks_of_none(visit: Callable[..., Any]) -> None:
    page = visit("refused&n=60&taken")
    assert page.locator(".legend .mark").all_inner_texts()[-1] == "accepted (12 of 60 shown)"
    assert "refused" not in page.locator(".legend").inner_text()


def test_the_one_that_is_followed_shows_its_own_proposals_alone(visit: Callable[..., Any]) -> None:
    page = visit("refused&n=60")
    page.get_by_label("To the start").click()
    page.get_by_label("One on").click()
    page.get_by_role("button", name="Follow").click()
    page.locator("canvas.over").focus()
    page.keyboard.press("n")
    assert view(page, "followed") == "0"
    assert view(page, "proposals") == "1"
    assert "refused (1 of 60 shown)" in page.locator(".legend").inner_text()
    page.keyboard.press("Escape")
    assert view(page, "proposals") == "12"
    assert "refused (12 of 60 shown)" in page.locator(".legend").inner_text()
    assert stage(page, "at") == "1"
    assert page.locator(".stage").count() == 1


CELLS = """() => { const board = document.querySelector('[data-testid=stBidiComponentIsolated]').shadowRoot;
  const of = (name) => [...board.querySelectorAll(`.board .cell.${name}`)].map((c) => +c.dataset.i);
  return { refused: of('refused'), flipped: of('flipped'), on: of('on') }; }"""


def test_a_refused_flip_is_a_ring_and_a_flip_that_was_taken_a_frame(visit: Callable[..., Any]) -> None:
    """At odd moments the flip of cell 5 is refused; at each, one cell flips, as the two pictures say."""
    page = visit("flips")
    legend = page.locator(".legend").inner_text()
    assert "flip refused last" in legend
    assert "flipped" in legend
    boxes = [mark.bounding_box() for mark in page.locator(".legend .mark").all()]
    assert {round(box["height"]) for box in boxes} == {22}  # its mark stands beside the word, as all do
    framed = page.locator(".legend .mark", has_text="flipped").last.locator("i").bounding_box()
    assert (framed["width"], framed["height"]) == (10, 10)
    page.get_by_label("To the start").click()
    was = page.evaluate(CELLS)
    assert was["refused"] == was["flipped"] == []
    for moment in range(1, 5):
        page.get_by_label("One on").click()
        now = page.evaluate(CELLS)
        assert now["refused"] == ([5] if moment % 2 else [])
        changed = set(was["on"]) ^ set(now["on"])
        assert len(changed) == 1
        assert set(now["flipped"]) == changed - set(now["refused"])
        was = now
    page.get_by_label("row 1, column 6").click()  # a start that is drawn was offered nothing
    assert page.evaluate(CELLS)["refused"] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_picture_that_was_refused_has_a_dashed_frame(visit: Callable[..., Any], scheme: str) -> None:
    page = visit("stills", scheme=scheme)
    assert "refused" in page.locator(".legend").inner_text()
    grey = [134, 142, 154] if scheme == "light" else [125, 135, 150]
    count = """(c, [r, g, b]) => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0;
      for (let i = 0; i < d.length; i += 4) n += d[i] === r && d[i + 1] === g && d[i + 2] === b; return n; }"""
    page.get_by_label("To the start").click()
    before = page.locator("canvas.over").evaluate(count, grey)
    page.get_by_label("One on").click()
    assert page.locator("canvas.over").evaluate(count, grey) > before + 50
    page.get_by_label("One on").click()
    assert page.locator("canvas.over").evaluate(count, grey) <= before


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 1440), ("light", 390)])
def test_the_landscape_is_a_surface_that_keys_and_hands_turn(
    visit: Callable[..., Any], scheme: str, width: int
) -> None:
    page = visit("plane", scheme=scheme, width=width)
    flat = page.locator(".main canvas").first.evaluate(INK)
    page.get_by_role("button", name="3-D").click()
    yaw, pitch, _ = (float(v) for v in view(page, "camera").split(","))
    solid = page.locator(".main canvas").first.evaluate(INK)
    assert solid > 10_000
    assert solid != flat
    over = page.locator("canvas.over")
    assert over.evaluate(INK) > 1000  # particles lie on it
    over.focus()
    at = stage(page, "at")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    turned = [float(v) for v in view(page, "camera").split(",")]
    assert turned[0] != yaw
    assert turned[1] != pitch
    assert stage(page, "at") == at  # the keys turn it; they do not step
    page.keyboard.press("+")
    assert float(view(page, "camera").split(",")[2]) > turned[2]
    box = over.bounding_box()
    page.mouse.move(box["x"] + 150, box["y"] + 150)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 150, steps=4)
    page.mouse.up()
    assert float(view(page, "camera").split(",")[0]) != turned[0]
    page.get_by_role("button", name="2-D").click()
    page.wait_for_timeout(80)
    assert page.locator(".main canvas").first.evaluate(INK) == flat


def test_the_surface_does_not_turn_by_itself(visit: Callable[..., Any]) -> None:
    page = visit("plane", still=False)
    page.get_by_role("button", name="3-D").click()
    was = view(page, "camera")
    time.sleep(0.6)
    assert view(page, "camera") == was


def test_a_particle_dropped_on_the_surface_lies_under_the_pointer(visit: Callable[..., Any]) -> None:
    """The middle of the window, from straight above, is the middle of the surface."""
    page = visit("plane")
    page.get_by_role("button", name="3-D").click()
    over = page.locator("canvas.over")
    over.focus()
    for _ in range(12):
        page.keyboard.press("ArrowDown")
    pitch = float(view(page, "camera").split(",")[1])
    assert pitch == 1.5
    box = over.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.5)
    said = until(page, lambda said: len(said.get("states", ())) == 1)
    window = 6.0  # half of it is about that much
    assert all(abs(v) < window / 2 for v in said["states"][0])


@pytest.mark.parametrize("name", ["langevin?", "langevin?sampler=mala&", "metropolis-hastings?"])
def test_a_thousand_particles_and_300_moments_take_a_megabyte_and_a_half(
    visitor: Callable[..., Any], name: str
) -> None:
    """The whole page; of what accepts or refuses with what its first 100 chains were offered."""
    one = visitor()
    page = one.open(f"{name}start.n=1000&sample.steps=299&seed=5")
    page.wait_for_selector("[data-testid=stTabs]")
    page.wait_for_timeout(1500)
    print(f"{name}: {one.received / 1e6:.2f} MB")
    assert page.locator(".chart.line .note").inner_text() == "grey: 1000 exact draws"
    assert page.locator(".legend .thinned").count() == 0
    assert one.received <= 1.5e6


@measured
@pytest.mark.parametrize(
    ("what", "least"), [("plane", 30), ("plane&n=1000&steps=299", 0), ("images&n=64&steps=299", 0)]
)
def test_frames_a_second(visit: Callable[..., Any], what: str, least: float) -> None:
    """Drawn frames a second at 4× in software rendering (median of 5 half seconds)."""
    page = visit(what)
    rate = page.evaluate(f"""async () => {{
      const host = {ROOT}, play = host.querySelector('.play');
      host.querySelector('.loop').click();
      const select = host.querySelector('select');
      select.value = '4'; select.dispatchEvent(new Event('change'));
      let drawn = 0;
      new MutationObserver(() => drawn++).observe(host, {{ attributes: true, attributeFilter: ['data-at'] }});
      play.click();
      const rates = [];
      for (let i = 0; i < 5; i++) {{
        const before = drawn, began = performance.now();
        await new Promise((done) => setTimeout(done, 500));
        rates.push((drawn - before) / ((performance.now() - began) / 1000));
      }}
      play.click();
      return rates.sort((a, b) => a - b)[2];
    }}""")
    print(f"{what}: {rate:.0f} frames a second")
    assert rate >= least
