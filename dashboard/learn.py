"""How the family works, in its own words; where to read on; its source."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.addresses import page_of
from dashboard.links import Visit
from dashboard.notices import plain, small
from ebm_plugins.plans import Plan
from ebm_plugins.records import Family, claim
from ebm_plugins.registry import Registry

MOST_SOURCE = 60_000


def draw(visit: Visit, made: Plan, registry: Registry) -> None:
    """The Learn tab."""
    family = made.family
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown(family.learn.strip() or _module_doc(family) or family.summary)
    with right:
        if family.lens is not None:
            lens = family.lens
            st.markdown("##### At a glance")
            for name, text in (("Learns", lens.learns), ("Samples", lens.samples), ("Avoids Z", lens.avoids)):
                if text:
                    st.markdown(f"**{name}:** {text}")
            if lens.references:
                st.markdown("##### Read on")
                for reference in lens.references:
                    st.markdown(f"- {reference}")
        if made.sampler is not None:
            st.markdown(f"##### {plain(made.sampler.title)}")
            st.markdown(made.sampler.summary)
            small(f"{claim(made.exactness)}.")
        others = [name for name in family.presets]
        if others:
            st.markdown("##### Try next")
            for name in others:
                st.page_link(page_of(made.family), label=plain(name), query_params={"preset": name})
    _source(made)


def _module_doc(family: Family) -> str:
    module = inspect.getmodule(family.energy)
    return inspect.getdoc(module) or "" if module else ""


def _source(made: Plan) -> None:
    """The files that the family and its sampler are written in, as they are installed."""
    parts: dict[str, Callable[..., Any]] = {made.family.title: made.family.energy}
    if made.sampler is not None:
        parts[made.sampler.title] = made.sampler.sample
    for title, function in parts.items():
        try:
            path = inspect.getsourcefile(function)
            text = Path(path).read_text(encoding="utf-8") if path else ""
        except (OSError, TypeError, UnicodeDecodeError):
            text = ""
        if text and path:
            with st.expander(f"The source of {plain(title)}: {plain(Path(path).name)}"):
                st.code(text[:MOST_SOURCE], language="python", line_numbers=True, height=480)
