"""Processes of our own multiply with one thread; a library call leaves its caller's threads alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

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


SHARED = """
import json, threading
import numpy as np
from ebm_plugins import blas

def task(k):
    return k, threading.current_thread().name, blas.threads()

with blas.team(3) as share:
    done = share([lambda k=k: task(k) for k in range(5)])
    again = share([lambda: share([lambda: blas.threads()])])
print(json.dumps([done, again, blas.threads()]))
"""


def shared(limit: str) -> tuple[list[list[object]], list[list[int]], int]:
    env = {**os.environ, "OPENBLAS_NUM_THREADS": limit}
    out = subprocess.run([sys.executable, "-c", SHARED], capture_output=True, text=True, check=True, env=env)
    return json.loads(out.stdout)


def test_a_team_does_all_tasks_in_order_with_one_blas_thread_each_and_puts_the_limit_back() -> None:
    """A team inside a team does its tasks by itself, and takes no limit away."""
    done, again, after = shared("2")
    assert [k for k, _, _ in done] == [0, 1, 2, 3, 4]
    assert {threads for _, _, threads in done} == {1}
    assert again == [[1]]
    assert after == 2


def test_a_team_of_one_is_its_caller() -> None:
    done, _, after = shared("1")
    assert {name for _, name, _ in done} == {"MainThread"}
    assert after == 1


def test_what_a_task_raises_reaches_the_caller_and_the_limit_is_put_back() -> None:
    from ebm_plugins import blas

    before = blas.threads()
    with pytest.raises(ZeroDivisionError), blas.team(2) as share:
        share([lambda: 1, lambda: 1 // 0])
    assert blas.threads() == before
