"""The kit can fail: bugs planted one at a time in correct samplers and in how a correct family samples, each caught by
the check that should. Those in energies, training and records are in test_planted_bugs_in_models.py.

Seeds are fixed: a bug is caught or it is not.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from ebm_plugins import BinaryGrid, Config, Family, NoConfig, Plane, Sampler, Snapshot, knob
from ebm_plugins.chains import counts
from ebm_plugins.samplers import gibbs, mala, metropolis, ula
from ebm_plugins.testing import check_all, summary


class Walk(Config):
    """Length, size and temperature of the kernels below."""

    step_size: float = knob(0.3, "η of a step.", ge=0.001, le=2.0, log=True)
    steps: int = knob(60, "How many steps.", ge=1, le=10_000)
    temperature: float = knob(1.0, "The T of exp(−E/T).", ge=0.1, le=10.0, log=True)
    every: int = knob(1, "How many steps make a snapshot.", ge=1, le=1_000)


def stream(step: Callable[..., Any], start_first: bool = False, every: bool = True) -> Callable[..., Any]:
    """A sampler's ``sample`` around ``step(target, config, rng, x)``."""

    def sample(target: Any, config: Any, rng: Any, x: Any) -> Iterator[Snapshot]:
        done = 0
        if start_first:
            yield Snapshot(x.copy())
        while done < config.steps:
            count = min(config.every, config.steps - done)
            for _ in range(count if every else 1):
                x = step(target, config, rng, x)
            done += count
            yield Snapshot(x, {"half": 0.5})

    return sample


def accepted(target: Any, rng: Any, x: Any, proposal: Any, log_q: Any = 0.0) -> Any:
    ratio = target.energy(x) - target.energy(proposal) + log_q
    return np.where((np.log(rng.random(len(x))) < ratio)[:, None], proposal, x)


def random_walk(target: Any, config: Any, rng: Any, x: Any) -> Any:
    """The correct one: Metropolis with a symmetric proposal."""
    return accepted(target, rng, x, x + config.step_size**0.5 * rng.standard_normal(x.shape))


def langevin(
    target: Any, config: Any, rng: Any, x: Any, noise: float = 2.0, old: bool = False, half: float = 1.0
) -> Any:
    """The correct one, but for its options: MALA."""
    eta, slope = config.step_size, target.gradient(x)
    proposal = x - eta * slope + math.sqrt(noise * eta) * rng.standard_normal(x.shape)
    there = slope if old else target.gradient(proposal)
    log_q = ((proposal - x + eta * slope) ** 2 - (x - proposal + eta * there) ** 2).sum(axis=1) / (4 * eta)
    return accepted(target, rng, x, proposal, half * log_q)


def unadjusted(target: Any, config: Any, rng: Any, x: Any, noise: float = 2.0) -> Any:
    return (
        x
        - config.step_size * target.gradient(x)
        + math.sqrt(noise * config.step_size) * rng.standard_normal(x.shape)
    )


def walker(step: Any = random_walk, **changes: Any) -> Sampler:
    made = Sampler(
        key="planted", title="Planted", summary="A kernel.", accepts=(Plane,), config=Walk, sample=stream(step), reversible=True,
    )  # fmt: skip
    return replace(made, **changes)


def greedy(target: Any, config: Any, rng: Any, x: Any) -> Any:
    proposal = x + config.step_size**0.5 * rng.standard_normal(x.shape)
    return np.where((target.energy(proposal) < target.energy(x))[:, None], proposal, x)


def lopsided(target: Any, config: Any, rng: Any, x: Any) -> Any:
    """Uniform on [0, 1) less 0.45: not quite symmetric."""
    return accepted(target, rng, x, x + 2 * config.step_size**0.5 * (rng.random(x.shape) - 0.45))


def one_normal(target: Any, config: Any, rng: Any, x: Any) -> Any:
    """Langevin whose coordinates share their noise, with a test that does not know it."""
    eta, slope = config.step_size, target.gradient(x)
    proposal = x - eta * slope + math.sqrt(2 * eta) * rng.standard_normal((len(x), 1))
    there = target.gradient(proposal)
    log_q = ((proposal - x + eta * slope) ** 2 - (x - proposal + eta * there) ** 2).sum(axis=1) / (4 * eta)
    return accepted(target, rng, x, proposal, log_q)


def heated_twice(target: Any, config: Any, rng: Any, x: Any) -> Any:
    """The target is E/T already."""
    proposal = x + config.step_size**0.5 * rng.standard_normal(x.shape)
    ratio = (target.energy(x) - target.energy(proposal)) / config.temperature
    return np.where((np.log(rng.random(len(x))) < ratio)[:, None], proposal, x)


def leapfrogs(target: Any, config: Any, rng: Any, x: Any, last: float = 0.5) -> Any:
    """HMC of three leapfrogs; correct where the last kick is a half one."""
    eps, p = config.step_size, rng.standard_normal(x.shape)
    before = target.energy(x) + 0.5 * (p * p).sum(axis=1)
    y, p = x, p - 0.5 * eps * target.gradient(x)
    for i in range(3):
        y = y + eps * p
        p = p - (eps if i < 2 else last * eps) * target.gradient(y)
    ratio = before - target.energy(y) - 0.5 * (p * p).sum(axis=1)
    return np.where((np.log(rng.random(len(x))) < ratio)[:, None], y, x)


def same_for_all(target: Any, config: Any, rng: Any, x: Any) -> Any:
    """The same seed for every chain."""
    seed = int(rng.integers(2**31))
    return np.vstack([random_walk(target, config, np.random.default_rng(seed), row[None]) for row in x])


def same_proposals(target: Any, config: Any, rng: Any, x: Any) -> Any:
    """One normal for all chains, each of which accepts by itself: they are alike, yet no two are equal for long."""
    return accepted(target, rng, x, x + config.step_size**0.5 * rng.standard_normal((1, x.shape[1])))


def same_for_halves(target: Any, config: Any, rng: Any, x: Any) -> Any:
    """Two workers that were given one seed."""
    seed, half = int(rng.integers(2**31)), (len(x) + 1) // 2
    return np.vstack(
        [random_walk(target, config, np.random.default_rng(seed), part) for part in (x[:half], x[half:])]
    )


def same_for_tiles(target: Any, config: Any, rng: Any, x: Any) -> Any:
    seed = int(rng.integers(2**31))
    parts = [x[i : i + 4096] for i in range(0, len(x), 4096)]
    return np.vstack([random_walk(target, config, np.random.default_rng(seed), part) for part in parts])


def reused_noise(target: Any, config: Any, rng: Any, x: Any) -> Iterator[Snapshot]:
    """Normals drawn once and used at each step."""
    noise = rng.standard_normal(x.shape)
    for _ in range(config.steps // config.every):
        for _ in range(config.every):
            x = accepted(target, rng, x, x + config.step_size**0.5 * noise)
        yield Snapshot(x)


def stale_energy(target: Any, config: Any, rng: Any, x: Any) -> Iterator[Snapshot]:
    """The energy is not brought up to date when a proposal is accepted."""
    energy = target.energy(x)
    for _ in range(config.steps // config.every):
        for _ in range(config.every):
            proposal = x + config.step_size**0.5 * rng.standard_normal(x.shape)
            taken = np.log(rng.random(len(x))) < energy - target.energy(proposal)
            x = np.where(taken[:, None], proposal, x)
        yield Snapshot(x)


def in_place(target: Any, config: Any, rng: Any, x: Any) -> Iterator[Snapshot]:
    for _ in range(config.steps):
        x[:] = random_walk(target, config, rng, x)
        yield Snapshot(x.copy())


def one_buffer(target: Any, config: Any, rng: Any, x: Any) -> Iterator[Snapshot]:
    x = x.copy()
    for _ in range(config.steps):
        x[:] = random_walk(target, config, rng, x)
        yield Snapshot(x)


def deaf(target: Any, config: Any, rng: Any, x: Any) -> Iterator[Snapshot]:
    """Swallows being closed."""
    while True:
        try:
            x = random_walk(target, config, rng, x)
            yield Snapshot(x)
        except GeneratorExit:
            continue


def own_seed(seed: Any) -> Callable[..., Any]:
    def sample(target: Any, config: Any, rng: Any, x: Any) -> Iterator[Snapshot]:
        yield from stream(random_walk)(target, config, np.random.default_rng(seed), x)

    return sample


def global_random(target: Any, config: Any, rng: Any, x: Any) -> Any:
    noise = np.random.standard_normal(x.shape)  # noqa: NPY002
    return accepted(target, rng, x, x + config.step_size**0.5 * noise)


def too_eager(target: Any, config: Any, rng: Any, x: Any) -> Iterator[Snapshot]:
    for snapshot in stream(random_walk)(target, config, rng, x):
        yield Snapshot(snapshot.value, {"acceptance": 1.2})


PLANE: dict[str, tuple[str, Sampler]] = {
    "no Hastings correction": ("no_drift", replace(metropolis.SAMPLER, exactness="asymptotic", reversible=False,
        sample=lambda t, c, r, x: metropolis.sample(t, c.model_copy(update={"correction": False}), r, x))),
    "no Hastings correction, by its ranks": ("rank_uniform", walker(lambda t, c, r, x: langevin(t, c, r, x, half=0.0))),
    "half of the Hastings correction": ("no_drift", walker(lambda t, c, r, x: langevin(t, c, r, x, half=0.5))),
    "√η for √(2η), adjusted": ("no_drift", walker(lambda t, c, r, x: langevin(t, c, r, x, noise=1.0))),
    "√η for √(2η), not adjusted": ("bias_small", replace(ula.SAMPLER, sample=stream(
        lambda t, c, r, x: x - c.step_size * t.gradient(x) + c.step_size**0.5 * r.standard_normal(x.shape)))),
    "the way back with the old slope": ("no_drift", walker(lambda t, c, r, x: langevin(t, c, r, x, old=True))),
    "claims to be exact in the limit, and is not": ("no_drift", replace(ula.SAMPLER, exactness="asymptotic")),
    "accepts by E′ < E": ("no_drift", walker(greedy)),
    "a proposal that leans": ("no_drift", walker(lopsided)),
    "one normal for all coordinates": ("sampled_is_exact", walker(one_normal)),
    "temperature twice": ("no_drift", walker(heated_twice)),
    "the last kick is whole": ("no_drift", walker(lambda t, c, r, x: leapfrogs(t, c, r, x, last=1.0))),
    "not adjusted, and claims to be reversible": (
        "rank_uniform",
        walker(unadjusted, exactness="biased"),
    ),
    "the same seed for every chain": ("chains_independent", walker(same_for_all)),
    "the same proposals for every chain": ("no_drift", walker(same_proposals)),
    "the same seed for both halves": ("chains_independent", walker(same_for_halves)),
    "the same seed for every tile": ("chains_independent", walker(same_for_tiles)),
    "noise used again at every step": ("no_drift", walker(sample=reused_noise)),
    "an energy that is not brought up to date": ("no_drift", walker(sample=stale_energy)),
    "it never moves": ("sampled_is_exact", walker(lambda t, c, r, x: x.copy(), reversible=False)),
    "it only moves along one axis": ("sampled_is_exact", walker(lambda t, c, r, x: accepted(
        t, r, x, x + c.step_size**0.5 * r.standard_normal(x.shape) * np.array([1.0, 0.0])))),
    "every is ignored": ("every_is_steps", walker(sample=stream(random_walk, every=False))),
    "it yields its start": ("sample_counts_steps", walker(sample=stream(random_walk, start_first=True))),
    "it edits its start": ("sample_snapshots_kept", walker(sample=in_place)),
    "it yields one buffer": ("sample_snapshots_kept", walker(sample=one_buffer)),
    "it cannot be closed": ("sample_stops", walker(sample=deaf)),
    "a seed of its own": ("sample_repeatable", walker(sample=own_seed(0))),
    "no seed": ("sample_repeatable", walker(sample=own_seed(None))),
    "NumPy's global numbers": ("sample_repeatable", walker(global_random)),
    "an acceptance above one": ("sample_snapshots", walker(sample=too_eager)),
    "single states are flattened": ("sample_snapshots", walker(lambda t, c, r, x: random_walk(t, c, r, x).squeeze())),
    "claims to descend, and samples": ("descent_never_rises", walker(exactness="descent", reversible=False)),
}  # fmt: skip


# --- On a grid: a family whose own Glauber updates are correct ------------------------------------------------


class Glauber(Config):
    update: Literal["glauber", "quench"] = knob("glauber", "At random by Glauber's rule, or always downhill.")
    steps: int = knob(40, "How many sweeps.", ge=1, le=10_000)
    temperature: float = knob(2.0, "The T of exp(−E/T).", ge=0.1, le=10.0, log=True)
    every: int = knob(1, "How many sweeps make a snapshot.", ge=1, le=1_000)


def torus(data: Any, config: Any, rng: Any) -> Iterator[Snapshot]:
    """Couplings of a 3 × 3 torus, and a field."""
    cells = np.eye(data.space.dim).reshape(-1, data.space.rows, data.space.cols)
    near = sum(np.roll(cells, shift, axis) for axis in (1, 2) for shift in (1, -1)).reshape(len(cells), -1)
    np.fill_diagonal(near, 0)
    yield Snapshot({"couplings": near, "fields": np.linspace(-0.3, 0.5, len(near))})


def spins_energy(params: Any, x: Any) -> Any:
    s = 2.0 * x - 1.0
    return -0.5 * ((s @ params["couplings"]) * s).sum(axis=1) - s @ params["fields"]


def sweeps(order: Any = None, factor: float = 2.0, stale: bool = False, mask_late: bool = False, ties: bool = False,
           hot: float | None = None, spins: bool = False, all_at_once: bool = False) -> Any:  # fmt: skip
    """``sample`` of the family: correct without options, each of which is a bug."""

    def sample(params: Any, config: Any, rng: Any, x: Any, free: Any = None) -> Iterator[Snapshot]:
        dim, given = x.shape[1], x.copy()
        x = x.copy()
        heat = hot if hot is not None else config.temperature
        for count in counts(config.steps, config.every):
            for _ in range(count):
                old = x.copy()
                groups = order(dim) if order else [[i] for i in range(dim)]
                for group in groups:
                    seen = old if stale else x
                    group = [i for i in group if free is None or mask_late or free[i]]
                    field = ((2 * seen - 1) @ params["couplings"] + params["fields"])[:, group]
                    if config.update == "quench":
                        x[:, group] = (
                            (field > 0)
                            if not all_at_once
                            else ((2 * old - 1) @ params["couplings"] + params["fields"])[:, group] > 0
                        )
                    else:
                        x[:, group] = rng.random(field.shape) < 1 / (1 + np.exp(-factor * field / heat))
                if free is not None:
                    x = np.where(free, x, given) if not spins else x
            yield Snapshot(2 * x - 1 if spins else x.copy())

    return sample


def grid(sample: Any = None, **changes: Any) -> Family:
    made = Family(
        key="planted-grid", title="Planted", summary="Spins.", accepts=(BinaryGrid,), energy=spins_energy, train=torus,
        sample=sample or sweeps(), train_config=NoConfig, sample_config=Glauber, learns=lambda config: False, clamps=True,
        exactness=lambda config: "asymptotic" if config.update == "glauber" else "descent",
    )  # fmt: skip
    from ebm_plugins import RunSpec

    return replace(made, **{"example": RunSpec(family=made.key, dataset="bars-and-stripes-3x3"), **changes})


def chequerboard(dim: int) -> Any:
    side = round(dim**0.5)
    colour = np.add.outer(np.arange(side), np.arange(side)).ravel() % 2
    return [list(np.flatnonzero(colour == c)) for c in (0, 1)]


def moves_clamped(params: Any, config: Any, rng: Any, x: Any, free: Any = None) -> Iterator[Snapshot]:
    yield from sweeps()(params, config, rng, x)


def quits_early(params: Any, config: Any, rng: Any, x: Any, free: Any = None) -> Iterator[Snapshot]:
    short = config.model_copy(update={"steps": max(1, config.steps - config.every)})
    yield from sweeps()(params, short, rng, x, free)


GRID: dict[str, tuple[str, Family]] = {
    "a chequerboard on an odd torus": ("no_drift", grid(sweeps(order=chequerboard), clamps=False)),
    "cells updated from a stale state": ("no_drift", grid(sweeps(stale=True), clamps=False)),
    "σ(h) for σ(2h)": ("no_drift", grid(sweeps(factor=1.0))),
    "a temperature that is ignored": ("no_drift", grid(sweeps(hot=2.0))),
    "5 % too hot": ("no_drift", grid(sweeps(factor=1.9))),
    "the last cell is never visited": ("sampled_is_exact", grid(sweeps(order=lambda d: [[i] for i in range(d - 1)]))),
    "clamped cells are moved and put back": ("no_drift", grid(sweeps(mask_late=True))),
    "clamped cells are moved": ("sample_snapshots", grid(moves_clamped)),
    "spins for cells": ("sample_snapshots", grid(sweeps(spins=True))),
    "a quench of all cells at once": ("descent_never_rises", grid(sweeps(stale=True, all_at_once=True))),
    "a snapshot too few": ("sample_counts_steps", grid(quits_early)),
    "a Markov chain that claims to be exact": ("sampled_is_exact", grid(exactness="exact")),
}  # fmt: skip

BUGS: dict[str, tuple[str, Any]] = {
    **PLANE,
    **GRID,
    "Gibbs that never visits the first cell": ("sampled_is_exact", replace(gibbs.SAMPLER, sample=lambda t, c, r, x: (
        Snapshot(np.hstack([x[:, :1], s.value[:, 1:]])) for s in gibbs.sample(
            dataclasses.replace(t, energy=lambda y: t.energy(np.hstack([x[:, :1], y[:, 1:]])), chainwise=True), c, r, x)))),
}  # fmt: skip


@pytest.mark.parametrize("name", list(BUGS))
def test_each_bug_is_caught_by_the_check_that_should(name: str, ebm_registry: Any) -> None:
    check, record = BUGS[name]
    (result,) = check_all(record, ebm_registry, seed=11, names=[check])
    assert result.outcome == "fail", (
        f"{name}: {check} says {result.outcome}: {result.figure} {result.message}"
    )
    assert not result.message.startswith("it raised"), result.message


@pytest.mark.parametrize("record", [walker(), walker(langevin), walker(leapfrogs), grid(), mala.SAMPLER],
                         ids=["walk", "langevin", "leapfrogs", "grid", "mala"])  # fmt: skip
def test_the_same_without_a_bug_passes_everything(record: Any, ebm_registry: Any) -> None:
    """False alarm under 1e-5 each, and the seed is fixed."""
    results = check_all(record, ebm_registry, seed=11)
    assert [r for r in results if r.outcome == "fail"] == []
    assert summary(results).passed >= 15


def test_the_count_is_the_one_that_is_told() -> None:
    told = Path(__file__).parents[1] / "docs" / "conformance.md"
    assert f"`tests/{Path(__file__).name}` plants {len(BUGS)}" in told.read_text(encoding="utf-8")
