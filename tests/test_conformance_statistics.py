"""The statistical checks raise no false alarm: their p-values are uniform, so the 1e-6 that they state is what it is.

The long form (EBM_SLOW=1) is 2,000 runs of each on tiny targets; what it found is in docs/conformance.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ebm_plugins import BinaryGrid, Config, Family, NoConfig, Plane, RunSpec, Snapshot, knob, starts
from ebm_plugins.samplers import gibbs, mala
from ebm_plugins.testing import CHECKS, Subject, checks_statistics
from ebm_plugins.testing import statistics as tests_of
from ebm_plugins.testing.running import one_check

RUNS = 2_000 if os.environ.get("EBM_SLOW") else 30
ALARM = 1e-6  # of each test of uniformity here


class Short(Config):
    steps: int = knob(10, "How many.", ge=1, le=10_000)
    every: int = knob(1, "How many a snapshot.", ge=1, le=100)


def spins(params: Any, x: Any) -> Any:
    s = 2.0 * x - 1.0
    return -s @ params["fields"] - 0.7 * s[:, 0] * s[:, 1]


def fixed(data: Any, config: Any, rng: Any) -> Iterator[Snapshot]:
    yield Snapshot({"fields": np.array([0.4, -0.2, 0.1, 0.6])})


def blocks(params: Any, config: Any, rng: Any, x: Any) -> Iterator[Snapshot]:
    """One cell at random, redrawn; a snapshot's numbers are drawn at once, so ``every`` changes the stream's bits."""
    done, rows = 0, np.arange(len(x))
    x = x.copy()
    while done < config.steps:
        count = min(config.every, config.steps - done)
        sites, coins = rng.integers(0, x.shape[1], (count, len(x))), rng.random((count, len(x)))
        for site, coin in zip(sites, coins, strict=True):
            on, off = x.copy(), x.copy()
            on[rows, site], off[rows, site] = 1.0, 0.0
            x[rows, site] = coin < 1 / (1 + np.exp(spins(params, on) - spins(params, off)))
        done += count
        yield Snapshot(x.copy())


GRID = Family(
    key="tiny-grid", title="Tiny", summary="Four cells.", accepts=(BinaryGrid,), energy=spins, train=fixed, sample=blocks,
    train_config=NoConfig, sample_config=Short, learns=lambda config: False, reversible=True,
    example=RunSpec(family="tiny-grid", dataset="bars-and-stripes-2x2", start=starts.Noise(50)),
)  # fmt: skip


def normal(params: Any, config: Any, rng: Any, x: Any) -> Iterator[Snapshot]:
    for done in range(0, config.steps, config.every):
        count = min(config.every, config.steps - done)
        yield Snapshot(rng.standard_normal((count, *x.shape))[-1])


PLANE = Family(
    key="tiny-plane", title="Tiny", summary="A Gaussian.", accepts=(Plane,), sample=normal, exactness="exact",
    energy=lambda params, x: 0.5 * (x * x).sum(axis=1), gradient=lambda params, x: 1.0 * x, train_config=NoConfig,
    train=lambda data, config, rng: iter([Snapshot({"none": np.zeros(1)})]), sample_config=Short, reversible=True,
    learns=lambda config: False, example=RunSpec(family="tiny-plane", dataset="plane", start=starts.Noise(50)),
)  # fmt: skip
NAMES = ("no_drift", "sampled_is_exact", "rank_uniform", "chains_independent", "every_is_steps")


@pytest.mark.parametrize("check", NAMES)
@pytest.mark.parametrize("record", [GRID, PLANE, mala.SAMPLER, gibbs.SAMPLER], ids=lambda r: r.key)
def test_p_values_are_uniform(
    record: Any, check: str, ebm_registry: Any, monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    """Kolmogorov-Smirnov at 1e-6. The numbers of chains are small: exact p-values are uniform at any."""
    for name, value in {
        "CHAINS": 150,
        "SETTLING_CHAINS": 150,
        "RANKED": 150,
        "SAME_START": 300,
        "SETTLING": 60,
    }.items():
        monkeypatch.setattr(checks_statistics, name, value)
    if record is mala.SAMPLER:
        record = replace(record, accepts=(Plane,))  # one space, for time
        if check == "sampled_is_exact":
            pytest.skip("uniform only in the limit of many steps")
    if record is gibbs.SAMPLER and check == "every_is_steps":
        pytest.skip("bit for bit")
    subject, found = Subject(record, ebm_registry), []
    for seed in range(RUNS):
        subject.seed = seed  # what was made once of the record stays: the exact answer and its cells
        found.append(one_check(CHECKS[check], subject))
    if any(r.figure == "bit for bit" for r in found) or {r.outcome for r in found} == {"skip"}:
        pytest.skip(found[0].figure or found[0].message)
    assert {r.outcome for r in found} == {"pass"}
    p = np.array([r.p for r in found])
    fit = stats.kstest(p, "uniform").pvalue
    record_property(
        "uniform",
        f"{record.key} {check}: n {len(p)} KS {fit:.3f} least {p.min():.2g} below 1 % {(p < 0.01).sum()}",
    )
    print(f"\n{record.key} {check}: n {len(p)} KS {fit:.3f} least {p.min():.2g} below 1 % {(p < 0.01).sum()}")
    assert fit > ALARM


def test_the_monte_carlo_p_value_is_uniform_and_sees_a_shift() -> None:
    """Of 20 numbers' mean and spread among 99 replicates, 2,000 times. False alarm 1e-6."""
    rng = np.random.default_rng(0)

    def statistics(x: Any) -> Any:
        return np.stack([np.abs(x.mean(axis=-1)), x.std(axis=-1)], axis=-1)

    p = [
        tests_of.p_value(statistics(rng.random(20)), statistics(rng.random((99, 20))), rng)
        for _ in range(2000)
    ]
    assert stats.kstest(p, "uniform").pvalue > ALARM
    shifted = tests_of.p_value(statistics(2 + rng.random(20)), statistics(rng.random((99, 20))), rng)
    assert shifted <= 0.01


def test_confirm_needs_every_stage() -> None:
    asked: list[int] = []

    def once(stage: int) -> float:
        asked.append(stage)
        return 0.0001 if stage < 2 else 0.5

    evidence = tests_of.confirm({"once": once, "never": lambda stage: 0.4})
    assert asked == [0, 1, 2]
    assert evidence.against == {}
    assert evidence.p == pytest.approx(1 - (1 - 0.0001) ** 2)
    always = tests_of.confirm({"always": lambda stage: 0.001})
    assert always.against == {"always": (0.001,) * 3}


def test_confirm_states_its_false_alarm() -> None:
    """Uniform p-values, at an alarm of 1 in 50 so that it can be counted: 20,000 runs of three tests. The bound for a
    binomial with p = 0.02 at 1e-6 is 400 + 4.8 · 19.8."""
    rng = np.random.default_rng(1)
    tests = {name: (lambda stage: float(rng.random())) for name in "abc"}
    alarms = sum(bool(tests_of.confirm(tests, alarm=0.02).against) for _ in range(20_000))
    assert alarms <= 400 + 4.8 * 19.8
    assert alarms >= 300
