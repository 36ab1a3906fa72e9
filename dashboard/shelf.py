"""Between jobs and the store: what is stored already is looked up, and what a worker has made is read in.

Both may take a while (a store may be across a network), so they are done by threads of its own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dashboard import storing
from dashboard.job import Job
from ebm_plugins import packing, plans, results, store
from ebm_plugins.records import ConfigError, PluginError
from ebm_plugins.registry import Registry
from ebm_plugins.specs import RunSpec

log = logging.getLogger(__name__)
Then = Callable[[Job, bool], None]
TRIES, BETWEEN = 10, 2.0  # a store that does not answer now may do so again: more than places.AGAIN in all


class Shelf:
    """Reads for one engine. ``then(job, ok)`` is called in a thread of the shelf's when it is done."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="shelf")
        self._in_order = ThreadPoolExecutor(1, thread_name_prefix="shelf in order")

    def look_up(self, job: Job, then: Then) -> None:
        """Read a job's result if it is stored: ``ok`` says whether it was."""
        self._threads.submit(self._guarded, self._look_up, job, then)

    def fetch(self, job: Job, receipt: dict[str, Any], then: Then) -> None:
        """Read what a receipt names into its job. The figures of a study are read in the order in which they came."""
        threads = self._in_order if job.request["kind"] == "study" else self._threads
        threads.submit(self._guarded, lambda j: self._read_made(j, receipt), job, then)

    def run_bytes(self, key: str) -> bytes | None:
        """The stored run of a spec digest; None where there is none, or other code made it."""
        found = store.results().found(key)
        if found is None:
            return None
        _, note, raw = found
        try:
            plan = plans.plan(RunSpec.from_dict(results.part(raw, "spec")), self.registry)
        except (packing.PackingError, ConfigError, PluginError):
            return None
        return raw if note.get("code") == results.code_of(plan, self.registry) else None

    def _guarded(self, read: Callable[[Job], bool], job: Job, then: Then) -> None:
        try:
            whole = read(job)
        except (packing.PackingError, ConfigError, PluginError) as error:
            log.info("What is stored cannot be used: %s", type(error).__name__)
            whole = False
        except Exception:  # a fault of ours: the job is then computed, or fails, but never hangs
            log.exception("The shelf stumbled")
            whole = False
        then(job, whole)

    def _look_up(self, job: Job) -> bool:
        kind, code = job.request["kind"], str(job.request.get("code", ""))
        if not code:
            return False
        raw = storing.stored(job.key, code)
        if raw is None:
            return False
        if kind == "figure":
            return self._read(job, {"figures": [{"raw": raw}]})
        receipt = {"run": {"raw": raw}}
        if kind == "run":
            stage = storing.stored(job.key + storing.STAGE, storing.stage_code(code))
            if stage is None:
                return False
            receipt["stage"] = {"raw": stage}
        return self._read(job, receipt)

    def _read_made(self, job: Job, receipt: dict[str, Any]) -> bool:
        """:meth:`_read` of what a worker has just put into the store: where it is not there, some times again."""
        for left in reversed(range(TRIES)):
            if self._read(job, receipt):
                return True
            if job.over or not left:
                break
            time.sleep(BETWEEN)
        return False

    def _read(self, job: Job, receipt: dict[str, Any]) -> bool:
        """Whether all that the receipt names could be read. Raises PackingError, ConfigError or PluginError."""
        read = {name: _bytes(receipt[name]) for name in ("stage", "figure", "run") if receipt.get(name)}
        figures = [_bytes(one) for one in receipt.get("figures", ())]
        if None in (*read.values(), *figures):
            return False
        job.weight += sum(len(raw) for raw in (*read.values(), *figures) if raw is not None)
        if (stage := read.get("stage")) is not None:
            if job.stage is None:
                job.stage = packing.unpack(stage)
            job.staged.set()
        if (figure := read.get("figure")) is not None:
            job.figures = [*job.figures, _figure(figure)]
        if "figures" in receipt:
            job.figures = [_figure(one) for one in figures if one is not None]
        if (run := read.get("run")) is not None:
            self._run(job, run)
        return True

    def _run(self, job: Job, raw: bytes) -> None:
        if job.request["kind"] == "spend":
            spent = results.spent_from(raw, self.registry)
            job.stage, job.spent, job.run = results.part(raw, "picture"), spent, spent.run
        else:
            job.run = results.from_bytes(raw, self.registry)


def _figure(raw: bytes) -> Any:
    from plotly.graph_objects import Figure

    return Figure(packing.unpack(raw, part="figure"))


def _bytes(said: dict[str, Any]) -> bytes | None:
    raw = said.get("raw")
    return raw if raw is not None else store.results().get(str(said.get("digest")))
