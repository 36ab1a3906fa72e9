"""A hundred runs while what computes them is killed: one worker, all workers, the scheduler, the server itself.

    python tests/soak/faults.py [--runs 100] [--visitors 5] [--seconds 600]

Several visitors (tests/tools/streamlit_client.py) each ask for one run after another, and every few runs one of the four
is killed with -9, in turn. Held to: every run ends in a clear state (done, with the digest that a headless run of the
same spec has; or failed with a message and a way on, after which 'Try again' or the next run works); no result is
wrong; none that was stored is computed again or gone after the server was started anew; no process is left at the end.
Ends with 1 where one of these does not hold.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click as cli

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

from processes import cluster_of, kill, workers_of
from served import Served, served, status
from streamlit_client import Gone, Page, visit

from ebm_plugins import link
from ebm_plugins.registry import Registry, load
from ebm_plugins.runs import result_digest, run, spec_digest
from ebm_plugins.stamps import read_stamp

KILLS = ("one worker", "all workers", "scheduler", "server")
PATIENCE = 90.0  # seconds in which a run must end in a clear state, whatever happens
WAY_ON = "Try again"


@dataclass
class Outcome:
    """One run as a visitor saw it: ``state`` is done, failed (with what was said), or unclear."""

    asked: str
    state: str
    link: str = ""
    said: str = ""
    tried: int = 1


@dataclass
class Course:
    """What has happened so far, shared by all visitors and the one who kills."""

    server: Served
    runs: int
    began: int = 0
    outcomes: list[Outcome] = field(default_factory=list)
    kills: list[str] = field(default_factory=list)
    impossible: list[str] = field(default_factory=list)  # kills for which there was no such process
    up: asyncio.Event = field(default_factory=asyncio.Event)


def slow_and_quick(registry: Registry) -> list[str]:
    """Addresses of presets to ask for with new seeds: whatever the registry has, its example and first presets."""
    found = []
    for family in registry.families.values():
        found += [link.write(spec, registry) for spec in list(family.presets.values())[:2]]
    return found


async def visitor(course: Course, addresses: list[str], chance: random.Random) -> None:
    """Ask for one run after another, each with a seed of its own, and note how each of them ends."""
    while course.began < course.runs:
        course.began += 1
        address = chance.choice(addresses)
        seed = 1_000_000 + chance.randrange(10**6)
        asked = f"{address}{'&' if '?' in address else '?'}seed={seed}"
        course.outcomes.append(await ask(course, asked))


async def ask(course: Course, asked: str) -> Outcome:
    """One run from its link to its end. A tab whose server is gone waits for the next one, as a browser does."""
    out, deadline = Outcome(asked, "unclear"), time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        await course.up.wait()
        try:
            async with visit(course.server.url + asked) as page:
                while time.monotonic() < deadline:
                    await page.until(over, max(1.0, deadline - time.monotonic()))
                    if page.alive() and page.link():
                        out.state, out.link = "done", str(page.link())
                        return out
                    out.said = failure(page)
                    if out.tried >= 4:
                        out.state = "failed"
                        return out
                    out.tried += 1
                    before = page.finished
                    await page.press(WAY_ON)
                    await page.until(lambda p, b=before: p.finished > b, 30)  # type: ignore[misc]
        except Gone as error:
            out.said = str(error)[:200]
            await asyncio.sleep(0.3)
        except (TimeoutError, LookupError) as error:
            out.said = str(error)[:400]
            return out
    return out


def over(page: Page) -> bool:
    """Whether the page says how its run ended."""
    return bool(page.alive() and page.link()) or (
        not page.running and page.waiting() is None and bool(failure(page))
    )


def failure(page: Page) -> str:
    """What the page says went wrong, where it also offers a way on; nothing otherwise."""
    offered = any(n.message.label == WAY_ON for n in page.tree.elements("button"))
    said = [text for text in page.texts() if ":red[" in text]
    return " ".join(said)[:400] if offered and said else ""


async def killer(course: Course, every: int, what: tuple[str, ...], patience: float = 15.0) -> None:
    """Kill one of ``what`` in turn each time that ``every`` more runs were begun; start the server again."""
    turn = 0
    while course.began < course.runs:
        target = what[turn % len(what)]
        while course.began < min(course.runs, (turn + 1) * every):
            await asyncio.sleep(0.05)
        turn += 1
        await asyncio.sleep(0.4)  # in the middle of what was begun
        deadline = time.monotonic() + patience
        while (
            not (done := await asyncio.to_thread(kill_one, course.server, target))
            and time.monotonic() < deadline
        ):
            await asyncio.sleep(0.2)
        (course.kills if done else course.impossible).append(target)
        say(
            f"{len(course.outcomes)} runs ended, {course.began} begun; killed: {target if done else f'no {target} there'}"
        )
        if target == "server":
            course.up.clear()
            await asyncio.sleep(1.0)
            await asyncio.to_thread(course.server.start)
            course.up.set()


def kill_one(server: Served, target: str) -> bool:
    """kill -9 of this one; False where there is none (yet)."""
    server.note()
    if target == "server":
        server.kill()
        return True
    if target == "scheduler":
        owner = cluster_of(server.pid)
        return owner is not None and kill(owner)
    workers = workers_of(server.pid)
    return any([kill(one) for one in (workers[:1] if target == "one worker" else workers)])


def wrong(outcomes: list[Outcome], registry: Registry, most: int | None = None) -> list[str]:
    """The runs whose result is not that of a headless run of the same spec (of the first ``most`` of each address)."""
    found, seen = [], Counter[str]()
    for one in outcomes:
        family = one.asked.partition("seed=")[0]
        if one.state != "done" or (most is not None and seen[family] >= most):
            continue
        seen[family] += 1
        stamp = read_stamp(one.link.rpartition("v=")[2])
        spec = link.parse(one.asked, registry)[0]
        digest = result_digest(run(spec, registry))[:16]
        if stamp is None or stamp.result != digest:
            found.append(f"{one.asked}: expected the result {digest}, got {stamp and stamp.result}")
    return found


async def lost(course: Course, outcomes: list[Outcome], registry: Registry, at_once: int = 4) -> list[str]:
    """Of the runs that ended well, those that the server started anew does not have stored (it is asked for the arrays
    by their digest, for which it computes nothing), or whose copied link does not open there as the same run."""
    room = asyncio.Semaphore(at_once)

    async def one(out: Outcome) -> str:
        async with room:
            return await _lost(course, out, registry)

    return list(filter(None, await asyncio.gather(*(one(out) for out in outcomes if out.state == "done"))))


async def _lost(course: Course, out: Outcome, registry: Registry) -> str:
    digest = spec_digest(link.parse(out.asked, registry)[0], registry)
    answer = await asyncio.to_thread(status, course.server.port, f"/api/v1/runs/{digest}.npz")
    if answer != 200:
        return f"{out.asked}: expected its stored arrays, got status {answer}"
    try:
        async with visit(f"{course.server.url}/{out.link.split('/', 3)[3]}") as page:
            await page.settled(PATIENCE)
            said = page.box(" stamp") or "nothing is said of it"
            return "" if "The same run." in said else f"{out.asked}: {said}"
    except (Gone, TimeoutError) as error:
        return f"{out.asked}: {str(error)[:200]}"


async def course_of(
    server: Served,
    runs: int,
    visitors: int,
    what: tuple[str, ...],
    every: int,
    addresses: list[str],
    seed: int = 1,
) -> Course:
    """All visitors and the killer, until the last run has ended."""
    course = Course(server, runs)
    course.up.set()
    killing = asyncio.create_task(killer(course, every, what))
    await asyncio.gather(*(visitor(course, addresses, random.Random(seed + n)) for n in range(visitors)))
    await killing
    return course


def judge(
    course: Course, registry: Registry, most: int | None, reopened: list[str], left: list[Any]
) -> dict[str, Any]:
    """The figures, and what does not hold."""
    states = Counter(one.state for one in course.outcomes)
    bad = wrong(course.outcomes, registry, most)
    faults = [f"unclear: {one.asked}: {one.said}" for one in course.outcomes if one.state == "unclear"]
    faults += [f"wrong: {one}" for one in bad] + [f"lost: {one}" for one in reopened]
    faults += [f"left running: {p.pid} {p.command[:120]}" for p in left]
    faults += [f"nothing to kill: {one}" for one in course.impossible]
    if states["failed"]:
        faults += [
            f"failed four times: {one.asked}: {one.said}" for one in course.outcomes if one.state == "failed"
        ]
    return {
        "runs": len(course.outcomes), "states": dict(states), "kills": dict(Counter(course.kills)),
        "told of a failure and went on": sum(one.tried > 1 and one.state == "done" for one in course.outcomes),
        "faults": faults,
    }  # fmt: skip


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


@cli.command()
@cli.option("--runs", default=100, show_default=True)
@cli.option("--visitors", default=5, show_default=True)
@cli.option("--every", default=8, show_default=True, help="Runs begun between two kills.")
@cli.option(
    "--check",
    default=0,
    show_default=True,
    help="Results held against headless runs, of each preset; 0 for all.",
)
@cli.option("--kill", "what", multiple=True, type=cli.Choice(KILLS), default=KILLS, show_default=True)
@cli.option("--page", "pages", multiple=True, help="Links to ask for; presets of all families unless said.")
@cli.option("--seed", default=1, show_default=True)
def main(
    runs: int, visitors: int, every: int, check: int, what: tuple[str, ...], pages: tuple[str, ...], seed: int
) -> None:
    """A hundred runs, and what came of them while their workers were killed."""
    registry = load(discover=False)
    addresses = list(pages) or slow_and_quick(registry)
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as server:

        async def all_of_it() -> tuple[Course, list[str]]:
            course = await course_of(server, runs, visitors, what, every, addresses, seed)
            say(
                f"{len(course.outcomes)} runs ended; kills: {Counter(course.kills)}. Now a new server with the same store."
            )
            server.stop()
            stopped = server.left()
            if stopped:
                course.impossible += [f"{p.command[:80]} outlived its server" for p in stopped]
            server.start()
            return course, await lost(course, course.outcomes, registry)

        course, gone = asyncio.run(all_of_it())
        server.stop()
        figures = judge(course, registry, check or None, gone, server.left())
    print(json.dumps(figures, indent=1))
    raise SystemExit(1 if figures["faults"] else 0)


if __name__ == "__main__":
    main()
