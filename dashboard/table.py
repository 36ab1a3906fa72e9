"""A table that sorts by any column, holds formulas, badges and links, and becomes a list of cards on a phone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import streamlit as st

MARKUP = Path(__file__).with_name("markup")

_component = st.components.v2.component(
    "ebm.table",
    html='<div class="ebm-table"></div>',
    css=(MARKUP / "table.css").read_text(encoding="utf-8"),
    js=(MARKUP / "table.js").read_text(encoding="utf-8"),
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
    result = _component(key=key, data=data, on_chosen_change=lambda: None)
    return str(result.get("chosen") or "")


@cache
def katex() -> str:
    """Where Streamlit serves its own renderer of formulas, from the page's address on; empty where it has none."""
    folder = Path(st.__file__).parent / "static" / "static" / "js"
    found = sorted(folder.glob("rehype-katex.*.js"))
    return f"static/js/{found[0].name}" if found else ""
