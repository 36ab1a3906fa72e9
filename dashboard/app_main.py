"""Load the registry, build the navigation, run the page. (What `streamlit_app.py` serves and AppTest tests.)"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import streamlit as st

from dashboard import embed, jobs, login
from dashboard.boundary import boundary
from dashboard.fragments import fragment
from dashboard.lab import lab
from ebm_plugins.records import Family
from ebm_plugins.registry import Registry

ICON = Path(__file__).with_name("static") / "icon.svg"
WIDTH = 1240
SELDOM = 86_400.0  # seconds
FIXED = ("home", "compare", "plugins")  # pages of our own, shown where their module is there


def main() -> None:
    """The app: one page a family, found by what the records say."""
    icon = str(ICON) if ICON.exists() else None
    st.set_page_config(page_title="Energy-based models", page_icon=icon, layout="wide")
    if not login.passed():
        return
    if icon and not embed.is_embedded():
        st.logo(icon, size="medium")
    engine = jobs.engine()
    page = st.navigation(pages(engine.registry), position="hidden" if embed.is_embedded() else "top")
    with (
        st.container(horizontal_alignment="center"),
        st.container(width=WIDTH, key="page"),  # wider where all is larger: head.py
        boundary(page.title, "page"),
    ):
        page.run()
        login.sign_out()
    fragment(_nothing, every=SELDOM)


def _nothing() -> None:
    """What a tab asks for again once a day. A browser that has lost its server asks the next one for the page only
    where something repeats: without it, that server would know nothing of the tab, and lose its next click."""


def pages(registry: Registry) -> dict[str, list[st.Page]]:
    """Section → pages: ours first, without a heading, then the families in the sections that they name."""
    found: dict[str, list[st.Page]] = {"": []}
    for name in FIXED:
        if find_spec(f"dashboard.app_pages.{name}") is not None:
            own = st.Page(_own(name, registry), title=name.title(), url_path=name, default=name == "home")
            found[""].append(own)
    for family in registry.families.values():
        page = st.Page(_family(family), title=family.title, url_path=family.key)
        found.setdefault(family.section or "Models", []).append(page)
    return {section: group for section, group in found.items() if group}


def _own(name: str, registry: Registry) -> Callable[[], None]:
    def page() -> None:
        with boundary(name, "page"):
            getattr(import_module(f"dashboard.app_pages.{name}"), name)(registry)

    return page


def _family(family: Family) -> Callable[[], None]:
    def page() -> None:
        with boundary(family.key, "page"):
            lab(family.key)

    return page


main()
