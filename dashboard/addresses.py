"""Where a family's page is, and what an address says."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from ebm_plugins.records import Family


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """A query's values by their names, in their order."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def page_of(family: Family) -> st.Page:
    """A handle on a family's page, for links and switches: Streamlit finds the page itself by its path, which is
    the family's key (the registry admits none that is a page of ours)."""
    return st.Page(_nothing, title=family.title, url_path=family.key)


def _nothing() -> None:
    """The page that is run is the one that the navigation holds at this path."""
