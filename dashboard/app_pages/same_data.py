"""Compare's second half: families that learned from the same data, sampled for the same budget, and what each says of
rows that it has not seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlsplit

import streamlit as st

from dashboard import controls, late
from dashboard.addresses import page_of
from dashboard.app_pages.compare_charts import short, unknown
from dashboard.boundary import boundary, sentence
from dashboard.fragments import fragment
from dashboard.job import REFUSED, Job
from dashboard.jobs import Engine
from dashboard.lab import session
from dashboard.notices import plain, small
from dashboard.run_picture import panel
from dashboard.table import Cell, Column, table
from ebm_plugins import ConfigError, held_out, link, trials
from ebm_plugins.contests import Contest
from ebm_plugins.held_out import Held, Score
from ebm_plugins.records import PluginError, Run
from ebm_plugins.registry import Registry
from ebm_plugins.trials import Entrant, Trial
from ebm_plugins.verdict import compare as verdict_of
from ebm_plugins.wording import count, number

POLL, QUICK = 0.5, 0.3
COLUMNS = (
    Column(title="Family", width=17),
    Column(
        title="Held-out log-likelihood", width=17, numbers=True,
        help="Mean over the held-out rows, in nats a row, with its standard error. Higher is better. It needs log Z.",
    ),
    Column(
        title="Held out less learned", width=13, numbers=True,
        help="Energy of held-out rows less that of the rows learned from, in units of T: Z cancels. Well above 0, the rows were learned by heart.",
    ),
    Column(
        title="Samples to held-out rows", width=15, numbers=True,
        help="Energy distance, 0 for the same distribution. Lower is better. It needs no energy and no Z. Its floor: what as many of the learned rows stay below.",
    ),
    Column(title="In its own words", width=16, numbers=True, help="What its training reports of held-out rows. Not comparable from one family to another."),
    Column(
        title="Total variation", width=12, numbers=True,
        help="Of the samples from the family's own exact density: whether the sampler is done, not whether the model is right. Lower is better.",
    ),
    Column(title="Draws per 1 000", width=10, numbers=True, help="Effective draws of 1 000 evaluations, in the second half of the run. Higher is better."),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """An entrant with its job (None where there is none), and whether that was over when this page began to draw it."""

    entrant: Entrant
    job: Job | None
    over: bool


def draw(trial: Trial, contest: Contest, engine: Engine, change: Callable[[Trial], None]) -> None:
    """The section; ``change`` asks for another trial. Budget, chains and seed are the contest's."""
    registry = engine.registry
    st.markdown("## Same data, same budget")
    st.markdown(
        f"Families learn from the same rows and are sampled from noise: {count(contest.n)} chains, "
        f"{count(contest.budget)} evaluations each. Then each is asked about rows that it has not seen."
    )
    _controls(trial, engine, change)
    rows = _started(trial, contest, engine)
    grid = st.grid(3, min_column_width=150, gap="medium")
    for place, row in enumerate(rows):
        with grid.cell(), boundary(row.entrant.family, "panel"):
            _panel(place, row, engine)
    st.space("small")
    missing = sum(not row.over for row in rows)
    if missing:
        _watch(rows)
        st.skeleton(48 + 84 * len(rows))
        return
    table(
        COLUMNS,
        [cells(row.entrant, row.job, registry) for row in rows],
        key="compare.held-out",
        label="What each family makes of rows that it has not seen",
    )
    small(_scale(rows))


def _controls(trial: Trial, engine: Engine, change: Callable[[Trial], None]) -> None:
    registry = engine.registry
    data, learners = trials.datasets(registry), trials.learners(trial.data, registry)
    methods = trials.methods_of(trial, registry)

    def chosen() -> None:
        late.whole()
        change(trials.on(st.session_state["compare.data"], registry))

    def families() -> None:
        keys = st.session_state["compare.families"]
        if keys:
            change(
                replace(trial, families=tuple(k for k in learners if k in keys)[: trials.MOST], methods=())
            )

    def sampled() -> None:
        keys = st.session_state["compare.methods"]
        change(replace(trial, methods=tuple(k for k in methods if k in keys)[: trials.MOST]))

    with st.container(border=True, key="compare data"):
        left, middle, right = st.columns([300, 400, 480], gap="medium")
        with left:
            here = late.hold("compare.data", trial.data)
            st.selectbox(
                "Data", list(data), list(data).index(here), format_func=data.__getitem__, key="compare.data", on_change=late.guard("compare.data", chosen),
                help="Those with held-out rows come first. In links: `data`.",
            )  # fmt: skip
        with middle:
            those = late.hold("compare.families", list(trial.families))
            st.pills(
                "Families", list(learners), selection_mode="multi", default=those, format_func=learners.__getitem__, key="compare.families",
                on_change=late.guard("compare.families", families), wrap=True,
                help="Every family that learns from these data, third-party ones included. In links: `families`.",
            )  # fmt: skip
        with right:
            by = late.hold("compare.methods", list(trial.methods))
            st.pills(
                "Sampled by", list(methods), selection_mode="multi", default=by, format_func=lambda key: short(methods[key]), key="compare.methods",
                on_change=late.guard("compare.methods", sampled), wrap=True,
                help=f"None chosen: each family's own. At most {trials.MOST} rows in all. In links: `methods`.",
            )  # fmt: skip


def _started(trial: Trial, contest: Contest, engine: Engine) -> list[Row]:
    seat, rows = f"{session()}/same data/", []
    entrants = trials.entrants(trial, contest.n, contest.seed, engine.registry)
    for place, entrant in enumerate(entrants):
        job = None
        if entrant.spec is not None:
            try:
                job = (
                    engine.spend(entrant.spec, contest.budget, f"{seat}{place}")
                    if entrant.counted
                    else engine.submit(entrant.spec, f"{seat}{place}")
                )
            except (ConfigError, PluginError) as error:
                job = Job(entrant.family, state=REFUSED, error=error)
        rows.append((entrant, job))
    for place in range(len(entrants), trials.MOST):
        engine.leave(f"{seat}{place}")
    end = time.monotonic() + QUICK
    for _, job in rows:
        if job is not None and not job.over:
            job.wait(end - time.monotonic())
    return [Row(entrant, job, job is None or job.over) for entrant, job in rows]


def _watch(rows: Sequence[Row]) -> None:
    over = sum(row.over for row in rows)

    def watch() -> None:
        if sum(row.job is None or row.job.over for row in rows) != over:
            st.rerun()
        small(
            f":material/hourglass_top: Learning and sampling; {over} of {len(rows)} have come to their end."
        )

    fragment(watch, POLL)


def _panel(place: int, row: Row, engine: Engine) -> None:
    """One row's name, its samples, and a link to its run."""
    registry, entrant = engine.registry, row.entrant
    family = registry.families[entrant.family]
    st.markdown(f"### {plain(family.title)}")
    small(f"by {plain(sampler_title(entrant, registry))}")
    run = row.job.run if row.over and row.job is not None else None
    if row.over and run is None:
        small(plain(f"Not run: {refused(row.entrant, row.job)}."))
        return
    picture = row.job.stage if run is not None and row.job is not None and entrant.counted else None
    if picture is not None or run is None:
        panel(picture, place, key=f"compare.data.{place}.picture", alt=f"Samples of {plain(family.title)}")
    if run is None:
        st.skeleton(40)
        return
    query = dict(parse_qsl(urlsplit(link.write(run.spec, registry)).query, keep_blank_values=True))
    st.page_link(
        page_of(family), label="Watch this run", icon=":material/play_circle:", query_params=query,
        help=f"{plain(family.title)} on its own page, with what it learned here.",
    )  # fmt: skip


def refused(entrant: Entrant, job: Job | None) -> str:
    """Why there is no run."""
    if job is None:
        return entrant.reason.rstrip(".")
    return (sentence(job.error) if isinstance(job.error, ConfigError) else str(job.error)).rstrip(".")


def sampler_title(entrant: Entrant, registry: Registry) -> str:
    """What samples, in a reader's words."""
    found = registry.samplers.get(entrant.sampler)
    return found.title if found is not None else "its own method"


def cells(entrant: Entrant, job: Job | None, registry: Registry) -> list[Cell]:
    """The row of one entrant; what is not defined is a dash, with the reason below it."""
    name = Cell(
        text=registry.families[entrant.family].title,
        below=f"by {sampler_title(entrant, registry)}",
    )
    if job is None or job.run is None:
        reason = refused(entrant, job)
        return [name, *(dash(reason) for _ in COLUMNS[1:])]
    run = job.run
    held = measured(job, run)
    spent = job.spent
    whole = run.sampling.diverged is None
    verdict = verdict_of(run) if whole else None
    worth = spent.ess_per_thousand if spent is not None and whole else float("nan")
    none = run.truth.reason if run.truth is not None else ""
    variation = dash(none.rstrip(".") or "its probabilities are not known one by one")
    if verdict is not None and verdict.total_variation == verdict.total_variation:
        variation = Cell(
            text=number(verdict.total_variation, 3), order=verdict.total_variation, below=f"floor {number(verdict.floor[1], 3)}"
        )  # fmt: skip
    return [
        name,
        likelihood(held.log_likelihood),
        _scored(held.energy_gap, 2, "Z cancels"),
        _scored(held.distance, 3, f"floor {number(held.floor, 3)}" if held.floor == held.floor else ""),
        _own(held),
        variation,
        Cell(text=number(worth, 1), order=worth)
        if worth == worth
        else dash("not counted" if not entrant.counted else "not known"),
    ]


def measured(job: Job, run: Run) -> Held:
    """What the job measured beside the run; a run without held-out rows, or of a family's own method, is asked here."""
    stage = job.stage if isinstance(job.stage, dict) else {}
    held = stage.get("held out")
    return held if isinstance(held, Held) else held_out.of(run)


def likelihood(score: Score) -> Cell:
    """A log-likelihood ± its standard error, and how log Z is known; where that has two ends, both."""
    if not score.known:
        return dash(score.reason)
    how = score.how
    if score.high > score.low:
        how = f"{how}: {number(score.low)} to {number(score.high)}"
    return Cell(text=f"{number(score.value)} ± {number(score.error)}", order=score.value, below=how)


def _scored(score: Score, digits: int, below: str) -> Cell:
    if not score.known:
        return dash(score.reason)
    error = f" ± {number(score.error, digits)}" if score.error else ""
    return Cell(text=f"{number(score.value, digits)}{error}", order=score.value, below=below)


def _own(held: Held) -> Cell:
    if not held.own:
        return dash("its training reports nothing of held-out rows")
    name, value = next((one for one in held.own if "likelihood" in one[0]), held.own[0])
    return Cell(text=number(value), order="", below=plain(controls.words(name)).lower())


def dash(reason: str) -> Cell:
    """A number that is not defined, and why."""
    return replace(unknown("—"), below=reason)


def _scale(rows: Sequence[Row]) -> str:
    """What the numbers are held against."""
    said = [
        "Budget, chains and seed are those above, and all of it is in the address.",
        "A dash is a number that is not defined, and says why.",
    ]
    found = [
        measured(row.job, row.job.run) for row in rows if row.job is not None and row.job.run is not None
    ]
    alone = next((held.independent for held in found if held.independent == held.independent), None)
    if alone is not None:
        said.insert(0, f"For scale: a model of independent coordinates, fitted to the same rows, scores {number(alone)} nats a row.")  # fmt: skip
    return " ".join(said)
