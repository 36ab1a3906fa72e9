"""A config with one field changed, or made as long as is wanted: within what its fields and their bounds allow."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError

from ebm_plugins.config import knobs

LENGTHS = ("steps", "epochs", "every")  # of a run, which the kit sets itself


def lasting(config: Any, count: int) -> Any:
    """The config with ``count`` steps, a snapshot each, as far as its fields and their bounds go."""
    fields = type(config).model_fields
    values: dict[str, Any] = {"steps": count, "every": 1}
    return changed(config, **{name: value for name, value in values.items() if name in fields})


def changed(config: Any, **values: Any) -> Any:
    """The config with these values, each moved to the nearest that its bounds allow."""
    model: type[BaseModel] = type(config)
    for knob in knobs(model):
        if knob.name in values and knob.kind in ("int", "float"):
            value = values[knob.name]
            value = value if knob.ge is None else max(value, knob.ge)
            value = value if knob.le is None else min(value, knob.le)
            values[knob.name] = int(value) if knob.kind == "int" else value
    made = {name: getattr(config, name) for name in type(config).model_fields}
    return type(config)(**{**made, **values})


def variants(config: Any) -> dict[str, Any]:
    """The config under names of what was changed: as it is (``""``), then one field at a time.

    Every other choice, every switch turned, a logarithmic number times 4, another half way to its upper bound, a
    temperature times 2 and by 2, a whole number doubled. Left alone are lengths, what has to do with warm-up (a kernel that is
    being tuned is not yet the one that is claimed), and whole numbers that are 0, which stands for off.
    """
    found = {"": config}
    model: type[BaseModel] = type(config)
    for knob in knobs(model):
        value = getattr(config, knob.name)
        if knob.name in LENGTHS or "warm" in knob.name or knob.name.startswith("target_"):
            continue
        others: list[Any] = []
        if knob.kind == "choice":
            others = [option for option in knob.options if option != value]
        elif knob.kind == "bool":
            others = [not value]
        elif knob.kind == "int" and value > 0:
            others = [2 * value if knob.le is None or 2 * value <= knob.le else max(1, value // 2)]
        elif knob.kind == "float":
            if knob.name == "temperature":
                low = -np.inf if knob.ge is None else knob.ge
                others = [
                    t for t in (2.0 * value, value / 2.0) if low <= t and (knob.le is None or t <= knob.le)
                ]
            elif knob.log or knob.le is None:
                others = [4.0 * value if knob.le is None or 4.0 * value <= knob.le else value / 4.0]
            else:
                others = [0.5 * (value + knob.le)]
        for other in others:
            if other == value:
                continue
            shown = f"{other:.4g}" if isinstance(other, float) else str(other)
            try:
                found[f"{knob.name}={shown}"] = changed(config, **{knob.name: other})
            except ValidationError:
                continue
    return found
