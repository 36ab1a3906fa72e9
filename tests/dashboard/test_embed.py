"""``?embed=true``: a page for watching. Nothing that costs is on it, and the link's run is all the same."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from dashboard_tools import open_page, texts, visit_of
from streamlit.testing.v1 import AppTest

from dashboard import embed, jobs
from ebm_plugins.registry import Registry

URL = "https://school.example/below/hopfield"
# Everything that sends something to the server when it is used.
COSTLY = (
    "button", "checkbox", "chat_input", "color_picker", "date_input", "multiselect", "number_input", "radio", "select_slider",
    "selectbox", "slider", "text_area", "text_input", "time_input", "toggle", "button_group", "file_uploader", "form",
    "download_button", "popover",
)  # fmt: skip


def embedded(path: str = "", query: dict[str, Any] | None = None, url: str = URL) -> AppTest:
    """The page as a frame has it, when its run is over."""
    at = open_page(path, query)
    at.context = {"is_embedded": True, "url": url}
    end = time.monotonic() + 60
    at.run()
    while (job := getattr(visit_of(at, path), "job", None)) and not job.over and time.monotonic() < end:
        time.sleep(0.1)
        at.run()
    return at.run()


def costly(at: AppTest) -> list[str]:
    return [kind for kind in COSTLY if len(at.get(kind))]


def link(at: AppTest) -> Any:
    """The one link's address."""
    found = at.get("link_button")
    assert [one.proto.label for one in found] == [embed.LABEL]
    return urlsplit(found[0].proto.url)


def test_every_familys_page_is_its_stage_its_verdict_and_its_truth(registry: Registry) -> None:
    for key in registry.families:
        at = embedded(key)
        assert not at.exception, key
        assert costly(at) == [], key
        visit = visit_of(at, key)
        assert visit.shown.run.verdict.text in texts(at), key
        assert [tab.label for tab in at.tabs] == ["Truth"], key
        link(at)


def test_a_full_waiting_list_is_said_without_a_button(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = jobs.engine()
    monkeypatch.setattr(engine, "settings", replace(engine.settings, waiting_in_all=0))
    at = embedded("langevin", {"seed": "987654"})
    assert "Not begun." in texts(at)
    assert costly(at) == []


@pytest.mark.parametrize("path", ["", "compare", "plugins"])
def test_our_own_pages_have_no_controls_either(path: str) -> None:
    at = embedded(path)
    assert not at.exception
    assert costly(at) == []
    link(at)


def test_the_link_out_is_the_same_address() -> None:
    query = {"seed": "7", "ask": "What & why?", "sample.temperature": "1.5"}
    out = link(embedded("hopfield", query))
    assert f"{out.scheme}://{out.netloc}{out.path}" == URL
    assert parse_qs(out.query) == {name: [value] for name, value in query.items()}


def test_a_links_run_is_found_or_made_and_is_the_one_of_the_whole_page(page: Any) -> None:
    query = {"seed": "4021", "lock": "seed", "ask": "Which one?"}
    framed, whole = (
        visit_of(embedded("hopfield", query), "hopfield"),
        visit_of(page("hopfield", query), "hopfield"),
    )
    assert framed.shown.run.spec == whole.shown.run.spec
    assert framed.shown.run.spec.seed == 4021
    assert framed.room.watch
    assert not whole.room.watch
    assert framed.room.pairs() == whole.room.pairs()  # to watch is no part of a link


def test_what_a_link_hides_stays_hidden_and_what_it_gets_wrong_is_named() -> None:
    at = embedded("hopfield", {"hide": "verdict", "zork": "1"})
    assert visit_of(at, "hopfield").shown.run.verdict.text not in texts(at)
    assert "zork" in texts(at)
    assert "embed" not in texts(at)


def test_a_run_that_was_ended_early_cannot_be_gone_on_with() -> None:
    at = embedded("hopfield", {"stop": ",3"})
    assert visit_of(at, "hopfield").shown.run.spec.sample_stop == 3
    assert "Stopped:" in texts(at)
    assert costly(at) == []


def test_data_that_are_not_kept_here_are_not_asked_for() -> None:
    at = embedded("langevin", {"data": f"stored:plane:{'0' * 64}"})
    assert not at.exception
    assert "not kept here any more" in texts(at)
    assert costly(at) == []
    link(at)


def test_what_is_too_large_is_said_once_without_a_button() -> None:
    at = embedded("langevin", {"sample.steps": "100000", "sample.every": "1"})
    assert "Too large to run here." in texts(at)
    assert costly(at) == []
