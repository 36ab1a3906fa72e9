"""Fixtures that many tests share: the built-in registry, a running dashboard, a browser."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from served import free_port, status

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from ebm_plugins.registry import Registry

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault(
    "OPENBLAS_NUM_THREADS", "1"
)  # for the processes that tests start; ours: see _one_thread
os.environ["EBM_STORE"] = tempfile.mkdtemp(prefix="ebm-store-")  # nothing of the user's is read or written
START_SECONDS = 90


class Server(NamedTuple):
    """A dashboard that is running: its address, its log, its process."""

    url: str
    log: Path
    pid: int


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """As in the server and on the command line: see ebm_plugins.blas."""
    from ebm_plugins import blas

    blas.one_thread()


@pytest.fixture(scope="session", autouse=True)
def _store_of_its_own() -> Iterator[None]:
    folder = os.environ["EBM_STORE"]
    yield
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder that holds pyproject.toml."""
    return ROOT


@pytest.fixture(scope="session")
def registry() -> Registry:
    """The built-ins alone: what else is installed here changes no test."""
    from ebm_plugins.registry import load

    return load(discover=False)


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """``serve(python=..., options=(...), env={...}, app="dashboard")`` starts a dashboard that ends with the module."""
    with _serving(tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The dashboard with the built-in plugins alone, shared by all tests that only look at it."""
    with _serving(tmp_path_factory) as start:
        yield start(env={"EBM_PLUGINS": ""})


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, driven by Playwright. The test is skipped where there is none, unless EBM_REQUIRE_BROWSER is set.

    It lives for one module: while it does, Playwright's event loop occupies this thread.
    """
    executable = os.environ.get("EBM_CHROMIUM") or shutil.which("chromium")
    if not executable:
        reason = "no Chromium: install Debian's chromium, or name the program in EBM_CHROMIUM"
        if os.environ.get("EBM_REQUIRE_BROWSER"):
            pytest.fail(f"EBM_REQUIRE_BROWSER is set and there is {reason}")
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=quiet)
        yield chromium
        chromium.close()


@contextmanager
def _serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """What starts dashboards; they end with it, for a server with its workers takes a little time even while idle.

    They are started as ``streamlit run dashboard`` from the root. (``-P`` keeps the root off ``sys.path``, as the
    ``streamlit`` command does and ``python -m streamlit`` does not.)
    """
    running: list[subprocess.Popen[bytes]] = []

    def start(
        python: str = sys.executable,
        options: tuple[str, ...] = (),
        env: dict[str, str] | None = None,
        app: str = "dashboard",
    ) -> Server:
        port = free_port()
        log = tmp_path_factory.mktemp("server") / "log.txt"
        settings = ("--server.headless=true", "--server.address=127.0.0.1", f"--server.port={port}", *options)
        with log.open("wb") as out:
            process = subprocess.Popen(
                [python, "-P", "-m", "streamlit", "run", app, *settings],
                cwd=ROOT,
                env=os.environ | {"PYTHONUNBUFFERED": "1", "EBM_DASK_ADDRESS": ""} | (env or {}),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        running.append(process)
        deadline = time.monotonic() + START_SECONDS
        below = next((o.partition("=")[2] for o in options if o.startswith("--server.baseUrlPath=")), "")
        while status(port, f"{below and '/'}{below}/_stcore/health") != 200:
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"streamlit run {app} did not start. Its log:\n{log.read_text()[-4000:]}")
            time.sleep(0.1)
        return Server(f"http://127.0.0.1:{port}", log, process.pid)

    try:
        yield start
    finally:
        for process in running:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server and the workers of its own session."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
            process.wait(timeout=10)
        except ProcessLookupError:
            process.wait()
        except subprocess.TimeoutExpired:
            continue
