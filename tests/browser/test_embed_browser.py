"""A page in a frame of 600 by 400 pixels, light and dark: it is for watching, and the way to the whole page works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser_tools import STAGE, digest
from pages import settle

from ebm_plugins.registry import Registry

pytestmark = pytest.mark.browser

VALUE = "() => +window.stage().querySelector('input[type=range]').value"
ADDRESS = "langevin?embed=true&seed=11"


def numbers(page: Any) -> list[str]:
    """What the Truth tab measured of the run."""
    values = page.locator("[data-testid=stMetricValue]")
    values.first.wait_for()
    return [str(text) for text in values.all_inner_texts()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_stage_plays_and_scrubs_and_nothing_else_can_be_worked(
    visitor: Callable[..., Any], scheme: str, tmp_path: Path
) -> None:
    one = visitor(width=600, scheme=scheme, still=False)
    page = one.page
    page.set_viewport_size({"width": 600, "height": 400})
    one.open(ADDRESS)
    settle(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 600
    chrome = page.locator("[data-testid=stHeader] :is(a, button):visible, [data-testid=stSidebar]:visible")
    assert chrome.count() == 0, chrome.first.evaluate("(one) => one.outerHTML")
    assert page.locator("[data-testid=stMain]").get_by_role("slider").count() <= 1  # the stage's own
    for kind in (
        "stButton",
        "stSelectbox",
        "stNumberInput",
        "stSlider",
        "stPopover",
        "stFileUploader",
        "stPills",
    ):
        assert page.locator(f"[data-testid={kind}]").count() == 0, kind
    before = digest(page)
    page.get_by_role("button", name="To the start").click()
    assert page.evaluate(VALUE) == 0
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function(f"() => ({VALUE})() > 3")
    page.get_by_role("slider", name="Moment shown").focus()
    page.keyboard.press("End")
    assert page.evaluate(VALUE) > 3
    page.locator("canvas.over").click(
        position={"x": 150, "y": 150}, force=True
    )  # where it would drop a particle
    page.wait_for_timeout(700)
    assert digest(page) == before
    assert page.evaluate("() => location.search").count("embed=true") == 1
    page.screenshot(path=tmp_path / "embed.png")
    assert page.get_by_text("Total variation").count() >= 1


def test_the_way_out_is_the_same_run_on_the_whole_page(visitor: Callable[..., Any]) -> None:
    one = visitor(width=600)
    page = one.open(ADDRESS)
    settle(page)
    shown = numbers(page)
    with one.context.expect_page() as waited:
        page.get_by_role("link", name="Open the whole page").click()
    whole = waited.value
    whole.wait_for_selector(STAGE)
    settle(whole)
    assert whole.url == f"{one.url}/langevin?seed=11"
    assert numbers(whole) == shown
    whole.get_by_label("Seed").first.wait_for()


def test_every_page_fits_into_a_narrow_frame(visitor: Callable[..., Any], registry: Registry) -> None:
    one = visitor(width=600)
    for key in registry.families:
        page = one.open(f"{key}?embed=true")
        settle(page)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 600, key
