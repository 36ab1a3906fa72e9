"""Strangers' links against the running server: over the JSON routes, and as pages over the websocket.

Each is answered in words, soon, without a traceback; the server grows by no more than it may keep, and nothing is
written outside the store.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import api_server
import hostile_links
import numpy as np
import pytest
import socket_visitor

from ebm_plugins.registry import Registry

SLOW = bool(os.environ.get("EBM_SLOW"))
CALLS, VISITS = (10_000, 10_000) if SLOW else (400, 60)
PAGES = ("", "compare", "plugins")
INJECTED = ("<script>", "onerror", "javascript:")
SEED = 20_261
RUN = 16.0  # MB of a run of at most 10⁶ updates (EBM_RUN_UPDATES): frames in float64, traces, and a copy on its way
KEPT = 16.0  # MB of finished runs that the server keeps (EBM_KEPT_MB)
EACH = (
    2e-3  # MB that a query may leave: two links of 1 kB in caches; a leak of one parsed spec is above 10 kB
)
NOISE = 24.0  # MB: arenas that malloc keeps for the 40 threads of the pool, 0.5 MB each


@pytest.fixture(scope="module")
def home(serve: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> api_server.Home:
    folder = tmp_path_factory.mktemp("strangers")
    return api_server.start(
        serve,
        folder,
        EBM_API_RUNS="2",
        EBM_API_PATIENCE="0.5",
        EBM_RUN_SECONDS="3",
        EBM_RUN_UPDATES="1e6",
        EBM_KEPT_MB=f"{KEPT:g}",
    )


def test_hostile_queries_are_answered_by_the_json_routes(home: api_server.Home, registry: Registry) -> None:
    """A quarter first, which is warming up; what the others add is bounded."""
    caller, statuses, times, mended = api_server.Caller(home.server.url), Counter[int](), [], 0
    queries = list(hostile_links.links(SEED, CALLS, registry))
    before = Before(home)
    for number, (family, query) in enumerate(queries):
        before.look(number / CALLS)
        target = (
            f"link={quote(f'/{family}?{query}', safe='')}" if number % 5 == 0 else f"family={family}&{query}"
        )
        if (
            len(target) > 110_000
        ):  # past what a request's first line may have: percent-encoding made it longer
            target = target[:110_000].rsplit("%", 1)[0]
        status, headers, body, took = caller.get("/api/v1/runs?" + target.replace("#", "%23"))
        statuses[status] += 1
        times.append(took)
        answer = json.loads(body, parse_constant=lambda c: pytest.fail(f"{c} in JSON"))
        assert status in (200, 202, 400, 422, 429), (target[:300], answer)
        assert headers["content-type"] == "application/json"
        assert len(body) < 100_000
        if status in (200, 202):
            mended += len(answer["mended"])
            assert all(len(m["given"]) <= 61 and m["given"].isprintable() for m in answer["mended"])
        else:
            assert set(answer) == {"field", "expected", "got"}
            assert answer["got"].isprintable()
    assert statuses[400] < CALLS * 0.2, statuses
    assert mended > CALLS / 10
    _held(home, before, CALLS, times, runs=2)


def test_hostile_queries_show_pages_without_a_traceback(home: api_server.Home, registry: Registry) -> None:
    """One visitor who edits the address again and again, on every page. Of a page nothing is said to have stopped, and nothing is an exception."""
    for page in (*PAGES, *registry.families):  # the first look at each imports and learns
        visitor = socket_visitor.Visitor(home.server.url)
        visitor.open(page, "")
        visitor.leave()
    before = Before(home)
    times, named = [], 0
    visitor = socket_visitor.Visitor(home.server.url)
    for number, (page, query) in enumerate(hostile_links.links(SEED + 1, VISITS, registry, PAGES)):
        before.look(number / VISITS)
        shown = visitor.open(page, query)
        times.append(shown.seconds)
        assert shown.status == 0, (page, query[:300])
        assert not shown.exceptions, (page, query[:300], shown.exceptions)
        assert "stopped in" not in shown.text, (page, query[:300])
        assert "Traceback" not in shown.text, (page, query[:300])
        assert not [h for h in shown.html if any(mark in h for mark in INJECTED)], (page, query[:300])
        named += "in the link" in shown.text
    visitor.leave()
    assert named > VISITS / 4
    _held(home, before, VISITS, times, runs=2 + len(registry.families))


class Before:
    """What the server held, and the files there were, from a quarter of the way to the half of it."""

    def __init__(self, home: api_server.Home) -> None:
        self._home, self._held = home, list[float]()
        self.files: dict[str, int] | None = None

    def look(self, way: float) -> None:
        if 0.25 <= way <= 0.5:
            self._held.append(self._home.rss())
            self.files = self._home.files() if self.files is None else self.files

    @property
    def rss(self) -> float:
        """Its usual size then, in MB: what a run took for a moment is not counted."""
        return float(np.median(self._held))


def _held(home: api_server.Home, before: Before, count: int, times: list[float], runs: int) -> None:
    """Quick, no larger than it may be (``runs`` are at work or on the visitor's pages), and nothing written."""
    p95, most = float(np.quantile(times, 0.95)), max(times)
    grown = home.rss() - before.rss
    figures = f"{count} queries: median {1e3 * np.median(times):.0f} ms, p95 {1e3 * p95:.0f} ms, largest {most:.2f} s; {grown:+.1f} MB of {before.rss:.0f}"
    print(figures)
    assert p95 <= 1.0, figures
    assert most <= 5.0, figures
    assert grown <= KEPT + runs * RUN + NOISE + EACH * count, figures
    assert home.files() == before.files
    log = home.log()
    assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:3000]
    assert api_server.Caller(home.server.url).get("/health")[0] == 200
