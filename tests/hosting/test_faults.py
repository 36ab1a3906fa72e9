"""The short form of tests/soak/faults.py: a dozen runs while what computes them is killed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "soak"))

import faults
from processes import descendants, read, wait_gone
from served import served


def test_a_dozen_runs_while_what_computes_them_is_killed(registry: Any, tmp_path: Path) -> None:
    """Each visitor sees the result that a headless run has, or is told what happened and goes on; nothing is left."""
    addresses = ["/hopfield", "/langevin", "/metropolis-hastings"]
    with served(tmp_path) as server:
        course = asyncio.run(faults.course_of(server, 12, 3, faults.KILLS, 3, addresses))
        server.stop()
        figures = faults.judge(course, registry, 2, [], server.left())
    assert figures["faults"] == []
    assert figures["runs"] == 12
    assert set(figures["kills"]) == set(faults.KILLS)


def test_what_was_stored_opens_on_a_new_server(registry: Any, tmp_path: Path) -> None:
    """After kill -9 and a start with the same store, the arrays are there and a copied link opens as the same run."""
    with served(tmp_path) as server:

        async def tell() -> list[str]:
            course = faults.Course(server, 2)
            course.up.set()
            outcomes = [await faults.ask(course, asked) for asked in ("/hopfield?seed=9", "/langevin?seed=9")]
            assert [one.state for one in outcomes] == ["done", "done"]
            server.kill()
            assert server.left() == []
            server.start()
            return await faults.lost(course, outcomes, registry)

        assert asyncio.run(tell()) == []


def test_a_wrong_result_is_seen(registry: Any) -> None:
    """The judge would notice: a digest that is another run's, and a link without one."""
    from ebm_plugins import link, runs
    from ebm_plugins.stamps import stamp

    made = runs.run(link.parse("/hopfield?seed=5", registry)[0], registry)
    true = link.write(made.spec, registry, full=True, stamp=stamp(made))
    other = link.parse("/hopfield?seed=5&start.amount=0.5", registry)[0]
    false = link.write(other, registry, full=True, stamp=stamp(runs.run(other, registry)))
    seen = [
        faults.Outcome("/hopfield?seed=5", "done", copied) for copied in (true, false, "/hopfield?seed=5")
    ]
    assert len(faults.wrong(seen, registry)) == 2


def test_processes_are_found_by_their_parents() -> None:
    """A grandchild is a descendant; what has ended is none."""
    inner = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    child = subprocess.Popen([sys.executable, "-c", inner])
    try:
        below: list[Any] = []
        deadline = time.monotonic() + 10
        while not any("sleep(60)" in p.command for p in below) and time.monotonic() < deadline:
            time.sleep(0.05)
            below = descendants(child.pid)
        assert [p.parent for p in below] == [child.pid]
        me = read(child.pid)
        assert me is not None
        assert me.resident > 1e6
        assert faults.kill(below[0])
        assert wait_gone(below, 10) == []
        assert not faults.kill(below[0])
    finally:
        child.kill()
        child.wait(timeout=20)
    assert read(child.pid) is None
