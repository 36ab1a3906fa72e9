"""The Learn tab: things to try, how the family works in its own words, what goes wrong, where to read on, its source.

A lesson is a link. While the address names one, :func:`trying` says which it is, and what to look at.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import streamlit as st

from dashboard import for_class
from dashboard.boundary import boundary
from dashboard.fragments import fragment
from dashboard.jobs import Engine
from dashboard.links import Visit, follow
from dashboard.notices import ICONS, plain, small
from dashboard.thumbnails import WAITING, picture_card, studio
from ebm_plugins import Lesson, link
from ebm_plugins.lessons import find, known_as, name_of
from ebm_plugins.plans import Plan, plan
from ebm_plugins.records import Family, Run, claim
from ebm_plugins.registry import Registry

_HEADING = re.compile(r"^(#{1,6}) ", re.MULTILINE)
MOST_SOURCE = 60_000
LOOK_AGAIN = 0.7  # seconds between looks at the pictures that are still being made
MARKUP = Path(__file__).with_name("markup")

_in_view = st.components.v2.component(
    "ebm.in_view", html="<span></span>", js=(MARKUP / "in_view.js").read_text(encoding="utf-8")
)
_link = st.components.v2.component(
    "ebm.own_link",
    html='<a class="own"></a>',
    css=(MARKUP / "own_link.css").read_text(encoding="utf-8"),
    js=(MARKUP / "own_link.js").read_text(encoding="utf-8"),
)


def draw(engine: Engine, visit: Visit, made: Plan, run: Run) -> None:
    """The Learn tab."""
    family, registry = made.family, engine.registry
    tries = [one for one in family.lessons if one.kind == "try"]
    failures = [one for one in family.lessons if one.kind == "failure"]
    if tries:
        st.markdown("### Try this")
        small("Each sets the controls of this page and runs. Guess first, then look.")
        _cards(tries, family, registry, "try")
        st.space("small")
    _words(made)
    if failures:
        st.space("small")
        st.markdown("### What goes wrong")
        small("Each opens a run that fails, and says why.")
        _cards(failures, family, registry, "failure")
    st.space("small")
    for_class.maker(engine, visit, run)
    _source(made)


def trying(visit: Visit, registry: Registry) -> None:
    """Above the verdict: which lesson the link opened, and what to look at. Nothing without one."""
    found = find(visit.room.lesson, registry) if visit.room.lesson else None
    if found is None:
        return
    family, lesson = found
    with st.container(border=True, key=f"{visit.family} lesson", gap="xsmall"):
        head = f"{ICONS['info']} **You are trying: {plain(lesson.title)}.** {lesson.look}"
        st.markdown(head)
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            if _changed(visit, lesson, registry):
                small("You have changed it since.")
                _own_link("Start it again", *_address(family, lesson, registry), key=f"{visit.family} again")
        with st.expander("What comes out, and why", key=f"{visit.family} claim {name_of(lesson)}"):
            st.markdown(lesson.claim)
        _in_view(key=f"{visit.family} in view", data={"opened": f"{visit.room.lesson} {visit.opened}"})


def _changed(visit: Visit, lesson: Lesson, registry: Registry) -> bool:
    return visit.family != lesson.spec.family or plan(lesson.spec, registry).spec != visit.asked


def _address(family: Family, lesson: Lesson, registry: Registry) -> tuple[Family, dict[str, str]]:
    """The family on whose page a lesson's run is, and the query that opens it there."""
    query = dict(parse_qsl(urlsplit(link.write(lesson.spec, registry)).query, keep_blank_values=True))
    return registry.families[lesson.spec.family], {**query, "lesson": known_as(family, lesson)}


def _own_link(label: str, family: Family, query: dict[str, str], *, key: str) -> None:
    """A link to a run on this very page (:func:`dashboard.links.follow` says why it is no ``st.page_link``)."""
    data = {"label": label, "href": f"{family.key}?{urlencode(query)}"}
    if _link(key=key, data=data, on_opened_change=lambda: None).get("opened"):
        follow(family, query)


def _cards(shown: list[Lesson], family: Family, registry: Registry, kind: str) -> None:
    """A card a lesson, looked at again while a picture is missing."""
    pictures = studio(registry)
    waiting = any(pictures.picture(one.spec).state == WAITING for one in shown)

    def cards() -> None:
        grid = st.grid(3, min_column_width=280, gap="medium", border=True)
        for one in shown:
            with grid.cell(), boundary(family.key, "lesson"):
                _card(one, family, registry, f"{family.key}.{kind}.{name_of(one)}")
        if waiting and not any(pictures.picture(one.spec).state == WAITING for one in shown):
            st.rerun()  # a whole run: it ends the looking

    fragment(cards, LOOK_AGAIN if waiting else None)


def _card(lesson: Lesson, family: Family, registry: Registry, key: str) -> None:
    where, query = _address(family, lesson, registry)
    href = f"{where.key}?{urlencode(query)}"
    picture = studio(registry).picture(lesson.spec)
    about = "Try it" if lesson.kind == "try" else "See it fail"
    if picture_card(picture, key=key, title=lesson.title, about=about, href=href):
        follow(where, query)
    st.markdown(lesson.look)
    st.markdown(lesson.claim)


def _words(made: Plan) -> None:
    """The family's own words, and beside them what its record says at a glance."""
    family = made.family
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown(under(family.learn.strip() or _module_doc(family) or family.summary))
    with right:
        if family.lens is not None:
            lens = family.lens
            st.markdown("### At a glance")
            for name, text in (("Learns", lens.learns), ("Samples", lens.samples), ("Avoids Z", lens.avoids)):
                if text:
                    st.markdown(f"**{name}:** {text}")
            if lens.references:
                st.markdown("### Read on")
                for reference in lens.references:
                    st.markdown(f"- {reference}")
        if made.sampler is not None:
            st.markdown(f"### {plain(made.sampler.title)}")
            st.markdown(made.sampler.summary)
            small(f"{claim(made.exactness)}.")
        if family.presets:
            st.markdown("### More to open")
            for name in family.presets:
                _own_link(name, family, {"preset": name}, key=f"{family.key} preset {name}")


def under(text: str, level: int = 3) -> str:
    """Markdown whose headings begin at this level, whatever they began at: a page has one title, and skips no level."""
    parts = re.split(
        r"(^```.*?^```)", text, flags=re.MULTILINE | re.DOTALL
    )  # a comment in code is no heading
    found = [len(m[1]) for part in parts[::2] for m in _HEADING.finditer(part)]
    more = level - min(found, default=level)
    parts[::2] = [_HEADING.sub(lambda m: "#" * min(6, len(m[1]) + more) + " ", part) for part in parts[::2]]
    return "".join(parts)


def _module_doc(family: Family) -> str:
    module = inspect.getmodule(family.energy)
    return inspect.getdoc(module) or "" if module else ""


def _source(made: Plan) -> None:
    """The files that the family and its sampler are written in, as they are installed."""
    parts: dict[str, Callable[..., Any]] = {made.family.title: made.family.energy}
    if made.sampler is not None:
        parts[made.sampler.title] = made.sampler.sample
    for title, function in parts.items():
        try:
            path = inspect.getsourcefile(function)
            text = Path(path).read_text(encoding="utf-8") if path else ""
        except (OSError, TypeError, UnicodeDecodeError):
            text = ""
        if text and path:
            # The box scrolls, not the code in it: what has the focus is inside, so that keys move it.
            box = st.expander(f"The source of {plain(title)}: {plain(Path(path).name)}")
            with box, st.container(height=480, border=False):
                st.code(text[:MOST_SOURCE], language="python", line_numbers=True, wrap_lines=True)
