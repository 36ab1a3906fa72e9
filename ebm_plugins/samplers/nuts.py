r"""The No-U-Turn sampler: HMC that finds by itself how far to go.

From a random push, the trajectory is doubled forwards or backwards at random until it (or a half, a quarter, ... of
the part last added) turns back: until $p_\text{left} \cdot \rho \le 0$ or $p_\text{right} \cdot \rho \le 0$, ρ being the sum of the
momenta along it, its ends counted half. The next state is drawn from the trajectory with weights exp(−H), the newer
half preferred. Built so, every state of a trajectory would have built the same one as likely, and exp(−E) is invariant.

All chains of a block double together: a subtree of 2^j leapfrogs is walked leaf by leaf, and the momenta at which
subtrees begin are kept in j places, numbered by the bits of the leaf (Phan, Pradhan, Jankowiak 2019; Lao, Dillon 2019).

Sources: Hoffman, Gelman 2014; Betancourt, A conceptual introduction to Hamiltonian Monte Carlo, 2017.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from ebm_plugins import config as configs
from ebm_plugins.chains import Adjusted, adjusted, gradient_of
from ebm_plugins.config import knob
from ebm_plugins.hookspecs import hookimpl
from ebm_plugins.noise import Array, Noise
from ebm_plugins.records import Rng, Sampler, Snapshot, Target
from ebm_plugins.spaces import Plane, Vectors

DIVERGED = -1000.0  # a log-weight below this is a trajectory that left the energy surface


class Config(configs.Config):
    """Leapfrog size and its tuning, the longest trajectory, length and temperature of NUTS."""

    step_size: float = knob(
        0.3, "Size ε of one leapfrog. Small ones follow the motion closely and cost more.",
        ge=1e-3, le=5.0, title="Step size ε", log=True,
    )  # fmt: skip
    steps: int = knob(200, "Steps in all, warm-up included: one trajectory each.", ge=1, le=100_000, log=True)
    warmup: int = knob(
        0, "First steps in which ε is tuned to the acceptance below; then it is frozen. 0 leaves ε as it is. "
        "States drawn while ε is tuned are not yet draws from the target.",
        ge=0, le=10_000, title="Warm-up", unit="steps",
    )  # fmt: skip
    temperature: float = knob(1.0, "Temperature T: the target is exp(−E/T).", ge=0.05, le=20.0, log=True)
    depth: int = knob(
        6, "Doublings at most: a trajectory ends after 2^depth − 1 leapfrogs even if it has not turned.",
        ge=1, le=10, more=True,
    )  # fmt: skip
    target_acceptance: float = knob(
        0.8, "Mean acceptance along a trajectory that warm-up aims at.", ge=0.05, le=0.99, more=True
    )
    every: int = knob(1, "Steps between two snapshots.", ge=1, le=1000, log=True, more=True)


class Point(NamedTuple):
    """A place on each chain's trajectory: state, momentum, gradient, all (m, dim)."""

    x: Array
    momentum: Array
    gradient: Array


class Subtree(NamedTuple):
    """What was added to each trajectory: its far end, the sum of its momenta (m, dim), the log of its weight (m,), the
    state drawn from it, whether it is whole and has not turned (m,), and the mean acceptance's sum and count (m,)."""

    end: Point
    total: Array
    log_weight: Array
    drawn: Adjusted
    good: Array
    chance: Array
    leaves: Array


def chosen(rows: Array, yes: Array, no: Array) -> Array:
    """``yes`` where ``rows`` (m,), else ``no``; both (m,) or (m, dim)."""
    return np.where(rows[:, None] if yes.ndim == 2 else rows, yes, no)


def turned(left: Array, right: Array, total: Array) -> Array:
    """Whether the trajectory between two momenta, which are part of their ``total`` (m, dim), heads back on itself."""
    along = total - 0.5 * (left + right)
    return ((left * along).sum(axis=1) <= 0) | ((right * along).sum(axis=1) <= 0)


def places(leaf: int) -> tuple[int, int]:
    """For the leaf of this number: the place of the subtree that begins nearest before it, and of the furthest one
    that ends with it. Subtrees end at odd leaves: 1 ends (0, 1), 3 ends (2, 3) and (0..3)."""
    nearest = (leaf >> 1).bit_count()
    ending = (~leaf & (leaf + 1)).bit_length() - 1
    return nearest, nearest - ending + 1


def subtree(
    target: Target,
    start: Point,
    size: Array,
    leaves: int,
    depth: int,
    start_energy: Array,
    uniform: Array,
    going: Array,
) -> Subtree:
    """``leaves`` leapfrogs of the signed ``size`` (m, 1) from ``start``, for the chains that are ``going`` (m,).

    One ``uniform`` (m,) draws the state: what is left of it after each choice is uniform again.
    """
    slope_of, (x, momentum, gradient) = gradient_of(target), start
    total, good = np.zeros_like(x), going.copy()
    weight = np.full(len(x), -np.inf)
    drawn = Adjusted(x, np.zeros(len(x)), gradient, 0)
    chance, count = np.zeros(len(x)), np.zeros(len(x))
    begun: list[tuple[Array, Array]] = [(momentum, total)] * depth
    for leaf in range(leaves):
        momentum = momentum - 0.5 * size * gradient
        x = x + size * momentum
        gradient = slope_of(x)
        momentum = momentum - 0.5 * size * gradient
        energy = target.energy(x)
        log_weight = start_energy - energy - 0.5 * (momentum * momentum).sum(axis=1)
        good_leaf = log_weight > DIVERGED
        log_weight = np.where(good_leaf, log_weight, -np.inf)
        chance += np.where(good, np.exp(np.minimum(log_weight, 0.0)), 0.0)
        count += good
        new_weight = np.logaddexp(weight, log_weight)
        share = np.exp(log_weight - new_weight)
        taken = uniform < share
        uniform = np.where(taken, uniform / share, (uniform - share) / (1.0 - share))
        weight = new_weight
        drawn = Adjusted(
            chosen(taken, x, drawn.x), chosen(taken, energy, drawn.energy), chosen(taken, gradient, drawn.gradient), 0
        )  # fmt: skip
        total = total + momentum
        nearest, furthest = places(leaf)
        if leaf % 2 == 0:
            begun[nearest] = (momentum, total)
        for place in range(furthest, nearest + 1):
            first, before = begun[place]
            good_leaf = good_leaf & ~turned(first, momentum, total - before + first)
        good = good & good_leaf
        if not good.any():
            break
    return Subtree(Point(x, momentum, gradient), total, weight, drawn, good, chance, count)


def step(
    target: Target, state: Adjusted, noise: Noise, step_size: float, depth: int
) -> tuple[Adjusted, Array]:
    """One trajectory; the new state, whose ``accepted`` grows by the mean acceptance along it, and how many leapfrogs
    each chain took (m,). Draws normals (m, dim), then 3·depth times uniforms (m,)."""
    momentum = noise.normal(state.x)
    uniforms = [noise.uniform(len(state.x)) for _ in range(3 * depth)]
    left = right = Point(state.x, momentum, state.gradient)
    start_energy = state.energy + 0.5 * (momentum * momentum).sum(axis=1)
    total, weight, now = momentum, np.zeros(len(momentum)), state
    chance, leaves = np.zeros(len(momentum)), np.zeros(len(momentum))
    going = np.ones(len(momentum), dtype=bool)
    for j in range(depth):
        if not going.any():
            break
        way, which, taken = uniforms[3 * j : 3 * j + 3]
        ahead = way < 0.5
        start = Point(*(chosen(ahead, r, m) for r, m in zip(right, left, strict=True)))
        size = np.where(ahead, step_size, -step_size).astype(momentum.dtype)[:, None]
        added = subtree(target, start, size, 2**j, j + 1, start_energy, which, going)
        chance, leaves = chance + added.chance, leaves + added.leaves
        going = going & added.good
        switch = going & (np.log(taken) < added.log_weight - weight)
        now = Adjusted(
            chosen(switch, added.drawn.x, now.x),
            chosen(switch, added.drawn.energy, now.energy),
            chosen(switch, added.drawn.gradient, now.gradient),
            state.accepted,
        )
        weight = np.where(going, np.logaddexp(weight, added.log_weight), weight)
        right = Point(*(chosen(going & ahead, e, r) for e, r in zip(added.end, right, strict=True)))
        left = Point(*(chosen(going & ~ahead, e, m) for e, m in zip(added.end, left, strict=True)))
        total = chosen(going, total + added.total, total)
        going = going & ~turned(left.momentum, right.momentum, total)
    mean = chance / np.maximum(leaves, 1.0)
    return now._replace(accepted=state.accepted + float(mean.sum())), leaves


def sample(target: Target, config: Config, rng: Rng, x: Array) -> Iterator[Snapshot]:
    """States after every ``config.every`` steps from ``x`` (n, dim). Metrics: see :func:`ebm_plugins.chains.adjusted`,
    ``acceptance`` being the mean along trajectories, and ``leapfrogs`` a step and chain."""
    taken = [0.0, 0.0]  # leapfrogs and trajectories since the last snapshot

    def kernel(state: Adjusted, noise: Noise, step_size: float) -> Adjusted:
        state, leaves = step(target, state, noise, step_size, config.depth)
        taken[0] += float(leaves.sum())
        taken[1] += len(leaves)
        return state

    for snapshot in adjusted(target, config, rng, x, kernel):
        leapfrogs = taken[0] / max(1.0, taken[1])
        taken[:] = [0.0, 0.0]
        yield Snapshot(snapshot.value, {**snapshot.metrics, "leapfrogs": leapfrogs})


SAMPLER = Sampler(
    key="nuts",
    title="No-U-Turn sampler (NUTS)",
    summary="HMC that goes on until it turns back, so that no length has to be chosen.",
    accepts=(Plane, Vectors),
    needs_gradient=True,
    config=Config,
    sample=sample,
    needs_energy=True,
    reversible=True,
)


@hookimpl
def register_samplers() -> Iterable[Sampler]:
    yield SAMPLER
