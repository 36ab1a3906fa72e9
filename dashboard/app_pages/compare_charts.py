"""Compare's chart and numbers, each from what the budgets were spent on."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from dashboard.table import Cell, Column
from ebm_plugins.budget import Spent
from ebm_plugins.palette import CATEGORIES_LIGHT, DASHES, LIGHT
from ebm_plugins.verdict import compare
from ebm_plugins.wording import count, number, percent

APART = 0.07  # of the chart's height, from one label to the next
BADGES = {"good": "green", "warn": "yellow", "bad": "red", "info": "gray"}
COLUMNS = (
    Column(title="Sampler", width=19),
    Column(title="Verdict", width=24),
    Column(title="Total variation", width=13, numbers=True, help="Distance from the exact density. Lower is better."),
    Column(title="Mean energy", width=13, numbers=True),
    Column(title="Accepts", width=9, numbers=True),
    Column(
        title="Draws per 1 000", width=12, numbers=True,
        help="Effective draws of 1 000 evaluations, in the second half of the run. Higher is better.",
    ),
    Column(
        title="At the floor after", width=14, numbers=True,
        help="Evaluations until the distance is first as small as that of exact draws.",
    ),
    Column(title="Steps", width=12, numbers=True),
)  # fmt: skip


class Entry(NamedTuple):
    """One who competed: its place among the colours, its short name and its title, and what it made of the budget."""

    place: int
    name: str
    title: str
    spent: Spent


def race(entries: Sequence[Entry], budget: int) -> tuple[dict[str, Any], str]:
    """Total variation against evaluations, a line each, over the band of as many exact draws."""
    drawn = [e for e in entries if e.spent.distance is not None]
    top = max([0.1, *(float(e.spent.distance.max()) for e in drawn if e.spent.distance is not None)]) * 1.06
    band = next((e.spent.floor for e in drawn if e.spent.floor), (0.0, 0.0))
    traces = [
        {
            "x": e.spent.evaluations,
            "y": e.spent.distance,
            "mode": "lines",
            "line": {"color": CATEGORIES_LIGHT[e.place], "dash": DASHES[e.place], "width": 2.25},
            "hovertemplate": f"%{{y:.3f}}<br>{_safe(e.name)}, after %{{x}} evaluations<extra></extra>",
        }
        for e in drawn
    ]
    names = brief([e.name for e in drawn])
    layout = {
        "margin": {"l": 44, "r": 24 + 8 * max([4, *map(len, names)]), "t": 10, "b": 46, "pad": 4},
        "xaxis": {"range": [0, budget], "title": {"text": "evaluations of energy or slope"}, "tickformat": ",d"},
        "yaxis": {"range": [0, top], "nticks": 5},
        "separators": ".\u202f",
        "shapes": [
            {
                "type": "rect", "x0": 0, "x1": budget, "y0": band[0], "y1": band[1], "layer": "below",
                "line": {"width": 0}, "fillcolor": LIGHT["ink"], "opacity": 0.1,
            }
        ],
        "annotations": [*_labels(drawn, names, top), _floor_label(drawn, band)] if drawn else [],
    }  # fmt: skip
    return {"data": traces, "layout": layout}, f"Total variation against evaluations. {arrivals(entries)}"


def arrivals(entries: Sequence[Entry], spell: Callable[[str], str] = str) -> str:
    """Who is at the floor after how many evaluations, in a sentence or two; ``spell`` makes a name fit to be shown."""
    known = [e for e in entries if e.spent.distance is not None]
    there = sorted((e for e in known if e.spent.arrival is not None), key=lambda e: e.spent.arrival or 0)
    missing = [spell(e.name) for e in known if e.spent.arrival is None]
    parts = []
    if there:
        rest = "; ".join(f"{spell(e.name)} after {count(e.spent.arrival or 0)}" for e in there[1:])
        first = f"{spell(there[0].name)} is first at the floor, after {count(there[0].spent.arrival or 0)} evaluations"
        parts.append(f"{first}; {rest}." if rest else f"{first}.")
    if missing:
        verb = "does" if len(missing) == 1 else "do"
        parts.append(f"{_listed(missing)} {verb} not get there within the budget.")
    return " ".join(parts)


def row(entry: Entry, status: str, head: str) -> list[Cell]:
    """The numbers of one, each with what it should be below it."""
    spent, run = entry.spent, entry.spent.run
    whole = run.sampling.diverged is None
    held, report, exact = compare(run) if whole else None, run.report, run.truth
    variation = Cell(text=number(held.total_variation, 3), order=held.total_variation,
                     below=f"floor {number(held.floor[1], 3)} (median)") if held else unknown()  # fmt: skip
    energy = unknown()
    if held is not None and held.energy == held.energy and exact is not None:
        energy = Cell(text=number(held.energy), order=held.energy, below=f"exact {number(exact.mean_energy)}")
    accepts = unknown("not reported") if report is None or report.acceptance != report.acceptance else Cell(
        text=percent(report.acceptance), order=report.acceptance)  # fmt: skip
    worth, arrival = spent.ess_per_thousand if whole else float("nan"), spent.arrival
    return [
        Cell(text=entry.title),
        Cell(text=head.rstrip("."), badge=BADGES.get(status, "gray"), order=list(BADGES).index(status)),
        variation,
        energy,
        accepts,
        Cell(text=number(worth, 1), order=worth) if worth == worth else unknown(),
        Cell(text=count(arrival), order=arrival) if arrival is not None else unknown("not within it"),
        Cell(text=count(spent.steps), order=spent.steps, below=f"{count(spent.total)} evaluations"),
    ]


def unknown(text: str = "not known") -> Cell:
    """A cell without a number: it comes last, whichever way the column is sorted."""
    return Cell(text=text, order="")


def short(title: str) -> str:
    """‘NUTS’ of ‘No-U-Turn sampler (NUTS)’; a title without such a name as it is."""
    found = re.search(r"\(([A-Z][\w-]{1,9})\)$", title)
    return found[1] if found else title


def _labels(drawn: Sequence[Entry], names: Sequence[str], top: float) -> list[dict[str, Any]]:
    """Each line's name at its right end, pushed apart where they would overlap."""
    ends = sorted(
        (float(e.spent.distance[-1]), e.place, name)
        for e, name in zip(drawn, names, strict=True)
        if e.spent.distance is not None
    )
    places: list[float] = []
    for value, _, _ in ends:
        places.append(max(value, places[-1] + APART * top) if places else max(value, 0.02 * top))
    over = max(0.0, places[-1] - 0.97 * top) if places else 0.0
    return [
        {
            "xref": "x domain", "x": 1, "xanchor": "left", "xshift": 8, "y": y - over, "text": _safe(name),
            "showarrow": False, "font": {"size": 13, "color": CATEGORIES_LIGHT[place]},
        }
        for y, (_, place, name) in zip(places, ends, strict=True)
    ]  # fmt: skip


def brief(names: Sequence[str]) -> list[str]:
    """The names, those that are long cut to their first word where no two become alike."""
    first = [re.split(r"[\s,–-]", name)[0] if len(name) > 12 else name for name in names]
    return [one if first.count(one) == 1 else name for one, name in zip(first, names, strict=True)]


def _floor_label(drawn: Sequence[Entry], band: tuple[float, float]) -> dict[str, Any]:
    n = drawn[0].spent.run.sampling.frames.shape[1]
    return {
        "xref": "x domain", "x": 0.01, "xanchor": "left", "y": band[0], "yanchor": "top", "showarrow": False,
        "text": f"floor: {count(n)} exact draws", "font": {"size": 13, "color": LIGHT["muted"]},
    }  # fmt: skip


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _safe(text: str) -> str:
    """A plugin's word as Plotly's pseudo-HTML shows it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("%{", "% {")


__all__ = ["COLUMNS", "Entry", "arrivals", "race", "row", "short", "unknown"]
