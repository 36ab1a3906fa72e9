"""A dashboard with the JSON routes, in a home, a temporary folder and a working folder of its own."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Home:
    """A server, and the folders that it was given."""

    server: Any
    folder: Path

    def files(self) -> dict[str, int]:
        """What lies outside the store, and how large it is. (The lock of a worker has a name of its own, and a worker that
        was replaced leaves it to the next: they count as one, by how many there are.)"""
        found: dict[str, int] = {}
        for path in self.folder.rglob("*"):
            place = path.relative_to(self.folder)
            if not path.is_file() or "store" in place.parts:
                continue
            if place.suffix == ".dirlock" and place.name.startswith("worker-"):
                name, size = str(place.with_name("worker locks")), 1
            else:
                name, size = str(place), path.stat().st_size
            found[name] = found.get(name, 0) + size
        return found

    def rss(self) -> float:
        """Megabytes that the server's process holds."""
        for line in Path(f"/proc/{self.server.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("it has ended")

    def log(self) -> str:
        """What it has written."""
        return str(self.server.log.read_text(errors="replace"))


def start(serve: Callable[..., Any], folder: Path, **env: str) -> Home:
    """Start one and wait until it is warm, so that what warming takes is no growth."""
    for name in ("home", "tmp", "store"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    places = {
        "HOME": folder / "home",
        "TMPDIR": folder / "tmp",
        "EBM_STORE": folder / "store",
        "XDG_CACHE_HOME": folder / "home" / "cache",
    }
    usual = {"EBM_PLUGINS": "", "EBM_KEPT_MB": "16", "PYTHONDONTWRITEBYTECODE": "1"}
    server = serve(env={**{k: str(v) for k, v in places.items()}, **usual, **env})
    made = Home(server, folder)
    end = time.monotonic() + 120
    while "Warm after" not in made.log():
        assert time.monotonic() < end, made.log()[-2000:]
        time.sleep(0.2)
    return made


class Caller:
    """One connection to a server's HTTP, kept open."""

    def __init__(self, url: str) -> None:
        self._host = urlsplit(url).netloc
        self._connection = http.client.HTTPConnection(self._host, timeout=30)

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes, float]:
        """Status, headers (in small letters), body and seconds."""
        began = time.perf_counter()
        self._connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer = self._connection.getresponse()
        body = answer.read()
        took = time.perf_counter() - began
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, body, took
