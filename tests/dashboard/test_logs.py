"""The log says what happened, and nothing of who was there."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from dashboard import logs

SECRET = "zqx7marked"


@pytest.fixture
def lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., list[dict[str, Any]]]:
    monkeypatch.setenv(logs.VARIABLE, "json")

    def said() -> list[dict[str, Any]]:
        out, err = capsys.readouterr()
        assert out == ""
        return [json.loads(line) for line in err.splitlines()]

    return said


def test_an_event_is_one_line_of_json(lines: Callable[..., list[dict[str, Any]]]) -> None:
    logs.event(
        "run ended",
        family="metropolis-hastings",
        state="done",
        seconds=1.23456,
        shared=False,
        bytes=7,
        why=None,
    )
    (said,) = lines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", said.pop("time"))
    assert said == {
        "event": "run ended", "family": "metropolis-hastings", "state": "done", "seconds": 1.2346, "shared": False,
        "bytes": 7, "why": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [
        "ada@school.example", "192.0.2.7:443", "2001:db8::1", "seed=7&ask=why", "/hopfield?seed=7", "my file.csv\n{}",
        'Traceback (most recent call last):\n  File "x"', "a" * 49, "", "\x1b[31m", ["a"], {"a": 1}, b"x", object(),
        ValueError("x"), "é",
    ],
)  # fmt: skip
def test_what_is_no_short_word_is_left_out(lines: Callable[..., list[dict[str, Any]]], value: Any) -> None:
    logs.event("run failed", why=value)
    (said,) = lines()
    assert said["why"] == logs.LEFT_OUT


def test_numbers_that_json_has_not_are_nothing(lines: Callable[..., list[dict[str, Any]]]) -> None:
    logs.event("run ended", energy=float("nan"), left=float("inf"))
    (said,) = lines()
    assert (said["energy"], said["left"]) == (None, None)


def test_a_host_that_asks_for_none_has_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(logs.VARIABLE, raising=False)
    logs.event("run ended")
    monkeypatch.setenv(logs.VARIABLE, "text")
    logs.event("run ended", state="done")
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"\S+ run ended state=done\n", err)


def test_a_log_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def write(self, _text: str) -> None:
            raise BrokenPipeError

    monkeypatch.setenv(logs.VARIABLE, "json")
    monkeypatch.setattr("sys.stderr", Gone())
    logs.event("run ended")


def test_requests_leave_no_trace_in_the_servers_log(serve: Callable[..., Any]) -> None:
    """Pages, files, health, an upload, a callback, a refused WebSocket, bytes that are no request."""
    server = serve(env={"EBM_PLUGINS": "", logs.VARIABLE: "json"})
    address = urlsplit(server.url)
    marked = {
        "User-Agent": SECRET, "X-Forwarded-For": SECRET, "Referer": f"http://{SECRET}/", "Cookie": f"_streamlit_user={SECRET}",
    }  # fmt: skip
    query = f"?seed={SECRET}&ask={SECRET}"
    for method, path in (
        ("GET", f"/{query}"), ("GET", f"/hopfield{query}"), ("GET", f"/{SECRET}{query}"), ("GET", f"/health{query}"),
        ("GET", f"/metrics{query}"), ("GET", f"/ebm.{SECRET}.js"), ("GET", f"/media/{SECRET}.csv"),
        ("GET", f"/oauth2callback?state={SECRET}&code={SECRET}"), ("GET", f"/auth/login?provider={SECRET}"),
        ("PUT", f"/_stcore/upload_file/{SECRET}/{SECRET}"), ("DELETE", f"/{SECRET}"), ("GET", f"/..%2f{SECRET}"),
    ):  # fmt: skip
        connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=20)
        connection.request(method, path, headers=marked, body=SECRET if method == "PUT" else None)
        connection.getresponse().read()
        connection.close()
    for origin in (f"http://{SECRET}.example", f"http://127.0.0.1:{address.port}"):
        upgrade = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Origin": origin,
        }
        connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=20)
        key = {
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec-WebSocket-Protocol": f"streamlit, {SECRET}, {SECRET}",
        }
        connection.request("GET", f"/_stcore/stream{query}", headers=marked | upgrade | key)
        connection.getresponse()
        connection.close()
    for raw in (
        f"GET /?{SECRET} HTTP/9.9\r\n\r\n",
        f"{SECRET}\r\n\r\n",
        f"GET /{'x' * 70000}{SECRET} HTTP/1.1\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", address.port), timeout=5) as plug:
            plug.sendall(raw.encode())
            plug.settimeout(5)
            with contextlib.suppress(OSError):
                plug.recv(100)
    log = server.log.read_text()
    assert SECRET not in log, log[-2000:]
    assert "Rejecting WebSocket connection" in log  # what happened is said
    assert '"event": "server starts"' in log
    assert "GET " not in log
    assert "127.0.0.1:" not in log.replace(server.url, "")
