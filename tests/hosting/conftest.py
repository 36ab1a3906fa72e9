"""Fixtures of hosting: nginx before servers of ours, on loopback."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from served import free_port, status

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
