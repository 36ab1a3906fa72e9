"""Figures of a Langevin run. Each takes a run and returns a Plotly figure in the light palette."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ebm_plugins.families.hopfield_figures import blank, message
from ebm_plugins.moments import reached, timed
from ebm_plugins.palette import ENERGY_LIGHT, LIGHT, scale
from ebm_plugins.records import Array, Run

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

ARROWS = 17  # an axis
CHAINS = 12  # whose trails are drawn
DEPTH = 12.0  # energies further than this above the lowest are drawn alike


def drift_field(run: Run) -> Figure:
    """Where a particle is pushed: −∇E as arrows over the energy; an arrow's length grows with the root of the force."""
    import plotly.graph_objects as go

    figure = energy_map(run)
    if figure is None or run.target.gradient is None or run.free is not None:
        return message("There is no drift field to draw here.")
    assert run.field is not None
    xs, ys = (np.linspace(a[0], a[-1], ARROWS + 2)[1:-1] for a in (run.field.x, run.field.y))
    places = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    force = -run.target.gradient(places) * run.target.temperature
    size = np.linalg.norm(force, axis=1, keepdims=True)
    longest = max(float(np.quantile(size, 0.9)), 1e-12)
    reach = 0.9 * min(xs[1] - xs[0], ys[1] - ys[0])
    step = force / np.maximum(size, 1e-12) * np.sqrt(np.minimum(size / longest, 1.0)) * reach
    figure.add_trace(
        go.Scatter(
            **_arrows(places - 0.5 * step, step), mode="lines", hoverinfo="skip",
            line={"color": LIGHT["ink"], "width": 1.5},
        )
    )  # fmt: skip
    return figure


def trails(run: Run) -> Figure:
    """The paths of some chains, from the hollow ring where each began to the disc where it ended."""
    import plotly.graph_objects as go

    figure = energy_map(run)
    if figure is None:
        return message("There is no landscape to draw here.")
    traces = np.asarray(run.sampling.traces[:, :CHAINS], dtype=float)
    for chain in range(traces.shape[1]):
        path = traces[:, chain]
        figure.add_trace(
            go.Scatter(
                x=path[:, 0], y=path[:, 1], mode="lines", line={"color": LIGHT["model"], "width": 1}, opacity=0.6,
                hovertemplate=f"chain {chain + 1}: %{{x:.2f}}, %{{y:.2f}}<extra></extra>",
            )
        )  # fmt: skip
    for index, symbol in ((0, "circle-open"), (-1, "circle")):
        line = {"color": LIGHT["halo"] if index else LIGHT["model"], "width": 1 if index else 1.5}
        figure.add_trace(
            go.Scatter(
                x=traces[index, :, 0], y=traces[index, :, 1], mode="markers", hoverinfo="skip",
                marker={"symbol": symbol, "size": 8, "color": LIGHT["model"], "line": line},
            )
        )  # fmt: skip
    return figure


def energy_trace(run: Run) -> Figure:
    """Mean energy of the followed chains at every snapshot, beside the exact mean and what as many exact draws do."""
    import plotly.graph_objects as go

    energies = np.asarray(run.sampling.energies, dtype=float)
    if not energies.size:
        return message("No chain was followed.")
    steps = reached(run.configs.sample, np.arange(len(energies)))
    figure = blank(300, right=96, left=64)
    truth = run.truth
    if truth is not None and np.isfinite(truth.mean_energy) and np.isfinite(truth.energy_sd):
        half = 1.96 * truth.energy_sd / np.sqrt(energies.shape[1])
        figure.add_hrect(
            y0=truth.mean_energy - half, y1=truth.mean_energy + half, fillcolor=LIGHT["ink"], opacity=0.1, line_width=0
        )  # fmt: skip
        figure.add_hline(y=truth.mean_energy, line={"color": LIGHT["truth"], "width": 1.75})
        figure.add_annotation(
            text=f"exact {_number(truth.mean_energy)}", x=1, xref="x domain", y=truth.mean_energy, xanchor="left",
            xshift=8, showarrow=False, font={"color": LIGHT["truth"]},
        )  # fmt: skip
    mean = energies.mean(axis=1)
    figure.add_trace(
        go.Scatter(
            x=steps, y=mean, mode="lines", line={"color": LIGHT["model"], "width": 2},
            hovertemplate="mean energy %{y:.2f}<br>step %{x}<extra></extra>",
        )
    )  # fmt: skip
    # the start is far up: the axis shows what comes after it
    later = mean[max(1, len(mean) // 20) :] if len(mean) > 2 else mean
    low, high = float(later.min()), float(later.max())
    if run.sampling.diverged is not None:
        high = float(np.quantile(later, 0.5))
    if truth is not None and np.isfinite(truth.mean_energy):
        low, high = min(low, truth.mean_energy), max(high, truth.mean_energy)
    pad = 0.15 * max(high - low, 0.1)
    figure.update_yaxes(title_text="mean energy", range=[low - pad, high + pad])
    figure.update_xaxes(title_text="step")
    figure.update_layout(meta=timed("step"))
    return figure


def marginals(run: Run) -> Figure:
    """Where the particles are along each axis at the end, beside the exact density."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    last = np.asarray(run.sampling.last, dtype=float)
    last = last[np.isfinite(last).all(axis=1)]
    if run.free is not None:
        last = last[:, run.free]
    if not last.size:
        return message("There are no states to draw.")
    exact = run.truth.marginals() if run.truth is not None else []
    axes = (
        ["x", "y"] if run.free is None else [name for name, free in zip("xy", run.free, strict=True) if free]
    )
    figure = make_subplots(rows=1, cols=len(axes), horizontal_spacing=0.08)
    figure.update_layout(blank(280, left=56).layout)
    for i, name in enumerate(axes):
        if exact:
            places = exact[i][0]
            low, high = float(places[0]), float(places[-1])
        else:
            low, high = float(last[:, i].min()), float(last[:, i].max()) + 1e-9
        density, edges = np.histogram(last[:, i], bins=40, range=(low, high))
        middle = 0.5 * (edges[1:] + edges[:-1])
        figure.add_trace(
            go.Bar(
                x=middle, y=density / (len(last) * (edges[1] - edges[0])), width=edges[1] - edges[0],
                marker={"color": LIGHT["model"], "line": {"width": 0}}, opacity=0.5,
                hovertemplate=f"sampled density %{{y:.3f}}<br>{name} = %{{x:.2f}}<extra></extra>",
            ),
            row=1, col=i + 1,
        )  # fmt: skip
        if exact:
            figure.add_trace(
                go.Scatter(
                    x=exact[i][0], y=exact[i][1], mode="lines", line={"color": LIGHT["truth"], "width": 1.75},
                    hovertemplate=f"exact density %{{y:.3f}}<br>{name} = %{{x:.2f}}<extra></extra>",
                ),
                row=1, col=i + 1,
            )  # fmt: skip
        figure.update_xaxes(title_text=name, showgrid=False, zeroline=False, row=1, col=i + 1)
        figure.update_yaxes(gridcolor=LIGHT["hairline"], zeroline=False, rangemode="tozero", row=1, col=i + 1)
    figure.update_yaxes(title_text="density", row=1, col=1)
    words = "line: exact; bars: sampled" if exact else "bars: sampled; there is no exact density here"
    figure.add_annotation(
        text=words, x=0, y=1, xref="paper", yref="paper", yanchor="bottom", xanchor="left", showarrow=False,
        font={"color": LIGHT["muted"], "size": 13},
    )  # fmt: skip
    return figure


def wells_and_data(run: Run) -> Figure:
    """Learned wells: the energy, the data it was learned from, and each well as a circle of its width."""
    import plotly.graph_objects as go

    figure = energy_map(run)
    if figure is None or run.data.bare or "centres" not in run.params or "widths" not in run.params:
        return message("This landscape was not learned from data.")
    x = np.asarray(run.data.x, dtype=float)[:2000]
    figure.add_trace(
        go.Scatter(
            x=x[:, 0], y=x[:, 1], mode="markers", hoverinfo="skip",
            marker={"size": 5, "color": LIGHT["data"], "line": {"color": LIGHT["halo"], "width": 0.5}},
        )
    )  # fmt: skip
    turn = np.linspace(0, 2 * np.pi, 49)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    centres, widths, heights = (run.params[name] for name in ("centres", "widths", "heights"))
    for centre, width, height in zip(centres, widths, heights, strict=True):
        ring = centre + width * circle
        figure.add_trace(
            go.Scatter(
                x=ring[:, 0], y=ring[:, 1], mode="lines", line={"color": LIGHT["model"], "width": 1.5},
                opacity=float(np.clip(height / heights.max(), 0.15, 1.0)),
                hovertemplate=f"a well {height:.2f} deep, {width:.2f} wide<extra></extra>",
            )
        )  # fmt: skip
    return figure


def energy_map(run: Run) -> Figure | None:
    """The energy as 14 flat bands, dark where it is low; None where there is no field."""
    import plotly.graph_objects as go

    if run.field is None:
        return None
    field = run.field
    lowest = float(np.nanmin(field.energy))
    top = min(float(np.nanmax(field.energy)), lowest + DEPTH)
    figure = blank(460)
    figure.add_trace(
        go.Contour(
            x=field.x, y=field.y, z=np.minimum(field.energy, top).astype(np.float32), colorscale=scale(ENERGY_LIGHT),
            showscale=False, line={"width": 0.5, "color": "rgba(255,255,255,0.28)"},
            contours={"start": lowest, "end": top, "size": max((top - lowest) / 14, 1e-9)},
            hovertemplate="energy %{z:.2f}<br>at %{x:.2f}, %{y:.2f}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(title_text="x", range=[float(field.x[0]), float(field.x[-1])], constrain="domain")
    figure.update_yaxes(title_text="y", range=[float(field.y[0]), float(field.y[-1])], showgrid=False)
    wide, high = np.ptp(field.x), np.ptp(field.y)
    if 0.4 < wide / high < 2.5:
        figure.update_yaxes(scaleanchor="x", constrain="domain")
    return figure


def _arrows(start: Array, step: Array) -> dict[str, Any]:
    """Lines with heads as one trace: five points and a gap an arrow."""
    end = start + step
    back, side = 0.3 * step, 0.18 * np.stack([-step[:, 1], step[:, 0]], axis=1)
    gap = np.full_like(start, np.nan)
    points = np.stack([start, end, end - back + side, end, end - back - side, gap], axis=1).reshape(-1, 2)
    return {"x": points[:, 0], "y": points[:, 1]}


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
