"""Any Plotly figure, drawn in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard import web
from dashboard.plot import assets, envelope
from dashboard.plot.template import TEMPLATE

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Click = dict[str, Any]

_component = st.components.v2.component(
    "ebm.figure",
    html='<div class="ebm-figure" role="figure"><div class="ebm-plot"></div></div>',
    css=assets.style("figure"),
    js=assets.module("figure", "envelope", "theme", "moments", "cursor", "figure"),
    isolate_styles=False,
)


def figure(
    fig: Figure | Mapping[str, Any],
    *,
    key: str,
    height: int,
    alt: str,
    on_click: Callable[[Click], None] | None = None,
    zoom: bool = False,
    cursor: Mapping[str, Any] | None = None,
) -> Click | None:
    """Draw ``fig`` (a Figure, or its dictionary) in place, ``height`` pixels high.

    ``alt`` says in words what it shows. Colours are those of the light palette; the browser turns them dark.
    ``zoom`` lets the reader zoom and pan; a zoom survives new figures under the same key. A click on anything
    (a marker, a bar, a heatmap's cell, a line) is passed to ``on_click`` before the page runs again, and
    returned: ``{"x", "y", "z", "trace", "point", "customdata"}``. None when there was no click.
    ``cursor`` marks a moment (see :func:`ebm_plugins.moments.cursor`); one that follows a stage also takes it to where
    the figure is pressed, all in the browser.
    """
    spec = fig if isinstance(fig, Mapping) else fig.to_plotly_json()
    content = {
        "data": spec.get("data", []),
        "layout": _layout(spec.get("layout", {}), height, zoom),
        "alt": alt,
        "zoom": zoom,
        "plotly": web.plotly_url(),
        "clicks": bool(on_click),
        "cursor": cursor,
    }

    def clicked() -> None:
        click = st.session_state[key].get("click")
        if click and on_click:
            on_click(dict(click))

    result = _component(key=key, data=envelope.pack(content), height=height, on_click_change=clicked)
    click = result.get("click")
    return dict(click) if click else None


def _layout(layout: Mapping[str, Any], height: int, zoom: bool) -> dict[str, Any]:
    """The figure's layout over the app's template, at the asked height."""
    own = {k: v for k, v in dict(layout).items() if k not in ("template", "width")}
    out = {"template": TEMPLATE, "uirevision": "kept", "dragmode": "zoom" if zoom else False, **own}
    return {**out, "height": height, "autosize": True}
