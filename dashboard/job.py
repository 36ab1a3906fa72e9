"""A job: one run, study, figure or check as a page sees it, and what its engine writes into it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ebm_plugins import budget
from ebm_plugins.records import ConfigError, PluginError, Run
from ebm_plugins.runs import LimitError
from ebm_plugins.specs import RunSpec

if TYPE_CHECKING:
    from ebm_plugins.testing import Result

QUEUED, RUNNING, DONE, STOPPED = "queued", "running", "done", "stopped"
FAILED, REFUSED, SILENT, LEFT = "failed", "refused", "silent", "left"
ITSELF = 10_000  # bytes of a job that holds nothing
ENDED = (DONE, STOPPED, FAILED, REFUSED, SILENT, LEFT)


@dataclass(eq=False)
class Job:
    """One run, or one study, as a page sees it. Only the engine writes to it.

    ``state`` is queued, running, done, stopped, failed, refused, silent (said nothing for too long and was ended) or
    left (nobody waits for it any more). While it is queued, ``place`` is how many will begin before it; None while that
    is not known. ``phase``, ``step`` of ``total``, ``metrics`` so far, ``seconds``
    and ``left`` (or None) are its progress; ``run`` with its ``stage`` (which comes before the verdict), or ``figures``, or what a budget
    was ``spent`` on with its picture in ``stage``, or the ``results`` of conformance checks, what it made; ``spec`` what it is the run of, which differs from
    what was ``asked`` once it has been stopped. ``found`` is whether it was stored already. ``request`` is what a worker is
    asked to do, ``visitor`` who asked first, ``number`` when (jobs are numbered as they come), ``attempt`` how often it was given to a worker, ``at``
    where it is computed now, ``weight`` how many bytes were read for it.
    """

    key: str
    spec: RunSpec | None = None
    asked: RunSpec | None = None
    state: str = QUEUED
    place: int | None = None
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
    found: bool = False
    error: BaseException | None = None
    trace: str = ""
    seats: set[str] = field(default_factory=set)
    staged: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    stop_in: str = ""
    heard: float = 0.0
    request: dict[str, Any] = field(default_factory=dict)
    visitor: str = ""
    number: int = 0
    attempt: int = 0
    at: Any = None
    weight: int = 0

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


class WorkerError(RuntimeError):
    """The worker process that computed a run has ended, or the engine that it belonged to."""


class BusyError(LimitError):
    """Too many runs wait already, of this visitor or of all."""


def note(job: Job, phase: str, step: int, total: int | None, metrics: Mapping[str, Sequence[float]]) -> None:
    """Write a snapshot's progress down, with the metrics of the snapshots since the last note."""
    now = time.monotonic()
    if phase != job.phase:
        job.phase, job.metrics, job.phase_began = phase, {}, now
    job.step, job.total = step, total
    spent = now - job.phase_began
    job.left = spent / step * (total - step) if total and step > 1 else None
    for name, values in metrics.items():
        job.metrics.setdefault(name, []).extend(values)


def error_of(said: Mapping[str, Any]) -> BaseException:
    """The exception that a receipt describes (see :func:`dashboard.work.described`)."""
    kind = said.get("kind")
    if kind in ("config", "limit"):
        return (LimitError if kind == "limit" else ConfigError)(said["field"], said["expected"], said["got"])
    if kind == "plugin":
        return PluginError(said["plugin"], said["part"], said["message"])
    if kind == "memory":
        text = f"It asked for more memory than the {said['limit']:,.0f} MB that a run may take here."
        return PluginError(said["plugin"], said["part"], text) if said["plugin"] else WorkerError(text)
    if kind == "mismatch":
        return WorkerError(f"The worker is not the server's. {said['message']}")
    return RuntimeError(f"{said.get('type')}: {said.get('message')}")


def size(job: Job) -> int:
    """About how many bytes a job holds: what was read for it, its metrics, and itself."""
    return job.weight + 8 * sum(map(len, job.metrics.values())) + len(job.trace) + ITSELF
