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
from ebm_plugins.palette import DARK, LIGHT

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
FONTS = ("SourceSerifVariable-Roman.ttf", "SourceSansVF-Upright.ttf")
MOST = 80
# A page that is wide enough is shown to a room: there all is larger, Streamlit's elements by the size of their letters
# (which all of theirs is counted in), our components by ``--scale``. A width is how wide a window must be, in pixels.
SCALES = ((1800, 1.25), (2400, 1.5), (3400, 2.0))
ROOM = "".join(
    f"@media screen and (min-width:{width}px){{:root:root{{font-size:{16 * scale:g}px;--scale:{scale:g}}}}}"
    for width, scale in SCALES
)
# Streamlit centres a page until its script says that it is wide; all of ours are.
WIDE = (
    ".stMainBlockContainer{max-width:none!important}:has(>.st-key-page),.st-key-page{width:77.5rem!important}"
)
# Small print is a paragraph of smaller letters, between whose lines there would be room for larger ones.
SMALL = '[data-testid="stMarkdownContainer"] p:has(>span[style*="0.875rem"]:only-child){line-height:1.375rem}'
# A table in a family's words has the width of a phone.
TABLE = '@media(max-width:640px){[data-testid="stMarkdownContainer"] :is(th,td){padding:.25rem .375rem!important;font-size:.875rem}}'
# Streamlit's colours of code are for a white page and pale on ours: here are those that mean nothing else beside them.
CODE = "".join(
    f'[data-testid="stCode"] :is({parts}){{color:light-dark({LIGHT[name]},{DARK[name]})!important}}'
    for parts, name in (
        (".token", "ink"),
        (".token.comment,.token.punctuation,.linenumber", "muted"),
        (".token.string,.token.number,.token.boolean", "data"),
        (".token.keyword,.token.function,.token.class-name", "energy"),
    )
)
# A control is a label and a box; while its script comes, Streamlit shows a grey bar of 40 px in its place.
CONTROL = ':where(.stElementContainer[class*="st-key-"]:has(>[data-testid="stSkeleton"])){min-height:4.25rem}'
# The button that copies the link comes with the verdict, its script a moment later.
COPY = ':where(.stElementContainer[class*="-copy-link"]){min-height:2.625rem}'
# A formula is raw LaTeX, of any height, until KaTeX has come; then most are one line or a fraction.
FORMULA = "".join(
    f"{key}{{min-height:{px / 16:g}rem;justify-content:center}}"
    f"{key}:not(:has(.katex)){{height:{px / 16:g}rem;overflow:hidden;visibility:hidden}}"
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


def static() -> Path:
    """The folder of what Streamlit serves beside its index page."""
    import streamlit

    return Path(streamlit.__file__).parent / "static" / "static"


@cache
def scripts() -> tuple[str, ...]:
    """The scripts of :data:`ELEMENTS` and what they import, but for those that the index page loads anyway."""
    folder = static() / "js"
    if not (folder.parents[1] / "index.html").is_file() or not folder.is_dir():
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
def fonts() -> tuple[str, ...]:
    """The files of the upright letters that every page is set in. Until they are there another font is shown, and a title
    that is wider in it moves the page when they come."""
    folder = static() / "media"
    return tuple(f.name for name in FONTS for f in sorted(folder.glob(f"{name}.*.woff2")))


@cache
def markup() -> bytes:
    """What is put before ``</head>``."""
    links = "".join(
        f'<link rel="preload" as="font" type="font/woff2" crossorigin href="./static/media/{name}">'
        for name in fonts()
    )
    links += "".join(
        f'<link rel="modulepreload" fetchpriority="low" crossorigin href="./static/js/{name}">'
        for name in scripts()
    )
    links += "".join(f'<link rel="modulepreload" crossorigin href="{url}">' for url in web.module_urls())
    sheet = "".join((ROOM, WIDE, SMALL, TABLE, CODE, CONTROL, COPY, FORMULA, PRINT, DRAWER, styles()))
    return f"<style>{sheet}</style>{links}".encode()


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
