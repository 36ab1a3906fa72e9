"""Energy-based models as plugins: p(x) = exp(−E(x)) / Z. The public API, on one screen.

Records and spaces:  Family, Sampler, Dataset, Data, Snapshot, Target, Run, Lens, Lesson, Failure,
                     ConfigError;
                     Space, Plane, BinaryGrid, Vectors, Pairs
Configs:             Config, NoConfig, Rows, knob
Hooks:               hookimpl, and register_families, register_datasets, register_samplers in ``hookspecs``
Runs:                load() -> Registry; RunSpec, starts; resolve(spec, registry); execute(spec, registry);
                     run(spec, registry) -> Run

What needs more than NumPy and pluggy is imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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
from ebm_plugins.spaces import BinaryGrid, Pairs, Plane, Space, Vectors
from ebm_plugins.specs import RunSpec

if TYPE_CHECKING:
    from ebm_plugins import starts
    from ebm_plugins.config import Config, NoConfig, Rows, knob
    from ebm_plugins.registry import Registry, load
    from ebm_plugins.runs import execute, resolve, run

__version__ = "0.1.0"

_LAZY = {
    "Config": "config", "NoConfig": "config", "Rows": "config", "knob": "config",
    "Registry": "registry", "load": "registry",
    "execute": "runs", "resolve": "runs", "run": "runs",
}  # fmt: skip

__all__ = [
    "BinaryGrid", "Config", "ConfigError", "Data", "Dataset", "Failure", "Family", "Lens", "Lesson", "NoConfig", "Pairs",
    "Plane", "PluginError", "Registry", "Rows", "Run", "RunSpec", "Sampler", "Snapshot", "Space", "Target",
    "Vectors", "execute", "hookimpl", "knob", "load", "resolve", "run", "starts",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "starts":
        return import_module("ebm_plugins.starts")
    if name in _LAZY:
        return getattr(import_module(f"ebm_plugins.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'ebm_plugins' has no attribute {name!r}")
