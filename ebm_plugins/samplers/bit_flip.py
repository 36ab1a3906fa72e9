r"""Metropolis on a grid: propose to flip a cell chosen at random, accept with probability $\min\{1, e^{E - E'}\}$.

A step is a sweep: as many proposals as there are cells. One proposal in d + 1 proposes nothing: without that, a
flat energy would accept every flip and a chain would be back at the same parity after every two, for ever.

Sources: Metropolis, Rosenbluth, Rosenbluth, Teller, Teller 1953; Newman, Barkema 1999.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from ebm_plugins import config as configs
from ebm_plugins.chains import advance, blocks, counts, join, known, split
from ebm_plugins.config import knob
from ebm_plugins.hookspecs import hookimpl
from ebm_plugins.noise import Array, Noise
from ebm_plugins.records import Rng, Sampler, Snapshot, Target
from ebm_plugins.spaces import BinaryGrid


class Config(configs.Config):
    """How many cells are flipped at once, length and temperature of Metropolis on a grid."""

    flips: int = knob(
        1,
        "Cells that one proposal flips together. More jump further and are refused more often.",
        ge=1,
        le=64,
    )
    steps: int = knob(
        200, "Sweeps in all; each is as many proposals as there are cells.", ge=1, le=100_000, log=True
    )
    temperature: float = knob(1.0, "Temperature T: the target is exp(−E/T).", ge=0.05, le=20.0, log=True)
    every: int = knob(1, "Sweeps between two snapshots.", ge=1, le=1000, log=True, more=True)


class State(NamedTuple):
    """One block: its chains (m, dim), their energy (m,), how many flips were proposed and accepted so far, and what
    was offered last (m, dim), None before the first sweep."""

    x: Array
    energy: Array
    proposed: int
    accepted: int
    offered: Array | None = None


def flip(x: Array, noise: Noise, flips: int) -> tuple[Array, Array]:
    """Candidates (m, dim) with ``flips`` different cells chosen among the cells and one more that is none, and
    whether anything was flipped (m,). Draws uniforms (m,) for one flip, normals (m, dim + 1) for more."""
    m, dim = x.shape
    candidate = x.copy()
    if flips == 1:
        site = (noise.uniform(m) * (dim + 1)).astype(np.int64)
        rows = np.flatnonzero(site < dim)
        candidate[rows, site[rows]] = 1.0 - candidate[rows, site[rows]]
        return candidate, site < dim
    order = noise.normal(np.empty((m, dim + 1))).argpartition(min(flips, dim), axis=1)[:, : min(flips, dim)]
    chosen = np.zeros((m, dim + 1), dtype=bool)
    np.put_along_axis(chosen, order, True, axis=1)
    candidate[chosen[:, :dim]] = 1.0 - candidate[chosen[:, :dim]]
    return candidate, np.asarray(chosen[:, :dim].any(axis=1))


def step(target: Target, state: State, noise: Noise, flips: int, heat: float = 1.0) -> State:
    """A sweep on exp(−energy/heat). Each proposal draws its cells, then uniforms (m,)."""
    x, energy, proposed, accepted, candidate = state
    for _ in range(x.shape[1]):
        candidate, moves = flip(x, noise, flips)
        new = target.energy(candidate)
        taken = np.log(noise.uniform(len(x))) * heat < energy - new
        x, energy = np.where(taken[:, None], candidate, x), np.where(taken, new, energy)
        proposed += int(np.count_nonzero(moves))
        accepted += int(np.count_nonzero(taken & moves))
    return State(x, energy, proposed, accepted, candidate)


def sample(target: Target, config: Config, rng: Rng, x: Array) -> Iterator[Snapshot]:
    """States after every ``config.every`` sweeps from ``x`` (n, dim). Metrics: ``acceptance`` of the flips."""
    parts = blocks(target, rng, len(x))
    states = [State(part, energy, 0, 0) for part, energy in known(target, split(x, parts))]
    for count in counts(config.steps, config.every):
        before = totals(states)
        states = advance(parts, states, lambda state, noise: step(target, state, noise, config.flips), count)
        proposed, accepted = totals(states) - before
        yield Snapshot(join(states, x), {"acceptance": float(accepted / max(1, proposed))}, offered(states))


def offered(states: Iterable[State]) -> Array | None:
    """What all chains (n, dim) were offered last; None before the first sweep."""
    last = [state.offered for state in states]
    return None if any(one is None for one in last) else np.concatenate(last)  # type: ignore[arg-type]


def totals(states: Iterable[State]) -> Array:
    """(2,) flips proposed and accepted so far, over all blocks."""
    return np.array([[state.proposed, state.accepted] for state in states]).sum(axis=0)


SAMPLER = Sampler(
    key="bit-flip",
    title="Metropolis, by flips",
    summary="Propose to flip a cell, accept it by its energy or leave it.",
    accepts=(BinaryGrid,),
    config=Config,
    sample=sample,
    reversible=True,
)


@hookimpl
def register_samplers() -> Iterable[Sampler]:
    yield SAMPLER
