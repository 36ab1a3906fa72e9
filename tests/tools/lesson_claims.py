"""Where the claims of lessons are put, and what their checks measure with. A claim is checked by a function of the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ebm_plugins import Run, load
from ebm_plugins.lessons import known_as

REGISTRY = load(discover=False)
TAUGHT = {known_as(f, one): (f, one) for f in REGISTRY.families.values() for one in f.lessons}
Claim = Callable[[Run], None]
CLAIMS: dict[str, Claim] = {}


def claim(name: str) -> Callable[[Claim], Claim]:
    def put(check: Claim) -> Claim:
        assert name not in CLAIMS
        CLAIMS[name] = check
        return check

    return put


class Doubted(AssertionError):
    """A run that should be as close as draws can be is not: a perfect sampler is doubted about 3 times in 100."""


def is_close(made: Run) -> None:
    """Raise :class:`Doubted` unless the verdict is that the run is as close as draws can be."""
    assert made.verdict is not None
    if made.verdict.status != "good":
        raise Doubted(f"{made.verdict.head} {made.verdict.text}")


def spins(x: Any) -> Any:
    return 2 * np.asarray(x) - 1


def variation(made: Run) -> tuple[float, tuple[float, float, float]]:
    """Total variation of the last states, and the floor of as many exact draws."""
    assert made.truth is not None
    last = made.sampling.last if made.free is None else made.sampling.last[:, made.free]
    return made.truth.total_variation(last), made.truth.floor(len(last))


def halves(values: Any) -> tuple[float, float]:
    """The mean of a tenth at the middle of learning, and of the last tenth."""
    half, few = len(values) // 2, max(1, len(values) // 10)
    return float(np.mean(values[half - few // 2 : half + few - few // 2])), float(np.mean(values[-few:]))


def changed(spec: Any, train: dict[str, Any], sample: dict[str, Any] | None = None) -> Any:
    return replace(spec, train={**spec.train, **train}, sample={**spec.sample, **(sample or {})})


def started(spec: Any, start: Any) -> Any:
    return replace(spec, start=start)


def acceptance(made: Run) -> float:
    return float(np.mean(made.sampling.metrics["acceptance"]))


def mean_energy(made: Run) -> float:
    return float(np.mean(made.target.energy(made.sampling.last)) * made.target.temperature)
