"""What the sum Z costs on a grid and what a sampler pays, from one axis to a small picture."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.plot import assets
from ebm_plugins import sampling_cost, wells1d

FIRST = 9  # axes at first: the smallest picture on these pages
FEW = 10  # points an axis, too few to see a well
NAMES = {1: "a line", 2: "a plane", 3: "a room", 4: "a 2 × 2 picture", 9: "a 3 × 3 picture", 16: "a 4 × 4 picture",
         25: "a 5 × 5 picture", 36: "a 6 × 6 picture", 49: "a 7 × 7 picture", 64: "an 8 × 8 picture"}  # fmt: skip

HTML = f"""<div class="cost">
<div class="words">
<label class="dims"><span class="name">Axes d</span><input type="range" min="1" max="{max(sampling_cost.DIMS)}" step="1"
 aria-label="Axes d" value="{FIRST}"><span class="value"></span></label>
<div class="said grid"><b></b><p></p></div>
<div class="said sampler"><b></b><p></p></div>
</div>
<div class="chart" role="img"></div>
</div>"""

_component = st.components.v2.component(
    "ebm.cost",
    html=HTML,
    css=assets.style("range", "cost"),
    js=assets.module("cost", "theme", "canvas", "cost"),
    isolate_styles=True,
)


def cost(*, key: str) -> None:
    """Draw it."""
    _component(key=key, data=payload())


def payload() -> dict[str, Any]:
    """The numbers that the browser draws and says, each from the module that is answerable for it."""
    return {
        "points": wells1d.POINTS,
        "few": FEW,
        "measured": sorted(sampling_cost.MEASURED.items()),
        "error": sampling_cost.ERROR,
        "rate": wells1d.RATE,
        "age": wells1d.AGE,
        "names": {str(dim): name for dim, name in NAMES.items()},
    }
