"""What the first visitor of a server would otherwise wait for, done while nobody waits.

Diagnostics, quadrature and figures import slowly (seconds, on a cold machine), plotly.js takes a moment to zip, and
some families learn for seconds before their page's first stage can be shown.
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

if TYPE_CHECKING:
    from dashboard.jobs import Engine
    from ebm_plugins.registry import Registry

log = logging.getLogger(__name__)
PATIENCE = 5.0  # seconds of training in one example before it is left
OPENING = 60.0  # seconds that a page's first run may take before the next one is begun
OWN, SEAT = "ebm-plugins", "warm"


@contextlib.asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[None]:
    """The app's: warming begins with the server and holds nothing up."""
    threading.Thread(target=begin, daemon=True, name="warm").start()
    yield


def begin() -> None:
    """Load the registry, run what is built in once, and set aside what it left in memory."""
    from dashboard import jobs, web

    began = time.monotonic()
    try:
        web.warm()
        for module in ("dashboard.lab", "plotly.graph_objects", "arviz_stats.base"):
            import_module(module)
        run_examples(jobs.engine().registry)
    except Exception:  # a server that is not warm serves all the same
        log.exception("The server was not warmed")
    gc.collect()
    gc.freeze()
    try:
        open_pages(jobs.engine())
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


def run_examples(registry: Registry) -> None:
    """The tiny run that each built-in family has as its example, up to what the stage is sent. Nothing is kept."""
    from dashboard import stage
    from dashboard.plot import envelope
    from ebm_plugins import runs

    for family in registry.families.values():
        if family.example is None or registry.provider(family).name != OWN:
            continue
        deadline = time.monotonic() + PATIENCE
        made = runs.run(family.example, registry, stop=lambda _phase, end=deadline: time.monotonic() > end)
        envelope.pack(stage.payload(made))
