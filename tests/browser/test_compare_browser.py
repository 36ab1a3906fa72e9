"""Compare in Chromium: the table sorts by mouse and keyboard, its formulas are drawn, nothing jumps or runs over."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser

TABLE = "[aria-label='Families of energy-based models']"
DONE = "text=All of this is in the address"
COLUMN = """(i) => [...document.querySelectorAll("[aria-label='Families of energy-based models'] tbody tr")]
  .map((row) => row.children[i].querySelector(".value").textContent)"""
SORTED = """() => [...document.querySelectorAll("[aria-label='Families of energy-based models'] thead th")]
  .map((head) => head.getAttribute("aria-sort"))"""


def test_the_table_sorts_by_mouse_and_by_keyboard(visitor, registry):
    """Years up by a click, down by Enter; the heading says which; the formulas are KaTeX's, none left as LaTeX."""
    page = visitor().open("compare", f"{TABLE} .formula.drawn .katex")
    years = [family.lens.year for family in registry.families.values()]
    assert [int(y) for y in page.evaluate(COLUMN, 1)] == years
    page.click(f"{TABLE} thead th:nth-child(2) button")
    assert [int(y) for y in page.evaluate(COLUMN, 1)] == sorted(years)
    assert page.evaluate(SORTED)[:3] == ["none", "ascending", "none"]
    page.keyboard.press("Enter")  # the heading that was clicked has the focus
    assert [int(y) for y in page.evaluate(COLUMN, 1)] == sorted(years, reverse=True)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    titles = page.evaluate(COLUMN, 0)
    assert titles == sorted(titles, key=str.casefold)
    assert page.locator(f"{TABLE} .formula:not(.drawn)").count() == 0
    assert page.locator(f"{TABLE} .katex-error").count() == 0
    assert page.locator(".ebm-table [role=status]").first.text_content() == "Sorted by Family, ascending."


@pytest.mark.parametrize("width", [390, 1440])
def test_a_name_leads_to_its_page(visitor, registry, width):
    """A plain click stays in the app."""
    key, family = next(iter(registry.families.items()))
    page = visitor(width=width).open("compare", f"{TABLE} tbody a")
    page.click(f"{TABLE} tbody a[href='{key}']")
    page.wait_for_url(f"**/{key}*")
    assert page.locator("[data-testid=stHeading] h1").first.text_content() == family.title


@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_jumps_and_nothing_runs_over(visitor, width):
    """The room of tables, pictures and chart is kept: shifts stay under 0.1 (what Chromium calls good), and no page
    is wider than its window."""
    one = visitor(width=width)
    page = one.open(f"compare?seed={width}&budget=20000", DONE)
    page.wait_for_selector(f"{TABLE} .formula.drawn")
    page.wait_for_timeout(1500)
    total, moved = one.shift()
    assert total < 0.1, moved
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= width


NUMBERS = "[aria-label='What each sampler made of the budget']"
WHOLE = """() => ({
  heads: [...document.querySelectorAll("LABEL thead th")].map((node) => node.textContent.trim()),
  rows: [...document.querySelectorAll("LABEL tbody tr")].map((row) => row.innerText),
  pictures: [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")]
    .map((host) => host.shadowRoot?.querySelector(".picture[role=img]")).filter(Boolean)
    .filter((picture) => !picture.getAttribute("aria-label").startsWith("Samples of "))
    .map((picture) => [picture.getAttribute("aria-label"), picture.innerHTML]),
})""".replace("LABEL", NUMBERS)


def test_one_link_shows_somebody_else_the_same_numbers(visitor):
    """What was compared here is opened from its address by somebody with nothing of ours: energies, distances to the
    truth, effective draws an evaluation and the pictures of the samples are the same, cell for cell."""
    one = visitor()
    page = one.open("compare?budget=20000&samplers=mala%2Cmetropolis", DONE)
    box = page.get_by_label("Seed", exact=True).first
    box.fill("31")
    box.press("Enter")
    page.wait_for_url("**seed=31**")
    page.wait_for_selector(DONE)
    page.wait_for_selector(f"{NUMBERS} tbody tr:nth-child(2)")
    page.wait_for_timeout(1500)
    ours = page.evaluate(WHOLE)
    for wanted in ("Mean energy", "Total variation", "Draws per 1"):
        assert any(head.startswith(wanted) for head in ours["heads"])
    assert len(ours["rows"]) == len(ours["pictures"]) == 2
    theirs = visitor()
    there = theirs.open(page.url, DONE)
    there.wait_for_selector(f"{NUMBERS} tbody tr:nth-child(2)")
    there.wait_for_timeout(1500)
    assert there.evaluate(WHOLE) == ours


def test_nothing_is_wider_than_a_projector_s_column(visitor):
    """At 2560 pixels the content is as much wider than 1240 as all is larger, in the middle."""
    page = visitor(width=2560).open("compare?budget=20000&seed=2560", DONE)
    page.wait_for_selector(f"{TABLE} .formula.drawn")
    box = page.evaluate(
        "(s) => { const b = document.querySelector(s).getBoundingClientRect(); return [b.left, b.right]; }",
        TABLE,
    )
    scale = float(
        page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--scale') || 1")
    )
    assert scale > 1
    assert box[1] - box[0] == pytest.approx(1240 * scale, abs=2)
    assert sum(box) / 2 == pytest.approx(1280, abs=10)


HELD = "[aria-label='What each family makes of rows that it has not seen']"


def test_one_link_shows_somebody_else_what_the_families_make_of_unseen_rows(visitor):
    """Data and families are chosen on the page; the address says so, and who opens it sees the same cells."""
    one = visitor()
    page = one.open("compare?budget=20000&samplers=metropolis&families=dsm&seed=4", f"{HELD} tbody tr")
    page.get_by_role("button", name="Langevin dynamics", exact=True).click()
    page.wait_for_url("**families=langevin%2Cdsm**")
    page.wait_for_selector(f"{HELD} tbody tr:nth-child(2)")
    page.wait_for_selector(DONE)
    script = WHOLE.replace(NUMBERS, HELD)
    ours = page.evaluate(script)
    assert [row.splitlines()[0] for row in ours["rows"]] == ["Langevin dynamics", "Denoising score matching"]
    for row in ours["rows"]:
        assert "±" in row
        assert "log Z by quadrature" in row
        assert "floor" in row
    theirs = visitor()
    there = theirs.open(page.url, f"{HELD} tbody tr:nth-child(2)")
    there.wait_for_selector(DONE)
    seen = there.evaluate(script)
    assert seen["rows"] == ours["rows"]
    total, moved = theirs.shift()
    assert total < 0.1, moved
    there.set_viewport_size({"width": 390, "height": 844})
    assert there.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("link", name="Watch this run").last.click()
    page.wait_for_url("**/dsm?**")
    assert "data=two-moons" in page.url or "preset=" in page.url
