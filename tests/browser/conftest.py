"""For the tests of pages in Chromium: their tools, and an empty Streamlit app beside the dashboard."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # for the tools of these tests

from browser_tools import Visitor  # noqa: E402
from stage_tools import READY  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
APP = HERE / "stage_app"
OPTIONS = ("--server.headless=true", "--server.address=127.0.0.1")


@pytest.fixture(scope="module")
def empty(serve: Callable[..., Any]) -> Any:
    """An empty Streamlit app, running."""
    return serve(app=str(HERE / "empty_app"))


@pytest.fixture
def visitor(browser: Any, server: Any) -> Iterator[Callable[..., Visitor]]:
    """``visitor(width=..., scheme=..., still=...)`` is somebody with an empty cache who opens pages of the dashboard.

    When the test is over, no visitor may have seen an error of ours or sent a request to another machine.
    """
    came: list[Visitor] = []

    def come(url: str = server.url, **options: Any) -> Visitor:
        came.append(Visitor(browser, url, **options))
        return came[-1]

    yield come
    for one in came:
        one.leave()
    assert [fault for one in came for fault in one.faults] == []
    assert [request for one in came for request in one.abroad] == []


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of ``stage_app``, running."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("stage") / "log.txt"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", str(APP), *OPTIONS, f"--server.port={port}"],
            cwd=ROOT,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + 60
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/_stcore/health")
            if connection.getresponse().status == 200:
                break
        except OSError:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(log.read_text()[-3000:])
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(timeout=20)


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """``visit("grid", still=True, ...)`` opens that page and waits for its stage. Errors of ours fail the test."""
    contexts, faults = [], []

    def go(
        what: str, *, still: bool = True, scheme: str = "light", width: int = 1440, wait: str = READY
    ) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            reduced_motion="reduce" if still else "no-preference",
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
        page.goto(f"{address}/?w={what}")
        if wait:
            page.wait_for_selector(wait, timeout=30_000)
        return page

    yield go
    for context in contexts:
        context.close()
    assert faults == []
