r"""Underdamped Langevin (BAOAB): a particle with momentum, a force, and friction against a bath.

$$dx = v\,dt, \qquad dv = -\nabla E\,dt - \gamma v\,dt + \sqrt{2\gamma}\,dW$$

One step of size h is half a kick, half a drift, the bath solved exactly
($v \leftarrow e^{-\gamma h} v + \sqrt{1 - e^{-2\gamma h}}\,\xi$), half a drift, half a kick; one gradient a step.
Nothing is refused, so it is biased, of order h² in the positions; on a quadratic energy the positions have no
bias at all for any stable h (h² times the curvature under 4). Large friction makes it slow as ULA with η = h²/2;
small friction lets it swing past the mode.

Source: Leimkuhler, Matthews, Rational construction of stochastic numerical methods for molecular sampling, 2013.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from ebm_plugins import config as configs
from ebm_plugins.chains import advance, blocks, counts, gradient_of, join, split
from ebm_plugins.config import knob
from ebm_plugins.hookspecs import hookimpl
from ebm_plugins.noise import Array, Noise
from ebm_plugins.records import Rng, Sampler, Snapshot, Target
from ebm_plugins.spaces import Plane, Vectors


class Config(configs.Config):
    """Step size, friction, length and temperature of underdamped Langevin."""

    step_size: float = knob(
        0.3, "Time h of one step. Compare with Langevin's η = h²/2.",
        ge=1e-3, le=5.0, title="Step size h", log=True,
    )  # fmt: skip
    friction: float = knob(
        1.0, "Friction γ against the bath. Small: momentum is kept and chains swing; large: they creep.",
        ge=0.01, le=100.0, title="Friction γ", log=True,
    )  # fmt: skip
    steps: int = knob(200, "Steps in all.", ge=1, le=100_000, log=True)
    temperature: float = knob(1.0, "Temperature T: the target is exp(−E/T).", ge=0.05, le=20.0, log=True)
    every: int = knob(1, "Steps between two snapshots.", ge=1, le=1000, log=True, more=True)


class State(NamedTuple):
    """One tile: positions ``x`` (m, dim), velocities (m, dim), and the gradient at ``x`` (m, dim)."""

    x: Array
    velocity: Array
    gradient: Array


def step(
    gradient: Callable[[Array], Array], state: State, noise: Array, step_size: float, friction: float
) -> State:
    """One BAOAB step with standard normals ``noise`` (m, dim)."""
    kept = math.exp(-friction * step_size)
    velocity = state.velocity - 0.5 * step_size * state.gradient
    x = state.x + 0.5 * step_size * velocity
    velocity *= kept
    velocity += math.sqrt(-math.expm1(-2.0 * friction * step_size)) * noise
    x += 0.5 * step_size * velocity
    slope = gradient(x)
    velocity -= 0.5 * step_size * slope
    return State(x, velocity, slope)


def sample(target: Target, config: Config, rng: Rng, x: Array) -> Iterator[Snapshot]:
    """States after every ``config.every`` steps from ``x`` (n, dim), with velocities drawn from N(0, I).

    Metrics: ``kinetic temperature``, the mean squared velocity, near 1 (in units of T) while h is small enough.
    """
    gradient = gradient_of(target)
    parts = blocks(target, rng, len(x))
    with np.errstate(all="ignore"):
        states = [
            State(chains, part.noise.normal(chains), gradient(chains))
            for chains, part in zip(split(x, parts), parts, strict=True)
        ]

    def kernel(state: State, noise: Noise) -> State:
        return step(gradient, state, noise.normal(state.x), config.step_size, config.friction)

    for count in counts(config.steps, config.every):
        states = advance(parts, states, kernel, count)
        with np.errstate(all="ignore"):
            squared = sum(float((state.velocity**2).sum()) for state in states)
        yield Snapshot(join(states, x), {"kinetic temperature": squared / max(1, x.size)})


SAMPLER = Sampler(
    key="underdamped",
    title="Underdamped Langevin (BAOAB)",
    summary="Particles with momentum and friction: they swing into wells rather than creep, with a small bias.",
    accepts=(Plane, Vectors),
    needs_gradient=True,
    exactness="biased",
    config=Config,
    sample=sample,
)


@hookimpl
def register_samplers() -> Iterable[Sampler]:
    yield SAMPLER
