"""A button that saves a picture as PNG, drawn from its SVG in the visitor's own browser."""

from __future__ import annotations

import streamlit as st

from dashboard.plot import assets

ICON = (
    '<svg viewBox="0 0 24 24" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="2">'
    '<rect x="3" y="4" width="18" height="16" rx="2"/><circle cx="9" cy="10" r="1.6"/>'
    '<path d="M4 18l6-5 4 3 3-3 4 4"/></svg>'
)

_component = st.components.v2.component(
    "ebm.picture",
    html=f'<div class="ebm-picture"><button type="button">{ICON}Picture, PNG</button>'
    '<span class="said" role="status"></span></div>',
    css=assets.style("picture"),
    js=assets.module("picture", "theme", "picture"),
)


def save_picture(light: str, dark: str, width: int, height: int, *, name: str, key: str) -> None:
    """A button that saves the SVG ``light`` or ``dark`` (as the page is) at twice its size, as the file ``name``."""
    data = {"light": light, "dark": dark, "width": width, "height": height, "name": name}
    _component(key=key, data=data, height="content", width="content")
