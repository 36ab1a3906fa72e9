"""The families on a line of years, from each one's ``lens``: across on a wide page, down on a narrow one."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.addresses import page_of
from dashboard.plot.heights import room
from dashboard.table import katex
from ebm_plugins.records import Family

MARKUP = Path(__file__).with_name("markup")
LABEL = 0.115  # of the line's width: a label
LANE = 64  # pixels, room for a name of two lines and its year
DETAIL = 84  # pixels below the line, for how one of them avoids Z
NARROW = 92  # pixels a family takes on a phone, nearly

_component = st.components.v2.component(
    "ebm.timeline",
    html='<div class="ebm-timeline"></div>',
    css=(MARKUP / "timeline.css").read_text(encoding="utf-8"),
    js="\n".join((MARKUP / f"{name}.js").read_text(encoding="utf-8") for name in ("formulas", "timeline")),
    isolate_styles=False,  # KaTeX's own style sheet is the page's
)


@dataclass(frozen=True)
class Point:
    """A family, or today: where along the line (0 to 1), on which side, and in which lane away from it."""

    key: str
    name: str
    year: int
    at: float
    side: str
    lane: int


def timeline(families: Mapping[str, Family], *, key: str, today: int | None = None) -> None:
    """Draw the line. Pointed at, a family says how it avoids Z; a click opens its page."""
    points = place(families, today or datetime.date.today().year)
    data = payload(points, families)
    with st.container(key=room(key, data["height"] + DETAIL, NARROW * len(points))):
        result = _component(key=f"{key}.line", data=data, on_chosen_change=lambda: None)
    chosen = families.get(str(result.get("chosen")))
    if chosen:
        st.switch_page(page_of(chosen))


def place(families: Mapping[str, Family], today: int) -> list[Point]:
    """One point a family that has a lens, oldest first, then today; labels in lanes so that none overlap."""
    dated = [(f.lens.year, f.key, f.title) for f in families.values() if f.lens]
    dated.sort(key=lambda d: d[0])
    last = max([today, *(d[0] for d in dated)])
    first = min([last - 1, *(d[0] for d in dated)])
    ends: dict[tuple[str, int], float] = {}  # where the last label of each lane ends
    points = []
    for n, (year, key, name) in enumerate([*dated, (last, "", "Today")]):
        at = 0.06 + 0.88 * (year - first) / (last - first)
        sides = ("above", "below") if n % 2 == 0 else ("below", "above")
        lanes = ((side, lane) for lane in range(len(dated) + 1) for side in sides)
        side, lane = next(one for one in lanes if ends.get(one, -1.0) <= at - LABEL / 2)
        ends[side, lane] = at + LABEL / 2
        points.append(Point(key, name, year, at, side, lane))
    return points


def payload(points: list[Point], families: Mapping[str, Family]) -> dict[str, Any]:
    """The points as the component takes them."""
    lanes = {s: max([p.lane + 1 for p in points if p.side == s], default=0) for s in ("above", "below")}
    return {
        "label": f"{LABEL:.1%}",
        "lane": f"{LANE}px",
        "height": 24 + LANE * (lanes["above"] + lanes["below"]),
        "axis": 12 + LANE * lanes["above"],
        "detail": f"{DETAIL}px",
        "alt": "Families by year",
        "katex": katex(),
        "points": [_row(p, families.get(p.key)) for p in points],
    }


def _row(point: Point, family: Family | None) -> dict[str, Any]:
    lens = family.lens if family else None
    return {
        "key": point.key,
        "name": point.name,
        "year": str(point.year),
        "at": f"{point.at:.2%}",
        "side": point.side,
        "lane": str(point.lane),
        "authors": lens.authors if lens else "",
        "avoids": lens.avoids if lens else "",
        "href": family.key if family else "",
    }
