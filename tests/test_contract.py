"""The promise to plugin authors: hooks, record fields and signatures. Things are only ever added, with defaults.

A pin that fails is not to be edited: keep the old name working, or say in CHANGELOG.md that every plugin breaks.
"""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import pytest

import ebm_plugins
from ebm_plugins import (
    config,
    hookspecs,
    link,
    records,
    registry,
    runs,
    spaces,
    specs,
    starts,
    targets,
    testing,
)

REQUIRED = dataclasses.MISSING
EMPTY: Any = {}  # a read-only empty mapping

FIELDS: dict[type, dict[str, Any]] = {
    records.Family: {
        "key": REQUIRED, "title": REQUIRED, "summary": REQUIRED, "accepts": REQUIRED, "energy": REQUIRED,
        "train": REQUIRED, "sample": REQUIRED, "train_config": REQUIRED, "sample_config": REQUIRED,
        "section": "Models", "gradient": None, "state_space": None, "learns": None, "log_partition": None,
        "bracket": None, "support": None, "exactness": "asymptotic", "methods": (), "clamps": False, "lens": None,
        "presets": EMPTY, "example": None, "figures": EMPTY, "studies": EMPTY, "box": None, "learn": "",
        "explain": None, "reversible": False, "lessons": (), "stationary": True, "has_energy": None,
    },
    records.Lesson: {"title": REQUIRED, "spec": REQUIRED, "look": REQUIRED, "claim": REQUIRED, "kind": "try"},
    records.Sampler: {
        "key": REQUIRED, "title": REQUIRED, "summary": REQUIRED, "accepts": REQUIRED, "config": REQUIRED,
        "sample": REQUIRED, "needs_gradient": False, "exactness": "asymptotic", "lens": None, "reversible": False,
        "example": None, "stationary": True, "needs_energy": False,
    },
    testing.Result: {
        "check": REQUIRED, "outcome": REQUIRED, "figure": "", "seconds": 0.0, "message": "", "traceback": "",
    },
    testing.Conformance: {
        "passed": REQUIRED, "failed": REQUIRED, "skipped": REQUIRED, "seconds": REQUIRED, "expected": 0, "failures": (),
        "unchecked": "",
    },
    records.Dataset: {
        "key": REQUIRED, "title": REQUIRED, "summary": REQUIRED, "space": REQUIRED, "load": REQUIRED,
    },
    records.Data: {
        "x": REQUIRED, "space": REQUIRED, "labels": None, "test_x": None, "test_labels": None, "name": "",
        "names": (),
    },
    records.Snapshot: {"value": REQUIRED, "metrics": EMPTY, "proposed": None},
    records.Target: {
        "energy": REQUIRED, "gradient": REQUIRED, "space": REQUIRED, "box": None, "temperature": 1.0,
    },
    records.Lens: {
        "year": REQUIRED, "authors": REQUIRED, "energy": REQUIRED, "learns": REQUIRED, "samples": REQUIRED,
        "avoids": REQUIRED, "references": (), "formula": "",
    },
    records.Failure: {"plugin": REQUIRED, "stage": REQUIRED, "message": REQUIRED, "traceback": ""},
    records.Configs: {"train": REQUIRED, "sample": REQUIRED},
    records.Training: {"frames": REQUIRED, "steps": REQUIRED, "metrics": REQUIRED, "finished": True},
    records.Sampling: {
        "frames": REQUIRED, "steps": REQUIRED, "last": REQUIRED, "metrics": REQUIRED, "traces": REQUIRED,
        "energies": REQUIRED, "diverged": None, "finished": True,
        "proposed": None,
    },
    records.Run: {
        "spec": REQUIRED, "data": REQUIRED, "params": REQUIRED, "target": REQUIRED, "configs": REQUIRED,
        "training": REQUIRED, "sampling": REQUIRED, "space": REQUIRED, "truth": None, "field": None,
        "report": None, "verdict": None, "free": None, "exactness": "asymptotic",
        "notes": (), "stationary": True,
    },
    specs.RunSpec: {
        "family": REQUIRED, "dataset": "", "train": EMPTY, "sample": EMPTY, "sampler": "", "start": None,
        "seed": 0, "train_stop": None, "sample_stop": None,
    },
    registry.Provider: {"name": REQUIRED, "version": REQUIRED, "module": REQUIRED, "file": ""},
    registry.Registry: {
        "families": EMPTY, "datasets": EMPTY, "samplers": EMPTY, "providers": EMPTY, "failures": (),
    },
    starts.Noise: {"n": 300, "free": ()},
    starts.Data: {"rows": (0,), "copies": 1, "free": ()},
    starts.Corrupted: {"rows": (0,), "kind": "flip", "amount": 0.3, "copies": 1, "free": ()},
    starts.Drawn: {"states": "", "copies": 1, "free": ()},
    spaces.Plane: {},
    spaces.BinaryGrid: {"rows": REQUIRED, "cols": REQUIRED},
    spaces.Vectors: {"size": REQUIRED, "shape": None},
    spaces.Pairs: {"left": REQUIRED, "right": REQUIRED},
}  # fmt: skip

POSITIONAL = (
    records.Snapshot, records.Failure, registry.Provider, spaces.BinaryGrid, spaces.Vectors, spaces.Pairs,
    starts.Noise, starts.Data, starts.Corrupted, starts.Drawn,
)  # fmt: skip

# A call written for the function on the right works with the one on the left.
SIGNATURES: dict[Any, Any] = {
    hookspecs.register_families: lambda: None,
    hookspecs.register_datasets: lambda: None,
    hookspecs.register_samplers: lambda: None,
    registry.load: lambda allow=None, *, builtins=None, discover=True: None,
    registry.Registry.provider: lambda self, record: None,
    runs.resolve: lambda spec, registry: None,
    runs.execute: lambda spec, registry: None,
    runs.run: lambda spec, registry: None,
    runs.spec_digest: lambda spec, registry: None,
    runs.result_digest: lambda run: None,
    runs.environment_tag: lambda: None,
    link.parse: lambda link, registry: None,
    link.write: lambda spec, registry, *, full=False: None,
    targets.bind: lambda family, params, space, *, temperature=1.0, free=None, fixed=None: None,
    config.knob: lambda default, help, *, ge=None, le=None, title=None, unit="", log=False, more=False: None,
    config.knobs: lambda model: None,
    config.build: lambda model, values: None,
    config.plain: lambda config: None,
    starts.pack: lambda x, space: None,
    starts.unpack: lambda text, space: None,
    starts.draw: lambda start, data, space, rng: None,
    starts.check: lambda start, space, rows: None,
    spaces.Space.contains: lambda self, x: None,
    spaces.Space.noise: lambda self, n, rng: None,
    spaces.Space.corrupt: lambda self, x, kind, amount, rng: None,
    spaces.Space.restrict: lambda self, count: None,
    testing.check_all: lambda record, registry, seed=0: None,
    testing.conformance: lambda key, registry, seed=0: None,
    testing.summary: lambda results: None,
    testing.parametrize_with_checks: lambda items, *, registry=None, expected_failures=None, seed=0: None,
    records.ConfigError.__init__: lambda self, field, expected, got: None,
    records.PluginError.__init__: lambda self, plugin, part, message: None,
    records.exactness_of: lambda record, config: None,
    records.reversible_of: lambda record, config: None,
    records.stationary_of: lambda record, config: None,
    records.Family.states: lambda self, space: None,
    records.Family.needs_data: lambda self, config: None,
    records.Family.compares: lambda self, config: None,
}

PUBLIC = {
    "BinaryGrid", "Config", "ConfigError", "Data", "Dataset", "Failure", "Family", "Lens", "Lesson", "NoConfig", "Pairs",
    "Plane", "PluginError", "Registry", "Rows", "Run", "RunSpec", "Sampler", "Snapshot", "Space", "Target",
    "Vectors", "execute", "hookimpl", "knob", "load", "resolve", "run", "starts",
}  # fmt: skip


def broken_pins(cls: type, pinned: dict[str, Any], ordered: bool) -> list[str]:
    """In what way a dataclass no longer keeps its pins; fields that were added with a default are fine."""
    found = {f.name: f for f in dataclasses.fields(cls) if f.init}
    wrong = [f"{name} is gone" for name in pinned if name not in found]
    for name, default in pinned.items():
        if name in found and _default(found[name]) != default:
            wrong.append(f"{name} defaults to {_default(found[name])!r}, not {default!r}")
    wrong += [
        f"{n} is new and has no default"
        for n, f in found.items()
        if n not in pinned and _default(f) is REQUIRED
    ]
    if ordered and list(found)[: len(pinned)] != list(pinned):
        wrong.append(f"the order is {list(found)}")
    if [n for n in found if n in pinned] != [n for n in pinned if n in found]:
        wrong.append(f"the pinned ones come as {[n for n in found if n in pinned]}")
    return wrong


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not REQUIRED:
        return dict(field.default_factory())
    return field.default


def broken_signature(function: Any, pinned: Any) -> list[str]:
    """In what way a call that was promised no longer works; parameters that were added with a default are fine."""
    pin = list(inspect.signature(pinned).parameters.values())
    now = inspect.signature(function).parameters
    wrong = []
    for i, parameter in enumerate(pin):
        found = now.get(parameter.name)
        if found is None:
            wrong.append(f"{parameter.name} is gone")
        elif found.default != parameter.default:
            wrong.append(f"{parameter.name} defaults to {found.default!r}, not {parameter.default!r}")
        elif parameter.kind is parameter.POSITIONAL_OR_KEYWORD and list(now)[i] != parameter.name:
            wrong.append(f"{parameter.name} is no longer number {i + 1}")
        elif parameter.kind is parameter.POSITIONAL_OR_KEYWORD and found.kind is not parameter.kind:
            wrong.append(f"{parameter.name} can no longer be given by position and by name")
    names = {p.name for p in pin}
    variable = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    wrong += [
        f"{p.name} is new and has no default"
        for p in now.values()
        if p.name not in names and p.default is p.empty and p.kind not in variable
    ]
    return wrong


@pytest.mark.parametrize("cls", list(FIELDS), ids=lambda c: f"{c.__module__.split('.')[-1]}.{c.__name__}")
def test_record_fields(cls: type) -> None:
    assert broken_pins(cls, FIELDS[cls], ordered=cls in POSITIONAL) == []


@pytest.mark.parametrize("cls", list(FIELDS), ids=lambda c: f"{c.__module__.split('.')[-1]}.{c.__name__}")
def test_records_are_frozen(cls: Any) -> None:
    assert cls.__dataclass_params__.frozen


@pytest.mark.parametrize("function", list(SIGNATURES), ids=lambda f: f"{f.__module__}.{f.__qualname__}")
def test_signatures(function: Any) -> None:
    assert broken_signature(function, SIGNATURES[function]) == []


def test_the_hooks_are_these_three() -> None:
    assert set(registry.RECORDS) >= {"register_families", "register_datasets", "register_samplers"}
    assert hookspecs.PROJECT == registry.GROUP == "ebm_plugins"
    assert registry.ALLOW_VARIABLE == "EBM_PLUGINS"
    assert registry.STAGES[:3] == ("import", "registration", "collection")
    assert {"admission", "preset", "drawing"} <= set(registry.STAGES)


def test_public_names() -> None:
    assert set(ebm_plugins.__all__) >= PUBLIC
    for name in ebm_plugins.__all__:
        assert getattr(ebm_plugins, name) is not None
    assert set(records.EXACTNESS) >= {"exact", "asymptotic", "biased", "descent"}


def test_the_pins_catch_what_they_should() -> None:
    """A field or parameter added with a default passes; one renamed, removed, reordered or required does not."""
    fields = {"a": REQUIRED, "b": 1}

    def made(*names: tuple[Any, ...]) -> type:
        return dataclasses.make_dataclass("Made", names)

    def field(default: Any) -> Any:
        return dataclasses.field(default=default)

    assert broken_pins(made(("a", int), ("b", int, field(1)), ("c", int, field(2))), fields, True) == []
    assert broken_pins(made(("a", int), ("beta", int, field(1))), fields, True)
    assert broken_pins(
        made(
            ("a", int),
        ),
        fields,
        True,
    )
    assert broken_pins(made(("a", int), ("b", int, field(2))), fields, True)
    assert broken_pins(made(("a", int), ("c", int), ("b", int, field(1))), fields, False)
    assert broken_pins(made(("a", int), ("c", int, field(0)), ("b", int, field(1))), fields, True)

    def pinned(x: Any, y: int = 1) -> None: ...

    assert broken_signature(lambda x, y=1, z=2: None, pinned) == []
    assert broken_signature(lambda x, y=1, *, z=2, **more: None, pinned) == []
    assert broken_signature(lambda x, why=1: None, pinned)
    assert broken_signature(lambda y=1, x=2: None, pinned)
    assert broken_signature(lambda x, y=3: None, pinned)
    assert broken_signature(lambda x, y=1, *, z: None, pinned)
    assert broken_signature(lambda x, *, y=1: None, pinned)
