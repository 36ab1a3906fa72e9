"""Each page in Chromium, beside an empty Streamlit app in the same run: first paint, alive, click to repaint, bytes.

The marks and the visitor are those of tests/browser. Pages and the empty app are opened in turn, with an empty cache
each time; times are medians, and ratios are to the empty app's: its first paint, its title, a click on its button.
"""

from __future__ import annotations

import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import race

sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))

from browser_tools import STAGE, Visitor, digest
from pages import Place, places

from ebm_plugins.registry import load

ROUNDS = 5
FAMILIES = tuple(load(discover=False).families)
FRESH = itertools.count(50_000)  # seeds that nobody has asked for
EMPTY_APP = str(Path(__file__).parents[1] / "browser" / "empty_app")

FIRST_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
EMPTY_CLICK = """async () => {
  const count = () => document.querySelector("#count").dataset.count, before = count();
  const began = performance.now();
  document.querySelector("[data-testid=stButton] button").click();
  while (count() === before && performance.now() - began < 10000) await new Promise((d) => setTimeout(d, 2));
  return performance.now() - began;
}"""
MORE_SEED = """async (key) => {
  const shown = () => window.stage()?.dataset.digest, before = shown(), began = performance.now();
  [...document.querySelectorAll(`[class*='st-key-${key}-seed'] button`)].at(-1).click();
  while (shown() === before && performance.now() - began < 30000) await new Promise((d) => setTimeout(d, 2));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - began;
}"""


@pytest.fixture(scope="module")
def empty(serve: Callable[..., Any]) -> Any:
    return serve(app=EMPTY_APP)


def opened(browser: Any, url: str, place: Place | None) -> tuple[float, float, int]:
    """(ms to the first paint, ms until alive, bytes that came by the websocket) of one opening. The empty app is alive
    when its title is there."""
    one = Visitor(browser, url)
    began = time.perf_counter()
    path = "" if place is None else place.path
    if path in FAMILIES:
        path = f"{path}?seed={next(FRESH)}" if path not in ("rbm", "dsm", "infonce") else path
    one.open(path, wait="")
    if place is None:
        alive = one.marked("head")
    elif place.name in FAMILIES:
        alive = one.marked("alive")
    else:
        one.page.wait_for_selector(place.there)
        alive = 1e3 * (time.perf_counter() - began)
    painted = float(one.page.evaluate(FIRST_PAINT))
    received = one.received
    one.leave()
    return painted, alive, received


def test_every_page_beside_an_empty_app(browser: Any, server: Any, empty: Any, benchmark: Any) -> None:
    """One row a page. The first opening of each is a rehearsal: a preset may have to learn first."""
    shown: list[Place | None] = [None, *places(load(discover=False))]
    found: dict[str, list[tuple[float, float, int]]] = {}
    for place in shown[1:]:
        assert place is not None
        one = Visitor(browser, server.url)
        one.open(place.path, wait="")
        one.page.wait_for_selector(STAGE if place.name in FAMILIES else place.there, timeout=180_000)
        one.leave()

    def one_round() -> None:
        for place in shown:
            name, url = ("empty", empty.url) if place is None else (place.name, server.url)
            found.setdefault(name, []).append(opened(browser, url, place))

    benchmark.pedantic(one_round, rounds=ROUNDS, iterations=1)
    clicks = {"empty": clicked(browser, empty.url, "?button=1", "#count", EMPTY_CLICK, "")}
    for name in FAMILIES:
        if name not in ("rbm", "dsm", "infonce"):  # a new seed has these learn again, for seconds
            clicks[name] = clicked(browser, server.url, name, STAGE, MORE_SEED, name)
    rows = {}
    bare, empty_alive, _ = (statistics.median(column) for column in zip(*found["empty"], strict=True))
    for name, marks in found.items():
        painted, alive, received = (statistics.median(column) for column in zip(*marks, strict=True))
        ratios = {"first paint": painted / bare, "alive": alive / empty_alive}
        rows[name] = {**ratios, "kB": received / 1e3, "ms": alive}
        if name in clicks:
            rows[name]["click"] = clicks[name] / clicks["empty"]
            rows[name]["click ms"] = clicks[name]
    benchmark.extra_info.update(rows)
    file = race.results_file().with_name("pages.jsonl")
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as out:
        out.write(json.dumps(rows) + "\n")
    race.PAGES.append(rows)


def clicked(browser: Any, url: str, path: str, wait: str, act: str, key: str) -> float:
    """Median ms from a click to what it changed: of the empty app's button, or of the next seed's run on the stage."""
    one = Visitor(browser, url)
    page = one.open(path, wait=wait)
    page.wait_for_timeout(1000)
    if wait == STAGE:
        assert digest(page)
    took = [page.evaluate(act, key) for _ in range(2 * ROUNDS)]
    one.leave()
    return float(statistics.median(took))
