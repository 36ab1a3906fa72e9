"""What is said of a finished run: the truth beside it, the energy field, the diagnostics, the verdict."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebm_plugins.plans import Plan
from ebm_plugins.records import FAULTS, Array, Family, PluginError, Run
from ebm_plugins.spaces import Plane
from ebm_plugins.wording import plural

AIS_CHAINS = 256
MOST_NEIGHBOURHOODS = 64  # of the chains of one run


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


def compare(run: Run, made: Plan, fixed: Array | None) -> tuple[Run, NDArray[np.int64]]:
    """The run with its truth and field, and which of its followed chains can be held against each other."""
    from ebm_plugins import exact, views

    family, target = made.family, run.target
    clamped = (b"" if fixed is None else fixed.tobytes(), b"" if made.free is None else made.free.tobytes())
    code = (
        family.energy,
        family.gradient,
        family.log_partition,
        family.bracket,
    )  # a plugin may have been edited
    learned: tuple[Any, ...] = (*code, made.training_digest, made.temperature, run.training.count, *clamped)
    found, place = None, np.empty(0, dtype=np.int64)
    if run.free is None and family.support is not None and len(run.sampling.last):
        found, place = neighbourhoods(family, run)
    support: Any = found[0] if found and len(found) == 1 else None
    if found and len(found) > 1:
        support = exact.Supports(found, np.bincount(place, minlength=len(found)))
    shared = fixed is None or len(fixed) == 1
    key = learned if not found else (*learned, *(_digest(s) for s in found), np.bincount(place).tobytes())

    whole = run.free is None and made.temperature == 1.0

    def closed() -> float | None:
        return _number_or_none(family, _asked(family, "log_partition", run.params)) if whole else None

    def bracket() -> tuple[float, float, float] | None:
        if not whole:
            return None
        return _bracket(family, _asked(family, "bracket", run.params, np.random.default_rng(0), AIS_CHAINS))

    def truth() -> Any:
        if not shared:
            reason = "Each chain is clamped to other values, so there is no one distribution to compare with."
            return exact.no_truth(reason)
        if found is not None and not found:
            return exact.no_truth(
                f"The chains began in more than {MOST_NEIGHBOURHOODS} different neighbourhoods."
            )
        return exact.truth_of(target, log_partition=closed(), support=support, bracket=bracket)

    if len(run.sampling.last):
        run = replace(run, truth=_truths.get(key, truth))
    if isinstance(run.space, Plane) and run.free is None:
        box = None if target.box is None else target.box.tobytes()
        keep = (*learned, box, None if box else run.sampling.last.tobytes())
        states = np.concatenate([run.sampling.frames[0], views.in_sight(run.sampling)])
        run = replace(run, field=_fields.get(keep, lambda: exact.energy_field(target, states=states)))
    same = np.arange(run.sampling.traces.shape[1])
    if found is not None and len(found) != 1:
        same = np.flatnonzero(place[: len(same)] == place[0])  # those that can be held against each other
        note = f"R-hat and effective draws are of the {plural(len(same), 'chain')} that choose among the same states as the first one."
        run = replace(run, notes=(*run.notes, note))
    elif not shared and fixed is not None and made.free is not None:
        same = alike(fixed[: len(same)], made.free)
        note = (
            f"R-hat and effective draws are of the {plural(len(same), 'chain')} clamped as the first one is."
        )
        run = replace(run, notes=(*run.notes, note))
    return run, same


def conclude(run: Run, made: Plan, same: NDArray[np.int64]) -> Run:
    """The run that :func:`compare` made, with its report and verdict."""
    from ebm_plugins import diagnostics, verdict

    sampling = run.sampling
    report = diagnostics.report(sampling.traces[:, same], sampling.energies[:, same], sampling.metrics)
    if not run.stationary and run.exactness != "descent":
        report = diagnostics.of_the_end(report, sampling.energies[-1:, same])
    run = replace(run, report=report)
    try:
        explain = _asked(made.family, "explain", run) or ""
    except PluginError as error:  # a caption is not worth a run
        explain, run = "", replace(run, notes=(*run.notes, str(error)))
    return replace(run, verdict=verdict.judge(run, str(explain)))


def alike(x: Array, free: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Which of the states (n, dim) share the clamped cells of the first."""
    return np.flatnonzero((x == x[:1])[:, ~free].all(axis=1))


def neighbourhoods(family: Family, run: Run) -> tuple[tuple[Array, ...], NDArray[np.int64]]:
    """The different finite neighbourhoods (s, dim) that the chains ended in, and which each chain (n,) is in; none,
    and every chain in its own, where there are more than :data:`MOST_NEIGHBOURHOODS`."""
    last = np.asarray(run.sampling.last, dtype=float) + 0.0
    seen: dict[bytes, int] = {}
    found: list[Array] = []
    place = np.zeros(len(last), dtype=np.int64)
    for i, state in enumerate(last):
        raw = state.tobytes()
        if raw not in seen:
            if len(found) == MOST_NEIGHBOURHOODS:
                return (), np.arange(len(last))
            states = np.asarray(_asked(family, "support", run.params, state[None]), dtype=float) + 0.0
            for row in (state, *states):
                seen.setdefault(row.tobytes(), len(found))
            found.append(states)
        place[i] = seen[raw]
    return tuple(found), place


def _digest(x: Array) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(x).tobytes()).digest()


def _asked(family: Family, part: str, *args: Any) -> Any:
    """What an optional part of a family answers; None where it has no such part, PluginError when it raises."""
    function = getattr(family, part)
    if function is None:
        return None
    try:
        return function(*args)
    except FAULTS as error:
        raise PluginError(family.key, part, f"It raised {type(error).__name__}: {error}") from error


def _number_or_none(family: Family, value: Any) -> float | None:
    """log Z, when it is one. Raises PluginError."""
    if value is None:
        return None
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float | np.floating | np.integer)
        or not np.isfinite(value)
    ):
        raise PluginError(
            family.key, "log_partition", f"It returned {value!r} where a finite number or None was expected."
        )
    return float(value)


def _bracket(family: Family, value: Any) -> tuple[float, float, float] | None:
    """(lower, upper, standard error), when they are. Raises PluginError."""
    if value is None:
        return None
    try:
        lower, upper, error = (float(v) for v in value)
    except (TypeError, ValueError):
        lower = upper = error = float("nan")
    if not np.isfinite([lower, upper, error]).all():
        raise PluginError(
            family.key, "bracket", f"It returned {value!r} where (lower, upper, standard error) was expected."
        )
    return lower, upper, error
