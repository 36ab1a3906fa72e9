"""``/health`` and ``/metrics``: what a proxy and a monitor ask. Neither starts anything, and no worker is asked.

The engine is the one that a page or the server's warming made; before that there is none to speak of. Numbers carry
names and labels of ours alone: nothing that a visitor typed, and no plugin's names.
"""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
UNCACHED = {"cache-control": "no-store"}
STATES = ("starting", "ready", "idle", "lost")
OUTCOMES = (
    "computed", "loaded", "shared", "done", "stopped", "failed", "refused", "silent", "left", "killed",
)  # fmt: skip
GAUGES = {
    "workers": ("ebm_workers", "Worker processes."),
    "running": ("ebm_runs_running", "Runs that are being computed."),
    "queued": ("ebm_runs_queued", "Runs that wait for a worker."),
    "held": ("ebm_runs_held", "Runs that the server holds in memory."),
}
COUNTERS = {"seconds": ("ebm_run_seconds", "Seconds that runs have taken on workers.")}
STARTED = time.time()
_engine: list[weakref.ref[Any]] = []


def watch(engine: Any) -> None:
    """This is the engine to speak of from now on. It is not kept alive by that."""
    _engine[:] = [weakref.ref(engine)]


def status() -> Mapping[str, float | str]:
    """What the engine says of itself; nothing while there is none."""
    engine = _engine[0]() if _engine else None
    return {} if engine is None else engine.status()


def text(said: Mapping[str, float | str]) -> str:
    """An engine's status as OpenMetrics text. What has no name here is left out."""
    lines = _metric("ebm_started_seconds", "gauge", "When this server started, as Unix time.", {"": STARTED})
    state = {f'{{ebm_engine="{one}"}}': float(said.get("engine") == one) for one in STATES}
    lines += _metric("ebm_engine", "stateset", "What the engine of runs is doing.", state)
    for key, (name, about) in GAUGES.items():
        lines += _metric(name, "gauge", about, {"": said[key]} if key in said else {})
    for key, (name, about) in COUNTERS.items():
        lines += _metric(name, "counter", about, {"_total": said[key]} if key in said else {})
    ended = {f'_total{{outcome="{one}"}}': said[one] for one in OUTCOMES if one in said}
    lines += _metric("ebm_runs", "counter", "Runs by what became of them.", ended)
    return "\n".join([*lines, "# EOF", ""])


def _metric(name: str, kind: str, about: str, values: Mapping[str, float | str]) -> list[str]:
    samples = [
        f"{name}{suffix} {value:.15g}"
        for suffix, value in values.items()
        if isinstance(value, int | float) and math.isfinite(value)
    ]
    return [f"# TYPE {name} {kind}", f"# HELP {name} {about}", *samples] if samples else []


async def metrics(_request: Request) -> Response:
    """The route ``/metrics``."""
    return Response(text(status()), headers={**UNCACHED, "content-type": OPENMETRICS})


async def health(_request: Request) -> Response:
    """The route ``/health``: 503 only where Streamlit cannot serve a page. A page is served without workers, too."""
    from streamlit import runtime

    from ebm_plugins import __version__

    serves = True
    if runtime.exists():
        serves, _ = await runtime.get_instance().is_ready_for_browser_connection
    state = str(status().get("engine", "idle"))
    said = {
        "status": "ok" if serves else "unavailable",
        "version": __version__,
        "engine": state if state in STATES else "idle",
    }
    return JSONResponse(said, 200 if serves else 503, headers=UNCACHED)
