"""Lessons and teachers' links in Chromium: a lesson is followed, a link is made, and opened by somebody else."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from browser_tools import STAGE

READY = """() => {
  const hosts = [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")];
  const thumbs = hosts.map((h) => h.shadowRoot && h.shadowRoot.querySelector(".thumb")).filter(Boolean);
  return thumbs.length >= 6 && thumbs.every((t) => t.classList.contains("ready"));
}"""


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_a_lesson_is_followed_by_its_card(visitor, width, scheme):
    """The page then says which lesson it is, shows its run, keeps the Learn tab open, and has the stage in view."""
    who = visitor(width=width, scheme=scheme)
    page = who.open("langevin")
    page.get_by_role("tab", name="Learn").click()
    page.wait_for_function(READY)
    card = page.get_by_role("link", name="Accept or refuse")
    card.scroll_into_view_if_needed()
    assert "lesson=langevin.accept-or-refuse" in card.get_attribute("href")
    card.focus()
    page.keyboard.press("Enter")
    page.get_by_text("You are trying: Accept or refuse.").wait_for()
    page.wait_for_function("() => location.search.includes('lesson=langevin.accept-or-refuse')")
    page.wait_for_function(
        """() => { const top = document.querySelector('[class*="host-"]').getBoundingClientRect().top;
             return top >= 0 && top < innerHeight / 2; }"""
    )
    assert page.get_by_role("tab", name="Learn").get_attribute("aria-selected") == "true"
    page.get_by_text("What comes out, and why").click()
    page.get_by_text("removes the bias at any").first.wait_for()
    wide = page.evaluate("() => document.scrollingElement.scrollWidth - innerWidth")
    assert wide <= 0


def test_a_teachers_link_is_made_and_opened_by_somebody_else(visitor):
    """The question stands as text, the answer comes by the keyboard, one control is hidden and one is locked."""
    teacher = visitor()
    page = teacher.open("langevin?seed=11")
    page.get_by_role("tab", name="Learn").click()
    page.get_by_text("For a class: a link that asks a question").click()
    page.get_by_role("textbox", name="Question").fill("Why <b>not</b> $x$? see www.example.org")
    page.get_by_role("textbox", name="Question").press("Control+Enter")
    page.get_by_role("textbox", name="Answer").fill("No walls.")
    page.get_by_role("textbox", name="Answer").press("Control+Enter")
    for label, option in (("Hide", "Verdict (box)"), ("Lock", "Seed")):
        box = page.get_by_role("combobox", name=label)
        box.click()
        box.fill(option.split(" ")[0])
        page.get_by_role("option", name=option).click()
        page.keyboard.press("Escape")
    page.wait_for_function(
        "() => [...document.querySelectorAll('code')].some((c) => ['ask=', 'answer=', 'hide=verdict', 'lock=seed']"
        ".every((word) => c.textContent.includes(word)))"
    )
    link = next(t for t in page.locator("code").all_inner_texts() if "ask=" in t).strip()
    assert "walls" not in link
    assert parse_qs(urlsplit(link).query)["seed"] == ["11"]

    for width, scheme in ((1440, "light"), (390, "dark")):
        pupil = visitor(width=width, scheme=scheme)
        opened = pupil.open(link, wait=STAGE)
        opened.get_by_text("Why <b>not</b> $x$? see www.example.org", exact=True).wait_for()
        assert opened.locator("a[href*='example.org']").count() == 0
        assert opened.get_by_text("No walls.").count() == 0
        opened.get_by_role("tab", name="Learn").wait_for()
        assert opened.get_by_role("spinbutton", name="Seed").is_disabled()
        assert opened.locator('[class*="st-key-langevin-verdict"]').count() == 0
        button = opened.get_by_role("button", name="Show the answer")
        button.focus()
        opened.keyboard.press("Enter")
        opened.get_by_text("No walls.").wait_for()
        assert opened.evaluate("() => document.scrollingElement.scrollWidth - innerWidth") <= 0


ASKS = "langevin?sample.step_size=0.1&lock=sample.step_size,seed,start&ask=Why"
SHOWN = "([query, seed]) => location.search === query && document.querySelector('[aria-label=Seed]')?.value === seed"


def test_a_chip_has_the_address_of_what_it_opens(visitor):
    """It leaves a teacher's link as any link does: the address is the chip's, and the way back is the teacher's. It
    opens again at once after another chip, whose address the browser has not sent back then."""
    who = visitor()
    page = who.open(ASKS)
    page.get_by_text("Why", exact=True).wait_for()
    asked = page.evaluate("() => [location.search, document.querySelector('[aria-label=Seed]').value]")
    page.get_by_role("tab", name="Learn").click()
    large, bias = "?preset=Too+large+a+step", "?preset=MALA+removes+the+bias"
    for name, query in (("Too large a step", large), ("MALA removes the bias", bias)) * 2:
        page.get_by_role("link", name=name, exact=True).last.click()
        page.wait_for_function("(query) => location.search === query", arg=query)
        page.get_by_text("Why", exact=True).wait_for(state="detached")
    for query in (large, bias, large):
        page.wait_for_function(READY)  # as a person does, who sees where he is before he goes back
        page.go_back()
        page.wait_for_function("(query) => location.search === query", arg=query)
    page.wait_for_function(READY)
    page.go_back()
    page.get_by_text("Why", exact=True).wait_for()
    page.wait_for_function(SHOWN, arg=asked)


def test_a_changed_lesson_is_started_again_by_its_link_and_by_its_card(visitor):
    """As soon as it was changed: its address is one of before then, and means itself."""
    who = visitor()
    page = who.open("langevin")
    page.get_by_role("tab", name="Learn").click()
    page.wait_for_function(READY)
    page.get_by_role("link", name="Accept or refuse").click()
    page.get_by_text("You are trying: Accept or refuse.").wait_for()
    page.wait_for_function("() => location.search.includes('lesson=')")
    lesson = page.evaluate("() => [location.search, document.querySelector('[aria-label=Seed]').value]")
    for again, other in (("Start it again", "23"), ("Accept or refuse", "29")):
        seed = page.get_by_role("spinbutton", name="Seed")
        seed.fill(other)
        seed.press("Enter")
        page.wait_for_function("(seed) => location.search.includes('seed=' + seed)", arg=other)
        page.get_by_text("You have changed it since.").wait_for()
        page.get_by_role("link", name=again).click()
        page.wait_for_function(SHOWN, arg=lesson)
        page.get_by_text("You have changed it since.").wait_for(state="detached")
