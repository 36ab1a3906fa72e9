"""The app's own routes (Plotly's script, health) and the headers of every answer."""

from __future__ import annotations

import gzip
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

FOREVER = "public, max-age=31536000, immutable"
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "strict-origin-when-cross-origin",
    "x-frame-options": "SAMEORIGIN",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


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
    headers = {"cache-control": FOREVER, "vary": "accept-encoding"}
    if zipped:
        headers["content-encoding"] = "gzip"
    return Response(_plotly_bytes(zipped), media_type="text/javascript", headers=headers)


def _health(_request: Request) -> Response:
    from ebm_plugins import __version__

    return JSONResponse({"status": "ok", "version": __version__}, headers={"cache-control": "no-store"})


# What the stage is made of. Streamlit loads each kind of element when it is first met, after the main script and
# while the run computes; named in the answer's head, these come earlier (seen: the stage is alive a third sooner).
# More of them than the first screen needs would only delay the main script.
ELEMENTS = ("BidiComponent", "Html")
_IMPORTED = re.compile(r"""(?:from|import)\s*["'`]\./([\w.-]+\.js)["'`]""")


@cache
def preloads() -> str:
    """A Link header for the scripts of :data:`ELEMENTS` and what they import, empty where Streamlit has none such."""
    import streamlit

    static = Path(streamlit.__file__).parent / "static"
    scripts = static / "static" / "js"
    if not (static / "index.html").is_file() or not scripts.is_dir():
        return ""
    known = set(re.findall(r"/js/([\w.-]+\.js)", (static / "index.html").read_text(encoding="utf-8")))
    wanted: list[str] = []
    queue = [found.name for name in ELEMENTS for found in sorted(scripts.glob(f"{name}.*.js"))]
    while queue and len(wanted) < 80:
        name = queue.pop(0)
        if name in known or not (scripts / name).is_file():
            continue
        known.add(name)
        wanted.append(name)
        head = (scripts / name).read_text(encoding="utf-8")[:20_000]
        queue.extend(_IMPORTED.findall(head))
    return ", ".join(f"<./static/js/{name}>; rel=modulepreload; fetchpriority=low" for name in wanted)


def routes() -> list[BaseRoute]:
    """What the app serves beside Streamlit's own."""
    return [Route(plotly_url(), _plotly), Route("/health", _health)]


class _Headers:
    """Adds :data:`HEADERS` to every HTTP answer that does not set them itself, and :func:`preloads` to pages."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if headers.get("content-type", "").startswith("text/html") and preloads():
                    headers.setdefault("link", preloads())
            await send(message)

        await self.app(scope, receive, with_headers)


def middleware() -> list[Middleware]:
    """What every answer passes through."""
    return [Middleware(_Headers)]
