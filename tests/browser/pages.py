"""Every page of the dashboard, in the states that it is designed for: what tests of all pages go through."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from ebm_plugins.registry import Registry

TABLE = "[aria-label='Families of energy-based models'] .formula.drawn"
# Through shadow roots, in the order of the document: the level and the words of each heading.
HEADINGS = """() => {
  const found = [];
  const walk = (node) => { for (const child of node.children) {
    if (/^H[1-6]$/.test(child.tagName) && child.checkVisibility()) found.push([+child.tagName[1], child.textContent.trim()]);
    if (child.shadowRoot) walk(child.shadowRoot);
    walk(child);
  } };
  walk(document.querySelector("[data-testid=stMain]"));
  return found;
}"""
# What sticks out of the page at its right, but for what scrolls by itself and what is put aside for readers by ear.
WIDER = """() => {
  const main = document.querySelector("[data-testid=stMain]"), edge = document.documentElement.clientWidth + 1;
  if (main.scrollWidth <= main.clientWidth + 1 && document.documentElement.scrollWidth <= edge) return [];
  return [...main.querySelectorAll("*")].filter((node) => node.getBoundingClientRect().right > edge)
    .map((node) => node.className + " " + node.textContent.slice(0, 40)).slice(-3).concat("the page scrolls sideways");
}"""
SEEDS = itertools.count(7000)  # nobody has asked for these, so what is asked for is really running


class Place(NamedTuple):
    """A page in a state: its name, its path, and what is there when it is."""

    name: str
    path: str
    there: str


def places(registry: Registry) -> Iterator[Place]:
    """The pages as they open."""
    yield Place("home", "", ".st-key-home-cost, [class*='home-cost']")
    yield Place("compare", "compare", "text=All of this is in the address")
    yield Place("plugins", "plugins", "text=Write one")
    for key in registry.families:
        yield Place(key, key, "[role=tab]")


def states() -> Iterator[Place]:
    """The states that pages are seldom in: running, mended, empty, refused as too large, diverged, without an answer."""
    wells = "langevin?preset=Wells+learned+from+two+moons&train.wells=16&train.epochs=1000"
    yield Place("running", f"{wells}&seed={next(SEEDS)}", "[class*='running']")
    yield Place(
        "mended", "langevin?sample.step_size=9&sampler=nuts&zork=1", "text=values in the link were changed"
    )
    yield Place("empty", "langevin?start=drawn", "[role=tab]")
    yield Place("diverged", "langevin?preset=A+step+that+diverges", "[role=tab]")
    yield Place("no-answer", "langevin?preset=As+in+the+article", "[role=tab]")
    yield Place("too-large", "langevin?sample.steps=100000&sample.every=1", "text=Too large to run here.")
    yield Place("own-data", f"langevin?data=stored:plane:{'0' * 64}", "h1")
    yield Place("home-mended", "?temperature=hot&wells=7", "text=in the link were changed")
    yield Place("compare-mended", "compare?energy=mars&budget=lots", "text=in the link were changed")


def settle(page: Any) -> None:
    """Wait until nothing is being made: no script runs, no skeleton is left, fonts and formulas are there."""
    page.wait_for_function(
        """() => !document.querySelector("[data-testid=stSkeleton]")
          && document.querySelector("[data-testid=stApp]")?.dataset.testScriptState !== "running" """
    )
    page.evaluate("() => document.fonts.ready.then(() => true)")
    page.wait_for_timeout(400)


def tabs(page: Any) -> list[str]:
    """The titles of the page's tabs."""
    return [text.strip() for text in page.get_by_role("tab").all_inner_texts()]


def show(page: Any, tab: str) -> None:
    """Open a tab, and wait for what is in it."""
    page.get_by_role("tab", name=tab, exact=True).click()
    page.wait_for_timeout(300)
    settle(page)


def disorder(page: Any) -> list[tuple[int, str]]:
    """The page's headings, where it has not exactly one title or skips a level on the way down."""
    found = [(level, words) for level, words in page.evaluate(HEADINGS)]
    levels = [level for level, _ in found]
    steps = [b - a for a, b in pairwise(levels)]
    good = levels[:1] == [1] and levels.count(1) == 1 and max(steps, default=0) <= 1
    return [] if good else found


def too_wide(page: Any) -> list[str]:
    """What sticks out of the page at its right."""
    return list(page.evaluate(WIDER))
