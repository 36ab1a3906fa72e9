"""How much the server holds of what visitors are uploading: Streamlit keeps the files of every open session in memory.

A file comes by ``PUT …/_stcore/upload_file/SESSION/ID``, before any page has looked at it. Here it needs the same
sign-in as a page, a length that is said beforehand, and room: for its session, and among all that are held. What is
held is counted in Streamlit's own records, so that what a page or the end of a session lets go of counts no more; a
file that is under way counts with the length that it said. Where room is short, files that came long ago make way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse

from dashboard import login

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send
    from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

MARK = "/_stcore/upload_file/"  # under whatever path the pages are
OF_A_SESSION, IN_ALL = 40 * 2**20, 200 * 2**20  # bytes: two of the largest files; of everybody
LONG = (
    600.0  # seconds after which a file makes way for another: a page has kept what it used of it long before
)
BESIDE = 64 * 1024  # bytes that a file counts beside its content, so that there are not very many empty ones


class NoRoomError(Exception):
    """A file for which there is no room now: the status and the words of the answer."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


def manager() -> MemoryUploadedFileManager | None:
    """Where Streamlit keeps the files of this process."""
    from streamlit.runtime import Runtime
    from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

    found = Runtime.instance().uploaded_file_mgr if Runtime.exists() else None
    return found if isinstance(found, MemoryUploadedFileManager) else None


def let_go() -> None:
    """Drop the files of the visitor whose page this is: what was used of them is kept by its content."""
    from streamlit.runtime.scriptrunner import get_script_run_ctx

    context, held = get_script_run_ctx(suppress_warning=True), manager()
    if context is not None and held is not None:
        held.remove_session_files(context.session_id)


class Uploads:
    """Refuses an upload with 401 (not signed in), 411 (no length), 413 (its session's) or 429 (everybody's room is full)."""

    def __init__(
        self,
        app: ASGIApp,
        held: Callable[[], MemoryUploadedFileManager | None] = manager,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.app, self._held, self._clock = app, held, clock
        self._under_way: list[tuple[str, int]] = []
        self._came: dict[tuple[str, str], float] = {}  # (session, file) → when it was first seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        _, mark, rest = scope["path"].rpartition(MARK) if scope["type"] == "http" else ("", "", "")
        if not mark or scope["method"] not in ("PUT", "DELETE"):
            await self.app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        try:
            if not login.allowed(request):
                raise NoRoomError(401, "Sign in first: files are taken from whoever has signed in.")
            if scope["method"] == "DELETE":
                await self.app(scope, receive, send)
                return
            with self._room(rest.partition("/")[0], _length(request)):
                await self.app(scope, receive, send)
        except NoRoomError as refused:
            headers = {"retry-after": "60"} if refused.status == 429 else {}
            await PlainTextResponse(refused.words, refused.status, headers)(scope, receive, send)

    @contextmanager
    def _room(self, session: str, length: int) -> Iterator[None]:
        """Room for a file for as long as it is under way. Raises NoRoomError."""
        coming = (session, length + BESIDE)
        self._make_way(*coming)
        self._under_way.append(coming)
        try:
            yield
        finally:
            self._under_way.remove(coming)
            self._sizes()

    def _make_way(self, session: str, size: int) -> None:
        sizes = self._sizes()
        coming = sum(one for who, one in self._under_way if who == session)
        mine = {key: one for key, one in sizes.items() if key[0] == session}
        if (gone := self._drop(mine, coming + size - OF_A_SESSION)) is None:
            most = OF_A_SESSION // 2**20
            raise NoRoomError(
                413,
                f"Expected at most {most} MB of files in one tab, got more. Take some out, or open the page anew.",
            )
        left = {key: one for key, one in sizes.items() if key not in gone}
        if self._drop(left, sum(one for _, one in self._under_way) + size - IN_ALL) is None:
            raise NoRoomError(
                429, "Expected room for another file, got none: others are uploading. Try again in a minute."
            )

    def _sizes(self) -> dict[tuple[str, str], int]:
        """Bytes of every file that is held, oldest first."""
        held = self._held()
        if held is None:
            return {}
        sizes = {
            (session, file): len(record.data) + len(record.name) + len(file) + BESIDE
            for session, files in list(held.file_storage.items())
            for file, record in list(files.items())
        }
        now = self._clock()
        self._came = {key: self._came.get(key, now) for key in sizes}
        return {key: sizes[key] for key in sorted(sizes, key=self._came.__getitem__)}

    def _drop(self, sizes: dict[tuple[str, str], int], more: int) -> set[tuple[str, str]] | None:
        """Make room for ``more`` bytes beside these: the old ones that went for it; None where that is not enough."""
        over, old, late = sum(sizes.values()) + more, set(), self._clock() - LONG
        for key, size in sizes.items():
            if over > 0 and self._came[key] < late:
                old.add(key)
                over -= size
        if over > 0:
            return None
        held = self._held()
        for session, file in old:
            if held is not None:
                held.remove_file(session, file)
        return old


def _length(request: HTTPConnection) -> int:
    """The length that an upload says it has. Raises NoRoomError for one that says none, or comes in chunks."""
    said = request.headers.get("content-length", "")
    if "transfer-encoding" in request.headers or not (said.isascii() and said.isdigit() and len(said) < 16):
        raise NoRoomError(411, "Expected an upload that says its length (Content-Length), got none.")
    return int(said)
