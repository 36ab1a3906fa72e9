"""Figures of a run with a learned score, on the plane and at each noise level. Each takes a run and returns a Plotly
figure in the light palette; :mod:`ebm_plugins.families.dsm_images` has those of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ebm_plugins.families import dsm_losses as losses
from ebm_plugins.families import dsm_model as models
from ebm_plugins.families.hopfield_figures import blank, end_labels, message, note
from ebm_plugins.palette import ENERGY_LIGHT, LIGHT, scale, signed
from ebm_plugins.records import Array, Run
from ebm_plugins.shapes import Mixture

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

PANELS = 4  # noise levels in the ladder
GRID = 60  # points along a side of a panel
ARROWS = 15  # along a side of the field
DEPTH = 8.0  # nats below the top of a panel that are drawn
NEAR = 4.0  # standard deviations of a component, for a sample to belong to its mode
DRAWS = 400  # exact draws a level, for the error against the closed form


def noise_ladder(run: Run) -> Figure:
    """The density at four noise levels, from one cloud to the data, with data that have that much noise on them."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    if run.data.space.dim != 2:
        return message("The densities can be drawn for data on the plane.")
    sigmas = run.params["sigmas"]
    shown = np.unique(np.linspace(0, len(sigmas) - 1, min(PANELS, len(sigmas))).round().astype(int))
    cols = min(2, len(shown))  # two and two: on a phone, four abreast would be too small to see anything in
    down = -(-len(shown) // cols)
    figure = make_subplots(
        rows=down, cols=cols, horizontal_spacing=0.04, vertical_spacing=0.09,
        subplot_titles=[f"σ = {sigmas[k]:.2g}" for k in shown],
    )  # fmt: skip
    figure.update_layout(blank(40 + 200 * down if len(shown) > 1 else 330, left=12).layout)
    figure.update_layout(template="none", margin={"t": 30, "b": 10})
    figure.update_annotations(font={"size": 13, "color": LIGHT["muted"]})
    rng = np.random.default_rng(0)
    rows = np.asarray(run.data.x, dtype=float)[:300]
    for panel, k in enumerate(shown):
        row, column = panel // cols + 1, panel % cols + 1
        sigma = float(sigmas[k])
        low, high = _square(run, 2.5 * sigma)
        noised = rows + sigma * rng.standard_normal(rows.shape)
        noised = noised[((noised > low) & (noised < high)).all(axis=1)]  # the panel ends with the density
        if int(run.params["kind"][0]) == 0:
            xs, ys, grid = _grid(low, high, GRID)
            density = -models.energy_at(run.params, grid.astype(np.float32), sigma).reshape(GRID, GRID)
            density = np.maximum(density - density.max(), -DEPTH)
            figure.add_trace(
                go.Contour(
                    x=xs, y=ys, z=-density, colorscale=scale(ENERGY_LIGHT), showscale=False, line={"width": 0},
                    contours={"start": 0, "end": DEPTH, "size": DEPTH / 12}, zmin=0, zmax=DEPTH,
                    hovertemplate="%{z:.1f} nats above the lowest<br>at %{x:.2f}, %{y:.2f}<extra></extra>",
                ),
                row=row, col=column,
            )  # fmt: skip
        figure.add_trace(
            go.Scatter(
                x=noised[:, 0], y=noised[:, 1], mode="markers", hoverinfo="skip",
                marker={"size": 3, "color": LIGHT["data"], "line": {"color": LIGHT["halo"], "width": 0.3}},
            ),
            row=row, col=column,
        )  # fmt: skip
        bare: dict[str, Any] = {"showticklabels": False, "showgrid": False, "zeroline": False}
        figure.update_xaxes(range=[low[0], high[0]], constrain="domain", **bare, row=row, col=column)
        anchor = "x" if not panel else f"x{panel + 1}"
        figure.update_yaxes(
            range=[low[1], high[1]], scaleanchor=anchor, constrain="domain", **bare, row=row, col=column
        )
    return figure


def score_field(run: Run) -> Figure:
    """The learned score as arrows, with the true one under it where it is known, at a middle noise level."""
    import plotly.graph_objects as go

    if run.data.space.dim != 2:
        return message("The score can be drawn for data on the plane.")
    sigma = _middle(run)
    low, high = _square(run, sigma)
    xs, _, places = _grid(low, high, ARROWS)
    learned = models.score(run.params, places, sigma)
    density = losses.closed_form(run.data)
    figure = blank(460)
    reach = 0.9 * float(xs[1] - xs[0])
    longest = float(np.quantile(np.linalg.norm(learned, axis=1), 0.9)) or 1.0
    fields = [] if density is None else [("exact", density.score(places, sigma), LIGHT["truth"], 3.5)]
    for name, arrows, colour, width in [*fields, ("learned", learned, LIGHT["model"], 1.5)]:
        figure.add_trace(
            go.Scatter(
                **_arrows(places, arrows, longest, reach), mode="lines", name=name, hoverinfo="skip",
                line={"color": colour, "width": width}, opacity=0.45 if name == "exact" else 1.0,
            )
        )  # fmt: skip
    rows = np.asarray(run.data.x, dtype=float)[:500]
    figure.add_trace(
        go.Scatter(
            x=rows[:, 0], y=rows[:, 1], mode="markers", hoverinfo="skip", opacity=0.5,
            marker={"size": 4, "color": LIGHT["data"]},
        )
    )  # fmt: skip
    figure.update_xaxes(title_text="x", range=[low[0], high[0]], constrain="domain")
    figure.update_yaxes(
        title_text="y", range=[low[1], high[1]], showgrid=False, scaleanchor="x", constrain="domain"
    )
    known = "; dark: exact" if density is not None else ""
    note(figure, f"at noise σ = {sigma:.2g}. Orange: learned{known}; dots: data")
    return figure


def score_error(run: Run) -> Figure:
    """How far the learned score is from the true one at each noise level, and what knowing nothing but mean and
    spread of the data comes to."""
    import plotly.graph_objects as go

    density = losses.closed_form(run.data)
    if density is None:
        return message(
            "The true score of these data is not known in closed form. It is for the eight Gaussians."
        )
    model = models.model_of(run.params, np.float32)
    errors = losses.score_errors(model, density, np.random.default_rng(0), DRAWS)
    blind = losses.score_errors(_untaught(model), density, np.random.default_rng(0), DRAWS)
    figure = blank(300, right=110, left=64)
    labels = []
    for name, values, colour, dash in (
        ("learned", errors, LIGHT["model"], "solid"),
        ("one Gaussian", blind, LIGHT["rejected"], "dash"),
    ):
        figure.add_trace(
            go.Scatter(
                x=model.sigmas.astype(float), y=values, mode="lines+markers", line={"color": colour, "width": 2, "dash": dash},
                hovertemplate=f"{name}: %{{y:.4f}}<br>σ = %{{x:.3f}}<extra></extra>",
            )
        )  # fmt: skip
        labels.append((name, float(np.log10(max(values[0], 1e-12))), colour))
    lows = np.log10(np.clip(np.concatenate([errors, blind]), 1e-12, None))
    span = [float(lows.min()) - 0.2, float(lows.max()) + 0.2]
    end_labels(figure, labels, *span)
    figure.update_xaxes(type="log", title_text="noise σ", tickvals=ticks(model.sigmas))
    figure.update_yaxes(type="log", title_text="½σ²·mean |s − s*|²", range=span, dtick=1, tickformat="~g")
    note(figure, f"over {DRAWS} exact draws from the noised data at each level")
    return figure


def curl(run: Run) -> Figure:
    """The curl of the learned score on the plane, ∂s₁/∂x₂ − ∂s₂/∂x₁, in units of 1/σ²: 0 where an energy exists."""
    import plotly.graph_objects as go

    if run.data.space.dim != 2:
        return message("The curl can be drawn for data on the plane.")
    sigma = _middle(run)
    low, high = _square(run, sigma)
    xs, ys, grid = _grid(low, high, GRID)
    turn = sigma**2 * models.curl(run.params, grid, sigma).reshape(GRID, GRID)
    most = float(np.abs(turn).max())
    figure = blank(440)
    figure.add_trace(
        go.Heatmap(
            x=xs, y=ys, z=turn, zmin=-max(most, 0.01), zmax=max(most, 0.01), colorscale=signed(), showscale=False,
            hovertemplate="σ²·curl %{z:.3f}<br>at %{x:.2f}, %{y:.2f}<extra></extra>",
        )
    )  # fmt: skip
    rows = np.asarray(run.data.x, dtype=float)[:300]
    figure.add_trace(
        go.Scatter(
            x=rows[:, 0], y=rows[:, 1], mode="markers", hoverinfo="skip", opacity=0.5,
            marker={"size": 3, "color": LIGHT["data"]},
        )
    )  # fmt: skip
    figure.update_xaxes(title_text="x", range=[low[0], high[0]], constrain="domain")
    figure.update_yaxes(
        title_text="y", range=[low[1], high[1]], showgrid=False, scaleanchor="x", constrain="domain"
    )
    amount = "less than a millionth" if most < 1e-6 else f"{most:.2g} at most"
    whose = "energy network" if int(run.params["kind"][0]) == 0 else "score network"
    note(figure, f"{whose} at σ = {sigma:.2g}: σ² × curl is {amount}")
    return figure


def loss_by_level(run: Run) -> Figure:
    """The denoising loss of each noise level, on training and on held-out rows, beside that of the Gaussian with the
    data's mean and covariance."""
    import plotly.graph_objects as go

    if run.data.bare:
        return message("There are no data to measure a loss on.")
    model = models.model_of(run.params, np.float32)
    found = [("training", run.data.x, LIGHT["data"], "solid")]
    if run.data.test_x is not None and len(run.data.test_x):
        found.append(("held out", run.data.test_x, LIGHT["model"], "dash"))
    figure = blank(300, right=110, left=56)
    labels, top = [], 0.0
    for name, rows, colour, dash in found:
        values = losses.by_level(model, np.asarray(rows, dtype=np.float32)[:256], np.random.default_rng(0))
        figure.add_trace(
            go.Scatter(
                x=model.sigmas.astype(float), y=values, mode="lines+markers",
                line={"color": colour, "width": 2, "dash": dash},
                hovertemplate=f"{name}: %{{y:.3f}}<br>σ = %{{x:.3f}}<extra></extra>",
            )
        )  # fmt: skip
        labels.append((name, float(values[0]), colour))
        top = max(top, float(values.max()))
    bar = losses.of_gaussian(run.data.x, found[-1][1], model.sigmas)
    figure.add_trace(
        go.Scatter(
            x=model.sigmas.astype(float), y=bar, mode="lines", line={"color": LIGHT["rejected"], "width": 1.75, "dash": "dot"},
            hovertemplate="one Gaussian: %{y:.3f}<br>σ = %{x:.3f}<extra></extra>",
        )
    )  # fmt: skip
    labels.append(("one Gaussian", float(bar[0]), LIGHT["rejected"]))
    end_labels(figure, labels, 0.0, max(top, float(bar.max())))
    figure.update_xaxes(type="log", title_text="noise σ", tickvals=ticks(model.sigmas))
    figure.update_yaxes(title_text="½ mean |ε guessed − ε|²", rangemode="tozero")
    half = run.data.space.dim / 2
    note(figure, f"guessing no noise at all comes to {half:g} at every level")
    return figure


def modes(run: Run) -> Figure:
    """Which of the known modes each sample is in, and how many are in none."""
    import plotly.graph_objects as go

    density = losses.closed_form(run.data)
    last = np.asarray(run.sampling.last, dtype=float)
    if density is None or not len(last):
        return message(
            "The modes of these data are not known in closed form. They are for the eight Gaussians."
        )
    shares = mode_shares(density, last)
    count = len(density.means)
    figure = blank(280)
    spread = 1.96 * np.sqrt((1 / count) * (1 - 1 / count) / len(last))
    figure.add_hrect(
        y0=100 * (1 / count - spread), y1=100 * (1 / count + spread), fillcolor=LIGHT["ink"], opacity=0.1, line_width=0
    )  # fmt: skip
    figure.add_hline(y=100 / count, line={"color": LIGHT["truth"], "width": 1.5})
    names = [_bearing(mean - density.means.mean(axis=0)) for mean in density.means]
    figure.add_trace(
        go.Bar(
            x=[*names, "none"], y=100 * shares, width=0.6,
            marker={"color": [LIGHT["model"]] * count + [LIGHT["rejected"]]},
            hovertemplate="%{y:.1f} %<br>%{x}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(nticks=count + 1)
    figure.update_yaxes(title_text="samples, %", rangemode="tozero")
    note(
        figure,
        f"within {NEAR:g} sd of a component; line and band: {len(last):,} exact draws".replace(",", "\u202f"),
    )
    return figure


def mode_shares(density: Mixture, x: Array) -> Array:
    """The share of the states x (n, dim) near each mode, then of those near none: (k + 1,), summing to 1."""
    distance = np.sqrt((((x[:, None, :] - density.means) / density.sd) ** 2).sum(axis=2))
    nearest = np.where(distance.min(axis=1) < NEAR, distance.argmin(axis=1), len(density.means))
    return np.bincount(nearest, minlength=len(density.means) + 1) / len(x)


def _untaught(model: models.Model) -> models.Model:
    """The same with a network that says nothing: exact for Gaussian data."""
    return model._replace(weights=tuple(np.zeros_like(w) for w in model.weights))


def _middle(run: Run) -> float:
    """The noise level nearest to 0.3 of the data's spread: modes have parted, and arrows are still long between."""
    sigmas = run.params["sigmas"]
    return float(sigmas[np.argmin(np.abs(np.log(sigmas / (0.3 * float(run.params["scale"][0]) + 1e-12))))])


def _square(run: Run, margin: float) -> tuple[Array, Array]:
    """Lower and upper corner of a square around the data with a margin."""
    low, high = np.asarray(run.data.x, dtype=float).min(axis=0), np.asarray(run.data.x).max(axis=0)
    middle, half = 0.5 * (low + high), 0.5 * float((high - low).max()) + margin
    return middle - half, middle + half


def _grid(low: Array, high: Array, size: int) -> tuple[Array, Array, Array]:
    xs, ys = np.linspace(low[0], high[0], size), np.linspace(low[1], high[1], size)
    return xs, ys, np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)


def _arrows(places: Array, arrows: Array, longest: float, reach: float) -> dict[str, Any]:
    """Arrows as one trace of lines: five points and a gap each; length grows with the root of the score."""
    size = np.linalg.norm(arrows, axis=1, keepdims=True)
    step = arrows / np.maximum(size, 1e-12) * np.sqrt(np.minimum(size / longest, 1.0)) * reach
    end = places + 0.5 * step
    back, side = 0.3 * step, 0.18 * np.stack([-step[:, 1], step[:, 0]], axis=1)
    gap = np.full_like(places, np.nan)
    line = [places - 0.5 * step, end, end - back + side, end, end - back - side, gap]
    points = np.stack(line, axis=1).reshape(-1, 2)
    return {"x": points[:, 0], "y": points[:, 1]}


def ticks(sigmas: Array) -> list[float]:
    """Round numbers 1, 2, 5 times a power of ten within the range of the noise levels."""
    low, high = float(sigmas.min()) / 1.01, float(sigmas.max()) * 1.01
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    marks = [float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5)]
    return [mark for mark in marks if low <= mark <= high]


def _bearing(v: Array) -> str:
    names = ("right", "top right", "top", "top left", "left", "bottom left", "bottom", "bottom right")
    return names[round(float(np.arctan2(v[1], v[0])) / (np.pi / 4)) % 8]
