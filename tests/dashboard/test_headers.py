"""What every answer says to a browser, and what a host may set of it."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dashboard_tools import ask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Route

from dashboard import headers, web


def directives(policy: str) -> dict[str, list[str]]:
    return {one.split()[0]: one.split()[1:] for one in policy.split("; ")}


def test_every_answer_has_the_headers_also_one_that_is_refused() -> None:
    app = Starlette(routes=web.routes(), middleware=web.middleware())
    for path in ("/health", web.plotly_url(), "/ebm.nothing.js", "/no/such/page"):
        answer = ask(app, path)
        for name, value in headers.security((headers.SELF,)).items():
            assert answer.headers[name] == value, (path, name)


def test_a_header_that_a_route_sets_itself_is_left_alone() -> None:
    own = Response("", headers={"referrer-policy": "no-referrer"})
    app = Starlette(
        routes=[Route("/", lambda _request: own)],
        middleware=[Middleware(headers.Headers, ancestors=(headers.SELF,))],
    )
    assert ask(app, "/").headers["referrer-policy"] == "no-referrer"


def test_scripts_come_from_here_and_none_runs_from_the_markup() -> None:
    found = directives(headers.policy((headers.SELF,)))
    assert found["default-src"] == ["'self'"]
    assert "'unsafe-inline'" not in found["script-src"]
    assert not [source for source in found["script-src"] if ":" in source and source != "blob:"]
    assert found["object-src"] == found["frame-src"] == ["'none'"]
    assert found["base-uri"] == found["form-action"] == ["'self'"]


def test_the_script_in_streamlits_index_page_is_named_by_its_digest() -> None:
    import streamlit

    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    script = page.split("<script>")[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in directives(headers.policy((headers.SELF,)))["script-src"]


@pytest.mark.parametrize(
    ("text", "found", "older"),
    [
        ("", ("'self'",), "SAMEORIGIN"),
        ("  ", ("'self'",), "SAMEORIGIN"),
        ("self", ("'self'",), "SAMEORIGIN"),
        ("'SELF'", ("'self'",), "SAMEORIGIN"),
        ("none", ("'none'",), "DENY"),
        ("https://school.example", ("https://school.example",), None),
        (
            "self, https://*.School.example:8443 http://127.0.0.1:8000",
            ("'self'", "https://*.school.example:8443", "http://127.0.0.1:8000"),
            None,
        ),
    ],
)
def test_the_host_says_who_may_show_our_pages_in_a_frame(
    text: str, found: tuple[str, ...], older: str | None
) -> None:
    assert headers.sources(text) == found
    said = headers.security(found)
    assert directives(said["content-security-policy"])["frame-ancestors"] == list(found)
    assert said.get("x-frame-options") == older


@pytest.mark.parametrize(
    "text",
    [
        "*", "https:", "school.example", "https://school.example/page", "https://a.example;script-src *",
        "https://a.example; script-src *", "https://a.example\r\nset-cookie: a=b", "none self", "'unsafe-inline'",
        "https://user@a.example", "https://a.example:port", "javascript:alert(1)", "data:", "https://a..example",
        "https://*", "https://a.example\x00", "https://ä.example",
    ],
)  # fmt: skip
def test_what_is_no_origin_is_refused_in_words(text: str) -> None:
    with pytest.raises(headers.SettingError, match=headers.VARIABLE) as refused:
        headers.sources(text)
    assert isinstance(refused.value, SystemExit)  # no traceback: the message is the last line


def test_a_server_does_not_start_with_a_setting_that_it_cannot_use(root: Path) -> None:
    env: dict[str, Any] = os.environ | {headers.VARIABLE: "*; script-src *"}
    command = [sys.executable, "-P", "-m", "streamlit", "run", "dashboard", "--server.headless=true"]
    options = ["--server.address=127.0.0.1", "--server.port=0"]
    ended = subprocess.run(
        [*command, *options], cwd=root, env=env, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 1
    assert "expected self, none or origins" in ended.stderr
    assert "Traceback" not in ended.stderr
