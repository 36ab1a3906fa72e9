"""Fixtures that many tests share: the built-in registry, a running dashboard, a browser."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from served import Served, free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from ebm_plugins.registry import Registry

os.environ.setdefault(
    "OPENBLAS_NUM_THREADS", "1"
)  # for the processes that tests start; ours: see _one_thread
os.environ["EBM_STORE"] = tempfile.mkdtemp(prefix="ebm-store-")  # nothing of the user's is read or written


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
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def registry() -> Registry:
    """The built-ins alone: what else is installed here changes no test."""
    from ebm_plugins.registry import load

    return load(discover=False)


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Served]]:
    """``serve(python=..., options=(...), env={...}, app="dashboard")`` starts a dashboard that ends with the module."""
    with _serving(tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
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
def _serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Served]]:
    """What starts dashboards; they end with it, for a server with its workers takes a little time even while idle."""
    running: list[Served] = []

    def start(
        python: str = sys.executable,
        options: tuple[str, ...] = (),
        env: dict[str, str] | None = None,
        app: str = "dashboard",
    ) -> Served:
        log = tmp_path_factory.mktemp("server") / "log.txt"
        running.append(Served(log, free_port(), options, env or {}, python, app))
        running[-1].start()
        return running[-1]

    try:
        yield start
    finally:
        for one in running:
            one.stop()
            one.left()
