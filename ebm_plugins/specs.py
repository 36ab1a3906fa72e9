"""The run spec: everything that determines a run, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

from ebm_plugins import starts
from ebm_plugins.records import ConfigError


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """What a link holds. Everything but ``family`` may be left out: :func:`ebm_plugins.resolve` fills it in.

    ``train`` and ``sample`` are plain mappings of the config values that were set. ``sampler`` is the key of a
    registered sampler, or the family's own key for its own ``sample``. ``train_stop`` and ``sample_stop`` say
    how many snapshots are taken (None: all that the configs ask for).
    """

    family: str
    dataset: str = ""
    train: Mapping[str, Any] = field(default_factory=dict)
    sample: Mapping[str, Any] = field(default_factory=dict)
    sampler: str = ""
    start: starts.Start | None = None
    seed: int = 0
    train_stop: int | None = None
    sample_stop: int | None = None

    def __post_init__(self) -> None:
        for name in ("train", "sample"):
            if not isinstance(getattr(self, name), Mapping):
                raise ConfigError(name, "a mapping of names to values", getattr(self, name))
        object.__setattr__(self, "train", MappingProxyType(dict(self.train)))
        object.__setattr__(self, "sample", MappingProxyType(dict(self.sample)))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.as_dict(),)

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready plain data."""
        out: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        out["train"], out["sample"] = _plain(self.train), _plain(self.sample)
        out["start"] = starts.as_dict(self.start) if self.start else None
        return out

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunSpec:
        """The spec that :meth:`as_dict` wrote. Raises ConfigError for anything else."""
        known = {f.name for f in fields(cls)}
        for name in values:
            if name not in known:
                raise ConfigError(name, "one of " + ", ".join(sorted(known)), name)
        values = dict(values)
        if isinstance(values.get("start"), Mapping):
            values["start"] = starts.from_dict(values["start"])
        for name in ("train", "sample"):
            if not isinstance(values.get(name, {}), Mapping):
                raise ConfigError(name, "a mapping of names to values", values[name])
        return cls(**values)


def _rebuild(values: Mapping[str, Any]) -> RunSpec:
    return RunSpec.from_dict(values)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
