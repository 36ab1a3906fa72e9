"""The stage as one Plotly figure with frames, for the standalone file that works offline.

It keeps Plotly's own play button and slider, and menus for speed and theme, since there is no app around it.
"""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING, Any

import numpy as np

from dashboard.plot.template import TEMPLATE
from ebm_plugins import palette, views
from ebm_plugins.palette import DARK, LIGHT
from ebm_plugins.records import Run
from ebm_plugins.spaces import BinaryGrid, Pairs, Plane, Space, Vectors

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST_FRAMES = 120
SPEEDS = (("¼×", 200), ("1×", 50), ("4×", 12))


def export(run: Run) -> Figure:
    """The run in motion as a Figure; :func:`page` makes a file of it."""
    import plotly.graph_objects as go

    chosen = views.thin_frames(len(run.sampling.frames), 1, MOST_FRAMES)
    still, moving, layout = _traces(run.space, run, chosen)
    steps = np.asarray(run.sampling.steps)[chosen] * int(getattr(run.configs.sample, "every", 1) or 1)
    names = [str(int(step)) for step in steps]
    figure = go.Figure(data=[*still, moving[-1]])
    figure.frames = [
        go.Frame(name=name, data=[trace], traces=[len(still)])
        for name, trace in zip(names, moving, strict=True)
    ]
    figure.update_layout(template=TEMPLATE, **_controls(names), paper_bgcolor=LIGHT["page"])
    figure.update_layout(
        width=640, height=720, margin={"l": 50, "r": 20, "t": 60, "b": 150}, dragmode="zoom", **layout
    )
    return figure


def page(run: Run) -> str:
    """The stage as one HTML file that needs nothing else. It does not play by itself: Plotly would begin before its
    first drawing, and leave out what stands still until it is done."""
    config = {"displaylogo": False, "responsive": True}
    return str(export(run).to_html(include_plotlyjs=True, auto_play=False, config=config))


@singledispatch
def _traces(
    space: Space, run: Run, chosen: np.ndarray[Any, Any]
) -> tuple[list[Any], list[Any], dict[str, Any]]:
    """(traces that stand still, one trace a frame, layout): any space, on its first two principal axes."""
    import plotly.graph_objects as go

    frames = run.sampling.frames[chosen]
    mean, axes = views.principal_axes(np.concatenate([frames[-1], frames[0]]))
    moving = [_points(views.project(frame, mean, axes)) for frame in frames]
    still = [go.Scatter(x=[], y=[])]
    return still, moving, _square(views.visible_box(views.project(frames[-1], mean, axes), []))


@_traces.register
def _(space: Plane, run: Run, chosen: np.ndarray[Any, Any]) -> tuple[list[Any], list[Any], dict[str, Any]]:
    import plotly.graph_objects as go

    frames, field = run.sampling.frames[chosen], run.field
    exact = run.truth.marginals() if run.truth is not None else []
    limits = np.array([[field.x[0], field.y[0]], [field.x[-1], field.y[-1]]]) if field is not None else None
    box = views.visible_box(frames[-1], exact, limits)
    still: list[Any] = []
    if field is not None:
        levels = views.field_levels(field, box)
        low, high = levels["low"], max(levels["high"], levels["low"] + 1e-9)
        still.append(
            go.Contour(
                x=field.x,
                y=field.y,
                z=np.clip(field.energy, low, high),
                colorscale=palette.scale(palette.ENERGY_LIGHT),
                showscale=False,
                contours={"start": low, "end": high, "size": (high - low) / 14},
                line={"width": 0.5, "color": "rgba(255,255,255,0.28)"},
                hovertemplate="E = %{z:.2f}<br>at %{x:.2f}, %{y:.2f}<extra></extra>",
            )
        )
    return still, [_points(frame) for frame in frames], _square(box)


@_traces.register
def _(
    space: BinaryGrid, run: Run, chosen: np.ndarray[Any, Any]
) -> tuple[list[Any], list[Any], dict[str, Any]]:
    colours = [[0.0, LIGHT["off"]], [1.0, LIGHT["model"]]]
    return _images(run.sampling.frames[chosen], (space.rows, space.cols), colours, (0.0, 1.0))


@_traces.register
def _(space: Vectors, run: Run, chosen: np.ndarray[Any, Any]) -> tuple[list[Any], list[Any], dict[str, Any]]:
    if space.shape is None:
        return _traces.dispatch(Space)(space, run, chosen)
    frames = run.sampling.frames[chosen]
    finite = frames[np.isfinite(frames)]
    ends = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return _images(frames, space.shape, [[0.0, LIGHT["off"]], [1.0, LIGHT["ink"]]], ends)


@_traces.register
def _(space: Pairs, run: Run, chosen: np.ndarray[Any, Any]) -> tuple[list[Any], list[Any], dict[str, Any]]:
    import plotly.graph_objects as go

    left, right, similarity = views.pair_similarity(run)
    if not np.isfinite(similarity).any():
        return _traces.dispatch(Space)(space, run, chosen)
    cut = space.left.dim
    still = [go.Heatmap(z=similarity, colorscale=palette.scale(palette.ENERGY_LIGHT[::-1]), showscale=False)]
    moving = []
    for frame in run.sampling.frames[chosen]:
        moving.append(
            _points(
                np.column_stack([views.nearest(frame[:, cut:], right), views.nearest(frame[:, :cut], left)])
            )
        )
    return still, moving, {"xaxis": {"title": "right"}, "yaxis": {"title": "left"}}


def _points(places: np.ndarray[Any, Any]) -> Any:
    import plotly.graph_objects as go

    marker = {"size": 6.5, "color": LIGHT["model"], "line": {"width": 1, "color": LIGHT["halo"]}}
    x, y = np.asarray(places, dtype=np.float32).T
    return go.Scatter(
        x=x, y=y, mode="markers", marker=marker, hovertemplate="%{x:.2f}, %{y:.2f}<extra></extra>"
    )


def _images(
    frames: np.ndarray[Any, Any], shape: tuple[int, int], colours: list[list[Any]], ends: tuple[float, float]
) -> tuple[list[Any], list[Any], dict[str, Any]]:
    """Up to nine states side by side in one heatmap a frame, with a gap between them."""
    import plotly.graph_objects as go

    shown = min(frames.shape[1], 9)
    across = int(np.ceil(np.sqrt(shown)))
    moving = []
    for frame in frames[:, :shown]:
        z = views.mosaic(frame, shape, across)
        moving.append(
            go.Heatmap(z=z, zmin=ends[0], zmax=ends[1], colorscale=colours, showscale=False, xgap=1, ygap=1)
        )
    axis = {"visible": False}
    layout = {"xaxis": axis, "yaxis": {**axis, "autorange": "reversed", "scaleanchor": "x"}}
    return [go.Scatter(x=[], y=[])], moving, layout


def _square(box: tuple[float, float, float, float]) -> dict[str, Any]:
    return {
        "xaxis": {"range": [box[0], box[1]]},
        "yaxis": {"range": [box[2], box[3]], "scaleanchor": "x", "showgrid": False},
    }


def _controls(names: list[str]) -> dict[str, Any]:
    """Play and pause, the slider, and menus for speed and theme."""

    def animate(milliseconds: int) -> dict[str, Any]:
        return {
            "frame": {"duration": milliseconds, "redraw": True},
            "transition": {"duration": 0},
            "fromcurrent": True,
            "mode": "immediate",
        }

    buttons = [
        {"label": f"Play {text}", "method": "animate", "args": [None, animate(ms)]} for text, ms in SPEEDS
    ]
    pause = {"label": "Pause", "method": "animate", "args": [[None], animate(0)]}
    shared = {"xanchor": "left", "yanchor": "top", "pad": {"t": 6}, "showactive": False}
    slider = {
        "steps": [{"label": n, "method": "animate", "args": [[n], animate(0)]} for n in names],
        "active": len(names) - 1,
        "currentvalue": {"prefix": "Step "},
        "x": 0.0,
        "y": -0.16,
        "len": 1.0,
        "pad": {"t": 24},
    }
    return {
        "updatemenus": [
            {
                **shared,
                "type": "buttons",
                "direction": "right",
                "x": 0.0,
                "y": -0.07,
                "buttons": [buttons[1], pause],
            },
            {**shared, "type": "dropdown", "direction": "up", "x": 0.42, "y": -0.07, "buttons": buttons},
            {
                **shared,
                "type": "dropdown",
                "direction": "up",
                "x": 0.7,
                "y": -0.07,
                "buttons": [_theme(LIGHT, "Light"), _theme(DARK, "Dark")],
            },
        ],
        "sliders": [slider],
    }


def _theme(colours: dict[str, str], name: str) -> dict[str, Any]:
    change = {"paper_bgcolor": colours["page"], "font.color": colours["ink"]}
    change |= {f"{axis}axis.tickfont.color": colours["muted"] for axis in "xy"}
    return {"label": name, "method": "relayout", "args": [change]}
