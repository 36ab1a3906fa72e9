"""docs/hosting/nginx.conf, really run on loopback before two servers that share a store and a cookie secret."""

from __future__ import annotations

import asyncio
import concurrent.futures
import http.client
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import pytest
from served import status
from streamlit_client import XSRF, Page, multipart, visit

from ebm_plugins import link
from ebm_plugins.runs import spec_digest

STAGE = ".stage[data-ready=yes]"
SECRET = "the-same-on-all-replicas"


class Replicas(NamedTuple):
    """Two servers and the proxy before them."""

    a: Any
    b: Any
    proxy: Any


@pytest.fixture(scope="module")
def start(
    serve: Callable[..., Any], proxy: Callable[..., Any], tmp_path_factory: Any
) -> Callable[..., Replicas]:
    """``start(*options)`` starts two servers with one store, and nginx before them."""

    def begin(*options: str) -> Replicas:
        env = {
            "EBM_PLUGINS": "",
            "EBM_WORKERS": "1",
            "EBM_STORE": str(tmp_path_factory.mktemp("store")),
            "STREAMLIT_SERVER_COOKIE_SECRET": SECRET,  # Streamlit takes it from nowhere else: not as an option
        }
        both = [serve(env=env, options=options) for _ in range(2)]
        return Replicas(*both, proxy(both[0].url, both[1].url))

    return begin


@pytest.fixture(scope="module")
def replicas(start: Callable[..., Replicas]) -> Replicas:
    """Two replicas at the root, for the tests that end none of them."""
    return start()


def go(story: Coroutine[Any, Any, Any]) -> Any:
    """What a story of visitors comes to. In a thread of its own: Playwright's event loop occupies this one."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, story).result()


def port(server: Any) -> int:
    """The port of a server's address."""
    return int(urlsplit(server.url).port or 0)


def logged(proxy: Any, since: int, sockets: int) -> list[Any]:
    """What the proxy was asked since then, once so many websockets have ended (which is when they are logged)."""
    deadline = time.monotonic() + 20
    while True:
        asked: list[Any] = proxy.asked()[since:]
        if sum(a.path.endswith("/_stcore/stream") for a in asked) >= sockets or time.monotonic() > deadline:
            return asked
        time.sleep(0.1)


def table(rows: int = 900) -> bytes:
    """Two rings of points as CSV: more than fits into a link."""
    turn = np.linspace(0, 40, rows)
    radius = np.where(np.arange(rows) % 2, 1.0, 2.0) + 0.1 * np.sin(37 * turn)
    return b"x,y\n" + b"".join(
        b"%.4f,%.4f\n" % (r * np.cos(t), r * np.sin(t)) for r, t in zip(radius, turn, strict=True)
    )


def test_a_visitor_stays_at_one_replica(replicas: Replicas) -> None:
    """Over pages, reloads and websockets; different visitors are spread over both."""

    async def one(cookies: dict[str, str], page: str) -> None:
        async with visit(f"{replicas.proxy.url}/{page}", cookies) as tab:
            await tab.settled(120)

    def ports_since(count: int, tabs: int) -> set[int]:
        asked = logged(replicas.proxy, count, tabs)
        return {a.port for a in asked}

    seen = []
    for number in range(8):
        cookies: dict[str, str] = {}
        before = len(replicas.proxy.asked())
        go(one(cookies, "hopfield"))
        assert "ebm_visitor" in cookies
        if number < 3:  # a reload, and another page
            go(one(cookies, "hopfield?seed=5"))
            go(one(cookies, "langevin"))
        ports = ports_since(before, 3 if number < 3 else 1)
        assert len(ports) == 1, ports
        seen += ports
    assert set(seen) == {port(replicas.a), port(replicas.b)}
    sockets = [a for a in replicas.proxy.asked() if a.path.endswith("/_stcore/stream")]
    assert len(sockets) >= 14
    assert {a.status for a in sockets} == {101}


def test_without_the_cookie_uploads_would_be_refused(replicas: Replicas) -> None:
    """What the proxy is there for: the other replica does not know the session (Streamlit answers 400)."""

    async def tell() -> tuple[int, int]:
        async with visit(f"{replicas.a.url}/dsm") as tab:
            await tab.until(lambda p: p.finished > 0, 60)
            path, (body, kind) = (
                f"/_stcore/upload_file/{tab.session}/some-file",
                multipart("rings.csv", table()),
            )
            headers = {**kind, "X-Xsrftoken": tab.cookies[XSRF]}
            there = Page(replicas.b.url + "/", tab.cookies)
            return (
                await asyncio.to_thread(there.http, "PUT", path, body, headers),
                await asyncio.to_thread(tab.http, "PUT", path, body, headers),
            )

    assert go(tell()) == (400, 204)


def test_own_data_are_uploaded_and_open_on_the_other_replica(replicas: Replicas) -> None:
    """By the dialog, through the proxy; the link then opens at either replica, which finds the data in the store."""

    async def give() -> tuple[str, str]:
        async with visit(f"{replicas.proxy.url}/dsm?train.steps=200") as tab:
            await tab.settled(90)
            await tab.press("Own data")
            await tab.until(lambda p: any(True for _ in p.tree.elements("file_uploader")), 30)
            await tab.upload("A file, or several pictures", "rings.csv", table())
            await tab.until(
                lambda p: any(n.message.label == "Use these data" for n in p.tree.elements("button")), 30
            )
            await tab.press("Use these data")
            await tab.until(lambda p: "data=" in p.url, 30)
            await tab.settled(90)
            assert tab.exceptions() == []
            return tab.url, str(tab.link())

    async def opened(server: Any, copied: str) -> tuple[str | None, str]:
        async with visit(copied.replace(replicas.proxy.url, server.url)) as tab:
            await tab.settled(90)
            return tab.box(" stamp"), " ".join(tab.texts())

    url, copied = go(give())
    assert "data=" in url
    for server in (replicas.a, replicas.b):
        said, text = go(opened(server, copied))
        assert "not kept here" not in text
        assert said is not None
        assert "The same run." in said


def test_a_body_over_the_limit_is_refused_by_the_proxy(replicas: Replicas) -> None:
    """Before a replica has read it."""

    async def tell() -> int:
        tab = Page(replicas.proxy.url + "/")
        return await asyncio.to_thread(tab.http, "PUT", "/_stcore/upload_file/none/none", b"x" * 23_000_000)

    before = len(replicas.proxy.asked())
    assert go(tell()) == 413
    assert len(replicas.proxy.asked()) == before


def test_figures_of_the_machine_are_not_for_visitors(replicas: Replicas) -> None:
    """/metrics and Streamlit's own are passed on for the machine itself alone."""
    answers = {}
    for source in ("127.0.0.1", "127.0.0.2"):
        connection = http.client.HTTPConnection(
            "127.0.0.1", int(urlsplit(replicas.proxy.url).port or 0), timeout=10, source_address=(source, 0)
        )
        for path in ("/metrics", "/_stcore/metrics", "/lab/_stcore/metrics", "/health"):
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            answers[source, path] = answer.status
        connection.close()
    assert [answers["127.0.0.2", p] for p in ("/metrics", "/_stcore/metrics", "/lab/_stcore/metrics")] == [
        403
    ] * 3
    assert answers["127.0.0.1", "/_stcore/metrics"] == 200
    assert answers["127.0.0.2", "/health"] == 200


@pytest.mark.parametrize("page", ["hopfield?seed=31", "langevin?seed=32"])
def test_a_link_copied_on_one_opens_on_the_other(replicas: Replicas, registry: Any, page: str) -> None:
    """As the same run, bit for bit, and from the store: the other replica computes nothing."""

    async def copy() -> str:
        async with visit(f"{replicas.a.url}/{page}") as tab:
            await tab.settled(60)
            return str(tab.link())

    async def opened(copied: str) -> tuple[str | None, list[str]]:
        async with visit(copied.replace(replicas.a.url, replicas.b.url)) as tab:
            await tab.settled(60)
            return tab.box(" stamp"), tab.exceptions()

    copied = go(copy())
    digest = spec_digest(link.parse(copied, registry)[0], registry)
    # It is asked for the arrays by their digest, for which a replica computes nothing: they come from the store.
    assert status(port(replicas.b), f"/api/v1/runs/{digest}.npz") == 200
    never = spec_digest(link.parse("/hopfield?seed=987654321", registry)[0], registry)
    assert status(port(replicas.b), f"/api/v1/runs/{never}.npz") == 404
    said, wrong = go(opened(copied))
    assert wrong == []
    assert said is not None
    assert "The same run." in said


@pytest.mark.browser
def test_a_browser_opens_links_through_the_proxy(replicas: Replicas, browser: Any) -> None:
    """Chromium, through nginx: the stage comes (the app's own scripts do), and stays at one replica over a reload."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(60_000)
    try:
        tab = context.new_page()
        before = len(replicas.proxy.asked())
        tab.goto(f"{replicas.proxy.url}/hopfield?seed=31")
        tab.wait_for_selector(STAGE)
        cookies = {one["name"] for one in context.cookies()}
        tab.reload()
        tab.wait_for_selector(STAGE)
        tab.close()
    finally:
        context.close()
    asked = logged(replicas.proxy, before, 2)
    assert "ebm_visitor" in cookies
    assert len({a.port for a in asked}) == 1
    assert any(a.path.startswith("/plotly.") for a in asked)
    assert any(a.path.startswith("/ebm.") and a.status == 200 for a in asked)
    assert sum(a.path.endswith("/_stcore/stream") and a.status == 101 for a in asked) == 2


@pytest.mark.browser
def test_one_replica_is_killed(start: Callable[..., Replicas], browser: Any) -> None:
    """Its visitors are at the other one without doing anything, their link and their picture are as before, and the
    next click works. Those of the other notice nothing. Chromium reconnects by itself."""
    both = start()
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(60_000)
    at: dict[str, Any] = {}
    try:
        tab = context.new_page()
        tab.goto(f"{both.proxy.url}/hopfield?seed=41")
        tab.wait_for_selector(STAGE)
        dead = next(a.port for a in reversed(both.proxy.asked()) if a.path.startswith("/hopfield"))
        lost, kept = (both.a, both.b) if port(both.a) == dead else (both.b, both.a)

        async def tell() -> None:
            tabs = [Page(f"{both.proxy.url}/hopfield?seed={seed}") for seed in range(51, 57)]
            try:
                for one in tabs:
                    await one.open()
                    await one.settled(60)
                links = [(one.url, one.link(), one.stage()) for one in tabs]
                os.kill(lost.pid, signal.SIGKILL)
                await asyncio.sleep(1.0)
                cut = [one for one in tabs if one.closed is not None]
                at["cut"] = len(cut)
                for one in cut:
                    ended = one.finished
                    await one.connect()
                    await one.until(lambda p, n=ended: p.finished > n, 60)  # type: ignore[misc]
                assert [(one.url, one.link(), one.stage()) for one in tabs] == links
                for one in tabs:
                    before = one.link()
                    await one.set("Temperature", 0.7)
                    await one.until(lambda p, b=before: p.alive() and p.link() != b, 60)  # type: ignore[misc]
                    assert one.exceptions() == []
                    assert re.search(r"[?&]seed=5[1-6]", one.url)
            finally:
                for one in tabs:
                    await one.close()

        go(tell())
        # Chromium meanwhile: Streamlit's own reconnection, with its stage where it was.
        deadline = time.monotonic() + 60
        while not any(
            a.path.startswith("/_stcore/health") and a.port == port(kept) for a in both.proxy.asked()
        ):
            assert time.monotonic() < deadline, "the browser did not reconnect"
            tab.wait_for_timeout(200)
        assert tab.url.endswith("/hopfield?seed=41")
        tab.wait_for_timeout(2000)  # it asks the other replica for its page by itself
        tab.wait_for_selector(STAGE)
        tab.get_by_label("Seed", exact=True).fill("77")
        tab.get_by_label("Seed", exact=True).press("Enter")
        tab.wait_for_url(re.compile(r"seed=77$"))
        tab.wait_for_selector(STAGE)
    finally:
        context.close()
    assert 0 < at["cut"] < 6


@pytest.mark.browser
def test_below_a_path(start: Callable[..., Replicas], browser: Any) -> None:
    """The pages under /lab, the app's own routes at the root: the stage comes, and a copied link holds the path."""
    both = start("--server.baseUrlPath=lab")

    async def tell() -> str:
        async with visit(f"{both.proxy.url}/lab/hopfield?seed=61") as tab:
            await tab.settled(60)
            return str(tab.link())

    copied = go(tell())
    assert copied.startswith(f"{both.proxy.url}/lab/hopfield?")
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(60_000)
    try:
        tab = context.new_page()
        tab.goto(copied)
        tab.wait_for_selector(STAGE)
        tab.get_by_text("The same run.").wait_for()
    finally:
        context.close()


def test_one_address_has_many_tabs_and_not_any_number(replicas: Replicas) -> None:
    """The sixty-first websocket of an address is refused, and a burst beyond 200 requests; others notice nothing."""
    place = int(urlsplit(replicas.proxy.url).port or 0)
    ask = (
        "GET /_stcore/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
        "Sec-WebSocket-Protocol: streamlit\r\n\r\n"
    )
    opened, codes = [], []
    try:
        for _ in range(62):
            opened.append(socket.create_connection(("127.0.0.1", place), 20, source_address=("127.0.0.7", 0)))
            opened[-1].sendall(ask.encode())
            codes.append(int(opened[-1].recv(12).split()[1]))
    finally:
        for one in opened:
            one.close()
    assert codes == [101] * 60 + [429] * 2

    def asked(source: str, count: int) -> list[int]:
        found = []
        connection = http.client.HTTPConnection("127.0.0.1", place, timeout=20, source_address=(source, 0))
        for _ in range(count):
            connection.request("GET", "/metrics/none")
            answer = connection.getresponse()
            answer.read()
            found.append(answer.status)
        connection.close()
        return found

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        found = [code for codes in pool.map(asked, ["127.0.0.8"] * 20, [40] * 20) for code in codes]
    assert found.count(429) > 200
    assert len(found) - found.count(429) >= 200
    assert 429 not in asked("127.0.0.9", 100)
