r"""Hamiltonian Monte Carlo: give each state a random push, follow the motion, accept by the energy it gained.

With momentum $p \sim N(0, I)$ and $H(x, p) = E(x) + |p|^2/2$, L leapfrogs of size ε

$$p \leftarrow p - \tfrac{\varepsilon}{2}\nabla E(x), \quad x \leftarrow x + \varepsilon p, \quad
  p \leftarrow p - \tfrac{\varepsilon}{2}\nabla E(x)$$

keep volume and can be run backwards, so accepting with probability $\min\{1, e^{H - H'}\}$ leaves exp(−E)
exactly invariant. With L = 1 it is MALA with η = ε²/2, draw for draw.

Sources: Duane, Kennedy, Pendleton, Roweth 1987; Neal, MCMC using Hamiltonian dynamics, 2011; best acceptance
0.651 in many dimensions: Beskos and others 2013.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ebm_plugins import config as configs
from ebm_plugins.chains import Adjusted, accept, adjusted, gradient_of
from ebm_plugins.config import knob
from ebm_plugins.hookspecs import hookimpl
from ebm_plugins.noise import Array, Noise
from ebm_plugins.records import Rng, Sampler, Snapshot, Target
from ebm_plugins.spaces import Plane, Vectors


class Config(configs.Config):
    """Leapfrogs and their size, the tuning of the size, length and temperature of HMC."""

    step_size: float = knob(
        0.3, "Size ε of one leapfrog. Compare with Langevin's η = ε²/2.",
        ge=1e-3, le=5.0, title="Step size ε", log=True,
    )  # fmt: skip
    leapfrogs: int = knob(
        5, "Leapfrogs before each accept-or-refuse; 1 makes it MALA.", ge=1, le=200, log=True
    )
    steps: int = knob(200, "Steps in all, warm-up included.", ge=1, le=100_000, log=True)
    warmup: int = knob(
        0, "First steps in which ε is tuned to the acceptance below; then it is frozen. 0 leaves ε as it is. "
        "States drawn while ε is tuned are not yet draws from the target.",
        ge=0, le=10_000, title="Warm-up", unit="steps",
    )  # fmt: skip
    temperature: float = knob(1.0, "Temperature T: the target is exp(−E/T).", ge=0.05, le=20.0, log=True)
    jitter: float = knob(
        0.0, "Each step draws its ε within this fraction of it, so that no orbit closes on itself.",
        ge=0.0, le=1.0, more=True,
    )  # fmt: skip
    target_acceptance: float = knob(
        0.651,
        "Acceptance that warm-up aims at; 0.651 is best in many dimensions.",
        ge=0.05,
        le=0.99,
        more=True,
    )
    every: int = knob(1, "Steps between two snapshots.", ge=1, le=1000, log=True, more=True)


def step(
    target: Target,
    state: Adjusted,
    noise: Noise,
    step_size: float,
    leapfrogs: int,
    jitter: float = 0.0,
) -> Adjusted:
    """One trajectory and its test. Draws normals (m, dim), then uniforms (m,), then (m,) more for ``jitter``."""
    gradient = gradient_of(target)
    push = noise.normal(state.x)
    uniform = noise.uniform(len(push))
    size: Array | float = step_size
    if jitter:
        size = step_size * (1.0 + jitter * (2.0 * noise.uniform(len(push))[:, None] - 1.0))
        size = size.astype(push.dtype)
    momentum = push - 0.5 * size * state.gradient
    x, slope = state.x, state.gradient
    for i in range(leapfrogs):
        x = x + size * momentum
        slope = gradient(x)
        momentum -= (size if i < leapfrogs - 1 else 0.5 * size) * slope
    energy = target.energy(x)
    log_ratio = state.energy - energy
    log_ratio += 0.5 * ((push * push).sum(axis=1) - (momentum * momentum).sum(axis=1))
    return accept(state, Adjusted(x, energy, slope, 0), log_ratio, uniform)


def sample(target: Target, config: Config, rng: Rng, x: Array) -> Iterator[Snapshot]:
    """States after every ``config.every`` steps from ``x`` (n, dim). Metrics: see :func:`ebm_plugins.chains.adjusted`."""

    def kernel(state: Adjusted, noise: Noise, step_size: float) -> Adjusted:
        return step(target, state, noise, step_size, config.leapfrogs, config.jitter)

    return adjusted(target, config, rng, x, kernel)


SAMPLER = Sampler(
    key="hmc",
    title="Hamiltonian Monte Carlo (HMC)",
    summary="A random push, then motion along the energy surface: long moves that are mostly accepted.",
    accepts=(Plane, Vectors),
    needs_gradient=True,
    exactness="asymptotic",
    config=Config,
    sample=sample,
    needs_energy=True,
    reversible=True,
)


@hookimpl
def register_samplers() -> Iterable[Sampler]:
    yield SAMPLER
