"""The stage as one Plotly figure with frames, for the standalone file that works offline.

It keeps Plotly's own play buttons and slider, and a menu for the theme, since there is no app around it.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch
from typing import TYPE_CHECKING, Any

import numpy as np

from dashboard.plot.template import TEMPLATE
from ebm_plugins import moments, palette, rasters, views
from ebm_plugins.palette import DARK, LIGHT
from ebm_plugins.records import Run
from ebm_plugins.spaces import BinaryGrid, Pairs, Plane, Space, Vectors
from ebm_plugins.thumbs import ramp

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Array = np.ndarray[Any, Any]
Paint = dict[str, Callable[[dict[str, str]], Any]]  # a trace's attribute → its value in a palette
MOST_FRAMES = 120
SPEEDS = (("Play", 50), ("Play ¼×", 200), ("Play 4×", 12))
MARGINS = {"l": 44, "r": 16, "t": 44, "b": 132}
BINS = 44
MAIN, SIDE = (0.0, 0.84), (0.86, 1.0)  # where the plane and its marginals lie in the figure
MOST_HOVERED = 80  # grid points an axis of what the pointer reads
PICTURE = 640  # pixels a side of the landscape
POINTS: Paint = {"marker.color": lambda p: p["model"], "marker.line.color": lambda p: p["halo"]}


@dataclass
class _Drawing:
    """Traces with their colours; which of them move, and what each frame makes of those; the layout.

    ``ground`` is a picture behind all, light and dark, with where it lies (x, y, width, height). ``redraw`` says
    whether a frame changes more than places (Plotly draws a heatmap only as a whole).
    """

    traces: list[tuple[dict[str, Any], Paint]]
    moves: list[int]
    frames: list[list[dict[str, Any]]]
    layout: dict[str, Any]
    ground: tuple[str, str, tuple[float, float, float, float]] | None = None
    redraw: bool = False


def export(run: Run) -> Figure:
    """The run in motion as a Figure (:func:`dashboard.export_page.page` makes a file of it)."""
    import plotly.graph_objects as go

    chosen = views.thin_frames(len(run.sampling.frames), 1, MOST_FRAMES)
    drawing = _drawing(run.space, run, chosen)
    steps = moments.reached(run.configs.sample, np.asarray(run.sampling.steps)[chosen])
    names = [str(int(step)) for step in steps]
    figure = go.Figure(data=[trace | _nested(_colours(paint, LIGHT)) for trace, paint in drawing.traces])
    for index, last in zip(drawing.moves, drawing.frames[-1], strict=True):
        figure.data[index].update(last)
    figure.frames = [
        go.Frame(name=name, data=data, traces=drawing.moves)
        for name, data in zip(names, drawing.frames, strict=True)
    ]
    figure.update_layout(template=TEMPLATE, paper_bgcolor=LIGHT["page"], margin=MARGINS, dragmode="zoom")
    figure.update_layout(**drawing.layout)
    figure.update_layout(**_controls(names, drawing))
    if drawing.ground is not None:
        source, _, (x, y, width, height) = drawing.ground
        figure.add_layout_image(
            source=source, x=x, y=y, sizex=width, sizey=height, xref="x", yref="y", yanchor="bottom",
            sizing="stretch", layer="below",
        )  # fmt: skip
    return figure


@singledispatch
def _drawing(space: Space, run: Run, chosen: Array) -> _Drawing:
    """Any space: its states on their first two principal axes, over the data's."""
    frames = run.sampling.frames[chosen]
    rows = np.asarray(run.data.x, dtype=float)
    rows = rows[:300] if rows.ndim == 2 and rows.shape[1:] == (space.dim,) else np.zeros((0, space.dim))
    mean, axes = views.principal_axes(np.concatenate([frames[-1], frames[0], rows]))
    places = [views.project(frame, mean, axes) for frame in frames]
    behind = views.project(rows, mean, axes)
    box = views.visible_box(np.concatenate([places[-1], behind]), [])
    return _Drawing(
        traces=[_data(behind), _points("Samples")],
        moves=[1],
        frames=[[_places(x)] for x in places],
        layout=_square(box, (0.0, 1.0)),
    )


@_drawing.register
def _(space: Plane, run: Run, chosen: Array) -> _Drawing:
    frames, field = run.sampling.frames[chosen], run.field
    exact = run.truth.marginals() if run.truth is not None else []
    limits = np.array([[field.x[0], field.y[0]], [field.x[-1], field.y[-1]]]) if field is not None else None
    box = views.visible_box(views.in_sight(run.sampling), exact, limits)
    traces: list[tuple[dict[str, Any], Paint]] = [_points("Samples")]
    bins = [np.linspace(box[0], box[1], BINS + 1), np.linspace(box[2], box[3], BINS + 1)]
    heights = [[_histogram(frame[:, axis], bins[axis]) for axis in (0, 1)] for frame in frames]
    area: Paint = {"fillcolor": lambda p: _faint(p["model"], 0.22 if p is LIGHT else 0.28)}
    for axis, where in ((0, {"yaxis": "y2"}), (1, {"xaxis": "x2"})):
        shape = "hv" if axis == 0 else "vh"
        fill = {"fill": "tozeroy" if axis == 0 else "tozerox", "line": {"width": 0, "shape": shape}}
        traces.append(({"type": "scatter", "mode": "lines", "hoverinfo": "skip", **where, **fill}, area))
    for axis, (grid, density) in enumerate(exact):
        across, up = {"x": grid, "y": density, "yaxis": "y2"}, {"x": density, "y": grid, "xaxis": "x2"}
        line: dict[str, Any] = {
            "type": "scatter",
            "mode": "lines",
            "hoverinfo": "skip",
            "line": {"width": 1.75},
        }
        traces.append((line | (up if axis else across), {"line.color": lambda p: p["truth"]}))
    layout = _square(box, MAIN)
    for axis, name in ((0, "yaxis2"), (1, "xaxis2")):
        most = (
            1.45 * float(np.max(exact[axis][1]))
            if exact
            else 1.1 * max(float(h[axis].max()) for h in heights)
        )
        hidden = {"visible": False, "fixedrange": True, "domain": SIDE, "range": [0, max(most, 1e-9)]}
        layout[name] = hidden | {"anchor": "x" if axis == 0 else "y"}
    ground = None
    if field is not None:
        ground = (*_landscape(run, box), (box[0], box[2], box[1] - box[0], box[3] - box[2]))
        traces.append((_read(field, box), {}))
    return _Drawing(
        traces=traces,
        moves=[0, 1, 2],
        frames=[[_places(frame), *_areas(high, bins)] for frame, high in zip(frames, heights, strict=True)],
        layout=layout,
        ground=ground,
    )


@_drawing.register
def _(space: BinaryGrid, run: Run, chosen: Array) -> _Drawing:
    def colours(p: dict[str, str]) -> Any:
        return [[0.0, p["off"]], [1.0, p["model"]]]

    return _images(run.sampling.frames[chosen], (space.rows, space.cols), colours, (0.0, 1.0))


@_drawing.register
def _(space: Vectors, run: Run, chosen: Array) -> _Drawing:
    if space.shape is None:
        return _drawing.dispatch(Space)(space, run, chosen)
    frames = run.sampling.frames[chosen]
    finite = frames[np.isfinite(frames)]
    ends = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return _images(frames, space.shape, lambda p: [[0.0, p["off"]], [1.0, p["ink"]]], ends)


@_drawing.register
def _(space: Pairs, run: Run, chosen: Array) -> _Drawing:
    left, right, similarity = views.pair_similarity(run)
    if not np.isfinite(similarity).any():
        return _drawing.dispatch(Space)(space, run, chosen)
    cut = space.left.dim
    whole = {"type": "heatmap", "z": similarity, "showscale": False}
    frames = []
    for frame in run.sampling.frames[chosen]:
        pick = [views.nearest(frame[:, cut:], right), views.nearest(frame[:, :cut], left)]
        # The matrix is named in every frame: what a frame leaves out, Plotly takes away while it plays.
        frames.append([{"type": "heatmap"}, _places(np.column_stack(pick))])
    layout = {"xaxis": {"title": {"text": "right"}}, "yaxis": {"title": {"text": "left"}, "showgrid": False}}
    return _Drawing([(whole, {"colorscale": _similarity}), _points("Pairs")], [0, 1], frames, layout)


# --- parts ----------------------------------------------------------------------------------------------------


def _points(name: str) -> tuple[dict[str, Any], Paint]:
    trace = {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "marker": {"size": 6.5, "line": {"width": 1}},
    }
    return trace | {"hovertemplate": "%{x:.2f}, %{y:.2f}<extra></extra>"}, POINTS


def _data(places: Array) -> tuple[dict[str, Any], Paint]:
    trace = {"type": "scatter", "mode": "markers", "name": "Data", "opacity": 0.55, "marker": {"size": 5}}
    return trace | {"hoverinfo": "skip", **_places(places)}, {"marker.color": lambda p: p["data"]}


def _places(places: Array) -> dict[str, Any]:
    x, y = np.asarray(places, dtype=np.float32).T
    return {"type": "scatter", "x": x, "y": y}


def _histogram(values: Array, bins: Array) -> Array:
    """The density in each bin; what lies outside counts in the whole."""
    inside, _ = np.histogram(values[np.isfinite(values)], bins)
    return np.asarray(inside / (max(1, len(values)) * np.diff(bins)))


def _areas(heights: list[Array], bins: list[Array]) -> list[dict[str, Any]]:
    """Both sampled marginals of a frame, as steps."""
    first, second = (np.append(h, h[-1]).astype(np.float32) for h in heights)
    return [
        {"type": "scatter", "x": bins[0].astype(np.float32), "y": first},
        {"type": "scatter", "x": second, "y": bins[1].astype(np.float32)},
    ]


def _read(field: Any, box: tuple[float, ...]) -> dict[str, Any]:
    """What the pointer reads of the landscape: an unseen heatmap of the energy inside the window."""
    inside = [
        (axis >= low) & (axis <= high) for axis, low, high in ((field.x, *box[:2]), (field.y, *box[2:]))
    ]
    places = [np.flatnonzero(ok)[:: max(1, -(-int(ok.sum()) // MOST_HOVERED))] for ok in inside]
    return {
        "type": "heatmap",
        "x": field.x[places[0]],
        "y": field.y[places[1]],
        "z": np.asarray(field.energy[np.ix_(places[1], places[0])], dtype=np.float32),
        "opacity": 0,
        "showscale": False,
        "hovertemplate": "E = %{z:.2f}<br>at %{x:.2f}, %{y:.2f}<extra></extra>",
    }


def _landscape(run: Run, box: views.Box) -> tuple[str, str]:
    """The landscape in flat bands as two PNG addresses that hold the picture, light and dark. A picture, because
    Plotly takes a contour away while others move."""
    assert run.field is not None
    band, edge = rasters.bands(run.field, box, PICTURE)
    return _picture(band, edge, palette.ENERGY_LIGHT), _picture(band, edge, palette.ENERGY_DARK)


def _picture(band: Array, edge: Array, colours: tuple[str, ...]) -> str:
    from PIL import Image

    flat = [tuple(int(c[i : i + 2], 16) for i in (1, 3, 5)) for c in ramp(colours, rasters.BANDS)]
    lines = [tuple(round(v + 0.2 * (255 - v)) for v in rgb) for rgb in flat]
    image = Image.fromarray(band + edge.astype(np.uint8) * rasters.BANDS, mode="P")
    image.putpalette([v for rgb in (*flat, *lines) for v in rgb])
    out = io.BytesIO()
    image.save(out, "png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def _images(
    frames: Array, shape: tuple[int, int], colours: Callable[[dict[str, str]], Any], ends: tuple[float, float]
) -> _Drawing:
    """Up to nine states side by side in one heatmap a frame, with a gap between them."""
    shown = min(frames.shape[1], 9)
    across = int(np.ceil(np.sqrt(shown)))
    moving = [
        [{"type": "heatmap", "z": views.mosaic(f, shape, across).astype(np.float32)}]
        for f in frames[:, :shown]
    ]
    trace = {"type": "heatmap", "zmin": ends[0], "zmax": ends[1], "showscale": False, "xgap": 1, "ygap": 1}
    axis = {"visible": False, "constrain": "domain"}
    layout = {"xaxis": axis, "yaxis": {**axis, "autorange": "reversed", "scaleanchor": "x"}}
    return _Drawing(
        [(trace | {"hoverinfo": "skip"}, {"colorscale": colours})], [0], moving, layout, redraw=True
    )


def _square(box: tuple[float, ...], domain: tuple[float, float]) -> dict[str, Any]:
    """Both axes over the window and no further, however wide the page is."""
    shared = {"constrain": "domain", "domain": domain}
    return {
        "xaxis": {"range": [box[0], box[1]], **shared},
        "yaxis": {"range": [box[2], box[3]], "scaleanchor": "x", "showgrid": False, **shared},
    }


# --- colours --------------------------------------------------------------------------------------------------


def _similarity(colours: dict[str, str]) -> list[list[float | str]]:
    """The energy's scale from high to low, since similarity is −E/T."""
    return palette.scale((palette.ENERGY_LIGHT if colours is LIGHT else palette.ENERGY_DARK)[::-1])


def _faint(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def _colours(paint: Paint, colours: dict[str, str]) -> dict[str, Any]:
    return {attribute: value(colours) for attribute, value in paint.items()}


def _nested(flat: dict[str, Any]) -> dict[str, Any]:
    """``{"marker.line.color": c}`` with underscores, as Plotly's constructors read it."""
    return {name.replace(".", "_"): value for name, value in flat.items()}


# --- controls -------------------------------------------------------------------------------------------------


def _controls(names: list[str], drawing: _Drawing) -> dict[str, Any]:
    """Play at three speeds and pause, the slider, and a menu for the theme."""

    def animate(milliseconds: int) -> dict[str, Any]:
        return {
            "frame": {"duration": milliseconds, "redraw": drawing.redraw},
            "transition": {"duration": 0},
            "fromcurrent": True,
            "mode": "immediate",
        }

    still = animate(0)
    plays: list[tuple[str, Any, int]] = [(text, None, ms) for text, ms in SPEEDS]
    buttons = [
        {"label": text, "method": "animate", "args": [which, animate(ms)]}
        for text, which, ms in (*plays, ("Pause", [None], 0))
    ]
    shared = {"pad": {"t": 0}, "showactive": False}
    below = {"x": 0.0, "xanchor": "left", "y": 0.0, "yanchor": "top"}
    themes = [_theme(LIGHT, "Light", drawing), _theme(DARK, "Dark", drawing)]
    return {
        "updatemenus": [
            {**shared, **below, "type": "buttons", "direction": "right", "pad": {"t": 30}, "buttons": buttons},
            {"type": "dropdown", "direction": "down", "x": 0.0, "xanchor": "left", "y": 1.0, "yanchor": "bottom",
             "pad": {"b": 6}, "active": 0, "buttons": themes},
        ],
        "sliders": [
            {
                **below,
                "steps": [{"label": n, "method": "animate", "args": [[n], still]} for n in names],
                "active": len(names) - 1,
                "currentvalue": {"prefix": "Step "},
                "len": 1.0,
                "pad": {"t": 72},
            }
        ],
    }  # fmt: skip


def _theme(colours: dict[str, str], name: str, drawing: _Drawing) -> dict[str, Any]:
    """The menu's entry that turns paper, ink, data and landscape."""
    layout: dict[str, Any] = {"paper_bgcolor": colours["page"], "font.color": colours["ink"]}
    layout |= {f"{axis}axis.tickfont.color": colours["muted"] for axis in "xy"}
    layout |= {f"updatemenus[{i}].{k}": colours[v] for i in (0, 1) for k, v in
               (("font.color", "ink"), ("bgcolor", "surface"), ("bordercolor", "hairline"))}  # fmt: skip
    layout |= {"sliders[0].font.color": colours["muted"], "sliders[0].bgcolor": colours["hairline"]}
    if drawing.ground is not None:
        layout["images[0].source"] = drawing.ground[0 if colours is LIGHT else 1]
    painted = [_colours(paint, colours) for _, paint in drawing.traces]
    # One value a trace; a trace that has no such colour gets none.
    data: dict[str, Any] = {
        a: [p.get(a) for p in painted] for a in dict.fromkeys(a for p in painted for a in p)
    }
    return {"label": name, "method": "update", "args": [data, layout, list(range(len(painted)))]}
