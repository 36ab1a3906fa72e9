r"""Simulated annealing: Metropolis while the target cools, to end in a deep valley.

Step t accepts with probability $\min\{1, e^{(E - E')/\tau_t}\}$ at a heat τ_t that falls from the hottest to the
coldest. It looks for low energy and does not sample: cooled slowly enough it ends in the lowest valley, cooled fast
in the nearest. Proposals shrink with the heat, as the spread inside a parabola does: s√τ on the plane; on a grid a
step is a sweep of single flips.

Sources: Kirkpatrick, Gelatt, Vecchi 1983; Černý 1985; Geman, Geman 1984.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import numpy as np

from ebm_plugins import config as configs
from ebm_plugins.chains import advance, blocks, counts, join, known, split
from ebm_plugins.config import knob
from ebm_plugins.hookspecs import hookimpl
from ebm_plugins.noise import Array, Noise
from ebm_plugins.records import ConfigError, Rng, Sampler, Snapshot, Target
from ebm_plugins.samplers import bit_flip
from ebm_plugins.spaces import BinaryGrid, Plane, Vectors


class Config(configs.Config):
    """Heats, length and proposals of simulated annealing."""

    hottest: float = knob(
        10.0, "Heat τ at the start, in units of T: hot enough to cross every barrier.", ge=0.1, le=1000.0, log=True
    )  # fmt: skip
    coldest: float = knob(0.02, "Heat τ at the end, in units of T.", ge=1e-4, le=10.0, log=True)
    steps: int = knob(500, "Steps in all. More cool more slowly.", ge=2, le=100_000, log=True)
    scale: float = knob(
        1.0, "Size s of a proposal at heat 1; at heat τ it is s√τ. On a grid one cell flips instead.",
        ge=1e-3, le=50.0, title="Scale s", log=True,
    )  # fmt: skip
    cooling: Literal["geometric", "linear"] = knob(
        "geometric", "By the same factor each step, or by the same amount.", more=True
    )
    temperature: float = knob(
        1.0, "Temperature T, the unit of both heats.", ge=0.05, le=20.0, log=True, more=True
    )
    every: int = knob(1, "Steps between two snapshots.", ge=1, le=1000, log=True, more=True)


class State(NamedTuple):
    """One block: its chains (m, dim), their walk (see :func:`move`), and the steps taken."""

    x: Array
    walk: bit_flip.State
    done: int


def heat(t: int, config: Config) -> float:
    """τ of step ``t`` (from 0), the hottest at the first step and the coldest at the last."""
    part = min(1.0, t / (config.steps - 1))
    if config.cooling == "linear":
        return config.hottest + part * (config.coldest - config.hottest)
    return float(config.hottest * (config.coldest / config.hottest) ** part)


def move(target: Target, state: bit_flip.State, noise: Noise, heat: float, scale: float) -> bit_flip.State:
    """A Metropolis step on exp(−energy/heat): one proposal x + s√heat·ξ, or a sweep of single flips on a grid.

    Draws normals (m, dim), then uniforms (m,); on a grid what :func:`ebm_plugins.samplers.bit_flip.step` draws.
    """
    if target.space.discrete:
        return bit_flip.step(target, state, noise, 1, heat)
    x, energy, proposed, accepted, _ = state
    candidate = x + scale * math.sqrt(heat) * noise.normal(x)
    new = target.energy(candidate)
    taken = np.log(noise.uniform(len(x))) * heat < energy - new
    return bit_flip.State(
        np.where(taken[:, None], candidate, x),
        np.where(taken, new, energy),
        proposed + len(x),
        accepted + int(np.count_nonzero(taken)),
    )


def sample(target: Target, config: Config, rng: Rng, x: Array) -> Iterator[Snapshot]:
    """States after every ``config.every`` steps from ``x`` (n, dim). Metrics: ``heat`` of the last step and
    ``acceptance``. Raises ConfigError for a coldest heat above the hottest."""
    if config.coldest > config.hottest:
        raise ConfigError("coldest", f"at most the hottest heat, {config.hottest:g}", config.coldest)
    parts = blocks(target, rng, len(x))
    states = [
        State(part, bit_flip.State(part, energy, 0, 0), 0) for part, energy in known(target, split(x, parts))
    ]

    def kernel(state: State, noise: Noise) -> State:
        walk = move(target, state.walk, noise, heat(state.done, config), config.scale)
        return State(walk.x, walk, state.done + 1)

    for count in counts(config.steps, config.every):
        before = bit_flip.totals(state.walk for state in states)
        states = advance(parts, states, kernel, count)
        proposed, accepted = bit_flip.totals(state.walk for state in states) - before
        last = heat(states[0].done - 1, config)
        yield Snapshot(join(states, x), {"heat": last, "acceptance": float(accepted / max(1, proposed))})


SAMPLER = Sampler(
    key="simulated-annealing",
    title="Simulated annealing",
    summary="Metropolis that cools: looks for the lowest valley and stays there.",
    accepts=(Plane, Vectors, BinaryGrid),
    exactness="descent",
    stationary=False,
    config=Config,
    sample=sample,
    needs_energy=True,
)


@hookimpl
def register_samplers() -> Iterable[Sampler]:
    yield SAMPLER


EXPECTED_FAILURES = {
    "simulated-annealing": {
        "descent_never_rises": "it climbs while it is hot: that is how it leaves the nearest valley"
    }
}
