"""Any Plotly figure, drawn in place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard import web
from dashboard.notices import plain, small
from dashboard.plot import assets, envelope, heights
from dashboard.plot.template import TEMPLATE

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Click = dict[str, Any]
LEAST = 10  # pixels above a plot
_TAG = re.compile(r"</?[a-z]+ ?/?>")

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
    the figure is pressed, all in the browser. A press beside a mark that stands is passed to ``on_click`` as ``{"x"}``.
    """
    spec = fig if isinstance(fig, Mapping) else fig.to_plotly_json()
    layout, said = lifted(spec.get("layout", {}))
    if said:
        small(plain(said))
    content = {
        "data": spec.get("data", []),
        "layout": _layout(layout, height, zoom),
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

    with st.container(key=heights.tall(f"{key} figure", height), gap=None):
        result = _component(key=key, data=envelope.pack(content), on_click_change=clicked)
    click = result.get("click")
    return dict(click) if click else None


def lifted(layout: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The layout without the note above its plot, and that note's text: what stands at the plot's upper left corner,
    outside it, is read as small print over the figure, where it wraps as the page does and covers nothing.
    """
    notes: list[Mapping[str, Any]] = []
    kept: list[Mapping[str, Any]] = []
    for one in layout.get("annotations") or ():
        above = one.get("xref") == one.get("yref") == "paper" and one.get("x") == 0 and one.get("y") == 1
        is_note = above and one.get("yanchor") == "bottom" and one.get("xanchor") == "left"
        (notes if is_note and not one.get("showarrow", True) else kept).append(one)
    if not notes:
        return dict(layout), ""
    out = {**layout, "annotations": kept}
    high = any(
        one.get("yref") == "paper"
        and (one.get("y", 0) > 1 or (one.get("y") == 1 and one.get("yanchor") in ("bottom", "middle")))
        for one in kept
    )
    if layout.get("margin") and not high:
        out["margin"] = {**layout["margin"], "t": min(layout["margin"].get("t", LEAST), LEAST)}
    return out, " ".join(_TAG.sub(" ", str(one.get("text", ""))).strip() for one in notes)


def _layout(layout: Mapping[str, Any], height: int, zoom: bool) -> dict[str, Any]:
    """The figure's layout over the app's template, at the asked height."""
    own = {k: v for k, v in dict(layout).items() if k not in ("template", "width")}
    out = {"template": TEMPLATE, "uirevision": "kept", "dragmode": "zoom" if zoom else False, **own}
    return {**out, "height": height, "autosize": True}
