"""Plugins that misbehave and processes that are killed: each costs its own run only, and every job ends in words."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import processes
import pytest

from dashboard.job import DONE, FAILED, LEFT, QUEUED, RUNNING, SILENT, Job, WorkerError
from dashboard.jobs import Engine
from ebm_plugins import RunSpec, runs, starts

STEADY = RunSpec(family="steady", sample={"steps": 30, "seconds": 0.02}, start=starts.Noise(20))
Engines = Callable[..., Engine]


@pytest.fixture(scope="module")
def engine(engines: Engines) -> Engine:
    made = engines()
    assert ended(made.submit(STEADY, "first/page")).state == DONE  # the workers are there
    return made


def until(true: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def ended(job: Job, seconds: float = 60) -> Job:
    assert job.wait(seconds), f"still {job.state}"
    return job


def right(engine: Engine, job: Job) -> bool:
    """Whether a job's run is what the headless program makes of its spec."""
    assert job.run is not None
    assert job.spec is not None
    return runs.result_digest(job.run) == runs.result_digest(runs.run(job.spec, engine.registry))


def beside(engine: Engine, seed: int, name: str) -> tuple[Job, Job]:
    """A job of a plugin that misbehaves, and one of somebody else's that is computed at the same time."""
    other = engine.submit(
        replace(STEADY, seed=seed, sample={"steps": 100, "seconds": 0.02}), f"other{seed}/page"
    )
    bad = engine.submit(
        RunSpec(family=name, sample={"steps": 1000}, seed=seed, start=starts.Noise(20)), f"bad{seed}/page"
    )
    return bad, other


def cluster(engine: Engine) -> processes.Process:
    """The process that owns the engine's scheduler."""
    owner = engine.dispatcher.cluster.process
    assert owner is not None
    found = processes.read(owner.pid)
    assert found is not None
    return found


def workers(engine: Engine) -> list[processes.Process]:
    return processes.workers_below(cluster(engine).pid)


@pytest.mark.parametrize(
    ("name", "state", "says"),
    [
        ("loops", SILENT, "said nothing for 3 seconds"),
        ("sleeps", SILENT, "said nothing for 3 seconds"),
        ("prints", SILENT, "said nothing for 3 seconds"),
        ("exits", FAILED, "worker process that computed it has ended"),
        ("hoards", FAILED, "more memory than the 300 MB"),
    ],
)
def test_a_plugin_that_misbehaves_costs_its_own_run_only(
    engine: Engine, capfd: pytest.CaptureFixture[str], name: str, state: str, says: str
) -> None:
    seed = {"loops": 1, "sleeps": 2, "prints": 3, "exits": 4, "hoards": 5}[name]
    bad, other = beside(engine, seed, name)
    ended(bad)
    assert bad.state == state
    assert says in str(bad.error)
    if name in ("loops", "sleeps"):
        assert f"in {name}" in bad.trace, "it does not say where it was"
    assert ended(other).state == DONE
    assert right(engine, other)
    # The next two runs, one on each worker, go well: the one that was ended has been replaced.
    after = [engine.submit(replace(STEADY, seed=100 * seed + i), f"after{i}/page") for i in range(2)]
    assert [ended(job).state for job in after] == [DONE, DONE]
    assert "spam" not in "".join(capfd.readouterr())


def test_a_run_that_was_left_is_ended_even_when_it_does_not_heed_it(engine: Engine) -> None:
    job = engine.submit(RunSpec(family="sleeps", seed=20, start=starts.Noise(20)), "leaver/page")
    until(lambda: job.state == RUNNING and job.step)
    engine.leave("leaver/")
    assert job.state == LEFT
    until(lambda: not engine.dispatcher.running, 10)


def test_a_killed_worker_costs_the_run_that_it_had_and_comes_back(engine: Engine) -> None:
    slow = replace(STEADY, sample={"steps": 100, "seconds": 0.03})
    jobs = [engine.submit(replace(slow, seed=30 + i), f"killed{i}/page") for i in range(5)]
    until(lambda: sum(job.step > 0 for job in jobs) == 2)
    processes.kill(workers(engine)[0])
    states = sorted(ended(job).state for job in jobs)
    assert states == [DONE] * 4 + [FAILED]
    lost = next(job for job in jobs if job.state == FAILED)
    assert isinstance(lost.error, WorkerError)
    assert all(right(engine, job) for job in jobs if job.state == DONE)
    engine.forget(lost)
    assert ended(engine.submit(lost.asked, "killed/page")).state == DONE  # Try again


def test_all_workers_killed(engine: Engine) -> None:
    slow = replace(STEADY, sample={"steps": 100, "seconds": 0.03})
    jobs = [engine.submit(replace(slow, seed=40 + i), f"all{i}/page") for i in range(4)]
    until(lambda: sum(job.step > 0 for job in jobs) == 2)
    for one in workers(engine):
        processes.kill(one)
    states = [ended(job).state for job in jobs]
    assert sorted(states) == [DONE, DONE, FAILED, FAILED]
    assert all(right(engine, job) for job in jobs if job.state == DONE)


def test_a_killed_engine_is_replaced_and_its_runs_are_made_all_the_same(engine: Engine) -> None:
    slow = replace(STEADY, sample={"steps": 60, "seconds": 0.03})
    jobs = [engine.submit(replace(slow, seed=50 + i), f"engine{i}/page") for i in range(4)]
    until(lambda: sum(job.step > 0 for job in jobs) == 2)
    before = cluster(engine)
    below = processes.descendants(before.pid)
    processes.kill(before)
    until(lambda: any(job.state == QUEUED for job in jobs[:2]) or jobs[0].over, 10)
    assert [ended(job).state for job in jobs] == [DONE] * 4
    assert all(right(engine, job) for job in jobs)
    assert cluster(engine).pid != before.pid
    assert processes.wait_gone([before, *below], 20) == []


def test_nothing_is_left_when_the_server_is_gone(engines: Engines) -> None:
    one = engines()
    ended(one.submit(replace(STEADY, seed=60), "a/page"))
    if one.computed == 0:
        pytest.fail("it was stored before")
    assert len(workers(one)) == 2
    all_of_it = [cluster(one), *processes.descendants(cluster(one).pid)]
    one.dispatcher.cluster.process.stdin.close()  # what the end of a process does to its pipes
    assert processes.wait_gone(all_of_it, 20) == []


def test_every_port_is_on_the_loopback_address(engine: Engine) -> None:
    owner = cluster(engine).pid
    pids = {owner, *(p.pid for p in processes.descendants(owner))}
    inodes = set()
    for pid in pids:
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = os.readlink(fd)
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            part = line.split()
            if part[3] == "0A" and part[9] in inodes:
                listening.append((table, part[1].partition(":")[0]))
    assert listening
    assert {address for address in listening} == {("tcp", "0100007F")}
