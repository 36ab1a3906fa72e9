"""The Plotly template of every figure in the app, in the light palette (the browser turns it dark)."""

from __future__ import annotations

from typing import Any

from ebm_plugins.palette import CATEGORIES_LIGHT, ENERGY_LIGHT, LIGHT, scale, signed

FONT = "Source Sans, Source Sans Pro, sans-serif"


def _axis(grid: bool) -> dict[str, Any]:
    return {
        "showgrid": grid,
        "gridcolor": LIGHT["hairline"],
        "gridwidth": 1,
        "zeroline": False,
        "showline": False,
        "ticks": "",
        "nticks": 5,
        "tickfont": {"size": 12.5, "color": LIGHT["muted"]},
        "title": {"font": {"size": 13, "color": LIGHT["muted"]}, "standoff": 8},
        "automargin": True,
        "minorloglabels": "none",
    }


TEMPLATE: dict[str, Any] = {
    "layout": {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 13, "color": LIGHT["ink"]},
        "title": {"font": {"size": 14.5}, "x": 0, "xanchor": "left"},
        "margin": {"l": 44, "r": 12, "t": 10, "b": 40, "pad": 4},
        "showlegend": False,
        "hovermode": "closest",
        "hoverlabel": {
            "bgcolor": LIGHT["surface"],
            "bordercolor": LIGHT["hairline"],
            "font": {"size": 13, "color": LIGHT["ink"]},
            "align": "left",
        },
        "colorway": list(CATEGORIES_LIGHT),
        "colorscale": {
            "sequential": scale(ENERGY_LIGHT),
            "sequentialminus": scale(ENERGY_LIGHT),
            "diverging": signed(),
        },
        "xaxis": _axis(False),
        "yaxis": _axis(True),
        "bargap": 0.35,
    },
    "data": {
        "scatter": [{"line": {"width": 2.25}, "marker": {"size": 6.5}}],
        "heatmap": [{"colorscale": scale(ENERGY_LIGHT), "colorbar": {"outlinewidth": 0, "thickness": 12}}],
        "contour": [{"colorscale": scale(ENERGY_LIGHT), "colorbar": {"outlinewidth": 0, "thickness": 12}}],
    },
}
