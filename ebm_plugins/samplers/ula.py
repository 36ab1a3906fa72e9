r"""Unadjusted Langevin: follow the force, add noise, never ask whether the step was right.

$$x' = x - \eta\,\nabla E(x) + \sqrt{2\eta}\,\xi, \qquad \xi \sim N(0, I)$$

It is Euler's rule for the Langevin diffusion, whose stationary density is exp(−E)/Z; the rule itself has a bias
of order η. On E = x²/2 its stationary variance is 1/(1 − η/2), and it diverges from η = 2 on. On an energy that
grows faster than a parabola it diverges from far enough out at any η (Roberts, Tweedie 1996).

Sources: Roberts, Tweedie, Exponential convergence of Langevin distributions, 1996; Welling, Teh 2011.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from ebm_plugins import compiled
from ebm_plugins import config as configs
from ebm_plugins.chains import ahead, blocks, counts, gradient_of, join, leap, many, split_single
from ebm_plugins.config import knob
from ebm_plugins.hookspecs import hookimpl
from ebm_plugins.noise import Array, Noise
from ebm_plugins.records import Rng, Sampler, Snapshot, Target
from ebm_plugins.spaces import Plane, Vectors


class Config(configs.Config):
    """Step size, length and temperature of unadjusted Langevin."""

    step_size: float = knob(
        0.05, "Step size η: each step moves −η∇E/T + √(2η)ξ. Larger is faster and more biased.",
        ge=1e-5, le=5.0, title="Step size η", log=True,
    )  # fmt: skip
    steps: int = knob(200, "Steps in all.", ge=1, le=100_000, log=True)
    temperature: float = knob(1.0, "Temperature T: the target is exp(−E/T).", ge=0.05, le=20.0, log=True)
    every: int = knob(1, "Steps between two snapshots.", ge=1, le=1000, log=True, more=True)


class State(NamedTuple):
    """The chains of one tile (m, dim)."""

    x: Array


def step(gradient: Callable[[Array], Array], x: Array, noise: Array, step_size: float) -> Array:
    """x − η∇E(x) + √(2η)ξ for states ``x`` and standard normals ``noise``, both (m, dim)."""
    moved = noise * math.sqrt(2.0 * step_size)
    moved -= step_size * gradient(x)
    moved += x
    return moved


def sample(target: Target, config: Config, rng: Rng, x: Array) -> Iterator[Snapshot]:
    """States after every ``config.every`` steps from ``x`` (n, dim)."""
    gradient = gradient_of(target)
    parts = blocks(target, rng, len(x))
    states = [State(part) for part in split_single(target, x, parts)]
    compact = compiled.kernel("langevin", gradient, parts, config.steps)

    def kernel(state: State, noise: Noise) -> State:
        return State(step(gradient, state.x, noise.normal(state.x), config.step_size))

    def steps(state: State, stream: Array, count: int) -> State:
        x = np.array(state.x.T, order="C")
        assert compact is not None
        compact(stream, x, np.float32(config.step_size), count)
        return State(x.T)

    if compact is None:
        parts = ahead(parts, [state.x for state in states], ("normal",), config.steps)
    else:
        parts = compiled.streams(parts)
    for count in counts(config.steps, config.every):
        states = leap(parts, states, steps if compact else many(kernel), count)
        yield Snapshot(join(states, x))


SAMPLER = Sampler(
    key="ula",
    title="Unadjusted Langevin (ULA)",
    summary="Downhill plus noise, never checked: quick, with a bias that grows with the step size.",
    accepts=(Plane, Vectors),
    needs_gradient=True,
    exactness="biased",
    config=Config,
    sample=sample,
)


@hookimpl
def register_samplers() -> Iterable[Sampler]:
    yield SAMPLER
