"""A job: one run, study, figure or check as a page sees it, and what its engine writes into it."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ebm_plugins import budget, runs
from ebm_plugins.records import Run
from ebm_plugins.specs import RunSpec

if TYPE_CHECKING:
    from ebm_plugins.testing import Result

QUEUED, RUNNING, DONE, STOPPED = "queued", "running", "done", "stopped"
FAILED, REFUSED, SILENT, LEFT = "failed", "refused", "silent", "left"
ENDED = (DONE, STOPPED, FAILED, REFUSED, SILENT, LEFT)


@dataclass(eq=False)
class Job:
    """One run, or one study, as a page sees it. Only the engine writes to it.

    ``state`` is queued, running, done, stopped, failed, refused, silent (said nothing for too long and was given
    up) or left (nobody waits for it any more). ``phase``, ``step`` of ``total``, ``metrics`` so far, ``seconds``
    and ``left`` (or None) are its progress; ``run`` with its ``stage`` (which comes before the verdict), or ``figures``, or what a budget
    was ``spent`` on with its picture in ``stage``, or the ``results`` of conformance checks, what it made; ``spec`` what it is the run of, which differs from
    what was ``asked`` once it has been stopped.
    """

    key: str
    spec: RunSpec | None = None
    asked: RunSpec | None = None
    state: str = QUEUED
    phase: str = ""
    step: int = 0
    total: int | None = None
    metrics: dict[str, list[float]] = field(default_factory=dict)
    began: float = 0.0
    phase_began: float = 0.0
    ended: float = 0.0
    left: float | None = None
    run: Run | None = None
    stage: dict[str, Any] | None = None
    figures: list[Any] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    spent: budget.Spent | None = None
    error: BaseException | None = None
    trace: str = ""
    seats: set[str] = field(default_factory=set)
    staged: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    stop_in: str = ""
    heard: float = 0.0
    thread: threading.Thread | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.state in ENDED

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return ((self.ended or time.monotonic()) - self.began) if self.began else 0.0

    def wait(self, seconds: float) -> bool:
        """Wait for the end, but no longer than this; True when it is over."""
        return self.done.wait(max(0.0, seconds))

    def wait_for_stage(self, seconds: float) -> bool:
        """Wait for the stage or the end, but no longer than this; True when there is a stage."""
        self.staged.wait(max(0.0, seconds))
        return self.stage is not None


class Left(Exception):
    """Nobody waits for this run any more."""


def note(job: Job, event: runs.Progress) -> None:
    """Write a snapshot's progress down."""
    now = time.monotonic()
    if event.phase != job.phase:
        job.phase, job.metrics, job.phase_began = event.phase, {}, now
    job.step, job.total = event.step, event.total
    spent = now - job.phase_began
    job.left = spent / event.step * (event.total - event.step) if event.total and event.step > 1 else None
    for name, value in event.metrics.items():
        job.metrics.setdefault(name, []).append(float(value))


def closing(events: Iterator[Any]) -> Iterator[Any]:
    """The events; the generator is closed whatever happens, so that its ``finally`` blocks run."""
    try:
        yield from events
    finally:
        getattr(events, "close", lambda: None)()


def stack_of(thread: threading.Thread | None) -> str:
    """Where a thread is now, as a traceback."""
    frame = sys._current_frames().get(thread.ident or 0) if thread else None
    return "".join(traceback.format_stack(frame)) if frame else ""


def size(job: Job) -> int:
    """Bytes of what a finished run holds."""
    if job.run is None:
        return 0
    sampling = job.run.sampling
    arrays = [sampling.frames, sampling.last, sampling.traces, sampling.energies]
    arrays += [a for frame in job.run.training.frames for a in frame.values()]
    return sum(int(a.nbytes) for a in arrays)
