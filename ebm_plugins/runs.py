"""Making a run of a spec: train, start, sample, compare with the truth. Headless: no page is needed.

``resolve`` validates a spec and fills in its defaults, ``execute`` streams its events, ``run`` waits for the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ebm_plugins import digests, starts
from ebm_plugins.conclusions import compare, conclude
from ebm_plugins.keeping import (
    MAX_CHAINS,
    MAX_FRAMES,
    MAX_PROPOSED,
    MAX_STATES,
    TRACE_BYTES,
    Frames,
    MetricLog,
    TrainingLog,
    check_proposed,
    check_snapshot,
    check_states,
    stacked,
    traced_chains,
)
from ebm_plugins.plans import LARGEST, Plan, plan
from ebm_plugins.records import FAULTS, Array, ConfigError, PluginError, Run, Sampling, Target, Training
from ebm_plugins.registry import Registry
from ebm_plugins.specs import RunSpec
from ebm_plugins.targets import bind, checked_energy, embed

UNTIMED_SNAPSHOTS = 300


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one run may take. ``updates`` is states × steps × coordinates of sampling, ``memory`` the bytes of what it
    keeps (states, frames, traces)."""

    seconds: float = 120.0
    updates: float = 2e9
    snapshots: int = 20_000
    memory: float = 1e9


class LimitError(ConfigError):
    """A run that cannot fit, refused before it starts."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One snapshot was taken: number ``step`` (from 1) of ``total`` (None when not known) of a phase."""

    phase: str
    step: int
    total: int | None
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The run is made."""

    run: Run


Event = Progress | Finished


def never(phase: str) -> bool:
    """A stop that nobody asks for."""
    return False


def resolve(spec: RunSpec, registry: Registry) -> RunSpec:
    """The spec with every value validated and every default filled in.

    Raises ConfigError, whose ``field`` is the link parameter that can mend it.
    """
    return plan(spec, registry).spec


def run(spec: RunSpec, registry: Registry, **options: Any) -> Run:
    """The run of a spec. Raises what :func:`execute` raises."""
    for event in execute(spec, registry, **options):
        if isinstance(event, Finished):
            return event.run
    raise AssertionError("execute always ends with Finished")


def execute(
    spec: RunSpec,
    registry: Registry,
    *,
    training: Training | None = None,
    limits: Limits | None = None,
    stop: Callable[[str], bool] = never,
    compared: Callable[[Run], object] = lambda run: None,
) -> Iterator[Event]:
    """Stream a run: a :class:`Progress` a snapshot, then one :class:`Finished`.

    ``training`` is what an earlier run of the same :attr:`Plan.training_digest` learned; it is then not learned
    again. ``stop(phase)`` is asked after each snapshot (``"train"``, ``"sample"``): True ends that phase, keeps
    what it has, and writes where it stopped into the run's spec. ``compared`` is called with the run as soon as all
    of it is there but the report and the verdict, so that it can be shown meanwhile. Raises ConfigError for what the user can mend,
    :class:`LimitError` for what is too large, PluginError when a plugin breaks its contract.
    """
    limits = limits or Limits()
    deadline = time.monotonic() + limits.seconds
    made = plan(spec, registry)
    check_limits(made, limits)
    streams = np.random.SeedSequence(made.spec.seed).spawn(4)
    rng_train, rng_start, rng_sample = (np.random.default_rng(s) for s in streams[:3])
    notes: list[str] = []
    if training is None:
        try:
            training = yield from _train(made, rng_train, limits, deadline, stop, notes)
        except ConfigError as error:
            if not made.data.bare:
                raise
            wanted = "data with rows, since this model learns from them"  # whatever its train complained of
            raise ConfigError("data", wanted, f"{made.spec.dataset}, which has none") from error
        except PluginError as error:
            if not made.data.bare:
                raise
            hint = f"The data, {made.spec.dataset}, have no rows: where training needs none, it must not read them."
            raise PluginError(error.plugin, error.part, f"{error.message} {hint}") from error
    params = training.params
    x = starts.draw(made.spec.start or starts.Noise(), made.data, made.space, rng_start)
    free = made.free
    fixed = (x[:1] if (x == x[:1])[:, ~free].all() else x) if free is not None else None
    target = bind(made.family, params, made.space, temperature=made.temperature, free=free, fixed=fixed)
    sampling = yield from _sample(made, params, target, x, rng_sample, limits, deadline, stop, notes)
    ended = _where_it_stopped(made.spec, training, sampling)
    yield Progress(phase="truth", step=0, total=None)
    bare = Run(
        spec=ended,
        data=made.data,
        params=params,
        target=target,
        configs=_configs(made),
        training=training,
        sampling=sampling,
        space=made.space,
        free=free,
        exactness=made.exactness,
        stationary=made.stationary,
        notes=tuple(notes),
    )
    run, same = compare(bare, made, fixed)
    compared(run)
    yield Finished(run=conclude(run, made, same))


def spec_digest(spec: RunSpec, registry: Registry) -> str:
    """SHA-256 of the resolved spec, the data and the providers' versions: equal everywhere."""
    return plan(spec, registry).spec_digest


def training_digest(spec: RunSpec, registry: Registry) -> str:
    """SHA-256 of all that training depends on."""
    return plan(spec, registry).training_digest


def result_digest(run: Run) -> str:
    """SHA-256 of the last params and states: comparable where :func:`environment_tag` is equal."""
    return digests.of_result(run.params, run.sampling.last)


environment_tag = digests.environment_tag


def rng_of(spec: RunSpec, purpose: str) -> np.random.Generator:
    """The generator that a spec's seed gives for ``train``, ``start``, ``sample`` or ``studies``."""
    index = ("train", "start", "sample", "studies").index(purpose)
    return np.random.default_rng(np.random.SeedSequence(spec.seed).spawn(4)[index])


def length_of(config: Any) -> int | None:
    """How many snapshots a config asks for: its ``steps`` (or ``epochs``) over its ``every``. None if not said."""
    steps = getattr(config, "steps", getattr(config, "epochs", None))
    if not isinstance(steps, int):
        return None
    return -(-steps // max(1, int(getattr(config, "every", 1))))


def _configs(made: Plan) -> Any:
    from ebm_plugins.records import Configs

    return Configs(train=made.train_config, sample=made.sample_config)


def check_limits(made: Plan, limits: Limits) -> None:
    """Raise LimitError, with the number that is too large, for a run that cannot fit."""
    start = made.spec.start
    if isinstance(start, starts.Noise):
        n = start.n
    elif isinstance(start, starts.Drawn):
        n = len(starts.unpack(start.states, made.space)) * start.copies
    else:
        assert start is not None
        n = len(start.rows) * start.copies
    config = made.sample_config
    steps = getattr(config, "steps", None)
    steps = steps if isinstance(steps, int) else UNTIMED_SNAPSHOTS * int(getattr(config, "every", 1))
    if made.spec.sample_stop is not None:
        steps = min(steps, made.spec.sample_stop * int(getattr(config, "every", 1)))
    asked = float(n) * steps * made.space.dim
    if asked > limits.updates:
        message = f"at most {limits.updates:.1e} state updates (states × steps × coordinates)"
        raise LimitError("sample.steps", message, f"{asked:.1e}: ask for fewer steps or states")
    snapshots = length_of(config)
    kept = kept_bytes(n, made.space.dim, snapshots or UNTIMED_SNAPSHOTS)
    if kept > limits.memory:
        message = f"at most {limits.memory / 1e6:,.0f} MB of states"
        raise LimitError("start.n", message, f"{kept / 1e6:,.0f} MB: ask for fewer states")
    if snapshots is not None and made.spec.sample_stop is None and snapshots > limits.snapshots:
        every = -(-snapshots * int(getattr(config, "every", 1)) // limits.snapshots)
        advice = "ask for fewer steps"
        if hasattr(config, "every"):
            advice = f"set Every (steps per snapshot) to at least {every}"
        raise LimitError(
            "sample.every", f"at most {limits.snapshots} snapshots", f"{snapshots} snapshots: {advice}"
        )


def kept_bytes(n: int, dim: int, snapshots: int) -> float:
    """About how much a run of ``n`` states in ``dim`` coordinates holds at its end: start, states, a proposal and a copy
    in float64, the frames, and the traces of some chains."""
    frames = min(MAX_FRAMES, snapshots + 1) * min(n, MAX_STATES) * dim * 8.0
    traces = min(TRACE_BYTES, 4.0 * (snapshots + 1) * min(n, MAX_CHAINS) * dim)
    return 4.0 * n * dim * 8.0 + frames + traces


def _train(made: Plan, rng: Any, limits: Limits, deadline: float, stop: Any, notes: list[str]) -> Any:
    """Generator: Progress events; returns the Training."""
    key = made.family.key
    most = min(made.spec.train_stop or limits.snapshots, limits.snapshots)
    total = length_of(made.train_config)
    total = most if total is None and made.spec.train_stop else total
    log, finished = TrainingLog(key), True
    stream = _guarded(made.family.train, key, "train", made.data, made.train_config, rng)
    for snapshot in stream:
        if log.metrics.length == 0:
            _refuse_diverged(made, snapshot)
        if not log.add(snapshot):
            notes.append(f"Training diverged at snapshot {log.diverged}; the last good params are used.")
            break
        step = log.metrics.length
        yield Progress(phase="train", step=step, total=total, metrics=dict(snapshot.metrics))
        if step >= most or stop("train") or time.monotonic() > deadline:
            finished = False
            if time.monotonic() > deadline:
                notes.append(f"Training was ended after {limits.seconds:g} s, this host's limit for a run.")
            break
    stream.close()
    return log.close(finished)


def _refuse_diverged(made: Plan, snapshot: Any) -> None:
    """Raises ConfigError for first params that are not finite, of a model whose learning rate can be the cause.

    Without such a control nobody but the plugin's author can mend them, and what keeps the snapshots says so.
    """
    rate = getattr(made.train_config, "learning_rate", None)
    params = getattr(snapshot, "value", None)
    if not isinstance(rate, float) or not isinstance(params, Mapping):
        return
    arrays = [v for v in params.values() if isinstance(v, np.ndarray) and v.dtype.kind == "f"]
    if not all(np.isfinite(v).all() for v in arrays):
        expected = "a lower rate: learning diverged before its first snapshot, so there is no model to show"
        raise ConfigError("train.learning_rate", expected, f"{rate:g}")


def _sample(
    made: Plan,
    params: Any,
    target: Target,
    x: Array,
    rng: Any,
    limits: Limits,
    deadline: float,
    stop: Any,
    notes: Any,
) -> Any:
    """Generator: Progress events; returns the Sampling."""
    free, config = made.free, made.sample_config
    key = made.sampler.key if made.sampler else made.family.key
    total = length_of(config)
    most = min(UNTIMED_SNAPSHOTS if total is None else total, limits.snapshots)
    if made.spec.sample_stop is not None:
        most = min(most, made.spec.sample_stop)
    if made.sampler:
        start = x if free is None else x[:, free]
        stream = _guarded(made.sampler.sample, key, "sample", target, config, rng, start.copy())
    else:
        options = {} if free is None else {"free": free}
        stream = _guarded(made.family.sample, key, "sample", params, config, rng, x.copy(), **options)
    chains = traced_chains(len(x), x.shape[1], most + 1)
    frames, metrics = Frames(), MetricLog()
    offered = x[:MAX_PROPOSED].shape
    frames.add(0, (x[:MAX_STATES].copy(), None))
    traces = [x[:chains].astype(np.float32)]
    energies = [_energies(made, params, x[:chains])]
    last, step, diverged, finished = x, 0, None, True
    proposed: Array | None = None
    while step < most:
        snapshot = next(stream, None)
        if snapshot is None:
            break
        check_snapshot(snapshot, key, "sample")
        width = target.space.dim if made.sampler else x.shape[1]
        value = check_states(snapshot.value, (len(x), width), key)
        states = np.asarray(value, dtype=float)
        if made.sampler and free is not None:
            states = embed(states, free, x)
        energy = _energies(made, params, states[:chains]) if (np.abs(states) < LARGEST).all() else None
        if energy is None or np.isposinf(energy).any() or (np.isnan(energy) & ~np.isnan(energies[0])).any():
            diverged = step + 1
            break
        step += 1
        last = states
        proposed = check_proposed(snapshot.proposed, (len(x), width), key)
        if proposed is not None:
            if made.sampler and free is not None:
                proposed = embed(np.asarray(proposed, dtype=float), free, x)
            proposed = np.array(proposed[:MAX_PROPOSED], dtype=float)
        if frames.wants(step):
            _check_inside(made, states[:MAX_STATES], key, x, free)
            frames.add(step, (states[:MAX_STATES].copy(), proposed))
        metrics.add(snapshot.metrics)
        traces.append(states[:chains].astype(np.float32))
        energies.append(energy)
        yield Progress(phase="sample", step=step, total=most, metrics=dict(snapshot.metrics))
        if stop("sample") or time.monotonic() > deadline:
            finished = False
            if time.monotonic() > deadline:
                notes.append(f"Sampling was ended after {limits.seconds:g} s, this host's limit for a run.")
            break
    if step == 0 and diverged is None and most > 0:
        raise PluginError(key, "sample", "It ended without a snapshot.")
    stream.close()
    last = np.array(last)
    _check_inside(made, last, key, x, free)
    steps, kept = frames.close(step, (last[:MAX_STATES], proposed))
    return Sampling(
        frames=np.stack([states for states, _ in kept]),
        steps=np.asarray(steps, dtype=np.int64),
        last=last,
        metrics=metrics.arrays(),
        traces=np.stack(traces),
        energies=np.stack(energies),
        diverged=diverged,
        finished=finished and (made.spec.sample_stop is None or step < made.spec.sample_stop),
        proposed=stacked([offer for _, offer in kept], offered),
    )


def _energies(made: Plan, params: Any, x: Array) -> Array:
    """E of the followed chains; NaN is only allowed of a family that has a gradient and no energy."""
    energies = np.asarray(checked_energy(made.family, params, x), dtype=float)
    bad = np.isnan(energies)
    if bad.any() and made.family.gradient is None:
        raise PluginError(
            made.family.key, "energy", f"It returned NaN for {int(bad.sum())} of {len(x)} states."
        )
    return energies


def _check_inside(made: Plan, states: Array, key: str, x: Array, free: Any) -> None:
    inside = made.space.contains(states)
    if not inside.all():
        row = int(np.argmin(inside))
        raise PluginError(key, "sample", f"State {row} left the space: it is not in {made.space.describe()}.")
    if free is not None and (states[:, ~free] != x[: len(states), ~free]).any():
        raise PluginError(key, "sample", "It moved coordinates that were clamped.")


def _guarded(function: Any, key: str, part: str, *args: Any, **options: Any) -> Any:
    """The snapshots of a plugin's generator; what it raises becomes a PluginError, but for a ConfigError."""
    prefix = f"{part}."
    try:
        yield from function(*args, **options)
    except ConfigError as error:
        plain = "." in error.field or error.field in ("data", "sampler")
        name = error.field if plain else prefix + error.field
        raise ConfigError(name, error.expected, error.got) from error
    except PluginError:
        raise
    except FAULTS as error:
        raise PluginError(key, part, f"It raised {type(error).__name__}: {error}") from error


def _where_it_stopped(spec: RunSpec, training: Training, sampling: Sampling) -> RunSpec:
    if not training.finished and spec.train_stop is None:
        spec = replace(spec, train_stop=training.count)
    if not sampling.finished and spec.sample_stop is None:
        spec = replace(spec, sample_stop=len(sampling.energies) - 1)
    return spec
