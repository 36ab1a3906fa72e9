"""What a worker says of a job on its way, and what it is told meanwhile: events on one topic of Dask's, as plain data."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

TOPIC = "ebm-plugins"
PACE = 0.05  # seconds between two reports of progress
LEAVE = "leave"

wanted: dict[str, str] = {}  # ticket → the phase to end, or LEAVE


class Left(Exception):
    """Nobody waits for this job any more."""


class Teller:
    """Tells the server of one job: at once, or of progress every :data:`PACE` seconds, if there is any."""

    def __init__(self, ticket: str) -> None:
        from distributed import get_worker

        self.ticket, self.worker = ticket, get_worker()
        self._news: dict[str, Any] | None = None
        self._lock, self._over = threading.Lock(), threading.Event()
        threading.Thread(target=self._pace, daemon=True, name="tell").start()

    def say(self, what: str, **values: Any) -> None:
        """One event, at once, after all that was not told yet."""
        self._flush()
        self.worker.log_event(TOPIC, {"ticket": self.ticket, "what": what, **values})

    def heard(self) -> None:
        """Raise Left where nobody waits any more."""
        if wanted.get(self.ticket) == LEAVE:
            raise Left

    def progress(self, phase: str, step: int, total: int | None, metrics: Mapping[str, float]) -> None:
        """A snapshot was taken."""
        self.heard()
        if self._news is not None and self._news["phase"] != phase:
            self._flush()
        with self._lock:
            kept = self._news["metrics"] if self._news is not None else {}
            for name, value in metrics.items():
                kept.setdefault(name, []).append(float(value))
            self._news = {"phase": phase, "step": step, "total": total, "metrics": kept}

    def close(self) -> None:
        """Nothing more will come."""
        self._over.set()
        self._flush()

    def _pace(self) -> None:
        while not self._over.wait(PACE):
            self._flush()

    def _flush(self) -> None:
        with self._lock:
            news, self._news = self._news, None
            if news is not None:
                self.worker.log_event(TOPIC, {"ticket": self.ticket, "what": "progress", **news})
