"""Runs behind one small interface: submit, watch, stop, continue. No page knows where a run is computed.

Every run is computed by a worker process of a Dask cluster (:mod:`dashboard.cluster`). What crosses over is plain data:
a request as JSON, events of progress, a receipt; what was made comes by way of the store. A run is computed once for
all who ask for the same spec digest, and one that is stored already is not computed at all. The waiting list is kept
here, since Dask's is neither first come first served nor fair (:mod:`dashboard.waiting`).
"""

from __future__ import annotations

import os
import threading
import time
from bisect import insort
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from itertools import count
from typing import Any
from uuid import uuid4

import streamlit as st

from dashboard import asking, logs, metrics, shelf, waiting, work
from dashboard.cluster import Cluster
from dashboard.dispatch import Attempt, Dispatcher
from dashboard.job import (
    DONE,
    FAILED,
    LEFT,
    QUEUED,
    REFUSED,
    RUNNING,
    SILENT,
    STOPPED,
    Job,
    WorkerError,
    error_of,
    note,
    size,
)
from dashboard.limits import Settings
from dashboard.limits import settings as in_force
from ebm_plugins import blas, plans, runs
from ebm_plugins import registry as registries
from ebm_plugins.records import ConfigError
from ebm_plugins.registry import Registry
from ebm_plugins.specs import RunSpec
from ebm_plugins.testing import Result

# Comparing with the truth is one long step of ours, a check many steps of the plugin's; a busy machine makes them longer.
PATIENCE = {"truth": 3, "check": 9}
FIRST = 90.0  # seconds that a worker may take to load the plugins: it may be a new one, on a busy machine
KEPT_JOBS = 500  # that nobody waits for; those that made nothing take no room, and would add up
ATTEMPTS = 3  # of one job, where engines are lost under it


class Engine:
    """The runs of this server: handed to workers as they come free, kept up to ``room`` bytes when finished; one that
    is silent for ``silence`` seconds is ended and reported with its stack. ``slots`` is how many run at most (None: as
    many as there are workers)."""

    def __init__(
        self,
        registry: Registry,
        *,
        slots: int | None = None,
        room: float | None = None,
        silence: float | None = None,
        limits: runs.Limits | None = None,
        settings: Settings | None = None,
        address: str | None = None,
    ) -> None:
        self.registry = registry
        self.settings = settings or in_force()
        self.room = self.settings.kept_mb * 1e6 if room is None else room
        self.silence = self.settings.run_silence if silence is None else silence
        self.limits = limits or self.settings.run
        self.counts: Counter[str] = Counter()  # of outcomes: computed, loaded, shared, failed …
        self.spent = 0.0  # seconds of workers
        self.name = uuid4().hex[:8]
        self.dispatcher = Dispatcher(Cluster(self.settings, address), self, slots)
        self._lock = threading.RLock()
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._waiting: list[Job] = []  # in the order in which they came
        self._numbers = count()
        self._seats: dict[str, Job] = {}
        self._shelf = shelf.Shelf(registry)
        work.registries_here[self.name] = registry

    @property
    def computed(self) -> int:
        """How many jobs were really handed to a worker: tests and the log."""
        return self.counts["computed"]

    # The interface ---------------------------------------------------------------------------------------------

    def submit(self, spec: RunSpec, seat: str = "") -> Job:
        """The job of this spec: a new one, or the one that somebody started already.

        ``seat`` is who waits for it (``VISITOR/PAGE``): what the seat waited for before is left, and a run
        that nobody waits for ends. Raises ConfigError for a spec that does not resolve.
        """
        plan = plans.plan(spec, self.registry)

        def make() -> Job:
            job = asking.run(plan, self.registry)
            try:  # here, so that what cannot fit never waits
                runs.check_limits(plan, self.limits)
            except runs.LimitError as error:
                job.error = error
            return job

        return self._asked(plan.spec_digest, seat, make)

    def spend(self, spec: RunSpec, evaluations: int, seat: str = "") -> Job:
        """The job that gives a spec's sampler so many evaluations, in place of a number of steps."""
        plan = plans.plan(spec, self.registry)
        key = asking.key_of("evaluations", plan.spec_digest, evaluations)
        return self._asked(key, seat, lambda: asking.spend(plan, self.registry, key, evaluations))

    def study(self, family: str, title: str, values: Mapping[str, Any], seed: int, seat: str = "") -> Job:
        """The job of a family's study: its figures arrive in ``figures`` one by one."""
        what = {"family": family, "title": title, "values": dict(values), "seed": seed}
        key = asking.key_of("study", what)
        return self._asked(key, seat, lambda: Job(key, phase="study", request={"kind": "study", **what}))

    def figure(self, of: Job, title: str, seat: str = "") -> Job:
        """The job of one of the family's own figures of a finished run; it is then the one of ``figures``."""
        assert of.run is not None
        plan = plans.plan(of.run.spec, self.registry)
        key = asking.key_of("figure", plan.spec_digest, title)
        return self._asked(key, seat, lambda: asking.figure(plan, self.registry, key, title))

    def check(self, key: str, seat: str = "") -> Job:
        """The job of the conformance checks of a family or sampler: its ``results`` arrive one by one."""
        name = f"{key}\nconformance"
        return self._asked(name, seat, lambda: Job(name, request={"kind": "check", "record": key}))

    def checked(self, key: str) -> Job | None:
        """The job of a record's conformance checks, if somebody asked for it."""
        return self._jobs.get(f"{key}\nconformance")

    def find(self, key: str) -> Job | None:
        """The job of a key (of a run: its spec digest), if it is known here."""
        return self._jobs.get(key)

    def stored(self, key: str) -> bytes | None:
        """The stored run of a spec digest, as ``.npz``; None where there is none that this code made."""
        return self._shelf.run_bytes(key)

    def stop(self, job: Job, seat: str = "") -> Job:
        """End the phase that a run is in, with what it has; its spec then says where that was.

        Where others wait for the same run it goes on for them, and this seat gets a run that stops at this step.
        """
        with self._lock:
            if job.spec is None or job.over or not job.seats - {seat}:
                job.stop_in = job.phase
                if job.at is not None and not job.over:
                    self.dispatcher.ask(job.at, job.phase)
                return job
            name = {"train": "train_stop", "sample": "sample_stop"}.get(job.phase)
            if name is None:
                return job
            stops: dict[str, Any] = {name: max(1, job.step)}
            return self.submit(replace(job.spec, **stops), seat)

    def forget(self, job: Job) -> None:
        """Let the same spec be computed again, as after a failure."""
        with self._lock:
            if job.over and self._jobs.get(job.key) is job:
                del self._jobs[job.key]

    def leave(self, prefix: str) -> None:
        """Every seat that begins so is left: a closed tab."""
        with self._lock:
            for seat in [s for s in self._seats if s.startswith(prefix)]:
                self._stand(seat)

    def turn_to(self, seat: str) -> None:
        """The visitor of this seat is at its page now: what he had at other pages and has ended is no longer held for
        him there (on coming back it is asked for again, and is kept or stored)."""
        visitor, page = seat.split("/")[:2]
        with self._lock:
            for other, job in list(self._seats.items()):
                if job.over and other.startswith(f"{visitor}/") and other.split("/")[1] != page:
                    self._stand(other)

    def status(self) -> dict[str, float | str]:
        """What is going on, for health and metrics: it asks nobody, and starts nothing."""
        with self._lock:
            states = Counter(job.state for job in self._jobs.values())
            return {
                "engine": self.dispatcher.state,
                "workers": float(
                    self.settings.workers if self.dispatcher.cluster.embedded else self.dispatcher.slots
                ),
                "running": float(len(self.dispatcher.running)),
                "queued": float(len(self._waiting)),
                "held": float(sum(states.values())),
                "killed": float(self.dispatcher.killed),
                "seconds": self.spent,
                **{name: float(self.counts[name]) for name in OUTCOMES},
            }

    def close(self) -> None:
        """Let go of the cluster."""
        self.dispatcher.close()
        work.registries_here.pop(self.name, None)

    # Asking ---------------------------------------------------------------------------------------------------

    def _asked(self, key: str, seat: str, make: Callable[[], Job]) -> Job:
        visitor = seat.partition("/")[0]
        with self._lock:
            job = self._jobs.get(key)
            if job is not None and self._is_spent(job, seat):
                job = None
            if job is None:
                job = make()
                job.visitor, job.number = visitor, next(self._numbers)
                job.request |= {"registry": self.name, "limits": asdict(self.limits)}
                self._jobs[key] = job
                if job.error is None:
                    self._shelf.look_up(job, self._looked_up)
                else:
                    self._end(job, REFUSED, job.error)
            elif seat not in job.seats:
                self.counts["shared"] += 1
                if job.visitor in waiting.BEHIND:
                    job.visitor = visitor  # what we began for everybody is now waited for by somebody
                    self._set_places()
            self._sit(seat, job)
            self._jobs.move_to_end(key)
            return job

    def _is_spent(self, job: Job, seat: str) -> bool:
        """Whether whoever asks for this job's key is given a new one: nobody waited to its end, somebody has it stop
        before its end, or it failed, and that was not said to this very seat."""
        if job.state == LEFT or waiting.was_turned_away(job):
            return True
        return seat not in job.seats and (job.state in (FAILED, SILENT) or bool(job.stop_in))

    def _looked_up(self, job: Job, found: bool) -> None:
        """In a thread of the shelf's: whether the job's result is stored, and was read."""
        with self._lock:
            if job.over:
                return
            if found:
                job.found = True
                self.counts["loaded"] += 1
                self._end(job, DONE)
            elif (refusal := waiting.too_many(job, self._waiting, self.settings)) is not None:
                self._end(job, REFUSED, refusal)
            else:
                insort(self._waiting, job, key=lambda waits: waits.number)
                self._set_places()
        self.dispatcher.wake()

    def _sit(self, seat: str, job: Job) -> None:
        if self._seats.get(seat) is not job:
            self._stand(seat)
            self._seats[seat] = job
        job.seats.add(seat)

    def _stand(self, seat: str) -> None:
        job = self._seats.pop(seat, None)
        if job is None:
            return
        job.seats.discard(seat)
        if not job.seats and not job.over:
            attempt = job.at
            self._end(job, LEFT)
            if attempt is not None:
                self.dispatcher.ask(attempt, work.LEAVE)

    def _end(self, job: Job, state: str, error: BaseException | None = None) -> None:
        with self._lock:
            job.state, job.error, job.ended, job.place = state, error, time.monotonic(), None
            self.counts[state] += 1
            self.spent += 0.0 if job.found else job.seconds
            about = {"kind": str(job.request.get("kind")), "family": job.spec.family if job.spec else None}
            logs.event("run ended", state=state, seconds=job.seconds, stored=job.found, **about)
            job.at = None
            if job in self._waiting:
                self._waiting.remove(job)
            self._set_places()
            job.staged.set()
            job.done.set()
            self._make_room()
        self.dispatcher.wake()

    def _set_places(self) -> None:
        running = [attempt.job for attempt in list(self.dispatcher.running.values())]
        for place, job in enumerate(waiting.in_turn(self._waiting, running)):
            job.place = place
        self.dispatcher.wants = bool(self._waiting)

    def _make_room(self) -> None:
        used = 0
        for place, key in enumerate(reversed(list(self._jobs))):
            job = self._jobs[key]
            used += size(job)
            if job.over and not job.seats and (used > self.room or place >= KEPT_JOBS):
                del self._jobs[key]

    # What the dispatcher calls, in its thread -----------------------------------------------------------------

    def is_ours(self, ticket: str) -> bool:
        """Whether a ticket is one of this engine's."""
        return ticket.startswith(f"{self.name}:")

    def next_attempt(self, running: list[Job], most: int) -> Attempt | None:
        """The job to hand over next, if one may begin now."""
        with self._lock:
            learning = {job.request["training"] for job in running if job.request.get("training")}
            own = max(self.settings.runs_per_visitor, 1)
            job = waiting.next_job(self._waiting, running, min(own, most), learning)
            if job is None:
                return None
            self._waiting.remove(job)
            job.attempt += 1
            job.place, job.heard = 0, time.monotonic()  # it is next, until a worker has taken it
            attempt = Attempt(job, f"{self.name}:{job.key[:16]}:{job.attempt}:{uuid4().hex[:6]}")
            job.at = attempt
            self.counts["computed"] += 1
            logs.event(
                "run begun", kind=str(job.request["kind"]), family=job.spec.family if job.spec else None
            )
            self._set_places()
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
                self.dispatcher.ask(attempt, job.stop_in)
        elif what == "progress":
            note(job, event["phase"], event["step"], event["total"], event["metrics"])
        elif what == "stage":
            self._shelf.fetch(job, {"stage": event["stage"]}, lambda *_: job.staged.set())
        elif what == "figure":
            self._shelf.fetch(job, {"figure": event["figure"]}, lambda *_: None)
            job.step += 1
        elif what == "result":
            job.results = [*job.results, Result(**event["result"])]
            job.step, job.total = job.step + 1, event["total"]

    def received(self, attempt: Attempt, receipt: dict[str, Any]) -> None:
        """A worker has done what it was asked, or says why not."""
        job = attempt.job
        if job.over or receipt.get("left"):
            self.dispatcher.wake()
        elif "error" in receipt:
            error = error_of(receipt["error"])
            job.trace = str(receipt.get("trace", ""))
            self._end(job, REFUSED if isinstance(error, ConfigError) else FAILED, error)
        else:
            job.heard = time.monotonic()
            if receipt.get("stopped"):
                job.stop_in = job.stop_in or "study"
            if job.request["kind"] == "check":
                job.results = [Result(**one) for one in receipt["results"]]
            self._shelf.fetch(job, receipt, self._fetched)

    def died(self, attempt: Attempt, why: str) -> None:
        """The worker of a job is gone, and the job with it."""
        if not attempt.job.over:
            self._end(attempt.job, FAILED, WorkerError(why))

    def lost(self, attempt: Attempt) -> None:
        """A job's engine is gone through no fault of the job's: it waits for the next one."""
        job = attempt.job
        with self._lock:
            job.at = None
            if job.over:
                return
            if job.attempt >= ATTEMPTS:
                self._end(job, FAILED, WorkerError("The engine was lost under it more than once."))
                return
            job.state, job.phase, job.step, job.metrics, job.left = QUEUED, "", 0, {}, None
            job.figures, job.results = [], []
            insort(self._waiting, job, key=lambda waits: waits.number)
            self._set_places()

    def ticked(self, attempts: list[Attempt]) -> None:
        """End what has been silent for too long."""
        now = time.monotonic()
        for attempt in attempts:
            job = attempt.job
            if not attempt.worker or job.over:
                continue  # it may wait behind another server's runs
            patience = self.silence * PATIENCE.get(job.phase, 1) if attempt.begun else FIRST
            if now - job.heard <= patience:
                continue
            job.heard = asked = now + 10.0  # it is being asked where it is
            threading.Thread(target=self._silenced, args=(attempt, patience, asked), daemon=True).start()

    def _silenced(self, attempt: Attempt, patience: float, asked: float) -> None:
        job = attempt.job
        trace = self.dispatcher.stack(attempt)
        with self._lock:
            if job.over or job.at is not attempt or job.heard != asked:
                return  # it has said something meanwhile
            job.trace = trace
            self._end(job, SILENT, TimeoutError(f"It has said nothing for {patience:.0f} seconds."))
        self.dispatcher.kill(attempt)

    def _fetched(self, job: Job, whole: bool) -> None:
        """In a thread of the shelf's: what a receipt names is here, or cannot be read."""
        run = job.run
        stopped = run is not None and job.spent is None and run.spec != job.spec
        key = plans.plan(run.spec, self.registry).spec_digest if run is not None and stopped else job.key
        with self._lock:
            if job.over:
                return
            if not whole:
                self._end(job, FAILED, WorkerError("Its result cannot be read from the store."))
            elif run is not None and stopped:  # this is the run of another spec
                if self._jobs.get(job.key) is job:
                    del self._jobs[job.key]
                job.spec, job.key = run.spec, key
                self._jobs[key] = job
                self._end(job, STOPPED)
            else:
                self._end(job, STOPPED if job.request["kind"] == "study" and job.stop_in else DONE)


OUTCOMES = ("computed", "loaded", "shared", DONE, STOPPED, FAILED, REFUSED, SILENT, LEFT)


@st.cache_resource(show_spinner=False)
def _engine(builtins: tuple[str, ...], allow: str | None) -> Engine:
    blas.one_thread()  # the server's own little arithmetic shares the cores with the workers
    made = Engine(registries.load())
    metrics.watch(made)
    return made


def engine() -> Engine:
    """The one engine of this process, and the registry that it was made with."""
    in_force()  # what secrets.toml says of plugins is then in the environment
    return _engine(tuple(registries.BUILTINS), os.environ.get(registries.ALLOW_VARIABLE))
