"""The worker's side of a job: a request comes as JSON, a receipt goes back; arrays go to the store.

What is said on the way are events (:mod:`dashboard.telling`): that the job has begun and where, its progress, its stage
as soon as it can be shown, its figures one by one. Nothing here needs Streamlit. Whatever a plugin raises becomes part
of the receipt.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from functools import cache
from typing import Any

from dashboard.making import KINDS, MismatchError
from dashboard.telling import Left, Teller, wanted
from ebm_plugins import blas, runs
from ebm_plugins import registry as registries
from ebm_plugins.records import ConfigError, PluginError
from ebm_plugins.registry import Registry

process_of_its_own = False  # whether this process is a worker's and nobody else's: worker_setup says so
registries_here: dict[
    str, Registry
] = {}  # of engines in this very process, by the name that their requests give
_threads: dict[str, int] = {}


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
