"""An engine of threads with what the JSON routes ask of every engine, so that they can be tested without a cluster."""

from __future__ import annotations

import os
from typing import Any

from dashboard.job import Job
from dashboard.jobs import Engine
from ebm_plugins import runs, takeaway
from ebm_plugins.records import Run


def find(self: Any, key: str) -> Job | None:
    """The job of a digest, if there is one."""
    job: Job | None = self._jobs.get(key)
    return job


def stored(self: Any, key: str) -> bytes | None:
    """A finished run as npz bytes."""
    job = find(self, key)
    return packed(job.run) if job is not None and job.run is not None else None


def status(self: Any) -> dict[str, float | str]:
    """As a metrics page shows it."""
    return {"engine": "ready", "running": len(self._running), "queued": len(self._waiting)}


def packed(run: Run) -> bytes:
    """The arrays of a run."""
    return takeaway.npz(
        {"sampling/last": run.sampling.last, **{f"params/{k}": v for k, v in run.params.items()}}
    )


def complete() -> None:
    """Give the engine what it lacks."""
    for method in (find, stored, status):
        if not hasattr(Engine, method.__name__):
            setattr(Engine, method.__name__, method)
            usual: dict[str, Any] = (
                Engine.__init__.__kwdefaults__ or {}
            )  # what the environment says elsewhere
            usual["room"] = 1e6 * float(os.environ.get("EBM_KEPT_MB", "256"))
            seconds, updates = (
                float(os.environ.get(f"EBM_RUN_{n}", v)) for n, v in (("SECONDS", 120), ("UPDATES", 2e9))
            )
            usual["limits"] = runs.Limits(seconds=seconds, updates=updates)
