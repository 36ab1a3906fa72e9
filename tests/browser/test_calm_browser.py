"""Nothing jumps while a page is at work, and what is not there yet has its place."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from browser_tools import Visitor
from pages import SEEDS, settle

pytestmark = pytest.mark.browser

LEARNS = "langevin?preset=Wells+learned+from+two+moons&train.wells=16&train.epochs=1000"
STREAMED = 8  # points of the curve that have come while we look


@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_jumps_while_training_streams(visitor: Callable[..., Visitor], width: int) -> None:
    """From the first sight of the running row on: its words, its bar and its curve change, and nothing moves (the sum
    of all layout shifts stays under 0.02, a fifth of what Chromium calls good)."""
    one = visitor(width=width)
    page = one.open(f"{LEARNS}&seed={next(SEEDS)}", "[class*='running'] [role=progressbar]")
    page.wait_for_timeout(1500)  # Streamlit's own scripts have come
    before, _ = one.shift()
    seen = set()
    for _ in range(STREAMED * 5):
        said = page.evaluate("""() => document.querySelector("[class*='running'] strong")?.innerText""")
        if said is None:  # it has ended
            break
        seen.add(said)
        page.wait_for_timeout(200)
    after, moved = one.shift()
    assert len(seen) >= 3, seen
    assert after - before < 0.02, moved


def test_what_cannot_run_says_so_in_the_stage_s_place(visitor: Callable[..., Visitor]) -> None:
    """A refused run leaves no hole: what is said stands where the stage would, at the controls' own height."""
    page = visitor().open("langevin?sample.steps=100000&sample.every=1", "text=Too large to run here.")
    settle(page)
    said = page.get_by_text("Too large to run here.").first.bounding_box()
    panel = page.locator("[class*='langevin-controls']").first.bounding_box()
    assert said is not None
    assert panel is not None
    assert said["y"] - panel["y"] < 60


def test_a_page_is_printed_whole(visitor: Callable[..., Visitor]) -> None:
    """On paper a page is as long as what it holds, and no control, bar or drawer is in the way of the figures."""
    page = visitor().open("langevin", "[role=tab]")
    settle(page)
    page.emulate_media(media="print")
    page.wait_for_timeout(500)
    header = page.locator("[data-testid=stHeader]").first
    assert header.count() == 0 or header.evaluate(
        "(node) => getComputedStyle(node).display === 'none' || node.offsetHeight === 0"
    )
    hidden = page.evaluate(
        """() => { const main = document.querySelector("[data-testid=stMain]");
          return main.scrollHeight - main.clientHeight; }"""
    )
    assert hidden <= 2
