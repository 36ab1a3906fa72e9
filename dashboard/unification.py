"""Every family in one row of one table: its energy, how it learns and samples, and how it gets round Z."""

from __future__ import annotations

import re

import streamlit as st

from dashboard.addresses import page_of
from dashboard.lab import BADGES
from dashboard.table import Cell, Column, table
from ebm_plugins import plans
from ebm_plugins.link_values import base_specs
from ebm_plugins.records import EXACTNESS, Family, Unsaid
from ebm_plugins.registry import Registry

COLUMNS = (
    Column(title="Family", width=13),
    Column(title="Year", width=6, numbers=True),
    Column(title="Energy", width=28),
    Column(title="Learns by", width=22),
    Column(title="Samples by", width=21),
    Column(title="Avoids $Z$ by", width=20),
    Column(
        title="Exactness",
        width=15,
        help="What sampling settles on, with the settings that the page opens on.",
    ),
)
ORDER = list(EXACTNESS)
UNSAID = "not said"


def unification(registry: Registry) -> None:
    """Draw it. A click on a name opens its page."""
    rows = [row(family, registry) for family in registry.families.values()]
    chosen = table(COLUMNS, rows, key="compare.families", label="Families of energy-based models")
    if chosen in registry.families:
        st.switch_page(page_of(registry.families[chosen]))


def row(family: Family, registry: Registry) -> list[Cell]:
    """A family's cells: from its lens, or from the rest of its record where it has none."""
    name = Cell(text=family.title, href=family.key, name=family.key)
    kind = exactness(family, registry)
    badge = Cell(text=EXACTNESS[kind], badge=BADGES[kind][0], order=ORDER.index(kind)) if kind else _unsaid()
    lens = family.lens
    if lens is None:
        return [name, _unsaid(), Cell(text=_plain(family.summary)), *_by_its_record(family, registry), badge]
    return [
        name,
        Cell(text=str(lens.year), order=lens.year, below=""),
        Cell(text=f"${lens.energy.strip().strip('$')}$", order=re.sub(r"[^\w ]", "", lens.energy).lower()),
        Cell(text=lens.learns),
        Cell(text=lens.samples),
        Cell(text=lens.avoids),
        badge,
    ]


def exactness(family: Family, registry: Registry) -> str:
    """What the family's page opens on; empty where it opens on nothing that runs, or its author did not say."""
    try:
        opens = plans.plan(next(iter(base_specs(family).values())), registry).exactness
        return "" if isinstance(opens, Unsaid) else opens
    except Exception:  # a record of a stranger: its own page says what is wrong with it
        return ""


def _by_its_record(family: Family, registry: Registry) -> list[Cell]:
    """How it learns, samples and avoids Z, as far as the record tells."""
    knobs = list(family.train_config.model_fields)
    learns = "A training of its own" + (
        f", set by {', '.join(_plain(k) for k in knobs[:3])}" if knobs else ""
    )
    methods = [registry.samplers[m].title for m in family.methods if m in registry.samplers]
    avoids = (
        "$Z$ is known in closed form" if family.log_partition
        else "$Z$ is a sum over few states" if family.support
        else "$Z$ is bracketed by annealing" if family.bracket
        else ""
    )  # fmt: skip
    return [
        Cell(text=learns),
        Cell(text=", ".join(_plain(m) for m in methods) or "A method of its own"),
        Cell(text=avoids) if avoids else _unsaid(),
    ]


def _unsaid() -> Cell:
    return Cell(text=UNSAID, order="")


def _plain(text: str) -> str:
    """Markdown of a summary as text: formulas stay, stars and backticks go."""
    return re.sub(r"[*`]", "", text.replace("_", " ") if "$" not in text else text)
