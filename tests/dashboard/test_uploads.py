"""What the server holds of uploads: never more than its room, for nobody who may not come in, and it is given back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from dashboard import login, own_data, uploads, web

MB = 2**20


class Host:
    """An app that keeps what is put to it as Streamlit does, behind the middleware; its clock stands still."""

    def __init__(self, below: str = "") -> None:
        self.held, self.now, self.inside = MemoryUploadedFileManager(""), 0.0, asyncio.Event()
        self.wait: asyncio.Event | None = None

        async def take(request: Request) -> Response:
            session, file = request.path_params["session_id"], request.path_params["file_id"]
            if request.method == "DELETE":
                self.held.remove_file(session, file)
                return Response(status_code=204)
            self.inside.set()
            if self.wait is not None:
                await self.wait.wait()
            size = int(request.headers["content-length"])
            self.held.add_file(session, UploadedFileRec(file, "a.csv", "", bytes(size)))
            return Response(status_code=204)

        path = f"{below}/_stcore/upload_file/{{session_id}}/{{file_id}}"
        guard = Middleware(uploads.Uploads, held=lambda: self.held, clock=lambda: self.now)
        self.app = Starlette(
            routes=[Route(path, take, methods=["PUT", "DELETE", "OPTIONS"])], middleware=[guard]
        )
        self.below = below

    async def aput(self, session: str, file: str, size: int | None, method: str = "PUT", **more: str) -> int:
        said: list[Any] = []
        length = {} if size is None else {"content-length": str(size)}
        headers = [(k.replace("_", "-").encode(), v.encode()) for k, v in (length | more).items()]
        path = f"{self.below}/_stcore/upload_file/{session}/{file}"
        scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            said.append(message)

        await self.app(scope, receive, send)
        assert said[0]["status"] < 400 or b" " in said[1]["body"]  # words
        return int(said[0]["status"])

    def put(self, *args: Any, **more: Any) -> int:
        return asyncio.run(self.aput(*args, **more))

    @property
    def total(self) -> int:
        return sum(len(f.data) for files in self.held.file_storage.values() for f in files.values())


@pytest.mark.parametrize("below", ["", "/lab", "/a/b"])
def test_one_tab_holds_so_much_and_no_more_until_it_lets_go(below: str) -> None:
    host = Host(below)
    assert [host.put("tab", str(n), 19 * MB) for n in range(4)] == [204, 204, 413, 413]
    assert host.total == 38 * MB
    assert host.put("other", "0", 19 * MB) == 204
    assert host.put("tab", "0", None, "DELETE") == 204
    assert host.put("tab", "4", 19 * MB) == 204
    host.held.remove_session_files("tab")  # as Streamlit does when a session is gone
    assert host.put("tab", "5", 19 * MB) == host.put("tab", "6", 19 * MB) == 204


def test_all_together_hold_so_much_and_no_more() -> None:
    host = Host()
    found = [host.put(f"tab {n}", "x", 19 * MB) for n in range(15)]
    assert found == [204] * 10 + [429] * 5
    assert host.total <= uploads.IN_ALL
    host.now = uploads.LONG + 1
    assert (
        host.put("late", "x", 19 * MB) == 204
    )  # one that came long ago made way: as many as needed, no more
    assert "x" not in host.held.file_storage["tab 0"]
    assert "x" in host.held.file_storage["tab 1"]


def test_what_cannot_fit_drives_nothing_out() -> None:
    host = Host()
    assert host.put("tab", "old", 10 * MB) == 204
    host.now = uploads.LONG + 1
    assert host.put("tab", "new", 29 * MB) == 204
    assert host.put("tab", "more", 20 * MB) == 413
    assert set(host.held.file_storage["tab"]) == {"old", "new"}
    assert host.put("tab", "less", 9 * MB) == 204
    assert set(host.held.file_storage["tab"]) == {"new", "less"}


def test_files_that_are_under_way_count() -> None:
    """Else any number that begin together would all be let in."""
    host = Host()

    async def together() -> list[int]:
        host.wait = asyncio.Event()
        begun = [asyncio.create_task(host.aput("tab", str(n), 19 * MB)) for n in range(5)]
        await asyncio.wait(begun, return_when=asyncio.FIRST_COMPLETED)
        host.wait.set()
        return sorted(await asyncio.gather(*begun))

    assert asyncio.run(together()) == [204, 204, 413, 413, 413]

    async def cut() -> None:
        host.wait, host.inside = asyncio.Event(), asyncio.Event()
        begun = asyncio.create_task(host.aput("cut", "x", 39 * MB))
        await host.inside.wait()
        begun.cancel()
        await asyncio.wait([begun])

    asyncio.run(cut())
    host.wait = None
    assert host.put("cut", "y", 39 * MB) == 204  # what was cut off takes no room


def test_empty_files_do_not_come_for_nothing() -> None:
    host = Host()
    found = [host.put("tab", str(n), 0) for n in range(uploads.OF_A_SESSION // uploads.BESIDE + 5)]
    assert found.count(413) >= 5
    assert found.count(204) > 200  # as many pictures as one upload may have


@pytest.mark.parametrize("size", ["", "-1", "1e3", "+3", "9" * 40, " "])
def test_a_length_must_be_said(size: str) -> None:
    host = Host()
    assert host.put("tab", "x", None) == host.put("tab", "x", None, content_length=size) == 411
    assert host.put("tab", "x", 5, transfer_encoding="chunked") == 411
    assert host.total == 0


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_nothing_is_taken_from_a_stranger(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "allowed", lambda request: request.headers.get("cookie") == "mine")
    host = Host("/lab")
    host.held.add_file("tab", UploadedFileRec("kept", "a.csv", "", b"1"))
    assert host.put("tab", "kept", 5, method) == 401
    assert host.total == 1
    assert host.put("tab", "kept", 5, method, cookie="mine") == 204


def test_data_that_are_used_take_no_room_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are in the store, so the files that they came from go, and those of others stay."""
    held = MemoryUploadedFileManager("")
    for session in ("mine", "other"):
        held.add_file(session, UploadedFileRec("x", "a.csv", "", b"1"))
    monkeypatch.setattr(uploads, "manager", lambda: held)
    context = SimpleNamespace(session_id="mine")
    monkeypatch.setattr("streamlit.runtime.scriptrunner.get_script_run_ctx", lambda **_: context)
    monkeypatch.setattr(own_data.own, "keep", lambda made: "a key")
    assert own_data._kept(None) == "a key"  # type: ignore[arg-type]
    assert list(held.file_storage) == ["other"]


def test_every_answer_passes_it() -> None:
    assert uploads.Uploads in [one.cls for one in web.middleware()]


def test_streamlit_itself_is_held_to_it(serve: Callable[..., Any]) -> None:
    """A real server under a path, as the finding had it: its memory does not grow with what is put to it."""
    from streamlit_client import XSRF, multipart, visit

    below = serve(env={"EBM_PLUGINS": ""}, options=("--server.baseUrlPath=lab",))

    async def story() -> tuple[list[int], list[int]]:
        async with visit(f"{below.url}/lab/") as tab:
            await tab.until(lambda p: p.finished > 0 and bool(p.session), 60)
            body, kind = multipart("a.csv", bytes(19_000_000))
            headers = {**kind, "X-Xsrftoken": tab.cookies[XSRF]}
            path = f"/lab/_stcore/upload_file/{tab.session}/"

            async def put(name: str, method: str = "PUT", content: Any = body) -> int:
                return await asyncio.to_thread(tab.http, method, path + name, content, headers)

            first = [await put(str(n)) for n in range(4)]
            gone = await put("0", "DELETE", None)
            return first, [gone, await put("again"), await put("chunks", content=iter([b"x" * 100]))]

    began = time.monotonic()
    first, then = asyncio.run(story())
    assert first == [204, 204, 413, 413]
    assert then == [204, 204, 411]
    assert time.monotonic() - began < 60
