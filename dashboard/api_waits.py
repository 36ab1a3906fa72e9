"""Who waits for which run by API, so that what nobody asks after any more is ended and nobody takes all the room.

A caller is known by a salted hash of its address, and the salt is drawn anew with every process: nothing that is
kept says who somebody was. (Of an IPv6 address its first 64 bits count: one household has all of the rest.)
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dashboard import limits

if TYPE_CHECKING:
    from dashboard.jobs import Engine

_SALT = secrets.token_bytes(16)


@dataclass(frozen=True)
class Settings:
    """``runs`` that one caller may wait for at a time, ``patience`` seconds without a question after which one is left."""

    runs: int = 4
    patience: float = 60.0

    @property
    def look(self) -> float:
        """Seconds between two looks."""
        return max(0.02, min(5.0, self.patience / 4))


def settings() -> Settings:
    """What the host has set."""
    held = limits.settings()
    return Settings(held.api_runs, held.api_patience)


def visitor(address: str) -> str:
    """The name of whoever calls from this address."""
    try:
        known = ipaddress.ip_address(address)
        if known.version == 6:
            address = str(ipaddress.ip_network((int(known) >> 64 << 64, 64)))
    except ValueError:
        pass  # a socket's name, or none
    return f"api-{hashlib.sha256(_SALT + address.encode()).hexdigest()[:16]}"


class Waits:
    """The runs that callers wait for, each with when somebody last asked after it.

    ``began`` and ``heard`` are told of it, :meth:`sweep` (which a thread calls while anybody waits) leaves what was
    not asked after for ``patience`` seconds, and what is over.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, held: Settings | None = None) -> None:
        self._clock, self._held = clock, held
        self._lock = threading.Lock()
        self._heard: dict[tuple[str, str], float] = {}  # (visitor, digest) → when
        self._watcher: threading.Thread | None = None

    @property
    def settings(self) -> Settings:
        """The settings in use."""
        return self._held or settings()

    def begin(self, who: str, digest: str) -> bool:
        """Take a place for this run; False where the caller waits for too many already."""
        with self._lock:
            mine = {key for key in self._heard if key[0] == who}
            if (who, digest) not in mine and len(mine) >= self.settings.runs:
                return False
            self._heard[who, digest] = self._clock()
            return True

    def heard(self, digest: str) -> None:
        """Somebody asked after this run: whoever waits for it still does."""
        with self._lock:
            for key in self._heard:
                if key[1] == digest:
                    self._heard[key] = self._clock()

    def drop(self, engine: Engine, who: str, digest: str) -> None:
        """This caller waits for this run no more."""
        with self._lock:
            self._heard.pop((who, digest), None)
        engine.leave(seat(who, digest))

    def sweep(self, engine: Engine, over: Callable[[str], bool]) -> None:
        """Leave what nobody asks after, and what is ``over``, whose result no longer needs anybody to keep it."""
        late = self._clock() - self.settings.patience
        with self._lock:
            held = list(self._heard.items())
        for (who, digest), when in held:
            if when < late or over(digest):
                self.drop(engine, who, digest)

    def watch(self, engine: Engine, over: Callable[[str], bool]) -> None:
        """Sweep from now on, until nobody waits."""

        def go_on() -> None:
            while True:
                time.sleep(self.settings.look)
                self.sweep(engine, over)
                with self._lock:
                    if not self._heard:
                        self._watcher = None
                        return

        with self._lock:
            if self._watcher is None:
                self._watcher = threading.Thread(target=go_on, daemon=True, name="api waits")
                self._watcher.start()


def seat(who: str, digest: str) -> str:
    """Where a caller waits for one run in the engine: each run has a seat of its own, so that several may wait."""
    return f"{who}/runs/{digest}"
