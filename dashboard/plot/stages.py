"""The stage: a run in motion, drawn in the browser, and the editor of where it starts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard.plot import assets, envelope

Array = NDArray[Any]
KINDS = ("plane", "cells", "images", "scatter", "pairs")
MAX_DRAWN = 500
# Of each kind: the view's height beside its figures, its greatest height above them, and how much higher than the
# window is wide it is on a phone.
MAIN = {
    "plane": (494, 554, 18),
    "scatter": (498, 558, -34),
    "pairs": (420, 480, 62),
    "cells": (372, 460, -32),
}
USUAL_CHARTS = {
    "plane": ("bars", "line"),
    "cells": ("line", "overlaps"),
    "images": ("line",),
    "scatter": ("line",),
    "pairs": ("line",),
}

_script = assets.script(
    "envelope",
    "theme",
    "canvas",
    "charts",
    "transport",
    "plane",
    "cells",
    "images",
    "scatter",
    "pairs",
    "stage",
)
_style = assets.style("stage")
# One component a kind: its markup reserves the height before the script runs, so nothing jumps.
_components = {
    kind: st.components.v2.component(
        f"ebm.stage.{kind}",
        html=f'<div class="stage {kind}" data-kind="{kind}"></div>',
        css=_style,
        js=_script,
        isolate_styles=True,
    )
    for kind in KINDS
}


@dataclass(frozen=True)
class StartEdit:
    """Where the user wants sampling to begin.

    ``states`` (n, dim) are the drawn states, empty when the start was cleared. ``free`` (dim,) marks the
    coordinates that may move, None when all may.
    """

    states: Array
    free: NDArray[np.bool_] | None = None

    @property
    def cleared(self) -> bool:
        """True when the user took the drawing back: the start before it is wanted."""
        return len(self.states) == 0


def stage(
    payload: Mapping[str, Any],
    *,
    key: str,
    editable: bool = True,
    on_edit: Callable[[StartEdit], None] | None = None,
) -> StartEdit | None:
    """Draw the stage that :func:`dashboard.stage.payload` made, in place under this key.

    Returns the edit when the user changed the start since the last call, else None. ``on_edit`` is called with
    it before the page's script runs again, which saves a second run of the script.
    """
    kind = payload["kind"]
    dim = int(payload["dim"])
    lift = payload.get("lift")

    def edit_came() -> None:
        fresh = _fresh(key, dim, lift)
        if fresh is not None and on_edit is not None:
            on_edit(fresh)

    reserve(key, payload)
    content = {**payload, "editable": editable and payload.get("editable", True)}
    content.pop("lift", None)
    content["digest"] = envelope.digest(envelope.pack(content))
    content["seen"] = _message(key).get("number", 0)
    _components[kind](key=key, data=envelope.pack(content), on_edit_change=edit_came)
    pending = st.session_state.pop(_pending(key), None)
    if pending is not None:
        return pending if isinstance(pending, StartEdit) else None
    return _fresh(key, dim, lift, keep=False)


def reserve(key: str, shown: Mapping[str, Any] | str) -> None:
    """Keep the height of a stage free in the keyed container (or stage) ``key``, whatever the window's width.

    ``shown`` is the payload, or, before there is one, the kind of stage that will come. Between the moment when
    Streamlit mounts a component and the moment when its script has run, the element is empty and the page would
    jump. The numbers are those of ``css/stage.css``: head 30, transport 44, film 102, gaps 12.
    """
    kind = shown if isinstance(shown, str) else shown["kind"]
    charts = USUAL_CHARTS[kind] if isinstance(shown, str) else [chart["type"] for chart in shown["charts"]]
    many = not isinstance(shown, str) and shown.get("shown", 1) > 1
    side = sum(182 if chart == "bars" else 238 for chart in charts) + (4 if charts else -12)
    film = {"cells": 88 if many else 114, "images": 88}.get(kind, 0)
    frame = 30 + 12 + 12 + 44 + film
    main, most, edge = MAIN.get(kind, MAIN["cells"])
    stacked = frame + 12 + side
    rule = f".st-key-{re.sub(r'[^a-zA-Z0-9_-]', '-', key.strip())}{{min-height:%s}}"
    wide = rule % f"{main + frame}px"
    middle = rule % f"{most - 50 + stacked}px"
    narrow = rule % f"min(100vw + {edge + stacked}px, {most + stacked}px)"
    st.html(f"<style>{wide}@media(max-width:1159px){{{middle}}}@media(max-width:640px){{{narrow}}}</style>")


def edited(payload: Mapping[str, Any], *, key: str) -> StartEdit | None:
    """The edit that waits under this key, if any, before the stage is drawn. It is then taken."""
    st.session_state.pop(_pending(key), None)
    return _fresh(key, int(payload["dim"]), payload.get("lift"), keep=False)


def _message(key: str) -> Mapping[str, Any]:
    """What the browser last said under this key: ``{"number", "states" | "points", "free"}``, or nothing."""
    held = st.session_state.get(key)
    message = held.get("edit") if held is not None else None
    return message if isinstance(message, Mapping) else {}


def _pending(key: str) -> str:
    return f"{key}:edit pending"


def _fresh(key: str, dim: int, lift: Mapping[str, Any] | None, keep: bool = True) -> StartEdit | None:
    """The edit under this key that no call has returned yet. ``keep`` leaves it for :func:`stage` to return."""
    message = _message(key)
    number = message.get("number", 0)
    taken = f"{key}:edit taken"
    if not number or number == st.session_state.get(taken):
        return None
    st.session_state[taken] = number
    edit = parse(message, dim, lift)
    if keep:
        st.session_state[_pending(key)] = edit
    return edit


def parse(message: Mapping[str, Any], dim: int, lift: Mapping[str, Any] | None = None) -> StartEdit | None:
    """The edit in a message from the browser, or None when it does not fit the space.

    ``states`` is a list of rows (n, dim); ``points`` (n, 2) are places in a projection, which ``lift``
    (``mean`` (dim,), ``axes`` (2, dim)) turns into states; ``free`` lists 0 or 1 a coordinate.
    """
    try:
        rows = message.get("points") if lift is not None else message.get("states")
        states = np.asarray(rows if rows else np.zeros((0, dim)), dtype=float)
        if lift is not None and len(states):
            from ebm_plugins import views

            states = views.lift(states, lift["mean"], lift["axes"])
        marks = message.get("free")
        free = np.asarray(marks, dtype=bool) if marks else None
    except (TypeError, ValueError):
        return None
    if states.ndim != 2 or states.shape[1] != dim or len(states) > MAX_DRAWN or not np.isfinite(states).all():
        return None
    if free is not None and (free.shape != (dim,) or not free.any()):
        return None
    return StartEdit(states, None if free is None or free.all() else free)
