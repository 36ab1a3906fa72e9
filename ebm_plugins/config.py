"""A knob is declared once, as a field of a frozen pydantic model: from that one declaration come its default,
its bounds, its help, its widget, its link parameter, its validation and its test cases.
"""

from __future__ import annotations

import functools
import math
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ebm_plugins.records import ConfigError


class Config(BaseModel):
    """Base of config models: frozen, and refuses unknown names. Any frozen pydantic model will do as well."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NoConfig(Config):
    """For a family or sampler with nothing to choose."""


class _RowsMark:
    """Marks a tuple of ints as a choice of data rows, picked from their pictures."""


Rows = Annotated[tuple[Annotated[int, Field(ge=0)], ...], _RowsMark()]


def knob(
    default: Any,
    help: str,
    *,
    ge: float | None = None,
    le: float | None = None,
    title: str | None = None,
    unit: str = "",
    log: bool = False,
    more: bool = False,
) -> Any:
    """A config field: default, help text, bounds; ``log`` asks for a logarithmic control, ``more`` tucks it
    under More, ``unit`` is shown behind the value."""
    extra: dict[str, Any] = {"unit": unit, "log": log, "more": more}
    return Field(default, description=help, ge=ge, le=le, title=title, json_schema_extra=extra)


@dataclass(frozen=True, kw_only=True)
class Knob:
    """What a control needs to know about one config field.

    ``kind`` is ``int``, ``float``, ``bool``, ``choice`` (options hold the values), ``rows`` or ``tuple``
    (``item`` is then the knob of one element; ``length`` is set where the tuple has a fixed one).
    """

    name: str
    kind: str
    default: Any
    title: str
    help: str = ""
    ge: float | None = None
    le: float | None = None
    options: tuple[Any, ...] = ()
    unit: str = ""
    log: bool = False
    more: bool = False
    item: Knob | None = None
    length: int | None = None

    def encode(self, value: Any) -> str:
        """The value as a link parameter."""
        if self.kind == "bool":
            return "true" if value else "false"
        if self.kind in ("rows", "tuple"):
            item = self.item
            return ",".join(item.encode(v) if item else str(v) for v in value)
        return repr(float(value)) if self.kind == "float" else str(value)

    def decode(self, text: str) -> Any:
        """The value of a link parameter. Raises ValueError saying what was expected."""
        if len(text) > 20_000:
            raise ValueError(f"{self.expected()} (not {len(text)} characters)")
        if self.kind == "bool":
            lowered = text.strip().lower()
            if lowered not in ("true", "false", "1", "0"):
                raise ValueError(self.expected())
            return lowered in ("true", "1")
        if self.kind == "choice":
            for option in self.options:
                if str(option).lower() == text.strip().lower():
                    return option
            raise ValueError(self.expected())
        if self.kind in ("rows", "tuple"):
            parts = [p for p in text.split(",") if p.strip()]
            assert self.item is not None
            values = tuple(self.item.decode(p) for p in parts)
            if self.length is not None and len(values) != self.length:
                raise ValueError(self.expected())
            return values
        try:
            value: float = int(text.strip()) if self.kind == "int" else float(text.strip())
        except (ValueError, OverflowError):
            raise ValueError(self.expected()) from None
        if self.kind == "float" and not math.isfinite(value):
            raise ValueError(self.expected())
        if self.ge is not None and value < self.ge:
            raise ValueError(self.expected())
        if self.le is not None and value > self.le:
            raise ValueError(self.expected())
        return value

    def expected(self) -> str:
        """What this field takes, in the user's words."""
        if self.kind == "choice":
            return "one of " + ", ".join(str(o) for o in self.options)
        if self.kind == "bool":
            return "true or false"
        if self.kind in ("rows", "tuple"):
            one = self.item.expected() if self.item else "a value"
            return (f"{self.length} values" if self.length else "a list of values") + f", each {one}"
        word = "a whole number" if self.kind == "int" else "a number"
        if self.ge is not None and self.le is not None:
            return f"{word} from {_written(self.ge)} to {_written(self.le)}"
        if self.ge is not None:
            return f"{word}, at least {_written(self.ge)}"
        return f"{word}, at most {_written(self.le)}" if self.le is not None else word


def _written(bound: float) -> str:
    """A bound as a person writes it: in digits, and 2ⁿ − 1 for what a whole number of n bits holds at most."""
    if isinstance(bound, int) and bound >= 2**31 - 1 and bound & (bound + 1) == 0:
        power = str(bound.bit_length()).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return f"2{power} − 1"
    if bound and not 1e-9 <= abs(bound) < 1e15:
        return f"{bound:g}"
    return f"{Decimal(repr(bound)):f}".removesuffix(".0")


@functools.lru_cache(maxsize=256)  # every link and every control asks
def knobs(model: type[BaseModel]) -> tuple[Knob, ...]:
    """One :class:`Knob` a field, in order. Raises TypeError for a field type that has no control."""
    found = []
    for name, info in model.model_fields.items():
        extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        default = info.get_default(call_default_factory=True)
        common: dict[str, Any] = {
            "name": name,
            "default": default,
            "title": info.title or name.replace("_", " ").capitalize(),
            "help": info.description or "",
            "unit": str(extra.get("unit", "")),
            "log": bool(extra.get("log", False)),
            "more": bool(extra.get("more", False)),
        }
        bounds = _bounds(info.metadata)
        rows = any(isinstance(mark, _RowsMark) for mark in info.metadata)
        found.append(_knob(info.annotation, common, bounds, rows, f"{model.__name__}.{name}"))
    return tuple(found)


def _bounds(marks: Iterable[Any]) -> dict[str, float]:
    """The closed bounds among annotated-types marks. (An open bound, ``gt`` or ``lt``, is for pydantic to hold.)"""
    return {b: float(getattr(m, b)) for m in marks for b in ("ge", "le") if getattr(m, b, None) is not None}


def _knob(annotation: Any, common: dict[str, Any], bounds: dict[str, float], rows: bool, where: str) -> Knob:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        marks = [m for a in args[1:] for m in ([a, *getattr(a, "metadata", ())])]
        rows = rows or any(isinstance(m, _RowsMark) for m in marks)
        return _knob(args[0], common, {**bounds, **_bounds(marks)}, rows, where)
    if annotation is bool:
        return Knob(kind="bool", **common)
    if annotation in (int, float):
        return Knob(kind=annotation.__name__, **{**common, **bounds})
    if origin is Literal:
        return Knob(kind="choice", options=args, **common)
    if origin is tuple and args:
        plain = {**common, "name": common["name"], "default": None, "help": ""}
        item = _knob(args[0], plain, bounds, False, where)
        length = None if len(args) == 2 and args[1] is Ellipsis else len(args)
        return Knob(kind="rows" if rows else "tuple", item=item, length=length, **common)
    if origin in (Union, types.UnionType):
        raise TypeError(f"{where}: a config field has one type; use a default instead of None")
    raise TypeError(
        f"{where}: a config field is int, float, bool, Literal, a tuple of these, or Rows, not {annotation}"
    )


def build(model: type[BaseModel], values: Mapping[str, Any], prefix: str = "") -> Any:
    """The config with these values set. Raises :class:`ConfigError` naming the first field that cannot be used."""
    known = {k.name: k for k in knobs(model)}
    for name, value in values.items():
        if name not in known:
            raise ConfigError(prefix + name, "a field of " + (", ".join(known) or "(none)"), name)
        bad_number = isinstance(value, float) and not math.isfinite(value)
        if bad_number or (isinstance(value, bool) and known[name].kind in ("int", "float")):
            raise ConfigError(prefix + name, known[name].expected(), value)
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        expected = (
            known[name].expected() if name in known else str(first["msg"]).removeprefix("Value error, ")
        )
        raise ConfigError(prefix + name, expected, first.get("input")) from None


def plain(config: BaseModel) -> dict[str, Any]:
    """Every field's value as plain data (tuples become lists), as it stands in a spec and in JSON."""
    return config.model_dump(mode="json")
