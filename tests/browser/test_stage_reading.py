"""What a reader of the stage sees and does not see: labels, erased cells, the data, the room that is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from stage_tools import cell, stage, until

pytestmark = pytest.mark.browser

PLAYED = "(at) => window.stage().dataset.at === at && window.stage().dataset.playing === 'no'"
ROOT = "document.querySelector('[data-testid=stBidiComponentIsolated]').shadowRoot"


def erase_lower_half(page: Any) -> None:
    page.get_by_role("button", name="Erase").click()
    page.mouse.move(*_middle(cell(page, 32)))
    page.mouse.down()
    for row in range(4, 8):
        page.mouse.move(*_middle(cell(page, 8 * row)), steps=3)
        page.mouse.move(*_middle(cell(page, 8 * row + 7)), steps=6)
    page.mouse.up()


def _middle(node: Any) -> tuple[float, float]:
    box = node.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.mark.parametrize("width", [1440, 390])
def test_what_a_grey_band_means_stands_in_the_title_where_no_curve_can_cross_it(
    visit: Callable[..., Any], width: int
) -> None:
    page = visit("plane", width=width)
    caption = page.locator(".chart.line figcaption")
    assert caption.locator(".note").inner_text() == "grey: 300 exact draws"
    assert page.locator(".chart svg text.note").count() == 0
    note, plot = caption.locator(".note").bounding_box(), page.locator(".chart.line .plot").bounding_box()
    assert note["y"] + note["height"] <= plot["y"] + 1


def test_erased_cells_are_empty_at_the_start_and_the_legend_says_what_they_are(
    visit: Callable[..., Any],
) -> None:
    page = visit("grid")
    assert page.locator(".legend .erased").count() == 0
    page.get_by_label("One back").click()
    erase_lower_half(page)
    said = until(page, lambda said: said.get("free") == [i >= 32 for i in range(64)])
    assert said["states"][0][32:] == [0.0] * 32  # what is erased is off, so that there is something to recall
    erased = page.locator(".board .cell.erased")
    assert erased.count() == 32
    assert page.locator(".board .cell.erased.on").count() == 0
    assert "only these move" in page.locator(".legend").inner_text()
    hatch = "(node) => getComputedStyle(node).backgroundImage"
    assert "repeating-linear-gradient" in erased.first.evaluate(hatch)
    page.get_by_label("To the end").click()
    assert page.locator(".board .cell.erased.on").count() > 0  # what was recalled is drawn as it is
    assert page.locator(".board .cell.erased.on").first.evaluate(hatch) == "none"


def test_a_cell_that_is_brought_back_is_as_it_was(visit: Callable[..., Any]) -> None:
    page = visit("grid")
    page.get_by_label("To the start").click()
    was = cell(page, 3).get_attribute("aria-pressed")
    page.get_by_role("button", name="Erase").click()
    cell(page, 3).click()
    cell(page, 4).click()
    assert cell(page, 3).get_attribute("aria-pressed") == "false"
    cell(page, 3).click()
    assert cell(page, 3).get_attribute("aria-pressed") == was
    until(page, lambda said: said.get("free") == [i == 4 for i in range(64)])


def test_a_tool_that_draws_goes_to_the_start(visit: Callable[..., Any]) -> None:
    """Else what is erased would be of the last moment, a dream, and not of the pattern that was chosen."""
    for what, tool in (("grid", "Erase"), ("images", "Draw")):
        page = visit(what)
        assert stage(page, "at") != "0"
        page.get_by_role("button", name=tool).click()
        assert stage(page, "at") == "0"


def test_a_drawing_is_played_once_the_hand_is_off_it(visit: Callable[..., Any]) -> None:
    page = visit("grid", still=False)
    page.get_by_role("button", name="Erase").click()
    cell(page, 20).click()
    cell(page, 28).click()
    until(page, lambda said: said.get("free") == [i in (20, 28) for i in range(64)])
    page.wait_for_function(f"() => {ROOT}.querySelector('.stage').dataset.playing === 'yes'", timeout=5000)
    cell(page, 36).click()  # while it moves, an edit goes on with the drawing
    assert stage(page, "at") == "0"
    said = until(page, lambda said: said.get("free") == [i in (20, 28, 36) for i in range(64)])
    assert [said["states"][0][i] for i in (20, 28, 36)] == [0.0] * 3
    page.wait_for_function(f"() => Number({ROOT}.querySelector('.stage').dataset.at) > 0", timeout=5000)


def test_who_wants_no_motion_sees_the_drawing_rest(visit: Callable[..., Any]) -> None:
    page = visit("grid")
    cell(page, 20).click()
    until(page, lambda said: said["edits"] == 1)
    time.sleep(1.2)
    assert (stage(page, "at"), stage(page, "playing")) == ("0", "no")


def test_nothing_of_the_transport_is_left_out_on_a_phone(visit: Callable[..., Any]) -> None:
    page = visit("plane", width=390)
    names = ("To the start", "One back", "Play", "One on", "To the end", "Repeat", "Speed", "Moment shown")
    for name in names:
        box = page.get_by_label(name, exact=True).bounding_box()
        assert 0 <= box["x"] <= 390 - box["width"], name
    range_box = page.get_by_label("Moment shown").bounding_box()
    assert range_box["width"] > 180
    page.get_by_label("To the start").click()
    assert stage(page, "at") == "0"


@pytest.mark.parametrize("name", ["rbm", "infonce"])
def test_no_room_is_kept_for_figures_that_do_not_come(visitor: Callable[..., Any], name: str) -> None:
    page = visitor(width=390).open(name)
    page.wait_for_timeout(800)
    gap = page.evaluate("""(key) => { const box = document.querySelector(`[class*="st-key-${key}-stage"]`);
      const inner = window.stage().querySelector('.body').getBoundingClientRect();
      return box.getBoundingClientRect().bottom - inner.bottom; }""", name)  # fmt: skip
    assert -1 <= gap < 40
    assert page.locator(".chart").count() == page.locator(".chart .curve").count()


def test_few_particles_have_an_energy_where_there_is_no_distance(visit: Callable[..., Any]) -> None:
    page = visit("plane")
    box = page.locator("canvas.over").bounding_box()
    for i in range(3):
        page.mouse.click(box["x"] + 120 + 30 * i, box["y"] + 250)
        time.sleep(0.08)
    until(page, lambda said: len(said.get("states", ())) == 3)
    page.wait_for_timeout(300)
    assert page.locator(".chart.line figcaption").inner_text().startswith("Mean energy")
    assert "a distance needs 20" in page.locator(".chart.line .note").inner_text()


def test_the_training_data_lie_under_the_particles(visit: Callable[..., Any]) -> None:
    """Pixels of the data's own colour on the lower canvas: none without data, else one a row at the least (a disc of
    radius 2.5 has some 13 inside its halo; rows that lie close cover one another)."""
    found = []
    for what in ("plane", "plane&data"):
        page = visit(what)
        assert ("data" in page.locator(".legend").inner_text().split()) == ("data" in what)
        found.append(page.locator(".main canvas").first.evaluate("""(c) => {
          const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0;
          for (let i = 0; i < d.length; i += 4) n += d[i] === 11 && d[i + 1] === 122 && d[i + 2] === 111;
          return n; }"""))  # fmt: skip
    rows = 80
    assert found[0] == 0
    assert found[1] >= rows
