"""Presets as pictures: one of each family at first, all of them on request. Every picture is a real run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from urllib.parse import urlencode

import streamlit as st

from dashboard.addresses import page_of
from dashboard.boundary import boundary
from dashboard.fragments import fragment
from dashboard.notices import plain
from dashboard.thumbnails import FAILED, WAITING, picture_card, studio
from ebm_plugins import RunSpec
from ebm_plugins.records import Family
from ebm_plugins.registry import Registry

COLUMNS, ROW = 3, 6  # of cards; and how many are always shown, where there are as many presets
OWN = "ebm-plugins"  # who provides what is built in
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
    """The cards; those of one family, pictures and all, when they are asked for."""
    first, rest = cards(registry)
    _grid(first, registry, "first")
    more = {
        family.key: [one for one in rest if one.family.key == family.key]
        for family in registry.families.values()
    }
    more = {key: deck for key, deck in more.items() if deck}
    if more:
        chosen = st.pills(
            f"{len(rest)} more, by family",
            list(more),
            format_func=lambda key: f"{plain(registry.families[key].title)} · {len(more[key])}",
            key="home.more",
        )
        if chosen in more:
            _grid(more[chosen], registry, "rest")


def cards(registry: Registry) -> tuple[list[Card], list[Card]]:
    """One card a family, filled up to whole rows, a preset a family at a time; and all the others.

    A family is shown by the preset that its page opens with, or, where another card shows those data or that
    landscape already, by the first one under a name of its own that shows something new.
    """
    names = Counter(name for family in registry.families.values() for name in family.presets)
    decks, seen = [], set[str]()
    for family in registry.families.values():
        deck = [_card(family, name, spec, names, registry) for name, spec in family.presets.items()]
        new = [card for card in deck if _scene(card) not in seen]
        own = [card for card in new if names[card.name] == 1]
        best = next(iter([card for card in new if card in deck[:1]] or own or new or deck), None)
        if best is not None:
            deck.remove(best)
            deck.insert(0, best)
            seen.add(_scene(best))
        deck[1:] = sorted(deck[1:], key=lambda card: names[card.name] > 1)
        decks.append(deck)
    rounds = [card for one in zip_longest(*decks) for card in one if card is not None]
    families = sum(1 for deck in decks if deck)
    shown = max(ROW, math.ceil(families / COLUMNS) * COLUMNS)
    return rounds[:shown], [card for deck in decks for card in deck if card in rounds[shown:]]


def _scene(card: Card) -> str:
    """What a run is of: its data, and what is set of its training, which says the landscape where there is one."""
    return repr((card.spec.dataset, sorted(dict(card.spec.train).items(), key=repr)))


def _card(family: Family, name: str, spec: RunSpec, names: Mapping[str, int], registry: Registry) -> Card:
    """A name that several families use is told apart by the family's."""
    heading = name if names[name] == 1 else f"{family.title}: {name[:1].lower()}{name[1:]}"
    parts = [family.title]
    if spec.dataset in registry.datasets:
        parts.append(registry.datasets[spec.dataset].title)
    if spec.sampler in registry.samplers:
        parts.append(registry.samplers[spec.sampler].title)
    provider = registry.provider(family).name
    if provider != OWN:
        parts.append(f"from {provider}")
    return Card(family, name, spec, heading, " · ".join(dict.fromkeys(parts)))


def _grid(shown: list[Card], registry: Registry, name: str) -> None:
    """The cards in as many columns as fit, looked at again while a picture is missing."""
    pictures = studio(registry)
    waiting = any(pictures.picture(card.spec).state == WAITING for card in shown)

    def draw() -> None:
        grid = st.grid(COLUMNS, min_column_width=280, gap="medium", border=True)
        for card in shown:
            with grid.cell(), boundary(card.family.key, "preset"):
                _show(card, registry, f"home.{name}.{card.family.key}.{card.name}")
        if waiting and not any(pictures.picture(card.spec).state == WAITING for card in shown):
            st.rerun()  # a whole run: it ends the looking

    fragment(draw, LOOK_AGAIN if waiting else None)


def _show(shown: Card, registry: Registry, key: str) -> None:
    picture = studio(registry).picture(shown.spec)
    query = {"preset": shown.name}
    href = f"{shown.family.key}?{urlencode(query)}"
    if picture_card(picture, key=key, title=shown.heading, about=shown.about, href=href):
        st.switch_page(page_of(shown.family), query_params=query)
    if picture.state == FAILED:
        with st.expander("Why there is no picture"):
            st.code(picture.trace or picture.reason, language="text", wrap_lines=True)
