"""Processes of our own multiply with one thread; a library call leaves its caller's threads alone."""

from __future__ import annotations

import os
import subprocess
import sys

COUNT = "import json, threadpoolctl; print(json.dumps([p['num_threads'] for p in threadpoolctl.threadpool_info()]))"


def threads(code: str) -> list[int]:
    """How many threads each BLAS of a new process has after this code, with no variable that limits them."""
    env = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    command = [sys.executable, "-c", f"{code}\n{COUNT}"]
    out = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    return [int(n) for n in out.stdout.strip().strip("[]").split(",") if n.strip()]


def test_one_thread_is_what_is_left() -> None:
    assert set(threads("from ebm_plugins import blas; blas.one_thread()")) == {1}


def test_importing_and_loading_change_nothing() -> None:
    assert set(threads("import numpy")) == set(
        threads("import ebm_plugins; ebm_plugins.load(discover=False)")
    )
