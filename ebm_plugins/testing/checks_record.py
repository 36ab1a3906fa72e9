"""Checks of what a record says of itself: fields, configs, presets, links. None needs a random number but the last."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, replace
from typing import Any

from pydantic import BaseModel

from ebm_plugins import link
from ebm_plugins.admission import Refused, admit, check_preset
from ebm_plugins.config import Knob, build, knobs
from ebm_plugins.plans import MAX_SEED
from ebm_plugins.records import EXACTNESS, ConfigError, Family, Lens, exactness_of, reversible_of
from ebm_plugins.runs import resolve
from ebm_plugins.spaces import Plane
from ebm_plugins.specs import RunSpec
from ebm_plugins.testing.kit import Finding, Skip, Wrong, check, require
from ebm_plugins.testing.subject import Subject
from ebm_plugins.testing.varied import variants

MOST_CELLS = 9


@check("family", "sampler")
def record_admitted(subject: Subject) -> None:
    """A registry lets the record in: its key is a free slug, its fields are of the right types, its configs can be
    shown as controls."""
    hook = "register_families" if subject.kind == "family" else "register_samplers"
    try:
        admit(subject.record, hook, {})
    except Refused as refused:
        raise Wrong(str(refused)) from refused
    try:
        subject.record.key = subject.record.key  # type: ignore[misc]
    except FrozenInstanceError:
        return
    raise Wrong("the record can be changed: it is not a frozen Family or Sampler")


@check("family", "sampler")
def config_frozen(subject: Subject) -> Finding:
    """Each config can be made without arguments, twice alike, and refuses to be changed."""
    for name, model in subject.configs.items():
        one = model()
        require(one == model(), f"{name}: two default configs differ")
        for field in type(one).model_fields:
            try:
                setattr(one, field, getattr(one, field))
            except Exception:
                continue
            raise Wrong(f"{name}.{field} can be assigned to: the config is not frozen")
    return Finding(f"{len(subject.configs)} configs")


@check("family", "sampler")
def config_bounds(subject: Subject) -> Finding:
    """Every bound of a number, every option of a choice and both sides of a switch are accepted."""
    count = 0
    for name, model in subject.configs.items():
        for knob in knobs(model):
            for value in _edges(knob):
                count += 1
                try:
                    made = build(model, {knob.name: value})
                except ConfigError as error:
                    raise Wrong(
                        f"{name}.{knob.name} declares {knob.expected()} and refuses {value}: {error}"
                    ) from error
                got = getattr(made, knob.name)
                require(got == value, f"{name}.{knob.name}: {value} was turned into {got}")
    return Finding(f"{count} values")


@check("family", "sampler")
def config_refusals(subject: Subject) -> Finding:
    """Everything outside is refused: below and above the bounds, NaN, infinity, another type, an option or a field that
    is not there."""
    count = 0
    for name, model in subject.configs.items():
        for field, value in (*_outside(model), ("no_such_field", 1)):
            count += 1
            try:
                build(model, {field: value})
            except ConfigError:
                continue
            except Exception as error:
                raise Wrong(f"{name}.{field}={value!r} raised {type(error).__name__}: {error}") from error
            raise Wrong(f"{name}.{field} accepts {value!r}")
    return Finding(f"{count} values")


@check("family", "sampler")
def config_documented(subject: Subject) -> Finding:
    """Every field has a help text that is more than its name, and a title."""
    count = 0
    for name, model in subject.configs.items():
        for knob in knobs(model):
            count += 1
            text = knob.help.strip()
            require(text, f"{name}.{knob.name} has no help text")
            bare = "".join(c for c in text.lower() if c.isalnum())
            require(
                bare
                not in (knob.name.replace("_", ""), "".join(c for c in knob.title.lower() if c.isalnum())),
                f"{name}.{knob.name}: its help text only repeats its name",
            )
            require(knob.title.strip(), f"{name}.{knob.name} has an empty title")
    return Finding(f"{count} fields")


@check("family", "sampler")
def claims_known(subject: Subject) -> Finding:
    """Under every variant of its sampling config it says what it targets (one of the four words), and whether it is
    reversible; what claims to be reversible does not claim to descend."""
    record = subject.record
    model = record.sample_config if isinstance(record, Family) else record.config
    said = {}
    for name, config in variants(model()).items():
        claim = exactness_of(record, config)
        require(
            claim in EXACTNESS, f"exactness {name}: expected one of {', '.join(EXACTNESS)}, got {claim!r}"
        )
        said[claim] = True
        value = record.reversible(config) if callable(record.reversible) else record.reversible
        require(isinstance(value, bool), f"reversible {name}: expected True or False, got {value!r}")
        value = record.stationary(config) if callable(record.stationary) else record.stationary
        require(isinstance(value, bool), f"stationary {name}: expected True or False, got {value!r}")
        odd = reversible_of(record, config) and claim == "descent"
        require(not odd, f"{name}: it claims to be reversible and to descend")
    return Finding(", ".join(said))


@check("family", "sampler")
def lens_complete(subject: Subject) -> None:
    r"""Its row in the unification table has no empty cell, and its LaTeX has no dollar signs; braces, and \left with
    \right, open before they close."""
    lens = subject.record.lens
    if lens is None:
        raise Skip("it has no lens")
    require(isinstance(lens, Lens), "lens: expected a Lens")
    require(isinstance(lens.year, int) and 1600 <= lens.year <= 2100, f"lens.year: got {lens.year!r}")
    for name in ("authors", "energy", "learns", "samples", "avoids"):
        value = getattr(lens, name)
        require(isinstance(value, str) and value.strip(), f"lens.{name} is empty")
    require("$" not in lens.energy, "lens.energy is LaTeX without dollar signs")
    for name in ("energy", "formula"):
        for opens, closes in (("{", "}"), (r"\left", r"\right")):
            require(
                _paired(getattr(lens, name), opens, closes), f"lens.{name}: {opens} and {closes} do not match"
            )


def _paired(text: str, opens: str, closes: str) -> bool:
    r"""Whether each ``opens`` is closed after it; \{ and \} are signs, not braces, and \leftarrow is no \left."""
    depth = 0
    for sign in re.findall(r"\\[A-Za-z]+|\\.|.", text, re.DOTALL):
        depth += (sign == opens) - (sign == closes)
        if depth < 0:
            return False
    return depth == 0


@check("family")
def example_tiny(subject: Subject) -> Finding:
    """It has an example that resolves, on the plane or on at most nine cells, short enough to be checked by."""
    example = subject.family.example
    if example is None:
        raise Skip(f"it has no example; the kit uses {subject.specs[0].dataset} and the defaults")
    try:
        check_preset("example", example, subject.family, subject.registry)
    except Refused as refused:
        raise Wrong(str(refused)) from refused
    space = subject.plans[0].space
    small = isinstance(space, Plane) or space.dim <= MOST_CELLS or subject.family.support is not None
    require(
        small,
        f"its example lives in {space.describe()}; at most {MOST_CELLS} cells, or the plane, can be checked",
    )
    return Finding(space.describe())


@check("family")
def presets_resolve(subject: Subject) -> Finding:
    """Every preset names installed data and values that its configs accept."""
    presets = subject.family.presets
    if not presets:
        raise Skip("it has no presets")
    for name, spec in presets.items():
        try:
            check_preset(f"preset ‘{name}’", spec, subject.family, subject.registry)
        except Refused as refused:
            raise Wrong(str(refused)) from refused
    return Finding(f"{len(presets)} presets")


@check("family", "sampler")
def links_round_trip(subject: Subject) -> Finding:
    """A run written as a link and read back is the same run, with nothing mended: its example, presets, lessons, and each
    variant of its configs, both short and with every value."""
    specs = [*subject.specs, *getattr(subject.record, "presets", {}).values()]
    specs += [lesson.spec for lesson in getattr(subject.record, "lessons", ())]
    base = resolve(subject.specs[0], subject.registry)
    made = subject.plans[0]
    specs += [_with(base, "sample", config) for config in variants(made.sample_config).values()]
    if subject.kind == "family":
        specs += [_with(base, "train", config) for config in variants(made.train_config).values()]
    specs.append(replace(base, seed=MAX_SEED - subject.seed, sample_stop=3))
    for spec in specs:
        whole = resolve(spec, subject.registry)
        for full in (False, True):
            text = link.write(whole, subject.registry, full=full)
            again, mended = link.parse(text, subject.registry)
            again = resolve(again, subject.registry)
            require(not mended, f"{text} was mended: {mended[:1]}")
            require(again == whole, f"{text} came back as another run: {_difference(whole, again)}")
    return Finding(f"{len(specs)} runs")


def _with(spec: RunSpec, part: str, config: BaseModel) -> RunSpec:
    return replace(spec, **{part: config.model_dump(mode="json")})  # type: ignore[arg-type]


def _difference(a: RunSpec, b: RunSpec) -> str:
    one, other = a.as_dict(), b.as_dict()
    return ", ".join(f"{k}: {one[k]} → {other[k]}" for k in one if one[k] != other[k])


def _edges(knob: Knob) -> list[Any]:
    if knob.kind == "choice":
        return list(knob.options)
    if knob.kind == "bool":
        return [False, True]
    if knob.kind in ("int", "float"):
        number = int if knob.kind == "int" else float
        return [number(b) for b in (knob.ge, knob.le) if b is not None]
    return []


def _outside(model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    for knob in knobs(model):
        yield knob.name, None
        if knob.kind in ("int", "float"):
            for value in (math.nan, math.inf, -math.inf, "many", True):
                yield knob.name, value
            down, up = (-1, 1) if knob.kind == "int" else (-math.inf, math.inf)
            for bound, way in ((knob.ge, down), (knob.le, up)):
                if bound is not None:
                    yield (
                        knob.name,
                        int(bound) + int(way) if knob.kind == "int" else math.nextafter(bound, way),
                    )
            if knob.kind == "int":
                yield knob.name, (knob.ge or 0) + 0.5
        elif knob.kind == "choice":
            yield knob.name, "no-such-option"
        elif knob.kind == "bool":
            yield knob.name, "perhaps"
        else:
            yield knob.name, 3
