"""The processes that belong to another one, read from /proc."""

from __future__ import annotations

import os
import signal
from pathlib import Path


def parent_of(pid: int) -> int:
    """The parent of a process; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def below(pid: int) -> list[int]:
    """All processes that descend from this one."""
    parents = {int(p.name): parent_of(int(p.name)) for p in Path("/proc").iterdir() if p.name.isdigit()}
    found, known = [], {pid}
    while more := [child for child, parent in parents.items() if parent in known and child not in known]:
        known.update(more)
        found += more
    return found


def command(pid: int) -> str:
    """The command line of a process; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def workers(cluster: int) -> list[int]:
    """The worker processes of an embedded cluster."""
    return [pid for pid in below(cluster) if "multiprocessing.spawn" in command(pid)]


def alive(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False


def kill(*pids: int) -> None:
    """``kill -9`` of each that is there."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
