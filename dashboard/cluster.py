"""Where runs are computed: a Dask scheduler at an address, our own one or the host's.

Without ``EBM_DASK_ADDRESS`` a small process of our own (``python -m dashboard.cluster``) owns the scheduler and its
workers. It is never the server's process: workers import the main module of whoever started them, which is the page's
script there. It ends, with all its workers, when its standard input closes: whatever ends the server ends it too.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from multiprocessing import forkserver
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dashboard.limits import Settings
from ebm_plugins.registry import BUILTINS

if TYPE_CHECKING:
    from distributed import Client

ROOT = Path(__file__).resolve().parents[1]
STARTING = 60.0  # seconds that our own scheduler may take to start
CONNECTING = 5.0  # and that a connection may take
LOOPBACK = "127.0.0.1"
HEADROOM = 700e6  # what a worker has in memory before its first run, and the room for what imports map
SETTINGS = {  # of the scheduler and its workers
    "distributed.scheduler.allowed-failures": 0,  # a run that ends its worker is not tried on the next one
    "distributed.worker.memory.target": False,  # nothing is spilled and nothing waits: what is too large is ended
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    "distributed.admin.low-level-log-length": 200,
    "distributed.worker.profile.enabled": False,  # an idle worker would look at its own stack a hundred times a second
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "2s",
    "distributed.admin.system-monitor.log-length": 30,
    "distributed.admin.system-monitor.disk": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.worker.daemon": True,
    "distributed.worker.multiprocessing-method": "forkserver",
}
IMPORTED = (
    "dashboard.work",
    "dashboard.stage",
    "ebm_plugins.diagnostics",
    "ebm_plugins.exact",
    "ebm_plugins.held_out",
    "ebm_plugins.verdict",
    "sklearn.datasets",
    *BUILTINS,
)
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}


class EngineError(RuntimeError):
    """There is no scheduler to send runs to."""


class Cluster:
    """A connection that is made when it is first asked for, and made anew when it was lost."""

    def __init__(self, settings: Settings, address: str | None = None) -> None:
        self.settings = settings
        self.address = settings.dask_address if address is None else address
        self.embedded = not self.address
        self.process: subprocess.Popen[bytes] | None = None
        self._client: Client | None = None
        self._refused_until = 0.0

    def client(self) -> Client:
        """The client. Raises EngineError where there is none to be had; the next try waits a second."""
        if self._client is None:
            if time.monotonic() < self._refused_until:
                raise EngineError("The engine is not there yet.")
            try:
                address = self._start() if self.embedded else self.address
                self._client = _connected(address)
            except (OSError, EngineError, TimeoutError, ValueError, TypeError) as error:
                self.drop()
                self._refused_until = time.monotonic() + 1.0
                raise EngineError(f"The engine does not answer: {error}") from error
        return self._client

    @property
    def connected(self) -> bool:
        """Whether a client is there, and its scheduler as far as is known."""
        if self._client is None:
            return False
        gone = self.process is not None and self.process.poll() is not None
        return self._client.status == "running" and not gone

    @property
    def current(self) -> Client | None:
        """The client, if there is one: nothing is started for it."""
        return self._client

    def workers(self) -> int:
        """How many workers there are. Raises EngineError when the scheduler does not say."""
        if self.embedded:
            return self.settings.workers
        client = self.client()
        try:
            asked: Any = client.scheduler
            return len(client.sync(asked.identity, callback_timeout=CONNECTING)["workers"])
        except (OSError, TimeoutError, RuntimeError, KeyError) as error:
            raise EngineError(f"The engine does not answer: {error}") from error

    def drop(self) -> None:
        """Let go of the scheduler, and end it where it is ours."""
        client, self._client = self._client, None
        process, self.process = self.process, None
        if client is not None:
            threading.Thread(target=_closed, args=(client,), daemon=True, name="close client").start()
        if process is not None:
            with contextlib.suppress(OSError):
                assert process.stdin is not None
                process.stdin.close()
            threading.Thread(target=_ended, args=(process,), daemon=True, name="end engine").start()

    def _start(self) -> str:
        """Start our own scheduler; its address."""
        path = os.pathsep.join(p for p in (str(ROOT), os.environ.get("PYTHONPATH", "")) if p)
        memory = self.settings.run_memory_mb * 1e6 * 1.25 + HEADROOM
        command = [
            sys.executable,
            "-P",
            "-m",
            "dashboard.cluster",
            str(self.settings.workers),
            f"{memory:.0f}",
        ]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C in a terminal is for the server, which ends this one
        )
        said: queue.Queue[bytes] = queue.Queue()
        stdout = self.process.stdout
        assert stdout is not None
        threading.Thread(target=lambda: said.put(stdout.readline()), daemon=True, name="engine").start()
        try:
            address = said.get(timeout=STARTING).decode().strip()
        except queue.Empty:
            address = ""
        if not address:
            raise EngineError("our own scheduler did not start")
        return address


def _connected(address: str) -> Client:
    from distributed import Client

    logging.getLogger("distributed.client").setLevel(
        logging.CRITICAL
    )  # that a scheduler is gone is said by us
    return Client(address, timeout=CONNECTING, set_as_default=False, name="ebm-plugins server")


def _closed(client: Any) -> None:
    with contextlib.suppress(Exception):
        client.close(timeout=2)


def _ended(process: subprocess.Popen[bytes], seconds: float = 10.0) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main() -> None:
    """Own a scheduler and workers until standard input closes: ``python -m dashboard.cluster WORKERS BYTES``.

    Workers are forked by a server that has imported what they need and nothing else (no third party's code, no threads):
    the first ones are there sooner, and one that was ended is replaced in a tenth of a second.
    """
    workers, memory = int(sys.argv[1]), int(sys.argv[2])
    os.environ |= ONE_THREAD
    forkserver.set_forkserver_preload(["distributed", *IMPORTED])
    forkserver.ensure_running()  # it imports while the scheduler starts

    import dask
    from distributed import LocalCluster

    dask.config.set(SETTINGS)
    with LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        host=LOOPBACK,
        dashboard_address=f"{LOOPBACK}:0",
        worker_dashboard_address=f"{LOOPBACK}:0",
        memory_limit=memory,
        silence_logs=50,
        preload=["dashboard.worker_setup"],
    ) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.buffer.read()


if __name__ == "__main__":
    main()
