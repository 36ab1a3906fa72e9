"""The JSON routes of the server: see docs/api.md.

Every answer is made in a thread of the pool, so that a link that takes long to read holds up nobody's page. What makes
them is imported by the first call: a server that nobody calls starts without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


def routes() -> list[BaseRoute]:
    """The JSON routes, and an answer in JSON for whatever else is asked below /api."""
    return [
        Route("/api/v1/families", _Door("families")),
        Route("/api/v1/openapi.json", _Door("openapi")),
        Route("/api/v1/runs", _Door("ask")),
        Route("/api/v1/runs/{digest}.npz", _Door("arrays")),
        Route("/api/v1/runs/{digest}", _Door("after")),
        Route("/api/{rest:path}", _Door("nothing")),
    ]


class _Door:
    """A route as ASGI, since a function would be asked for GET and HEAD alone, and others answered without JSON."""

    def __init__(self, call: str) -> None:
        self._call = call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await run_in_threadpool(_respond, self._call, Request(scope, receive))
        await response(scope, receive, send)


def _respond(call: str, request: Request) -> Response:
    from dashboard import api_calls

    return api_calls.respond(call, request)
