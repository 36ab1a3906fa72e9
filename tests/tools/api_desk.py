"""An engine that a test holds in its hand, and calls of the JSON routes without a server."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode

from starlette.applications import Starlette
from toy_families import REGISTRY

from dashboard import api
from dashboard.job import DONE, FAILED, LEFT, QUEUED, REFUSED, BusyError, Job
from dashboard.waiting import was_turned_away
from ebm_plugins import ConfigError, results, runs
from ebm_plugins.plans import plan
from ebm_plugins.registry import Provider, Registry


def provided(registry: Registry) -> Registry:
    """The same, all of it brought by somebody."""
    house = Provider("a-house", "1.0", "a_house")
    keys = [*registry.families, *registry.samplers, *(f"data:{k}" for k in registry.datasets)]
    return replace(registry, providers=dict.fromkeys(keys, house))


TOYS = provided(REGISTRY)


@dataclass
class Desk:
    """Runs are made at once, or held in the queue while ``hold`` is set. ``store`` is what is kept of them."""

    registry: Registry = TOYS
    limits: runs.Limits = field(default_factory=runs.Limits)
    hold: bool = False
    jobs: dict[str, Job] = field(default_factory=dict)
    store: dict[str, bytes] = field(default_factory=dict)
    computed: int = 0
    state: str = "ready"
    refuse: Exception | None = None
    turn_away: BusyError | None = None

    def submit(self, spec: Any, seat: str) -> Job:
        if self.refuse:
            raise self.refuse
        made = plan(spec, self.registry)
        job = self.jobs.get(made.spec_digest)
        if job is None or job.state == LEFT or was_turned_away(job):
            job = self.jobs[made.spec_digest] = Job(made.spec_digest, made.spec, made.spec)
            if self.turn_away:
                job.state, job.error, job.ended = REFUSED, self.turn_away, time.monotonic()
            elif not self.hold:
                self.make(job)
        job.seats.add(seat)
        return job

    def make(self, job: Job) -> None:
        assert job.spec is not None
        self.computed += 1
        job.state = DONE
        try:
            job.run = runs.run(job.spec, self.registry, limits=self.limits)
            self.store[job.key] = results.to_bytes(job.run)
        except Exception as error:
            job.state, job.error = REFUSED if isinstance(error, ConfigError) else FAILED, error
        job.ended = time.monotonic()

    def find(self, key: str) -> Job | None:
        return self.jobs.get(key)

    def stored(self, key: str) -> bytes | None:
        return self.store.get(key)

    def status(self) -> dict[str, float | str]:
        waiting = [job for job in self.jobs.values() if job.state == QUEUED]
        return {"engine": self.state, "queued": len(waiting)}

    def forget(self, job: Job) -> None:
        self.jobs.pop(job.key, None)

    def leave(self, prefix: str) -> None:
        for job in self.jobs.values():
            gone = {seat for seat in job.seats if seat.startswith(prefix)}
            job.seats -= gone
            if gone and not job.seats and not job.over:
                job.state = LEFT


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    @property
    def json(self) -> Any:
        """The body, which may hold nothing that JSON does not have."""

        def no(constant: str) -> Any:
            raise AssertionError(f"{constant} in JSON")

        return json.loads(self.body, parse_constant=no)


def query(**values: Any) -> str:
    """A query: ``sample__steps`` is ``sample.steps``."""
    return urlencode({k.replace("__", "."): v for k, v in values.items()}, quote_via=quote)


async def acall(path: str, method: str = "GET", client: str = "10.0.0.1", **headers: str) -> Answer:
    """One call of the app that has the JSON routes alone."""
    path, _, asked = path.partition("?")
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http", "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode(), "root_path": "",
        "scheme": "http", "query_string": asked.encode(), "client": (client, 1), "server": ("127.0.0.1", 80),
        "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()],
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    began = time.perf_counter()
    await Starlette(routes=api.routes())(scope, receive, send)
    took = time.perf_counter() - began
    answered = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
    return Answer(sent[0]["status"], answered, b"".join(m.get("body", b"") for m in sent[1:]), took)


def call(path: str, method: str = "GET", **options: Any) -> Answer:
    """The same, waited for."""
    return asyncio.run(acall(path, method, **options))
