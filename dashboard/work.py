"""The worker's side of a job: a request comes as JSON, a receipt goes back; arrays go to the store.

What is said on the way are events on one topic: that the job has begun and where, its progress, its stage as soon as it
can be shown, its figures one by one. Nothing here needs Streamlit. Whatever a plugin raises becomes part of the receipt.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from ebm_plugins import blas, budget, held_out, packing, panels, results, runs, store, studies
from ebm_plugins import registry as registries
from ebm_plugins.digests import sha256
from ebm_plugins.plans import Plan, plan
from ebm_plugins.records import ConfigError, PluginError, Run, Training
from ebm_plugins.registry import Registry
from ebm_plugins.specs import RunSpec

TOPIC = "ebm-plugins"
PACE = 0.05  # seconds between two reports of progress
KEPT_TRAININGS = 4
MOST_FIGURES = 500  # of one study
CHECKS = 5  # times what a run may take: all checks of one record together
STAGE = ".stage"
TRAINING = ".training"
LEAVE = "leave"

process_of_its_own = False  # whether this process is a worker's and nobody else's: worker_setup says so
registries_here: dict[
    str, Registry
] = {}  # of engines in this very process, by the name that their requests give
wanted: dict[str, str] = {}  # ticket → the phase to end, or LEAVE
_threads: dict[str, int] = {}
_trainings: OrderedDict[str, Training] = OrderedDict()
_lock = threading.Lock()


class Left(Exception):
    """Nobody waits for this job any more."""


class MismatchError(RuntimeError):
    """The worker has not the code that the server has."""


class Teller:
    """Tells the server of one job: at once, or of progress every :data:`PACE` seconds, if there is any."""

    def __init__(self, ticket: str) -> None:
        from distributed import get_worker

        self.ticket, self.worker = ticket, get_worker()
        self._news: dict[str, Any] | None = None
        self._lock, self._over = threading.Lock(), threading.Event()
        threading.Thread(target=self._pace, daemon=True, name="tell").start()

    def say(self, what: str, **values: Any) -> None:
        """One event, at once, after all that was not told yet."""
        self._flush()
        self.worker.log_event(TOPIC, {"ticket": self.ticket, "what": what, **values})

    def heard(self) -> None:
        """Raise Left where nobody waits any more."""
        if wanted.get(self.ticket) == LEAVE:
            raise Left

    def progress(self, phase: str, step: int, total: int | None, metrics: Mapping[str, float]) -> None:
        """A snapshot was taken."""
        self.heard()
        if self._news is not None and self._news["phase"] != phase:
            self._flush()
        with self._lock:
            kept = self._news["metrics"] if self._news is not None else {}
            for name, value in metrics.items():
                kept.setdefault(name, []).append(float(value))
            self._news = {"phase": phase, "step": step, "total": total, "metrics": kept}

    def close(self) -> None:
        """Nothing more will come."""
        self._over.set()
        self._flush()

    def _pace(self) -> None:
        while not self._over.wait(PACE):
            self._flush()

    def _flush(self) -> None:
        with self._lock:
            news, self._news = self._news, None
            if news is not None:
                self.worker.log_event(TOPIC, {"ticket": self.ticket, "what": "progress", **news})


def perform(request: str) -> dict[str, Any]:
    """Do what the request asks; the receipt says what came of it. Called by Dask, in a worker's thread."""
    asked = json.loads(request)
    ticket = str(asked["ticket"])
    _threads[ticket] = threading.get_ident()
    tell = Teller(ticket)
    tell.say("taken", worker=tell.worker.address)
    try:
        registry = _registry(
            asked["registry"]
        )  # a new process imports for a while: no plugin is to blame for that
        tell.say("begun")
        with _bounded(float(asked["limits"]["memory"])):
            tell.heard()
            return KINDS[asked["kind"]](asked, registry, tell)
    except Left:
        return {"left": True}
    except BaseException as error:  # a plugin may raise SystemExit, or run out of memory
        return {"error": described(error, float(asked["limits"]["memory"])), "trace": traceback.format_exc()}
    finally:
        tell.close()
        _threads.pop(ticket, None)
        wanted.pop(ticket, None)


# What the kinds of job do -----------------------------------------------------------------------------------------


def _run(asked: dict[str, Any], registry: Registry, tell: Teller) -> dict[str, Any]:
    made, code = _planned(asked, registry)
    staged: dict[str, Any] = {}

    def compared(run: Run) -> None:
        """The stage needs no verdict: whoever waits for it gets it first."""
        from dashboard import stage

        name = plan(run.spec, registry).spec_digest + STAGE
        staged.update(publish(packing.pack(stage.payload(run)), name, {"code": stage_code(code)}))
        tell.say("stage", stage=staged)

    events = runs.execute(
        made.spec,
        registry,
        training=_learned(made, code),
        limits=runs.Limits(**asked["limits"]),
        stop=lambda phase: wanted.get(tell.ticket) == phase,
        compared=compared,
    )
    run = _followed(events, tell)
    return {"spec": run.spec.as_dict(), "stage": staged, **_kept(run, registry, code)}


def _spend(asked: dict[str, Any], registry: Registry, tell: Teller) -> dict[str, Any]:
    made, code = _planned(asked, registry)
    events = budget.spend(
        made.spec,
        registry,
        int(asked["evaluations"]),
        training=_learned(made, code),
        limits=runs.Limits(**asked["limits"]),
    )
    spent = _followed(events, tell)
    picture: dict[str, Any] = {"svg": panels.svg(spent.run), "shape": panels.shape(spent.run)}
    if spent.run.data.test_x is not None:
        picture["held out"] = held_out.of(spent.run)
    raw = results.spent_bytes(spent, picture=picture)
    kept = publish(raw, asked["key"], {"code": code})
    _keep_training(made, spent.run.training, kept, code)
    return {"run": kept}


def _study(asked: dict[str, Any], registry: Registry, tell: Teller) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + float(asked["limits"]["seconds"])
    stream = studies.study(asked["family"], asked["title"], asked["values"], int(asked["seed"]), registry)
    for figure in closing(stream):
        tell.heard()
        found.append(publish(figure_bytes(figure)))
        tell.say("figure", figure=found[-1])
        if wanted.get(tell.ticket) or time.monotonic() > deadline or len(found) >= MOST_FIGURES:
            return {"figures": found, "stopped": True}
    return {"figures": found}


def _figure(asked: dict[str, Any], registry: Registry, tell: Teller) -> dict[str, Any]:
    made, code = _planned(asked, registry)
    family, title = made.family, str(asked["title"])
    kept = stored(made.spec_digest, code)
    if kept is not None:
        run = results.from_bytes(kept, registry)
    else:
        run = _followed(runs.execute(made.spec, registry, limits=runs.Limits(**asked["limits"])), tell)
    figure = family.figures[title](run)
    if not hasattr(figure, "to_plotly_json"):
        kind = type(figure).__name__
        raise PluginError(family.key, title, f"It returned a {kind} where a figure was expected.")
    return {"figures": [publish(figure_bytes(figure), asked["key"], {"code": code})]}


def _check(asked: dict[str, Any], registry: Registry, tell: Teller) -> dict[str, Any]:
    from ebm_plugins import testing

    record = testing.record_of(asked["record"], registry)
    total = len(testing.checks_for(record))
    tell.say("progress", phase="check", step=0, total=total, metrics={})
    found = []
    seconds = CHECKS * float(asked["limits"]["seconds"])
    deadline = time.monotonic() + seconds
    for result in closing(testing.checking(record, registry)):
        tell.heard()
        found.append(asdict(result))
        tell.say("result", result=found[-1], total=total)
        if len(found) < total and time.monotonic() > deadline:
            about = f"{len(found)} of its {total} checks took {seconds:.0f} seconds, which is all that they may take."
            raise PluginError(str(asked["record"]), "checks", about)
    return {"results": found}


KINDS: dict[str, Callable[[dict[str, Any], Registry, Teller], dict[str, Any]]] = {
    "run": _run,
    "spend": _spend,
    "study": _study,
    "figure": _figure,
    "check": _check,
}


def _planned(asked: dict[str, Any], registry: Registry) -> tuple[Plan, str]:
    """The plan that the server made, made here. Raises MismatchError where it is another."""
    try:
        made = plan(RunSpec.from_dict(asked["spec"]), registry)
    except (ConfigError, PluginError) as error:
        raise MismatchError(f"It has not what the server has: {error}") from error
    code = results.code_of(made, registry)
    if made.spec_digest != asked["plan"] or code != asked["code"]:
        raise MismatchError("Its plugins, its data or its version of this program are not the server's.")
    return made, code


def _followed(events: Iterator[Any], tell: Teller) -> Any:
    """What a stream of progress ends with."""
    for event in closing(events):
        if isinstance(event, runs.Progress):
            tell.progress(event.phase, event.step, event.total, event.metrics)
        elif isinstance(event, runs.Finished):
            return event.run
        else:
            return event
    raise AssertionError("it ended without an end")


# What is kept -----------------------------------------------------------------------------------------------------


def publish(raw: bytes, name: str = "", note: dict[str, Any] | None = None) -> dict[str, Any]:
    """Keep bytes for the server: their digest, or the bytes themselves where the store takes none."""
    kept = store.results()
    try:
        digest = kept.put(raw)
        if name:
            kept.name(name, digest, note or {})
        return {"digest": digest}
    except store.StoreError:
        return {"raw": raw}


def stored(name: str, code: str) -> bytes | None:
    """The bytes under a name, if this code made them."""
    found = store.results().found(name)
    return found[2] if found is not None and found[1].get("code") == code else None


def stage_code(code: str) -> str:
    """What a stage is found by: the code that made the run, and ours that made the stage of it."""
    return f"{code} {_stage_digest()}"


@cache
def _stage_digest() -> str:
    return sha256(Path(__file__).with_name("stage.py").read_bytes())[:12]


def _kept(run: Run, registry: Registry, code: str) -> dict[str, Any]:
    made = plan(run.spec, registry)
    kept = publish(results.to_bytes(run), made.spec_digest, {"code": code})
    _keep_training(made, run.training, kept, code)
    return {"run": kept}


def _keep_training(made: Plan, training: Training, kept: dict[str, Any], code: str) -> None:
    """Let what was learned be found by whoever needs it next, in this process or another."""
    _remember(made.training_digest, training)
    if "digest" in kept and made.family.needs_data(made.train_config):
        with contextlib.suppress(store.StoreError):
            store.results().name(made.training_digest + TRAINING, kept["digest"], {"code": code})


def _learned(made: Plan, code: str) -> Training | None:
    """What was learned already: in this process, or by any run that is kept."""
    key = made.training_digest
    with _lock:
        if key in _trainings:
            _trainings.move_to_end(key)
            return _trainings[key]
    raw = stored(key + TRAINING, code)
    if raw is None:
        return None
    try:
        training: Training = results.part(raw, "training")
    except packing.PackingError:
        return None
    _remember(key, training)
    return training


def _remember(key: str, training: Training) -> None:
    with _lock:
        _trainings[key] = training
        while len(_trainings) > KEPT_TRAININGS:
            _trainings.popitem(last=False)


def figure_bytes(figure: Any) -> bytes:
    """A Plotly figure as bytes: its dictionary, with arrays as arrays."""
    try:
        return packing.pack({"figure": figure.to_plotly_json()})
    except packing.PackingError:  # dates, or arrays of objects: as JSON has them
        return packing.pack({"figure": json.loads(figure.to_json())})


# The process ------------------------------------------------------------------------------------------------------


def want(ticket: str, what: str) -> bool:
    """End a phase of a job, or all of it (:data:`LEAVE`); whether the job is here."""
    if ticket in _threads:
        wanted[ticket] = what
    return ticket in _threads


def stack(ticket: str) -> str:
    """Where a job is now, as a traceback; empty when it is not here."""
    frame = sys._current_frames().get(_threads.get(ticket, 0))
    return "".join(traceback.format_stack(frame)) if frame else ""


def kill(dask_worker: Any = None) -> None:
    """End the worker process, whatever it does: called in its nanny, which starts another one."""
    process = getattr(dask_worker, "process", None)
    if process is not None and process.pid:
        os.kill(process.pid, signal.SIGKILL)


def warm() -> None:
    """Import what a first run would wait for."""
    with contextlib.suppress(Exception):
        from dashboard import stage  # noqa: F401
        from ebm_plugins import diagnostics, exact, verdict  # noqa: F401

        _registry("")


@cache
def _own_registry() -> Registry:
    blas.one_thread()
    return registries.load()


def _registry(name: str) -> Registry:
    return registries_here.get(name) or _own_registry()


@contextlib.contextmanager
def _bounded(memory: float) -> Iterator[None]:
    """Let this process take no more than so many bytes beside what it has. Of a process that is not a worker's alone
    nothing is taken away."""
    if not process_of_its_own:
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm", encoding="ascii") as file:
        here = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (here + int(memory), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def described(error: BaseException, memory: float) -> dict[str, Any]:
    """An exception as plain data."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError):
            who = getattr(error, "plugin", "")
            return {
                "kind": "memory",
                "plugin": who,
                "part": getattr(error, "part", ""),
                "limit": memory / 1e6,
            }
        cause = cause.__cause__
    if isinstance(error, ConfigError):
        kind = "limit" if isinstance(error, runs.LimitError) else "config"
        return {"kind": kind, "field": error.field, "expected": error.expected, "got": str(error.got)}
    if isinstance(error, PluginError):
        return {"kind": "plugin", "plugin": error.plugin, "part": error.part, "message": error.message}
    if isinstance(error, MismatchError):
        return {"kind": "mismatch", "message": str(error)}
    return {"kind": "other", "type": type(error).__name__, "message": str(error)}


def closing(events: Iterator[Any]) -> Iterator[Any]:
    """The events; the generator is closed whatever happens, so that its ``finally`` blocks run."""
    try:
        yield from events
    finally:
        getattr(events, "close", lambda: None)()
