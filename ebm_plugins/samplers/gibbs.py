r"""Gibbs by bit: redraw one cell at a time from its probability given all the others.

$$p(x_i = 1 \mid x_{-i}) = \sigma\big(E(x_i = 0) - E(x_i = 1)\big)$$

needs one more energy a cell and works for any energy on a grid. Each cell sees the ones redrawn before it: cells
redrawn all at once from the same old state would sample something else. A step is a sweep over all cells.

Sources: Glauber 1963; Geman, Geman, Stochastic relaxation, Gibbs distributions, and the Bayesian restoration of
images, 1984.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import numpy as np

from ebm_plugins import config as configs
from ebm_plugins.chains import advance, blocks, counts, join, known, split
from ebm_plugins.config import knob
from ebm_plugins.hookspecs import hookimpl
from ebm_plugins.noise import Array, Noise
from ebm_plugins.records import Rng, Sampler, Snapshot, Target
from ebm_plugins.spaces import BinaryGrid


class Config(configs.Config):
    """Order of visits, length and temperature of Gibbs sampling."""

    order: Literal["in-turn", "random"] = knob(
        "in-turn", "Whether a sweep visits every cell once, row by row, or as many cells drawn at random."
    )
    steps: int = knob(200, "Sweeps in all.", ge=1, le=100_000, log=True)
    temperature: float = knob(1.0, "Temperature T: the target is exp(−E/T).", ge=0.05, le=20.0, log=True)
    every: int = knob(1, "Sweeps between two snapshots.", ge=1, le=1000, log=True, more=True)


class State(NamedTuple):
    """One block: its chains (m, dim), their energy (m,), and how many cells changed so far."""

    x: Array
    energy: Array
    flips: int


def step(target: Target, state: State, noise: Noise, order: str = "in-turn") -> State:
    """A sweep. For each visit, draws uniforms (m,) for the cell if it is random, then uniforms (m,)."""
    x, energy, flips = state.x.copy(), state.energy, state.flips
    m, dim = x.shape
    rows = np.arange(m)
    for visit in range(dim):
        site = np.full(m, visit) if order == "in-turn" else (noise.uniform(m) * dim).astype(np.int64)
        candidate = x.copy()
        candidate[rows, site] = 1.0 - candidate[rows, site]
        new = target.energy(candidate)
        uniform = noise.uniform(m)
        # u < σ(E − E′), without overflow at any energies
        turned = np.log(uniform) - np.log1p(-uniform) < energy - new
        x, energy = np.where(turned[:, None], candidate, x), np.where(turned, new, energy)
        flips += int(np.count_nonzero(turned))
    return State(x, energy, flips)


def sample(target: Target, config: Config, rng: Rng, x: Array) -> Iterator[Snapshot]:
    """States after every ``config.every`` sweeps from ``x`` (n, dim). Metrics: ``flips``, cells that changed per
    chain and sweep."""
    parts = blocks(target, rng, len(x))
    states = [State(part, energy, 0) for part, energy in known(target, split(x, parts))]
    for count in counts(config.steps, config.every):
        before = sum(state.flips for state in states)
        states = advance(parts, states, lambda state, noise: step(target, state, noise, config.order), count)
        flips = sum(state.flips for state in states) - before
        yield Snapshot(join(states, x), {"flips": flips / max(1, count * len(x))})


SAMPLER = Sampler(
    key="gibbs",
    title="Gibbs, by cell",
    summary="Redraws one cell at a time from its probability given the others.",
    accepts=(BinaryGrid,),
    config=Config,
    sample=sample,
    reversible=lambda config: config.order == "random",
)


@hookimpl
def register_samplers() -> Iterable[Sampler]:
    yield SAMPLER
