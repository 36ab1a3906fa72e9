"""The keys of a stage, written down where they can be seen."""

from __future__ import annotations

import streamlit as st

ALL = (
    ("← →", "a step back, a step on"),
    ("Page Up, Page Down", "ten steps"),
    ("Home, End", "the start, the end"),
    ("Space", "play, and rest"),
    (", .", "slower, faster"),
    ("L", "repeat"),
)
OWN = {
    "plane": (
        ("+ − 0", "nearer, farther, all of it"),
        ("Enter", "drop a particle in the middle of the view"),
        ("N, Shift N", "follow the next particle, the one before; Escape follows none"),
        ("← → ↑ ↓", "turn the surface, in 3-D"),
    ),
    "cells": (("← → ↑ ↓", "on the cells: go to the next one"), ("Space", "on a cell: flip or erase it")),
}


def draw(kind: str, key: str) -> None:
    """A button that opens the list of the keys of a stage of this kind (see ``plot/js/stage.js``)."""
    with st.popover("Keys", icon=":material/keyboard:", key=key, help="What the keyboard does on the stage."):
        lines = [f"- **{names}**: {what}" for names, what in (*ALL, *OWN.get(kind, ()))]
        st.markdown("With the focus on the stage (Tab goes there, or a click):\n\n" + "\n".join(lines))
