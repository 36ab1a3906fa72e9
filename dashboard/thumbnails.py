"""Pictures of presets, each from a real run, made behind the page: first come, one at a time.

The runs go through the dashboard's engine, so a preset whose picture is made opens at once on its own page. Only
one of them is asked for at a time, which leaves the engine's other places to whoever waits for a page.
"""

from __future__ import annotations

import threading
import traceback
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard import jobs
from ebm_plugins import RunSpec, thumbs
from ebm_plugins.registry import Registry

MARKUP = Path(__file__).with_name("markup")
SEAT = "gallery"
PATIENCE = 180.0  # seconds for one run, its wait in the queue included
WAITING, READY, FAILED = "waiting", "ready", "failed"

_component = st.components.v2.component(
    "ebm.thumbnail",
    html='<a class="card"><span class="thumb"></span><span class="title"></span><span class="about"></span></a>',
    css=(MARKUP / "thumbnail.css").read_text(encoding="utf-8"),
    js=(MARKUP / "thumbnail.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Picture:
    """What there is of a picture: ``svg`` when ready, ``reason`` and ``trace`` when it failed."""

    state: str = WAITING
    svg: str = ""
    reason: str = ""
    trace: str = ""


class Studio:
    """Makes pictures in a thread of its own, in the order in which they were asked for, and keeps them."""

    def __init__(self, engine: jobs.Engine) -> None:
        self.engine = engine
        self._pictures: dict[str, Picture] = {}
        self._queue: deque[tuple[str, RunSpec]] = deque()
        self._lock = threading.Lock()
        self._worker: threading.Thread | None = None

    def picture(self, spec: RunSpec) -> Picture:
        """The picture of a spec as far as it is made; the first to ask puts it in the queue."""
        key = repr(spec)
        with self._lock:
            found = self._pictures.get(key)
            if found is None:
                found = self._pictures[key] = Picture()
                self._queue.append((key, spec))
                if self._worker is None:
                    self._worker = threading.Thread(target=self._work, daemon=True, name="thumbnails")
                    self._worker.start()
            return found

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._worker = None
                    return
                key, spec = self._queue.popleft()
            made = self._make(spec)
            with self._lock:
                self._pictures[key] = made

    def _make(self, spec: RunSpec) -> Picture:
        try:
            job = self.engine.submit(spec, SEAT)
            job.wait(PATIENCE)
            self.engine.leave(SEAT)
            if job.run is None:
                return Picture(FAILED, reason=str(job.error or "It took too long."), trace=job.trace)
            return Picture(READY, svg=thumbs.svg(job.run))
        except (Exception, SystemExit) as error:  # a plugin's energy runs here too
            return Picture(FAILED, reason=f"{type(error).__name__}: {error}", trace=traceback.format_exc())


@st.cache_resource(show_spinner=False)
def _studios() -> dict[int, Studio]:
    return {}


def studio(registry: Registry) -> Studio:
    """The studio for this registry: over the app's engine where that has the same one."""
    made = _studios()
    if id(registry) not in made:
        engine = jobs.engine()
        made[id(registry)] = Studio(engine if engine.registry is registry else jobs.Engine(registry, slots=1))
    return made[id(registry)]


def picture_card(picture: Picture, *, key: str, title: str, about: str, href: str) -> bool:
    """Draw a link with its picture, or with a place of the same size while that is made. True when it was clicked.

    A plain click is for the caller to act on; any other opens ``href``, as the browser does.
    """
    data: dict[str, Any] = {
        "state": picture.state,
        "svg": picture.svg,
        "title": title,
        "about": about,
        "href": href,
    }
    return bool(_component(key=key, data=data, on_opened_change=lambda: None).get("opened"))
