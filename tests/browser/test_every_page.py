"""Every page, with each of its tabs, and every state: nothing that its policy refuses, headings in order, nothing wider
than the window, no serious or critical fault of accessibility by axe-core.

axe-core comes with the Python package ``axe-playwright-python``; nothing is loaded from the network. The plain run
looks in light on a laptop and in dark on a phone at our own pages and at a family's of each of two kinds; with EBM_SLOW=1
at every family's, in both on both.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

import pytest
from browser_tools import Visitor
from pages import Place, disorder, places, settle, show, states, tabs, too_wide

from ebm_plugins.registry import load

pytestmark = pytest.mark.browser

SEEN = (("light", 1440), ("dark", 390))
EVERY = tuple(itertools.product(("light", "dark"), (1440, 390)))
LONG = os.environ.get("EBM_SLOW") == "1"
LOOKS = EVERY if LONG else SEEN
SHORT = ("home", "compare", "plugins", "hopfield", "langevin")  # a grid, and a plane
PLACES = [place for place in places(load(discover=False)) if LONG or place.name in SHORT]
GRAVE = ("serious", "critical")
# Streamlit's own markup that no setting of ours reaches: rule → the elements' selector, and why it stays.
STREAMLITS = {
    # A displayed formula that is wider than a phone scrolls sideways, which Streamlit's style for KaTeX decides and gives
    # no focus; whoever does not scroll has its MathML, and the same page wide.
    "scrollable-region-focusable": ".katex-display",
}
LOOK = """(excused) => axe.run(document, { resultTypes: ["violations"] }).then((found) => found.violations.flatMap((one) =>
  one.nodes.filter((node) => {
    const selector = excused[one.id], target = node.target[0];
    const element = typeof target === "string" && document.querySelector(target);
    return !(selector && element && element.matches(selector));
  }).map((node) => [one.impact, one.id, node.target.flat().join(" > "), node.html.slice(0, 200), node.failureSummary])))"""


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core."""
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


def faults(one: Visitor, axe: str) -> Iterator[tuple[Any, ...]]:
    """What is wrong with the page as it stands, in each look: in each theme and width, with each tab open. (What its
    policy refuses is an error on the console, which no visitor may have seen.)"""
    page = one.page
    page.evaluate(f"{axe};0")
    for scheme, width in LOOKS:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 900 if width > 640 else 844})
        settle(page)
        for tab in tabs(page) or [""]:
            if tab:
                show(page, tab)
            for impact, *what in page.evaluate(LOOK, STREAMLITS):
                if impact in GRAVE:
                    yield (scheme, width, tab, *what)
            if wrong := disorder(page):
                yield (scheme, width, tab, "headings", wrong)
            if wrong := too_wide(page):
                yield (scheme, width, tab, "too wide", wrong)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_no_page_has_a_fault(visitor: Callable[..., Visitor], axe: str, place: Place) -> None:
    """With each of its tabs."""
    one = visitor()
    one.context.set_default_timeout(180_000)  # a family that learns for seconds, on a busy machine
    one.open(place.path, place.there)
    assert list(faults(one, axe)) == []


@pytest.mark.parametrize("place", list(states()), ids=lambda place: place.name)
def test_no_state_has_a_grave_fault(visitor: Callable[..., Visitor], axe: str, place: Place) -> None:
    """Running, mended, refused, empty, diverged: as it is when it comes."""
    one = visitor()
    one.context.set_default_timeout(120_000)
    page = one.open(place.path, place.there)
    page.evaluate(f"{axe};0")
    found = []
    for scheme, width in LOOKS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900 if width > 640 else 844})
        page.wait_for_timeout(500)
        found += [
            (scheme, width, *what) for impact, *what in page.evaluate(LOOK, STREAMLITS) if impact in GRAVE
        ]
    assert found == []


def test_what_opens_over_a_page_has_no_grave_fault(visitor: Callable[..., Visitor], axe: str) -> None:
    """The popover of further controls, the source of a page, the dialog of own data."""
    one = visitor()
    page = one.open("langevin?preset=Wells+learned+from+two+moons", "[role=tab]")
    settle(page)
    page.evaluate(f"{axe};0")
    page.get_by_role("button", name="More", exact=True).click()
    page.wait_for_timeout(400)
    found = [what for what in page.evaluate(LOOK, STREAMLITS) if what[0] in GRAVE]
    page.keyboard.press("Escape")
    show(page, "Learn")
    for summary in page.locator("[data-testid=stExpander] summary").all():
        if summary.is_visible():
            summary.click()
    page.wait_for_timeout(800)
    found += [what for what in page.evaluate(LOOK, STREAMLITS) if what[0] in GRAVE]
    page.get_by_role("button", name="Own data").click()
    page.get_by_role("dialog").wait_for()
    page.wait_for_timeout(800)
    found += [what for what in page.evaluate(LOOK, STREAMLITS) if what[0] in GRAVE]
    assert found == []


def test_axe_would_find_a_fault(visitor: Callable[..., Visitor], axe: str) -> None:
    """What it looks at is the page: a button without a name and gray words on gray are found."""
    page = visitor().open("plugins", "text=Write one")
    page.evaluate(f"{axe};0")
    page.evaluate(
        """() => { const box = document.createElement("div"); document.querySelector("[data-testid=stMain]").prepend(box);
          box.innerHTML = '<button></button><p style="color:#999;background:#aaa">gray</p>'; }"""
    )
    assert {what[1] for what in page.evaluate(LOOK, STREAMLITS)} >= {"button-name", "color-contrast"}


def test_a_skipped_level_and_what_runs_over_would_be_found(visitor: Callable[..., Visitor]) -> None:
    page = visitor(width=390).open("plugins", "text=Write one")
    settle(page)
    assert (disorder(page), too_wide(page)) == ([], [])
    page.evaluate(
        """() => document.querySelector("[data-testid=stMain]").insertAdjacentHTML("beforeend",
          '<h6>deep</h6><div style="width:700px;height:9px"></div>')"""
    )
    assert (6, "deep") in disorder(page)
    assert too_wide(page)
