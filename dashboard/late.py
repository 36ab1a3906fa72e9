"""Requests that a browser sent before it heard of our last change: they still hold the values of before.

While a run goes, the page asks every 0.3 s how far it is, and every request brings the values of all widgets. When a
preset has just given the controls new values, a request that was under way brings the old ones, and Streamlit calls
that a change. Nobody made it: a value that we have ourselves replaced, or of a control that is no longer on the page
or no longer offers it, is no change until the browser has heard of them: it has sent the address that goes with
them, and has had a while to draw them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import streamlit as st

V = TypeVar("V")


@dataclass
class Panel:
    """What is known of the controls of one session: those drawn last (``shown``), those drawn since the panel was
    begun, all there ever were, what each offers (where it is a list), the last value given to each, and the values
    that were taken from them."""

    heard: Callable[[], bool] = lambda: True
    drawing: bool = False
    whole: bool = False
    shown: set[str] = field(default_factory=set)
    begun: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)
    offers: dict[str, Sequence[Any]] = field(default_factory=dict)
    given: dict[str, Any] = field(default_factory=dict)
    taken: dict[str, list[Any]] = field(default_factory=dict)


@contextmanager
def panel(heard: Callable[[], bool]) -> Iterator[None]:
    """The panel's controls are drawn in here. ``heard``: whether a request knows of all that was changed."""
    known = _panel()
    known.heard, known.drawing, known.whole, known.begun = heard, True, False, set()
    try:
        yield
        known.shown = known.begun  # all of them are drawn: what is not among them is no longer on the page
    finally:
        known.drawing = False


def hold(key: str, value: V, offers: Sequence[Any] = ()) -> V:
    """Set a widget's state to the value in force, and leave it alone where it already is. ``offers``: all that it can
    be, where that is a list (Streamlit hands on a name that is not in it as it came).

    Returns the value, which the widget is also given as its default: where it has just come onto the page, the browser
    has it at its default until it has read the state, and says so in what it asks meanwhile.
    """
    panel = _panel()
    panel.offers[key] = offers
    if panel.drawing:
        before = st.session_state[key] if key in st.session_state else panel.given.get(key, value)
        if before != value:
            panel.taken.setdefault(key, []).append(before)
        panel.begun.add(key)
        panel.known.add(key)
        panel.given[key] = value
    if key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value
    return value


def whole() -> None:
    """Everything was chosen at once (a preset): what else this request says of single controls does not count."""
    _panel().whole = True


def stale(key: str) -> bool:
    """Whether the value that a widget has sent is one that nobody chose."""
    panel = _panel()
    if key not in panel.known:
        return False
    if panel.whole or key not in panel.shown | panel.begun:
        return True
    value, offers = st.session_state[key], panel.offers.get(key, ())
    return value in _taken(panel, key) or (len(offers) > 0 and value not in offers)


def guard(key: str, changed: Callable[[], None]) -> Callable[[], None]:
    """The callback of a widget, called only for what somebody chose."""

    def call() -> None:
        if not stale(key):
            changed()

    return call


def _taken(panel: Panel, key: str) -> list[Any]:
    if panel.heard():
        panel.taken.clear()
    return panel.taken.get(key, [])


def _panel() -> Panel:
    with suppress(KeyError):
        found: Panel = st.session_state["panel"]
        return found
    st.session_state["panel"] = Panel()
    made: Panel = st.session_state["panel"]
    return made
