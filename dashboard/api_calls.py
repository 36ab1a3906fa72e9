"""What the JSON routes answer: what is installed, a run by its link, its state and its arrays by its digest."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from dashboard.addresses import grouped
from dashboard.api_answers import catalogue, done, problem, said, tidy, unfinished
from dashboard.api_openapi import openapi
from dashboard.api_schema import DIGEST, RUNS, Answer, Problem
from dashboard.api_waits import Waits, seat, visitor
from dashboard.job import LEFT, REFUSED, BusyError
from dashboard.waiting import was_turned_away
from ebm_plugins import ConfigError, PluginError, link, results, runs, stored
from ebm_plugins.link import Mended
from ebm_plugins.plans import Plan, plan

if TYPE_CHECKING:
    from dashboard.job import Job
    from dashboard.jobs import Engine
    from ebm_plugins.records import Run
    from ebm_plugins.registry import Registry
    from ebm_plugins.specs import RunSpec

log = logging.getLogger(__name__)
METHODS = ("GET", "HEAD")
TOLD = 60.0  # seconds for which a run that failed is told to have failed; after that it is tried again
NOTES = 200  # values of a link that are named
FRESH = {"cache-control": "no-store"}
ASK = {"cache-control": "no-cache"}  # keep it, and ask whether it is still so
_DIGEST = re.compile(DIGEST.strip("^$"))
_waits = Waits()
_reading = threading.Semaphore(2)  # stored runs that are read at a time for their arrays: they may be large


class Refusal(Exception):
    """An answer that is an error: its status, what it says, and headers."""

    def __init__(self, status: int, field: str, expected: str, got: object, **headers: str) -> None:
        super().__init__(status)
        self.status, self.headers = status, {k.replace("_", "-"): v for k, v in headers.items()}
        self.problem = problem(ConfigError(field, expected, got))


def respond(call: str, request: Request) -> Response:
    """The answer to one of :data:`CALLS`, whatever happens."""
    try:
        if request.method not in METHODS:
            raise Refusal(405, "method", " or ".join(METHODS), request.method, allow=", ".join(METHODS))
        if not _allowed(request):
            raise Refusal(401, "login", "somebody who is logged in", "nobody")
        return CALLS[call](request)
    except Refusal as refusal:
        return _send(refusal.problem, refusal.status, FRESH | refusal.headers)
    except ConfigError as error:
        return _send(problem(error), 422, FRESH)
    except PluginError as error:
        why = ConfigError(error.plugin, "a plugin that works", tidy(error.message))
        return _send(problem(why), 422, FRESH)
    except Exception:
        log.exception("An API call was not answered")
        said_so = Problem(field="server", expected="an answer", got="an error, which is in the server's log")
        return _send(said_so, 503, FRESH | {"retry-after": "30"})


# The answers ---------------------------------------------------------------------------------------------------


def _families(request: Request) -> Response:
    return _send(catalogue(_engine().registry), 200, ASK, request)


def _openapi(request: Request) -> Response:
    return _send(openapi(_engine().registry, _waits.settings.patience), 200, ASK, request)


def _nothing(request: Request) -> Response:
    raise Refusal(404, "path", "an address that /api/v1/openapi.json describes", request.url.path)


def _ask(request: Request) -> Response:
    """A run by its link: made, under way, or begun by this very call."""
    engine = _engine()
    spec, notes = _read(request.query_params.multi_items(), engine.registry)
    made = plan(spec, engine.registry)
    digest = made.spec_digest
    run = _run(engine, digest)
    if run is not None:
        return _send(done(run, engine.registry, notes), 200, ASK, request)
    _refuse_failed(engine, digest)
    _check_size(engine, made)
    job = _submit(engine, made, digest, visitor(request.client.host if request.client else ""))
    if job.run is not None:
        return _send(done(job.run, engine.registry, notes), 200, ASK, request)
    if job.over:
        raise _failed(job)
    headers = FRESH | {"location": f"{RUNS}/{digest}", "retry-after": _patience(job)}
    return _send(unfinished(job, engine.registry, notes), 202, headers)


def _after(request: Request) -> Response:
    """What there is to say of a run, by its digest. Whoever asks still waits for it."""
    engine, digest = _engine(), _digest(request)
    _waits.heard(digest)
    run = _run(engine, digest)
    if run is not None:
        return _send(done(run, engine.registry), 200, ASK, request)
    job = engine.find(digest)
    if job is None:
        raise _no_run(digest)
    headers = FRESH if job.over else FRESH | {"retry-after": _patience(job)}
    return _send(unfinished(job, engine.registry), 200, headers)


def _arrays(request: Request) -> Response:
    """A finished run's arrays."""
    engine, digest = _engine(), _digest(request)
    _waits.heard(digest)
    with _reading:
        content = engine.stored(digest)
    if content is None:
        job = engine.find(digest)
        if job is None or (job.over and job.run is None):
            raise _no_run(digest)
        if job.run is None or not job.over:
            raise Refusal(
                409, "digest", "a run that is made", f"one that is {job.state}", retry_after=_patience(job)
            )
        content = results.to_bytes(job.run)  # the store takes nothing, or it is on its way there
    name = {"content-disposition": f'attachment; filename="run-{digest[:12]}.npz"'}
    return _sent(content, "application/zip", 200, ASK | name, request)


CALLS = {
    "families": _families,
    "openapi": _openapi,
    "ask": _ask,
    "after": _after,
    "arrays": _arrays,
    "nothing": _nothing,
}


# Reading a request ---------------------------------------------------------------------------------------------


def _read(pairs: list[tuple[str, str]], registry: Registry) -> tuple[RunSpec, list[Mended]]:
    """The resolved spec that a query asks for, and what in it could not be used. Refuses one that names no family,
    and one whose data are gone: they are never replaced by others."""
    whole = next((value for name, value in pairs if _plain(name) == "link"), None)
    family = next((_plain(value) for name, value in pairs if _plain(name) == "family"), "")
    more: list[Mended] = []
    if whole is None:
        inner = pairs
    else:
        more = [
            Mended(link.short(name), link.short(value), "`link` says everything", "nothing")
            for name, value in pairs
            if (_plain(name), value) != ("link", whole)
        ][:NOTES]
        family, inner = _taken_apart(whole)
    data = next((_plain(value) for name, value in inner if _plain(name) == "data"), "")
    if family not in registry.families:
        name = "family" if whole is None else "link"
        wanted = "one of " + ", ".join(registry.families)
        raise Refusal(400, name, wanted if whole is None else f"/FAMILY?…, with {wanted}", family or "none")
    if stored.missing(data):
        wanted = "data that are kept on this machine; give the file that they came from on the link's page"
        raise Refusal(422, "data", wanted, f"{data[:24]}…, which are not here (any more)")
    spec, notes = link.parse(grouped(inner), registry, family)
    return spec, notes + more


def _taken_apart(whole: str) -> tuple[str, list[tuple[str, str]]]:
    """The family and the parameters of a link."""
    try:
        parts = urlsplit(whole)
    except ValueError:
        return "", []
    return parts.path.strip("/").split("/")[-1].lower(), parse_qsl(parts.query, keep_blank_values=True)


def _plain(text: str) -> str:
    return text.strip().lower()


def _digest(request: Request) -> str:
    digest = str(request.path_params["digest"])
    if not _DIGEST.fullmatch(digest):
        raise _no_run(digest)
    return digest


def _no_run(digest: str) -> Refusal:
    wanted = "the digest of a run that is under way or kept here (ask for it by its link)"
    return Refusal(404, "digest", wanted, digest)


# The engine, in few words --------------------------------------------------------------------------------------


def _engine() -> Engine:
    """The one of this process."""
    from dashboard import jobs

    try:
        return jobs.engine()
    except Exception:
        log.exception("There is no engine")
        raise _no_engine("none that started") from None


def _no_engine(got: str) -> Refusal:
    return Refusal(503, "engine", "an engine that takes runs", got, retry_after="5")


def _run(engine: Engine, digest: str) -> Run | None:
    """The finished run of a digest: held by its job, or stored."""
    job = engine.find(digest)
    if job is not None and (not job.over or job.run is not None):
        return job.run if job.over else None
    content = engine.stored(digest)
    if content is None:
        return None
    try:
        return results.from_bytes(content, engine.registry)
    except (ValueError, PluginError):  # bytes of another version, or of a plugin that has gone since
        return None


def _refuse_failed(engine: Engine, digest: str) -> None:
    """Refuse a run that ended without a result just now; one that did so a while ago is forgotten, so that it is
    tried again."""
    job = engine.find(digest)
    if job is None or not job.over or job.state == LEFT or was_turned_away(job):
        return
    if time.monotonic() - job.ended < TOLD:
        raise _failed(job)
    engine.forget(job)


def _failed(job: Job) -> Refusal:
    error = job.error
    if isinstance(error, BusyError):
        return Refusal(429, error.field, error.expected, error.got, retry_after="10")
    if job.state == REFUSED and isinstance(error, ConfigError):
        return Refusal(422, error.field, tidy(error.expected), tidy(str(error.got)))
    return Refusal(422, "run", f"a run that comes to its end ({RUNS}/{job.key} says more)", tidy(said(error)))


def _check_size(engine: Engine, made: Plan) -> None:
    runs.check_limits(made, engine.limits)


def _submit(engine: Engine, made: Plan, digest: str, who: str) -> Job:
    """The job of this spec, with this caller waiting for it; refuses what is one too many."""
    if engine.status().get("engine") == "lost":
        raise _no_engine("none at the moment")

    def over(key: str) -> bool:
        held = engine.find(key)
        return held is not None and held.over  # one that is not there yet is about to be

    _waits.sweep(engine, over)
    if not _waits.begin(who, digest):
        most = _waits.settings.runs
        wanted = f"at most {most} runs at a time for one caller"
        raise Refusal(429, "runs", wanted, f"{most + 1}: wait for one of them", retry_after="5")
    try:
        job = engine.submit(made.spec, seat(who, digest))
    except BaseException:
        _waits.drop(engine, who, digest)
        raise
    _waits.watch(engine, over)
    return job


def _patience(job: Job) -> str:
    """Seconds until it is worth asking again."""
    return str(min(10, 1 + (job.place or 0)))


def _allowed(request: Request) -> bool:
    """Whether whoever calls may: everybody, where no login is set up."""
    from dashboard import login

    return login.allowed(request)


# Sending -------------------------------------------------------------------------------------------------------


def _send(
    answer: Answer | Mapping[str, Any],
    status: int,
    headers: Mapping[str, str],
    request: Request | None = None,
) -> Response:
    """An answer in JSON. Of a ``request``, one that has the same already is told so."""
    plain = answer.model_dump(mode="json") if isinstance(answer, Answer) else answer
    content = json.dumps(plain, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "replace"
    )
    return _sent(content, "application/json", status, headers, request)


def _sent(
    content: bytes, media_type: str, status: int, headers: Mapping[str, str], request: Request | None
) -> Response:
    headers = dict(headers)
    if request is not None:
        headers["etag"] = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        if _has(request.headers.get("if-none-match", ""), headers["etag"]):
            return Response(status_code=304, headers={k: headers[k] for k in ("etag", "cache-control")})
    return Response(content, status, headers, media_type)


def _has(given: str, tag: str) -> bool:
    """Whether If-None-Match names this ETag."""
    tags = {one.strip().removeprefix("W/") for one in given.split(",")}
    return tag in tags or "*" in tags
