"""Fixtures of hosting: nginx before servers of ours, and an engine with workers and plugins that misbehave."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from served import free_port, status

from dashboard.jobs import Engine
from dashboard.limits import Settings
from ebm_plugins import registry as registries

HOSTILE = Path(__file__).resolve().parents[1] / "installed" / "hostile"
CONF = Path(__file__).resolve().parents[2] / "docs" / "hosting" / "nginx.conf"
UPSTREAM = ("server server-a:8501 ", "server server-b:8501 ")
LISTEN = "listen 80;"
MAIN = """{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    log_format replicas '$upstream_addr $status $request_method $request_uri';
    access_log {folder}/access.log replicas;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/default.conf;
}}
"""


class Asked(NamedTuple):
    """One request that the proxy passed on: to which port (the last one it tried), its status and its path."""

    port: int
    status: int
    method: str
    path: str


class Proxy(NamedTuple):
    """nginx that is running: its address and its folder."""

    url: str
    folder: Path

    def asked(self) -> list[Asked]:
        """All requests so far that have ended (a websocket is logged when it closes)."""
        found = []
        for line in (self.folder / "access.log").read_text().splitlines():
            addresses, code, method, path = _fields(line)
            if addresses != "-":
                found.append(Asked(int(addresses.rpartition(":")[2]), int(code), method, path))
        return found


def _fields(line: str) -> tuple[str, str, str, str]:
    """``ADDR[, ADDR …] STATUS METHOD PATH``: a second address where the first replica did not answer."""
    before, method, path = line.rsplit(" ", 2)
    addresses, code = before.rsplit(" ", 1)
    return addresses, code, method, path


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Proxy]]:
    """``proxy(url, url)`` runs docs/hosting/nginx.conf before these two servers; it ends with the module.

    The upstream's two servers and the port are replaced, nothing else. Skipped where there is no nginx.
    """
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if not program:
        pytest.skip("no nginx: install Debian's nginx-light")
    running: list[subprocess.Popen[bytes]] = []

    def start(*urls: str) -> Proxy:
        folder, port = tmp_path_factory.mktemp("nginx"), free_port()
        site = CONF.read_text()
        for written, url in zip(UPSTREAM, urls, strict=True):
            assert site.count(written) == 1, f"docs/hosting/nginx.conf has no line with {written!r}"
            site = site.replace(written, f"server {urlsplit(url).netloc} ")
        assert site.count(LISTEN) == 1
        (folder / "default.conf").write_text(site.replace(LISTEN, f"listen 127.0.0.1:{port};"))
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user))
        process = subprocess.Popen(
            [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")],
            stdin=subprocess.DEVNULL,
        )
        running.append(process)
        deadline = time.monotonic() + 20
        while status(port, "/health") != 200:  # at the root, whatever path the pages are under
            assert process.poll() is None, (folder / "error.log").read_text()
            assert time.monotonic() < deadline, "nginx does not pass requests on"
            time.sleep(0.1)
        return Proxy(f"http://127.0.0.1:{port}", folder)

    yield start
    for process in running:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The plugins of ``tests/installed/hostile``, as if they were installed: here and in every worker process."""
    folder = tmp_path_factory.mktemp("installed")
    (folder / "ebm_hostile.py").write_text((HOSTILE / "ebm_hostile.py").read_text())
    about = folder / "ebm_hostile-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: ebm-hostile\nVersion: 0.1.0\n")
    (about / "entry_points.txt").write_text("[ebm_plugins]\nhostile = ebm_hostile\n")
    before = {name: os.environ.get(name) for name in ("PYTHONPATH", "EBM_PLUGINS", "EBM_DASK_ADDRESS")}
    root = str(Path(__file__).resolve().parents[2])
    os.environ["PYTHONPATH"] = os.pathsep.join((str(folder), root))
    os.environ["EBM_PLUGINS"] = "hostile"
    os.environ.pop("EBM_DASK_ADDRESS", None)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


@pytest.fixture(scope="module")
def engines(hostile: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Engine]]:
    """``engines(**options)`` is an engine with an embedded cluster; it ends with the module."""
    os.environ["EBM_STORE"], before = str(tmp_path_factory.mktemp("store")), os.environ["EBM_STORE"]
    made: list[Engine] = []

    def make(**options: Any) -> Engine:
        settings = Settings(**{"workers": 2, "run_silence": 3.0, "run_memory_mb": 300, **options})
        made.append(Engine(registries.load(), settings=settings, address=""))
        return made[-1]

    yield make
    for engine in made:
        engine.close()
    os.environ["EBM_STORE"] = before
