"""A finished run as bytes, and back: its arrays, what was said of it, and the spec from which the rest is made anew.

A run is found again by its spec digest, under the fingerprint of the code that made it: what an edited plugin would
now compute otherwise is not served from before. (The version of a plugin is part of the spec digest already; the
fingerprint is for those who edit without a new version.)
"""

from __future__ import annotations

import functools
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from ebm_plugins import digests, packing
from ebm_plugins.budget import Spent
from ebm_plugins.exact import EnergyField
from ebm_plugins.plans import Plan, plan
from ebm_plugins.records import Configs, Run, Sampling, Training
from ebm_plugins.registry import Registry
from ebm_plugins.specs import RunSpec
from ebm_plugins.targets import bind

KEPT = ("training", "sampling", "truth", "field", "report", "verdict", "notes", "free")
HERE = Path(__file__).parent


def records() -> tuple[type, ...]:
    """The records that stored bytes may hold."""
    from ebm_plugins.diagnostics import Report
    from ebm_plugins.held_out import Held, Score
    from ebm_plugins.truth import Truth
    from ebm_plugins.verdict import Verdict

    return (Sampling, Truth, EnergyField, Report, Verdict, Held, Score)


def to_bytes(run: Run, **more: Any) -> bytes:
    """The run as one ``.npz``: ``training/frames/…``, ``sampling/last`` and so on, and ``params/NAME`` beside them.
    ``more`` are other things that are known of it, plain data with arrays."""
    from ebm_plugins import __version__
    from ebm_plugins.stamps import stamp

    made = {
        "spec": run.spec.as_dict(),
        "version": __version__,
        "stamp": stamp(run),
        "params": dict(run.params),
    }
    kept = {name: getattr(run, name) for name in KEPT}
    return packing.pack({**made, **kept, "training": _written(run.training), **more})


def from_bytes(raw: bytes, registry: Registry) -> Run:
    """The run that :func:`to_bytes` wrote. Raises PackingError for other bytes, ConfigError or PluginError where
    what it was made of is not installed any more."""
    content = packing.unpack(raw, records())
    try:
        spec = RunSpec.from_dict(content["spec"])
        kept = {name: content[name] for name in KEPT} | {"training": _read(content["training"])}
    except (KeyError, TypeError, AttributeError) as error:
        raise packing.PackingError(f"expected a stored run, got something else ({error})") from error
    return rebuilt(plan(spec, registry), stamp=str(content.get("stamp", "")), **kept)


def rebuilt(made: Plan, *, training: Training, sampling: Sampling, free: Any, **said: Any) -> Run:
    """The run of a plan whose params and states are known."""
    params = training.params
    held = sampling.last  # what is clamped never moved, so the last states hold it
    fixed = None
    if free is not None:
        fixed = held[:1] if (held == held[:1])[:, ~free].all() else held
    return Run(
        spec=made.spec,
        data=made.data,
        params=params,
        target=bind(made.family, params, made.space, temperature=made.temperature, free=free, fixed=fixed),
        configs=Configs(train=made.train_config, sample=made.sample_config),
        training=training,
        sampling=sampling,
        space=made.space,
        free=free,
        exactness=made.exactness,
        stationary=made.stationary,
        **{**said, "notes": tuple(said.get("notes", ()))},
    )


def spent_bytes(spent: Spent, **more: Any) -> bytes:
    """What a budget bought, with its run, as bytes."""
    rest = {f.name: getattr(spent, f.name) for f in fields(spent) if f.name != "run"}
    return to_bytes(spent.run, spent=rest, **more)


def spent_from(raw: bytes, registry: Registry) -> Spent:
    """What :func:`spent_bytes` wrote. Raises as :func:`from_bytes` does."""
    return Spent(run=from_bytes(raw, registry), **packing.unpack(raw, records(), "spent"))


def part(raw: bytes, name: str) -> Any:
    """One part of stored bytes by its name; only its arrays are read. Raises PackingError."""
    found = packing.unpack(raw, records(), name)
    return _read(found) if name == "training" else found


def _written(training: Training) -> dict[str, Any]:
    """Training with its frames as one array a param, (frames, …), where they are all of one shape."""
    frames = training.frames
    shapes = [{name: (v.shape, v.dtype) for name, v in frame.items()} for frame in frames]
    alike = all(one == shapes[0] for one in shapes)
    kept: Any = {k: np.stack([f[k] for f in frames]) for k in frames[0]} if alike else list(map(dict, frames))
    return {f.name: getattr(training, f.name) for f in fields(training)} | {"frames": kept}


def _read(written: Any) -> Training:
    """What :func:`_written` wrote. Raises PackingError."""
    try:
        frames, count = written["frames"], len(written["steps"])
        if isinstance(frames, dict):
            frames = [{name: stacked[i, ...] for name, stacked in frames.items()} for i in range(count)]
        return Training(**{**written, "frames": tuple(frames)})
    except (KeyError, TypeError, IndexError) as error:
        raise packing.PackingError(f"expected what training left, got something else ({error})") from error


def code_of(made: Plan, registry: Registry) -> str:
    """Twelve hex digits of the code that makes a run: this package's, and each third party's that takes part."""
    files = {registry.providers[key].file for key, _, _ in made.providers if key in registry.providers}
    return digests.sha256(_own_code(), *(_code(name) for name in sorted(files) if name))[:12]


@functools.cache
def _own_code() -> bytes:
    """This package as it is when the process first asks: what was imported."""
    return digests.sha256(*(path.read_bytes() for path in sorted(HERE.rglob("*.py")))).encode()


@functools.lru_cache(maxsize=256)
def _code(name: str) -> bytes:
    path = Path(name)
    if HERE in path.parents:
        return b""
    beside = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
    try:
        return digests.sha256(*(one.read_bytes() for one in beside)).encode()
    except OSError:  # it came from somewhere that is no file
        return name.encode()
