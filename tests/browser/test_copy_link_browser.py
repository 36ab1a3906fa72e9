"""The Copy link button under the stage: by mouse and by keyboard, with a clipboard and where there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from browser_tools import until

pytestmark = pytest.mark.browser

COPIED = "input[aria-label='The link']"


def whole_link(page: Any) -> str:
    page.get_by_role("tab", name="Take it away").click()
    code = page.locator("[data-testid=stCode] code").first
    code.wait_for()
    return str(code.inner_text())


@pytest.mark.parametrize("width", [1440, 390])
def test_the_whole_link_is_copied_by_keyboard(visitor: Callable[..., Any], width: int) -> None:
    one = visitor(width=width)
    one.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = one.open("hopfield")
    button = page.get_by_role("button", name="Copy link")
    button.wait_for()
    box = button.bounding_box()
    assert box["height"] >= 40
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    button.focus()
    page.keyboard.press("Enter")
    page.get_by_text("Copied", exact=True).wait_for()
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert copied == whole_link(page)
    assert "seed=" in copied
    again = visitor(width=width).open(copied)
    again.get_by_text("The same run.").wait_for()


def test_the_link_is_the_one_of_the_run_that_is_shown(visitor: Callable[..., Any]) -> None:
    one = visitor()
    one.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = one.open("hopfield")
    page.get_by_role("button", name="Copy link").wait_for()
    before = page.locator(COPIED).input_value()
    page.locator(".board .cell").first.click()
    until(lambda: page.locator(COPIED).input_value() != before, page=page)
    page.get_by_role("button", name="Copy link").click()
    page.get_by_text("Copied", exact=True).wait_for()
    assert "start.states=" in page.evaluate("() => navigator.clipboard.readText()")


@pytest.mark.parametrize("old", [True, False])
def test_without_a_clipboard_it_is_selected(visitor: Callable[..., Any], old: bool) -> None:
    """A page that is not served by https has no navigator.clipboard; ``old`` browsers' way may be there or not."""
    one = visitor()
    one.context.add_init_script(
        "Object.defineProperty(navigator, 'clipboard', { value: undefined });"
        + ("" if old else "Document.prototype.execCommand = () => false;")
    )
    page = one.open("hopfield")
    button = page.get_by_role("button", name="Copy link")
    button.click()
    page.get_by_text("Copied" if old else "Selected: press Ctrl C").first.wait_for()
    selected = """() => {
      const hosts = [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")];
      const field = hosts.map((h) => h.shadowRoot?.querySelector(".ebm-copy input")).find(Boolean);
      return [field.hidden, field.value.slice(field.selectionStart, field.selectionEnd)];
    }"""
    hidden, text = page.evaluate(selected)
    assert hidden == old
    if not old:
        assert text == whole_link(page)
