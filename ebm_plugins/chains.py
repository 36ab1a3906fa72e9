"""What the kernels of this package share: chains in blocks, steps in snapshots, and the tuning of a step size.

A kernel is a pure function ``step(state, noise) -> state``. Its state is a named tuple whose first field is
``x`` (m, dim), the chains of one block.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ebm_plugins import noise as noises
from ebm_plugins.noise import Ahead, Array, Block, Kind, Noise
from ebm_plugins.records import ConfigError, Rng, Snapshot, Target

State = TypeVar("State", bound=tuple[Any, ...])


def counts(steps: int, every: int) -> Iterator[int]:
    """How many steps each snapshot takes: ``every``, the last one what is left of ``steps``."""
    for done in range(0, steps, every):
        yield min(every, steps - done)


def blocks(target: Target, rng: Rng, n: int) -> tuple[Block, ...]:
    """``n`` chains in blocks of a tile each; in one block where the target must see all chains at once."""
    parts = noises.blocks(rng, n, tiles=max(1, n) if target.chainwise else 1)
    return tuple(part._replace(parallel=target.single_precision) for part in parts)


def split(x: Array, parts: Sequence[Block]) -> list[Array]:
    """Copies of the blocks' chains, in float32 when ``x`` is, else in float64."""
    x = np.asarray(x)
    return [np.array(x[part.rows], dtype=precision(x)) for part in parts]


def split_single(target: Target, x: Array, parts: Sequence[Block]) -> list[Array]:
    """The same, for a kernel that can do with single precision: where the target is made for it, in float32, with each
    coordinate of all chains in one piece."""
    if not target.single_precision:
        return split(x, parts)
    return [np.array(np.asarray(x)[part.rows].T, dtype=np.float32, order="C").T for part in parts]


def precision(x: Array) -> Any:
    """float32 for a start in float32, else float64: the type of what is yielded."""
    return np.float32 if np.asarray(x).dtype == np.float32 else np.float64


def ahead(
    parts: Sequence[Block], xs: Sequence[Array], kinds: Sequence[Kind], steps: int
) -> tuple[Block, ...]:
    """The same blocks, for a kernel whose every step draws these kinds of numbers, in this order, and no others."""
    alone = len(parts) == 1
    return tuple(
        part._replace(noise=Ahead(part.noise, kinds, x, steps, alone))
        for part, x in zip(parts, xs, strict=True)
    )


def join(states: Sequence[State], start: Array) -> Array:
    """All chains (n, dim) in their order, in an array of its own and the precision of the ``start``."""
    return _joined([state[0] for state in states], start)


def proposals(states: Sequence[Any], start: Array) -> Array | None:
    """What all chains (n, dim) were offered last, in an array of its own, for states that have it in a field
    ``proposed``; else None."""
    if any(getattr(state, "proposed", None) is None for state in states):
        return None
    return _joined([state.proposed for state in states], start)


def _joined(xs: Sequence[Array], start: Array) -> Array:
    out = np.empty((sum(map(len, xs)), xs[0].shape[1]), dtype=precision(start))
    return np.concatenate(xs, out=out, casting="same_kind")


def advance(
    parts: Sequence[Block], states: Sequence[State], step: Callable[[State, Noise], State], count: int
) -> list[State]:
    """Every block ``count`` steps on, all of them before the next block, which keeps it in cache.

    States that overflow become infinite or NaN without a warning: it is the host that stops a diverged run.
    """
    return leap(parts, states, many(step), count)


def many(step: Callable[..., State]) -> Callable[..., State]:
    """``walk(state, noise, count, *rest)``: so many times ``step(state, noise, *rest)``."""

    def walk(state: State, noise: Noise, count: int, *rest: Any) -> State:
        for _ in range(count):
            state = step(state, noise, *rest)
        return state

    return walk


def leap(
    parts: Sequence[Block], states: Sequence[State], walk: Callable[[State, Any, int], State], count: int
) -> list[State]:
    """The same for a kernel ``walk(state, noise, count)`` that takes many steps by itself."""

    def moved(block: tuple[Block, State]) -> State:
        part, state = block
        with np.errstate(all="ignore"):
            return walk(state, part.noise, count)

    parallel = all(part.parallel for part in parts)
    return noises.each(moved, list(zip(parts, states, strict=True)), parallel)


def gradient_of(target: Target) -> Callable[[Array], Array]:
    """The target's gradient. Raises ConfigError where the family has none."""
    if target.gradient is None:
        raise ConfigError(
            "sampler", "a sampler that needs no gradient, since this energy has none", "a gradient sampler"
        )
    return target.gradient


def choose(taken: Array, new: Array, old: Array) -> Array:
    """``new`` where ``taken`` (m,), else ``old``, both (m,) or (m, dim) of one type: by their bits, since the processor
    guesses wrong at every other branch of a choice that is random."""
    if new.dtype != old.dtype or new.dtype.itemsize not in (4, 8):
        return np.where(taken.reshape(-1, *[1] * (new.ndim - 1)), new, old)
    bits = np.dtype(f"i{new.dtype.itemsize}")
    mask = np.negative(taken.astype(bits))
    out = np.bitwise_xor(new.view(bits), old.view(bits))
    out &= mask.reshape(-1, *[1] * (new.ndim - 1))
    out ^= old.view(bits)
    return out.view(new.dtype)


class Adjusted(NamedTuple):
    """One block of an accept-or-refuse kernel: ``x`` (m, dim), its energy (m,) and gradient (m, dim), and how
    many proposals were accepted so far (of NUTS, the sum of their probabilities). ``proposed`` (m, dim) is what the
    last step offered, None of a kernel that does not propose and before its first step."""

    x: Array
    energy: Array
    gradient: Array
    accepted: float
    proposed: Array | None = None


def accept(state: Adjusted, proposal: Adjusted, log_ratio: Array, uniform: Array) -> Adjusted:
    """The proposals with probability min(1, exp(log_ratio)), the old states elsewhere.

    ``uniform`` (m,) are in [0, 1). A NaN ratio is a refusal.
    """
    taken = np.log(uniform) < log_ratio
    return Adjusted(
        choose(taken, proposal.x, state.x),
        choose(taken, proposal.energy, state.energy),
        choose(taken, proposal.gradient, state.gradient),
        state.accepted + int(np.count_nonzero(taken)),
        proposal.x,
    )


def adjusted(
    target: Target, config: Any, rng: Rng, x: Array, step: Callable[[Adjusted, Noise, float], Adjusted]
) -> Iterator[Snapshot]:
    """Runs ``step(state, noise, step_size)`` for ``config.steps`` steps, a snapshot every ``config.every``.

    In the first ``config.warmup`` steps the step size is tuned towards ``config.target_acceptance``, on the mean
    over all chains; then it is frozen. Metrics: ``acceptance`` of the snapshot's steps, ``step size`` if tuned.
    """
    gradient, parts = gradient_of(target), blocks(target, rng, len(x))
    with np.errstate(all="ignore"):
        states = [
            Adjusted(part, energies, gradient(part), 0) for part, energies in known(target, split(x, parts))
        ]
    return tuning(parts, states, config, config.step_size, many(step), x)


def known(target: Target, parts: Sequence[Array]) -> list[tuple[Array, Array]]:
    """The chains of each block (m, dim) with their energies (m,), for a kernel that compares energies.

    Raises ConfigError where the model has a gradient and no energy: every state, though finite, has energy NaN.
    """
    with np.errstate(all="ignore"):
        found = [(part, np.asarray(target.energy(part))) for part in parts]
    at = [energies[np.isfinite(part).all(axis=1)] for part, energies in found]
    if any(map(len, at)) and all(np.isnan(energies).all() for energies in at):
        raise ConfigError(
            "sampler",
            "a sampler that follows the gradient alone, since this model has no energy to compare",
            "a sampler that compares energies",
        )
    return found


def tuning(
    parts: Sequence[Block],
    states: list[State],
    config: Any,
    size: float,
    walk: Callable[[State, Any, int, float], State],
    start: Array,
    name: str = "step size",
) -> Iterator[Snapshot]:
    """The loop of :func:`adjusted`, for states with a count ``accepted`` and a kernel tuned by one ``size``, which takes
    many steps at once: ``walk(state, noise, count, size)``.

    ``name`` is that of its metric.
    """
    chains, done = sum(len(state[0]) for state in states), 0

    def kernel(state: State, noise: Any, count: int) -> State:
        return walk(state, noise, count, size)

    def accepted() -> float:
        return sum(getattr(state, "accepted", 0) for state in states)

    for count in counts(config.steps, config.every):
        first = accepted()
        warm = min(count, max(0, config.warmup - done))
        for t in range(done + 1, done + warm + 1):
            before = accepted()
            states = leap(parts, states, kernel, 1)
            rate = (accepted() - before) / max(1, chains)
            size = tuned(size, rate, config.target_acceptance, t)
        if count > warm:
            states = leap(parts, states, kernel, count - warm)
        done += count
        metrics = {"acceptance": (accepted() - first) / max(1, count * chains)}
        if config.warmup:
            metrics[name] = size
        yield Snapshot(join(states, start), metrics, proposals(states, start))


def tuned(step_size: float, acceptance: float, aim: float, t: int) -> float:
    """The step size after step ``t`` (from 1) of warm-up: log η + 2 t^(−0.6) (acceptance − aim).

    Robbins and Monro's (1951) recursion; the gains sum to infinity and their squares do not, so η settles.
    """
    return float(step_size * math.exp(2.0 * t**-0.6 * (acceptance - aim)))
