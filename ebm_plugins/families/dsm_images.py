"""Figures of a learned score whose data are images: taking noise off, and whether samples are only copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ebm_plugins.families import dsm_model as models
from ebm_plugins.families.hopfield_figures import blank, message
from ebm_plugins.palette import LIGHT
from ebm_plugins.pictures import image_shape
from ebm_plugins.records import Array, Run

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

ACROSS = 8
BLOCK = 1_000_000  # distances at once


def denoising(run: Run) -> Figure:
    """Held-out images with the noise of several levels, and under each the mean of what may be behind it (Tweedie)."""
    shape = image_shape(run.space)
    if shape is None or run.data.bare:
        return message("This is for data that are images.")
    rows = run.data.test_x if run.data.test_x is not None and len(run.data.test_x) else run.data.x
    sigmas = run.params["sigmas"]
    levels = sigmas[np.linspace(0, len(sigmas) - 1, ACROSS).round().astype(int)[::-1]]
    rng = np.random.default_rng(0)
    top, bottom = [], []
    for k, sigma in enumerate(levels):
        clean = np.asarray(rows[k % len(rows)], dtype=float)[None]
        noised = clean + sigma * rng.standard_normal(clean.shape)
        top.append(noised[0])
        bottom.append(models.denoised(run.params, noised, float(sigma))[0])
    figure = _sheet([np.array(top), np.array(bottom)], shape, [LIGHT["data"], LIGHT["model"]])
    for k, sigma in enumerate(levels):
        figure.add_annotation(
            text=f"σ {sigma:.2g}", x=(k + 0.5) / ACROSS, y=1, xref="paper", yref="paper", xanchor="center", yanchor="bottom",
            showarrow=False, font={"color": LIGHT["muted"], "size": 13},
        )  # fmt: skip
    return figure


def nearest_data(run: Run) -> Figure:
    """Some samples, and under each the nearest row that was learned from, with how far it is."""
    shape = image_shape(run.space)
    if shape is None or run.data.bare or not len(run.sampling.last):
        return message("This is for data that are images.")
    last = np.asarray(run.sampling.last, dtype=float)
    samples = last[np.linspace(0, len(last) - 1, min(ACROSS, len(last))).astype(int)]
    near, far = nearest(samples, run.data.x)
    rows = np.asarray(run.data.x, dtype=float)[near]
    figure = _sheet([samples, rows], shape, [LIGHT["model"], LIGHT["data"]])
    for k, distance in enumerate(far):
        figure.add_annotation(
            text=f"{distance:.2f} apart", x=(k + 0.5) / ACROSS, y=1, xref="paper", yref="paper", xanchor="center", yanchor="bottom",
            showarrow=False, font={"color": LIGHT["muted"], "size": 13},
        )  # fmt: skip
    if run.data.test_x is not None and len(run.data.test_x):
        usual = float(np.median(nearest(np.asarray(run.data.test_x, dtype=float), run.data.x)[1]))
        figure.add_annotation(
            text=f"top: sampled, bottom: the nearest of the data. Held-out data are {usual:.2f} from theirs, by the median.",
            x=0, y=0, yshift=-6, xref="paper", yref="paper", xanchor="left", yanchor="top", showarrow=False,
            font={"color": LIGHT["muted"], "size": 13},
        )  # fmt: skip
    return figure


def nearest(x: Array, rows: Array) -> tuple[Array, Array]:
    """Which of the rows (m, dim) is nearest to each of x (n, dim), and how far it is: (n,) and (n,)."""
    rows = np.asarray(rows, dtype=float)
    squares = (rows * rows).sum(axis=1)
    chosen = np.empty(len(x), dtype=np.int64)
    each = max(1, BLOCK // len(rows))
    for first in range(0, len(x), each):
        part = x[first : first + each]
        chosen[first : first + each] = (squares - 2 * part @ rows.T).argmin(axis=1)
    return chosen, np.linalg.norm(x - rows[chosen], axis=1)


def _sheet(lines: list[Array], shape: tuple[int, int], colours: list[str]) -> Figure:
    """Lines of images (n, dim), each line one heatmap in a colour of its own, grey values cut to [0, 1]."""
    import plotly.graph_objects as go

    height, width = shape
    figure = blank(60 + 105 * len(lines), left=4, right=4)
    for row, (images, colour) in enumerate(zip(lines, colours, strict=True)):
        canvas = np.full((height, ACROSS * (width + 1) - 1), np.nan, np.float32)
        for k, image in enumerate(images):
            left = k * (width + 1)
            canvas[:, left : left + width] = np.clip(image, 0, 1).reshape(shape)
        name = "" if row == 0 else str(row + 1)
        figure.add_trace(
            go.Heatmap(
                z=canvas, zmin=0, zmax=1, colorscale=[[0, LIGHT["off"]], [1, colour]], showscale=False,
                hovertemplate="%{z:.2f}<extra></extra>", hoverongaps=False, xaxis=f"x{name}", yaxis=f"y{name}",
            )
        )  # fmt: skip
        span = 1 / len(lines)
        figure.layout[f"xaxis{name}"] = {
            "visible": False,
            "fixedrange": True,
            "domain": [0, 1],
            "anchor": f"y{name}",
        }
        figure.layout[f"yaxis{name}"] = {
            "visible": False, "fixedrange": True, "autorange": "reversed", "anchor": f"x{name}",
            "domain": [1 - (row + 1) * span + 0.02, 1 - row * span - 0.02],
        }  # fmt: skip
    return figure
