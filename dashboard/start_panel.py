"""Where sampling begins: its kind, and what that kind needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import streamlit as st

from dashboard import controls, links
from dashboard.late import guard
from dashboard.links import Visit
from dashboard.notices import error_line, expected, small
from dashboard.rows import pick_rows
from ebm_plugins import ConfigError, starts
from ebm_plugins.config import Knob
from ebm_plugins.plans import DEFAULT_STATES, Plan
from ebm_plugins.registry import Registry
from ebm_plugins.spaces import Plane

MOST = 10_000
TITLES = {"noise": "Noise", "data": "Data", "corrupted": "Spoilt", "drawn": "Drawn"}
KINDS = {"flip": "Flip", "mask": "Blank", "noise": "Noise"}
HELP = {
    "noise": "Random states.",
    "data": "Rows of the data, as they are.",
    "corrupted": "Rows of the data, damaged.",
    "drawn": "What you draw on the stage.",
}


def draw(visit: Visit, made: Plan, registry: Registry, error: ConfigError | None) -> None:
    """The kind of start and its first controls."""
    if visit.room.holds("start"):
        kind = (visit.spec.start or starts.Noise()).name
        if not visit.room.hides("start"):
            controls.held("Start", TITLES[kind])
        return
    start = visit.asked.start or made.spec.start
    assert start is not None
    rows = len(made.data.x) if starts.fits(made.data.space, made.space) else 0
    kinds = [k for k in TITLES if rows or k in ("noise", "drawn", start.name)]
    key = f"{visit.family}.start"

    def chosen() -> None:
        _set(visit, registry, _turned(start, st.session_state[key], visit, made))

    controls.choose(
        "Start", kinds, start.name, show=TITLES.__getitem__, key=key, on_change=guard(key, chosen),
        help="Where sampling begins. " + " ".join(f"{TITLES[k]}: {HELP[k]}" for k in kinds) + " In links: `start`.",
    )  # fmt: skip
    change = _changer(visit, registry, start)
    if isinstance(start, starts.Noise):
        controls.control(_count("n", start.n, made), start.n, f"{key}.n", change)
    if isinstance(start, starts.Data | starts.Corrupted):
        pick_rows(
            made.data, start.rows, f"{key}.rows", lambda chosen_rows: change("rows", chosen_rows), title="Rows",
            help="Which rows of the data sampling begins from. In links: `start.rows`.",
        )  # fmt: skip
    if isinstance(start, starts.Corrupted):
        _amount(start, made, f"{key}.amount", change)
    if isinstance(start, starts.Drawn):
        small(_drawing_hint(made))
    if start.free:
        free = sum(start.free)
        small(f"{free} of {made.space.dim} coordinates are free; the others are held.")
        st.button("Free all of them", key=f"{key} unclamp", on_click=lambda: change("free", ()))
    empty = isinstance(start, starts.Drawn) and not start.states  # no fault: the verdict says what to do
    if error is not None and error.field.partition(".")[0] == "start" and not empty:
        error_line(expected(error.expected, error.got))


def draw_more(visit: Visit, made: Plan, registry: Registry, error: ConfigError | None) -> None:
    """The rest, under More: how rows are damaged, copies."""
    if visit.room.holds("start"):
        return
    start = visit.asked.start or made.spec.start
    assert start is not None
    small("**Start**")
    st.button(
        "Begin from the last frame", icon=":material/redo:", key=f"{visit.family}.start last", width="stretch",
        on_click=from_last_frame, args=(visit, registry, made),
        help="The states at the end of the shown run become a drawn start, as many as a link holds.",
    )  # fmt: skip
    if isinstance(start, starts.Noise):
        return
    change = _changer(visit, registry, start)
    key = f"{visit.family}.start"
    if isinstance(start, starts.Corrupted) and len(made.space.corruptions) > 1:
        controls.choose(
            "Damage", list(made.space.corruptions), start.kind, show=lambda k: KINDS.get(k, controls.words(k)),
            key=f"{key}.kind",
            on_change=guard(f"{key}.kind", lambda: change("kind", st.session_state[f"{key}.kind"])),
            help="How the rows are damaged: some coordinates flipped, set to 0, or made noisy. In links: `start.kind`.",
        )  # fmt: skip
    controls.control(_count("copies", start.copies, made), start.copies, f"{key}.copies", change)


def drawn(visit: Visit, registry: Registry, made: Plan, states: Any, free: Any) -> None:
    """The start that the user drew on the stage; none at all brings back the one before it."""
    start = visit.asked.start or made.spec.start
    assert start is not None
    mask = () if free is None else tuple(bool(b) for b in free)
    if len(states) == 0:
        back = visit.before_drawn or _usual(made)
        _set(visit, registry, replace(back, free=()))
        return
    if not isinstance(start, starts.Drawn):
        visit.before_drawn = start
    copies = start.copies if isinstance(start, starts.Drawn) else 1
    text = starts.pack(states, made.space)
    _set(visit, registry, starts.Drawn(states=text, copies=copies, free=mask))


def from_last_frame(visit: Visit, registry: Registry, made: Plan) -> None:
    """Begin where the shown run ended, with as many of its states as a link can hold."""
    run = visit.shown.run if visit.shown is not None else None
    if run is None or run.space != made.space:
        return
    last = run.sampling.last
    room = starts.MAX_INLINE // max(1, len(starts.pack(last[:1], made.space)))
    drawn(visit, registry, made, last[: max(1, room - 1)], None)


def _set(visit: Visit, registry: Registry, start: starts.Start) -> None:
    links.change(visit, registry, replace(visit.asked, start=start, sample_stop=None))


def _changer(visit: Visit, registry: Registry, start: starts.Start) -> Callable[[str, Any], None]:
    def change(name: str, value: Any) -> None:
        now = visit.asked.start  # two controls may be moved before the page is drawn again
        base = now if now is not None and type(now) is type(start) else start
        if base == now and getattr(base, name) == value:
            return
        _set(visit, registry, replace(base, **{name: value}))

    return change


def _usual(made: Plan) -> starts.Start:
    """The start of the first preset in this space, else random states."""
    for preset in made.family.presets.values():
        if (
            preset.start is not None
            and not isinstance(preset.start, starts.Drawn)
            and preset.dataset == made.spec.dataset
        ):
            return preset.start
    return starts.Noise(DEFAULT_STATES)


def _turned(start: starts.Start, kind: str, visit: Visit, made: Plan) -> starts.Start:
    """A start of another kind that keeps what both kinds have."""
    if kind == "drawn" and not isinstance(start, starts.Drawn):
        visit.before_drawn = start
    if isinstance(visit.before_drawn, starts.KINDS[kind]) and isinstance(start, starts.Drawn):
        return visit.before_drawn
    cls = starts.KINDS[kind]
    names = [f.name for f in fields(cls)]
    kept = {n: getattr(start, n) for n in names if hasattr(start, n) and n != "kind"}
    if cls is starts.Corrupted:
        kept["kind"] = made.space.corruptions[0]
    if cls is starts.Data and not isinstance(start, starts.Corrupted):
        kept["rows"] = (0,)
    return cls(**kept)


def _count(name: str, value: int, made: Plan) -> Knob:
    if name == "copies":
        return Knob(
            name="copies", kind="int", default=1, title="Copies of each", ge=1, le=max(MOST, value), log=True,
            help="How many chains begin from each of them",
        )  # fmt: skip
    title = "Particles" if isinstance(made.space, Plane) else "Chains"
    return Knob(
        name="n", kind="int", default=DEFAULT_STATES, title=title, ge=1, le=max(MOST, value), log=True,
        help="How many states are sampled side by side, each on its own",
    )  # fmt: skip


def _amount(start: starts.Corrupted, made: Plan, key: str, change: Callable[[str, Any], None]) -> None:
    dim = made.space.dim
    if start.kind in ("flip", "mask") and dim <= 1000:
        title = {"flip": "Cells flipped", "mask": "Cells blanked"}[start.kind]
        if not made.space.discrete:
            title = "Coordinates blanked"
        knob = Knob(
            name="amount", kind="int", default=0, title=title, ge=0, le=dim,
            help=f"How many of the {dim} are damaged in each row",
        )  # fmt: skip
        controls.control(knob, round(start.amount * dim), key, lambda name, count: change(name, count / dim))
        return
    title = "Share of cells redrawn" if made.space.discrete else "Noise"
    help_text = "Each cell is redrawn at random with this probability" if made.space.discrete else (
        "Standard deviation of the noise, in those of the data"
    )  # fmt: skip
    knob = Knob(name="amount", kind="float", default=0.3, title=title, ge=0, le=1, help=help_text)
    controls.control(knob, start.amount, f"{key} share", change)


def _drawing_hint(made: Plan) -> str:
    if isinstance(made.space, Plane):
        return "Click the landscape to drop particles."
    return "Click the stage to change where sampling begins."
