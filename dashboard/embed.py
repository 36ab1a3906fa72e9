"""Our pages in somebody else's: with ``?embed=true`` in its address a page is for watching.

What costs the host is left out: controls, drawing on the stage, stopping and going on, studies, figures on request,
uploads, conformance runs. The stage plays and scrubs (in the browser), and the verdict and the truth beside it stay.
The run that the address names is found or made, under the same limits as everywhere.

It is the browser that says whether it embeds, so this is a manner and no lock: whoever leaves the word out gets the
whole page, and with it nothing that a visitor may not have. Who may frame us at all: :mod:`dashboard.headers`.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

import streamlit as st

LABEL = "Open the whole page"


def is_embedded() -> bool:
    """Whether this page's address has ``embed=true``. Streamlit keeps the word in the address whenever it is
    rewritten, and shows it to no script among the others."""
    return bool(st.context.is_embedded)


def whole_page(key: str) -> None:
    """The one way out: the same address without ``embed``, in a tab of its own."""
    query = [(name, value) for name in st.query_params for value in st.query_params.get_all(name)]
    address = (st.context.url or "") + (f"?{urlencode(query, quote_via=quote, safe=',:~')}" if query else "")
    st.link_button(LABEL, address or "/", icon=":material/open_in_new:", type="tertiary", key=key)
