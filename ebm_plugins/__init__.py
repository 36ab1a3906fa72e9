"""Energy-based models as plugins: p(x) = exp(−E(x)) / Z. The public API, on one screen.

Records and spaces:  Family, Sampler, Dataset, Data, Snapshot, Target, Run, Lens, Lesson, Failure,
                     ConfigError;
                     Space, Plane, BinaryGrid, Vectors, Pairs
Configs:             Config, NoConfig, Rows, knob
Hooks:               hookimpl, and register_families, register_datasets, register_samplers in ``hookspecs``
Runs:                load() -> Registry; RunSpec, starts; resolve(spec, registry); execute(spec, registry);
                     run(spec, registry) -> Run

Every name is imported when it is first used: this package by itself imports nothing, so that what only names it (a
pytest plugin in an environment where other things are tested, too) costs nobody anything.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ebm_plugins import starts
    from ebm_plugins.config import Config, NoConfig, Rows, knob
    from ebm_plugins.hookspecs import hookimpl
    from ebm_plugins.records import (
        ConfigError,
        Data,
        Dataset,
        Failure,
        Family,
        Lens,
        Lesson,
        PluginError,
        Run,
        Sampler,
        Snapshot,
        Target,
    )
    from ebm_plugins.registry import Registry, load
    from ebm_plugins.runs import execute, resolve, run
    from ebm_plugins.spaces import BinaryGrid, Pairs, Plane, Space, Vectors
    from ebm_plugins.specs import RunSpec

__version__ = "0.1.0"

_HOMES = {
    "config": ("Config", "NoConfig", "Rows", "knob"),
    "hookspecs": ("hookimpl",),
    "records": (
        "ConfigError", "Data", "Dataset", "Failure", "Family", "Lens", "Lesson", "PluginError", "Run",
        "Sampler", "Snapshot", "Target",
    ),
    "registry": ("Registry", "load"),
    "runs": ("execute", "resolve", "run"),
    "spaces": ("BinaryGrid", "Pairs", "Plane", "Space", "Vectors"),
    "specs": ("RunSpec",),
}  # fmt: skip
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "BinaryGrid", "Config", "ConfigError", "Data", "Dataset", "Failure", "Family", "Lens", "Lesson", "NoConfig", "Pairs",
    "Plane", "PluginError", "Registry", "Rows", "Run", "RunSpec", "Sampler", "Snapshot", "Space", "Target",
    "Vectors", "execute", "hookimpl", "knob", "load", "resolve", "run", "starts",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "starts":
        return import_module("ebm_plugins.starts")
    if name in _HOME:
        value = globals()[name] = getattr(import_module(f"ebm_plugins.{_HOME[name]}"), name)
        return value
    raise AttributeError(f"module 'ebm_plugins' has no attribute {name!r}")
