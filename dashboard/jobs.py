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

from dashboard import asking, logs, metrics, shelf, telling, waiting, work
from dashboard.cluster import Cluster
from dashboard.dispatch import Dispatcher
from dashboard.hearing import Hearing
from dashboard.job import DONE, FAILED, LEFT, REFUSED, SILENT, STOPPED, Job, size
from dashboard.limits import Settings
from dashboard.limits import settings as in_force
from ebm_plugins import blas, plans, runs
from ebm_plugins import registry as registries
from ebm_plugins.registry import Registry
from ebm_plugins.specs import RunSpec

KEPT_JOBS = 500  # that nobody waits for; those that made nothing take no room, and would add up


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
        self.dispatcher = Dispatcher(Cluster(self.settings, address), Hearing(self), slots)
        self.lock = threading.RLock()
        self.jobs: OrderedDict[str, Job] = OrderedDict()
        self.waiting: list[Job] = []  # in the order in which they came
        self._numbers = count()
        self._seats: dict[str, Job] = {}
        self.shelf = shelf.Shelf(registry)
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
        return self.jobs.get(f"{key}\nconformance")

    def find(self, key: str) -> Job | None:
        """The job of a key (of a run: its spec digest), if it is known here."""
        return self.jobs.get(key)

    def stored(self, key: str) -> bytes | None:
        """The stored run of a spec digest, as ``.npz``; None where there is none that this code made."""
        return self.shelf.run_bytes(key)

    def stop(self, job: Job, seat: str = "") -> Job:
        """End the phase that a run is in, with what it has; its spec then says where that was.

        Where others wait for the same run it goes on for them, and this seat gets a run that stops at this step.
        """
        with self.lock:
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
        with self.lock:
            if job.over and self.jobs.get(job.key) is job:
                del self.jobs[job.key]

    def leave(self, prefix: str) -> None:
        """Every seat that begins so is left: a closed tab."""
        with self.lock:
            for seat in [s for s in self._seats if s.startswith(prefix)]:
                self._stand(seat)

    def turn_to(self, seat: str) -> None:
        """The visitor of this seat is at its page now: what he had at other pages and has ended is no longer held for
        him there (on coming back it is asked for again, and is kept or stored)."""
        visitor, page = seat.split("/")[:2]
        with self.lock:
            for other, job in list(self._seats.items()):
                if job.over and other.startswith(f"{visitor}/") and other.split("/")[1] != page:
                    self._stand(other)

    def status(self) -> dict[str, float | str]:
        """What is going on, for health and metrics: it asks nobody, and starts nothing."""
        with self.lock:
            states = Counter(job.state for job in self.jobs.values())
            return {
                "engine": self.dispatcher.state,
                "workers": float(
                    self.settings.workers if self.dispatcher.cluster.embedded else self.dispatcher.slots
                ),
                "running": float(len(self.dispatcher.running)),
                "queued": float(len(self.waiting)),
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
        with self.lock:
            job = self.jobs.get(key)
            if job is not None and self._is_spent(job, seat):
                job = None
            if job is None:
                job = make()
                job.visitor, job.number = visitor, next(self._numbers)
                job.request |= {"registry": self.name, "limits": asdict(self.limits)}
                self.jobs[key] = job
                if job.error is None:
                    self.shelf.look_up(job, self._looked_up)
                else:
                    self.end(job, REFUSED, job.error)
            elif seat not in job.seats:
                self.counts["shared"] += 1
                if job.visitor in waiting.BEHIND:
                    job.visitor = visitor  # what we began for everybody is now waited for by somebody
                    self.set_places()
            self._sit(seat, job)
            self.jobs.move_to_end(key)
            return job

    def _is_spent(self, job: Job, seat: str) -> bool:
        """Whether whoever asks for this job's key is given a new one: nobody waited to its end, somebody has it stop
        before its end, or it failed, and that was not said to this very seat."""
        if job.state == LEFT or waiting.was_turned_away(job):
            return True
        return seat not in job.seats and (job.state in (FAILED, SILENT) or bool(job.stop_in))

    def _looked_up(self, job: Job, found: bool) -> None:
        """In a thread of the shelf's: whether the job's result is stored, and was read."""
        with self.lock:
            if job.over:
                return
            if found:
                job.found = True
                self.counts["loaded"] += 1
                self.end(job, DONE)
            elif (refusal := waiting.too_many(job, self.waiting, self.settings)) is not None:
                self.end(job, REFUSED, refusal)
            else:
                self.wait(job)
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
            self.end(job, LEFT)
            if attempt is not None:
                self.dispatcher.ask(attempt, telling.LEAVE)

    def end(self, job: Job, state: str, error: BaseException | None = None) -> None:
        """A job is over: whoever waits for it is told."""
        with self.lock:
            job.state, job.error, job.ended, job.place = state, error, time.monotonic(), None
            self.counts[state] += 1
            self.spent += 0.0 if job.found else job.seconds
            about = {"kind": str(job.request.get("kind")), "family": job.spec.family if job.spec else None}
            logs.event("run ended", state=state, seconds=job.seconds, stored=job.found, **about)
            job.at = None
            if job in self.waiting:
                self.waiting.remove(job)
            self.set_places()
            job.staged.set()
            job.done.set()
            self._make_room()
        self.dispatcher.wake()

    def wait(self, job: Job) -> None:
        """A job takes its place among those that wait, by when it came."""
        insort(self.waiting, job, key=lambda waits: waits.number)
        self.set_places()

    def set_places(self) -> None:
        """Say of every job that waits how many will begin before it."""
        running = [attempt.job for attempt in list(self.dispatcher.running.values())]
        for place, job in enumerate(waiting.in_turn(self.waiting, running)):
            job.place = place
        self.dispatcher.wants = bool(self.waiting)

    def _make_room(self) -> None:
        used = 0
        for place, key in enumerate(reversed(list(self.jobs))):
            job = self.jobs[key]
            used += size(job)
            if job.over and not job.seats and (used > self.room or place >= KEPT_JOBS):
                del self.jobs[key]


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
