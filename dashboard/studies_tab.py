"""A family's own figures, and its studies: experiments that are no single run, run on request."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import boundary, controls
from dashboard.fragments import fragment
from dashboard.job import QUEUED, Job
from dashboard.jobs import Engine
from dashboard.links import Visit
from dashboard.notices import plain, small
from dashboard.plot import figure
from dashboard.stage import stage_key
from ebm_plugins import moments
from ebm_plugins.config import knobs
from ebm_plugins.plans import Plan
from ebm_plugins.records import Run
from ebm_plugins.studies import latest

QUICK = 0.6
POLL = 0.5


def figures(engine: Engine, visit: Visit, made: Plan, of: Job, seat: str) -> None:
    """The figures of a finished run, each made by a job of its own: one that hangs or raises costs only itself."""
    asked = [(title, engine.figure(of, title, f"{seat}/figure/{title}")) for title in made.family.figures]
    for _, job in asked:
        job.wait(QUICK)
    said = {title: words for title, job in asked if (words := only_words(job))}
    found = [one for one in asked if one[0] not in said]
    for first in range(0, len(found), 2):
        pair = found[first : first + 2]
        for column, (title, job) in zip(st.columns(2, gap="medium"), pair, strict=False):
            with column, boundary.boundary(visit.family, title):
                st.markdown(f"### {plain(title)}")
                _watch(visit, job, title, f"{visit.family}:figure {title}", 330, of.run)
    for title, words in said.items():
        small(f"**{plain(title)}**: {plain(words)}")


def only_words(job: Job) -> str:
    """What a finished figure says, when it draws nothing and only says why; else empty."""
    if not job.over or job.error is not None or len(job.figures) != 1:
        return ""
    one = job.figures[0]
    if getattr(one, "data", None) or not hasattr(one, "layout"):
        return ""
    return " ".join(note.text or "" for note in one.layout.annotations).strip()


def studies(engine: Engine, visit: Visit, made: Plan, seat: str) -> None:
    """Each study with its settings and a button."""
    for title, (model, function) in made.family.studies.items():
        key = f"{visit.family}.study.{title}"
        values: dict[str, Any] = st.session_state.setdefault(f"{key} values", {})
        with st.container(border=True, key=key):
            st.markdown(f"### {plain(title)}")
            about = (function.__doc__ or "").strip().split("\n\n")[0]
            if about:
                small(plain(about, 400))
            for first in range(0, len(every := knobs(model)), 3):
                for column, one in zip(st.columns(3, gap="medium"), every[first : first + 3], strict=False):
                    with column:
                        controls.control(
                            one, values.get(one.name, one.default), f"{key}.{one.name}", values.__setitem__
                        )
            asked = f"{key} asked"
            label = "Run it" if asked not in st.session_state else "Run it with these settings"
            if st.button(label, icon=":material/science:", key=f"{key} run"):
                st.session_state[asked] = dict(values)
            if asked in st.session_state:
                job = engine.study(
                    visit.family, title, st.session_state[asked], visit.spec.seed, f"{seat}/study/{title}"
                )
                _watch(visit, job, title, f"{visit.family}:study {title}", 380)


def _watch(visit: Visit, job: Job, title: str, key: str, height: int, run: Run | None = None) -> None:
    """The last figure that came, and whether more will. One of a ``run`` may mark the moment on its stage."""
    job.wait(QUICK)
    if job.over:
        _last(visit, job, title, key, height, run)
        return

    def follow() -> None:
        if job.over:
            st.rerun()
        _last(visit, job, title, key, height, run)
        small(
            "Waiting for other runs to end."
            if job.state == QUEUED
            else f"Running, {job.seconds:.0f} s so far."
        )

    fragment(follow, POLL)


def _last(visit: Visit, job: Job, title: str, key: str, height: int, run: Run | None) -> None:
    for index, last in enumerate(latest(job.figures)):
        wanted = getattr(getattr(last, "layout", None), "height", None)
        mark = moments.cursor(last, run, stage_key(visit.family)) if run is not None else None
        figure(last, key=f"{key} {index}", height=int(wanted or height), alt=f"{title}.", cursor=mark)
    if job.error is not None:
        boundary.show(job.error, visit.family, title, job.trace)
