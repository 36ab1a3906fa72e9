"""Presets as pictures: one of each family at first, all of them on request. Every picture is a real run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest

import streamlit as st

from dashboard.addresses import page_of
from dashboard.boundary import boundary
from dashboard.notices import plain, plural
from dashboard.thumbnails import FAILED, WAITING, studio, thumbnail
from ebm_plugins import RunSpec
from ebm_plugins.records import Family
from ebm_plugins.registry import Registry

ROW = 6  # cards that are always shown, where there are as many presets
LOOK_AGAIN = 0.7  # seconds between looks at the pictures that are still being made


@dataclass(frozen=True, eq=False)
class Card:
    """One preset: its link, its heading and what it is a run of."""

    family: Family
    name: str
    spec: RunSpec
    heading: str
    about: str


def gallery(registry: Registry) -> None:
    """The cards; the rest of them behind an expander that makes their pictures only when it is open."""
    first, rest = cards(registry)
    _grid(first, registry, "first")
    if rest:
        with st.expander(plural(len(rest), "more preset"), key="home.more", on_change="rerun") as more:
            if more.open:
                _grid(rest, registry, "rest")


def cards(registry: Registry) -> tuple[list[Card], list[Card]]:
    """One card a family (a preset whose name is its own, where there is one), filled up to :data:`ROW` cards, a
    preset a family at a time; and all the others."""
    names = Counter(name for family in registry.families.values() for name in family.presets)
    decks = []
    for family in registry.families.values():
        deck = [_card(family, name, spec, names, registry) for name, spec in family.presets.items()]
        deck.sort(key=lambda card: names[card.name] > 1)
        decks.append(deck)
    rounds = [card for one in zip_longest(*decks) for card in one if card is not None]
    shown = max(ROW, sum(1 for deck in decks if deck))
    return rounds[:shown], [card for deck in decks for card in deck if card in rounds[shown:]]


def _card(family: Family, name: str, spec: RunSpec, names: Mapping[str, int], registry: Registry) -> Card:
    """A name that several families use is told apart by the family's."""
    heading = name if names[name] == 1 else f"{family.title}: {name[:1].lower()}{name[1:]}"
    parts = [family.title]
    if spec.dataset in registry.datasets:
        parts.append(registry.datasets[spec.dataset].title)
    if spec.sampler in registry.samplers:
        parts.append(registry.samplers[spec.sampler].title)
    return Card(family, name, spec, heading, " · ".join(dict.fromkeys(parts)))


def _grid(shown: list[Card], registry: Registry, name: str) -> None:
    """The cards in as many columns as fit, looked at again while a picture is missing."""
    pictures = studio(registry)
    waiting = any(pictures.picture(card.spec).state == WAITING for card in shown)

    def draw() -> None:
        grid = st.grid(3, min_column_width=280, gap="medium", border=True)
        for card in shown:
            with grid.cell(), boundary(card.family.key, "preset"):
                _show(card, registry, f"home.{name}.{card.family.key}.{card.name}")
        if waiting and not any(pictures.picture(card.spec).state == WAITING for card in shown):
            st.rerun()  # a whole run: it ends the looking

    st.fragment(draw, run_every=LOOK_AGAIN if waiting else None)()


def _show(card: Card, registry: Registry, key: str) -> None:
    picture = studio(registry).picture(card.spec)
    page = page_of(card.family)
    query = {"preset": card.name}
    if thumbnail(picture, key=key, alt=f"Picture of a run: {card.heading}. {card.about}"):
        st.switch_page(page, query_params=query)
    st.page_link(
        page,
        label=f"**{plain(card.heading)}**",
        icon=":material/arrow_forward:",
        icon_position="right",
        query_params=query,
    )
    st.markdown(f":small[:gray[{plain(card.about)}]]")
    if picture.state == FAILED:
        with st.expander("Why there is no picture"):
            st.code(picture.trace or picture.reason, language="text", wrap_lines=True)
