"""A visitor without a browser, over Streamlit's own websocket protocol: what a tab sends, and what it is shown.

``async with visit("http://127.0.0.1:8501/hopfield?seed=7") as page:`` opens a page as a browser does (cookies, XSRF
token, subprotocols, the first request with the page's name and its query), and from then on answers as one does: every
request brings the values of all widgets and the hashes of large messages held, fragments that ask to be drawn again
(``run_every``) are asked for at their interval, and the address follows what the page says. It loads no scripts and
draws nothing, so fifty of them cost less than one Chromium.
"""

from __future__ import annotations

import asyncio
import http.client
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit_tree import Node, Tree, key_ends, texts
from streamlit_values import WIDGETS, data, header, shown, state
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

XSRF = "_streamlit_xsrf"
LONGEST = 300_000_000  # bytes of one message; Streamlit's own limit is 200 MB


class Gone(ConnectionError):
    """The server has closed the connection, or cannot be reached."""


class Page:
    """One tab. Its state is what the server has said so far; nothing is asked of the server to read it."""

    def __init__(self, url: str, cookies: dict[str, str] | None = None) -> None:
        parts = urlsplit(url)
        self.origin, self.path, self.query = f"{parts.scheme}://{parts.netloc}", parts.path, parts.query
        self.below, _, self.name = parts.path.rpartition(
            "/"
        )  # what a host put before the pages, and the page
        self.cookies = cookies if cookies is not None else {}
        self.tree, self.session, self.page_hash = Tree(), "", ""
        self.finished = 0  # script runs that have ended, fragments' included
        self.running = False
        self.stages = 0  # how many stages were received that differ from the one before
        self.staged_at = 0.0  # time.monotonic() of the last of them
        self.received = 0  # bytes
        self.problems: list[str] = []  # compile errors and pages that are not there
        self.closed: str | None = None
        self._stage, self._run = "", ""
        self._cut = False  # whether the connection was lost while a run was under way
        self._states: dict[str, WidgetState] = {}
        self._cache: dict[str, tuple[ForwardMsg, int]] = {}
        self._oldest = 2
        self._repeats: dict[str, tuple[float, asyncio.Task[None]]] = {}
        self._uploads: asyncio.Future[Any] | None = None
        self._news = asyncio.Event()
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None

    # --- what a visitor sees --------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """What stands in the address bar."""
        return f"{self.origin}{self.path}" + (f"?{self.query}" if self.query else "")

    def texts(self) -> list[str]:
        """All that can be read on the page, from top to bottom."""
        return list(texts(self.tree.root))

    def says(self, text: str) -> bool:
        """Whether this stands anywhere on the page."""
        return any(text in one for one in texts(self.tree.root))

    def box(self, end: str) -> str | None:
        """The text of the container whose key ends so ("verdict", "running", "stamp", "mended"), or None."""
        found = key_ends(self.tree.blocks(), end)
        return None if found is None else " ".join(texts(found))

    def component(self, name: str) -> Any | None:
        """The data of the first component whose name begins so: bytes, or what its JSON says; None without one."""
        for node in self.tree.elements("bidi_component"):
            if node.message.component_name.startswith(name):
                return data(node)
        return None

    def stage(self) -> str | None:
        """The digest of what the stage shows, as its header says it; None while there is no stage."""
        return self._stage or None

    def link(self) -> str | None:
        """The link that *Copy link* would copy: it holds the digests of the spec and of the result."""
        copied = self.component("ebm.copy")
        return copied["text"] if isinstance(copied, dict) else None

    def exceptions(self) -> list[str]:
        """Everything that went wrong and is shown as an error of the program: Streamlit's boxes, and ours."""
        shown = [f"{n.message.type}: {n.message.message}" for n in self.tree.elements("exception")]
        own = [t for t in texts(self.tree.root) if "stopped in `" in t and "Everything else still works" in t]
        return shown + own + self.problems

    def waiting(self) -> str | None:
        """What the box of a run that goes on says, or None when none does."""
        return self.box(" running")

    def alive(self) -> bool:
        """The stage is there, nothing is being computed or drawn, nothing went wrong."""
        ready = bool(self._stage) and not self.running and self.waiting() is None
        return ready and not self.exceptions() and self.closed is None

    # --- what a visitor does --------------------------------------------------------------------------------

    async def until(self, true: Callable[[Page], bool], seconds: float = 30.0) -> None:
        """Wait until this holds. It is asked when a script run ends or another stage comes. Raises TimeoutError with
        what the page says, and Gone when the connection is lost first."""
        deadline = time.monotonic() + seconds
        while not true(self):
            if self.closed is not None:
                raise Gone(self.closed)
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                raise TimeoutError(f"not within {seconds:g} s at {self.url}: {self.texts()[:30]}") from None

    async def settled(self, seconds: float = 30.0) -> None:
        """Wait until the page has its stage and nothing runs any more."""
        await self.until(Page.alive, seconds)

    async def set(self, label: str, value: Any) -> None:
        """Give the control with this label a value: a number, an option as it is shown, a text, true or false."""
        node = self.widget(label)
        self._states[node.id] = state(node, value)
        await self._rerun(node.fragment)

    async def press(self, label: str) -> None:
        """Press the button with this label."""
        node = self.widget(label, kinds=("button",))
        await self._rerun(node.fragment, WidgetState(id=node.id, trigger_value=True))

    async def upload(self, label: str, name: str, content: bytes) -> None:
        """Give a file to the uploader with this label. Raises ValueError with the status when it is refused."""
        node = self.widget(label, kinds=("file_uploader",))
        self._uploads = asyncio.get_running_loop().create_future()
        request = BackMsg()
        request.file_urls_request.request_id = uuid.uuid4().hex
        request.file_urls_request.file_names.append(name)
        request.file_urls_request.session_id = self.session
        await self._send(request)
        place = (await asyncio.wait_for(self._uploads, 30)).file_urls[0]
        body, kind = multipart(name, content)
        kind["X-Xsrftoken"] = self.cookies.get(XSRF, "")
        path = f"{self.below}{urlsplit(place.upload_url).path}"
        status = await asyncio.to_thread(self.http, "PUT", path, body, kind)
        if status != 204:
            raise ValueError(f"{name} was refused with status {status}")
        chosen = WidgetState(id=node.id)
        file = chosen.file_uploader_state_value.uploaded_file_info.add()
        file.file_id, file.name, file.size = place.file_id, name, len(content)
        file.file_urls.CopyFrom(place)
        self._states[node.id] = chosen
        await self._rerun(node.fragment)

    def widget(self, label: str, kinds: tuple[str, ...] = WIDGETS) -> Node:
        """The first control of these kinds with this label that can be used. Raises LookupError naming those there."""
        there = [
            n for n in self.tree.elements() if n.kind in kinds and not getattr(n.message, "disabled", False)
        ]
        for node in there:
            if node.message.label == label:
                return node
        raise LookupError(f"no {label!r} among {[n.message.label for n in there]}")

    # --- the connection -------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Ask for the page's HTML and the health of the server, then connect and ask for the first run."""
        for path in (self.path or "/", f"{self.below}/_stcore/health", f"{self.below}/_stcore/host-config"):
            status = await asyncio.to_thread(self.http, "GET", path)
            if status >= 500:
                raise Gone(f"{path} answers {status}")
        await self.connect()

    async def connect(self) -> None:
        """Open the websocket, also again after it was lost: then with the session that it had, and, as a browser does,
        without asking for a run unless one was under way."""
        protocols = [
            "streamlit",
            self.cookies.get(XSRF, "PLACEHOLDER_AUTH_TOKEN"),
            *filter(None, [self.session]),
        ]
        url = f"{self.origin.replace('http', 'ws', 1)}{self.below}/_stcore/stream"
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            self._socket = await connect(
                url, subprotocols=[Subprotocol(p) for p in protocols], origin=self.origin,  # type: ignore[arg-type]
                additional_headers={"Cookie": cookie} if cookie else {}, max_size=LONGEST, proxy=None, open_timeout=30,
            )  # fmt: skip
        except Exception as error:
            raise Gone(f"no websocket: {type(error).__name__}: {error}") from error
        again, self.closed = bool(self.session), None
        self._reader = asyncio.create_task(self._read(self._socket))
        if not again or self._cut:
            await self._rerun("")

    async def close(self) -> None:
        """Close the tab."""
        self._stop_repeats()
        if self._socket is not None:
            with suppress(Exception):
                await asyncio.wait_for(self._socket.close(), 5)
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)

    def http(
        self, method: str, path: str, body: bytes | None = None, more: dict[str, str] | None = None
    ) -> int:
        """The status of one request, with this visitor's cookies; those that come back are kept."""
        host = urlsplit(self.origin).netloc
        connection = http.client.HTTPConnection(host, timeout=30)
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            connection.request(method, path, body, {**({"Cookie": cookie} if cookie else {}), **(more or {})})
            answer = connection.getresponse()
            answer.read()
        except OSError as error:
            raise Gone(f"{path}: {type(error).__name__}: {error}") from error
        finally:
            connection.close()
        for line in answer.headers.get_all("Set-Cookie") or []:
            self.cookies.update({name: one.value for name, one in SimpleCookie(line).items()})
        return answer.status

    async def _send(self, message: BackMsg) -> None:
        if self._socket is None or self.closed is not None:
            raise Gone(self.closed or "not connected")
        try:
            await self._socket.send(message.SerializeToString())
        except ConnectionClosed as error:
            raise Gone(str(error)) from error

    async def _rerun(self, fragment: str, pressed: WidgetState | None = None, *, auto: bool = False) -> None:
        message = BackMsg()
        ask = message.rerun_script
        ask.query_string, ask.fragment_id, ask.is_auto_rerun = self.query, fragment, auto
        ask.page_script_hash, ask.page_name = self.page_hash, "" if self.page_hash else self.name
        ask.widget_states.widgets.extend(
            [*self._states.values(), *([pressed] if pressed is not None else [])]
        )
        ask.cached_message_hashes.extend(self._cache)
        ask.context_info.url, ask.context_info.timezone, ask.context_info.locale = self.url, "UTC", "en-GB"
        ask.context_info.color_scheme = "light"
        self.running = True
        await self._send(message)

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for raw in socket:
                self.received += len(raw)
                self._take(ForwardMsg.FromString(raw if isinstance(raw, bytes) else raw.encode()))
            self.closed = f"closed with code {socket.close_code}"
        except ConnectionClosed as error:
            self.closed = f"closed: {error}"
        self._cut = self.running or bool(self._repeats)
        self._stop_repeats()
        self.running = False
        self._news.set()

    def _take(self, message: ForwardMsg) -> None:
        """One message of the server, as the browser takes it."""
        metadata = message.metadata
        if message.WhichOneof("type") == "ref_hash":
            message, _ = self._cache[message.ref_hash]
            self._cache[message.hash] = (message, 0)
        elif metadata.cacheable:
            self._cache[message.hash] = (message, 0)
        run, fragments = metadata.run.script_run_id, list(metadata.run.fragment_ids)
        kind = message.WhichOneof("type")
        if kind == "delta":
            self._draw(list(metadata.delta_path), message)
        elif kind == "new_session":
            self._begin(message, run, fragments)
        elif kind == "script_finished":
            self._end(message.script_finished, run, fragments)
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        elif kind == "navigation":
            self.page_hash = message.navigation.page_script_hash or self.page_hash
        elif kind == "auto_rerun":
            self._repeat(message.auto_rerun.fragment_id, message.auto_rerun.interval)
        elif kind == "stop_auto_rerun":
            for fragment in message.stop_auto_rerun.fragment_ids:
                self._stop_repeats(fragment)
        elif kind == "file_urls_response" and self._uploads is not None and not self._uploads.done():
            self._uploads.set_result(message.file_urls_response)
        elif kind == "page_not_found":
            self.problems.append(f"page not found: {message.page_not_found.page_name or self.name}")
        elif kind == "session_event" and message.session_event.HasField("script_compilation_exception"):
            self.problems.append(message.session_event.script_compilation_exception.message)

    def _draw(self, path: list[int], message: ForwardMsg) -> None:
        node = self.tree.apply(path, message.delta, self._run)
        if node.kind in WIDGETS and (node.id not in self._states or node.message.set_value):
            self._states[node.id] = state(node, shown(node))
        elif node.kind == "bidi_component" and node.message.component_name.startswith("ebm.stage."):
            digest = str(header(data(node)).get("digest", ""))
            if digest != self._stage:
                self._stage, self.staged_at = digest, time.monotonic()
                self.stages += 1
                self._news.set()

    def _begin(self, message: ForwardMsg, run: str, fragments: list[str]) -> None:
        self._run = run
        said = message.new_session
        self.session = said.initialize.session_id or self.session
        self._oldest = said.config.max_cached_message_age or self._oldest
        self.running = True
        if not fragments:
            self._stop_repeats()
        if said.page_script_hash and said.page_script_hash != self.page_hash:
            self.page_hash = said.page_script_hash

    def _end(self, how: int, run: str, fragments: list[str]) -> None:
        self.finished += 1
        self.running = False
        if how == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
            self.problems.append("the script does not compile")
        elif how != ForwardMsg.FINISHED_EARLY_FOR_RERUN and (fragments or run == self._run):
            self.tree.prune(run, fragments)
            there = {n.id for n in self.tree.elements()}
            self._states = {key: kept for key, kept in self._states.items() if key in there}
            if not any(
                n.message.component_name.startswith("ebm.stage.")
                for n in self.tree.elements("bidi_component")
            ):
                self._stage = ""
            if not fragments:
                aged = {key: (kept, age + 1) for key, (kept, age) in self._cache.items()}
                self._cache = {key: one for key, one in aged.items() if one[1] <= self._oldest}
        self._news.set()

    def _repeat(self, fragment: str, seconds: float) -> None:
        known = self._repeats.get(fragment)
        if known is not None and known[0] == seconds:
            return
        self._stop_repeats(fragment)

        async def ask() -> None:
            with suppress(Gone):
                while True:
                    await asyncio.sleep(seconds)
                    await self._rerun(fragment, auto=True)

        self._repeats[fragment] = (seconds, asyncio.create_task(ask()))

    def _stop_repeats(self, fragment: str | None = None) -> None:
        for name in [fragment] if fragment is not None else list(self._repeats):
            if name in self._repeats:
                self._repeats.pop(name)[1].cancel()


@asynccontextmanager
async def visit(url: str, cookies: dict[str, str] | None = None) -> AsyncIterator[Page]:
    """A tab that is opened at this address and closed at the end. Raises Gone when nobody answers there."""
    page = Page(url, cookies)
    try:
        await page.open()
        yield page
    finally:
        await page.close()


def multipart(name: str, content: bytes) -> tuple[bytes, dict[str, str]]:
    """A form with one file, as its body and its header."""
    mark = uuid.uuid4().hex
    head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    body = head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + content
    return body + f"\r\n--{mark}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={mark}"}
