"""What the dispatcher asks and tells of one engine's jobs at workers: which is next, what was said, how it ended."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from dashboard import logs, waiting
from dashboard.dispatch import Attempt
from dashboard.job import (
    DONE,
    FAILED,
    QUEUED,
    REFUSED,
    RUNNING,
    SILENT,
    STOPPED,
    Job,
    WorkerError,
    error_of,
    note,
)
from ebm_plugins import plans
from ebm_plugins.records import ConfigError
from ebm_plugins.testing import Result

if TYPE_CHECKING:
    from dashboard.jobs import Engine

# Comparing with the truth is one long step of ours, a check many steps of the plugin's; a busy machine makes them longer.
PATIENCE = {"truth": 3, "check": 9}
FIRST = 90.0  # seconds that a worker may take to load the plugins: it may be a new one, on a busy machine
ATTEMPTS = 3  # of one job, where engines are lost under it


class Hearing:
    """The engine's side of its dispatcher (:class:`dashboard.dispatch.Owner`), called in the dispatcher's thread."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def is_ours(self, ticket: str) -> bool:
        """Whether a ticket is one of this engine's."""
        return ticket.startswith(f"{self.engine.name}:")

    def next_attempt(self, running: list[Job], most: int) -> Attempt | None:
        """The job to hand over next, if one may begin now."""
        with self.engine.lock:
            learning = {job.request["training"] for job in running if job.request.get("training")}
            own = max(self.engine.settings.runs_per_visitor, 1)
            job = waiting.next_job(self.engine.waiting, running, min(own, most), learning)
            if job is None:
                return None
            self.engine.waiting.remove(job)
            job.attempt += 1
            job.place, job.heard = 0, time.monotonic()  # it is next, until a worker has taken it
            attempt = Attempt(job, f"{self.engine.name}:{job.key[:16]}:{job.attempt}:{uuid4().hex[:6]}")
            job.at = attempt
            self.engine.counts["computed"] += 1
            logs.event(
                "run begun", kind=str(job.request["kind"]), family=job.spec.family if job.spec else None
            )
            self.engine.set_places()
            return attempt

    def heard(self, attempt: Attempt, event: dict[str, Any]) -> None:
        """A worker said something of a job."""
        job, what = attempt.job, event["what"]
        if job.over:
            return
        job.heard = time.monotonic()
        if what == "taken":
            job.state, job.place = RUNNING, None
            job.began = job.began or job.heard
            if job.stop_in:  # it was asked to stop under an engine that was lost
                self.engine.dispatcher.ask(attempt, job.stop_in)
        elif what == "progress":
            note(job, event["phase"], event["step"], event["total"], event["metrics"])
        elif what == "stage":
            self.engine.shelf.fetch(job, {"stage": event["stage"]}, lambda *_: job.staged.set())
        elif what == "figure":
            self.engine.shelf.fetch(job, {"figure": event["figure"]}, lambda *_: None)
            job.step += 1
        elif what == "result":
            job.results = [*job.results, Result(**event["result"])]
            job.step, job.total = job.step + 1, event["total"]

    def received(self, attempt: Attempt, receipt: dict[str, Any]) -> None:
        """A worker has done what it was asked, or says why not."""
        job = attempt.job
        if job.over or receipt.get("left"):
            self.engine.dispatcher.wake()
        elif "error" in receipt:
            error = error_of(receipt["error"])
            job.trace = str(receipt.get("trace", ""))
            self.engine.end(job, REFUSED if isinstance(error, ConfigError) else FAILED, error)
        else:
            job.heard = time.monotonic()
            if receipt.get("stopped"):
                job.stop_in = job.stop_in or "study"
            if job.request["kind"] == "check":
                job.results = [Result(**one) for one in receipt["results"]]
            self.engine.shelf.fetch(job, receipt, self.fetched)

    def died(self, attempt: Attempt, why: str) -> None:
        """The worker of a job is gone, and the job with it."""
        if not attempt.job.over:
            self.engine.end(attempt.job, FAILED, WorkerError(why))

    def lost(self, attempt: Attempt) -> None:
        """A job's engine is gone through no fault of the job's: it waits for the next one."""
        job = attempt.job
        with self.engine.lock:
            job.at = None
            if job.over:
                return
            if job.attempt >= ATTEMPTS:
                self.engine.end(job, FAILED, WorkerError("The engine was lost under it more than once."))
                return
            job.state, job.phase, job.step, job.metrics, job.left = QUEUED, "", 0, {}, None
            job.figures, job.results = [], []
            self.engine.wait(job)

    def ticked(self, attempts: list[Attempt]) -> None:
        """End what has been silent for too long."""
        now = time.monotonic()
        for attempt in attempts:
            job = attempt.job
            if not attempt.worker or job.over:
                continue  # it may wait behind another server's runs
            patience = self.engine.silence * PATIENCE.get(job.phase, 1) if attempt.begun else FIRST
            if now - job.heard <= patience:
                continue
            job.heard = asked = now + 10.0  # it is being asked where it is
            threading.Thread(target=self._silenced, args=(attempt, patience, asked), daemon=True).start()

    def _silenced(self, attempt: Attempt, patience: float, asked: float) -> None:
        job = attempt.job
        trace = self.engine.dispatcher.stack(attempt)
        with self.engine.lock:
            if job.over or job.at is not attempt or job.heard != asked:
                return  # it has said something meanwhile
            job.trace = trace
            self.engine.end(job, SILENT, TimeoutError(f"It has said nothing for {patience:.0f} seconds."))
        self.engine.dispatcher.kill(attempt)

    def fetched(self, job: Job, whole: bool) -> None:
        """In a thread of the shelf's: what a receipt names is here, or cannot be read."""
        run = job.run
        stopped = run is not None and job.spent is None and run.spec != job.spec
        key = (
            plans.plan(run.spec, self.engine.registry).spec_digest if run is not None and stopped else job.key
        )
        with self.engine.lock:
            if job.over:
                return
            if not whole:
                self.engine.end(job, FAILED, WorkerError("Its result cannot be read from the store."))
            elif run is not None and stopped:  # this is the run of another spec
                if self.engine.jobs.get(job.key) is job:
                    del self.engine.jobs[job.key]
                job.spec, job.key = run.spec, key
                self.engine.jobs[key] = job
                self.engine.end(job, STOPPED)
            else:
                self.engine.end(job, STOPPED if job.request["kind"] == "study" and job.stop_in else DONE)
