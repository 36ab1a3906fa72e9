"""The processes of a server, from /proc: who is whose child, what they were started as, what they take, ending them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

PAGE, TICK = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
CLUSTER = "dashboard.cluster"  # how the embedded cluster's command line is known


class Process(NamedTuple):
    """One process: its id, its parent's, its command line, resident bytes, seconds of CPU, when it began (ticks)."""

    pid: int
    parent: int
    command: str
    resident: int
    cpu: float
    began: int


def read(pid: int) -> Process | None:
    """What /proc says of it; None when it is gone, or dead and waiting for its parent."""
    try:
        folder = Path("/proc") / str(pid)
        command = (
            folder.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        )
        after = folder.joinpath("stat").read_text().rpartition(")")[2].split()
        resident = int(folder.joinpath("statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError, ValueError):
        return None
    if after[0] in ("Z", "X"):
        return None
    cpu = (int(after[11]) + int(after[12])) / TICK
    return Process(pid, int(after[1]), command, resident, cpu, int(after[19]))


def descendants(pid: int) -> list[Process]:
    """All that it has started and that live, children before grandchildren; itself is not among them."""
    everybody = [p for p in (read(int(n)) for n in os.listdir("/proc") if n.isdigit()) if p is not None]
    found: list[Process] = []
    wave = {pid}
    while wave:
        born = [p for p in everybody if p.parent in wave]
        found += born
        wave = {p.pid for p in born}
    return found


def cluster_of(server: int) -> Process | None:
    """The process that owns the embedded cluster (scheduler and nannies) of this server."""
    return next((p for p in descendants(server) if CLUSTER in p.command), None)


def workers_of(server: int) -> list[Process]:
    """The processes that compute, of the cluster that belongs to this server."""
    owner = cluster_of(server)
    return [] if owner is None else workers_below(owner.pid)


def workers_below(owner: int) -> list[Process]:
    """The processes that compute for the owner of a cluster: those which have no children of their own. (Python's
    helpers, the server that forks them and the resource tracker, are left alone.)"""
    found = descendants(owner)
    parents = {p.parent for p in found}
    return [p for p in found if p.pid not in parents and "resource_tracker" not in p.command]


def alive(process: Process) -> bool:
    """Whether this very process still lives (and not another one that got its number)."""
    now = read(process.pid)
    return now is not None and now.began == process.began


def kill(process: Process, how: signal.Signals = signal.SIGKILL) -> bool:
    """End this one process, if it is still itself; True when it was."""
    if not alive(process):
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, how)
        return True
    return False


def wait_gone(processes: list[Process], seconds: float) -> list[Process]:
    """Those that still live after at most so many seconds."""
    deadline = time.monotonic() + seconds
    left = [p for p in processes if alive(p)]
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = [p for p in left if alive(p)]
    return left
