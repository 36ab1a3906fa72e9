"""One run as a square picture with the line that stands for it in the chart below, or a place of the same size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from ebm_plugins.palette import CATEGORIES_DARK, CATEGORIES_LIGHT

MARKUP = Path(__file__).with_name("markup")
DASHES = ("", "8 5", "2 4", "8 4 2 4", "14 6", "14 5 2 5")  # as Plotly draws its own, in the palette's order

_component = st.components.v2.component(
    "ebm.panel",
    html='<div class="panel"><svg class="line" height="4" aria-hidden="true"><line x1="0" x2="100%" y1="2" y2="2"/></svg>'
    '<div class="picture"></div></div>',
    css=(MARKUP / "panel.css").read_text(encoding="utf-8"),
    js=(MARKUP / "panel.js").read_text(encoding="utf-8"),
)


def panel(picture: Mapping[str, Any] | None, number: int, *, key: str, alt: str) -> None:
    """Draw what :func:`ebm_plugins.panels.svg` made (``svg``, and its ``shape``), or its place while it is None."""
    made = picture or {}
    _component(
        key=key,
        data={
            "svg": made.get("svg", ""),
            "shape": made.get("shape", "1 / 1"),
            "alt": alt,
            "light": CATEGORIES_LIGHT[number],
            "dark": CATEGORIES_DARK[number],
            "dash": DASHES[number],
        },
    )
