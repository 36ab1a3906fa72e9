"""The tabs under the stage. Only the open one is drawn, and each in its own boundary."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import streamlit as st

from dashboard import controls, kept, learn, links, studies_tab, take_away
from dashboard.boundary import boundary
from dashboard.controls import number
from dashboard.job import Job
from dashboard.jobs import Engine
from dashboard.links import Visit
from dashboard.notices import notice, plain, small
from dashboard.plot import figure
from dashboard.plot.figures import Click
from dashboard.plot.heights import across
from dashboard.stage import stage_key
from dashboard.status import unit
from ebm_plugins import curves, moments, numbers, verdict
from ebm_plugins.config import Knob
from ebm_plugins.curves import Panel
from ebm_plugins.plans import Plan
from ebm_plugins.records import Run
from ebm_plugins.runs import length_of

Draw = Callable[[], None]
NUMBERS = 6  # in a row, at most
WAY_DOWN = (
    "Each step on the way has a density of its own, so the last states alone are draws of this one, each chain's "
    "independent of the others'. There is no R-hat, and no counting of effective draws along a chain."
)


def draw(engine: Engine, visit: Visit, made: Plan, job: Job, seat: str) -> None:
    """All tabs of a finished run."""
    run = job.run
    assert run is not None
    if visit.error is not None:
        small("These are of the run before, which the stage shows: what is asked for now cannot be run.")
    parts: dict[str, Draw] = {"Truth": partial(_truth, visit, run)}
    if run.training.count > 1 or visit.spec.train_stop is not None:
        parts["Training"] = partial(_training, engine, visit, made, run)
    parts["Diagnostics"] = partial(_diagnostics, visit, run)
    if made.family.figures:
        parts["Figures"] = partial(studies_tab.figures, engine, visit, made, job, seat)
    if made.family.studies:
        parts["Studies"] = partial(studies_tab.studies, engine, visit, made, seat)
    parts["Learn"] = partial(learn.draw, engine, visit, made, run)
    parts["Take it away"] = partial(take_away.draw, engine, visit, run)
    parts = {name: part for name, part in parts.items() if not visit.room.hides(slug(name))}
    if not parts:
        return
    for tab, name in zip(
        st.tabs(list(parts), key=f"{visit.family} tabs", on_change="rerun"), parts, strict=True
    ):
        if tab.open:
            with tab, boundary(visit.family, name):
                parts[name]()


def slug(name: str) -> str:
    """A tab's name in a link."""
    return name.lower().replace(" ", "-")


def metric(label: str, value: str, beside: str, help: str) -> None:
    """A number with what it should be in a chip."""
    st.metric(label, value, beside or None, delta_color="off", delta_arrow="off", help=help)


def shown(value: float, digits: int) -> str:
    """A number with a minus sign, or a dash where it is not known: never 'nan'."""
    if math.isnan(value):
        return "—"
    if math.isinf(value):
        return "very large"
    if abs(value) >= 1e6:
        return number(value)
    return f"{value:.{digits}f}".replace("-", "−")


def panels(
    found: list[Panel],
    visit: Visit,
    run: Run,
    tab: str,
    height: int = 250,
    on_click: Callable[[Click], None] | None = None,
) -> None:
    """Figures side by side with their titles; those whose x axis is the run's time mark the moment on the stage."""
    key = f"{visit.family}:{tab}"
    for first in range(0, len(found), 2):
        pair = found[first : first + 2]
        for index, (column, panel) in enumerate(zip(st.columns(2, gap="medium"), pair, strict=False)):
            with column:
                st.markdown(f"### {panel.title}")
                mark = moments.cursor(panel.figure, run, stage_key(visit.family))
                figure(
                    panel.figure, key=f"{key} {first + index}", height=height, alt=panel.alt, cursor=mark, on_click=on_click
                )  # fmt: skip


def _truth(visit: Visit, run: Run) -> None:
    if run.exactness == "descent":
        _descent(visit, run)
        return
    found = kept.of(run, numbers.of)
    with st.grid(NUMBERS, min_column_width=150, gap="medium"):
        low = "" if math.isnan(found.floor_high) else f"floor {shown(found.floor_middle, 3)} (median)"
        metric(
            "Total variation", shown(found.total_variation, 3), low,
            f"Half the sum of |share − probability| over cells: 0 is perfect, 1 is nothing in common. "
            f"{found.count} exact draws score {shown(found.floor_low, 3)} to {shown(found.floor_high, 3)} "
            f"in 95 of 100 cases. {verdict.RULE}",
        )  # fmt: skip
        exact = "" if math.isnan(found.exact_energy) else f"exact {shown(found.exact_energy, 2)}"
        metric(
            "Mean energy", shown(found.mean_energy, 2), exact,
            f"Mean over the last states, with a standard error of {shown(found.energy_error, 3)}.",
        )  # fmt: skip
        digits = 4 if found.log_z_error == 0 or found.log_z_kind in ("quadrature", "closed form") else 2
        metric(
            "log Z", shown(found.log_z, digits), found.log_z_kind,
            "The logarithm of what exp(−E/T) sums or integrates to." + (
                f" Between {shown(found.log_z_low, 2)} and {shown(found.log_z_high, 2)}." if found.log_z_kind == "bracket" else ""
            ),
        )  # fmt: skip
        if run.stationary:
            metric(
                "Effective draws", "—" if math.isnan(found.ess) else number(round(found.ess)),
                f"of {number(found.draws)} states", "How many independent draws the second half of the chains is worth.",
            )  # fmt: skip
            metric(
                "R-hat",
                shown(found.rhat, 2),
                "wants 1.01 or less",
                "Spread between chains over spread within them.",
            )
        else:
            metric("Draws", number(len(run.sampling.last)), "one a chain", WAY_DOWN)
    if not run.stationary:
        small(WAY_DOWN)
    if found.reason:
        notice("info", "There is no exact answer here.", plain(found.reason))
    panels(kept.of(run, curves.comparison), visit, run, "truth")


def _descent(visit: Visit, run: Run) -> None:
    """What there is to say of a method that looks for low energy."""
    found = kept.of(run, numbers.descent)
    each = "" if found.chains == 1 else f"mean of {number(found.chains)}"
    with st.grid(NUMBERS, min_column_width=150, gap="medium"):
        metric(
            "Energy at the end", shown(found.last, 2), f"start {shown(found.first, 2)}",
            "Mean over the states that were followed.",
        )  # fmt: skip
        if run.space.discrete:
            digits = 0 if found.chains == 1 else 1
            metric(
                "Flips", shown(found.flips, digits), each, "Cells that changed from one snapshot to the next, added up."
            )  # fmt: skip
            metric(
                "Cells changed", shown(found.changed, digits), f"of {number(found.cells)}",
                "Cells that are not as they were at the start. A cell that was flipped there and back is not counted.",
            )  # fmt: skip
        else:
            metric(
                "Distance from the start", shown(found.moved, 2), each, "How far the end is from the start."
            )
        metric(
            "Energy rose", number(found.rises), f"of {number(found.steps)} times",
            "How often it was higher than one snapshot before. Never for a rule that only goes down; a method that cools may climb while it is warm.",
        )  # fmt: skip
        metric("States", number(found.states), f"{number(found.chains)} followed", "Each on its own.")
    small(
        "This method looks for low energy and does not sample: there is no density to hold its states against."
    )
    panels([kept.of(run, curves.energy_traces)], visit, run, "truth")


def _training(engine: Engine, visit: Visit, made: Plan, run: Run) -> None:
    name, every = unit(made.train_config)
    training = run.training
    if training.diverged is not None:
        notice(
            "bad",
            f"Diverged {'at' if every == 1 else 'by'} {name} {number(moments.reached(made.train_config, training.diverged + 1))}.",
            "The last good params are used.",
        )
    found = [
        Panel(
            plain(controls.words(title)),
            curves.metric_curve(curves.metric_unit(title), values, name, made.train_config, "training step"),
            f"{title} against {name}.",
        )
        for title, values in training.metrics.items()
    ]
    total = max(length_of(made.train_config) or 0, training.count)
    if total > training.count > 1:  # what is not learned yet, or no more, keeps its room
        for panel in found:
            panel.figure["layout"]["xaxis"]["range"] = [
                moments.reached(made.train_config, 1),
                moments.reached(made.train_config, total),
            ]
    press: Callable[[Click], None] | None = None
    if total > 1:
        knob = Knob(
            name="train_stop", kind="int", default=total, title=f"Sample from the model after {name}" if every == 1 else "Sample from the model after snapshot", ge=1, le=total,
            help="Rewind: sampling uses the params as they were then."
            + (f" There is one every {every} {name}s." if every > 1 else "") + " In links: `stop`",
        )  # fmt: skip

        def rewind(_name: str, value: int) -> None:
            links.change(
                visit, engine.registry, replace(visit.spec, train_stop=None if value >= total else int(value))
            )

        def pressed(click: Click) -> None:
            """To the snapshot nearest to where a curve was pressed, as the slider does."""
            steps = moments.reached(made.train_config, np.arange(1, total + 1))
            nearest = 1 + int(np.abs(steps - float(click["x"])).argmin())
            if nearest != training.count:
                rewind("train_stop", nearest)

        press = pressed

        with st.container(width=420, key=across(f"{visit.family} rewind", 420)):
            controls.control(knob, training.count, f"{visit.family}.rewind", rewind)
    if found:
        small(
            "The line marks the model that the stage samples from"
            + (": press a curve to sample from another." if press else ".")
        )
    panels(found, visit, run, "training", on_click=press)
    if not found:
        small("This family reports no metrics while it learns.")


def _diagnostics(visit: Visit, run: Run) -> None:
    report = run.report
    if report is None:
        small("There are no diagnostics of this run.")
        return
    samples = run.exactness != "descent"  # else no draws are made, so none can be counted or disagree
    along = run.stationary or not samples
    with st.grid(NUMBERS, min_column_width=150, gap="medium"):
        if samples and along:
            metric(
                "Effective draws", "—" if math.isnan(report.ess) else number(round(report.ess)),
                f"of {number(report.draws * report.chains)}",
                "The least over the coordinates and the energy, for the second half of the run.",
            )  # fmt: skip
            metric(
                "R-hat",
                shown(report.rhat, 2),
                "wants 1.01 or less",
                "Well above 1.01 means that the chains disagree.",
            )
        if not math.isnan(report.acceptance):
            metric("Acceptance", f"{100 * report.acceptance:.0f}\u202f%", "", "Share of proposals accepted.")
        metric(
            "Energy along chains" if along else "Energy at the end", shown(report.mean_energy, 2), f"± {shown(report.energy_mcse, 3)}" if samples else "",
            ("Mean energy of the second half" if along else "Mean energy of the last states that were followed")
            + (", with its Monte-Carlo standard error." if samples else "."),
        )  # fmt: skip
        metric(
            "Chains followed",
            number(report.chains),
            f"{number(report.draws)} {'draws' if samples else 'snapshots'} each" if along else "",
            "At most 64 are.",
        )
    if not along:
        small(WAY_DOWN)
    found = [kept.of(run, curves.energy_traces)]
    if samples and len(report.autocorrelation):
        where = "the energy" if report.worst < 0 else f"coordinate {report.worst + 1}"
        found.append(curves.lagged(report.autocorrelation, where))
    for title, values in run.sampling.metrics.items():
        if title != "energy" and len(values) > 1:
            found.append(
                Panel(plain(controls.words(title)), curves.metric_curve("", values, "snapshot"), title)
            )
    small("The line is the moment on the stage: press a curve, or drag along it, to go to another.")
    panels(found[:8], visit, run, "diagnostics")
