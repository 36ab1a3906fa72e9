r"""Metropolis-adjusted Langevin: unadjusted Langevin proposes, a Metropolis test removes its bias.

The proposal is $x' \sim q(\cdot \mid x) = N(x - \eta\nabla E(x),\, 2\eta I)$, accepted with probability
$\min\{1, e^{E(x) - E(x')}\, q(x \mid x') / q(x' \mid x)\}$, so that exp(−E) is exactly invariant at any η.

The squared jump on N(0, I) is largest at an acceptance of about 0.70, 0.63 and 0.56 in 1, 2 and 5 dimensions, and flat:
at 0.75 and 0.66 it is within 2 % of that. In the limit of many dimensions it is 0.574
(Roberts, Rosenthal 1998).

Sources: Besag 1994; Roberts, Tweedie 1996; Roberts, Rosenthal, Optimal scaling of discrete approximations to
Langevin diffusions, 1998.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from ebm_plugins import config as configs
from ebm_plugins.chains import Adjusted, accept, adjusted, gradient_of
from ebm_plugins.config import knob
from ebm_plugins.hookspecs import hookimpl
from ebm_plugins.noise import Array, Noise
from ebm_plugins.records import Rng, Sampler, Snapshot, Target
from ebm_plugins.spaces import Plane, Vectors


class Config(configs.Config):
    """Step size, its tuning, length and temperature of Metropolis-adjusted Langevin."""

    step_size: float = knob(
        0.05, "Step size η of the proposal −η∇E/T + √(2η)ξ. Too large is refused, too small hardly moves.",
        ge=1e-5, le=5.0, title="Step size η", log=True,
    )  # fmt: skip
    steps: int = knob(200, "Steps in all, warm-up included.", ge=1, le=100_000, log=True)
    warmup: int = knob(
        0, "First steps in which η is tuned to the acceptance below; then it is frozen. 0 leaves η as it is. "
        "States drawn while η is tuned are not yet draws from the target.",
        ge=0, le=10_000, title="Warm-up", unit="steps",
    )  # fmt: skip
    temperature: float = knob(1.0, "Temperature T: the target is exp(−E/T).", ge=0.05, le=20.0, log=True)
    target_acceptance: float = knob(
        0.574, "Acceptance that warm-up aims at. 0.574 is best in many dimensions, 0.66 on a round plane.",
        ge=0.05, le=0.99, more=True,
    )  # fmt: skip
    every: int = knob(1, "Steps between two snapshots.", ge=1, le=1000, log=True, more=True)


def step(target: Target, state: Adjusted, noise: Noise, step_size: float) -> Adjusted:
    """One proposal and its test. Draws normals (m, dim), then uniforms (m,)."""
    gradient = gradient_of(target)
    proposal = noise.normal(state.x) * math.sqrt(2.0 * step_size)
    proposal -= step_size * state.gradient
    proposal += state.x
    energy, slope = target.energy(proposal), gradient(proposal)
    forth = proposal - state.x + step_size * state.gradient
    back = state.x - proposal + step_size * slope
    log_ratio = state.energy - energy
    log_ratio += ((forth * forth).sum(axis=1) - (back * back).sum(axis=1)) / (4.0 * step_size)
    return accept(state, Adjusted(proposal, energy, slope, 0), log_ratio, noise.uniform(len(proposal)))


def sample(target: Target, config: Config, rng: Rng, x: Array) -> Iterator[Snapshot]:
    """States after every ``config.every`` steps from ``x`` (n, dim). Metrics: see :func:`ebm_plugins.chains.adjusted`."""

    def kernel(state: Adjusted, noise: Noise, step_size: float) -> Adjusted:
        return step(target, state, noise, step_size)

    return adjusted(target, config, rng, x, kernel)


SAMPLER = Sampler(
    key="mala",
    title="Metropolis-adjusted Langevin (MALA)",
    summary="Langevin steps that are accepted or refused, so that no bias is left at any step size.",
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
