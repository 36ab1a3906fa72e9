"""What the host keeps of a stream of snapshots: few frames, every step's metrics, full traces of some chains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebm_plugins.records import Array, Metrics, Params, PluginError, Snapshot, Training

MAX_FRAMES = 300
MAX_STATES = 1_000
MAX_CHAINS = 64
MAX_PROPOSED = 100
TRACE_BYTES = 48 * 2**20
PARAM_BYTES = 64 * 2**20


class Frames:
    """Keeps at most ``most`` of a stream, evenly spaced: when full, it drops every second and halves its pace."""

    def __init__(self, most: int = MAX_FRAMES) -> None:
        self.most, self.stride = max(2, most), 1
        self.kept: list[tuple[int, Any]] = []

    def wants(self, step: int) -> bool:
        """Whether the item of this step will be kept."""
        return step % self.stride == 0

    def add(self, step: int, item: Any) -> None:
        """Keep the item of a wanted step; steps come in order."""
        self.kept.append((step, item))
        if len(self.kept) > self.most:
            self.stride *= 2
            self.kept = [(s, i) for s, i in self.kept if s % self.stride == 0]

    def close(self, step: int, item: Any) -> tuple[list[int], list[Any]]:
        """The steps and items kept, the last item always among them."""
        kept = list(self.kept)
        if not kept or kept[-1][0] != step:
            kept = [*kept[: self.most - 1], (step, item)]
        return [s for s, _ in kept], [i for _, i in kept]


class MetricLog:
    """Every snapshot's metrics: one float a name and a snapshot, NaN where a snapshot lacks it."""

    def __init__(self) -> None:
        self.length = 0
        self._values: dict[str, list[float]] = {}

    def add(self, metrics: Metrics) -> None:
        for name, value in metrics.items():
            self._values.setdefault(name, [np.nan] * self.length).append(float(value))
        self.length += 1
        for values in self._values.values():
            if len(values) < self.length:
                values.append(np.nan)

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        return {name: np.asarray(values) for name, values in self._values.items()}


class TrainingLog:
    """Training as it comes in; :meth:`close` makes the :class:`Training` of it."""

    def __init__(self, plugin: str) -> None:
        self.plugin = plugin
        self.frames, self.metrics = Frames(), MetricLog()
        self.last: Params | None = None
        self.diverged: int | None = None

    def add(self, snapshot: Any) -> bool:
        """Keep one snapshot. False when its params are not finite: training has diverged, and this one is dropped."""
        checked = check_snapshot(snapshot, self.plugin, "train")
        params = check_params(checked.value, self.plugin)
        step = self.metrics.length
        if not all(np.isfinite(v).all() for v in params.values() if v.dtype.kind == "f"):
            if self.last is None:
                raise PluginError(self.plugin, "train", "Its first params are not finite numbers.")
            self.diverged = step
            return False
        self.last = {name: _fixed(value) for name, value in params.items()}
        if self.frames.wants(step):
            if step == 0:
                size = sum(v.nbytes for v in params.values()) or 1
                self.frames.most = max(2, min(MAX_FRAMES, PARAM_BYTES // size))
            self.frames.add(step, self.last)
        self.metrics.add(checked.metrics)
        return True

    def close(self, finished: bool) -> Training:
        if self.last is None:
            raise PluginError(self.plugin, "train", "It ended without a snapshot.")
        steps, frames = self.frames.close(self.metrics.length - 1, self.last)
        return Training(
            frames=tuple(frames),
            steps=np.asarray(steps, dtype=np.int64),
            metrics=self.metrics.arrays(),
            count=self.metrics.length,
            finished=finished,
            diverged=self.diverged,
        )


def _fixed(value: Array) -> Array:
    """A copy that nobody can write to: what was learned stays what it is while it is sampled from."""
    copy = value.copy()
    copy.flags.writeable = False
    return copy


def traced_chains(n: int, dim: int, snapshots: int) -> int:
    """How many chains can be followed through every snapshot: 64, or fewer where that would take too much memory."""
    return max(1, min(MAX_CHAINS, n, TRACE_BYTES // (4 * dim * max(snapshots, 1))))


def check_snapshot(snapshot: Any, plugin: str, part: str) -> Snapshot:
    """The snapshot, when it is one with metrics that are numbers. Raises PluginError."""
    if not isinstance(snapshot, Snapshot):
        raise PluginError(
            plugin, part, f"It yielded a {type(snapshot).__name__} where a Snapshot was expected."
        )
    for name, value in snapshot.metrics.items():
        if not isinstance(name, str) or not isinstance(value, int | float | np.integer | np.floating):
            kind = type(value).__name__
            raise PluginError(plugin, part, f"Its metric {name!r} is a {kind} where a float was expected.")
    return snapshot


def check_params(value: Any, plugin: str) -> dict[str, Array]:
    """The params, when they are a mapping of names to arrays of numbers. Raises PluginError."""
    if not isinstance(value, Mapping):
        raise PluginError(plugin, "train", f"It yielded a {type(value).__name__} where params were expected.")
    for name, array in value.items():
        if not isinstance(name, str) or not isinstance(array, np.ndarray) or array.dtype.kind not in "biufU":
            kind = getattr(array, "dtype", type(array).__name__)
            raise PluginError(
                plugin, "train", f"Its param {name!r} is {kind} where an array of numbers was expected."
            )
    return dict(value)


def check_proposed(value: Any, shape: tuple[int, ...], plugin: str) -> Array | None:
    """What was proposed (n, dim), if anything was. Raises PluginError."""
    if value is None:
        return None
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
        kind = getattr(value, "dtype", type(value).__name__)
        raise PluginError(plugin, "sample", f"It proposed {kind} where an array of numbers was expected.")
    if value.shape != shape:
        raise PluginError(plugin, "sample", f"It proposed shape {value.shape} where {shape} was expected.")
    return value


def stacked(proposals: list[Array | None], shape: tuple[int, ...]) -> Array | None:
    """Proposals (f, p, dim) of the frames, NaN where there was none; None where there never was."""
    if all(one is None for one in proposals):
        return None
    nothing = np.full(shape, np.nan)
    return np.stack([nothing if one is None else one for one in proposals])


def check_states(value: Any, shape: tuple[int, ...], plugin: str) -> Array:
    """The states (n, dim), when they are. Raises PluginError."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
        kind = getattr(value, "dtype", type(value).__name__)
        raise PluginError(plugin, "sample", f"It yielded {kind} where an array of numbers was expected.")
    if value.shape != shape:
        raise PluginError(plugin, "sample", f"It returned shape {value.shape} where {shape} was expected.")
    return value
