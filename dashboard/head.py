"""What is put into the head of every page that Streamlit serves: what must be there before the first paint.

Streamlit loads each kind of element when it is first met, and a style only with its element. Until then an element
is empty, so the page would jump. Two things are therefore put into its index page: the scripts of the elements that
our pages open with, named ahead, and the heights of what is still to come. Where Streamlit has no such script or
class, nothing happens.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dashboard import web
from dashboard.plot.heights import styles

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

ELEMENTS = (
    "BidiComponent",
    "Html",
    "Selectbox",
    "Slider",
    "ButtonGroup",
    "NumberInput",
    "Metric",
    "rehype-katex",
)
MOST = 80
# Streamlit centres a page until its script says that it is wide; all of ours are.
WIDE = ".stMainBlockContainer{max-width:none!important}"
# A control is a label and a box; while its script comes, Streamlit shows a grey bar of 40 px in its place.
CONTROL = ':where(.stElementContainer[class*="st-key-"]:has(>[data-testid="stSkeleton"])){min-height:68px}'
# The button that copies the link comes with the verdict, its script a moment later.
COPY = ':where(.stElementContainer[class*="-copy-link"]){min-height:42px}'
# A formula is raw LaTeX, of any height, until KaTeX has come; then most are one line or a fraction.
FORMULA = "".join(
    f"{key}{{min-height:{px}px;justify-content:center}}"
    f"{key}:not(:has(.katex)){{height:{px}px;overflow:hidden;visibility:hidden}}"
    for key, px in ((".st-key-formula", 48), ('[class*="st-key-home-formula"]', 64))
)
# On paper a page is what it says: no bar of links over its first lines, no figure cut in two.
PRINT = (
    '@media print{[data-testid="stHeader"],[data-testid="stToolbar"]{display:none!important}'
    '[data-testid="stBidiComponentIsolated"],[data-testid="stMetric"],.ebm-table tr{break-inside:avoid}}'
)
# A closed drawer is moved aside but keeps its links, which Tab then goes through unseen.
DRAWER = '[data-testid="stSidebar"][data-collapsed="true"]{visibility:hidden;transition:transform .3s,visibility 0s .3s}'
_IMPORTED = re.compile(r"""(?:from|import)\s*["'`]\./([\w.-]+\.js)["'`]""")


@cache
def scripts() -> tuple[str, ...]:
    """The scripts of :data:`ELEMENTS` and what they import, but for those that the index page loads anyway."""
    import streamlit

    static = Path(streamlit.__file__).parent / "static"
    folder = static / "static" / "js"
    if not (static / "index.html").is_file() or not folder.is_dir():
        return ()
    known = {name.name for name in folder.glob("index.*.js")}
    for name in tuple(known):  # what the main script imports is under way already
        known |= set(_IMPORTED.findall((folder / name).read_text(encoding="utf-8")[:20_000]))
    wanted: list[str] = []
    queue = [found.name for name in ELEMENTS for found in sorted(folder.glob(f"{name}.*.js"))]
    while queue and len(wanted) < MOST:
        name = queue.pop(0)
        if name in known or not (folder / name).is_file():
            continue
        known.add(name)
        wanted.append(name)
        queue.extend(_IMPORTED.findall((folder / name).read_text(encoding="utf-8")[:20_000]))
    return tuple(wanted)


@cache
def markup() -> bytes:
    """What is put before ``</head>``."""
    links = "".join(
        f'<link rel="modulepreload" fetchpriority="low" crossorigin href="./static/js/{name}">'
        for name in scripts()
    )
    links += "".join(f'<link rel="modulepreload" crossorigin href="{url}">' for url in web.module_urls())
    return f"<style>{WIDE}{CONTROL}{COPY}{FORMULA}{PRINT}{DRAWER}{styles()}</style>{links}".encode()


class Head:
    """Puts :func:`markup` into Streamlit's index page, whatever the address that it is served under."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not _wants_page(scope):
            await self.app(scope, receive, send)
            return
        # Asked for plainly and anew: a zipped or a remembered page could not be written into.
        left_out = (b"accept-encoding", b"if-none-match", b"if-modified-since", b"range")
        headers = [(name, value) for name, value in scope["headers"] if name.lower() not in left_out]
        start: Message | None = None
        body = bytearray()

        async def written(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            if message["type"] != "http.response.body" or start is None:
                await send(message)
                return
            body.extend(message.get("body", b""))
            if not message.get("more_body"):
                await send(_start(start, body))
                await send({"type": "http.response.body", "body": bytes(body)})

        await self.app({**scope, "headers": headers}, receive, written)


def _wants_page(scope: Scope) -> bool:
    accept = next((value for name, value in scope["headers"] if name.lower() == b"accept"), b"")
    return b"text/html" in accept and "." not in scope["path"].rpartition("/")[2]


def _start(start: Message, body: bytearray) -> Message:
    """The answer's head for the body with the markup in it, when it is the index page."""
    kept = [
        (n, v) for n, v in start["headers"] if n.lower() not in (b"content-length", b"etag", b"last-modified")
    ]
    kind = next((v for n, v in start["headers"] if n.lower() == b"content-type"), b"")
    at = body.find(b"</head>")
    if not kind.startswith(b"text/html") or at < 0:
        return start
    body[at:at] = markup()
    return {**start, "headers": [*kept, (b"content-length", str(len(body)).encode())]}
