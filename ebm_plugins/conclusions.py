"""What is said of a finished run: the truth beside it, the energy field, the diagnostics, the verdict."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ebm_plugins.plans import Plan
from ebm_plugins.records import Array, Family, PluginError, Run
from ebm_plugins.spaces import Plane

AIS_CHAINS = 256


class _Kept:
    """The last few answers that only depend on what was learned, shared between runs and threads."""

    def __init__(self, most: int) -> None:
        self.most, self._values, self._lock = most, OrderedDict[Any, Any](), threading.Lock()

    def get(self, key: Any, make: Callable[[], Any]) -> Any:
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        with self._lock:
            self._values[key] = value
            while len(self._values) > self.most:
                self._values.popitem(last=False)
        return value


_truths = _Kept(32)
_fields = _Kept(32)


def conclude(run: Run, made: Plan, fixed: Array | None) -> Run:
    """The run with its truth, field, report and verdict."""
    from ebm_plugins import diagnostics, exact, verdict

    family, target = made.family, run.target
    clamped = (b"" if fixed is None else fixed.tobytes(), b"" if made.free is None else made.free.tobytes())
    code = (
        family.energy,
        family.gradient,
        family.log_partition,
        family.bracket,
    )  # a plugin may have been edited
    learned: tuple[Any, ...] = (*code, made.training_digest, made.temperature, run.training.count, *clamped)
    support = None
    if run.free is None:
        support = _asked(family, "support", run.params, run.sampling.last[:1])
    shared = fixed is None or len(fixed) == 1
    key = learned if support is None else (*learned, np.asarray(support).tobytes())

    whole = run.free is None and made.temperature == 1.0

    def closed() -> float | None:
        return _asked(family, "log_partition", run.params) if whole else None

    def bracket() -> tuple[float, float, float] | None:
        return _asked(family, "bracket", run.params, np.random.default_rng(0), AIS_CHAINS) if whole else None

    def truth() -> Any:
        if not shared:
            reason = "Each chain is clamped to other values, so there is no one distribution to compare with."
            return exact.no_truth(reason)
        return exact.truth_of(target, log_partition=closed(), support=support, bracket=bracket)

    if len(run.sampling.last):
        run = replace(run, truth=_truths.get(key, truth))
    if isinstance(run.space, Plane) and run.free is None:
        box = None if target.box is None else target.box.tobytes()
        keep = (*learned, box, None if box else run.sampling.last.tobytes())
        states = run.sampling.frames[[0, -1]].reshape(-1, 2)
        run = replace(run, field=_fields.get(keep, lambda: exact.energy_field(target, states=states)))
    sampling = run.sampling
    run = replace(run, report=diagnostics.report(sampling.traces, sampling.energies, sampling.metrics))
    return replace(run, verdict=verdict.judge(run, _asked(family, "explain", run) or ""))


def _asked(family: Family, part: str, *args: Any) -> Any:
    """What an optional part of a family answers; None where it has no such part, PluginError when it raises."""
    function = getattr(family, part)
    if function is None:
        return None
    try:
        return function(*args)
    except Exception as error:
        raise PluginError(family.key, part, f"It raised {type(error).__name__}: {error}") from error
