"""A part of a page that is drawn again alone: Streamlit's fragment, in a place of its own."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st


def fragment(draw: Callable[[], None], every: float | None = None) -> None:
    """Draw a part that its own widgets, and a clock that strikes every so many seconds, draw again alone.

    It stands in a container that the page makes. When a fragment is asked for again while the page's run is still on
    its way to the browser, Streamlit throws away what that run had drawn of it (``ForwardMsgQueue.clear``). Without the
    container the browser would then be told of a tenth element where there are eight ("Bad delta path"), and show
    nothing that follows, for good.
    """
    with st.container():
        st.fragment(draw, run_every=every)()
