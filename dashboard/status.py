"""Under the stage: what the run is doing, or what it means. One box, one sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from dashboard import boundary, links
from dashboard.controls import number, words
from dashboard.fragments import fragment
from dashboard.job import FAILED, QUEUED, REFUSED, SILENT, BusyError, Job, WorkerError
from dashboard.jobs import Engine
from dashboard.links import Visit
from dashboard.notices import code, notice, plain, plural, powers, small
from dashboard.plot import figure
from ebm_plugins import ConfigError, PluginError, curves, moments, starts
from ebm_plugins.plans import Plan, broken_datasets
from ebm_plugins.records import Family
from ebm_plugins.registry import Registry
from ebm_plugins.runs import LimitError
from ebm_plugins.stamps import compare

POLL = 0.3
PHASES = {"train": "Training", "sample": "Sampling", "truth": "Comparing with the exact answer"}


def draw(engine: Engine, visit: Visit, made: Plan, job: Job, seat: str, over: bool) -> None:
    """The verdict of a finished run, the progress of a running one, or why there is none.

    ``over`` is whether the page was drawn for its end: one that ends meanwhile is still shown as running, and the
    page is drawn again at once.
    """
    if visit.error is not None:
        _unusable(visit, visit.error)
        return
    if not over:
        _running(engine, visit, made, job, seat)
        return
    if job.state in (FAILED, REFUSED, SILENT):
        _failed(engine, visit, job)
        return
    run = job.run
    if run is None:
        return
    if run.verdict is not None and not visit.room.hides("verdict"):
        notice(
            run.verdict.status, plain_head(run.verdict.head), run.verdict.text, key=f"{visit.family} verdict"
        )
    if visit.stamp is not None:
        said = compare(visit.stamp, run, engine.registry)
        status = {"same": "good", "close": "good", "different": "warn"}.get(said.status, "info")
        notice(status, plain_head(said.head), plain(said.text), key=f"{visit.family} stamp")
    for note in run.notes:
        small(plain(note))
    if run.spec.train_stop is not None or run.spec.sample_stop is not None:
        _stopped(engine, visit, made, job)


def plain_head(head: str) -> str:
    """A head ends with a full stop."""
    return head if head.endswith((".", "?")) else f"{head}."


def _unusable(visit: Visit, error: ConfigError | PluginError) -> None:
    """A spec that cannot be run as it stands: an empty drawing, a value beside its bounds, data that do not load."""
    if isinstance(error, PluginError):
        boundary.show(error, error.plugin, error.part)
        return
    start = visit.asked.start
    if error.field == "start.states" and isinstance(start, starts.Drawn) and not start.states:
        before = " Until then the run before it is shown." if visit.shown is not None else ""
        notice("info", "Nothing drawn yet.", f"Click the stage to draw a start, or choose *Noise*.{before}")
        return
    notice(
        "bad",
        "Not run.",
        f"{plain(error.field)}: {plain(boundary.sentence(error))} The last good run is shown.",
    )


def nothing_to_run(family: Family, registry: Registry, error: ConfigError) -> None:
    """What is said of a family that no installed dataset is there for."""
    if error.field != "data":
        boundary.show(error, family.key, "page")
        return
    kinds = " or ".join(kind.__name__ for kind in family.accepts)
    broken = broken_datasets(family, registry)
    if broken:
        more = " ".join(f"{code(key)} does not load: {plain(why)}" for key, why in broken.items())
    else:
        more = "A plugin can register one; it needs no rows where training needs none."
    notice(
        "bad",
        "There is nothing to run this on.",
        f"It takes data in {code(kinds)}, and none are installed. {more}",
    )


def _failed(engine: Engine, visit: Visit, job: Job) -> None:
    error = job.error
    if isinstance(error, BusyError):
        notice("warn", "Not begun.", plain(boundary.sentence(error)), key=f"{visit.family} verdict")
        _again(engine, visit, job)
        return
    if isinstance(error, LimitError):
        notice("bad", "Too large to run here.", too_large(error), key=f"{visit.family} verdict")
        return
    if isinstance(error, ConfigError):
        kept = " The last good run is shown." if visit.shown else ""
        notice("bad", "Not run.", f"{plain(boundary.sentence(error))}{kept}", key=f"{visit.family} verdict")
        return
    if job.state == SILENT:
        part = PHASES.get(job.phase, job.phase or "train").lower()
        boundary.stopped(visit.family, part, f"{error} It was ended.", job.trace)
    elif isinstance(error, WorkerError):
        notice(
            "bad",
            "The run was lost.",
            f"{plain(str(error))} Everything else still works.",
            key=f"{visit.family} verdict",
        )
    elif error is not None:
        boundary.show(error, visit.family, job.phase or "train", job.trace)
    _again(engine, visit, job)


def _again(engine: Engine, visit: Visit, job: Job) -> None:
    if not visit.room.watch:
        st.button(
            "Try again",
            icon=":material/refresh:",
            on_click=lambda: engine.forget(job),
            key=f"{visit.family} again",
        )


def too_large(error: LimitError) -> str:
    """How much was asked for, how much can be, and what to do."""
    asked, _, advice = powers(str(error.got)).partition(": ")
    advice = f" {advice[:1].upper()}{advice[1:]}." if advice else ""
    return plain(f"This asks for {asked}, and what can be run here is {powers(error.expected)}.{advice}")


def _running(engine: Engine, visit: Visit, made: Plan, job: Job, seat: str) -> None:
    def watch() -> None:
        if job.over:
            st.rerun()
        with st.container(border=True, key=f"{visit.family} running"):
            _progress(engine, visit, made, job, seat)

    fragment(watch, POLL)


def _progress(engine: Engine, visit: Visit, made: Plan, job: Job, seat: str) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(f"**{headline(job, made)}**", width="content")
        if not visit.room.watch:
            st.button(
                "Stop", icon=":material/stop:", key=f"{visit.family} stop", disabled=job.phase not in ("train", "sample"),
                on_click=_stop, args=(engine, visit, job, seat), help="End here and keep what there is.",
            )  # fmt: skip
    st.progress(min(1.0, job.step / job.total) if job.total else 0.0)
    if job.state == QUEUED:
        lost = engine.status()["engine"] == "lost"
        small("The engine does not answer; it is tried again." if lost else "It begins by itself.")
        return
    kept = f" Stop keeps what has been {'learned' if job.phase == 'train' else 'sampled'}."
    small(time_left(job.left) + ("" if visit.room.watch else kept))
    values = {name: series for name, series in job.metrics.items() if len(series) > 1}
    if job.phase == "train" and values:
        name = next(iter(values))
        fig = curves.metric_curve(
            words(name), list(values[name]), unit(made.train_config)[0], made.train_config, "training step"
        )
        figure(fig, key=f"{visit.family}:live", height=200, alt=f"{words(name)} so far")


def _stop(engine: Engine, visit: Visit, job: Job, seat: str) -> None:
    other = engine.stop(job, seat)
    if other is not job and other.spec is not None:
        links.change(visit, engine.registry, other.spec)


def unit(config: Any) -> tuple[str, int]:
    """What a snapshot of this config is called, and how many of that it is."""
    fields = type(config).model_fields
    every = int(getattr(config, "every", 1) or 1)
    return ("epoch" if "epochs" in fields else "step"), every


def headline(job: Job, made: Plan) -> str:
    """'Training, epoch 34 of 120'."""
    if job.state == QUEUED:
        return queued(job)
    phase = PHASES.get(job.phase, "Starting")
    if job.phase not in ("train", "sample"):
        return phase
    config = made.train_config if job.phase == "train" else made.sample_config
    of = f" of {number(moments.reached(config, job.total))}" if job.total else ""
    return f"{phase}, {unit(config)[0]} {number(moments.reached(config, job.step))}{of}"


def queued(job: Job) -> str:
    """'Waiting: 3 runs begin before this one'."""
    if job.place is None:
        return "Starting"
    if job.place == 0:
        return "Waiting: this run is next"
    return f"Waiting: {plural(job.place, 'run')} {'begins' if job.place == 1 else 'begin'} before this one"


def time_left(seconds: float | None) -> str:
    """'About 6 seconds left.'"""
    if seconds is None:
        return "Time left not known yet."
    if seconds < 1.5:
        return "About a second left."
    if seconds < 90:
        return f"About {seconds:.0f} seconds left."
    return f"About {seconds / 60:.0f} minutes left."


def _stopped(engine: Engine, visit: Visit, made: Plan, job: Job) -> None:
    """Where it was stopped, and the way on."""
    assert job.run is not None
    spec, parts = job.run.spec, []
    if spec.train_stop is not None:
        after = moments.reached(made.train_config, spec.train_stop)
        parts.append(f"training after {unit(made.train_config)[0]} {number(after)}")
    if spec.sample_stop is not None:
        after = moments.reached(made.sample_config, spec.sample_stop)
        parts.append(f"sampling after {unit(made.sample_config)[0]} {number(after)}")
    with st.container(
        border=True, horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.markdown(f":gray[:material/info:] **Stopped:** {' and '.join(parts)}.", width="content")
        if not visit.room.watch:
            st.button(
                "Continue", icon=":material/play_arrow:", key=f"{visit.family} continue", on_click=proceed,
                args=(visit, engine), help="Run on to the end that the controls ask for.",
            )  # fmt: skip


def proceed(visit: Visit, engine: Engine) -> None:
    """Let a stopped run go on to its end: the same bits as a run that was never stopped."""
    links.change(visit, engine.registry, replace(visit.spec, train_stop=None, sample_stop=None))
