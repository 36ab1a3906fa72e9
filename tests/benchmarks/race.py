"""A race: the same work done by different means, in rounds that call each of them once, so that whatever slows the
machine for a while slows them all alike. What is reported are ratios within a round, and their medians.

Before it starts, every runner has to show that it does the work: its statistics after a little of it must be those of
the textbook form, run a dozen times over, and those after half as much must not be.
"""

from __future__ import annotations

import gc
import importlib
import json
import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from threadpoolctl import threadpool_info

THREADS = 2
REPEATS = 12  # runs of the textbook form, from which the spread of a statistic is taken
FALSE_ALARM = 1e-5  # of one statistic of one runner
SECONDS = float(os.environ.get("EBM_RACE_SECONDS", 20))  # of rounds
LEAST_ROUNDS, MOST_ROUNDS = 5, 15
PAUSE = 0.03  # seconds before each call, in which the threads of the one before fall asleep
PEERS = ("scikit-learn", "torch", "jax", "blackjax", "torchebm", "thrml", "hopfieldkit", "emcee")


class Missing(Exception):
    """A peer that is not installed here."""


def needs(*modules: str) -> Any:
    """The first of the modules, all imported. Raises Missing with what to install."""
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise Missing(f"{name} is not installed ({error}): pip install -e '.[bench]'") from None
    return importlib.import_module(modules[0])


@dataclass(frozen=True, kw_only=True)
class Runner:
    """One way to do the work.

    ``build()`` returns ``run(amount)``, which does that much of it and returns what the race's ``statistic`` reads; or
    several of them (one thread or two, one generator or another), of which the fastest runs. It may raise
    :class:`Missing`. ``share`` is the part of the amount that is timed, for what would take too long. ``slack`` is a
    relative tolerance on the first statistic, in place of the statistical test, for a peer whose algorithm differs a
    little; ``checked`` is False for the floor, which computes nothing.
    """

    name: str
    build: Callable[[], Any]
    role: str = "peer"
    share: float = 1.0
    slack: float | None = None
    checked: bool = True


@dataclass(frozen=True)
class Bound:
    """The ratio to reach over a runner, and the stretch."""

    against: str
    required: float
    stretch: float | None = None


@dataclass(frozen=True, kw_only=True)
class Race:
    """The work, who does it, and how it is known that they did. ``few`` is an amount that is checked; a runner is given
    ``amount`` when timed. ``statistic(result)`` is a short vector that depends on how much was done: it is
    read off half of the few, too, or off ``less(run)``, which must not pass."""

    name: str
    work: str
    amount: int
    few: int
    runners: Sequence[Runner]
    statistic: Callable[[Any], Any]
    bounds: Sequence[Bound] = ()
    repeats: int = REPEATS
    less: Callable[[Callable[[int], Any]], Any] | None = None


@dataclass
class Result:
    """What came out: seconds of each round by runner, for the whole amount, and who was left out and why."""

    race: Race
    seconds: dict[str, list[float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def ours(self) -> str:
        return next(r.name for r in self.race.runners if r.role == "ours")

    def ratio(self, name: str) -> float:
        """How many times as long as ours it takes: the median over rounds."""
        pairs = zip(self.seconds[name], self.seconds[self.ours], strict=True)
        return statistics.median(theirs / ours for theirs, ours in pairs)

    def fastest_peer(self) -> str | None:
        peers = [r.name for r in self.race.runners if r.role == "peer" and r.name in self.seconds]
        return min(peers, key=self.ratio, default=None)

    def as_json(self) -> dict[str, Any]:
        ratios = {name: round(self.ratio(name), 4) for name in self.seconds}
        return {
            "race": self.race.name,
            "work": self.race.work,
            "seconds": {name: round(statistics.median(s), 6) for name, s in self.seconds.items()},
            "rounds": len(self.seconds[self.ours]),
            "ratios": ratios,
            "roles": {r.name: r.role for r in self.race.runners},
            "fastest_peer": self.fastest_peer(),
            "bounds": [vars(bound) for bound in self.race.bounds],
            "missing": self.missing,
            "threads": THREADS,
            "versions": versions(),
        }


def versions() -> dict[str, str]:
    """Of what takes part, and which processor's matrix products OpenBLAS has chosen."""
    found = {}
    for name in ("numpy", "numba", *PEERS):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    for library in threadpool_info():
        if library["internal_api"] == "openblas" and "numpy" in library["filepath"]:
            found["OpenBLAS"] = f"{library['version']} for {library['architecture']}"
    return found


def run(race: Race, benchmark: Any) -> Result:
    """Check every runner, then time them in rounds; pytest-benchmark's own figure is the time of a round."""
    result, ready = Result(race), {}
    expected = reference(race)
    for runner in race.runners:
        try:
            options = runner.build()
        except Missing as reason:
            result.missing[runner.name] = str(reason)
            continue
        options = options if isinstance(options, tuple) else (options,)
        for option in options:
            check(race, runner, option(race.few), expected)
        if runner.role == "ours":
            half = race.less(options[0]) if race.less else options[0](race.few // 2)
            off = not agrees(np.asarray(race.statistic(half), dtype=float), expected)
            assert off, f"{race.name}: half of the work passes the check as well"
        ready[runner.name] = fastest(options, race.few)
        ready[runner.name](timed_amount(race, runner))  # what compiles does so now
    amounts = {r.name: timed_amount(race, r) for r in race.runners}
    shares = {r.name: amounts[r.name] / race.amount for r in race.runners}
    result.seconds = {name: [] for name in ready}
    names = list(ready)

    def one_round() -> float:
        gc.collect()
        turn = len(result.seconds[names[0]]) % len(names)
        started = time.perf_counter()
        for name in names[turn:] + names[:turn]:
            result.seconds[name].append(timed(ready[name], amounts[name]) / shares[name])
        return time.perf_counter() - started

    rounds = max(LEAST_ROUNDS, min(MOST_ROUNDS, math.floor(SECONDS / one_round())))
    for times in result.seconds.values():
        times.clear()  # the first round was a rehearsal
    benchmark.pedantic(one_round, rounds=rounds, iterations=1)
    benchmark.extra_info.update(result.as_json())
    save(result)
    textbook = next(r.name for r in race.runners if r.role == "textbook")
    assert result.ratio(textbook) > 1, f"{race.name}: slower than the textbook form"
    return result


def timed_amount(race: Race, runner: Runner) -> int:
    """How much of the work a timed call does."""
    return max(1, round(race.amount * runner.share))


def timed(call: Callable[[int], Any], amount: int) -> float:
    """Seconds of one call, after a pause."""
    time.sleep(PAUSE)
    started = time.perf_counter()
    call(amount)
    return time.perf_counter() - started


def fastest(options: Sequence[Callable[[int], Any]], few: int) -> Callable[[int], Any]:
    """The option that does the few, which it has done before, in the least time."""
    if len(options) == 1:
        return options[0]
    took = [min(timed(option, few) for _ in range(3)) for option in options]
    return options[took.index(min(took))]


# --- What a peer may choose ---------------------------------------------------------------------------------------


def with_threads(make: Callable[[], Callable[[int], Any]]) -> tuple[Callable[[int], Any], ...]:
    """PyTorch with one thread and with two: which is faster depends on the size."""
    torch = needs("torch")

    def limited(call: Callable[[int], Any], threads: int) -> Callable[[int], Any]:
        def run(amount: int) -> Any:
            torch.set_num_threads(threads)
            return call(amount)

        return run

    call = make()
    return limited(call, 1), limited(call, 2)


def jax_generators(
    make: Callable[[Callable[[], Any]], Callable[[int], Any]], blackjax: bool = False
) -> tuple[Callable[[int], Any], ...]:
    """JAX's default generator and the one that XLA has built in: which is faster depends on the machine. ``make`` is
    given a function that returns a fresh key."""
    jax = needs("jax", *(["blackjax"] if blackjax else []))

    def keys(kind: str) -> Callable[[], Any]:
        state = [jax.random.key(9, impl=kind)]

        def fresh() -> Any:
            state[0], key = jax.random.split(state[0])
            return key

        return fresh

    return tuple(make(keys(kind)) for kind in ("threefry2x32", "rbg"))


# --- Was the work done? -------------------------------------------------------------------------------------------


def reference(race: Race) -> tuple[Any, Any]:
    """Mean and tolerance of each statistic after the few, from independent runs of the textbook form: a new run is
    outside with probability FALSE_ALARM, if the statistic is normal."""
    (textbook,) = [r for r in race.runners if r.role == "textbook"]
    call = textbook.build()
    found = np.array([race.statistic(call(race.few)) for _ in range(race.repeats)], dtype=float)
    factor = stats.t.ppf(1 - 0.5 * FALSE_ALARM, race.repeats - 1) * np.sqrt(1 + 1 / race.repeats)
    return found.mean(axis=0), factor * found.std(axis=0, ddof=1)


def agrees(found: Any, expected: tuple[Any, Any]) -> bool:
    return bool((np.abs(found - expected[0]) <= expected[1]).all())


def check(race: Race, runner: Runner, result: Any, expected: tuple[Any, Any]) -> None:
    """Raises AssertionError where the statistics are not those of the textbook form."""
    if not runner.checked:
        return
    found = np.asarray(race.statistic(result), dtype=float)
    assert np.isfinite(found).all(), f"{race.name}: {runner.name} gives {found}"
    if runner.slack is not None:
        off = abs(found[0] / expected[0][0] - 1)
        assert off <= runner.slack, f"{race.name}: {runner.name} is {off:.0%} off"
        return
    message = f"{race.name}: {runner.name} gives {found}, the textbook form {expected[0]} ± {expected[1]}"
    assert agrees(found, expected), message


# --- What is left of it -------------------------------------------------------------------------------------------


def results_file() -> Path:
    """One JSON object a line, a line a race: every race that was ever run here."""
    named = os.environ.get("EBM_RACES")
    return Path(named) if named else Path(__file__).parents[2] / ".benchmarks" / "races.jsonl"


FINISHED: list[Result] = []
PAGES: list[dict[str, dict[str, float]]] = []  # what test_pages found


def save(result: Result) -> None:
    """Append it to the file, and keep it for the table at the end."""
    FINISHED.append(result)
    file = results_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as out:
        out.write(json.dumps({"time": round(time.time()), **result.as_json()}) + "\n")


def table(results: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Rows (work, against, ratio, required, stretch, verdict) of races as :meth:`Result.as_json` gives them."""
    rows = []
    for found in results:
        bounds = {b["against"]: b for b in found["bounds"]}
        for name, ratio in found["ratios"].items():
            role = found["roles"][name]
            if role == "ours":
                continue
            bound = bounds.get(name)
            label = f"{name} (fastest peer)" if name == found["fastest_peer"] else name
            if role in ("floor", "textbook"):
                label = f"{role}: {name}"
            rows.append((found["race"], label, f"{ratio:.2f}", *verdict(ratio, bound)))
        for name, reason in found["missing"].items():
            rows.append((found["race"], name, "–", "", "", reason))
    return rows


def page_table(found: dict[str, dict[str, float]]) -> list[tuple[str, ...]]:
    """Rows (page, first paint, alive, click: ratios to the empty app; ms until alive, ms of a click, kB received)."""
    head = ("page", "first paint", "alive", "click", "alive, ms", "click, ms", "websocket, kB")
    rows = [head]
    for name, row in found.items():
        click = (f"{row['click']:.2f}", f"{row['click ms']:.0f}") if "click" in row else ("", "")
        rows.append(
            (
                name,
                f"{row['first paint']:.2f}",
                f"{row['alive']:.2f}",
                click[0],
                f"{row['ms']:.0f}",
                click[1],
                f"{row['kB']:.0f}",
            )
        )
    return rows


def verdict(ratio: float, bound: dict[str, Any] | None) -> tuple[str, str, str]:
    """(required, stretch, met or missed)."""
    if bound is None:
        return "", "", ""
    stretch = bound["stretch"]
    if stretch is not None and ratio >= stretch:
        word = "stretch met"
    else:
        word = "met" if ratio >= bound["required"] else f"missed by {1 - ratio / bound['required']:.0%}"
    return f"{bound['required']:g}", "" if stretch is None else f"{stretch:g}", word


def one_each(benchmark: Any, make: Callable[[], Race]) -> None:
    """The body of a benchmark: run it, or skip it where not even the floor can."""
    race = make()
    result = run(race, benchmark)
    if len(result.seconds) < 2:
        pytest.skip("nothing to compare with")
