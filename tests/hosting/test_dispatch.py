"""The thread between engine and cluster, held against moments that real workers seldom give: nothing is started here."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard import work
from dashboard.cluster import EngineError
from dashboard.dispatch import Attempt, Dispatcher
from dashboard.job import Job


class Cluster:
    """A cluster that can be down; ``sent`` is what was asked of its workers."""

    def __init__(self, embedded: bool) -> None:
        self.embedded, self.up, self.connected, self.current = embedded, False, True, None
        self.sent: list[tuple[str, Any]] = []

    def client(self) -> Any:
        if not self.up:
            raise EngineError("down")
        return self

    def workers(self) -> int:
        return 1

    def subscribe_topic(self, *_: Any) -> None:
        pass

    def drop(self) -> None:
        pass


class Owner:
    """What the dispatcher told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def __getattr__(self, name: str) -> Any:
        def tell(attempt: Any = None, *_: Any) -> None:
            if isinstance(attempt, Attempt):
                self.told.append((name, attempt.ticket))

        return tell


class KilledWorker(Exception):
    """As Dask's is named."""


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Any:
    """``made(embedded)``: (dispatcher, cluster, owner); what would go to workers is noted."""

    def make(embedded: bool = True) -> tuple[Dispatcher, Cluster, Owner]:
        cluster, owner = Cluster(embedded), Owner()
        one = Dispatcher(cluster, owner)  # type: ignore[arg-type]
        monkeypatch.setattr(
            one, "_on_worker", lambda worker, what, *_, **__: cluster.sent.append((worker, what))
        )
        monkeypatch.setattr(one._killers, "submit", lambda call, *a: call(*a))
        return one, cluster, owner

    return make


def at_work(one: Dispatcher, ticket: str) -> Attempt:
    attempt = Attempt(Job(ticket), ticket, worker="tcp://w", begun=True)
    one.running[ticket] = attempt
    return attempt


def test_a_job_that_has_just_ended_takes_nobody_along(made: Any) -> None:
    """It was found silent, and ended while it was asked where it is: the next job is at its worker by now."""
    one, cluster, _ = made()
    first = at_work(one, "first")
    one._take("done", (first, {}, None))
    at_work(one, "second")
    one.kill(first)
    assert cluster.sent == []
    assert one.killed == 0


def test_a_kill_that_came_too_late_is_not_put_down_to_the_next_job(made: Any) -> None:
    """Sent while the first one was there, it ends the worker when the second one is: that one is handed over again. A
    third one, whose worker ends under it later, has itself to blame."""
    one, cluster, owner = made()
    first = at_work(one, "first")
    one.kill(first)
    assert cluster.sent == [("tcp://w", work.kill)]
    one._take("done", (first, {"left": True}, None))
    one._take("done", (at_work(one, "second"), None, KilledWorker()))
    one._take("done", (at_work(one, "third"), None, KilledWorker()))
    assert owner.told == [("received", "first"), ("lost", "second"), ("died", "third")]


def test_a_job_that_was_told_to_end_has_died_of_it(made: Any) -> None:
    one, _, owner = made()
    first = at_work(one, "first")
    one.kill(first)
    one._take("done", (first, None, KilledWorker()))
    assert owner.told == [("died", "first")]


def test_a_kill_that_hit_nothing_is_forgotten_when_the_next_job_ends_well(made: Any) -> None:
    one, _, owner = made()
    first = at_work(one, "first")
    one.kill(first)
    one._take("done", (first, {"left": True}, None))
    one._take("done", (at_work(one, "second"), {}, None))
    one._take("done", (at_work(one, "third"), None, KilledWorker()))
    assert owner.told[-1] == ("died", "third")


@pytest.mark.parametrize(("embedded", "then"), [(True, "idle"), (False, "ready")])
def test_an_engine_that_is_back_is_not_called_lost_where_nobody_waits(
    made: Any, embedded: bool, then: str
) -> None:
    """Else the JSON routes, which refuse new runs while it is lost, would refuse them for ever."""
    one, cluster, _ = made(embedded)
    one.wants = True
    one._look()
    assert one.state == "lost"
    one.wants = False
    if not embedded:
        one._look()
        assert one.state == "lost"  # it really is
    cluster.up = True
    one._look()
    assert one.state == then
