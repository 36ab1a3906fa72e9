"""What a proxy and a monitor are told, and what it costs to tell them."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from dashboard_tools import ask
from starlette.applications import Starlette

from dashboard import jobs, metrics, web
from ebm_plugins.registry import Registry

SAMPLE = re.compile(r'([a-z_]+)(\{[a-z_]+="[a-z]+"\})? (-?\d+(\.\d+)?(e[+-]\d+)?)')
STATUS: dict[str, float | str] = {
    "engine": "ready", "workers": 2.0, "running": 1.0, "queued": 4.0, "computed": 17.0, "failed": 3.0, "killed": 1.0,
    "seconds": 12.5, "zork<script>": 1.0, "refused": float("nan"), "shared": "many",
}  # fmt: skip


class Engine:
    def __init__(self, said: dict[str, float | str]) -> None:
        self.said = said

    def status(self) -> dict[str, float | str]:
        return self.said


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Starlette:
    monkeypatch.setattr(metrics, "_engine", [])
    return Starlette(routes=web.routes(), middleware=web.middleware())


def samples(text: str) -> dict[str, float]:
    """Every line's name and value, after a look at the form: types before samples, families together, an end."""
    lines = text.split("\n")
    assert lines[-2:] == ["# EOF", ""]
    found: dict[str, float] = {}
    family = ""
    for line in lines[:-2]:
        if line.startswith("# TYPE "):
            family, kind = line.split()[2:]
            assert kind in ("gauge", "counter", "stateset")
        elif not line.startswith(f"# HELP {family} "):
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] in (family, f"{family}_total"), line
            assert (kind == "counter") == match[1].endswith("_total"), line
            found[match[1] + (match[2] or "")] = float(match[3])
    return found


def test_the_engines_numbers_and_no_name_that_is_not_ours(app: Starlette) -> None:
    engine = Engine(STATUS)
    metrics.watch(engine)
    answer = ask(app, "/metrics", query="zork=1")
    assert answer.status == 200
    assert answer.headers["content-type"] == metrics.OPENMETRICS
    found = samples(answer.body.decode())
    assert found.pop("ebm_started_seconds") <= time.time()
    assert found == {
        'ebm_engine{ebm_engine="starting"}': 0, 'ebm_engine{ebm_engine="ready"}': 1, 'ebm_engine{ebm_engine="idle"}': 0,
        'ebm_engine{ebm_engine="lost"}': 0, "ebm_workers": 2, "ebm_runs_running": 1, "ebm_runs_queued": 4,
        'ebm_runs_total{outcome="computed"}': 17, 'ebm_runs_total{outcome="failed"}': 3,
        'ebm_runs_total{outcome="killed"}': 1, "ebm_run_seconds_total": 12.5,
    }  # fmt: skip


def test_the_engine_says_all_that_has_a_name_and_its_state(registry: Registry) -> None:
    """Asked before it has anything to do, so no cluster is started."""
    engine = jobs.Engine(registry, address="tcp://127.0.0.1:1")
    said = engine.status()
    engine.close()
    assert set(said) == {"engine", *metrics.GAUGES, *metrics.COUNTERS, *metrics.OUTCOMES}
    assert said["engine"] in metrics.STATES


@pytest.mark.parametrize("state", ["ready", "starting", "idle", "lost"])
def test_a_server_lives_whatever_its_workers_do(app: Starlette, state: str) -> None:
    engine = Engine({"engine": state})
    metrics.watch(engine)
    answer = ask(app, "/health")
    assert answer.status == 200
    assert json.loads(answer.body) | {"version": ""} == {"status": "ok", "version": "", "engine": state}
    assert answer.headers["cache-control"] == "no-store"


def test_a_server_that_cannot_serve_a_page_says_so(app: Starlette, monkeypatch: pytest.MonkeyPatch) -> None:
    from streamlit import runtime

    class Stopping:
        @property
        async def is_ready_for_browser_connection(self) -> tuple[bool, str]:
            return False, "unavailable"

    monkeypatch.setattr(runtime, "exists", lambda: True)
    monkeypatch.setattr(runtime, "get_instance", Stopping)
    assert ask(app, "/health").status == 503


def test_neither_makes_an_engine_and_both_are_cheap(app: Starlette, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("an engine was made")

    monkeypatch.setattr(jobs, "engine", never)
    for path in ("/health", "/metrics"):
        assert ask(app, path).status == 200
        took = []
        for _ in range(50):
            began = time.perf_counter()
            ask(app, path)
            took.append(time.perf_counter() - began)
        assert sorted(took)[25] < 0.005, f"{path}: {sorted(took)[25] * 1000:.2f} ms"


def test_an_engine_that_is_gone_is_not_held(app: Starlette) -> None:
    metrics.watch(Engine(STATUS))
    assert metrics.status() == {}
