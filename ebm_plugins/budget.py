"""A run that is given a budget of evaluations in place of a number of steps: what fair comparisons are made of.

One evaluation is one state whose energy, or one state whose gradient, a sampler asks its target for. They are counted
where they are made, so a sampler pays for all that it does: warm-up, hot copies, refused proposals. A step of n chains
costs

* Metropolis: n energies; MALA: n energies and n gradients; HMC with L leapfrogs: n energies and Ln gradients;
* unadjusted Langevin: n gradients; a sweep of Gibbs or of flips over d cells: dn energies;

and the accept-or-refuse samplers pay once more for the state that they begin in. What they do is what they would do
without the counting: the spec that :func:`spend` ends with makes the same run, draw for draw, anywhere else.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebm_plugins import views
from ebm_plugins.config import Knob, knobs
from ebm_plugins.keeping import check_snapshot
from ebm_plugins.plans import plan
from ebm_plugins.records import Array, ConfigError, Rng, Run, Sampler, Snapshot, Target, Training
from ebm_plugins.registry import Registry
from ebm_plugins.runs import Finished, Limits, Progress, execute
from ebm_plugins.specs import RunSpec

MOST_SNAPSHOTS = 2000  # of one run: as many draws as the diagnostics look at
TRIES = 4  # lengths that are tried for a sampler whose steps do not all cost the same
ENERGIES, GRADIENTS = "energies counted", "gradients counted"


@dataclass
class Meter:
    """Evaluations made so far, in states."""

    energies: int = 0
    gradients: int = 0

    @property
    def total(self) -> int:
        """Both kinds together."""
        return self.energies + self.gradients


@dataclass(frozen=True, eq=False, kw_only=True)
class Spent:
    """What a budget bought. ``run.spec`` makes the same run again.

    ``energies`` and ``gradients`` are what was evaluated up to the last step that the budget pays for, in ``steps``
    steps; ``evaluations`` (f,) both together before each kept frame, from 0 at the start; ``distance`` (f,) the total
    variation of each frame from the exact density, with the 2.5 % and 97.5 % quantiles of as many exact draws in
    ``floor`` (both None where there is no exact answer). ``ess_per_thousand`` effective draws come of 1,000
    evaluations in the second half of the run, NaN where that is not known.
    """

    run: Run
    budget: int
    energies: int
    gradients: int
    steps: int
    evaluations: NDArray[np.int64]
    distance: NDArray[np.float64] | None
    floor: tuple[float, float] | None
    ess_per_thousand: float

    @property
    def total(self) -> int:
        """Evaluations of either kind."""
        return self.energies + self.gradients

    @property
    def arrival(self) -> int | None:
        """Evaluations after which the distance is first inside the floor; None where it never is, or is not known."""
        if self.distance is None or self.floor is None:
            return None
        inside = np.flatnonzero(self.distance <= self.floor[1])
        return int(self.evaluations[inside[0]]) if len(inside) else None


def metered(target: Target, meter: Meter) -> Target:
    """The same target, which counts into ``meter`` every state whose energy or gradient it is asked for."""

    counting = Lock()  # a target may be asked by several threads at once

    def energy(x: Array) -> Array:
        with counting:
            meter.energies += len(x)
        return target.energy(x)

    gradient = target.gradient
    if gradient is None:
        return replace(target, energy=energy)

    def counted(x: Array) -> Array:
        with counting:
            meter.gradients += len(x)
        return gradient(x)

    return replace(target, energy=energy, gradient=counted)


def rationed(sampler: Sampler, budget: float) -> Sampler:
    """The same sampler, which ends before the snapshot that the budget does not pay for. Its metrics hold the
    evaluations so far."""

    def sample(target: Target, config: Any, rng: Rng, x: Array) -> Iterator[Snapshot]:
        meter = Meter()
        stream = sampler.sample(metered(target, meter), config, rng, x)
        for snapshot in stream:
            if meter.total > budget:
                break
            check_snapshot(snapshot, sampler.key, "sample")
            counted = {ENERGIES: float(meter.energies), GRADIENTS: float(meter.gradients)}
            yield replace(snapshot, metrics={**snapshot.metrics, **counted})

    return replace(sampler, sample=sample)


def spend(
    spec: RunSpec,
    registry: Registry,
    budget: int,
    *,
    training: Training | None = None,
    limits: Limits | None = None,
) -> Iterator[Progress | Spent]:
    """Stream a run of a registered sampler for ``budget`` evaluations; its length in the spec is not looked at.

    The length is found by counting: a step or two tell what one costs, and the schedule of the sampler is set to as
    many as can be paid. Where they do not all cost the same, the run is cut at the last one that is paid, or tried
    again with more. The same spec and budget make the same run. Raises ConfigError where nothing can be counted, or
    the budget does not pay for one step.
    """
    made = plan(replace(spec, sample_stop=None), registry)
    if made.sampler is None:
        raise ConfigError(
            "sampler", "a registered sampler, whose evaluations can be counted", made.spec.sampler
        )
    spec, named = made.spec, {k.name: k for k in knobs(made.sampler.config)}
    length, pace = named.get("steps"), named.get("every")

    def of_length(steps: int) -> RunSpec:
        sample = {**spec.sample}
        if length is not None:
            sample["steps"] = steps
        if pace is not None:
            sample["every"] = _within(pace, math.ceil(steps / MOST_SNAPSHOTS))
        return replace(spec, sample=sample)

    short = 2 if length is None else _within(length, 2)
    probe = replace(of_length(short), sample_stop=2)
    run = yield from _made(probe, registry, math.inf, training, limits)
    training = run.training
    costs = _counted(run)
    if run.sampling.diverged is not None and not len(costs):
        yield _told(run, probe, budget)
        return
    if not len(costs) or costs[-1] == 0:
        raise ConfigError(
            "sampler", "a sampler that asks for energies or gradients, to count them", spec.sampler
        )
    if costs[0] > budget:
        one = f"at least {int(costs[0])}, which is one step of {len(run.sampling.last)} chains"
        raise ConfigError("budget", one, budget)
    marginal = float(costs[1] - costs[0]) if len(costs) > 1 else float(costs[0])
    steps = 1 + int((budget - costs[0]) // marginal) if marginal > 0 else short
    for _ in range(TRIES):
        steps = steps if length is None else _within(length, steps)
        asked = of_length(steps)
        run = yield from _made(asked, registry, budget, training, limits)
        costs = _counted(run)
        every = int(asked.sample.get("every", 1))
        cut = len(costs) * every < steps or run.sampling.diverged is not None
        if length is None or cut or not run.sampling.finished:
            break
        # It came to its end. Where its steps cost less than the first ones, the rest is spent at the later price.
        look = max(1, len(costs) // 4)
        price = float(costs[-1] - costs[-1 - look]) / (look * every) if len(costs) > look else marginal
        rest = (budget - costs[-1]) / price if price > 0 else 0.0
        if rest < 1 or _within(length, steps + 1) == steps:
            break
        steps += math.ceil(rest)
    yield _told(run, asked, budget)


def _made(
    spec: RunSpec, registry: Registry, budget: float, training: Training | None, limits: Limits | None
) -> Generator[Progress, None, Run]:
    """Generator: Progress events; returns the run of a spec with a rationed sampler."""
    sampler = rationed(registry.samplers[spec.sampler], budget)
    counting = replace(registry, samplers={**registry.samplers, sampler.key: sampler})
    for event in execute(spec, counting, training=training, limits=limits):
        if isinstance(event, Finished):
            return event.run
        yield event
    raise AssertionError("execute always ends with Finished")


def _counted(run: Run) -> NDArray[np.float64]:
    """(s,) evaluations made up to each snapshot."""
    metrics = run.sampling.metrics
    if ENERGIES not in metrics:
        return np.empty(0)
    return np.asarray(metrics[ENERGIES] + metrics[GRADIENTS])


def _told(run: Run, asked: RunSpec, budget: int) -> Spent:
    """The run as it is without the counting, and what was counted."""
    sampling, snapshots = run.sampling, len(run.sampling.energies) - 1
    every = int(asked.sample.get("every", 1))
    steps = asked.sample.get("steps")
    whole = snapshots * every if steps is None else min(snapshots * every, int(steps))
    cut = steps is None or whole < int(steps)
    counted = np.append(0.0, _counted(run))[: snapshots + 1]
    energies, gradients = (
        int(sampling.metrics[name][snapshots - 1]) if snapshots else 0 for name in (ENERGIES, GRADIENTS)
    )
    metrics = {k: v for k, v in sampling.metrics.items() if k not in (ENERGIES, GRADIENTS)}
    spec = replace(run.spec, sample_stop=snapshots) if cut and sampling.diverged is None else run.spec
    run = replace(run, spec=spec, sampling=replace(sampling, metrics=metrics))
    found = views.distance_trace(run)
    return Spent(
        run=run,
        budget=budget,
        energies=energies,
        gradients=gradients,
        steps=whole,
        evaluations=counted[np.clip(sampling.steps, 0, snapshots)].astype(np.int64),
        distance=None if found is None else found[0],
        floor=None if found is None else found[1],
        ess_per_thousand=_worth(run, counted),
    )


def _worth(run: Run, counted: NDArray[np.float64]) -> float:
    """Effective draws of 1,000 evaluations, over the part of the run and the chains that the report looks at."""
    report, n = run.report, len(run.sampling.last)
    first = (len(counted) + 1) // 2
    if report is None or not np.isfinite(report.ess) or not 0 < first < len(counted):
        return float("nan")
    paid = (counted[-1] - counted[first - 1]) * report.chains / n
    return float(1000.0 * report.ess / paid) if paid > 0 else float("nan")


def _within(knob: Knob, value: int) -> int:
    """The nearest value that the knob takes."""
    low = 1 if knob.ge is None else int(knob.ge)
    return max(low, value if knob.le is None else min(int(knob.le), value))


__all__ = ["Meter", "Spent", "metered", "rationed", "spend"]
