"""The conformance of what is installed: a badge for each family and sampler, made by the kit on request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import boundary
from dashboard.fragments import fragment
from dashboard.job import QUEUED, Job
from dashboard.jobs import Engine
from dashboard.lab import session
from dashboard.notices import code, plain, plural, small
from ebm_plugins.records import Family, Sampler

if TYPE_CHECKING:
    from ebm_plugins.testing import Result

POLL = 0.7
COLOURS = {"pass": "green", "fail": "red", "expected failure": "yellow", "skip": "gray"}
WORDS = {"pass": "holds", "fail": "fails", "expected failure": "fails, as stated", "skip": "does not apply"}


def conformance(engine: Engine) -> None:
    """Every family and sampler with its badge, a button that checks it, and what each check found."""
    records: list[Family | Sampler] = [*engine.registry.families.values(), *engine.registry.samplers.values()]
    st.markdown("## Conformance")
    st.markdown(
        "Does a record keep its word? The kit runs its energy, gradient, training and sampler, and compares what is "
        "sampled with the exact answer. It is what `python -m ebm_plugins check KEY` runs."
    )
    going = _busy(engine, records)

    def rows() -> None:
        st.button(
            "Check all",
            icon=":material/checklist:",
            key="check all",
            on_click=_check,
            args=(engine, records),
            help="One after the other: about a minute for what is built in.",
        )
        kinds = ((Family, "Families"), (Sampler, "Samplers"))
        for column, (kind, title) in zip(st.columns(2, gap="large"), kinds, strict=True):
            with column, st.container(gap="xxsmall"):
                st.markdown(f"### {title}")
                for record in records:
                    if isinstance(record, kind):
                        with boundary.boundary(record.key, "check"):
                            _row(engine, record)
        if _busy(engine, records) != going:
            st.rerun()

    fragment(rows, POLL if going else None)


def _busy(engine: Engine, records: Iterable[Family | Sampler]) -> bool:
    return any(job is not None and not job.over for job in (engine.checked(r.key) for r in records))


def _check(engine: Engine, records: Sequence[Family | Sampler]) -> None:
    for record in records:
        job = engine.checked(record.key)
        if job is not None and job.over and job.error is not None:
            engine.forget(job)
        engine.check(record.key, f"{session()}/plugins/{record.key}")


def _row(engine: Engine, record: Family | Sampler) -> None:
    """Title, badge, and the way to more: the button, or what was found."""
    job = engine.checked(record.key)
    with st.container(
        horizontal=True, gap="small", vertical_alignment="center", key=f"conformance {record.key}"
    ):
        st.markdown(plain(record.title), width="stretch")
        # These two stay together: on a phone they go under a long title as one.
        with st.container(horizontal=True, gap="small", vertical_alignment="center", width="content"):
            text, colour, icon = badge(job)
            st.badge(text, color=colour, icon=icon)  # type: ignore[arg-type]
            if job is None or (job.over and job.error is not None):
                st.button(
                    "Check",
                    icon=":material/play_arrow:",
                    key=f"check {record.key}",
                    type="tertiary",
                    on_click=_check,
                    args=(engine, [record]),
                    help=f"Run every check on {plain(record.title)}.",
                )
            elif job.over:
                small(counted(job.results))
    if job is not None and job.error is not None:
        boundary.show(job.error, record.key, "check", job.trace)
    if job is not None and job.over and job.results:
        with st.expander("What each check found", key=f"found {record.key}"):
            st.markdown(table(job.results))


def badge(job: Job | None) -> tuple[str, str, str]:
    """(words, colour, icon) of a record whose checks are this job."""
    if job is None:
        return "Not checked", "gray", ":material/help:"
    if not job.over:
        if job.state == QUEUED:
            return "Waits for other runs", "gray", ":material/schedule:"
        return f"Checking, {job.step} of {job.total or '…'}", "gray", ":material/hourglass:"
    failed = [r.check for r in job.results if r.outcome == "fail"]
    if job.error is not None:
        return "Could not be checked", "red", ":material/error:"
    if failed:
        return f"Fails {', '.join(failed[:2])}{' and more' if failed[2:] else ''}", "red", ":material/error:"
    if _unchecked(job.results):
        return "Not checked: it has no example", "gray", ":material/help:"
    return "Conforms", "green", ":material/check_circle:"


def _unchecked(results: Iterable[Result]) -> str:
    """Why the kit could not run the record at all; empty when it could."""
    from ebm_plugins.testing import summary

    return summary(results).unchecked


def counted(results: Iterable[Result]) -> str:
    """'37 checks hold, 8 do not apply; 1.5 s.'"""
    from ebm_plugins.testing import summary

    total = summary(results)
    parts = [f"{plural(total.passed, 'check holds', 'checks hold')}"]
    if total.failed:
        parts.append(plural(total.failed, "fails", "fail"))
    if total.expected:
        parts.append(f"{plural(total.expected, 'fails', 'fail')} as stated")
    if total.skipped:
        parts.append(plural(total.skipped, "does not apply", "do not apply"))
    return f"{', '.join(parts)}; {total.seconds:.1f} s."


def table(results: Iterable[Result]) -> str:
    """The results as a Markdown table, what failed first."""
    order = list(COLOURS)
    lines = ["| Check | Result | Figure | |", "| --- | --- | --- | --- |"]
    for one in sorted(results, key=lambda r: (r.outcome != "fail", order.index(r.outcome) == 3)):
        result = f":{COLOURS[one.outcome]}[{WORDS[one.outcome]}]"
        lines.append(f"| {code(one.check)} | {result} | {_cell(one.figure)} | {_cell(one.message)} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return plain(text, 400) if text else ""
