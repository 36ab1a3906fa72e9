"""The visitor without a browser sees what a browser would: what it reads is held against headless runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from streamlit_client import Gone, Page, visit

from ebm_plugins import link
from ebm_plugins.runs import result_digest, run
from ebm_plugins.stamps import read_stamp


@pytest.mark.parametrize("family", ["hopfield", "langevin"])
def test_another_seed_is_another_run(server: Any, registry: Any, family: str) -> None:
    """The stage, the address and the result's digest follow the control; the digest is that of a headless run."""

    async def tell() -> tuple[str, str, str, str]:
        async with visit(f"{server.url}/{family}?seed=3") as page:
            await page.settled(60)
            first, before = page.stage(), page.link()
            await page.set("Seed", 12)
            await page.until(lambda p: p.stage() != first and p.alive(), 60)
            assert page.exceptions() == []
            assert page.box(" verdict")
            return page.url, str(before), str(page.link()), str(page.box(" verdict"))

    url, before, after, verdict = asyncio.run(tell())
    assert url.endswith("seed=12")
    for copied in (before, after):
        made = run(link.parse(copied, registry)[0], registry)
        stamp = read_stamp(copied.rpartition("v=")[2])
        assert stamp is not None
        assert stamp.result == result_digest(made)[:16]
    assert made.verdict.head in verdict  # of the second


def test_a_verdict_changes_with_a_slider(server: Any) -> None:
    """Half of the cells flipped cannot be recalled where a few can: another control than a number."""

    async def tell() -> tuple[str, str]:
        async with visit(f"{server.url}/hopfield?seed=3") as page:
            await page.settled(60)
            first, verdict = page.stage(), str(page.box(" verdict"))
            shown = page.widget("Cells flipped").message
            await page.set("Cells flipped", shown.max)
            await page.until(lambda p: p.stage() != first and p.alive(), 60)
            return verdict, str(page.box(" verdict"))

    before, after = asyncio.run(tell())
    assert "Recalled" in before
    assert before != after


def test_a_bad_link_is_named(server: Any) -> None:
    """What the address held that cannot be used is read on the page; an address of no page is a problem."""

    async def tell() -> tuple[str | None, list[str], list[str]]:
        async with visit(f"{server.url}/hopfield?seed=minus&sample.steps=99999999") as page:
            await page.settled(60)
            said = page.box("mended")
            fine = page.exceptions()
        async with visit(f"{server.url}/no-such-family") as page:
            await page.until(lambda p: p.finished > 0, 60)
            return said, fine, page.exceptions()

    said, fine, lost = asyncio.run(tell())
    assert said is not None
    assert "seed=minus" in said
    assert "sample.steps=99999999" in said
    assert fine == []
    assert any("no-such-family" in one for one in lost)


def test_a_long_run_is_followed_and_stopped(server: Any) -> None:
    """Its box is asked for again by itself (no request of ours), and Stop keeps what there is."""

    async def tell() -> tuple[set[str], str, str]:
        heads: set[str] = set()
        async with visit(f"{server.url}/rbm?train.epochs=200&seed=771") as page:
            await page.until(lambda p: "epoch" in (p.waiting() or ""), 60)

            def counted(p: Page) -> bool:
                heads.add((p.waiting() or "").partition("**")[2].partition("**")[0])
                return len(heads) >= 3

            await page.until(counted, 60)
            await page.press("Stop")
            await page.settled(60)
            return heads, page.url, " ".join(page.texts())

    heads, url, text = asyncio.run(tell())
    assert len(heads) >= 3
    assert "stop=" in url
    assert "Stopped:" in text


def test_many_tabs_are_apart(server: Any) -> None:
    """Each has a session of its own and the run of its own link."""

    async def one(seed: int) -> tuple[str, str, str]:
        async with visit(f"{server.url}/hopfield?seed={seed}") as page:
            await page.settled(60)
            return page.session, page.url, str(page.link())

    async def tell() -> list[tuple[str, str, str]]:
        return list(await asyncio.gather(*(one(seed) for seed in range(40, 46))))

    seen = asyncio.run(tell())
    assert len({session for session, _, _ in seen}) == 6
    for seed, (_, url, copied) in zip(range(40, 46), seen, strict=True):
        assert url.endswith(f"seed={seed}")
        assert f"&seed={seed}&" in copied


def test_a_server_that_is_gone_is_said(serve: Callable[..., Any]) -> None:
    """Nobody waits for ever: neither who comes too late nor who was there."""
    import os
    import signal

    one = serve(env={"EBM_PLUGINS": ""})

    async def tell() -> None:
        async with visit(f"{one.url}/hopfield") as page:
            await page.settled(60)
            os.kill(one.pid, signal.SIGKILL)
            with pytest.raises(Gone):
                await page.until(lambda p: False, 20)
        with pytest.raises(Gone):
            async with visit(f"{one.url}/hopfield"):
                pass

    asyncio.run(tell())


def test_a_tab_that_lost_its_connection_and_came_back_still_ends_its_run_when_it_is_closed(
    server: Any,
) -> None:
    """Closing leaves what was waited for, each time: on the lost connection, and at the end."""
    import urllib.request

    def figure(begins: str) -> float:
        with urllib.request.urlopen(f"{server.url}/metrics", timeout=20) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(begins))

    def left() -> float:
        return figure('ebm_runs_total{outcome="left"}')

    async def until(true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 40
        while not await asyncio.to_thread(true):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)

    async def tell() -> None:
        before = left()
        slow = "preset=Wells+learned+from+two+moons&train.wells=64&train.epochs=1000&seed=4711"
        async with visit(f"{server.url}/langevin?{slow}") as page:
            await page.until(lambda p: p.waiting() is not None, 60)
            await page.close()  # the connection: the session can be had again for a while
            await until(lambda: left() == before + 1)
            await page.connect()
            await page._rerun("")
            await page.until(lambda p: p.waiting() is not None and not p.running, 30)
            assert left() == before + 1
        await until(lambda: left() == before + 2)
        await until(lambda: figure("ebm_runs_running ") == 0)

    asyncio.run(tell())
