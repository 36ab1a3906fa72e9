"""What a record must be to be let in. Each check says what was expected, what came, and which field it was."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from ebm_plugins.config import knobs, plain
from ebm_plugins.lessons import name_of
from ebm_plugins.records import EXACTNESS, LESSONS, Data, Dataset, Family, Lens, Lesson, Sampler
from ebm_plugins.spaces import Space
from ebm_plugins.specs import RunSpec

if TYPE_CHECKING:
    from ebm_plugins.registry import Provider, Registry

RECORDS: dict[str, type[Family] | type[Dataset] | type[Sampler]] = {
    "register_families": Family,
    "register_datasets": Dataset,
    "register_samplers": Sampler,
}
SLUG = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
MAX_KEY = 40
PAGES = ("home", "compare", "plugins", "page", "pages", "lab", "static", "media", "component", "components")
ROUTES = ("app", "api", "health", "healthz", "streamlit", "store", "upload", "uploads")
LINK_WORDS = (
    "family",
    "data",
    "preset",
    "sampler",
    "seed",
    "start",
    "stop",
    "v",
    "train",
    "sample",
    "inline",
)
RESERVED = frozenset((*PAGES, *ROUTES, *LINK_WORDS))


class Refused(ValueError):
    """A plugin or a record that is not let in; the message is for its author."""


def admit(record: object, hook: str, taken: Mapping[str, Provider]) -> None:
    """Raise Refused unless ``record``, which ``hook`` yielded, may enter.

    ``taken`` maps the keys in use in the record's name space to their providers: families and samplers share
    one, datasets have their own.
    """
    expected = RECORDS[hook]
    if not isinstance(record, expected):
        home = next((name for name, kind in RECORDS.items() if isinstance(record, kind)), None)
        advice = f"; yield it from {home}" if home else ""
        raise Refused(f"{hook} yields {expected.__name__} records, and this is {_what(record)}{advice}.")
    _key(record.key, taken)
    where = f"The {expected.__name__.lower()} ‘{record.key}’: "
    try:
        _text(record)
        if isinstance(record, Family):
            _family(record)
        elif isinstance(record, Sampler):
            _sampler(record)
        else:
            _dataset(record)
    except Refused as refused:
        raise Refused(where + str(refused)) from refused.__cause__


def check_preset(name: str, spec: object, family: Family, registry: Registry) -> None:
    """Raise Refused unless the spec resolves to a run of this family."""
    from ebm_plugins.runs import resolve

    if not isinstance(spec, RunSpec):
        raise Refused(f"The {name} of ‘{family.key}’ is {_what(spec)}, where a RunSpec was expected.")
    if spec.family != family.key:
        raise Refused(f"The {name} of ‘{family.key}’ is a run of another family, ‘{spec.family}’.")
    try:
        resolve(spec, registry)
    except Exception as error:
        raise Refused(f"The {name} of ‘{family.key}’ does not resolve: {error}") from error


def check_lesson(lesson: Lesson, family: Family, registry: Registry) -> None:
    """Raise Refused unless the lesson's spec resolves to a run of a family that is there."""
    from ebm_plugins.runs import resolve

    try:
        resolve(lesson.spec, registry)
    except Exception as error:
        raise Refused(f"The lesson ‘{lesson.title}’ of ‘{family.key}’ does not resolve: {error}") from error


def _key(key: object, taken: Mapping[str, Provider]) -> None:
    if not isinstance(key, str) or not SLUG.fullmatch(key) or len(key) > MAX_KEY:
        raise Refused(
            f"key: expected at most {MAX_KEY} lowercase letters, digits, hyphens and underscores "
            f"(like ‘my-family’), got {_short(key)}."
        )
    if key in RESERVED:
        raise Refused(f"key: ‘{key}’ is a page or a link parameter of the dashboard; choose another.")
    if key in taken:
        other = taken[key]
        raise Refused(
            f"key: ‘{key}’ is already taken by {other.name} {other.version} ({other.module}); choose another."
        )


def _text(record: Family | Dataset | Sampler) -> None:
    for name in ("title", "summary"):
        value = getattr(record, name)
        if not isinstance(value, str) or not value.strip():
            raise Refused(f"{name}: expected some text, got {_short(value)}.")


def _family(family: Family) -> None:
    _accepts(family.accepts)
    for name in ("energy", "train", "sample"):
        _callable(name, getattr(family, name))
    for name in (
        "gradient",
        "state_space",
        "learns",
        "has_energy",
        "single_precision",
        "log_partition",
        "bracket",
        "support",
        "box",
        "explain",
    ):
        if getattr(family, name) is not None:
            _callable(name, getattr(family, name))
    _config("train_config", family.train_config)
    _config("sample_config", family.sample_config, sampling=True)
    _exactness(family.exactness, family.sample_config)
    _yes_or_no("reversible", family.reversible)
    _yes_or_no("stationary", family.stationary)
    for name in ("section", "learn"):
        if not isinstance(getattr(family, name), str):
            raise Refused(f"{name}: expected text, got {_what(getattr(family, name))}.")
    if not isinstance(family.methods, tuple) or not all(isinstance(m, str) for m in family.methods):
        raise Refused(f"methods: expected a tuple of sampler keys, got {_short(family.methods)}.")
    if not isinstance(family.clamps, bool):
        raise Refused(f"clamps: expected True or False, got {_short(family.clamps)}.")
    _lens(family.lens)
    _lessons(family.lessons)
    _mapping("presets", family.presets)
    _mapping("figures", family.figures)
    _mapping("studies", family.studies)
    for title, figure in family.figures.items():
        _callable(f"figures[{title!r}]", figure)
    for title, study in family.studies.items():
        if not isinstance(study, tuple) or len(study) != 2:
            raise Refused(f"studies[{title!r}]: expected (config, function), got {_short(study)}.")
        _config(f"studies[{title!r}]", study[0])
        _callable(f"studies[{title!r}]", study[1])


def _sampler(sampler: Sampler) -> None:
    _accepts(sampler.accepts)
    _callable("sample", sampler.sample)
    _config("config", sampler.config, sampling=True)
    _exactness(sampler.exactness, sampler.config)
    _yes_or_no("reversible", sampler.reversible)
    _yes_or_no("stationary", sampler.stationary)
    if not isinstance(sampler.needs_gradient, bool):
        raise Refused(f"needs_gradient: expected True or False, got {_short(sampler.needs_gradient)}.")
    if not isinstance(sampler.needs_energy, bool):
        raise Refused(f"needs_energy: expected True or False, got {_short(sampler.needs_energy)}.")
    _lens(sampler.lens)
    if sampler.example is not None and not isinstance(sampler.example, RunSpec):
        raise Refused(f"example: expected a RunSpec, got {_what(sampler.example)}.")


def _dataset(dataset: Dataset) -> None:
    if isinstance(dataset.space, type) or not isinstance(dataset.space, Space):
        raise Refused(f"space: expected a space, like BinaryGrid(3, 3), got {_short(dataset.space)}.")
    if isinstance(dataset.load, Data):
        raise Refused("load: expected a function that returns Data, got the Data itself.")
    _callable("load", dataset.load)


def _accepts(accepts: object) -> None:
    good = isinstance(accepts, tuple) and accepts
    if not good or not all(isinstance(kind, type) and issubclass(kind, Space) for kind in accepts):  # type: ignore[attr-defined]
        raise Refused(f"accepts: expected a tuple of space types, like (Plane,), got {_short(accepts)}.")


def _callable(name: str, value: object) -> None:
    if not callable(value):
        raise Refused(f"{name}: expected a function, got {_what(value)}.")


def _yes_or_no(name: str, value: object) -> None:
    if not isinstance(value, bool) and not callable(value):
        raise Refused(f"{name}: expected True, False or a function of the config, got {_short(value)}.")


def _mapping(name: str, value: object) -> None:
    if not isinstance(value, Mapping) or not all(isinstance(title, str) and title for title in value):
        raise Refused(f"{name}: expected a mapping whose keys are titles, got {_short(value)}.")


def _lens(lens: object) -> None:
    if lens is not None and not isinstance(lens, Lens):
        raise Refused(f"lens: expected a Lens, got {_what(lens)}.")


def _lessons(lessons: object) -> None:
    """Lessons with a name of their own each, all of whose texts say something."""
    if not isinstance(lessons, tuple) or not all(isinstance(one, Lesson) for one in lessons):
        raise Refused(f"lessons: expected a tuple of Lesson records, got {_short(lessons)}.")
    names: set[str] = set()
    for one in lessons:
        where = f"lessons[{_short(one.title)}]"
        for field in ("title", "look", "claim"):
            value = getattr(one, field)
            if not isinstance(value, str) or not value.strip():
                raise Refused(f"{where}.{field}: expected some text, got {_short(value)}.")
        if one.kind not in LESSONS:
            raise Refused(f"{where}.kind: expected one of {', '.join(LESSONS)}, got {_short(one.kind)}.")
        if not isinstance(one.spec, RunSpec):
            raise Refused(f"{where}.spec: expected a RunSpec, got {_what(one.spec)}.")
        name = name_of(one)
        if not name or name in names:
            raise Refused(
                f"{where}.title: expected a title that no other lesson here has, and with a letter in it."
            )
        names.add(name)


def _config(name: str, model: Any, sampling: bool = False) -> None:
    """A frozen pydantic model with a control for each field, whose defaults are valid and survive a link."""
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise Refused(f"{name}: expected a config class (a frozen pydantic model), got {_short(model)}.")
    if not model.model_config.get("frozen"):
        raise Refused(f"{name}: {model.__name__} is not frozen; make it a subclass of ebm_plugins.Config.")
    try:
        model.model_validate(plain(model()))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or model.__name__
        raise Refused(
            f"{name}: the defaults of {model.__name__} are not valid: {where}: {first['msg']}."
        ) from error
    try:
        fields = knobs(model)
    except TypeError as error:
        raise Refused(f"{name}: {error}.") from error
    if len({knob.name.lower() for knob in fields}) < len(fields):
        raise Refused(f"{name}: two fields differ only in case, and a link cannot tell them apart.")
    for knob in fields:
        if knob.decode(knob.encode(knob.default)) != knob.default:
            raise Refused(f"{name}: the default of {knob.name} does not survive being written into a link.")
        if sampling:
            _reserved(name, knob.name, knob.kind, knob.ge, knob.default)


def _reserved(name: str, field: str, kind: str, ge: float | None, default: Any) -> None:
    """``temperature`` and ``every`` mean the same everywhere."""
    if field == "temperature" and not (kind in ("float", "int") and default > 0):
        raise Refused(f"{name}: temperature is reserved for a number above 0 (the target is exp(−energy/T)).")
    if field == "every" and not (kind == "int" and default >= 1 and ge is not None and ge >= 1):
        raise Refused(f"{name}: every is reserved for a whole number with ge=1 (steps a snapshot).")


def _exactness(exactness: str | Callable[[Any], str], model: type[BaseModel]) -> None:
    value: object = exactness
    if callable(exactness):
        try:
            value = exactness(model())
        except Exception as error:
            raise Refused(
                f"exactness: it raised {type(error).__name__}: {error} for the default config."
            ) from error
    if not isinstance(value, str) or value not in EXACTNESS:
        raise Refused(f"exactness: expected one of {', '.join(EXACTNESS)}, got {_short(value)}.")


def _what(value: object) -> str:
    """What kind of thing this is, in words."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
