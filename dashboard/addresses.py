"""Where a family's page is."""

from __future__ import annotations

import streamlit as st

from ebm_plugins.records import Family


def page_of(family: Family) -> st.Page:
    """A handle on a family's page, for links and switches: Streamlit finds the page itself by its path, which is
    the family's key (the registry admits none that is a page of ours)."""
    return st.Page(_nothing, title=family.title, url_path=family.key)


def _nothing() -> None:
    """The page that is run is the one that the navigation holds at this path."""
