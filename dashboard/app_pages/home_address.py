"""Home's setting in the address, and by name whatever in it could not be used.

``temperature=0.5&wells=-2_3_0.9~1.6_2_0.9``: place, depth and width of each well. Older links say ``left`` and
``right``, the depths of the two wells that the page opens with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from dashboard.plot.well_editor import Setting
from ebm_plugins import wells1d
from ebm_plugins.config import Knob
from ebm_plugins.wells1d import Well

NONE = "none"  # the bare bowl
OLD_DEPTHS = (0.0, 4.0)  # of older links


class Ignored(NamedTuple):
    """A value that was not used: the parameter, what was given, why, and what is used instead (or nothing)."""

    name: str
    given: str
    reason: str
    used: str


def _knob(name: str, default: float, limits: tuple[float, float]) -> Knob:
    return Knob(name=name, kind="float", default=default, ge=limits[0], le=limits[1], title=name, help="")


NUMBERS = {
    "temperature": _knob("temperature", 1.0, wells1d.TEMPERATURES),
    "left": _knob("left", wells1d.START[0].depth, OLD_DEPTHS),
    "right": _knob("right", wells1d.START[1].depth, OLD_DEPTHS),
}


def read(query: Mapping[str, Sequence[str]]) -> tuple[Setting, list[Ignored]]:
    """The setting that the parameters (each with all its values) describe, and what of them is of no use."""
    ignored: list[Ignored] = []
    values = {name: float(knob.default) for name, knob in NUMBERS.items()}
    wells: tuple[Well, ...] | None = None
    for name, texts in query.items():
        used = {"wells": "the page's own wells"}.get(name) or (
            f"{NUMBERS[name].default:g}" if name in NUMBERS else ""
        )
        if name not in NUMBERS and name != "wells":
            ignored.append(Ignored(name, texts[-1], "this page has no such setting", ""))
        elif len(texts) > 1:
            ignored.append(Ignored(name, texts[-1], "it is given more than once", used))
        elif name == "wells":
            try:
                wells = decode(texts[0])
            except ValueError as error:
                ignored.append(Ignored(name, texts[0], str(error).replace(" -", " −"), used))
        elif name != "temperature" and "wells" in query:
            ignored.append(Ignored(name, texts[0], "the link gives all the wells", ""))
        else:
            try:
                values[name] = float(NUMBERS[name].decode(texts[0]))
            except ValueError:
                ignored.append(Ignored(name, texts[0], f"expected {NUMBERS[name].expected()}", used))
    if wells is None:
        depths = (values["left"], values["right"])
        wells = tuple(well._replace(depth=d) for well, d in zip(wells1d.START, depths, strict=True))
    return Setting(values["temperature"], wells), ignored


def write(setting: Setting) -> dict[str, str]:
    """The parameters that give this setting, without what the page begins with."""
    query = {}
    if setting.temperature != NUMBERS["temperature"].default:
        query["temperature"] = f"{setting.temperature:.6g}"
    if setting.wells != wells1d.START:
        query["wells"] = encode(setting.wells)
    return query


def encode(wells: Sequence[Well]) -> str:
    """``-2_3_0.9~1.6_2_0.9``, in characters that an address leaves as they are."""
    return "~".join("_".join(f"{value:.6g}" for value in well) for well in wells) or NONE


def decode(text: str) -> tuple[Well, ...]:
    """The wells that a text describes. Raises ValueError, saying what was expected."""
    if text == NONE:
        return ()
    parts = text.split("~", wells1d.MOST)
    if len(parts) > wells1d.MOST:
        raise ValueError(f"expected at most {wells1d.MOST} wells")
    wells = []
    for part in parts:
        numbers = part.split("_", 3)
        try:
            wells.append(Well(*(_number(number) for number in numbers)))
        except (TypeError, ValueError):
            raise ValueError("expected place_depth_width for each well, with ~ between them") from None
    wells1d.check(1.0, wells)
    return tuple(wells)


def _number(text: str) -> float:
    """A plain decimal number: no exponent, no infinity, no underscore."""
    if not (0 < len(text) <= 12 and set(text) <= set("+-.0123456789")):
        raise ValueError("expected a number")
    return float(text)
