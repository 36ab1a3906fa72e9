"""The JSON routes, on an engine in the test's hand: what they answer, to whom, and what they never do."""

from __future__ import annotations

import asyncio
import io
import re
import time
from dataclasses import replace
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from api_desk import TOYS, Answer, Desk, acall, call, provided, query
from toy_families import BOWL, changed

from dashboard import api_answers, api_calls, api_waits, login
from dashboard.job import LEFT, QUEUED, RUNNING, BusyError
from ebm_plugins import ConfigError, PluginError, Snapshot, link, numbers, results, runs, store

RUN = "/api/v1/runs?"
BOWLED = {"family": "bowl", "data": "cloud", "sample__steps": 12, "start__n": 9, "seed": 5}


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = Desk()
    monkeypatch.setattr(api_calls, "_engine", lambda: made)
    monkeypatch.setattr(api_calls, "_waits", api_waits.Waits(held=api_waits.Settings(runs=4, patience=60)))
    monkeypatch.setattr(api_calls, "_allowed", lambda request: True)
    return made


def asked(**more: Any) -> Answer:
    return call(RUN + query(**BOWLED | more))


# A run by its link -----------------------------------------------------------------------------------------------


def test_the_answer_is_the_run_of_the_link(desk: Desk) -> None:
    answer = asked()
    assert answer.status == 200
    spec, _ = link.parse("/bowl?data=cloud&sample.steps=12&start.n=9&seed=5", desk.registry)
    run = runs.run(spec, desk.registry)
    found = answer.json
    assert found["state"] == "done"
    assert found["digest"] == runs.spec_digest(spec, desk.registry)
    assert found["result_digest"] == runs.result_digest(run)
    assert found["spec"] == spec.as_dict()
    assert found["states"] == [9, 2]
    assert found["params"] == {"mean": [2]}
    assert found["sample_steps"] == 12
    assert found["sample_metrics"] == {"spread": pytest.approx(run.sampling.last.std())}
    assert found["train_metrics"]["gap"] == run.training.metrics["gap"][-1]
    shown = numbers.of(run)
    assert np.isfinite(shown.mean_energy)
    for name, value in found["truth"].items():
        assert value == pytest.approx(getattr(shown, name)) or np.isnan(getattr(shown, name))
    assert run.verdict is not None
    assert found["verdict"]["head"] == run.verdict.head
    assert asked(seed=6).json["result_digest"] != found["result_digest"]
    assert link.parse(found["page"], desk.registry) == (spec, [])


def test_a_link_as_a_whole_is_the_same_run(desk: Desk) -> None:
    parts = asked().json
    whole = quote(
        f"https://somewhere/bowl?{query(**{k: v for k, v in BOWLED.items() if k != 'family'})}", safe=""
    )
    answer = call(RUN + f"link={whole}&seed=99")
    assert answer.json["digest"] == parts["digest"]
    assert [(m["parameter"], m["given"]) for m in answer.json["mended"]] == [("seed", "99")]
    assert desk.computed == 1


def test_what_was_mended_is_what_the_page_names(desk: Desk) -> None:
    bad = {
        "sample__steps": "-3",
        "train__rate": "nan",
        "bogus": "<b>",
        "sampler": "nobody",
        "start__n": "1e309",
    }
    answer = asked(**bad)
    assert answer.status == 200
    _, notes = link.parse(
        {k.replace("__", "."): str(v) for k, v in (BOWLED | bad).items() if k != "family"}, TOYS, "bowl"
    )
    assert [(m["parameter"], m["reason"], m["used"]) for m in answer.json["mended"]] == [
        (m.parameter, m.reason, m.used) for m in notes
    ]
    assert {m["parameter"] for m in answer.json["mended"]} == {
        "sample.steps",
        "train.rate",
        "bogus",
        "sampler",
        "start.n",
    }


@pytest.mark.parametrize(
    ("address", "field"),
    [("", "family"), ("family=", "family"), ("family=nobody", "family"), ("family=bowl&family=nobody&link=", "link"), ("link=http%3A%2F%2F%5Bbad", "link"), ("link=/nobody?seed=1", "link")],
)  # fmt: skip
def test_a_query_that_names_no_family_is_refused(desk: Desk, address: str, field: str) -> None:
    answer = call(RUN + address)
    assert answer.status == 400
    assert answer.json["field"] == field
    assert "bowl" in answer.json["expected"]
    assert set(answer.json) == {"field", "expected", "got"}


def test_a_query_of_very_many_parameters_costs_nobody_time(desk: Desk) -> None:
    """32,000 fit into the 64 kB that the proxy lets through; read one by one into longer and longer lists they took a
    second of everybody's. What is too much is named, as on the pages."""
    assert asked().status == 200  # the run is there
    began = time.process_time()
    answer = call(RUN + "family=bowl&" + "a&" * 32_000)
    assert time.process_time() - began < 0.5
    assert answer.status == 200
    assert any("parameters" in f"{one}" for one in answer.json["mended"])


def test_a_run_that_cannot_fit_is_refused_with_the_number(desk: Desk) -> None:
    answer = asked(sample__steps=100_000, start__n=1_000_000, sample__every=1000)
    assert answer.status == 422
    assert answer.json["field"] == "sample.steps"
    assert answer.json["got"].startswith("2.0e+11")
    assert not desk.jobs


def test_data_that_are_gone_are_never_replaced(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv(store.FOLDER, str(tmp_path))
    answer = asked(data="stored:plane:" + "0" * 64)
    assert answer.status == 422
    assert answer.json["field"] == "data"
    assert not desk.jobs


def test_numbers_that_json_does_not_have_are_null(monkeypatch: pytest.MonkeyPatch, desk: Desk) -> None:
    def sample(params, config, rng, x):
        for value in (1.0, float("nan")):
            yield Snapshot(x, {"bad": value, "worse": float("inf") * value})

    desk.registry = provided(changed(BOWL, sample=sample))
    found = asked().json  # whose parser takes no NaN
    assert found["sample_metrics"] == {"bad": None, "worse": None}
    assert found["truth"]["log_z_error"] is None or isinstance(found["truth"]["log_z_error"], float)


# While it is made ------------------------------------------------------------------------------------------------


def test_a_run_that_is_queued_has_an_address_to_ask_at(desk: Desk) -> None:
    desk.hold = True
    answer = asked()
    assert answer.status == 202
    assert answer.headers["location"] == answer.json["status"] == f"/api/v1/runs/{answer.json['digest']}"
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json["state"] == "queued"
    job = desk.jobs[answer.json["digest"]]
    job.state, job.phase, job.step, job.total, job.left = RUNNING, "sample", 5, 12, float("nan")
    now = call(answer.headers["location"])
    assert (now.json["state"], now.json["phase"], now.json["step"], now.json["total"]) == (
        "running",
        "sample",
        5,
        12,
    )
    assert now.json["seconds_left"] is None
    assert now.headers["retry-after"]
    assert call(answer.json["status"] + ".npz").status == 409
    desk.make(job)
    assert call(answer.json["status"]).json == asked().json
    arrays = np.load(io.BytesIO(call(answer.json["status"] + ".npz").body))
    assert job.run is not None
    assert (arrays["sampling/last"] == job.run.sampling.last).all()


def test_a_run_that_nobody_asks_after_is_left(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_calls, "_waits", api_waits.Waits(held=api_waits.Settings(runs=4, patience=0.4)))
    desk.hold = True
    digest = asked().json["digest"]
    other = asked(seed=6).json["digest"]
    end = time.monotonic() + 1.2
    while time.monotonic() < end:
        call(f"/api/v1/runs/{digest}")
        time.sleep(0.1)
    assert desk.jobs[digest].state == QUEUED
    assert desk.jobs[other].state == LEFT
    until(lambda: desk.jobs[digest].state == LEFT)
    answer = call(f"/api/v1/runs/{digest}")
    assert (answer.status, answer.json["state"]) == (200, "left")
    assert asked().status == 202  # and asking for it begins it again
    assert desk.jobs[digest].state == QUEUED


def test_a_run_that_is_over_needs_nobody(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or what was computed for a caller could never make room for others."""
    monkeypatch.setattr(api_calls, "_waits", api_waits.Waits(held=api_waits.Settings(runs=1, patience=0.2)))
    desk.hold = True
    job = desk.jobs[asked().json["digest"]]
    assert asked(seed=6).status == 429
    desk.make(job)
    until(lambda: not job.seats)
    assert job.state == "done"
    assert asked(seed=6).status == 202


def test_a_caller_waits_for_few_runs_at_a_time(desk: Desk) -> None:
    desk.hold = True
    assert [asked(seed=seed).status for seed in range(6)] == [202] * 4 + [429] * 2
    assert asked(seed=3).status == 202  # one that is waited for already is none more
    refused = asked(seed=9)
    assert refused.json["field"] == "runs"
    assert "4" in refused.json["expected"]
    assert int(refused.headers["retry-after"]) >= 1
    assert len(desk.jobs) == 4
    assert call(RUN + query(**BOWLED | {"seed": 9}), client="10.0.0.2").status == 202


def test_an_engine_that_is_full_is_said_to_be(desk: Desk) -> None:
    """The engine's list is full: it turns the job away, and takes it when it is asked for again."""
    desk.turn_away = BusyError("runs", "at most 400 runs that wait", "400 already")
    answer = asked()
    assert (answer.status, answer.json["got"]) == (429, "400 already")
    assert answer.headers["retry-after"]
    assert asked().status == 429
    desk.turn_away = None
    desk.hold = True
    assert [asked(seed=s).status for s in range(4)] == [202] * 4  # the refused one took no place


# When it fails ---------------------------------------------------------------------------------------------------


def test_a_run_that_failed_says_so_and_is_tried_again_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sample(params, config, rng, x):
        yield Snapshot(x)
        raise FileNotFoundError(
            "[Errno 2] No such file or directory: '/home/someone/secret plans/a.txt' (line 3)\n  File \"/srv/app/x.py\""
        )

    desk.registry = provided(changed(BOWL, sample=sample))
    answer = asked()
    assert answer.status == 422
    assert answer.json["field"] == "run"
    assert "bowl" in answer.json["got"]
    assert asked().status == 422
    assert desk.computed == 1
    (digest,) = desk.jobs
    after = call(f"/api/v1/runs/{digest}")
    assert (after.status, after.json["state"]) == (200, "failed")
    assert "FileNotFoundError" in after.json["message"]
    for text in (answer.body.decode(), after.body.decode()):
        assert "someone" not in text
        assert "/srv" not in text
        assert "Traceback" not in text
    assert call(f"/api/v1/runs/{digest}.npz").status == 404
    monkeypatch.setattr(api_calls, "TOLD", 0.0)
    asked()
    assert desk.computed == 2


def test_what_the_model_refuses_names_the_parameter(desk: Desk) -> None:
    answer = asked(train__epochs=501)
    assert answer.status == 422
    assert answer.json["field"] == "train.epochs"
    (digest,) = desk.jobs
    assert call(f"/api/v1/runs/{digest}").json["state"] == "refused"


@pytest.mark.parametrize("state", ["silent", "something new"])
def test_what_ended_otherwise_was_killed(desk: Desk, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.hold = True
    digest = asked().json["digest"]
    job = desk.jobs[digest]
    monkeypatch.setattr(type(job), "over", True)
    job.state, job.error = state, TimeoutError("It has said nothing for 10 seconds.")
    assert call(f"/api/v1/runs/{digest}").json["state"] == "killed"
    assert "10 seconds" in call(f"/api/v1/runs/{digest}").json["message"]


def test_without_an_engine_what_is_stored_is_still_answered(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = asked().json
    desk.state = "lost"
    assert asked().status == 200
    assert call(made["npz"]).status == 200
    answer = asked(seed=6)
    assert (answer.status, answer.json["field"]) == (503, "engine")
    assert answer.headers["retry-after"]
    monkeypatch.undo()

    def none() -> None:
        raise OSError("no such scheduler at 10.0.0.7")

    monkeypatch.setattr("dashboard.jobs.engine", none)
    for path in ("/api/v1/families", RUN + "family=bowl", "/api/v1/runs/" + "0" * 64, "/api/v1/openapi.json"):
        answer = call(path)
        assert (answer.status, answer.json["field"]) == (503, "engine")
        assert b"10.0.0.7" not in answer.body


def test_a_fault_of_ours_is_no_traceback(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_calls, "_read", lambda *_: 1 / 0)
    answer = asked()
    assert answer.status == 503
    assert set(answer.json) == {"field", "expected", "got"}
    assert b"division" not in answer.body


@pytest.mark.parametrize(
    "error", [ConfigError("data", "rows", "none"), PluginError("bowl", "load", "It lies at /root/x/y.")]
)
def test_what_cannot_be_submitted_takes_no_place(desk: Desk, error: Exception) -> None:
    desk.refuse = error
    for seed in range(6):
        answer = asked(seed=seed)
        assert answer.status == 422
        assert b"/root" not in answer.body
    assert api_calls._waits.begin("anybody", "0" * 64)


# A run by its digest ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("digest", ["0" * 64, "0" * 63, "A" * 64, "..", "%00", "x" * 5000, "0" * 64 + "\n"])
@pytest.mark.parametrize("ending", ["", ".npz"])
def test_no_such_run(desk: Desk, digest: str, ending: str) -> None:
    answer = call(f"/api/v1/runs/{digest}{ending}")
    assert answer.status == 404
    assert len(answer.body) < 400


def test_a_stored_run_needs_no_job(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a restart, or on another replica."""
    made = asked().json
    del desk.jobs[made["digest"]]
    content = desk.store[made["digest"]]
    assert asked().json == made
    assert call(made["status"]).json == made
    assert call(made["npz"]).body == content
    assert desk.computed == 1
    monkeypatch.setattr(results, "from_bytes", lambda raw, registry: int("of another version"))
    assert asked().json == made
    assert desk.computed == 2  # it cannot be read, so it is made again


def test_where_nothing_can_be_kept_a_run_that_is_done_has_its_arrays(desk: Desk) -> None:
    """As with a store that is full or read-only: the engine alone has the run."""
    made = asked().json
    content = desk.store.pop(made["digest"])
    answer = call(made["npz"])
    assert answer.status == 200
    run = results.from_bytes(answer.body, desk.registry)
    assert runs.result_digest(run) == made["result_digest"]
    assert runs.result_digest(results.from_bytes(content, desk.registry)) == made["result_digest"]
    assert call(made["npz"]).headers["etag"] == answer.headers["etag"]
    desk.jobs[made["digest"]].run = None
    assert call(made["npz"]).status == 404
    desk.hold = True
    assert call(asked(seed=77).json["status"] + ".npz").status == 409


def test_etags_heads_and_methods(desk: Desk) -> None:
    made = asked().json
    for path in ("/api/v1/families", "/api/v1/openapi.json", made["status"], made["npz"]):
        answer = call(path)
        assert answer.status == 200
        assert answer.headers["cache-control"] == "no-cache"
        tag = answer.headers["etag"]
        for given in (tag, f'"x", W/{tag}', "*"):
            again = call(path, if_none_match=given)
            assert (again.status, again.body) == (304, b"")
            assert again.headers["etag"] == tag
        assert call(path, if_none_match='"other"').status == 200
        assert call(path, "HEAD").headers == answer.headers
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY"):
            refused = call(path, method)
            assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")
            assert refused.json["got"] == method
    assert call("/api/v1/runs/").status == call("/api/v2").status == call("/api/").status == 404


def test_nobody_else_may_read_it_across_origins(desk: Desk) -> None:
    answer = call("/api/v1/families", origin="https://elsewhere.example")
    assert not [name for name in answer.headers if name.startswith("access-control")]


# Who asks --------------------------------------------------------------------------------------------------------


def test_where_a_login_is_set_up_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, desk: Desk) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(api_calls, "_engine", lambda: desk)
    monkeypatch.setattr(login, "allowed", lambda request: request.headers.get("cookie") == "mine")
    for path in (
        "/api/v1/families",
        RUN + query(**BOWLED),
        "/api/v1/runs/" + "0" * 64,
        "/api/v1/openapi.json",
    ):
        answer = call(path)
        assert (answer.status, answer.json["field"]) == (401, "login")
    assert not desk.jobs
    assert call("/api/v1/families", cookie="mine").status == 200


def test_a_caller_is_known_by_nothing_that_names_it() -> None:
    name = api_waits.visitor("192.0.2.7")
    assert name == api_waits.visitor("192.0.2.7")
    assert name != api_waits.visitor("192.0.2.8")
    assert re.fullmatch(r"api-[0-9a-f]{16}", name)
    assert sha256(b"192.0.2.7").hexdigest()[:16] not in name  # or whoever guesses an address could tell
    assert (
        api_waits.visitor("2001:db8::1")
        == api_waits.visitor("2001:db8::2")
        != api_waits.visitor("2001:db8:1::1")
    )
    assert api_waits.visitor("testclient") == api_waits.visitor("testclient")


def test_settings_are_the_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert api_waits.settings() == api_waits.Settings()
    monkeypatch.setenv("EBM_API_RUNS", "7")
    assert api_waits.settings() == api_waits.Settings(runs=7, patience=60)
    monkeypatch.setenv("EBM_API_PATIENCE", "nan")
    with pytest.raises(ConfigError, match="EBM_API_PATIENCE"):
        api_waits.settings()


# What is installed -----------------------------------------------------------------------------------------------


def test_the_catalogue_says_what_a_link_may_hold(desk: Desk) -> None:
    found = call("/api/v1/families").json
    bowl = next(f for f in found["families"] if f["key"] == "bowl")
    assert bowl["spaces"] == ["Plane"]
    assert bowl["provider"] == {"name": "a-house", "version": "1.0"}
    rate = bowl["train"]["properties"]["rate"]
    assert (rate["default"], rate["minimum"], rate["maximum"], rate["description"]) == (
        0.5,
        0,
        1,
        "How fast.",
    )
    assert bowl["samplers"] == ["bowl", "nudge"]
    assert bowl["datasets"] == ["cloud"]
    assert {s["key"] for s in found["samplers"]} == {"flip", "nudge"}
    assert {d["key"] for d in found["datasets"]} == {"plane", "cloud", "lamps"}


def test_presets_lead_to_their_runs(registry: Any, monkeypatch: pytest.MonkeyPatch, desk: Desk) -> None:
    desk.registry, desk.hold = registry, True
    for offer in call("/api/v1/families").json["families"]:
        family = registry.families[offer["key"]]
        assert [p["name"] for p in offer["presets"]] == list(family.presets)
        for preset in offer["presets"][:2]:
            desk.jobs.clear()
            monkeypatch.setattr(api_calls, "_waits", api_waits.Waits())
            answer = call(preset["run"])
            wanted = runs.spec_digest(family.presets[preset["name"]], registry)
            assert (answer.status, answer.json["digest"], answer.json["mended"]) == (202, wanted, [])
            assert answer.json["page"] == preset["page"]


def test_a_broken_plugin_costs_its_own_offers_only(desk: Desk) -> None:
    def broken() -> Any:
        raise RuntimeError("planted")

    sick = replace(TOYS.datasets["lamps"], load=broken)
    presets = {
        "gone": runs.RunSpec(family="grid", dataset="nowhere"),
        "fine": runs.RunSpec(family="grid", dataset="lamps"),
    }
    grid = replace(TOYS.families["grid"], presets=presets)
    desk.registry = replace(
        TOYS, datasets={**TOYS.datasets, "lamps": sick}, families={**TOYS.families, "grid": grid}
    )
    found = {f["key"]: f for f in call("/api/v1/families").json["families"]}
    assert found["bowl"]["datasets"] == ["cloud"]
    assert (found["grid"]["presets"], found["grid"]["samplers"], found["grid"]["datasets"]) == ([], [], [])


# How fast --------------------------------------------------------------------------------------------------------


def test_a_stored_run_is_answered_within_a_tenth_of_a_second(desk: Desk, registry: Any) -> None:
    """The median of twenty, on a run of 1,000 states and 400 steps; far below, so that a busy machine holds it too."""
    desk.registry = registry
    family = next(f for f in registry.families.values() if f.key == "langevin")
    address = link.write(replace(next(iter(family.presets.values()))), registry)
    path = RUN + "link=" + quote(address, safe="")
    made = call(path).json
    assert made["state"] == "done"
    for one in (path, made["status"], made["npz"]):
        assert sorted(call(one).seconds for _ in range(20))[10] <= 0.1


def test_a_link_that_takes_long_to_read_holds_nobody_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    call("/api/v1/families")
    read = api_calls._read
    monkeypatch.setattr(api_calls, "_read", lambda *given: time.sleep(1.0) or read(*given))

    async def both() -> tuple[Answer, Answer]:
        slow = asyncio.create_task(acall(RUN + query(**BOWLED)))
        await asyncio.sleep(0.1)
        quick = await acall("/api/v1/families")
        return await slow, quick

    slow, quick = asyncio.run(both())
    assert slow.status == 200
    assert slow.seconds >= 1.0
    assert quick.seconds < 0.5


def test_messages_lose_paths_and_keep_the_rest() -> None:
    assert api_answers.tidy("It read 3/4 of https://example.org/a/b and /etc/passwd.d/x at 1/2") == (
        "It read 3/4 of https://example.org/a/b and … at 1/2"
    )
    assert api_answers.tidy("C:\\Users\\me\\x.txt is gone") == "… is gone"
    assert len(api_answers.tidy("x" * 5000)) < 500


def until(true: Any, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)
