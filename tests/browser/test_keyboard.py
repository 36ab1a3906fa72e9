"""Everything that can be operated is reached and worked from the keyboard, is seen to have the focus, and lets it go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from browser_tools import STAGE, Visitor, answered, digest, until
from pages import TABLE, settle

pytestmark = pytest.mark.browser

# Through shadow roots: every control that can be seen and is not switched off; where the focus is; how things look.
TOOLS = """(() => {
  const OPERATED = "button, a[href], input:not([type=hidden]), select, textarea, summary, [tabindex], [role=slider]";
  const GROUPS = "[role=tablist], [role=radiogroup], [role=toolbar], [role=grid], [role=listbox], .board";
  const inside = (root) => [...root.querySelectorAll("*")].flatMap((node) => [node, ...(node.shadowRoot ? inside(node.shadowRoot) : [])]);
  const parent = (node) => node.parentElement || node.getRootNode().host || null;
  const up = (node, test) => { for (let at = node; at; at = parent(at)) if (test(at)) return at; return null; };
  const seen = (node) => {
    const box = node.getBoundingClientRect();
    return box.width > 1 && box.height > 1 && node.checkVisibility({ checkOpacity: false, checkVisibilityCSS: true });
  };
  const style = (node) => { const s = getComputedStyle(node);
    return [s.outlineStyle + s.outlineWidth + s.outlineColor, s.boxShadow, s.borderColor, s.backgroundColor, s.color, s.opacity, s.textDecorationLine].join("|"); };
  const look = (node) => { const out = []; for (let at = node, i = 0; at && i < 5; at = parent(at), i++) {
      out.push(style(at)); for (const child of i < 2 ? at.children : []) out.push(style(child)); } return out.join(); };
  const name = (node) => [node.tagName.toLowerCase(), node.getAttribute("role") || node.type || "",
    node.getAttribute("aria-label") || node.textContent.trim().slice(0, 30) || node.className].join(" ");
  const all = inside(document.body).filter((node) => node.matches(OPERATED) && node.tagName !== "MAIN" && !node.disabled && seen(node)
    && !up(node, (at) => at.getAttribute?.("aria-hidden") === "true" || at.inert));
  const looks = new Map(all.map((node) => [node, look(node)]));
  const met = new Set(), dim = new Set();
  const focus = () => { let at = document.activeElement; while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement; return at; };
  window.kb = {
    wanted: () => all.filter((node) => node.isConnected && seen(node) && !(node.tabIndex < 0)).length,
    step: async () => {
      const at = focus();
      if (!at || at === document.body) return "";
      for (let i = 0; looks.has(at) && i < 12 && look(at) === looks.get(at); i++) await new Promise((done) => setTimeout(done, 40));
      if (looks.has(at) && look(at) === looks.get(at)) dim.add(name(at));
      met.add(at);
      return name(at);
    },
    focus: () => name(focus() || document.body),
    missed: () => all.filter((node) => node.isConnected && seen(node) && !met.has(node)).filter((node) => {
      const group = up(node, (at) => at.matches?.(GROUPS));
      return !(group && [...met].some((one) => up(one, (at) => at === group)));
    }).filter((node) => node.tabIndex >= 0 || !up(node, (at) => at !== node && met.has(at)))
      .filter((node) => node.tabIndex >= 0).map(name),
    dim: () => [...dim],
  };
})()"""


def walk(page: Any) -> None:
    """Press Tab until the focus has left the page or gone round, and hold that against what can be seen."""
    page.evaluate(TOOLS)
    page.evaluate("() => document.activeElement?.blur?.()")
    most, first, path = page.evaluate("window.kb.wanted()") + 40, "", []
    for _ in range(most):
        page.keyboard.press("Tab")
        at = page.evaluate("window.kb.step()")
        path.append(at)
        if not at and len(path) > 1:
            break  # past the last one: the browser's own bar
        if first and at == first and page.evaluate("window.kb.missed()") == []:
            break
        first = first or at
    assert page.evaluate("window.kb.missed()") == [], path[-5:]
    assert page.evaluate("window.kb.dim()") == []


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("langevin", STAGE),
        ("hopfield", STAGE),
        ("compare", "text=All of this is in the address"),
        ("", "[class*='home-cost']"),
        ("plugins", "text=Write one"),
    ],
)
def test_tab_reaches_every_control_and_shows_where_it_is(
    visitor: Callable[..., Visitor], path: str, there: str
) -> None:
    """No control is out of reach, none keeps the focus, none has it unseen."""
    page = visitor().open(path, there)
    settle(page)
    walk(page)


def test_a_popover_opens_by_key_and_escape_closes_it_and_gives_the_focus_back(
    visitor: Callable[..., Visitor],
) -> None:
    page = visitor().open("langevin")
    settle(page)
    more = page.get_by_role("button", name="More", exact=True)
    more.focus()
    page.keyboard.press("Enter")
    over = page.get_by_test_id("stPopoverBody")
    over.wait_for()
    page.keyboard.press("Escape")
    over.wait_for(state="hidden")
    until(lambda: more.evaluate("(node) => node === document.activeElement"), page=page)


def test_the_stage_is_worked_by_keys_and_lets_them_go(visitor: Callable[..., Visitor]) -> None:
    """Arrows step, Home and End jump; Tab goes on; what is typed elsewhere is not the stage's."""
    page = visitor().open("langevin")
    settle(page)
    page.evaluate("() => window.stage().querySelector('.transport input').focus()")
    shown = "() => +window.stage().querySelector('.transport input').value"
    page.keyboard.press("Home")
    until(lambda: page.evaluate(shown) == 0, page=page)
    page.keyboard.press("ArrowRight")
    until(lambda: page.evaluate(shown) == 1, page=page)
    page.keyboard.press("End")
    end = page.evaluate(shown)
    assert end > 1
    page.evaluate("() => window.stage().querySelector('canvas.over').focus()")
    page.keyboard.press("ArrowLeft")
    until(lambda: page.evaluate(shown) == end - 1, page=page)
    page.evaluate(TOOLS)
    before = page.evaluate("window.kb.focus()")
    page.keyboard.press("Tab")
    assert page.evaluate("window.kb.focus()") != before
    seed = page.get_by_label("Seed", exact=True).first
    seed.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(shown) == end - 1


def test_a_seed_is_typed_and_answered_without_a_mouse(visitor: Callable[..., Visitor]) -> None:
    page = visitor().open("langevin")
    settle(page)
    before = digest(page)
    page.get_by_label("Seed", exact=True).first.focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("4711")
    page.keyboard.press("Enter")
    answered(page, before)
    assert "seed=4711" in page.url


def test_a_row_of_the_table_is_opened_by_key(visitor: Callable[..., Visitor]) -> None:
    page = visitor().open("compare", TABLE)
    link = page.locator("[aria-label='Families of energy-based models'] tbody a").first
    key = link.get_attribute("href")
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{key}*")


def test_a_closed_drawer_keeps_no_focus_and_an_open_one_gives_its_links(
    visitor: Callable[..., Visitor],
) -> None:
    """On a phone the links of the pages lie in a drawer, which Tab must not walk through while nobody sees it."""
    page = visitor(width=390).open("plugins", "text=Write one")
    settle(page)
    links = page.get_by_test_id("stSidebarNavLink")
    until(lambda: not links.first.is_visible(), page=page)
    page.evaluate("() => document.activeElement?.blur?.()")
    beside = "() => { const at = document.activeElement.getBoundingClientRect(); return at.right <= 0 || at.left >= innerWidth; }"
    for _ in range(4):
        page.keyboard.press("Tab")
        assert not page.evaluate(beside)
    page.get_by_test_id("stExpandSidebarButton").click()
    until(lambda: links.first.is_visible(), page=page)
    links.first.focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", level=1, name="Energy").wait_for()


def test_the_keys_of_a_stage_are_written_down(visitor: Callable[..., Visitor]) -> None:
    """A button under the stage lists them, each of those that its own kind has too."""
    for family, own in (("langevin", "turn the surface"), ("hopfield", "flip or erase it")):
        page = visitor().open(family)
        settle(page)
        page.get_by_role("button", name="Keys", exact=True).focus()
        page.keyboard.press("Enter")
        over = page.get_by_test_id("stPopoverBody")
        over.wait_for()
        assert "slower, faster" in over.inner_text()
        assert own in over.inner_text()
