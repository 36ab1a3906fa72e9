r"""Hopfield networks: memories as the valleys of an energy, recalled by rolling downhill.

States are cells 0 or 1, spins s = 2x − 1. Three rules put P patterns ξ into pairwise weights, with the energy
:math:`E = -\tfrac12 s^\top W s + \theta\cdot s`; two dense rules keep the patterns and change the energy itself,
:math:`E = -N\sum_\mu F(\xi^\mu\cdot s/N) + \theta\cdot s` and
:math:`E = -\beta^{-1}\log\sum_\mu e^{\beta\xi^\mu\cdot s} + \theta\cdot s`. The exact forms, with what is rectified and
why, are in :mod:`ebm_plugins.memories`; the updates are in :mod:`ebm_plugins.recall`.

Sources: Hopfield (1982); Amit, Gutfreund, Sompolinsky (1985); Personnaz, Guyon, Dreyfus (1985); Storkey (1997);
Krotov, Hopfield (2016); Demircigil et al. (2017); Ramsauer et al. (2020).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ebm_plugins.blas import alone
from ebm_plugins.config import Config, Rows, knob
from ebm_plugins.families import hopfield_figures as figures
from ebm_plugins.families import hopfield_studies as studies
from ebm_plugins.families.hopfield_lessons import LESSONS
from ebm_plugins.families.hopfield_text import LEARN, LENS, PRESETS, SUMMARY, explain
from ebm_plugins.hookspecs import hookimpl
from ebm_plugins.memories import PAIRWISE, energy, frame, hebb, memorise, storkey
from ebm_plugins.recall import (
    Network,
    columns,
    energies,
    flip_by_flip,
    local_fields,
    network,
    states,
    sweep,
    sweeps,
    synchronous,
)
from ebm_plugins.records import Array, ConfigError, Data, Family, Params, Rng, Snapshot
from ebm_plugins.spaces import BinaryGrid
from ebm_plugins.specs import RunSpec

MAX_CELLS = 4096  # weights of this many cells take 128 MB
KEPT_WEIGHTS = 4_000_000  # numbers that the training snapshots of one run may hold
SHOWN_OVERLAPS = 8


class TrainConfig(Config):
    """What is stored, and by which rule."""

    rule: Literal["hebb", "storkey", "pseudo-inverse", "dense-polynomial", "dense-exponential"] = knob(
        "pseudo-inverse",
        "How patterns become an energy. Hebb adds up correlations; Storkey corrects each by what is already "
        "known; pseudo-inverse makes every pattern rest exactly; the dense rules bend the energy itself and "
        "hold many more patterns.",
    )
    patterns: Rows = knob(
        (), "Which data rows are stored. None chosen: the first ones, as many as Count says."
    )
    count: int = knob(10, "How many rows are stored when none is chosen.", ge=1, le=4096, unit="rows")
    order: int = knob(
        3,
        "Degree n of the dense polynomial: about N^(n−1) patterns fit. At 2 it is Hebb's rule.",
        ge=2,
        le=20,
    )
    sharpness: float = knob(
        1.0,
        "β of the dense exponential: how much more the nearest pattern counts than the others. Small values "
        "blend patterns into mixtures.",
        ge=0.01, le=10.0, log=True, more=True,
    )  # fmt: skip
    threshold: float = knob(
        0.0, "Added to what a cell needs to be on. Above 0 cells tend to be off.", ge=-4.0, le=4.0, more=True
    )


class SampleConfig(Config):
    """How a state is updated."""

    update: Literal["asynchronous", "synchronous", "stochastic"] = knob(
        "asynchronous",
        "One cell at a time, downhill; all cells at once, which can rise and end in a 2-cycle; or cell by cell "
        "at random by Glauber's rule, which samples exp(−E/T).",
    )
    temperature: float = knob(
        0.5,
        "T of the stochastic update, and of the exact answer it is compared with.",
        ge=0.01,
        le=20.0,
        log=True,
    )
    pace: Literal["flip", "sweep"] = knob(
        "flip",
        "What one step of the asynchronous update is: the next flip of every state, or one sweep over all "
        "cells. Both pass through the same states; sweeps are faster for many or large states. One step of "
        "the other updates visits every cell once.",
        more=True,
    )
    steps: int = knob(
        300,
        "Steps at most. The asynchronous update ends earlier, once all states rest.",
        ge=1,
        le=100_000,
        log=True,
    )
    every: int = knob(1, "Steps a snapshot.", ge=1, le=1000, more=True)


def train(data: Data, config: TrainConfig, rng: Rng) -> Iterator[Snapshot]:
    """Store the chosen rows: a snapshot a pattern for Hebb and Storkey (fewer where weights are large), else one.

    Raises ConfigError for rows that do not exist, data without rows, cells that are not 0 or 1, a single cell,
    and grids too large for weights.
    """
    patterns = 2.0 * _chosen(data, config) - 1.0
    if config.rule not in ("hebb", "storkey"):
        params = memorise(config.rule, patterns, config.order, config.sharpness, config.threshold)
        yield Snapshot(params, _stability(params))
        return
    learn = hebb if config.rule == "hebb" else storkey
    count, size = patterns.shape
    snapshots = max(1, min(count, KEPT_WEIGHTS // size**2))
    weights: Array | None = None
    for first, last in _parts(count, snapshots):
        weights = learn(patterns[first:last], weights)
        params = frame(config.rule, patterns[:last].copy(), config.threshold)
        params["weights"] = weights
        yield Snapshot(params, _stability(params))


def _chosen(data: Data, config: TrainConfig) -> Array:
    """The rows to store (P, N), or ConfigError."""
    if data.bare:
        name = f"‘{data.name}’" if data.name else "this dataset"
        raise ConfigError("patterns", "data with at least one row to store", f"a bare space: {name} has none")
    outside = [row for row in config.patterns if row >= len(data.x)]
    if outside:
        raise ConfigError("patterns", f"row numbers from 0 to {len(data.x) - 1}", outside[0])
    x = np.asarray(data.x, dtype=float)
    x = x[list(config.patterns)] if config.patterns else x[: config.count]
    odd = ~((x == 0) | (x == 1)).all(axis=1)
    if odd.any():
        row = int(np.argmax(odd))
        bad = x[row][~((x[row] == 0) | (x[row] == 1))][0]
        raise ConfigError(
            "patterns", "rows of cells that are 0 or 1", f"{bad:g} in row {row} of those chosen"
        )
    if x.shape[1] < 2:
        raise ConfigError(
            "patterns", "patterns of at least two cells, as a cell is recalled from others", "one cell"
        )
    if config.rule in PAIRWISE and x.shape[1] > MAX_CELLS:
        got = f"{x.shape[1]:,} cells: choose a dense rule, which needs no weights"
        raise ConfigError("rule", f"at most {MAX_CELLS:,} cells for pairwise weights", got)
    return x


def _parts(count: int, parts: int) -> Iterator[tuple[int, int]]:
    """``range(count)`` cut into nearly equal parts: (first, last + 1) of each."""
    edges = np.linspace(0, count, parts + 1).round().astype(int)
    yield from zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)


def _stability(params: Params) -> dict[str, float]:
    """How firmly the stored patterns rest: ``stability`` is the least s·h, ``resting`` how many have none below 0."""
    patterns = params["patterns"]
    aligned = patterns * local_fields(params, (patterns + 1) / 2)
    count, size = patterns.shape
    resting = (aligned > -1e-9).all(axis=1).sum()
    return {"stability": float(aligned.min()), "resting": float(resting), "load": count / size}


def sample(
    params: Params, config: SampleConfig, rng: Rng, x: Array, free: NDArray[np.bool_] | None = None
) -> Iterator[Snapshot]:
    """Update the states x (n, N); yields after every ``config.every`` steps, the last time after what is left
    of ``config.steps``.

    The asynchronous and the synchronous update end once nothing moves any more, with at least one snapshot.
    ``free`` (N,) says which cells may move. Metrics: mean ``energy``, ``flips`` a state since the last snapshot,
    ``overlap`` (the mean over states of the largest |overlap| with a pattern) and ``overlap_0`` to
    ``overlap_7``, the mean overlap with each of the first patterns.
    """
    net = network(params)
    s = columns(net, x)
    sites = np.arange(len(s)) if free is None else np.flatnonzero(free)
    moves = islice(_moves(net, s, sites, config, rng), config.steps)
    started = False
    while True:
        flips, steps = np.zeros(s.shape[1], dtype=np.int64), 0
        for flipped in islice(moves, config.every):
            flips, steps = flips + flipped, steps + 1
        if steps == 0 and started:
            return
        started = True
        value = states(s)
        yield Snapshot(value, _measured(params, net, s, value, flips))
        if steps < config.every:
            return


def _moves(net: Network, s: Array, sites: Array, config: SampleConfig, rng: Rng) -> Iterator[Array]:
    """The steps of an update, on s in place; each yields (n,) how many cells flipped."""
    if config.update == "asynchronous":
        return flip_by_flip(net, s, sites, rng) if config.pace == "flip" else sweeps(net, s, sites, rng)
    if config.update == "synchronous":
        return _synchronous(net, s, sites)
    return _glauber(net, s, sites, config.temperature, rng)


def _synchronous(net: Network, s: Array, sites: Array) -> Iterator[Array]:
    while True:
        new = synchronous(net, s, sites)
        moved = (new != s).sum(axis=0)
        if not moved.any():
            return
        s[:] = new
        yield moved


def _glauber(net: Network, s: Array, sites: Array, temperature: float, rng: Rng) -> Iterator[Array]:
    while True:
        with alone():
            flips = sweep(net, s, rng.permutation(sites), temperature, rng)
        yield flips


def _measured(params: Params, net: Network, s: Array, value: Array, flips: Array) -> dict[str, float]:
    overlaps = net.patterns @ s / len(s)
    found_energies = energy(params, value) if net.weights is None else energies(net, s)
    found = {
        "energy": float(found_energies.mean()),
        "flips": float(flips.mean()),
        "overlap": float(np.abs(overlaps).max(axis=0).mean()),
    }
    for k, overlap in enumerate(overlaps[:SHOWN_OVERLAPS]):
        found[f"overlap_{k}"] = float(overlap.mean())
    return found


def exactness(config: SampleConfig) -> str:
    """Asynchronous updates descend, Glauber's are exact in the limit, synchronous ones may even climb."""
    return {"asynchronous": "descent", "synchronous": "biased", "stochastic": "asymptotic"}[config.update]


FAMILY = Family(
    key="hopfield",
    title="Hopfield network",
    summary=SUMMARY,
    accepts=(BinaryGrid,),
    energy=energy,
    train=train,
    sample=sample,
    train_config=TrainConfig,
    sample_config=SampleConfig,
    exactness=exactness,
    clamps=True,
    lens=LENS,
    presets=PRESETS,
    example=RunSpec(
        family="hopfield",
        dataset="bars-and-stripes-3x3",
        train={"rule": "hebb", "patterns": (1, 4)},
        sample={"update": "stochastic", "temperature": 1.0, "steps": 40},
        seed=1,
    ),
    figures={
        "Weights": figures.weights,
        "Stored patterns": figures.stored_patterns,
        "Overlap with each pattern": figures.overlaps,
        "Energy": figures.energies,
        "Is each stored pattern a resting state?": figures.resting_states,
        "Where random starts end": figures.random_ends,
    },
    studies={
        "Capacity": (studies.CapacityConfig, studies.capacity),
        "Basin size": (studies.BasinConfig, studies.basins),
        "How often does recall succeed?": (studies.SuccessConfig, studies.success),
    },
    learn=LEARN,
    lessons=LESSONS,
    explain=explain,
)


@hookimpl
def register_families() -> Iterator[Family]:
    """The Hopfield family."""
    yield FAMILY


__all__ = ["FAMILY", "SampleConfig", "TrainConfig", "energy", "register_families", "sample", "train"]
