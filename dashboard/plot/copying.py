"""A button that copies a text, and says so."""

from __future__ import annotations

from html import escape

import streamlit as st

from dashboard.plot import assets

ICON = (
    '<svg viewBox="0 0 24 24" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="2">'
    '<path d="M10 14a4 4 0 0 0 6 .5l3-3a4 4 0 0 0-6-6l-1.5 1.5"/>'
    '<path d="M14 10a4 4 0 0 0-6-.5l-3 3a4 4 0 0 0 6 6l1.5-1.5"/></svg>'
)
LABEL, HELP = "Copy link", "The whole link of this run: whoever opens it sees the same."

_component = st.components.v2.component(
    "ebm.copy",
    html=f'<div class="ebm-copy"><button type="button" title="{escape(HELP)}">{ICON}{LABEL}</button>'
    f'<input readonly hidden aria-label="The link"><span class="said" role="status"></span></div>',
    css=assets.style("copying"),
    js=assets.module("copying", "copying"),
)


def copy_link(text: str, *, key: str) -> None:
    """*Copy link*: puts ``text`` on the visitor's clipboard."""
    _component(key=key, data={"text": text})
