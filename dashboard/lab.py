"""The page that every family gets, made of what the records say: head, stage, verdict, controls, tabs."""

from __future__ import annotations

import uuid
from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st

from dashboard import (
    embed,
    for_class,
    jobs,
    keys,
    late,
    learn,
    links,
    own_data,
    panel,
    start_panel,
    status,
    tabs,
    take_away,
)
from dashboard.boundary import boundary
from dashboard.job import STOPPED, Job
from dashboard.links import Visit
from dashboard.notices import heading, notice, plain, small
from dashboard.plot import copy_link
from dashboard.plot import host as host_key
from dashboard.plot import stage as draw_stage
from dashboard.stage import kind, stage_key
from ebm_plugins import ConfigError, RunSpec, stored
from ebm_plugins.plans import Plan, plan
from ebm_plugins.records import Family, Unsaid, claim
from ebm_plugins.registry import Registry
from ebm_plugins.spaces import BinaryGrid, Plane, Vectors

COLUMNS = [870, 340]
QUICK = 0.3  # seconds that the page waits for a run, so that it paints once
HEIGHTS = {Plane: 602, BinaryGrid: 566, Vectors: 566}  # pixels of the stage, at full width
BADGES = {
    "exact": ("green", "What it draws comes from the density itself, however short the run."),
    "asymptotic": ("blue", "The longer it runs, the closer its states come to the density; there is no bias left in the end."),
    "biased": ("yellow", "It settles on a density near the right one, not on it: smaller steps bring it closer."),
    "descent": ("gray", "It looks for low energy and does not sample: there is no density to compare with."),
}  # fmt: skip
UNSAID = ("gray", "Its author did not say what it targets. It is held against the density itself, as one that comes to it in the limit.")  # fmt: skip


def lab(key: str) -> None:
    """The page of the family with this key."""
    engine = jobs.engine()
    registry = engine.registry
    family = registry.families[key]
    try:
        visit = links.visit(key, registry)
    except ConfigError as nothing:  # there is nothing at all that it could be run on
        with boundary(key, "page"):
            _head(family, None, registry)
        status.nothing_to_run(family, registry, nothing)
        return
    visit.room = replace(visit.room, watch=embed.is_embedded())
    watch = visit.room.watch  # then nothing on the page can be changed, and there is no panel
    if visit.missing or stored.missing(visit.spec.dataset):
        visit.missing = visit.missing or visit.spec.dataset
        with boundary(key, "page"):
            _head(family, plan(RunSpec(family=key), registry), registry, watch)
            if watch:
                notice("warn", "The data of this link are not kept here any more.", "Nothing was run.")
            else:
                own_data.ask(visit, registry)
        return
    seat = f"{session()}/{key}"
    if _was_stopped(visit):
        links.change(visit, registry, visit.job.spec)  # where it was stopped is part of what it is
    job = visit.job = engine.submit(visit.spec, seat)
    engine.turn_to(seat)
    made = plan(visit.spec, registry)

    with boundary(key, "page"):
        _head(family, made, registry, watch)
    links.show_mended(visit.mended)
    with boundary(key, "question"):
        for_class.question(visit)
    left, right = (st.container(), None) if watch else st.columns(COLUMNS, gap="medium")
    error = visit.error if isinstance(visit.error, ConfigError) else _refusal(job)
    with left:
        vacant = _nothing(visit, job)  # then no room is kept: what is said stands in the stage's place
        with st.container(key=f"{key} no stage" if vacant else host_key(key, kind(made.space))):
            ready = bool(visit.shown or job.over)
            host = st.container() if ready else st.skeleton(_height(made))
        below = st.container()
    edited, visit.edited = visit.edited, False
    answered = edited and ready and error is None and job.wait_for_stage(QUICK)
    if answered:  # what was drawn on the stage moves there first, then the rest of the page is drawn anew
        with host, boundary(key, "stage"):
            _stage(visit, made, registry)
    if right is not None:
        with right, boundary(key, "controls"), late.panel(partial(links.heard, visit)):
            panel.draw(visit, made, registry, error)
    links.tell(visit)
    over = job.wait(QUICK)  # asked once: a run that ends while the rest is drawn has the page drawn once more
    refused = right is not None and error is None and _refusal(job) is not None
    if _was_stopped(visit) or refused or _nothing(visit, job) != vacant:
        visit.again = True
        st.rerun()  # the controls are drawn: draw them again with where it stopped, or with what was refused
    if job.run is not None:
        visit.shown = job
    if not answered and (visit.shown is not None or job.over):
        # At the same place in the page whether it waited or not: else the stage would be made anew on the next run.
        with host if ready else host.container(), boundary(key, "stage"):
            _stage(visit, made, registry)
    with below, boundary(key, "lesson"):
        learn.trying(visit, registry)
    with below, boundary(key, "verdict"):
        status.draw(engine, visit, made, job, seat, over)
    shown: Job | None = visit.shown
    if shown is not None and shown.run is not None:
        if not watch:
            with below, boundary(key, "link"), st.container(horizontal=True, gap="small"):
                copy_link(take_away.full_link(engine, shown.run), key=f"{key}:copy-link")
                keys.draw(kind(made.space), key=f"{key} keys")
        heading("What this run shows")
        tabs.draw(engine, visit, made, shown, seat)


def _was_stopped(visit: Visit) -> bool:
    """Whether the run that this page waits for was ended before what it asks for."""
    job: Job | None = visit.job
    return job is not None and job.state == STOPPED and job.asked == visit.spec and job.spec != visit.spec


def session() -> str:
    """A name for this browser tab's session."""
    if "session" not in st.session_state:
        st.session_state["session"] = uuid.uuid4().hex
    name = str(st.session_state["session"])
    _released(
        name
    )  # each time: what was released when the connection was lost is not, when the tab has come back
    return name


@st.cache_resource(
    scope="session", on_release=lambda name: jobs.engine().leave(f"{name}/"), show_spinner=False
)
def _released(name: str) -> str:
    """Nothing but its release: when the tab is closed, what it waited for is left."""
    return name


def _refusal(job: Job) -> ConfigError | None:
    return job.error if job.over and isinstance(job.error, ConfigError) else None


def _nothing(visit: Visit, job: Job) -> bool:
    """Whether there is nothing to show on the stage, and nothing that will come."""
    return job.over and job.run is None and visit.shown is None


def _head(family: Family, made: Plan | None, registry: Registry, watch: bool = False) -> None:
    if watch:
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.title(plain(family.title), anchor=False, width="content")
            embed.whole_page(f"{family.key} whole")
        return
    left, right = st.columns(COLUMNS, gap="medium", vertical_alignment="center")
    with left:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.title(plain(family.title), anchor=False, width="content")
            if made is not None:
                colour, why = UNSAID if isinstance(made.exactness, Unsaid) else BADGES[made.exactness]
                st.badge(claim(made.exactness), color=colour, help=why)  # type: ignore[arg-type]
            small(" · ".join(_provenance(family, registry)))
        st.markdown(family.summary)
    with right:
        formula = _formula(family)
        if formula:
            with st.container(key="formula"):
                st.markdown(rf"$\displaystyle {formula}$")


def _formula(family: Family) -> str:
    """What the record says, or the energy as an equation; nothing where it gives no more than its name."""
    if family.lens is not None and family.lens.formula:
        return family.lens.formula.strip().strip("$")
    energy = family.lens.energy.strip().strip("$") if family.lens is not None else ""
    if not energy or len(energy) <= len("E(x, y)"):
        return ""
    left = energy.partition("=")[0].strip()
    return (
        energy if left.startswith("E") and len(left) < len(energy) and len(left) <= 12 else f"E(x) = {energy}"
    )


def _provenance(family: Family, registry: Registry) -> list[str]:
    section = family.section or "Models"
    parts = [plain(section[:-1] if section.endswith("s") else section)]
    if family.lens is not None:
        parts.append(f"{plain(_few(family.lens.authors))}, {family.lens.year}")
    provider = registry.provider(family)
    own = provider.name == "ebm-plugins"
    parts.append("built in" if own else plain(f"from {provider.name} {provider.version}"))
    return parts


def _few(authors: str) -> str:
    """Three names at most."""
    names = authors.replace(" and ", ", ").split(", ")
    return authors if len(names) <= 3 else f"{names[0]} and others"


def _stage(visit: Visit, made: Plan, registry: Registry) -> None:
    """The last run that there is, in motion. What the user draws on it becomes the start.

    It is no fragment: of a fragment that is asked for again, Streamlit throws away what the page's own run has made
    of it and not sent yet, and the browser then takes away, with all that was drawn on it, what that run left out.
    """
    shown: Job | None = visit.job if visit.job is not None and visit.job.stage is not None else visit.shown
    if shown is not None and shown.stage is not None:
        on_edit, free = partial(_edited, visit, made, registry), not visit.room.holds("start")
        draw_stage(shown.stage, key=stage_key(visit.family), editable=free, on_edit=on_edit)


def _height(made: Plan) -> int:
    """What the stage of this space will take, so that nothing jumps when it comes."""
    return next((px for kind, px in HEIGHTS.items() if isinstance(made.space, kind)), 600)


def _edited(visit: Visit, made: Plan, registry: Registry, edit: Any) -> None:
    visit.edited = True
    start_panel.drawn(visit, registry, made, edit.states, edit.free)
