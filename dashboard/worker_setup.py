"""What a worker process does as it starts (``dask worker --preload dashboard.worker_setup``).

It steps back behind the server (nice 10), speaks to nobody (a plugin that prints without end fills no log), multiplies
with one thread, and imports what runs need while it waits for the first one.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from dashboard import work


def dask_setup(_worker: Any) -> None:
    """Called by Dask in each worker process."""
    os.nice(10)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)
    work.process_of_its_own = True
    threading.Thread(target=work.warm, daemon=True, name="warm").start()
