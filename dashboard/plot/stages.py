"""The stage: a run in motion, drawn in the browser, and the editor of where it starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard.plot import assets, envelope, heights

Array = NDArray[Any]
KINDS = tuple(heights.VIEWS)
MAX_DRAWN = 500
REMEMBERED = 100  # starts, so that a slow answer to an older edit is known for what it is

_script = assets.module(
    "stage",
    "envelope",
    "theme",
    "moments",
    "canvas",
    "charts",
    "transport",
    "surface",
    "particles",
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

    st.html(f"<style>{heights.of(key, payload)}</style>")
    content = {**payload, "key": key, "editable": editable and payload.get("editable", True)}
    content.pop("lift", None)
    content["digest"] = envelope.digest(envelope.pack(content))
    content["seen"] = _message(key).get("number", 0)
    content["answers"] = st.session_state.get(_asked(key), {}).get(payload.get("begin"), 0)
    _components[kind](key=key, data=envelope.pack(content), on_edit_change=edit_came)
    pending = st.session_state.pop(_pending(key), None)
    if pending is not None:
        return pending if isinstance(pending, StartEdit) else None
    return _fresh(key, dim, lift, keep=False)


def edited(payload: Mapping[str, Any], *, key: str) -> StartEdit | None:
    """The edit that waits under this key, if any, before the stage is drawn. It is then taken."""
    st.session_state.pop(_pending(key), None)
    return _fresh(key, int(payload["dim"]), payload.get("lift"), keep=False)


def _message(key: str) -> Mapping[str, Any]:
    """What the browser last said under this key: ``{"number", "states" | "points", "free"}``, or nothing."""
    held = st.session_state.get(key)
    message = held.get("edit") if held is not None else None
    return message if isinstance(message, Mapping) else {}


def _asked(key: str) -> str:
    """Where the starts that this browser asked for are kept, each with the number of its message."""
    return f"{key}:edits asked"


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
    if edit is not None and not edit.cleared:
        from ebm_plugins import views

        asked = dict(st.session_state.get(_asked(key), {}))
        asked.pop(begin := views.start_digest(edit.states, edit.free), None)
        asked[begin] = number
        st.session_state[_asked(key)] = dict(list(asked.items())[-REMEMBERED:])
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
