"""Dashboards on loopback, each in a session of processes of its own: started, killed, started again at the same port."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from processes import Process, descendants, kill, wait_gone

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90
OWN = {"PYTHONUNBUFFERED": "1", "EBM_DASK_ADDRESS": ""}  # a cluster of its own


@dataclass
class Served:
    """One server, which writes to ``log``. ``pid`` is 0 while it does not run. (``-P`` keeps the root off ``sys.path``,
    as the ``streamlit`` command does and ``python -m streamlit`` does not.)"""

    log: Path
    port: int
    options: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    python: str = sys.executable
    app: str = "dashboard"
    process: subprocess.Popen[bytes] | None = None
    started: list[Process] = field(default_factory=list)  # all that was ever seen below it

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Its process, 0 while there is none."""
        return self.process.pid if self.process is not None and self.process.poll() is None else 0

    def start(self) -> None:
        """Start it and wait until it answers. Raises RuntimeError with its log when it does not."""
        settings = ("--server.headless=true", "--server.address=127.0.0.1", f"--server.port={self.port}")
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [self.python, "-P", "-m", "streamlit", "run", self.app, *settings, *self.options],
                cwd=ROOT, env=os.environ | OWN | self.env, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        below = next((o.partition("=")[2] for o in self.options if o.startswith("--server.baseUrlPath=")), "")
        while status(self.port, f"{below and '/'}{below}/_stcore/health") != 200:
            if not self.pid or time.monotonic() > deadline:
                raise RuntimeError(f"{self.app} did not start. Its log ends:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.1)

    def warm(self, seconds: float = 120.0) -> bool:
        """Wait until it has done what the first visitors would wait for; False when it has not by then."""
        deadline = time.monotonic() + seconds
        while "Warm after" not in self.log.read_text(errors="replace") and time.monotonic() < deadline:
            time.sleep(0.2)
        return time.monotonic() < deadline

    def note(self) -> list[Process]:
        """What runs below it now; it is remembered, so that :meth:`left` finds it when its parent is gone."""
        now = descendants(self.pid) if self.pid else []
        known = {(p.pid, p.began) for p in self.started}
        self.started += [p for p in now if (p.pid, p.began) not in known]
        return now

    def kill(self) -> None:
        """kill -9 of the server alone: what it started must end by itself."""
        self.note()
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        """Ask it to end, as a host does; it is killed after ten seconds."""
        self.note()
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def left(self, seconds: float = 10.0) -> list[Process]:
        """What it had started and still lives so many seconds after its end. They are then killed."""
        left = wait_gone(self.started, seconds)
        for process in left:
            kill(process)
        return left


@contextmanager
def served(
    folder: Path, options: tuple[str, ...] = (), env: dict[str, str] | None = None
) -> Iterator[Served]:
    """A server without third-party plugins, with its store in ``folder/store``; it ends with all that it started."""
    store = folder / "store"
    store.mkdir(parents=True, exist_ok=True)
    own = {"EBM_PLUGINS": "", "EBM_STORE": str(store)} | (env or {})
    one = Served(folder / "server.log", free_port(), options, own)
    try:
        one.start()
        yield one
    finally:
        one.stop()
        one.left()


def free_port() -> int:
    """A port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def status(port: int, path: str) -> int | None:
    """The HTTP status of a loopback address, or None when nothing answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
