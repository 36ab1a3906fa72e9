"""Runs behind one small interface: submit, watch, stop, continue. No page knows where a run is computed.

Here a run is a thread of this process. Everything that crosses the interface is plain data (a spec, a digest, a
study's name and settings) or a finished record, so that runs can move into worker processes without touching a
page. A run is computed once for all who ask for the same spec digest, and the finished ones are kept.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import streamlit as st

from dashboard import stage
from dashboard.job import (
    DONE,
    FAILED,
    LEFT,
    REFUSED,
    RUNNING,
    SILENT,
    STOPPED,
    Job,
    Left,
    closing,
    note,
    size,
    stack_of,
)
from ebm_plugins import blas, budget, held_out, panels, plans, runs, studies
from ebm_plugins import registry as registries
from ebm_plugins.records import ConfigError, Run, Training
from ebm_plugins.registry import Registry
from ebm_plugins.specs import RunSpec

KEPT_TRAININGS = 16
# Comparing with the truth is one long step of ours, a check many steps of the plugin's; a busy machine makes them longer.
PATIENCE = {"truth": 3, "check": 9}


Work = Callable[[Job], None]


class Engine:
    """The runs of this process: at most ``slots`` at a time, first come first served; finished ones are kept up
    to ``room`` bytes; one that is silent for ``silence`` seconds is given up and reported with its stack."""

    def __init__(
        self,
        registry: Registry,
        *,
        slots: int = 2,
        room: float = 512e6,
        silence: float = 10.0,
        limits: runs.Limits | None = None,
    ) -> None:
        self.registry, self.slots, self.room, self.silence = registry, slots, room, silence
        self.limits = limits or runs.Limits()
        self.computed = 0  # how many runs were really computed: tests and the log
        self._lock = threading.RLock()
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._waiting: deque[tuple[Job, Work]] = deque()
        self._running: list[Job] = []
        self._seats: dict[str, Job] = {}
        self._training: OrderedDict[str, Training] = OrderedDict()
        self._learning: dict[str, threading.Lock] = {}
        self._watcher: threading.Thread | None = None

    # The interface ---------------------------------------------------------------------------------------------

    def submit(self, spec: RunSpec, seat: str = "") -> Job:
        """The job of this spec: a new one, or the one that somebody started already.

        ``seat`` is who waits for it (a session and a page): what the seat waited for before is left, and a run
        that nobody waits for ends. Raises ConfigError for a spec that does not resolve.
        """
        plan = plans.plan(spec, self.registry)
        key = plan.spec_digest
        with self._lock:
            job = self._jobs.get(key)
            if job is None or job.state == LEFT:
                job = Job(key, plan.spec, plan.spec)
                self._start(job, lambda j: self._run(j, plan.training_digest))
            self._sit(seat, job)
            self._jobs.move_to_end(key)
            return job

    def spend(self, spec: RunSpec, evaluations: int, seat: str = "") -> Job:
        """The job that gives a spec's sampler so many evaluations, in place of a number of steps."""
        plan = plans.plan(spec, self.registry)
        key = f"{plan.spec_digest}\n{evaluations} evaluations"
        with self._lock:
            job = self._jobs.get(key)
            if job is None or job.state == LEFT:
                job = Job(key, plan.spec, plan.spec)
                self._start(job, lambda j: self._spend(j, plan.training_digest, evaluations))
            self._sit(seat, job)
            self._jobs.move_to_end(key)
            return job

    def study(self, family: str, title: str, values: Mapping[str, Any], seed: int, seat: str = "") -> Job:
        """The job of a family's study: its figures arrive in ``figures`` one by one."""
        key = f"{family}\n{title}\n{sorted(values.items())}\n{seed}"
        with self._lock:
            job = self._jobs.get(key)
            if job is None or job.state == LEFT:
                job = Job(key, phase="study")
                self._start(job, lambda j: self._study(j, family, title, dict(values), seed))
            self._sit(seat, job)
            return job

    def stop(self, job: Job, seat: str = "") -> Job:
        """End the phase that a run is in, with what it has; its spec then says where that was.

        Where others wait for the same run it goes on for them, and this seat gets a run that stops at this step.
        """
        with self._lock:
            if job.spec is None or job.over or not job.seats - {seat}:
                job.stop_in = job.phase
                return job
            name = {"train": "train_stop", "sample": "sample_stop"}.get(job.phase)
            if name is None:
                return job
            stops: dict[str, Any] = {name: max(1, job.step)}
            return self.submit(replace(job.spec, **stops), seat)

    def figure(self, of: Job, title: str, seat: str = "") -> Job:
        """The job of one of the family's own figures of a finished run; it is then the one of ``figures``."""
        assert of.run is not None
        run, family = of.run, self.registry.families[of.run.spec.family]

        def work(job: Job) -> None:
            job.figures = [family.figures[title](run)]

        with self._lock:
            key = f"{of.key}\n{title}"
            job = self._jobs.get(key)
            if job is None or job.state == LEFT:
                job = Job(key, phase="figure")
                self._start(job, work)
            self._sit(seat, job)
            return job

    def check(self, key: str, seat: str = "") -> Job:
        """The job of the conformance checks of a family or sampler: its ``results`` arrive one by one."""

        def work(job: Job) -> None:
            from ebm_plugins import testing

            record = testing.record_of(key, self.registry)
            job.phase, job.total = "check", len(testing.checks_for(record))
            for result in closing(testing.checking(record, self.registry)):
                self._heard(job)
                job.results = [*job.results, result]
                job.step += 1

        with self._lock:
            name = f"{key}\nconformance"
            job = self._jobs.get(name)
            if job is None or job.state == LEFT:
                job = Job(name)
                self._start(job, work)
            self._sit(seat, job)
            return job

    def checked(self, key: str) -> Job | None:
        """The job of a record's conformance checks, if somebody asked for it."""
        return self._jobs.get(f"{key}\nconformance")

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

    # Below the interface ---------------------------------------------------------------------------------------

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
            self._waiting = deque(w for w in self._waiting if w[0] is not job)
            self._end(job, LEFT)

    def _start(self, job: Job, work: Work) -> None:
        self._jobs[job.key] = job
        self._waiting.append((job, work))
        self._next()

    def _next(self) -> None:
        while self._waiting and len(self._running) < self.slots:
            job, work = self._waiting.popleft()
            job.state, job.began, job.heard = RUNNING, time.monotonic(), time.monotonic()
            job.thread = threading.Thread(
                target=self._work, args=(job, work), daemon=True, name=f"run {job.key[:8]}"
            )
            self._running.append(job)
            self.computed += 1
            job.thread.start()
        if self._running and (self._watcher is None or not self._watcher.is_alive()):
            self._watcher = threading.Thread(target=self._watch, daemon=True, name="watch runs")
            self._watcher.start()

    def _work(self, job: Job, work: Work) -> None:
        try:
            work(job)
            with self._lock:
                if not job.over:
                    self._end(job, DONE)
        except Left:
            pass
        except BaseException as error:  # a plugin may raise SystemExit; it costs its own run only
            with self._lock:
                if not job.over:
                    job.trace = traceback.format_exc()
                    self._end(job, REFUSED if isinstance(error, ConfigError) else FAILED, error)

    def _end(self, job: Job, state: str, error: BaseException | None = None) -> None:
        with self._lock:
            job.state, job.error, job.ended = state, error, time.monotonic()
            job.staged.set()
            job.done.set()
            if job in self._running:
                self._running.remove(job)
            self._make_room()
            self._next()

    def _make_room(self) -> None:
        used = 0
        for key in reversed(list(self._jobs)):
            job = self._jobs[key]
            used += size(job)
            if job.over and used > self.room and not job.seats:
                del self._jobs[key]

    def _heard(self, job: Job) -> None:
        job.heard = time.monotonic()
        if job.over:
            raise Left

    def _run(self, job: Job, training_digest: str) -> None:
        assert job.spec is not None
        events = runs.execute(
            job.spec,
            self.registry,
            training=self._training.get(training_digest),
            limits=self.limits,
            stop=lambda phase: job.stop_in == phase,
            compared=lambda run: self._compared(job, run),
        )
        for event in closing(events):
            self._heard(job)
            if isinstance(event, runs.Finished):
                self._finished(job, event.run)
            else:
                note(job, event)

    def _compared(self, job: Job, run: Run) -> None:
        """The stage needs no verdict: whoever waits for it gets it first."""
        job.stage = stage.payload(run)
        job.staged.set()

    def _finished(self, job: Job, run: Run) -> None:
        with self._lock:
            plan = plans.plan(run.spec, self.registry)
            self._keep(plan.training_digest, run.training)
            job.run = run
            if run.spec != job.spec:  # it was stopped: this is the run of another spec
                if self._jobs.get(job.key) is job:
                    del self._jobs[job.key]
                job.spec, job.key = run.spec, plan.spec_digest
                self._jobs[job.key] = job
                self._end(job, STOPPED)

    def _spend(self, job: Job, digest: str, evaluations: int) -> None:
        assert job.spec is not None
        with self._taught(job, digest) as training:
            events = budget.spend(job.spec, self.registry, evaluations, training=training, limits=self.limits)
            for event in closing(events):
                self._heard(job)
                if isinstance(event, budget.Spent):
                    self._keep(digest, event.run.training)
                    picture: dict[str, Any] = {"svg": panels.svg(event.run), "shape": panels.shape(event.run)}
                    if event.run.data.test_x is not None:
                        picture["held out"] = held_out.of(event.run)
                    job.run, job.spent, job.stage = event.run, event, picture
                else:
                    note(job, event)

    @contextmanager
    def _taught(self, job: Job, digest: str) -> Iterator[Training | None]:
        """What was learned already. Several jobs begin at once on one energy: the first learns, the others wait."""
        with self._lock:
            lock = self._learning.setdefault(digest, threading.Lock())
        while not lock.acquire(timeout=1.0):
            self._heard(job)
        try:
            training = self._training.get(digest)
            if training is not None:
                lock.release()
            yield training
        finally:
            self._learning.pop(digest, None)
            if training is None:
                lock.release()

    def _keep(self, training_digest: str, training: Training) -> None:
        with self._lock:
            self._training[training_digest] = training
            while len(self._training) > KEPT_TRAININGS:
                self._training.popitem(last=False)

    def _study(self, job: Job, family: str, title: str, values: dict[str, Any], seed: int) -> None:
        for figure in closing(studies.study(family, title, values, seed, self.registry)):
            self._heard(job)
            job.figures = [*job.figures, figure]
            job.step += 1
            if job.stop_in:
                with self._lock:
                    self._end(job, STOPPED)
                return

    def _watch(self) -> None:
        while True:
            time.sleep(min(0.5, self.silence / 4))
            with self._lock:
                if not self._running:
                    self._watcher = None
                    return
                now = time.monotonic()
                for job in list(self._running):
                    patience = self.silence * PATIENCE.get(job.phase, 1)
                    if now - job.heard > patience:
                        job.trace = stack_of(job.thread)
                        self._end(
                            job, SILENT, TimeoutError(f"It has said nothing for {patience:.0f} seconds.")
                        )


@st.cache_resource(show_spinner=False)
def _engine(builtins: tuple[str, ...], allow: str | None) -> Engine:
    blas.one_thread()  # runs share the cores, and each of them is one thread
    return Engine(registries.load())


def engine() -> Engine:
    """The one engine of this process, and the registry that it was made with."""
    return _engine(tuple(registries.BUILTINS), os.environ.get(registries.ALLOW_VARIABLE))
