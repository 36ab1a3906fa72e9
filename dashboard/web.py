"""The app's own routes (Plotly's script, health, metrics) and what every answer passes through."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dashboard import headers, metrics

if TYPE_CHECKING:
    from starlette.requests import Request

FOREVER = "public, max-age=31536000, immutable"


@cache
def plotly_file() -> Path:
    """plotly.js as the installed plotly package ships it."""
    import plotly

    return Path(plotly.__file__).parent / "package_data" / "plotly.min.js"


@cache
def plotly_url() -> str:
    """Where the app serves plotly.js. The name holds the content's hash, so the answer may be kept for ever."""
    digest = hashlib.sha256(plotly_file().read_bytes()).hexdigest()[:16]
    return f"/plotly.{digest}.min.js"


@cache
def _plotly_bytes(zipped: bool) -> bytes:
    raw = plotly_file().read_bytes()
    return gzip.compress(raw, 6, mtime=0) if zipped else raw


def _plotly(request: Request) -> Response:
    """The script, gzipped (once, then kept) for whoever takes that."""
    zipped = "gzip" in request.headers.get("accept-encoding", "")
    answer = {"cache-control": FOREVER, "vary": "accept-encoding"}
    if zipped:
        answer["content-encoding"] = "gzip"
    return Response(_plotly_bytes(zipped), media_type="text/javascript", headers=answer)


_modules: dict[str, bytes] = {}


def module_url(name: str, text: str) -> str:
    """Where the app serves a script of its own. Its name holds the content's hash, as plotly.js has it."""
    raw = text.encode()
    url = f"/ebm.{name}.{hashlib.sha256(raw).hexdigest()[:16]}.js"
    _modules[url] = raw
    return url


def module_urls() -> tuple[str, ...]:
    """Every script of the app's own that its pages load."""
    import_module("dashboard.plot")  # its components name theirs
    return tuple(_modules)


def _module(request: Request) -> Response:
    if request.url.path not in _modules:
        module_urls()  # this process has shown no page yet
    raw = _modules.get(request.url.path)
    if raw is None:
        return Response("There is no such script in this version.", status_code=404, media_type="text/plain")
    return Response(raw, media_type="text/javascript", headers={"cache-control": FOREVER})


def warm() -> None:
    """Zip plotly.js before anybody asks for it."""
    _plotly_bytes(True)


def routes() -> list[BaseRoute]:
    """What the app serves beside Streamlit's own."""
    from dashboard import api

    return [
        Route(plotly_url(), _plotly),
        Route("/ebm.{name}.js", _module),
        Route("/health", metrics.health),
        Route("/metrics", metrics.metrics),
        *api.routes(),
    ]


def middleware() -> list[Middleware]:
    """What every answer passes through."""
    from dashboard.head import Head
    from dashboard.uploads import Uploads
    from dashboard.wanted import Wanted

    return [
        Middleware(headers.Headers, ancestors=headers.frame_ancestors()),
        Middleware(Uploads),
        Middleware(Wanted),
        Middleware(Head),
    ]
