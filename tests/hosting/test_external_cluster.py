"""The cluster at ``EBM_DASK_ADDRESS``: a scheduler and a worker started as docs/hosting.md says, and what is lost with them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from served import free_port

from dashboard.job import DONE, QUEUED, Job
from dashboard.jobs import Engine
from dashboard.limits import Settings
from ebm_plugins import RunSpec, runs, starts
from ebm_plugins import registry as registries

PAGE = Path(__file__).resolve().parents[2] / "docs" / "hosting.md"
STEADY = RunSpec(family="steady", sample={"steps": 40, "seconds": 0.03}, start=starts.Noise(20))
Start = Callable[[str], subprocess.Popen[bytes]]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def start(port: int, hostile: Path, tmp_path: Path) -> Iterator[Start]:
    """``start("dask scheduler")`` runs the line of docs/hosting.md that begins so, at another port."""
    text = PAGE.read_text(encoding="utf-8").replace("\\\n", " ")
    said = dict(re.findall(r"^export (DASK_DISTRIBUTED__\w+)=(\S+)", text, re.MULTILINE))
    assert len(said) == 5
    running: list[subprocess.Popen[bytes]] = []

    def run(begins: str) -> subprocess.Popen[bytes]:
        found = re.search(rf"^{begins} .*$", text, re.MULTILINE)
        assert found, f"docs/hosting.md has no line that begins with {begins!r}"
        words = found[0].replace("8786", str(port)).replace("127.0.0.1:8787", "127.0.0.1:0").split()
        env = os.environ | said | {"EBM_STORE": str(tmp_path / "store")}
        command = [sys.executable, "-m", "distributed.cli.dask_" + words[1], *words[2:]]
        running.append(
            subprocess.Popen(
                command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path,
                start_new_session=True,
            )
        )  # fmt: skip
        return running[-1]

    yield run
    for process in running:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        finally:
            process.wait()


@pytest.fixture
def engine(port: int, tmp_path: Path, hostile: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setenv("EBM_STORE", str(tmp_path / "store"))
    made = Engine(registries.load(), settings=Settings(), address=f"tcp://127.0.0.1:{port}")
    yield made
    made.close()


def ended(job: Job, seconds: float = 90) -> Job:
    assert job.wait(seconds), f"still {job.state}"
    return job


def until(true: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def test_runs_wait_for_a_cluster_and_survive_its_scheduler(engine: Engine, start: Start) -> None:
    first = engine.submit(STEADY, "early/page")
    until(lambda: engine.status()["engine"] == "lost")  # nothing is there yet, and it says so
    assert first.state == QUEUED
    scheduler = start("dask scheduler")
    start("dask worker")
    assert ended(first).state == DONE
    assert first.run is not None
    assert first.spec is not None
    assert runs.result_digest(first.run) == runs.result_digest(runs.run(first.spec, engine.registry))

    second = engine.submit(replace(STEADY, seed=1), "late/page")
    until(lambda: second.step > 0)
    os.kill(scheduler.pid, signal.SIGKILL)
    until(lambda: second.state == QUEUED or second.over)
    assert not second.over, "a run is not to blame for its scheduler"
    start("dask scheduler")
    start("dask worker")  # docs/hosting.md: workers end when their scheduler does
    assert ended(second).state == DONE
    assert second.run is not None
    assert second.spec is not None
    assert runs.result_digest(second.run) == runs.result_digest(runs.run(second.spec, engine.registry))
