r"""Annealed Langevin: start hot, where barriers are low, and cool to the target by a ladder of temperatures.

$$x' = x - \eta\,\nabla E(x) + \sqrt{2\eta\tau_k}\,\xi, \qquad
  \tau_k = \tau_1^{(K-k)/(K-1)}, \quad k = 1, \dots, K$$

Rung k is unadjusted Langevin on exp(−E/τ_k); the last rung is the target, τ_K = 1. The shares of the wells are
frozen in somewhere on the way down, so only the last rung is aimed at the target and even that has ULA's bias.

Sources: Kirkpatrick, Gelatt, Vecchi 1983; with a ladder of noise in place of heat: Song, Ermon 2019.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from ebm_plugins import config as configs
from ebm_plugins.chains import advance, blocks, counts, gradient_of, join, split
from ebm_plugins.config import knob
from ebm_plugins.hookspecs import hookimpl
from ebm_plugins.noise import Array, Noise
from ebm_plugins.records import Rng, Sampler, Snapshot, Target
from ebm_plugins.spaces import Plane, Vectors


class Config(configs.Config):
    """Step size, ladder, length and temperature of annealed Langevin."""

    step_size: float = knob(
        0.05, "Step size η: each step moves −η∇E/T + √(2ητ)ξ, with the heat τ of its rung.",
        ge=1e-5, le=5.0, title="Step size η", log=True,
    )  # fmt: skip
    hottest: float = knob(
        5.0, "Heat τ of the first rung, in units of T. 1 is plain Langevin.", ge=1.0, le=100.0, log=True
    )
    rungs: int = knob(10, "Rungs from the hottest down to 1, equal in length.", ge=2, le=100)
    steps: int = knob(200, "Steps in all.", ge=1, le=100_000, log=True)
    temperature: float = knob(1.0, "Temperature T: the target is exp(−E/T).", ge=0.05, le=20.0, log=True)
    every: int = knob(1, "Steps between two snapshots.", ge=1, le=1000, log=True, more=True)


class State(NamedTuple):
    """One tile: its chains (m, dim) and the steps taken."""

    x: Array
    done: int


def heat(t: int, config: Config) -> float:
    """τ of step ``t`` (from 0): geometric from the hottest to 1, equally many steps a rung."""
    rung = min(config.rungs - 1, t * config.rungs // config.steps)
    return float(config.hottest ** ((config.rungs - 1 - rung) / (config.rungs - 1)))


def step(gradient: Callable[[Array], Array], x: Array, noise: Array, step_size: float, tau: float) -> Array:
    """x − η∇E(x) + √(2ητ)ξ for states ``x`` and standard normals ``noise``, both (m, dim)."""
    moved = noise * math.sqrt(2.0 * step_size * tau)
    moved -= step_size * gradient(x)
    moved += x
    return moved


def sample(target: Target, config: Config, rng: Rng, x: Array) -> Iterator[Snapshot]:
    """States after every ``config.every`` steps from ``x`` (n, dim). Metrics: ``heat``, τ of the last step."""
    gradient = gradient_of(target)
    parts = blocks(target, rng, len(x))
    states = [State(part, 0) for part in split(x, parts)]

    def kernel(state: State, noise: Noise) -> State:
        tau = heat(state.done, config)
        return State(step(gradient, state.x, noise.normal(state.x), config.step_size, tau), state.done + 1)

    for count in counts(config.steps, config.every):
        states = advance(parts, states, kernel, count)
        yield Snapshot(join(states, x), {"heat": heat(states[0].done - 1, config)})


SAMPLER = Sampler(
    key="annealed-langevin",
    title="Annealed Langevin",
    summary="Starts hot, where every barrier is low, and cools to the target: finds wells that a cold start misses.",
    accepts=(Plane, Vectors),
    needs_gradient=True,
    exactness="biased",
    stationary=False,
    config=Config,
    sample=sample,
)


@hookimpl
def register_samplers() -> Iterable[Sampler]:
    yield SAMPLER
