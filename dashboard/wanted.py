"""Where somebody wanted to go who had to sign in first.

Streamlit sends whoever has signed in to the first page, and a link that was followed would be lost. So the address that
a stranger asks for is put into a cookie of his own, and the answer that signs him in sends him there. It is a path on
this server and nothing else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection

from dashboard import login

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "ebm_wanted"
SECONDS, MOST = 600, 3500  # how long it is kept, and characters of the longest one
PLACE = re.compile(
    r"/(?![/\\])[!-\[\]-~]*"
)  # begins with one slash; no spaces, control characters or backslashes
CALLBACK, OURS = "/oauth2callback", ("/oauth2callback", "/auth/login", "/auth/logout")
SIGNED_IN = "_streamlit_user="


class Wanted:
    """Remembers the address that a stranger asks for, and goes on there once that stranger has signed in."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not login.configured():
            await self.app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        came_back = scope["path"].endswith(CALLBACK)
        asked = "" if login.allowed(request) else _asked(scope)
        wanted = unquote(request.cookies.get(COOKIE, ""))

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                cookies = headers.getlist("set-cookie")
                signed_in = any(one.startswith(SIGNED_IN) and "Max-Age=0" not in one for one in cookies)
                if came_back and signed_in and PLACE.fullmatch(wanted):
                    headers["location"] = wanted
                    headers.append("set-cookie", _cookie("", 0))
                elif asked:
                    headers.append("set-cookie", _cookie(quote(asked, safe=""), SECONDS))
            await send(message)

        await self.app(scope, receive, answer)


def _asked(scope: Scope) -> str:
    """The path and query of a page that was asked for; nothing for what is no page, or says no more than the first."""
    accept = next((value for name, value in scope["headers"] if name == b"accept"), b"")
    path, query = quote(scope["path"], safe="/"), scope["query_string"].decode("latin-1")
    if b"text/html" not in accept or path.endswith(OURS) or (path == "/" and not query):
        return ""
    asked = f"{path}?{query}" if query else path
    return asked if len(asked) <= MOST and PLACE.fullmatch(asked) else ""


def _cookie(value: str, seconds: int) -> str:
    return f"{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax"
