"""Checks of the stream of states: what it yields, that it can be repeated, resumed and cut short."""

from __future__ import annotations

import math
import random
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from ebm_plugins.keeping import check_snapshot, check_states
from ebm_plugins.records import Array, ConfigError, PluginError
from ebm_plugins.testing.checks_training import global_state, is_float, same
from ebm_plugins.testing.kit import Finding, Skip, Wrong, check, require
from ebm_plugins.testing.subject import Case, Subject
from ebm_plugins.testing.varied import changed, lasting, variants

CHAINS, SNAPSHOTS = 12, 5
MOVERS = 4_000
SLACK = (2 * math.log(1e11) / MOVERS) ** 0.5  # Hoeffding: 1e-11 a config, for up to 100 of them


def _stream(case: Case, *words: object, config: Any = None, x: Array | None = None) -> Any:
    config = lasting(case.config if config is None else config, SNAPSHOTS)
    if x is None:
        x = case.start(CHAINS, case.subject.rng("start", case.label))
    return islice(case.stream(config, case.subject.rng("sample", case.label, *words), x.copy()), SNAPSHOTS)


def _random(case: Case) -> bool:
    return case.exactness(case.config) != "descent"


@check("family", "sampler")
def sample_snapshots(subject: Subject) -> Finding:
    """Every variant of its config yields Snapshots of finite states in its space, as many as came in, clamped ones
    unmoved; metrics are floats, and an acceptance is between 0 and 1."""
    count = 0
    for case in subject.cases:
        for name, config in variants(case.config).items():
            for x in (case.start(CHAINS, subject.rng("start")), case.origin.copy()):
                count += _looked_at(case, case.named(name), config, x)
    return Finding(f"{count} snapshots")


def _looked_at(case: Case, name: str, config: Any, x: Array) -> int:
    count = 0
    try:
        for snapshot in _stream(case, name, config=config, x=x):
            checked = check_snapshot(snapshot, case.record.key, "sample")
            states = check_states(checked.value, x.shape, case.record.key)
            inside = case.space.contains(states)
            require(
                inside.all(),
                f"{name}: {np.array(states)[np.argmin(inside)]} is not in {case.space.describe()}",
            )
            if case.free is not None:
                require(
                    (states[:, ~case.free] == x[:, ~case.free]).all(),
                    f"{name}: clamped coordinates were moved",
                )
            rate = checked.metrics.get("acceptance", 0.5)
            require(-1e-9 <= rate <= 1 + 1e-9, f"{name}: an acceptance of {rate}")
            for metric, value in checked.metrics.items():
                require(is_float(value), f"{name}: the metric {metric!r} is {value!r}; make it a float")
                require(not np.isinf(value), f"{name}: the metric {metric!r} is infinite")
            count += 1
    except PluginError as error:
        raise Wrong(f"{name}: {error.message}") from error
    require(count, f"{name}: sampling ended without a snapshot")
    return count


@check("family", "sampler")
def sample_repeatable(subject: Subject) -> Finding:
    """The same seed gives the same states and metrics bit for bit, another seed gives others (unless it descends);
    neither NumPy's nor Python's global random numbers are used or moved."""
    for case in subject.cases:
        streams = []
        for salt in (1, 2):
            np.random.seed(salt)  # noqa: NPY002
            random.seed(salt)
            before = global_state()
            streams.append([(np.array(s.value), dict(s.metrics)) for s in _stream(case)])
            require(before == global_state(), "sampling draws from a global generator instead of rng")
        require(len(streams[0]) == len(streams[1]), "the same seed gives a stream of another length")
        for step, ((a, m), (b, n)) in enumerate(zip(*streams, strict=True)):
            require(
                np.array_equal(a, b), f"{case.named('')} snapshot {step}: other states from the same seed"
            )
            require(same(m, n), f"{case.named('')} snapshot {step}: other metrics from the same seed")
        if _random(case) and case.exactness(case.config) != "biased":
            other = [np.array(s.value) for s in _stream(case, "another seed")]
            differ = any((a != b).any() for (a, _), b in zip(streams[0], other, strict=False))
            require(differ, "another seed gives the same states: it does not draw from rng")
    return Finding(f"{len(subject.cases)} streams twice")


@check("family", "sampler")
def sample_snapshots_kept(subject: Subject) -> Finding:
    """A yielded array of states is never edited afterwards, and neither is the start x."""
    count = 0
    for case in subject.cases:
        x = case.start(CHAINS, subject.rng("start"))
        given = x.copy()
        config = lasting(case.config, SNAPSHOTS)
        kept = []
        for snapshot in islice(case.stream(config, subject.rng("kept"), given), SNAPSHOTS):
            kept.append((snapshot.value, np.array(snapshot.value)))
        require(np.array_equal(given, x), "sampling edited its start x")
        for step, (value, copy) in enumerate(kept):
            require(np.array_equal(value, copy), f"the states of snapshot {step} were edited by a later one")
        count += len(kept)
    return Finding(f"{count} snapshots")


@check("family", "sampler")
def sample_rows_stay(subject: Subject) -> Finding:
    """A row is one chain from its start to its end: with the same random numbers, another start of a row leaves the
    others alone, or moves that row, or (where random numbers are used as they are needed) all of them; it never shows
    in another row alone. Traces and effective draws are of one chain each."""
    for case in subject.cases:
        x, other = (case.start(CHAINS, subject.rng("rows", i)) for i in range(2))
        config, rng = lasting(case.config, 2), partial(subject.rng, "rows stay", case.label)
        base = [np.array(s.value) for s in islice(case.stream(config, rng(), x.copy()), 2)]
        own: list[int] = []
        moved: list[dict[int, int]] = [{} for _ in base]
        for row in range(CHAINS):
            start = x.copy()
            start[row] = other[row]
            for step, snapshot in enumerate(islice(case.stream(config, rng(), start), len(base))):
                rows = np.flatnonzero((base[step] != np.asarray(snapshot.value)).any(axis=1))
                own += [row] if row in rows else []
                if len(rows) == 1 and rows[0] != row:
                    moved[step][row] = int(rows[0])
        for found in moved:
            mixed = len(found) >= 3 and len(found) > len(own) and len(set(found.values())) == len(found)
            shown = ", ".join(f"{a} in row {b}" for a, b in list(found.items())[:3])
            require(not mixed, f"{case.named('')} rows are mixed up: row {shown}".strip())
    return Finding(f"{len(subject.cases) * CHAINS} starts")


@check("family", "sampler", false_alarm=1e-9)
def acceptance_counts(subject: Subject) -> Finding:
    """Where the metrics have an ``acceptance``, it is no larger than the share of chains that have moved: an accepted
    proposal of a continuous state is another state. So for each variant of the config; false alarm by Hoeffding."""
    figures = []
    for case in subject.cases:
        if case.space.discrete or case.plan.family.support is not None:
            continue
        for name, config in variants(case.config).items():
            x = case.start(MOVERS, subject.rng("moves", case.label))
            short = lasting(config, 1)
            try:
                snapshot = next(
                    iter(case.stream(short, subject.rng("moving", case.label, name), x.copy())), None
                )
            except ConfigError:
                continue
            if snapshot is None or "acceptance" not in snapshot.metrics:
                continue
            share = float((np.asarray(snapshot.value) != x).any(axis=1).mean())
            said = float(snapshot.metrics["acceptance"])
            require(
                not said > share + SLACK,
                f"{case.named(name)} an acceptance of {said:.2f}, and {share:.2f} of the chains moved".strip(),
            )
            figures.append(f"{said:.2f} ≤ {share:.2f}")
    if not figures:
        raise Skip("it reports no acceptance on a continuous space")
    return Finding(figures[0])


@check("family", "sampler")
def sample_stops(subject: Subject) -> None:
    """Closed after its first snapshot, sampling ends without a sound, and what it yielded stays."""
    for case in subject.cases:
        x = case.start(CHAINS, subject.rng("start"))
        stream = case.stream(lasting(case.config, SNAPSHOTS), subject.rng("stops"), x)
        first = next(iter(stream), None)
        require(first is not None, "sampling ended without a snapshot")
        assert first is not None
        before, close = np.array(first.value), getattr(stream, "close", None)
        require(close is not None, "sample is not a generator: it cannot be stopped")
        try:
            close()  # type: ignore[misc]
        except BaseException as error:
            raise Wrong(f"closing it raised {type(error).__name__}: {error}") from error
        require(np.array_equal(first.value, before), "closing it edited what it had yielded")


@check("family", "sampler")
def sample_resumes(subject: Subject) -> None:
    """It begins from its own last frame, read-only and in float64, as well as from any start, and stays in the space."""
    for case in subject.cases:
        *_, last = _stream(case)
        x = np.array(last.value, dtype=float)
        x.setflags(write=False)
        config = lasting(case.config, SNAPSHOTS)
        try:
            again = [s.value for s in islice(case.stream(config, subject.rng("resumes"), x), 2)]
        except Exception as error:
            raise Wrong(f"from its last frame it raised {type(error).__name__}: {error}") from error
        require(again, "from its last frame it yields nothing")
        for states in again:
            require(np.shape(states) == x.shape, f"from its last frame it yields shape {np.shape(states)}")
            require(case.space.contains(np.asarray(states)).all(), "from its last frame it leaves the space")


@check("family", "sampler")
def sample_counts_steps(subject: Subject) -> Finding:
    """Where the config has ``steps``, that many are taken (or sampling goes on, or rests earlier where it descends), and
    ``every`` of them make a snapshot, the last one what is left."""
    figures = []
    for case in subject.cases:
        fields = type(case.config).model_fields
        if "steps" not in fields:
            continue
        for steps, every in ((7, 1), (7, 3), (8, 4)):
            given = {"steps": steps, "every": every} if "every" in fields else {"steps": steps}
            config = changed(case.config, **given)
            expected = -(-config.steps // getattr(config, "every", 1))
            x = case.start(CHAINS, subject.rng("start"))
            count = sum(1 for _ in islice(case.stream(config, subject.rng("counts"), x), 4 * expected + 4))
            rests = not _random(case) or case.exactness(case.config) == "biased"
            right = count == expected or count == 4 * expected + 4 or (rests and 1 <= count < expected)
            require(right, f"{config.steps} steps, {every} a snapshot: {count} snapshots, not {expected}")
            figures.append(f"{count}")
    return Finding(" ".join(figures))
