"""What the first visitor of a server would otherwise wait for, done while nobody waits.

Figures import slowly (seconds, on a cold machine), plotly.js takes a moment to zip, and some families learn for seconds
before their page's first stage can be shown. Their runs go where all runs go; those that are stored already are only read.
What is then in memory stays there, and the garbage collector is told so: Streamlit has it look through everything
after each run of a page, which holds up what the page still has to send (measured: 80 ms and more an edit).
"""

from __future__ import annotations

import contextlib
import gc
import logging
import threading
import time
from collections.abc import AsyncIterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from dashboard import logs
from ebm_plugins import store

if TYPE_CHECKING:
    from dashboard.jobs import Engine

log = logging.getLogger(__name__)
IMPORTED = ("dashboard.lab", "plotly.graph_objects", "ebm_plugins.diagnostics", "ebm_plugins.verdict")
OPENING = 60.0  # seconds that a page's first run may take before the next one is begun
OWN, SEAT = "ebm-plugins", "warm"


@contextlib.asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[None]:
    """The app's: warming begins with the server and holds nothing up."""
    threading.Thread(target=begin, daemon=True, name="warm").start()
    yield


def begin() -> None:
    """Import what pages need, set aside what that left in memory, and have the pages' first runs made."""
    from dashboard import web

    began = time.monotonic()
    try:
        web.warm()
        for module in IMPORTED:
            import_module(module)
        from dashboard import jobs

        engine = jobs.engine()
    except Exception:  # a server that is not warm serves all the same
        log.exception("The server was not warmed")
        return
    finally:
        gc.collect()
        gc.freeze()
    for name, kept in (("uploads", store.uploads()), ("results", store.results())):
        try:
            kept.check()
        except store.StoreError as error:  # runs go on; they are computed anew each time
            log.warning(
                "The store of %s cannot be used: expected %s, got %s", name, error.expected, error.got
            )
            logs.event("store unusable", store=name)
    try:
        open_pages(engine)
    except Exception:
        log.exception("The pages' first runs were not made")
    # Among what Streamlit says as it starts.
    print(f"  Warm after {time.monotonic() - began:.1f} s", flush=True)


def open_pages(engine: Engine) -> None:
    """Make the run that each built-in family's page opens with, one after the other, and let the engine keep them."""
    from ebm_plugins.link_values import base_specs

    for family in engine.registry.families.values():
        if engine.registry.provider(family).name == OWN:
            engine.submit(next(iter(base_specs(family).values())), SEAT).wait(OPENING)
    engine.leave(SEAT)
