"""The security headers of every answer, and who may show our pages in a frame.

``Strict-Transport-Security`` is not among them: the server speaks plain HTTP to a proxy, and only the proxy knows that
visitors reach it by HTTPS and will go on doing so.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders

from dashboard import limits

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

VARIABLE = limits.variable("frame_ancestors")
SELF, NONE = "'self'", "'none'"
# A scheme, a host name (or all below one) and perhaps a port: nothing that could end a directive or a header.
ORIGIN = re.compile(r"https?://(\*\.)?[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?(:[0-9]{1,5})?", re.IGNORECASE)
INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
PERMISSIONS = ("camera", "display-capture", "geolocation", "hid", "microphone", "payment", "serial", "usb")


class SettingError(SystemExit):
    """A setting of the host's that cannot be used. The server does not start; its message is the last line."""


def frame_ancestors() -> tuple[str, ...]:
    """Who may show our pages in a frame, as the host set it: sources of ``frame-ancestors``."""
    return sources(limits.settings().frame_ancestors)


def sources(text: str) -> tuple[str, ...]:
    """``self``, ``none`` or a list of origins as sources of a policy; nothing means ``self``. Raises SettingError."""
    found = tuple(dict.fromkeys(_source(word) for word in re.split(r"[\s,]+", text.strip()) if word))
    if NONE in found and len(found) > 1:
        raise SettingError(
            f"{VARIABLE}: 'none' stands alone, and there is more beside it. Leave out one of them."
        )
    return found or (SELF,)


def _source(word: str) -> str:
    bare = word.strip("'").lower()
    if bare in ("self", "none"):
        return f"'{bare}'"
    if not ORIGIN.fullmatch(word) or ".." in word:
        raise SettingError(
            f"{VARIABLE}: expected self, none or origins such as https://school.example, got {word[:80]!r}. "
            "An origin has a scheme, a host and perhaps a port, and no path."
        )
    return word.lower()


@cache
def inline_scripts() -> tuple[str, ...]:
    """The digests of the scripts that Streamlit's index page has between its tags, as sources of a policy."""
    import streamlit

    page = Path(streamlit.__file__).parent / "static" / "index.html"
    found = INLINE.findall(page.read_bytes()) if page.is_file() else []
    return tuple(f"'sha256-{base64.b64encode(hashlib.sha256(one).digest()).decode()}'" for one in found)


def policy(ancestors: tuple[str, ...]) -> str:
    """The Content-Security-Policy of every page: as strict as Streamlit and Plotly allow, tried out in Chromium.

    Scripts come from our own address; the one that Streamlit's index page holds is named by its digest. No other runs
    that stands in a page's markup, whoever put it there. Two more sources are needed. ``blob:``: Streamlit makes a
    blob of a component's script and imports that. ``'unsafe-eval'``: Plotly's ``scattergl``, ``splom`` and
    ``parcoords`` write the code of their drawing and compile it; without that word they say that the browser has no
    WebGL. (Streamlit also compiles WebAssembly, which the word includes.) Neither runs what is put into a page.
    ``'unsafe-inline'`` holds for styles alone: Streamlit, KaTeX and Plotly write theirs into the page.
    """
    directives = {
        "default-src": (SELF,),  # the WebSocket to this address, too
        "script-src": (SELF, *inline_scripts(), "blob:", "'unsafe-eval'"),
        "style-src": (SELF, "'unsafe-inline'"),
        "img-src": (SELF, "data:", "blob:"),  # a picture of a stage that is saved is a blob
        "font-src": (SELF, "data:"),
        "worker-src": (SELF,),
        "frame-src": (NONE,),
        "object-src": (NONE,),
        "base-uri": (SELF,),
        "form-action": (SELF,),
        "frame-ancestors": ancestors,
    }
    return "; ".join(f"{name} {' '.join(values)}" for name, values in directives.items())


def security(ancestors: tuple[str, ...]) -> dict[str, str]:
    """The headers of every answer, for these ancestors."""
    found = {
        "content-security-policy": policy(ancestors),
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "permissions-policy": ", ".join(f"{name}=()" for name in PERMISSIONS),
    }
    older = {SELF: "SAMEORIGIN", NONE: "DENY"}.get(" ".join(ancestors))
    return found | ({"x-frame-options": older} if older else {})  # it cannot name other origins


class Headers:
    """Adds :func:`security` to every HTTP answer that does not set them itself."""

    def __init__(self, app: ASGIApp, ancestors: tuple[str, ...]) -> None:
        self.app = app
        self.headers = security(ancestors)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, with_headers)
