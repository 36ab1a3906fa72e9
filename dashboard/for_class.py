"""A teacher's link: a question above the stage, an answer that the reader reveals, controls that are hidden or held."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import streamlit as st

from dashboard.fragments import fragment
from dashboard.jobs import Engine
from dashboard.links import Visit
from dashboard.notices import small
from dashboard.take_away import full_link
from ebm_plugins import classroom
from ebm_plugins.classroom import Classroom
from ebm_plugins.records import Run

NO_SECRET = "The answer is not shown at a glance, but it is in the address, and anybody can edit an address: this is no exam."
TITLES = {"preset": "Preset", "data": "Data", "sampler": "Sampler", "start": "Start", "seed": "Seed"}


def question(visit: Visit) -> None:
    """The question that the link asks, as plain text; the answer under a button. Nothing without one."""
    room, key = visit.room, visit.family
    if not room.ask:
        return

    def answer() -> None:
        shown = f"{key} answer shown"
        st.session_state.setdefault(shown, "")
        if not room.answer:
            return
        open_now = st.session_state[shown] == room.answer

        def turn() -> None:
            st.session_state[shown] = "" if open_now else room.answer

        label = "Hide the answer" if open_now else "Show the answer"
        icon = ":material/visibility_off:" if open_now else ":material/visibility:"
        st.button(label, icon=icon, key=f"{key} answer", on_click=turn)
        if open_now:
            st.text(room.answer)

    with st.container(border=True, key=f"{key} question", gap="small"):
        st.markdown(":gray[:material/school:] **A question**")
        st.text(room.ask)
        fragment(answer)


def maker(engine: Engine, visit: Visit, run: Run) -> None:
    """Makes such a link of the run that is shown."""
    key = f"{visit.family} class"
    with st.expander("For a class: a link that asks a question", icon=":material/school:", key=key):
        small(
            "The link opens this run, with your question above it. What you hide or lock cannot be changed on the page. "
            + NO_SECRET
        )
        left, right = st.columns(2, gap="medium")
        with left:
            ask = st.text_area(
                "Question",
                key=f"{key} ask",
                max_chars=classroom.MOST,
                height=110,
                help="Plain text, shown above the stage.",
            )
            answer = st.text_area(
                "Answer", key=f"{key} answer text", max_chars=classroom.MOST, height=110,
                help="Plain text, shown when the reader asks for it.",
            )  # fmt: skip
        names = classroom.controls(run.spec, engine.registry)
        with right:
            hide = st.multiselect(
                "Hide", [*classroom.PARTS, *names], key=f"{key} hide", format_func=_title,
                help="Controls and parts of the page that are not shown. In links: `hide`.",
            )  # fmt: skip
            lock = st.multiselect(
                "Lock", names, key=f"{key} lock", format_func=_title,
                help="Controls that are shown and cannot be changed. In links: `lock`.",
            )  # fmt: skip
        room = Classroom(
            ask=classroom.cleaned(ask), answer=classroom.cleaned(answer) if ask.strip() else "",
            hide=tuple(hide), lock=tuple(lock),
        )  # fmt: skip
        if not room.pairs():
            small("Write a question, or choose what to hide or lock: the link is then here.")
            return
        address = full_link(engine, run)
        st.code(
            f"{address}&{urlencode(room.pairs(), quote_via=quote, safe=',')}", language=None, wrap_lines=True
        )


def _title(name: str) -> str:
    """A control's name in a list: what it is, and the word that links have for it."""
    if name in classroom.PARTS:
        return f"{name.replace('-', ' ').capitalize()} ({'box' if name == 'verdict' else 'tab'})"
    part, _, field = name.partition(".")
    if not field:
        return TITLES[name]
    words = field.replace("_", " ").capitalize()
    return f"{words} ({'training' if part == 'train' else 'sampling'})"
