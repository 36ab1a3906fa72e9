"""Runs behind one interface: computed once, stopped, continued, given up, refused."""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import pytest

from dashboard import asking, jobs, telling
from dashboard.job import DONE, FAILED, LEFT, QUEUED, REFUSED, RUNNING, STOPPED, BusyError, Job, size
from dashboard.jobs import Engine
from dashboard.limits import Settings
from dashboard.limits import settings as in_force
from dashboard.plot import envelope
from ebm_plugins import plans, results, runs, starts, store
from ebm_plugins import registry as registries
from ebm_plugins.records import ConfigError, PluginError
from ebm_plugins.specs import RunSpec

FAMILIES = "ebm_test_three_families"
SPEC = RunSpec(family="bulbs", dataset="lamps", sample={"steps": 30}, start=starts.Noise(50))


@pytest.fixture
def made(three, own_store):
    """``made(**options)`` is an engine with the three families that lets go of its cluster in the end."""
    found = []

    def make(**options):
        found.append(Engine(registries.load(discover=False), **options))
        return found[-1]

    yield make
    for one in found:
        one.close()


@pytest.fixture
def engine(made):
    return made(silence=60)


@pytest.fixture
def waits(three):
    """While it is cleared, lamps wait after four snapshots for it to be set."""
    gate = sys.modules[FAMILIES].OPEN
    yield gate
    gate.set()


def until(true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.005)


def finished(job, seconds=30):
    assert job.wait(seconds), f"still {job.state}"
    return job


def test_a_run_is_what_the_headless_program_computes(engine):
    job = finished(engine.submit(SPEC, "a"))
    assert job.state == DONE, f"{job.error}\n{job.trace}"
    assert runs.result_digest(job.run) == runs.result_digest(runs.run(SPEC, engine.registry))
    assert job.stage["kind"] == "cells"


def test_the_same_spec_is_computed_once_and_shared(engine):
    first = engine.submit(SPEC, "a")
    second = engine.submit(replace(SPEC, sampler="bulbs"), "b")  # the same run, said otherwise
    assert first is second
    finished(first)
    assert engine.submit(SPEC, "c") is first
    assert engine.computed == 1


def test_training_is_not_repeated_when_only_sampling_changes(engine):
    slow = replace(SPEC, train={"epochs": 8, "seconds": 0.5})
    finished(engine.submit(slow, "a"))
    again = finished(engine.submit(replace(slow, sample={"steps": 31}), "a"))
    assert again.state == DONE
    assert again.seconds < 4.0, "eight epochs of 0.5 s were trained again"


@pytest.mark.parametrize("phase", ["train", "sample"])
def test_stop_keeps_what_was_learned_and_continue_gives_the_same_bits(engine, waits, phase):
    whole = replace(SPEC, train={"epochs": 20 if phase == "train" else 3}, sample={"steps": 200})
    uninterrupted = runs.run(whole, engine.registry)
    waits.clear()
    job = engine.submit(replace(whole, seed=0), "a")
    end = time.monotonic() + 20
    while (job.phase != phase or job.step < 3) and time.monotonic() < end:
        time.sleep(0.0005)
    engine.stop(job, "a")
    while phase not in telling.wanted.values() and time.monotonic() < end:
        time.sleep(0.005)  # the worker is told behind our back
    waits.set()
    finished(job)
    assert job.state == STOPPED
    stop = job.spec.train_stop if phase == "train" else job.spec.sample_stop
    assert stop is not None
    assert 3 <= stop < 200
    assert job.run.training.count == (stop if phase == "train" else 3)
    # The stopped spec alone gives the stopped run: a link to it holds.
    assert runs.result_digest(runs.run(job.spec, engine.registry)) == runs.result_digest(job.run)
    assert engine.submit(job.spec, "a") is job
    onward = finished(engine.submit(replace(job.spec, train_stop=None, sample_stop=None), "a"))
    assert runs.result_digest(onward.run) == runs.result_digest(uninterrupted)


def test_a_stop_leaves_the_others_who_wait_alone(engine):
    slow = replace(SPEC, train={"epochs": 30, "seconds": 0.02})
    job = engine.submit(slow, "a")
    assert engine.submit(slow, "b") is job
    while job.step < 3:
        time.sleep(0.005)
    mine = engine.stop(job, "a")
    assert mine is not job
    assert finished(mine).run.training.count < 30
    assert finished(job).state == DONE
    assert job.run.training.count == 30


def test_a_plugin_that_raises_costs_its_own_run_only(engine):
    job = finished(engine.submit(RunSpec(family="raises", dataset="lamps"), "a"))
    assert job.state == FAILED
    assert isinstance(job.error, PluginError)
    assert job.error.part == "sample"
    assert "the lamp went out" in job.trace
    assert finished(engine.submit(SPEC, "a")).state == DONE


def test_what_training_refuses_is_named_by_its_control(engine):
    job = finished(engine.submit(replace(SPEC, train={"pick": (0, 1, 2)}), "a"))
    assert job.state == REFUSED
    assert isinstance(job.error, ConfigError)
    assert job.error.field == "train.pick"


def test_a_run_that_cannot_fit_is_refused_before_it_starts(made):
    engine = made(limits=runs.Limits(updates=1000))
    job = finished(engine.submit(SPEC, "a"))
    assert job.state == REFUSED
    assert isinstance(job.error, runs.LimitError)
    assert job.step == 0


def test_a_run_that_nobody_waits_for_ends(engine):
    slow = replace(SPEC, train={"epochs": 400, "seconds": 0.2})
    job = engine.submit(slow, "a")
    until(lambda: job.step > 0)
    finished(engine.submit(SPEC, "a"))
    assert job.state == LEFT
    until(lambda: not engine.dispatcher.running, 15)  # to its end it would have taken 80 s
    again = engine.submit(slow, "a")
    assert again is not job
    engine.leave("a")
    assert again.state == LEFT


def test_no_more_runs_than_slots_and_first_come_first_served(made):
    engine = made(slots=1)
    specs = [replace(SPEC, seed=s, train={"epochs": 2, "seconds": 0.1}) for s in range(4)]
    many = [engine.submit(specs[0], "0")]
    until(lambda: many[0].state == RUNNING)
    many += [engine.submit(spec, str(spec.seed)) for spec in specs[1:]]
    assert [j.state for j in many[1:]] == [QUEUED] * 3
    until(lambda: [j.place for j in many[1:]] == [0, 1, 2])
    for job in many:
        finished(job)
    ended = [j.ended for j in many]
    assert ended == sorted(ended)


def test_finished_runs_are_kept_up_to_a_size(made):
    engine = made(room=1)
    first = finished(engine.submit(SPEC, "a"))
    second = finished(engine.submit(replace(SPEC, seed=1), "a"))  # the first has lost its seat
    assert engine.submit(replace(SPEC, seed=1), "a") is second
    assert engine.submit(SPEC, "b") is not first


def test_what_was_computed_once_is_there_for_the_next_server(made):
    first = made()
    job = finished(first.submit(SPEC, "a"))
    second = made()
    again = finished(second.submit(SPEC, "b"))
    assert again.found
    assert second.computed == 0
    assert runs.result_digest(again.run) == runs.result_digest(job.run)
    assert again.run.verdict == job.run.verdict
    assert envelope.pack(again.stage) == envelope.pack(job.stage)
    assert first.stored(job.key) == second.stored(job.key) is not None
    assert second.stored("0" * 64) is None


def test_what_is_damaged_is_dropped_and_computed_anew(made, tmp_path):
    job = finished(made().submit(SPEC, "a"))
    for file in (tmp_path / "store").rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[:-20] + bytes(20))
    engine = made()
    again = finished(engine.submit(SPEC, "b"))
    assert again.state == DONE
    assert engine.computed == 1
    assert runs.result_digest(again.run) == runs.result_digest(job.run)


def test_a_store_that_takes_nothing_costs_only_the_keeping(made, monkeypatch):
    def full(*_args):
        raise store.StoreError("data", "room", "none")

    monkeypatch.setattr(store.Store, "put", full)
    engine = made()
    job = finished(engine.submit(SPEC, "a"))
    assert job.state == DONE
    assert job.stage["kind"] == "cells"
    assert runs.result_digest(job.run) == runs.result_digest(runs.run(SPEC, engine.registry))


def test_a_plugin_that_was_edited_is_not_served_from_before(made, monkeypatch):
    finished(made().submit(SPEC, "a"))
    monkeypatch.setattr(results, "code_of", lambda *_: "edited since")
    engine = made()
    assert not finished(engine.submit(SPEC, "b")).found
    assert engine.computed == 1


def test_a_worker_that_is_not_the_servers_is_refused_in_words(made, monkeypatch):
    engine = made()
    asked = asking.run(plans.plan(SPEC, engine.registry), engine.registry)
    asked.request["code"] = "another version's"
    monkeypatch.setattr(asking, "run", lambda *_: asked)
    job = engine.submit(SPEC, "a")
    assert finished(job).state == FAILED
    assert "not the server's" in str(job.error)


def test_one_visitor_cannot_fill_the_waiting_list(made, waits):
    engine = made(
        settings=Settings(
            waiting_per_visitor=3, waiting_in_all=5, runs_per_visitor=1, dask_address=in_force().dask_address
        ),
        slots=1,
    )
    waits.clear()
    long = replace(SPEC, train={"epochs": 20})
    running = engine.submit(replace(long, seed=100), "greedy/0")
    until(lambda: running.state == RUNNING)
    mine = []
    for seed in range(3):
        mine.append(engine.submit(replace(long, seed=seed), f"greedy/{seed + 1}"))
        until(lambda: mine[-1].place is not None)
    refused = finished(engine.submit(replace(long, seed=7), "greedy/9"))
    assert refused.state == REFUSED
    assert isinstance(refused.error, BusyError)
    assert "3" in str(refused.error)
    other = engine.submit(replace(long, seed=8), "modest/page")
    until(lambda: other.place is not None)
    assert other.place == 0, "it comes before those of a visitor who has one at work"
    more = engine.submit(replace(long, seed=9), "modest/other")
    until(lambda: more.place is not None)
    turned_away = finished(engine.submit(replace(long, seed=11), "modest/third"))
    assert turned_away.state == REFUSED  # five wait: the list is full
    third = engine.submit(replace(long, seed=12), "third/page")
    until(lambda: third.place is not None)  # but not for somebody who has nothing in it
    waits.set()
    for job in (running, *mine, other, more, third):
        assert finished(job, 60).state == DONE
    assert finished(engine.submit(replace(long, seed=7), "greedy/9"), 60).state == DONE  # asked again
    assert finished(engine.submit(replace(long, seed=11), "modest/third"), 60).state == DONE


def test_a_list_that_is_twice_as_full_takes_nobody(made, monkeypatch):
    engine = made(settings=Settings(waiting_in_all=2, dask_address=in_force().dask_address))
    monkeypatch.setattr(engine, "waiting", [Job(f"{n}" * 64, visitor=f"{n}", number=-n) for n in range(1, 5)])
    assert isinstance(finished(engine.submit(SPEC, "new/page")).error, BusyError)


def test_a_visitor_at_another_page_holds_the_runs_that_go_on_and_no_others(engine, waits):
    ended = finished(engine.submit(SPEC, "v/bulbs"))
    figure = finished(engine.study("bulbs", "none", {}, 0, "v/bulbs/study/none"))
    waits.clear()
    goes_on = engine.submit(replace(SPEC, train={"epochs": 20, "rate": 0.3}), "v/compare/0")
    engine.submit(SPEC, "w/bulbs")
    engine.turn_to("v/dish")
    assert ended.seats == {"w/bulbs"}
    assert not figure.seats
    assert goes_on.seats == {"v/compare/0"}
    assert not goes_on.over


def test_what_a_worker_has_stored_is_read_again_where_the_store_does_not_answer(engine, monkeypatch):
    from dashboard import shelf

    read, failed = shelf._bytes, []

    def now_and_then(said):
        if "digest" in said and len(failed) < 3:
            failed.append(said)
            return None
        return read(said)

    monkeypatch.setattr(shelf, "_bytes", now_and_then)
    monkeypatch.setattr(shelf, "BETWEEN", 0.01)
    assert finished(engine.submit(SPEC, "a")).state == DONE
    assert len(failed) == 3


def test_a_run_that_spoke_while_it_was_asked_where_it_is_goes_on(engine, waits, monkeypatch):
    waits.clear()
    job = engine.submit(replace(SPEC, train={"epochs": 20, "rate": 0.2}), "a/page")
    until(lambda: job.phase == "train" and job.step >= 3)
    asked, killed = [], []

    def stack(attempt):
        asked.append(attempt)
        job.heard = time.monotonic()  # as when an event comes in
        return ""

    monkeypatch.setattr(engine.dispatcher, "stack", stack)
    monkeypatch.setattr(engine.dispatcher, "kill", killed.append)
    job.heard = time.monotonic() - 1000
    until(lambda: asked)
    time.sleep(0.2)
    assert not killed
    assert not job.over
    waits.set()
    assert finished(job).state == DONE


def test_status_asks_nobody_and_starts_nothing(made):
    engine = made()
    assert engine.status()["engine"] == "idle"
    assert engine.dispatcher.cluster.current is None
    finished(engine.submit(SPEC, "a"))
    said = engine.status()
    assert (said["engine"], said["computed"], said["done"], said["queued"]) == ("ready", 1, 1, 0)


def test_what_cannot_fit_never_waits(made, waits):
    engine = made(limits=runs.Limits(updates=1000), slots=1)
    job = engine.submit(SPEC, "a")
    assert job.state == REFUSED  # at once: no worker was asked
    assert engine.computed == 0
    assert "1.0e+03" in job.error.expected


def test_jobs_that_made_nothing_do_not_add_up(made, monkeypatch):
    monkeypatch.setattr(jobs, "KEPT_JOBS", 5)
    engine = made(limits=runs.Limits(updates=1000))
    for seed in range(40):
        engine.submit(replace(SPEC, seed=seed), "a")
    assert engine.status()["held"] <= 7


def test_a_full_list_does_not_refuse_what_is_stored(made, monkeypatch):
    finished(made().submit(SPEC, "a"))
    engine = made(settings=Settings(waiting_in_all=1, dask_address=in_force().dask_address))
    monkeypatch.setattr(engine, "waiting", [Job(c * 64, visitor=c, number=-1) for c in "xy"])  # it is full
    assert finished(engine.submit(SPEC, "b")).found
    assert finished(engine.submit(replace(SPEC, seed=3), "b")).state == REFUSED


def test_who_joins_a_run_that_is_being_stopped_gets_all_of_it(engine, waits):
    whole = replace(SPEC, train={"epochs": 20})
    waits.clear()
    job = engine.submit(whole, "a/page")
    until(lambda: job.phase == "train" and job.step >= 3)
    engine.stop(job, "a/page")
    other = engine.submit(whole, "b/page")
    assert other is not job
    until(lambda: "train" in telling.wanted.values())
    waits.set()
    assert finished(job).state == STOPPED
    assert finished(other).state == DONE
    assert other.run.training.count == 20


def test_a_run_that_failed_is_tried_anew_for_somebody_else(engine):
    bad = RunSpec(family="raises", dataset="lamps")
    job = finished(engine.submit(bad, "a/page"))
    assert engine.submit(bad, "a/page") is job  # who has seen it fail says Try again
    engine.leave("a/")
    assert engine.submit(bad, "b/page") is not job


def test_what_began_for_everybody_is_somebodys_once_it_is_asked_for(made, waits):
    engine = made(slots=1)
    waits.clear()
    running = engine.submit(replace(SPEC, train={"epochs": 20}), "x/page")
    until(lambda: running.state == RUNNING)
    slow = [replace(SPEC, seed=seed, train={"epochs": 20}) for seed in (1, 2)]
    warmed = engine.submit(slow[0], "warm")
    other = engine.submit(slow[1], "y/page")
    until(lambda: (other.place, warmed.place) == (0, 1))
    assert engine.submit(slow[0], "z/page") is warmed
    assert (warmed.place, other.place) == (0, 1)
    waits.set()


def test_checks_that_take_too_long_are_ended_and_say_so(made):
    """All checks of a record may take some times what a run may."""
    job = finished(made(limits=runs.Limits(seconds=0.0)).check("dish", "a/plugins"), 60)
    assert job.state == FAILED
    assert "1 of its" in str(job.error)
    assert len(job.results) == 1


def test_what_figures_and_studies_hold_counts(made):
    engine = made(room=1)
    job = finished(engine.submit(SPEC, "a"))
    assert size(job) > sum(a.nbytes for a in (job.run.sampling.frames, job.run.sampling.energies))
