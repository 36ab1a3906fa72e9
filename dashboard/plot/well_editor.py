"""The landscape whose wells are dragged: energy, weight and probability, computed and painted in the browser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import streamlit as st

from dashboard.plot import assets
from ebm_plugins import wells1d
from ebm_plugins.wells1d import Well

BARS = (4, 24, 60)  # in which Z is counted: least, at first, most


class Setting(NamedTuple):
    """What the reader sets: the temperature and the wells."""

    temperature: float = 1.0
    wells: tuple[Well, ...] = wells1d.START


def _row(name: str, text: str, **attributes: object) -> str:
    """A slider with its name and its value."""
    extra = "".join(f' {key}="{value}"' for key, value in attributes.items())
    label = f'<span class="label">{text}</span>'
    slider = f'<input type="range" aria-label="{text}"{extra}>'
    return f'<label class="row {name}">{label}{slider}<span class="value"></span></label>'


HTML = f"""<div class="wells">
<div class="top"><label class="heat"><span class="name">Temperature T</span><span class="end">cold</span><input type="range"
 step="1" aria-label="Temperature T"><span class="end">hot</span><span class="value"></span></label>
<button type="button" class="reset">Reset</button></div>
<div class="panels">
<section class="panel" role="group"><h2>1 · Energy</h2><div class="plot"></div>
<p class="note">Drag a well, or click beside the wells to make one. The orange crowd lies over the energy like a gas:
cold, it sinks to the deepest ground; hot, it rises and spreads.</p>
<div class="controls"><div class="strip"><span class="which">Well</span><span class="tabs"></span><button type="button" class="add">Add</button
><button type="button" class="remove">Remove</button></div>
{_row("place", "Place")}{_row("depth", "Depth")}{_row("width", "Width")}</div></section>
<section class="panel" role="group"><h2>2 · Boltzmann weight</h2><div class="plot"></div>
<p class="note sum"></p>
<div class="controls">{_row("bars", "Bars", min=BARS[0], max=BARS[2], step=1, value=BARS[1])}</div></section>
<section class="panel" role="group"><h2>3 · Probability</h2><div class="plot"></div>
<p class="note"><span class="split"></span><br><span class="count"></span></p>
<div class="controls"><button type="button" class="play"></button></div></section>
</div>
<p class="hidden" id="wells-keys">Arrow keys move the well: left and right its place, up and down its depth. Page up and
page down change its width. Delete removes it.</p>
<p class="hidden said" role="status"></p>
</div>"""

_component = st.components.v2.component(
    "ebm.wells",
    html=HTML,
    css=assets.style("range", "wells"),
    js=assets.module("wells", "theme", "canvas", "wells_math", "wells_panels", "wells"),
    isolate_styles=True,
)


def wells(setting: Setting, *, key: str, on_change: Callable[[Setting], None]) -> None:
    """Draw it, beginning with this setting. ``on_change`` is called with another once the reader's hand is off it."""

    def came() -> None:
        new = parse(st.session_state[key].get("edit"))
        if new is not None:
            on_change(new)

    _component(key=key, data=payload(setting), on_edit_change=came)


def payload(setting: Setting) -> dict[str, Any]:
    """The setting and what :mod:`ebm_plugins.wells1d` computes with, so that the browser computes the same."""
    return {
        "temperature": setting.temperature,
        "wells": [list(well) for well in setting.wells],
        "start": [list(well) for well in wells1d.START],
        "limits": {
            "box": wells1d.BOX,
            "bowl": wells1d.BOWL,
            "points": wells1d.POINTS,
            "basin_points": wells1d.BASIN_POINTS,
            "most": wells1d.MOST,
            "centres": wells1d.CENTRES,
            "depths": wells1d.DEPTHS,
            "widths": wells1d.WIDTHS,
            "temperatures": wells1d.TEMPERATURES,
        },
    }


def parse(message: object) -> Setting | None:
    """The setting in a message from the browser, or None when it is none or beyond the limits."""
    if not isinstance(message, Mapping):
        return None
    try:
        rows = message["wells"]
        made = Setting(
            float(message["temperature"]),
            tuple(Well(*(float(value) for value in row)) for row in rows[: wells1d.MOST + 1]),
        )
        wells1d.check(*made)
    except (KeyError, TypeError, ValueError):
        return None
    return made
