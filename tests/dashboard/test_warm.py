"""A server warms itself before its first visitor comes, and serves all the same when it cannot."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from dashboard import warm
from dashboard.jobs import Engine
from ebm_plugins import link
from ebm_plugins.registry import Registry


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_is_in_memory_is_set_aside_for_the_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "open_pages", lambda _engine: None)
    before = gc.get_freeze_count()
    warm.begin()
    assert gc.get_freeze_count() > before + 10_000


def test_a_server_that_cannot_be_warmed_says_so_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_module: str) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr(warm, "import_module", broken)
    with caplog.at_level(logging.ERROR, logger="dashboard.warm"):
        warm.begin()
    assert "no memory" in caplog.text


def test_a_plugin_of_somebody_else_is_not_run_before_anybody_asks(registry: Registry) -> None:
    stranger = SimpleNamespace(key="stranger", presets={})
    asked: list[Any] = []
    foreign = SimpleNamespace(
        families={"stranger": stranger}, provider=lambda _family: SimpleNamespace(name="ebm-plugins-stranger")
    )
    engine: Any = SimpleNamespace(registry=foreign, submit=asked.append, leave=lambda _seat: None)
    warm.open_pages(engine)
    assert asked == []


def test_warming_begins_with_the_server_and_does_not_hold_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(warm, "begin", lambda: (begun.set(), go_on.wait(10)))

    async def serve() -> None:
        async with warm.lifespan(None):
            assert await asyncio.to_thread(begun.wait, 10)
        go_on.set()

    asyncio.run(serve())


def test_the_run_that_a_page_opens_with_is_made_before_its_first_visitor_and_kept(
    registry: Registry, own_store: None
) -> None:
    own = Registry(
        families={key: registry.families[key] for key in ("hopfield", "langevin")},
        datasets=registry.datasets,
        samplers=registry.samplers,
        providers=registry.providers,
    )
    engine = Engine(own)
    warm.open_pages(engine)
    assert engine.computed == 2
    for key in own.families:
        job = engine.submit(link.parse(f"/{key}", own)[0], "a visitor")
        assert job.state == "done"
        assert job.run is not None
    assert engine.computed == 2
