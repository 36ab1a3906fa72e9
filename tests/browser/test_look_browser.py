"""How pages are laid out: controls beside the stage, large on a projector. (What holds of every page: test_every_page.)"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from browser_tools import STAGE, Visitor, answered, digest
from pages import settle, show, too_wide

from ebm_plugins.registry import load

pytestmark = pytest.mark.browser

REGISTRY = load(discover=False)
HIGHEST = 640  # pixels of the control panel: so that it is above the fold of a laptop


@pytest.mark.parametrize("key", list(REGISTRY.families))
def test_the_controls_fit_beside_the_stage(visitor: Callable[..., Visitor], key: str) -> None:
    page = visitor().open(key, f".st-key-{key}-controls .st-key-{key}-seed input")
    settle(page)
    height = page.locator(f".st-key-{key}-controls").bounding_box()["height"]
    assert 300 < height <= HIGHEST


def test_what_a_model_learns_from_is_folded_and_opens_by_key(visitor: Callable[..., Visitor]) -> None:
    page = visitor().open("hopfield")
    settle(page)
    rule = page.locator(".st-key-hopfield-train-rule")
    assert not rule.is_visible()
    page.locator("summary", has_text="Data and training").focus()
    page.keyboard.press("Enter")
    rule.wait_for()


@pytest.mark.parametrize(("width", "scale"), [(1440, 1), (1920, 1.25), (2560, 1.5)])
def test_a_wide_window_shows_all_of_it_larger(
    visitor: Callable[..., Visitor], width: int, scale: float
) -> None:
    """Letters, columns, our components and Plotly's figures by the same factor: nothing else is laid out."""
    page = visitor(width=width).open("langevin")
    settle(page)
    page.wait_for_selector(".ebm-figure .main-svg")
    sizes = page.evaluate(
        """() => { const of = (node) => node.getBoundingClientRect(), at = (s) => document.querySelector(s);
          return [of(at(".st-key-page")).width, parseFloat(getComputedStyle(at("h1")).fontSize), of(window.stage()).width,
            of(at(".ebm-figure")).height, of(at(".ebm-figure .main-svg")).height]; }"""
    )
    assert sizes == pytest.approx([1240 * scale, 36 * scale, 870 * scale, 250 * scale, 250 * scale], rel=0.02)
    assert too_wide(page) == []


def test_the_pointer_is_where_it_is_seen_in_a_wide_window(visitor: Callable[..., Visitor]) -> None:
    """A press on a curve of the stage, and one on a figure, go to the moment under the pointer; a particle falls there."""
    page = visitor(width=2560).open("langevin?sample.steps=200")
    settle(page)
    shown = "() => +window.stage().querySelector('input[type=range]').getAttribute('aria-valuetext').match(/\\d+/)[0]"
    plot = page.locator(".stage .chart:not(.bars) svg").first.bounding_box()
    grid = page.evaluate(
        """() => { const all = [...window.stage().querySelectorAll(".chart:not(.bars) .grid")].map((g) => g.getBoundingClientRect());
          return [Math.min(...all.map((b) => b.left)), Math.max(...all.map((b) => b.right))]; }"""
    )
    page.mouse.click(grid[0] + 0.25 * (grid[1] - grid[0]), plot["y"] + plot["height"] / 2)
    assert page.evaluate(shown) == pytest.approx(50, abs=3)
    show(page, "Diagnostics")
    figure = page.locator(".ebm-figure[data-moment]").first
    figure.scroll_into_view_if_needed()
    area = figure.locator(".nsewdrag").first.bounding_box()
    page.mouse.click(area["x"] + 0.75 * area["width"], area["y"] + area["height"] / 2)
    assert page.evaluate(shown) == pytest.approx(150, abs=3)
    mark = figure.locator(".ebm-cursors div").first.bounding_box()
    assert mark["x"] == pytest.approx(area["x"] + 0.75 * area["width"], abs=3)
    page.evaluate("() => window.stage().scrollIntoView()")
    before, over = digest(page), page.locator(f"{STAGE} canvas.over").bounding_box()
    x, y = over["x"] + 0.3 * over["width"], over["y"] + 0.5 * over["height"]
    page.mouse.click(x, y)
    answered(page, before)
    page.get_by_label("To the start").click()
    orange = page.evaluate(
        """([x, y]) => { const c = window.stage().querySelector("canvas.over"), b = c.getBoundingClientRect(), s = c.width / b.width;
          return [...c.getContext("2d").getImageData((x - b.x) * s, (y - b.y) * s, 1, 1).data]; }""",
        [x, y],
    )
    assert orange[:3] == pytest.approx([0xC7, 0x46, 0x0A], abs=12)
