"""Many visitors at once, for minutes: what a host's visitors would feel, and what the server takes for it.

    python tests/soak/soak.py --visitors 50 --minutes 5 --every 10 [--url http://127.0.0.1:8501 --pid 123] [--write]

Without ``--url`` it starts a server with an empty store. It first has a pool of runs made, so that nine in ten of the
runs that are asked for later are stored. Each visitor is a real websocket session (tests/tools/streamlit_client.py)
that opens a page by its link and clicks every ten seconds, more or less: another seed, another step size, another
preset, another page. The generator is one process beside the server, on the same cores; its own share is in the table.
Ends with 1 where a figure that the project is held to is missed. ``--write`` puts the table into docs/hosting.md.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click as cli

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

from processes import Process, descendants, read
from served import served
from visitors import LONGEST, Click, Preset, Visitor, make_pool

from ebm_plugins.registry import load

PAGE = Path(__file__).resolve().parents[2] / "docs" / "hosting.md"
BEGIN, END = "<!-- soak: begin (written by tests/soak/soak.py --write) -->", "<!-- soak: end -->"
STORED_P95, NEW_P95, VISITOR_MB, FLAT_SECONDS = 1.0, 5.0, 5.0, 180.0
RAMP = 30.0  # seconds in which the visitors arrive


def p95(values: list[float]) -> float:
    """The value that 95 in 100 do not pass; NaN of none."""
    return sorted(values)[max(0, -(-95 * len(values) // 100) - 1)] if values else float("nan")


def kinds(server: int) -> dict[str, list[Process]]:
    """The server's processes by what they are: server, cluster (with its helpers), workers."""
    below = descendants(server)
    owner = [p for p in below if p.parent == server]
    own = read(server)
    return {
        "server": [own] if own is not None else [],
        "cluster": owner,
        "workers": [p for p in below if p.parent != server],
    }


async def measure(server: int, samples: list[dict[str, float]], every: float = 5.0) -> None:
    """Resident megabytes and CPU seconds of the server's processes, every five seconds, until cancelled."""
    while server:
        now = {"at": time.monotonic(), "generator cpu": time.process_time()}
        for kind, processes in (await asyncio.to_thread(kinds, server)).items():
            now[f"{kind} MB"] = sum(p.resident for p in processes) / 1e6
            now[f"{kind} cpu"] = sum(p.cpu for p in processes)
        samples.append(now)
        await asyncio.sleep(every)


async def soak(
    url: str, server: int, visitors: int, minutes: float, every: float, pool_seconds: float, seed: int
) -> dict[str, Any]:
    """The whole course; returns all figures."""
    registry = load(discover=False)
    began = time.monotonic()
    pool, left_out = await make_pool(url, registry, pool_seconds)
    say(
        f"{sum(len(p.seeds) + 1 for p in pool)} runs of {len(pool)} presets are stored after {time.monotonic() - began:.0f} s; {len(left_out)} presets left out."
    )
    alone = await _alone(url, pool, seed)
    samples: list[dict[str, float]] = []
    watcher = asyncio.create_task(measure(server, samples, 1.0))
    await asyncio.sleep(3.5)  # before anybody is there
    watcher.cancel()
    before = samples[-1] if samples else {}
    samples.clear()
    watcher = asyncio.create_task(measure(server, samples))
    quota: Counter[str] = Counter()
    crowd = [Visitor(url, pool, random.Random(seed + n), quota) for n in range(visitors)]
    start = time.monotonic()
    end = start + 60 * minutes

    async def arrive(n: int, visitor: Visitor) -> None:
        await asyncio.sleep(min(RAMP, 10 * minutes) * n / max(1, visitors))
        await visitor.stay(end, every)

    tasks = [asyncio.create_task(arrive(n, v)) for n, v in enumerate(crowd)]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(min(30.0, max(1.0, end - time.monotonic())))
        done = [c for v in crowd for c in v.clicks]
        say(
            f"{time.monotonic() - start:4.0f} s: {len(done)} clicks, {sum(bool(c.error) for c in done)} errors"
        )
    await asyncio.gather(*tasks)
    watcher.cancel()
    clicks = [c for v in crowd for c in v.clicks]
    figures = report(clicks, samples, before, visitors)
    return figures | {
        "visitors": visitors, "minutes": minutes, "every": every, "cores": os.cpu_count(),
        "machine": platform.machine(), "pool": sum(len(p.seeds) + 1 for p in pool), "presets": len(pool),
        "left out": left_out, "alone": alone,
    }  # fmt: skip


async def _alone(url: str, pool: list[Preset], seed: int) -> dict[str, float]:
    """One visitor on an otherwise idle server: the same clicks, nobody beside."""
    one = Visitor(url, [p for p in pool if p.seconds < 1.5] or pool, random.Random(seed), Counter())
    await one.stay(time.monotonic() + 12, 0.6)
    good = [c for c in one.clicks if not c.error and c.kind != "open"]
    return {
        "stored, median": statistics.median([c.stage for c in good if c.stored] or [float("nan")]),
        "new, median": statistics.median([c.stage for c in good if not c.stored] or [float("nan")]),
        "clicks": float(len(good)),
    }


def report(
    clicks: list[Click], samples: list[dict[str, float]], before: dict[str, float], visitors: int
) -> dict[str, Any]:
    """All figures, and what of them misses what the project is held to."""
    good = [c for c in clicks if not c.error]
    stored = [c.stage for c in good if c.stored and c.kind != "open"]
    fresh = [c for c in good if not c.stored]
    opened = [c.stage for c in good if c.kind == "open"]
    seen = [min(c.stage, c.place if c.place is not None else LONGEST) for c in fresh]
    figures: dict[str, Any] = {
        "clicks": len(clicks), "stored clicks": len(stored), "new clicks": len(fresh), "opened": len(opened),
        "errors": dict(Counter(c.error for c in clicks if c.error).most_common(12)),
        "script end, median": statistics.median([c.local for c in good] or [float("nan")]),
        "script end, p95": p95([c.local for c in good]),
        "stored, median": statistics.median(stored or [float("nan")]), "stored, p95": p95(stored),
        "new, median": statistics.median([c.stage for c in fresh] or [float("nan")]),
        "new, p95": p95([c.stage for c in fresh]), "new or place, p95": p95(seen),
        "new with a place shown": sum(c.place is not None for c in fresh),
        "new with progress shown": sum(c.progress is not None for c in fresh),
        "opened, median": statistics.median(opened or [float("nan")]), "opened, p95": p95(opened),
        "by kind, p95": {k: p95([c.stage for c in good if c.kind == k]) for k in sorted({c.kind for c in good})},
    }  # fmt: skip
    figures["slowest stored"] = [
        f"{c.stage:.1f} s, {c.kind}: {c.where}"
        for c in sorted((c for c in good if c.stored), key=lambda c: -c.stage)[:5]
    ]
    if len(samples) > 2 and before:
        figures["memory"] = memory(samples, before, visitors)
        first, last = samples[0], samples[-1]
        span = last["at"] - first["at"]
        names = ("server", "cluster", "workers", "generator")
        figures["cores used"] = {k: (last[f"{k} cpu"] - first[f"{k} cpu"]) / span for k in names}
    figures["missed"] = missed(figures)
    return figures


def memory(samples: list[dict[str, float]], before: dict[str, float], visitors: int) -> dict[str, float]:
    """Megabytes before and at the end, and the growth over the last three minutes by a straight line (least squares).

    The line is through all processes together; growth is also given for each visitor.
    """
    parts = ("server MB", "cluster MB", "workers MB")
    last = [
        s
        for s in samples
        if s["at"] >= samples[-1]["at"] - FLAT_SECONDS
        and s["at"] >= samples[0]["at"] + min(60.0, (samples[-1]["at"] - samples[0]["at"]) / 3)
    ]
    at = [s["at"] - last[0]["at"] for s in last]
    total = [sum(s[p] for p in parts) for s in last]
    slope = statistics.linear_regression(at, total).slope if len(set(at)) > 1 else float("nan")
    end = {p: statistics.mean(s[p] for s in last[-6:]) for p in parts}
    return {
        "before": sum(before[p] for p in parts), "end": sum(end.values()),
        **{f"{p} before": before[p] for p in parts}, **{f"{p} end": end[p] for p in parts},
        "slope, MB a minute": 60 * slope, "seconds of the slope": at[-1],
        "growth a visitor over them": slope * at[-1] / visitors,
        "server above before, a visitor": (end["server MB"] - before["server MB"]) / visitors,
    }  # fmt: skip


def missed(figures: dict[str, Any]) -> list[str]:
    """Which of the figures that the project is held to are not kept; a figure that could not be had is missed too."""
    out = []
    if figures["errors"]:
        out.append(f"no error: {sum(figures['errors'].values())} of {figures['clicks']} clicks")
    if not figures["stored, p95"] <= STORED_P95:
        out.append(f"p95 of stored runs at most {STORED_P95:g} s: {figures['stored, p95']:.2f} s")
    if not figures["new or place, p95"] <= NEW_P95:
        out.append(
            f"p95 of new runs, or of their place in the queue, at most {NEW_P95:g} s: {figures['new or place, p95']:.2f} s"
        )
    held = figures.get("memory")
    if held is None:
        out.append("memory: not measured (name the server's process by --pid)")
    else:
        for name in ("growth a visitor over them", "server above before, a visitor"):
            if not held[name] <= VISITOR_MB:
                out.append(f"memory, {name}, at most {VISITOR_MB:g} MB: {held[name]:.1f} MB")
    return out


def table(f: dict[str, Any]) -> str:
    """The figures as a Markdown table."""
    seconds = "{:.2f} s".format
    rows = [
        ("clicks (stored, new, pages opened)", f"{f['clicks']} ({f['stored clicks']}, {f['new clicks']}, {f['opened']})"),
        ("errors", str(sum(f["errors"].values()))),
        ("click to new stage, stored run: median, p95", f"{seconds(f['stored, median'])}, {seconds(f['stored, p95'])}"),
        ("click to new stage, new run: median, p95", f"{seconds(f['new, median'])}, {seconds(f['new, p95'])}"),
        ("new runs that showed a place in the queue, progress", f"{f['new with a place shown']}, {f['new with progress shown']}"),
        ("link opened to stage: median, p95", f"{seconds(f['opened, median'])}, {seconds(f['opened, p95'])}"),
        ("click to the end of the page's script: median, p95", f"{seconds(f['script end, median'])}, {seconds(f['script end, p95'])}"),
        ("one visitor alone, click to new stage, median: stored, new", f"{seconds(f['alone']['stored, median'])}, {seconds(f['alone']['new, median'])}"),
    ]  # fmt: skip
    if "memory" in f:
        m, used = f["memory"], f["cores used"]
        rows += [
            ("memory of server, cluster, workers: before", ", ".join(f"{m[f'{p} MB before']:.0f}" for p in ("server", "cluster", "workers")) + " MB"),
            ("the same at the end", ", ".join(f"{m[f'{p} MB end']:.0f}" for p in ("server", "cluster", "workers")) + " MB"),
            ("server's growth from before to the end, a visitor", f"{m['server above before, a visitor']:.1f} MB"),
            (f"growth over the last {m['seconds of the slope']:.0f} s, a visitor", f"{m['growth a visitor over them']:.2f} MB"),
            ("cores used by server, cluster, workers, generator", ", ".join(f"{used[k]:.2f}" for k in ("server", "cluster", "workers", "generator"))),
        ]  # fmt: skip
    head = f"{f['visitors']} visitors, {f['minutes']:g} minutes, a click every {f['every']:g} s, {f['cores']} cores ({f['machine']}); {f['pool']} runs of {f['presets']} presets stored beforehand."
    lines = [head, "", "| what | figure |", "| --- | --- |", *(f"| {a} | {b} |" for a, b in rows), ""]
    lines += (
        ["Missed: " + "; ".join(f["missed"]) + "."]
        if f["missed"]
        else ["All figures that it is held to are kept."]
    )
    return "\n".join(lines)


def write(text: str, page: Path = PAGE) -> None:
    """Put the table between the marks in docs/hosting.md."""
    before, mark, rest = page.read_text().partition(BEGIN)
    _, closing, after = rest.partition(END)
    if not mark or not closing:
        raise SystemExit(f"{page.name} has no block between {BEGIN} and {END}.")
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def say(text: str) -> None:
    """A line of progress, beside the figures."""
    print(text, file=sys.stderr, flush=True)


@cli.command()
@cli.option("--visitors", default=50, show_default=True)
@cli.option("--minutes", default=5.0, show_default=True)
@cli.option("--every", default=10.0, show_default=True, help="Seconds between a visitor's clicks.")
@cli.option("--url", default="", help="A server that runs already; else one is started.")
@cli.option("--pid", default=0, help="Its process, for memory and CPU.")
@cli.option(
    "--pool-seconds", default=150.0, show_default=True, help="How long the pool of stored runs is made."
)
@cli.option("--seed", default=1, show_default=True)
@cli.option("--json", "to", default="", help="Where the figures are written.")
@cli.option("--write", "into", is_flag=True, help="Put the table into docs/hosting.md.")
def main(
    visitors: int,
    minutes: float,
    every: float,
    url: str,
    pid: int,
    pool_seconds: float,
    seed: int,
    to: str,
    into: bool,
) -> None:
    """Fifty visitors for five minutes, and what it took."""
    with ExitStack() as stack:
        if not url:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            own = stack.enter_context(served(Path(folder)))
            url, pid = own.url, own.pid
            say("The server is warm." if own.warm() else "The server is not warm after two minutes.")
        figures = asyncio.run(soak(url.rstrip("/"), pid, visitors, minutes, every, pool_seconds, seed))
    text = table(figures)
    print(text)
    for error, count in figures["errors"].items():
        say(f"{count} × {error}")
    print(json.dumps(figures))
    if to:
        Path(to).write_text(json.dumps(figures, indent=1))
    if into:
        write(text)
    raise SystemExit(1 if figures["missed"] else 0)


if __name__ == "__main__":
    main()
