"""Take it away, in Chromium: every button is pressed, and what comes is opened as its reader would open it."""

from __future__ import annotations

import csv
import html as html_module
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_tools import STAGE

pytestmark = pytest.mark.browser

BUTTONS = "[data-testid=stDownloadButton] button"


def open_tab(page: Any) -> None:
    page.get_by_role("tab", name="Take it away").click()
    page.locator(BUTTONS).first.wait_for()


def downloads(page: Any, folder: Path) -> dict[str, Path]:
    """What a file's name ends with, behind the run's → the file that came, of every button of the tab."""
    came: dict[str, Path] = {}
    for button in page.locator(BUTTONS).all():
        with page.expect_download(timeout=30_000) as waited:
            button.click()
        path = folder / waited.value.suggested_filename
        waited.value.save_as(path)
        came[re.sub(r"^[a-z]+-[0-9a-f]{8}", "", path.name)] = path
    return came


def columns(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    return {name: np.array([float(row[i]) for row in rows[1:]]) for i, name in enumerate(rows[0])}


@pytest.mark.parametrize(
    ("family", "names", "chains"), [("langevin", ["x", "y"], 300), ("hopfield", ["r0c0", "r7c7"], 1)]
)
def test_every_download_comes_and_holds_the_run(
    visitor: Callable[..., Any], tmp_path: Path, family: str, names: list[str], chains: int
) -> None:
    page = visitor().open(family)
    open_tab(page)
    assert page.locator(BUTTONS).count() >= 5
    came = downloads(page, tmp_path)
    assert len(came) == page.locator(BUTTONS).count(), "a button's file has a name of its own"
    table = columns(came[".csv"])
    assert next(iter(table)) == "chain"
    assert set(names) <= set(table)
    assert len(table["chain"]) == chains
    assert all(np.isfinite(column).all() for column in table.values())
    from pyarrow import parquet

    again = parquet.read_table(came[".parquet"])
    assert again.column_names == list(table)
    assert all(np.array_equal(again[name].to_numpy(), table[name]) for name in names)
    with np.load(came[".npz"], allow_pickle=False) as params:
        assert params.files
        assert all(params[name].dtype.kind in "fiub" for name in params.files)
    script = came[".py"].read_text(encoding="utf-8")
    compile(script, str(came[".py"]), "exec")
    assert f"'family': '{family}'" in script
    copied = page.locator("[data-testid=stCode] code").first.inner_text()
    report = came["-report.html"].read_text(encoding="utf-8")
    assert copied in html_module.unescape(report)
    html = came[".html"].read_text(encoding="utf-8")
    assert "<script src" not in html
    for width in (1000, 390):
        plays(page.context.browser, came[".html"], width, copied, ground=family == "langevin")


def plays(browser: Any, path: Path, width: int, copied: str, ground: bool) -> None:
    """The page of the stage, from a file and without a network: what stands still is there before, while and after
    it plays; the slider moves it; the landscape fills its axes; the theme turns what is drawn; it holds its link."""
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
    faults: list[str] = []
    try:
        page = context.new_page()
        # (When Pause ends an animation, Plotly rejects its promise with nothing at all.)
        page.on("pageerror", lambda error: faults.append(str(error)) if str(error) != "undefined" else None)
        page.goto(path.as_uri())
        page.wait_for_selector(".js-plotly-plot .slider-group")
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
        assert page.locator("h1").inner_text()
        assert page.locator(".legend span").count() >= 2
        assert page.locator("footer a").get_attribute("href") == copied
        picture = ".imagelayer image" if ground else ".heatmaplayer image"
        drawn = f"() => document.querySelectorAll('{picture}').length"
        shown = "() => document.querySelector('.slider-group .slider-label')?.textContent"
        page.wait_for_function(f"() => ({drawn})() > 0")
        last = page.evaluate(shown)
        assert re.fullmatch(r"Step [1-9]\d*", last)
        page.locator(".updatemenu-button", has_text="Play").first.click()
        page.wait_for_function(f"(last) => ({shown})() !== last", arg=last)
        for _ in range(5):
            assert page.evaluate(drawn) > 0
            page.wait_for_timeout(30)
        page.locator(".updatemenu-button", has_text="Pause").click()
        page.wait_for_timeout(200)
        assert page.evaluate(drawn) > 0
        page.locator(".slider-rail-touch-rect").scroll_into_view_if_needed()
        rail = page.locator(".slider-rail-touch-rect").bounding_box()
        page.mouse.click(rail["x"] + 1, rail["y"] + rail["height"] / 2)
        page.wait_for_function(f"() => ({shown})() === 'Step 0'")
        assert page.evaluate(drawn) > 0
        if ground:
            behind, axes = (page.locator(f).bounding_box() for f in (picture, ".nsewdrag[data-subplot=xy]"))
            assert all(abs(behind[k] - axes[k]) < 2 for k in behind), (behind, axes)
            assert abs(axes["width"] - axes["height"]) < 2
            assert page.locator(".scatterlayer .js-line").count() >= 2, "the exact marginals"
        colours = f"() => document.querySelector('{picture}').href.baseVal"
        light = page.evaluate(colours)
        page.locator(".updatemenu-header").click()
        page.locator(".updatemenu-dropdown-button", has_text="Dark").click()
        page.wait_for_function(f"(light) => ({colours})() !== light", arg=light)
        assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(16, 19, 23)"
    finally:
        context.close()
    assert faults == []


def test_a_copied_link_keeps_the_path_that_the_app_is_served_under(
    visitor: Callable[..., Any], serve: Callable[..., Any]
) -> None:
    below = serve(env={"EBM_PLUGINS": ""}, options=("--server.baseUrlPath=ebm",))
    page = visitor(url=f"{below.url}/ebm").open("hopfield")
    open_tab(page)
    copied = page.locator("[data-testid=stCode] code").first.inner_text()
    assert copied.startswith(f"{below.url}/ebm/hopfield?")
    visitor(url=f"{below.url}/ebm").open(copied).wait_for_selector(STAGE)


def test_a_report_prints_its_digests_whole(visitor: Callable[..., Any], registry: Any) -> None:
    """On paper of A4, 180 mm between the margins: a digest is one line, and none is wider than its page."""
    from ebm_plugins import report_page, runs

    run = runs.run(next(iter(registry.families["hopfield"].presets.values())), registry)
    page = visitor(width=680).page
    page.emulate_media(media="print")
    page.set_content(report_page.page(run, registry, "http://host/hopfield"))
    cells = page.locator(".digests td")
    heights = cells.evaluate_all("(cells) => cells.map((cell) => cell.getClientRects()[0].height)")
    assert len(heights) > 5
    assert max(heights) < 1.5 * min(heights)
    assert page.evaluate("document.documentElement.scrollWidth") <= 680
