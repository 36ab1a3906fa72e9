"""Checks of what a kernel samples. Each fails a correct one with probability 1e-6 at most: see ``statistics``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from ebm_plugins.records import Array, ConfigError, reversible_of
from ebm_plugins.runs import length_of
from ebm_plugins.testing.cells import drawn
from ebm_plugins.testing.kit import Finding, Skip, check, require
from ebm_plugins.testing.statistics import ALARM, Evidence, confirm, pairing_test, rank_test, two_sample_test
from ebm_plugins.testing.subject import Case, Subject
from ebm_plugins.testing.varied import changed, lasting, variants

CHAINS = 3_000  # of a drift test at its first stage; twice as many at each further one
SETTLING = 150  # snapshots from the start after which a kernel is first compared with the exact answer
SETTLING_CHAINS = 1_000
RANKED, RANK_STEPS = 4_000, 7
SAME_START = 8_400  # chains: more than two tiles of 4,096
LONG = 100  # snapshots of a kernel that does not say how long a run is
FAR = 0.15  # total variation that a bias may come to
Test = Callable[[int], float]


def _claims(subject: Subject, check_name: str, *claims: str) -> Iterator[tuple[Case, str, Any]]:
    """Cases and variants of their configs that claim one of these, without those that are excused. Only the first
    case is taken through all variants of its numbers; the others are seen with each choice."""
    for number, case in enumerate(subject.cases):
        for name, config in variants(case.config).items():
            if case.exactness(config) not in claims or f"{check_name}:{name}" in subject.excused:
                continue
            if number and name and not _is_choice(case.config, name):
                continue
            yield case, name, config


def _is_choice(config: Any, name: str) -> bool:
    value = getattr(config, name.split("=")[0])
    return isinstance(value, bool) or not isinstance(value, int | float)


def _missing(subject: Subject, case: Case, config: Any) -> str:
    """Why this config cannot be compared with the exact answer; empty when it can."""
    try:
        case.exact(config)
        next(iter(case.stream(lasting(config, 1), subject.rng("try"), case.origin.copy())))
    except (ConfigError, Skip) as reason:
        return str(reason)
    return ""


def _judge(evidence: Evidence, what: str) -> Finding:
    for name, ps in evidence.against.items():
        shown = ", ".join(f"{p:.2g}" for p in ps)
        require(False, f"{what}{': ' + name if name else ''} (p = {shown} in {len(ps)} independent tests)")
    return Finding(f"p = {evidence.p:.3f}", evidence.p)


@check("family", "sampler", false_alarm=ALARM)
def no_drift(subject: Subject) -> Finding:
    """What claims to be exact, also in the limit, stays exact: chains that begin as independent exact draws are still
    such after 1, 4 and 16 snapshots, and when resumed after 4. So for each variant of the config (after 4), at other
    temperatures too, and with clamped coordinates. Exact p-values of χ² over cells and of means."""
    tests: dict[str, Test] = {}
    reasons: list[str] = []
    for case, name, config in _claims(subject, "no_drift", "exact", "asymptotic"):
        reason = _missing(subject, case, config)
        if reason:
            reasons.append(reason)
            continue
        for plan in ((1,), (4,), (16,), (4, 4)) if name == "" else ((4,),):
            label = f"after {' + '.join(map(str, plan))} snapshots {case.named(name)}".strip()
            tests[label] = partial(_drift, subject, case, config, plan, label)
    if not tests:
        raise Skip(reasons[0] if reasons else "it does not claim to be exact")
    return _judge(confirm(tests), "exact draws do not stay exact")


def _drift(subject: Subject, case: Case, config: Any, plan: tuple[int, ...], label: str, stage: int) -> float:
    rng, exact = subject.rng("drift", label, stage), case.exact(config)
    x = exact.draw(CHAINS << stage, rng)
    for steps in plan:
        x = case.after(config, rng, x, steps)
    return exact.fit(x, rng)


@check("family", "sampler", false_alarm=ALARM)
def sampled_is_exact(subject: Subject) -> Finding:
    """From where its example starts it comes to the exact answer (enumeration or quadrature): at the first snapshot
    where it claims to be exact, after 150, 600 and 2,400 where in the limit. A kernel that is still on its way then is
    skipped and said to be slow: that it stays exact is for no_drift to hold."""
    tests: dict[str, Test] = {}
    known: dict[str, tuple[Case, Any]] = {}
    for case, name, config in _claims(subject, "sampled_is_exact", "exact", "asymptotic"):
        if name and not _is_choice(case.config, name):
            continue
        if _missing(subject, case, config):
            continue
        label = case.named(name)
        tests[label], known[label] = partial(_settled, subject, case, config, label), (case, config)
    if not tests:
        raise Skip("it does not claim to be exact, or there is no exact answer")
    evidence = confirm(tests)
    for label in evidence.against:
        case, config = known[label]
        if case.exactness(config) == "asymptotic":
            early, late = _distances(subject, case, config, label)
            if late < 0.8 * early:
                raise Skip(
                    f"{label} not there yet: total variation {early:.2f}, then {late:.2f}; give a faster example"
                )
    return _judge(evidence, "what it samples is not the exact answer")


def _length(case: Case, config: Any, stage: int) -> int:
    return 1 if case.exactness(config) == "exact" else SETTLING << (2 * stage)


def _started(case: Case, n: int, rng: np.random.Generator) -> Array:
    return np.repeat(case.origin, n, axis=0) if case.plan.family.support else case.start(n, rng)


def _settled(subject: Subject, case: Case, config: Any, label: str, stage: int) -> float:
    rng = subject.rng("settled", label, stage)
    chains = CHAINS << stage if case.exactness(config) == "exact" else SETTLING_CHAINS
    x = _started(case, chains, rng)
    return case.exact(config).fit(case.after(config, rng, x, _length(case, config, stage)), rng)


def _distances(subject: Subject, case: Case, config: Any, label: str) -> tuple[float, float]:
    rng, exact = subject.rng("distance", label), case.exact(config)
    x, found = _started(case, SETTLING_CHAINS, rng), []
    for _ in range(2):
        x = case.after(config, rng, x, _length(case, config, 1))
        found.append(exact.total_variation(x, rng))
    return found[0], found[1]


@check("family", "sampler", false_alarm=ALARM)
def rank_uniform(subject: Subject) -> Finding:
    """What claims to be reversible passes Gandy and Scott's rank test: an exact draw is put at a uniform place of a chain
    run both ways from it, and the rank of its energy, or of a coordinate, in that chain is uniform. Exact p-values."""
    tests: dict[str, Test] = {}
    for case, name, config in _claims(subject, "rank_uniform", "exact", "asymptotic", "biased"):
        if not reversible_of(case.record, config) or case.free is not None:
            continue
        if _missing(subject, case, config):
            continue
        tests[case.named(name)] = partial(_ranks, subject, case, config, case.named(name))
    if not tests:
        raise Skip("it does not claim to be reversible, or there is no exact answer")
    return _judge(confirm(tests), "ranks in a reversible chain are not uniform")


def _ranks(subject: Subject, case: Case, config: Any, label: str, stage: int) -> float:
    rng, exact, target = subject.rng("ranks", label, stage), case.exact(config), case.target(config)
    directions = np.random.default_rng(5).standard_normal((2, case.space.dim))
    orders = [target.energy, *(lambda x, d=d: x @ d for d in directions)]
    x = exact.draw(RANKED << stage, rng)
    return rank_test(lambda y, r: case.steps(config, r, y, RANK_STEPS), x, orders, rng)


@check("family", "sampler", false_alarm=ALARM)
def chains_independent(subject: Subject) -> Finding:
    """Chains that begin in one state go their own ways: no more equal or correlated between neighbours, halves, blocks of
    4,096, or first and last than in random order. What claims to be reversible says, too, that no two chains share a
    random number: two seeds then lead to one distribution. (Where chains share, say, which cell is next, each still
    keeps the target, and exact draws stay independent: that is allowed.) Exact p-values. Skipped where it descends."""
    tests: dict[str, Test] = {}
    for case in subject.cases:
        if case.exactness(case.config) not in ("exact", "asymptotic", "biased"):
            continue
        if not _noisy(subject, case):
            continue
        tests[case.label] = partial(_pairs, subject, case)
        if reversible_of(case.record, case.config):
            tests[f"{case.label} between two seeds".strip()] = partial(_seeds, subject, case)
        x = np.repeat(case.origin, 64, axis=0)
        states = case.after(case.config, subject.rng("alike"), x, 3)
        alike = len(np.unique(states, axis=0))
        require(alike > 1, f"{case.label} 64 chains from one state are still equal after 3 snapshots".strip())
    if not tests:
        raise Skip("it does not draw at random")
    return _judge(confirm(tests), "chains are not independent")


def _seeds(subject: Subject, case: Case, stage: int) -> float:
    n = CHAINS << stage
    x = np.repeat(case.origin, n, axis=0)
    a, b = (case.after(case.config, subject.rng("seeds", case.label, stage, i), x, 3) for i in range(2))
    return _alike(case, a, b, subject.rng("seeds", case.label, stage))


def _noisy(subject: Subject, case: Case) -> bool:
    """Whether two seeds lead to two places; only a kernel that claims to be exact has to."""
    if case.exactness(case.config) != "biased":
        return True
    x = case.start(64, subject.rng("noisy"))
    count = 1
    a, b = (case.stream(lasting(case.config, count), subject.rng("noisy", i), x.copy()) for i in range(2))
    return bool((next(iter(a)).value != next(iter(b)).value).any())


def _pairs(subject: Subject, case: Case, stage: int) -> float:
    rng = subject.rng("pairs", case.label, stage)
    x = case.after(case.config, rng, np.repeat(case.origin, SAME_START, axis=0), 3)
    free = slice(None) if case.free is None else case.free
    directions = np.random.default_rng(9).standard_normal((x.shape[1], 2))
    values = np.column_stack([x[:, free][:, 0], x @ directions])
    return pairing_test(values, (1, 2, 4096, SAME_START // 2), rng)


@check("family", "sampler", false_alarm=ALARM)
def every_is_steps(subject: Subject) -> Finding:
    """One snapshot of four steps (``every`` = 4) is distributed as the fourth snapshot of one step. Bit for bit in most
    kernels; otherwise two samples from one start are compared, with an exact p-value."""
    tests: dict[str, Test] = {}
    same = 0
    for case in subject.cases:
        if "every" not in type(case.config).model_fields or case.exactness(case.config) == "descent":
            continue
        if not _noisy(subject, case):
            continue
        x = case.start(20, subject.rng("every"))
        if np.array_equal(
            _blocked(case, subject.rng("one"), x), case.after(case.config, subject.rng("one"), x, 4)
        ):
            same += 1
            continue
        tests[case.label] = partial(_blocks, subject, case)
    if same and not tests:
        return Finding("bit for bit")
    if not tests:
        raise Skip("it has no every, or does not draw at random")
    return _judge(confirm(tests), "every = 4 is not four steps")


def _blocked(case: Case, rng: np.random.Generator, x: Array) -> Array:
    fields = type(case.config).model_fields
    config = changed(case.config, **({"steps": 4} if "steps" in fields else {}), every=4)
    return np.array(next(iter(case.stream(config, rng, x.copy()))).value, dtype=float)


def _blocks(subject: Subject, case: Case, stage: int) -> float:
    rng, n = subject.rng("blocks", case.label, stage), CHAINS << stage
    x = np.repeat(case.origin, n, axis=0)
    return _alike(case, _blocked(case, rng, x), case.after(case.config, rng, x, 4), rng)


def _alike(case: Case, a: Array, b: Array, rng: np.random.Generator) -> float:
    """Exact p-value of: two sets of states (n, dim) come from one distribution, each state by itself."""
    n = len(a)
    both = np.vstack([a, b])
    rows, index = np.unique(both.round(9), axis=0, return_inverse=True)
    index = index.ravel()
    scores = rows
    if len(rows) > 512:
        energy = case.target(case.config).energy
        free = slice(None) if case.free is None else case.free
        pool = both[np.lexsort(both.T)]  # cells must not depend on which sample a state is from
        pooled = drawn(lambda count, r: pool[r.integers(0, len(pool), count)], lambda y: energy(y[:, free]))
        index, scores = pooled.cell_of(both), pooled.scores
    counts = [np.bincount(part, minlength=len(scores)) for part in (index[:n], index[n:])]
    return two_sample_test(counts[0], counts[1], scores, rng)


@check("family", "sampler")
def bias_small(subject: Subject) -> Finding:
    """What claims to be biased at its defaults is still a sampler of this energy: exact draws, run through its config,
    end within 0.15 of the exact answer in total variation, less what chance makes of as many draws."""
    figures = []
    for case in subject.cases:
        if case.exactness(case.config) != "biased" or case.free is not None:
            continue
        exact, rng = case.exact(case.config), subject.rng("bias", case.label)
        config = (
            changed(case.config, every=10**9) if "every" in type(case.config).model_fields else case.config
        )
        stream = case.stream(config, rng, exact.draw(CHAINS, rng))
        last = None
        for last in islice(stream, length_of(config) or LONG):  # noqa: B007
            pass
        require(last is not None, "sampling ended without a snapshot")
        assert last is not None
        by_chance = exact.total_variation(exact.draw(CHAINS, rng), rng)
        distance = exact.total_variation(np.array(last.value, dtype=float), rng) - by_chance
        require(distance <= FAR, f"{case.label} its bias is {distance:.2f} in total variation".strip())
        figures.append(f"{distance:.3f}")
    if not figures:
        raise Skip("it does not claim to be biased at its defaults")
    return Finding("TV " + ", ".join(figures))


@check("family", "sampler")
def descent_never_rises(subject: Subject) -> Finding:
    """What claims to descend never raises the energy of any state from one snapshot to the next (to rounding), and
    lowers the mean."""
    figures = []
    for case in subject.cases:
        for name, config in variants(case.config).items():
            if case.exactness(config) != "descent":
                continue
            target = case.target(config)
            free = slice(None) if case.free is None else case.free
            x = case.start(200, subject.rng("descent"))
            energies = [target.energy(x[:, free])]
            stream = case.stream(lasting(config, 30), subject.rng("down", name), x.copy())
            for _, snapshot in zip(range(30), stream, strict=False):
                energies.append(target.energy(np.asarray(snapshot.value, dtype=float)[:, free]))
            path = np.stack(energies)
            rise = float(np.diff(path, axis=0).max(initial=0.0))
            slack = 1e-7 * max(1.0, float(np.abs(path).max()))
            require(rise <= slack, f"{case.named(name)} the energy of a state rises by {rise:.3g}".strip())
            require(
                path[-1].mean() < path[0].mean() + slack,
                f"{case.named(name)} the mean energy does not fall".strip(),
            )
            figures.append(f"{path[0].mean():.3g} → {path[-1].mean():.3g}")
    if not figures:
        raise Skip("it does not claim to descend")
    return Finding("mean energy " + ", ".join(figures))
