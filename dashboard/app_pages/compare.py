"""Compare: every family in one table, then samplers side by side on the same energy, start and budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import streamlit as st

from dashboard import boundary as boundaries
from dashboard import controls, embed, jobs, late, links
from dashboard.addresses import grouped, page_of
from dashboard.app_pages import compare_charts, same_data
from dashboard.app_pages.compare_charts import Entry, short
from dashboard.app_pages.home import spelt
from dashboard.boundary import boundary
from dashboard.fragments import fragment
from dashboard.job import REFUSED, RUNNING, SILENT, Job
from dashboard.jobs import Engine
from dashboard.lab import session
from dashboard.notices import ICONS, code, notice, plain, small, spelled
from dashboard.plot import figure
from dashboard.run_picture import panel
from dashboard.status import headline, plain_head
from dashboard.table import table
from dashboard.unification import unification
from ebm_plugins import ConfigError, contests, link, trials
from ebm_plugins.config import knobs
from ebm_plugins.contests import Contest, Terms
from ebm_plugins.plans import plan
from ebm_plugins.records import PluginError
from ebm_plugins.registry import Registry
from ebm_plugins.trials import Trial
from ebm_plugins.wording import count

POLL = 0.4  # seconds between looks at what is still running
QUICK = 0.5  # that the page waits for its runs, so that it mostly paints once
SHOWN = 2  # settings of a sampler that are named beside its picture
VISIT = "compare: visit"
STARTS = {"one_place": "all from one place", "preset": "from the preset's start"}


class Rival(NamedTuple):
    """One who competes: its place among the colours, its key and title, its job, and whether that was over when this
    run of the page began to draw it."""

    place: int
    key: str
    title: str
    job: Job
    over: bool


@dataclass
class Visit(links.Bar):
    """What one session compares: the contest, and what in the address that it was read from could not be used."""

    contest: Contest | None
    trial: Trial | None
    mended: list[link.Mended] = field(default_factory=list)


def compare(registry: Registry) -> None:
    """The page."""
    with boundary("compare", "table"):
        answers = spelt(len(registry.families)).lower()
        st.markdown(f"# One question, {answers} {'answer' if len(registry.families) == 1 else 'answers'}")
        st.markdown("How do you learn from, and sample, $p(x) = e^{-E(x)}/Z$ without ever computing $Z$?")
        if embed.is_embedded():
            embed.whole_page("compare whole")
        else:
            unification(registry)
    st.space("large")
    with boundary("compare", "contest"):
        _contest(registry)


def visit(registry: Registry) -> Visit:
    """The visit of this page: read from the address when that is new, else the one that the session holds."""
    here = links.address()
    arrived = st.session_state.get("page") != VISIT
    st.session_state["page"] = VISIT
    held: Visit | None = st.session_state.get(VISIT)
    if held is not None and held.holds(here, arrived):
        return held
    trial, rest, unused = trials.parse(grouped(here), registry)
    contest, mended = contests.parse(rest, registry)
    made = Visit(contest, trial, [*mended, *unused], written=here, told=here, heard=time.monotonic())
    made.replaces(held)
    st.session_state[VISIT] = made
    return made


def change(made: Visit, registry: Registry, contest: Contest) -> None:
    """Compare something else, with its address (which ``links.tell`` writes)."""
    made.contest, made.mended = contest, []
    _write(made, registry)


def try_out(made: Visit, registry: Registry, trial: Trial) -> None:
    """The same for the families that learn from the same data."""
    made.trial, made.mended = trial, []
    _write(made, registry)


def _write(made: Visit, registry: Registry) -> None:
    values = contests.write(made.contest, registry) if made.contest is not None else {}
    values |= trials.write(made.trial, registry) if made.trial is not None else {}
    made.write(tuple(values.items()))


def _contest(registry: Registry) -> None:
    made = visit(registry)
    st.markdown("## Same energy, same budget")
    if made.contest is not None:
        n, budget = count(made.contest.n), count(made.contest.budget)
        st.markdown(
            f"{n} chains, {STARTS[made.contest.start]}; {budget} evaluations of energy or slope for each sampler."
        )
    links.show_mended(made.mended)
    contest = made.contest
    if contest is None:
        notice(
            "info", "Nothing to compare on yet.",
            "No installed family has an energy in the plane, or on a small grid, that an installed sampler takes.",
        )  # fmt: skip
        return
    fitting, refused = contests.candidates(contest.base, registry)
    names = {key: short(title) for key, title in fitting.items()}
    with late.panel(partial(links.heard, made)):
        if not embed.is_embedded():
            _controls(made, contest, registry, names, refused)
        contest = made.contest or contest
        engine = jobs.engine()
        running = _started(engine, contest, registry)
        _wait(list(running.values()))
        rivals = [
            Rival(place, key, fitting[key], job, job.over) for place, (key, job) in enumerate(running.items())
        ]
        grid = st.grid(4 if len(rivals) == 4 else 3, min_column_width=150, gap="medium")
        for rival in rivals:
            with grid.cell(), boundary(rival.key, "panel"):
                _panel(made, contest, engine, rival)
        outcome = st.container()
        if made.trial is not None and not embed.is_embedded():
            st.space("large")
            with boundary("compare", "same data"):
                same_data.draw(made.trial, contest, engine, partial(try_out, made, registry))
    links.tell(made)
    with outcome:
        _outcome(rivals, names, contest, registry)


def _outcome(rivals: Sequence[Rival], names: Mapping[str, str], contest: Contest, registry: Registry) -> None:
    """What came of the contest: a line on how far it is, the race, the numbers."""
    _watch(rivals, registry)
    entries = [
        Entry(one.place, names[one.key], one.title, one.job.spent)
        for one in rivals
        if one.over and one.job.spent is not None
    ]
    st.space("medium")
    with boundary("compare", "race"):
        _race(entries, contest, len(rivals))
    with boundary("compare", "numbers"):
        _numbers(entries, len(rivals))


def _controls(
    made: Visit, contest: Contest, registry: Registry, names: dict[str, str], refused: dict[str, str]
) -> None:
    """What is compared, on what, for how much."""
    offered = contests.energies(registry)
    options = list(offered) if contest.energy in offered else [contest.energy, *offered]

    def title(text: str) -> str:
        if text not in offered:
            return f"{registry.families[contest.base.family].title}: your own settings"
        family, name, _ = offered[text]
        return f"{family.title}: {name}" if name else family.title

    def chosen() -> None:
        text = st.session_state["compare.energy"]
        if text in offered:
            late.whole()
            change(made, registry, contests.on(text, offered[text][2], registry, made.contest or contest))

    def picked() -> None:
        keys = st.session_state["compare.samplers"]
        st.session_state["compare: too many"] = len(keys) > contests.MOST
        if keys and len(keys) <= contests.MOST:
            ordered = tuple(k for k in names if k in keys)
            change(made, registry, replace(made.contest or contest, samplers=ordered))

    with st.container(border=True, key="compare controls"):
        left, right = st.columns([400, 780], gap="medium")
        with left:
            here = late.hold("compare.energy", contest.energy)
            st.selectbox(
                "Energy", options, options.index(here), format_func=title, key="compare.energy", on_change=late.guard("compare.energy", chosen),
                help="A preset whose states are in the plane, or in few enough cells to list. In links: `energy`.",
            )  # fmt: skip
        with right:
            those = late.hold("compare.samplers", list(contest.samplers))
            st.pills(
                "Samplers", list(names), selection_mode="multi", default=those, format_func=names.__getitem__, key="compare.samplers",
                on_change=late.guard("compare.samplers", picked), help=_help(refused, registry), wrap=True,
            )  # fmt: skip
            if st.session_state.pop("compare: too many", False):
                small(f"At most {contests.MOST} compete at once. Take one out first.")
        for column, one in zip(st.columns([3, 3, 2, 2], gap="medium"), knobs(Terms), strict=True):
            with column:
                controls.control(
                    one, getattr(contest, one.name), f"compare.{one.name}", _term(made, registry)
                )


def _term(made: Visit, registry: Registry) -> Callable[[str, Any], None]:
    def set_value(name: str, value: Any) -> None:
        if made.contest is not None:
            new: dict[str, Any] = {name: value}
            change(made, registry, replace(made.contest, **new))

    return set_value


def _help(refused: dict[str, str], registry: Registry) -> str:
    """Which samplers are not offered, and why."""
    lines = [
        f"{plain(registry.samplers[k].title)}: {plain(why)}."
        for k, why in refused.items()
        if k in registry.samplers
    ]
    return "Every sampler that fits this energy, third-party ones included." + (
        "\n\nNot offered:\n\n" + "\n\n".join(lines) if lines else ""
    )


def _started(engine: Engine, contest: Contest, registry: Registry) -> dict[str, Job]:
    """A job for each who competes; the seats of those who no longer do are left."""
    seat, running = f"{session()}/compare/", {}
    for place, (key, spec) in enumerate(contests.rivals(contest, registry)):
        try:
            running[key] = engine.spend(spec, contest.budget, f"{seat}{place}")
        except (ConfigError, PluginError) as error:  # settings that do not go together
            running[key] = Job(key, state=REFUSED, error=error)
    for place in range(len(running), contests.MOST):
        engine.leave(f"{seat}{place}")
    return running


def _wait(running: Sequence[Job]) -> None:
    end = time.monotonic() + QUICK
    for job in running:
        if not job.over:
            job.wait(end - time.monotonic())


def _watch(rivals: Sequence[Rival], registry: Registry) -> None:
    """One line: what is being made, or that all of it can be sent to somebody."""
    over = sum(one.over for one in rivals)
    if over == len(rivals):
        small("All of this is in the address: copy it and a reader sees these same numbers.")
        return

    def watch() -> None:
        if sum(one.job.over for one in rivals) != over:
            st.rerun()
        job = next((one.job for one in rivals if one.job.state == RUNNING), None)
        said = "Waiting for other runs to end"
        if job is not None and job.spec is not None:
            said = headline(job, plan(job.spec, registry))
        small(f":material/hourglass_top: {plain(said)}; {over} of {len(rivals)} are done.")

    fragment(watch, POLL)


def _panel(made: Visit, contest: Contest, engine: Engine, rival: Rival) -> None:
    """One who competes: its name and settings, its picture, its verdict."""
    registry, key, job = engine.registry, rival.key, rival.job
    name = compare_charts.brief([short(registry.samplers[k].title) for k in contest.samplers])[rival.place]
    st.markdown(f"### {plain(name)}")
    spec = contests.spec_of(contest, key, registry)
    _settings(made, contest, registry, key, dict(spec.sample))
    if rival.over and job.spent is None:
        _failed(engine, key, job)
        return
    spent = job.spent if rival.over else None
    verdict = spent.run.verdict if spent is not None else None
    said = f"{verdict.head} {verdict.text}" if verdict is not None else "being made"
    panel(
        job.stage if spent is not None else None,
        rival.place,
        key=f"compare.{rival.place}.picture",
        alt=f"{name}: {said}",
    )
    if spent is None or verdict is None:
        st.skeleton(150)
        return
    st.markdown(f"{ICONS.get(verdict.status, ICONS['info'])} **{plain_head(verdict.head)}**")
    small(verdict.text)
    if embed.is_embedded():
        return
    run = spent.run.spec
    query = dict(parse_qsl(urlsplit(link.write(run, registry)).query, keep_blank_values=True))
    st.page_link(
        page_of(registry.families[run.family]), label="Watch this run", icon=":material/play_circle:", query_params=query,
        help=f"{plain(rival.title)} on its own page, with these settings, seed and steps.",
    )  # fmt: skip


def _settings(made: Visit, contest: Contest, registry: Registry, key: str, values: dict[str, Any]) -> None:
    """The settings in force in small print, and all of them behind a button."""
    own = contests.settings_of(key, registry)
    if not own:
        small("No settings")
        return

    def set_value(name: str, value: Any) -> None:
        now = made.contest or contest  # two settings may be moved before the page is drawn again
        settings = {**now.settings, key: {**now.settings.get(key, {}), name: value}}
        change(made, registry, replace(now, settings=settings))

    named = [k for k in own if not k.more and k.kind in ("int", "float") and values.get(k.name, k.default)][
        :SHOWN
    ]
    shown = ", ".join(f"{k.title} {controls.number(values.get(k.name, k.default))}" for k in named)
    if embed.is_embedded():
        small(plain(shown or "Its own settings"))
        return
    with st.popover(
        shown or "Settings", icon=":material/tune:", type="tertiary", key=f"compare.{key}.settings"
    ):
        controls.config(own, values, f"compare.{key}", set_value)


def _failed(engine: Engine, key: str, job: Job) -> None:
    """Why one who competes has no picture. The others still have theirs."""
    if isinstance(job.error, ConfigError):
        notice("bad", "Not run.", f"{code(job.error.field)}: {plain(boundaries.sentence(job.error))}")
    elif job.state == SILENT:
        boundaries.stopped(key, job.phase or "sample", f"{job.error} It was ended.", job.trace)
    elif job.error is not None:
        boundaries.show(job.error, key, job.phase or "sample", job.trace)
    if embed.is_embedded():
        return
    st.button(
        "Try again",
        icon=":material/refresh:",
        key=f"compare.{key}.again",
        on_click=engine.forget,
        args=(job,),
    )


def _race(entries: Sequence[Entry], contest: Contest, rivals: int) -> None:
    st.markdown("## Who gets there first?")
    if entries and len(entries) == rivals and all(e.spent.distance is None for e in entries):
        truth = entries[0].spent.run.truth
        notice("info", "There is no exact answer here.", truth.reason if truth is not None else "")
        return
    if not entries:
        st.skeleton(352)
        return
    fig, alt = compare_charts.race(entries, contest.budget)
    figure(fig, key="compare.race", height=320, alt=alt)
    small(
        f"Total variation against work done. Nothing can stay below the band. {compare_charts.arrivals(entries, plain)}"
    )


def _numbers(entries: Sequence[Entry], rivals: int) -> None:
    st.markdown("## The numbers")
    if not entries:
        st.skeleton(48 + 62 * rivals)
        return
    rows = []
    for entry in entries:
        verdict = entry.spent.run.verdict
        assert verdict is not None
        rows.append(compare_charts.row(entry, verdict.status, verdict.head))
    table(compare_charts.COLUMNS, rows, key="compare.numbers", label="What each sampler made of the budget")
    run = entries[0].spent.run
    small(
        f"{spelled(rivals, 'sampler')}, {count(len(run.sampling.last))} chains each, from the same start with seed "
        f"{run.spec.seed}. Every state whose energy or slope is asked for counts one, warm-up and refusals included."
    )
