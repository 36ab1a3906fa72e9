"""A table that sorts by any column, holds formulas, badges and links, and becomes a list of cards on a phone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import streamlit as st

from dashboard.plot.heights import room

MARKUP = Path(__file__).with_name("markup")
WIDE, CARD, GAP = 1240, 230, 14  # pixels: the table, a card's values on a phone, from one column to the next
HEAD, LINE, LETTER = 41, 22, 6.6  # pixels: the headings, a line, a letter's width

_component = st.components.v2.component(
    "ebm.table",
    html='<div class="ebm-table"></div>',
    css=(MARKUP / "table.css").read_text(encoding="utf-8"),
    js="\n".join((MARKUP / f"{name}.js").read_text(encoding="utf-8") for name in ("formulas", "table")),
    isolate_styles=False,  # KaTeX's own style sheet is the page's
)


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column: its heading, its share of the width, whether it holds numbers, and what it means."""

    title: str
    width: int = 1
    numbers: bool = False
    help: str = ""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """``text`` with formulas between dollar signs, ``below`` it in small print. ``order`` is what is sorted by (the
    text where it is None); cells without one come last. A ``badge`` is a colour's name; a cell with an ``href`` is a
    link, and a click on it is reported as ``name``."""

    text: str
    order: float | str | None = None
    below: str = ""
    badge: str = ""
    href: str = ""
    name: str = ""


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], *, key: str, label: str) -> str:
    """Draw it; ``label`` names it for those who do not see it. The name of the link that was clicked, or nothing."""
    data = {
        "label": label,
        "columns": [asdict(column) for column in columns],
        "rows": [[asdict(cell) for cell in row] for row in rows],
        "katex": katex(),
    }
    with st.container(key=room(key, *_heights(columns, rows))):
        result = _component(key=f"{key}.table", data=data, on_chosen_change=lambda: None)
    return str(result.get("chosen") or "")


def _heights(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> tuple[float, float]:
    """How high it will be, nearly: on a wide page, and as cards."""
    whole = sum(column.width for column in columns)
    wide, cards = HEAD, 2 * HEAD
    for row in rows:
        lines = [
            _lines(cell, WIDE * column.width / whole - GAP) for cell, column in zip(row, columns, strict=True)
        ]
        wide += LINE * max(lines, default=1) + 19
        cards += sum(LINE * _lines(cell, CARD) + 6 for cell in row) + 25
    return wide, cards


def _lines(cell: Cell, width: float) -> int:
    """How many lines a cell takes, a formula counted as half its LaTeX."""
    parts = cell.text.split("$")
    letters = sum(len(part) // (1 + i % 2) for i, part in enumerate(parts))
    return max(1, math.ceil(letters * LETTER / width)) + bool(cell.below)


@cache
def katex() -> str:
    """Where Streamlit serves its own renderer of formulas, from the page's address on; empty where it has none."""
    folder = Path(st.__file__).parent / "static" / "static" / "js"
    found = sorted(folder.glob("rehype-katex.*.js"))
    return f"static/js/{found[0].name}" if found else ""
