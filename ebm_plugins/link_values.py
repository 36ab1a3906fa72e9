"""A resolved spec's values as link parameters, one by one."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np

from ebm_plugins import starts
from ebm_plugins.config import Knob, knobs
from ebm_plugins.records import Family
from ebm_plugins.registry import Registry
from ebm_plugins.specs import RunSpec


def base_specs(family: Family) -> dict[str, RunSpec]:
    """The specs that a link's values are set on: the presets by name, or one bare spec."""
    return dict(family.presets) or {"": RunSpec(family=family.key)}


def values_of(spec: RunSpec, registry: Registry) -> dict[str, str]:
    """Every value of a resolved spec as link parameters."""
    family = registry.families[spec.family]
    own = spec.sampler == spec.family
    sample_config = family.sample_config if own else registry.samplers[spec.sampler].config
    values = {"data": spec.dataset}
    values |= {f"train.{k.name}": k.encode(spec.train[k.name]) for k in knobs(family.train_config)}
    values["sampler"] = spec.sampler
    values |= {f"sample.{k.name}": k.encode(spec.sample[k.name]) for k in knobs(sample_config)}
    assert spec.start is not None
    fields = starts.as_dict(spec.start)
    values["start"] = fields.pop("start")
    if not fields["free"]:
        fields.pop("free")
    for name, value in fields.items():
        values[f"start.{name}"] = start_text(name, value)
    values["seed"] = str(spec.seed)
    if spec.train_stop is not None or spec.sample_stop is not None:
        values["stop"] = ",".join("" if s is None else str(s) for s in (spec.train_stop, spec.sample_stop))
    return values


def start_text(name: str, value: Any) -> str:
    if name == "free":
        return (
            base64.urlsafe_b64encode(np.packbits(np.asarray(value, dtype=bool)).tobytes())
            .decode()
            .rstrip("=")
        )
    if name == "rows":
        return ",".join(map(str, value))
    return repr(float(value)) if name == "amount" else str(value)


_ROW = Knob(name="rows", kind="int", default=0, title="Row", ge=0)
_START_KNOBS = {
    "rows": Knob(name="rows", kind="rows", default=(), title="Rows", item=_ROW),
    "n": Knob(name="n", kind="int", default=1, title="States", ge=1, le=starts.MAX_STATES),
    "copies": Knob(name="copies", kind="int", default=1, title="Copies", ge=1, le=starts.MAX_STATES),
    "amount": Knob(name="amount", kind="float", default=0.0, title="Amount", ge=0, le=1),
}


def start_value(name: str, text: str, dim: int) -> Any:
    """The value of a start field, in a space of ``dim`` coordinates. Raises ValueError saying what was expected."""
    if name in _START_KNOBS:
        return _START_KNOBS[name].decode(text)
    if name == "free":
        return _free(text, dim)
    return text.strip() if len(text) <= starts.MAX_INLINE else text[: starts.MAX_INLINE + 1]


def _free(text: str, dim: int) -> tuple[bool, ...]:
    if not text:
        return ()
    if len(text) > dim:
        raise ValueError(f"{(dim + 7) // 8} bytes, one bit a coordinate")
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError("base64url text") from None
    if len(raw) != (dim + 7) // 8:
        raise ValueError(f"{(dim + 7) // 8} bytes, one bit a coordinate")
    return tuple(bool(b) for b in np.unpackbits(np.frombuffer(raw, np.uint8))[:dim])
