"""A lab page in Chromium, from the first click to the copied link: what issue 3 wants shown.

Every page is opened in light and in dark, wide and narrow. What is done on a page is compared with what a link, a
new context and the command line make of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from browser_tools import STAGE, answered, digest, until

from ebm_plugins import link, starts
from ebm_plugins.link_values import start_value
from ebm_plugins.registry import Registry, load
from ebm_plugins.spaces import BinaryGrid

pytestmark = pytest.mark.browser

FAMILIES = tuple(load(discover=False).families)
OURS = ("", "compare", "plugins")
ON = "() => [...window.stage().querySelectorAll('.cell')].map((c) => +c.classList.contains('on'))"
DIGEST = "code:text-matches('^[0-9a-f]{64}$')"


def query(page: Any) -> dict[str, str]:
    """The address as the browser has it now."""
    return {k: v[0] for k, v in parse_qs(urlsplit(page.evaluate("() => location.href")).query).items()}


def label(page: Any, name: str) -> None:
    """Press the stage's control of this name."""
    page.evaluate("(name) => window.stage().querySelector(`[aria-label='${name}']`).click()", name)


def at(page: Any) -> int:
    """The number of the frame that is shown."""
    return int(page.evaluate("() => window.stage().dataset.at"))


def click_cell(page: Any, i: int) -> None:
    page.locator(f".board .cell[data-i='{i}']").click()


def take_away(page: Any) -> tuple[str, str, str]:
    """The copied link, and the spec and result digests that stand on the page."""
    page.get_by_role("tab", name="Take it away").click()
    page.wait_for_selector(DIGEST)
    spec, result = (page.locator(DIGEST).nth(i).inner_text() for i in (0, 1))
    return page.locator("[data-testid=stCode] code").first.inner_text(), spec, result


def command_line(copied: str, root: Path) -> dict[str, str]:
    """What ``python -m ebm_plugins run LINK`` says, by its first words."""
    done = subprocess.run(
        [sys.executable, "-m", "ebm_plugins", "run", copied],
        cwd=root,
        env=os.environ | {"EBM_PLUGINS": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return {line.split(maxsplit=1)[0]: line.split(maxsplit=1)[1] for line in done.stdout.splitlines() if line}


def is_sound(page: Any) -> None:
    """Nothing on the page has failed, it has a name and one heading, and nothing runs over its edge."""
    assert page.locator("[data-testid=stException]").count() == 0
    assert page.locator("[data-testid=stMain] h1").count() == 1
    assert page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth") <= 1


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_every_page_opens_and_nothing_on_it_fails(
    visitor: Callable[..., Any], scheme: str, width: int
) -> None:
    one = visitor(scheme=scheme, width=width)
    background = "rgb(255, 255, 255)" if scheme == "light" else "rgb(16, 19, 23)"
    for path in OURS:
        if path and not (Path(__file__).parents[2] / f"dashboard/app_pages/{path}.py").is_file():
            continue
        page = one.open(path, wait="h1")
        page.wait_for_function(
            "() => document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'"
        )
        is_sound(page)
    for name in FAMILIES:
        page = one.open(name)
        page.wait_for_selector("[data-testid=stTabs]")
        is_sound(page)
        assert (
            page.evaluate("() => getComputedStyle(document.querySelector('.stApp')).backgroundColor")
            == background
        )
        assert page.evaluate("() => window.stage().classList.contains('dark')") == (scheme == "dark")
        assert page.locator(STAGE).get_attribute("role") == "figure"
        assert len(page.locator(STAGE).get_attribute("aria-label")) > 20


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_a_pattern_spoilt_by_clicking_is_recalled_and_its_link_holds(
    visitor: Callable[..., Any], registry: Registry, root: Path, scheme: str, width: int
) -> None:
    """Three cells of a stored pattern are flipped by hand; the run ends at the pattern, cell for cell. The copied
    link gives the same digests in a new context, and from the command line."""
    preset = registry.families["hopfield"].presets[next(iter(registry.families["hopfield"].presets))]
    pattern = registry.datasets[preset.dataset].load().x[0].astype(int)
    start = starts.pack(pattern[None].astype(float), BinaryGrid(8, 8))
    page = visitor(scheme=scheme, width=width).open(f"hopfield?start=drawn&start.states={start}")
    label(page, "To the start")
    assert page.evaluate(ON) == pattern.tolist()
    shown = digest(page)
    page.wait_for_selector("[data-testid=stTabs]")
    for i in (9, 27, 45):
        click_cell(page, i)
        shown = answered(page, shown)
    spoilt = pattern.copy()
    spoilt[[9, 27, 45]] ^= 1
    until(lambda: "start.states" in query(page), page=page)
    assert np.array_equal(starts.unpack(query(page)["start.states"], BinaryGrid(8, 8)), [spoilt])
    label(page, "To the start")
    assert page.evaluate(ON) == spoilt.tolist()
    page.locator(STAGE).locator("input[type=range]").focus()
    page.keyboard.press("End")
    assert page.evaluate(ON) == pattern.tolist()
    page.get_by_text("It is ‘Bar’").wait_for()
    copied, spec, result = take_away(page)
    assert link.parse(copied, registry)[1] == []
    again = visitor(scheme=scheme, width=width).open(copied)
    assert take_away(again)[1:] == (spec, result)
    if width > 640:
        said = command_line(copied, root)
        assert (said["spec"], said["result"]) == (spec, result)


def test_half_of_a_pattern_is_erased_and_only_that_half_moves(visitor: Callable[..., Any]) -> None:
    page = visitor().open("hopfield")
    label(page, "To the start")
    page.evaluate(
        "() => [...window.stage().querySelectorAll('.tools button')].find((b) => b.textContent === 'Erase').click()"
    )
    before, shown = page.evaluate(ON), digest(page)
    first, last = (page.locator(f".board .cell[data-i='{i}']").bounding_box() for i in (0, 63))
    page.mouse.move(first["x"] + 5, first["y"] + 5)
    page.mouse.down()
    across, down = ((last[k] - first[k]) / 7 for k in ("x", "y"))
    for row in range(8):  # the left half, there and back, as quickly as a pointer that reports once a row
        column = 3 if row % 2 == 0 else 0
        page.mouse.move(first["x"] + 5 + column * across, first["y"] + 5 + row * down)
        if row < 7:
            page.mouse.move(first["x"] + 5 + column * across, first["y"] + 5 + (row + 1) * down)
    page.mouse.up()
    answered(page, shown)
    until(lambda: "start.free" in query(page), page=page)
    erased = page.evaluate(
        "() => [...window.stage().querySelectorAll('.cell')].map((c) => +c.classList.contains('erased'))"
    )
    assert erased == [1, 1, 1, 1, 0, 0, 0, 0] * 8
    mask = tuple(map(bool, erased))
    until(lambda: start_value("free", query(page)["start.free"], 64) == mask, page=page)
    page.locator(STAGE).locator("input[type=range]").focus()
    page.keyboard.press("End")
    after = page.evaluate(ON)
    assert [a for a, e in zip(after, erased, strict=True) if not e] == [
        b for b, e in zip(before, erased, strict=True) if not e
    ]


def test_particles_are_dropped_played_and_scrubbed(visitor: Callable[..., Any], root: Path) -> None:
    page = visitor(still=False).open("langevin")
    page.wait_for_function("() => window.stage().dataset.playing === 'no'")  # it plays once, then rests
    end = at(page)
    assert end > 50
    box = page.locator("canvas.over").bounding_box()
    shown = digest(page)
    for i in range(4):
        page.mouse.click(box["x"] + 130 + 40 * i, box["y"] + 260)
        page.wait_for_timeout(80)
    until(lambda: "start.states" in query(page), page=page)
    until(lambda: len(starts.unpack(query(page)["start.states"], _plane())) == 4, page=page)
    answered(page, shown)
    page.wait_for_function("() => window.stage().dataset.playing === 'no'")
    label(page, "To the start")
    assert at(page) == 0
    label(page, "One on")
    assert at(page) == 1
    scrubber = page.locator(STAGE).locator("input[type=range]").bounding_box()
    page.mouse.click(scrubber["x"] + scrubber["width"] / 2, scrubber["y"] + scrubber["height"] / 2)
    assert 0.4 * end < at(page) < 0.6 * end
    label(page, "To the start")
    page.evaluate("() => window.stage().querySelector('.play').click()")
    page.wait_for_function("() => +window.stage().dataset.at > 5")
    page.evaluate("() => window.stage().querySelector('.play').click()")
    assert page.evaluate("() => window.stage().dataset.playing") == "no"
    copied, spec, result = take_away(page)
    said = command_line(copied, root)
    assert (said["spec"], said["result"]) == (spec, result)


def _plane() -> Any:
    from ebm_plugins.spaces import Plane

    return Plane()


def test_a_training_is_stopped_and_continued_to_the_bits_of_one_that_never_was(
    visitor: Callable[..., Any], root: Path
) -> None:
    """Stop keeps what was learned and says where; Continue ends where the command line ends, which never stopped."""
    asked = "rbm?data=bars-and-stripes-3x3&train.epochs=8000&train.every=20&train.k=8&sample.steps=50&seed=5"
    page = visitor().open(asked, wait="")
    stop = page.get_by_test_id("stButton").get_by_role(
        "button", name="Stop"
    )  # not Streamlit's own, in its header
    stop.wait_for()
    page.get_by_text("Training, epoch").wait_for()
    page.wait_for_function(
        "() => document.querySelector('[class*=\"running\"] .js-plotly-plot')"
    )  # its metrics, live
    stop.click()
    page.get_by_text("Stopped:").wait_for()
    stopped = int(query(page)["stop"].split(",")[0])
    assert 0 < stopped < 400
    page.wait_for_selector(STAGE)
    _, spec, result = take_away(page)
    page.get_by_role("button", name="Continue").click()
    page.get_by_text("Stopped:").wait_for(state="detached")
    until(lambda: "stop" not in query(page), page=page)
    stop.wait_for(state="detached")
    page.wait_for_function(
        f"() => ![...document.querySelectorAll('code')].some((c) => c.textContent === '{result}')"
    )
    copied, whole, ended = take_away(page)
    assert (whole, ended) != (spec, result)
    said = command_line(copied, root)
    assert (said["spec"], said["result"]) == (whole, ended)


def test_what_a_link_holds_that_cannot_be_used_is_named(visitor: Callable[..., Any]) -> None:
    page = visitor().open("langevin?sample.step_size=9e9&sampler=nobody&invented=1")
    page.get_by_text("3 values").or_(page.get_by_text("Three values")).first.wait_for()
    assert page.get_by_text("sampler=nobody").count() == 1
    is_sound(page)
