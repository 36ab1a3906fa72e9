"""Figures of an RBM run. Each takes a run and returns a Plotly figure in the light palette."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ebm_plugins.families.hopfield_figures import blank, end_labels, message, note
from ebm_plugins.moments import reached, timed
from ebm_plugins.palette import DASHES, LIGHT, scale, signed
from ebm_plugins.rbm_core import free_energy, hidden_probability, machine, visible_mean
from ebm_plugins.rbm_measures import roc
from ebm_plugins.records import Array, Run
from ebm_plugins.spaces import Space

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SHOWN = 64  # filters
DREAMS, ABREAST = 32, 8  # and how many in a row, large enough to be read on a phone
SIDE = 380  # pixels that a sheet is at least wide on any page: its height follows from that
FEW = 10  # states that are marked one by one: their histogram would be a few tall bars
SPOILT = 0.1  # share of cells flipped, where no label is left out


def picture_shape(space: Space) -> tuple[int, int]:
    """Rows and columns in which a state is drawn; one row where it is no picture."""
    rows, cols = getattr(space, "rows", 0), getattr(space, "cols", 0)
    return (rows, cols) if rows else getattr(space, "shape", None) or (1, space.dim)


def mosaic(images: Array, shape: tuple[int, int], across: int) -> Array:
    """Pictures (m, V) side by side, ``across`` in a row, with gaps of NaN one cell wide."""
    rows, cols = shape
    down = -(-len(images) // across)
    sheet = np.full((down * (rows + 1) - 1, across * (cols + 1) - 1), np.nan, dtype=np.float32)
    for k, image in enumerate(images):
        top, left = (k // across) * (rows + 1), (k % across) * (cols + 1)
        sheet[top : top + rows, left : left + cols] = np.reshape(image, shape)
    return sheet


def columns_for(shape: tuple[int, int], count: int) -> int:
    """How many pictures go in a row of a sheet about as wide as it is high: on a phone it is not wider than that."""
    return int(np.clip(round(np.sqrt(1.2 * count * (shape[0] + 1) / (shape[1] + 1))), 1, min(count, 16)))


def sheet(
    images: Array, shape: tuple[int, int], across: int, colours: list[list[float | str]], low: float, high: float,
    height: int | None = None,
) -> Figure:  # fmt: skip
    """A figure of pictures (m, V) and nothing else."""
    import plotly.graph_objects as go

    z = mosaic(images, shape, across)
    fitting = int(np.clip(46 + SIDE * z.shape[0] / z.shape[1], 120, 460))
    figure = blank(height or fitting, left=0, right=0)
    figure.add_trace(
        go.Heatmap(z=z, zmin=low, zmax=high, colorscale=colours, showscale=False, hoverongaps=False,
                   hovertemplate="%{z:.2f}<extra></extra>")
    )  # fmt: skip
    figure.update_layout(margin={"l": 0, "r": 0, "t": 28, "b": 8})
    figure.update_xaxes(visible=False, constrain="domain", constraintoward="left")
    figure.update_yaxes(
        visible=False, autorange="reversed", scaleanchor="x", constrain="domain", constraintoward="top"
    )
    return figure


def curves(
    lines: Mapping[str, tuple[Any, Any]], colours: tuple[str, ...], x_title: str, y_title: str, height: int = 280,
    right: int = 150,
) -> Figure:  # fmt: skip
    """Lines (x, y) with their names at their right ends."""
    import plotly.graph_objects as go

    figure, labels, seen = blank(height, right=right), [], [0.0]
    for k, (name, (x, y)) in enumerate(lines.items()):
        colour = colours[k % len(colours)]
        figure.add_trace(
            go.Scatter(x=np.asarray(x), y=np.asarray(y), mode="lines" if len(x) > 1 else "markers",
                       line={"color": colour, "width": 2.25, "dash": DASHES[k % len(DASHES)]},
                       hovertemplate=f"%{{y:.4g}}<br>{name}, {x_title} %{{x}}<extra></extra>")
        )  # fmt: skip
        finite = np.asarray(y, dtype=float)[np.isfinite(np.asarray(y, dtype=float))]
        if len(finite):
            labels.append((name, float(finite[-1]), colour))
            seen = [*(seen if k else []), float(finite.min()), float(finite.max())]
    figure.update_xaxes(title_text=x_title)
    figure.update_yaxes(title_text=y_title)
    end_labels(figure, labels, min(seen), max(seen))
    return figure


def filters(run: Run) -> Figure:
    """What each hidden unit looks for: its weights as a picture, the strongest first."""
    weights = run.params["weights"].T
    order = np.argsort(-np.linalg.norm(weights, axis=1))[:SHOWN]
    shape = picture_shape(run.space)
    most = float(np.abs(weights[order]).max()) or 1.0
    figure = sheet(weights[order], shape, columns_for(shape, len(order)), signed(), -most, most)
    more = f" of {len(weights)}" if len(weights) > len(order) else ""
    note(
        figure, f"{len(order)}{more} hidden units, the strongest first: blue −{most:.2g}, orange +{most:.2g}"
    )
    return figure


def dreams(run: Run) -> Figure:
    """What the machine sees when its states are passed up and down once more, each above the row it is nearest to."""
    import plotly.graph_objects as go

    states = np.asarray(run.sampling.last[:DREAMS], dtype=float)
    if not len(states):
        return message("No states were sampled.")
    m, shape = machine(run.params), picture_shape(run.space)
    images = visible_mean(m, (hidden_probability(m, states) > 0.5).astype(float))
    if run.free is not None:
        images = np.where(run.free, images, states)
    rows = np.asarray(run.data.x, dtype=float)
    distance = ((states[:, None, :] - rows[None, :, :]) ** 2).sum(axis=2)
    near = rows[distance.argmin(axis=1)]
    across = min(ABREAST, len(states))
    both: list[Array] = []
    for first in range(0, len(states), across):
        pad = [np.full(images.shape[1], np.nan)] * (across - len(images[first : first + across]))
        both += [*images[first : first + across], *pad, *near[first : first + across], *pad]
    low, high = (0.0, 1.0) if m.scale is None else (float(rows.min()), float(rows.max()))
    picture = np.array(both)
    is_near = (np.arange(len(picture)) // across) % 2 == 1
    figure = sheet(np.where(is_near[:, None], np.nan, picture), shape, across,
                   scale((LIGHT["off"], LIGHT["model"])), low, high)  # fmt: skip
    figure.add_trace(
        go.Heatmap(z=mosaic(np.where(is_near[:, None], picture, np.nan), shape, across), zmin=low, zmax=high,
                   colorscale=scale((LIGHT["off"], LIGHT["data"])), showscale=False, hoverongaps=False,
                   hovertemplate="%{z:.2f}<extra></extra>")
    )  # fmt: skip
    copies = float((distance.min(axis=1) < 1e-9).mean())
    note(
        figure,
        f"Orange: dreams. Green, below each: the learned row nearest to its state. {copies:.0%} of the states are copies.",
    )
    return figure


def best_possible(x: Array) -> float:
    """The largest mean log-likelihood (nats) of any model of these discrete rows: minus the entropy of their shares."""
    _, counts = np.unique(x, axis=0, return_counts=True)
    p = counts / counts.sum()
    return float((p * np.log(p)).sum())


def likelihood_name(run: Run) -> str:
    """Under which name the run's metrics hold the log-likelihood; empty where they do not."""
    return next((n for n in ("log_likelihood", "log_likelihood_ais") if n in run.training.metrics), "")


def learning(run: Run) -> Figure:
    """Log-likelihood above, reconstruction error below: the second can fall while the first falls too."""
    import plotly.graph_objects as go

    metrics, name = run.training.metrics, likelihood_name(run)
    if not name:
        return message("Training left no likelihood.")
    epochs = reached(run.configs.train, np.arange(1, run.training.count + 1))
    kind = "exact" if name == "log_likelihood" else "by annealing"
    lines = {"learned": (epochs, metrics[name])}
    if f"held_out_{name}" in metrics:
        lines["held out"] = (epochs, metrics[f"held_out_{name}"])
    figure = curves(lines, (LIGHT["data"], LIGHT["data"]), "epoch", f"log p ({kind}), nats", 420, 110)
    if run.space.discrete and len(run.data.x) <= 100:
        best = best_possible(run.data.x)
        figure.add_hline(y=best, line={"color": LIGHT["truth"], "width": 1.75, "dash": "dot"})
        figure.add_annotation(text="best possible", x=1, xref="x domain", y=best, xanchor="left", xshift=8,
                              yanchor="bottom", showarrow=False, font={"color": LIGHT["truth"], "size": 13})  # fmt: skip
    figure.add_trace(
        go.Scatter(x=epochs, y=metrics["reconstruction_error"], mode="lines", yaxis="y2",
                   line={"color": LIGHT["rejected"], "width": 2},
                   hovertemplate="%{y:.4f}<br>reconstruction error, epoch %{x}<extra></extra>")
    )  # fmt: skip
    figure.update_layout(
        meta=timed("training step"),
        yaxis={"domain": [0.42, 1.0]},
        yaxis2={"domain": [0.0, 0.32], "anchor": "x", "gridcolor": LIGHT["hairline"], "zeroline": False,
                "title": {"text": "error"}, "nticks": 4, "fixedrange": True, "rangemode": "tozero",
                "tickfont": {"size": 12.5, "color": LIGHT["muted"]}},
    )  # fmt: skip
    figure.update_xaxes(anchor="y2")
    last = float(metrics["reconstruction_error"][-1])
    figure.add_annotation(text="reconstruction", x=1, xref="x domain", y=last, yref="y2", xanchor="left", xshift=8,
                          showarrow=False, font={"color": LIGHT["muted"], "size": 13})  # fmt: skip
    return figure


def held_out_rows(run: Run) -> tuple[Array, Array | None, Array | None]:
    """Learned rows; held-out rows like them; and held-out rows of the label that was left out (each (n, V) or None)."""
    data, left_out = run.data, int(getattr(run.configs.train, "leave_out", -1))
    learned, other, odd = data.x, data.test_x, None
    if left_out >= 0 and data.labels is not None:
        learned = data.x[data.labels != left_out]
        if other is not None and data.test_labels is not None:
            odd = other[data.test_labels == left_out]
            other = other[data.test_labels != left_out]
    return learned, other, odd


def free_energies(run: Run) -> Figure:
    """Histograms of the free energy of learned, held-out and sampled states; the gap of the first two is overfitting."""
    import plotly.graph_objects as go

    learned, other, _ = held_out_rows(run)
    sets = {"learned": (free_energy(run.params, learned), LIGHT["data"])}
    if other is not None and len(other):
        sets["held out"] = (free_energy(run.params, other), LIGHT["data"])
    if run.free is None and len(run.sampling.last):
        sets["sampled"] = (free_energy(run.params, run.sampling.last), LIGHT["model"])
    together = np.concatenate([v for v, _ in sets.values()])
    low, high = np.quantile(together, [0.002, 0.998])
    edges = np.linspace(low, high + 1e-9 + 1e-9 * abs(high), 41)
    figure = blank(260)
    for k, (name, (values, colour)) in enumerate(sets.items()):
        figure.add_annotation(text=f"{name}: mean {values.mean():.2f}".replace("-", "−"), x=1, y=1 - 0.1 * k, xref="paper",
                              yref="paper", xanchor="right", showarrow=False, font={"color": colour, "size": 13})  # fmt: skip
        if len(values) < FEW:
            figure.add_trace(
                go.Scatter(x=values, y=np.zeros(len(values)), mode="markers", cliponaxis=False,
                           marker={"symbol": "line-ns-open", "size": 22, "color": colour, "line": {"width": 2.25, "color": colour}},
                           hovertemplate=f"{name}, free energy %{{x:.1f}}<extra></extra>")
            )  # fmt: skip
            continue
        share = np.histogram(values, edges)[0] / len(values)
        figure.add_trace(
            go.Scatter(x=(edges[1:] + edges[:-1]) / 2, y=share, mode="lines",
                       line={"color": colour, "width": 2.25, "shape": "hvh", "dash": DASHES[k]},
                       hovertemplate=f"%{{y:.1%}} of {name}<br>free energy %{{x:.1f}}<extra></extra>")
        )  # fmt: skip
    figure.update_xaxes(title_text="free energy F (nats; lower is more probable)")
    figure.update_yaxes(title_text="share of rows", tickformat=".0%", rangemode="tozero")
    return figure


def hidden_units(run: Run) -> Figure:
    """p(h = 1 | v) of each hidden unit on up to 200 rows, sorted by label; units sorted by how often they are on."""
    import plotly.graph_objects as go

    learned, _, _ = held_out_rows(run)
    labels = run.data.labels if len(learned) == len(run.data.x) else None
    rows = np.arange(min(len(learned), 200))
    names = [str(r) for r in rows]
    if labels is not None:
        rows = rows[np.argsort(labels[rows], kind="stable")]
        names = [f"{r}, label {labels[r]}" for r in rows]
    active = hidden_probability(machine(run.params), learned[rows])
    order = np.argsort(-active.mean(axis=0))
    figure = blank(300)
    figure.add_trace(
        go.Heatmap(z=active[:, order].T.astype(np.float32), zmin=0, zmax=1, showscale=False,
                   colorscale=scale((LIGHT["off"], LIGHT["model"])), customdata=[names] * len(order),
                   hovertemplate="%{z:.2f}<br>unit %{y}, row %{customdata}<extra></extra>")
    )  # fmt: skip
    figure.update_xaxes(title_text="data row" + (", sorted by label" if labels is not None else ""))
    figure.update_yaxes(title_text="hidden unit, the busiest first", autorange="reversed")
    sparse = float(((active > 0.1) & (active < 0.9)).mean())
    note(figure, f"On {active.mean():.0%} of the time; undecided (0.1 to 0.9) in {sparse:.0%} of cases")
    return figure


def anomalies(run: Run) -> Figure:
    """ROC of the free energy as a score of oddness, on held-out rows: against the label left out, or spoilt rows."""
    import plotly.graph_objects as go

    learned, other, odd = held_out_rows(run)
    normal = other if other is not None and len(other) else learned
    what = f"label {run.configs.train.leave_out}, never learned"
    if odd is None or not len(odd):
        kind = "flip" if run.space.discrete else "noise"
        odd = run.space.corrupt(normal, kind, SPOILT, np.random.default_rng(0))
        what = (
            f"the same rows with {SPOILT:.0%} of cells flipped"
            if run.space.discrete
            else "the same rows with noise"
        )
    alarms, hits, area = roc(free_energy(run.params, normal), free_energy(run.params, odd))
    figure = blank(340)
    figure.add_trace(go.Scatter(x=[0, 1], y=[0, 1], mode="lines", hoverinfo="skip",
                                line={"color": LIGHT["rejected"], "width": 1.5, "dash": "dot"}))  # fmt: skip
    figure.add_trace(go.Scatter(x=alarms, y=hits, mode="lines", line={"color": LIGHT["model"], "width": 2.25},
                                hovertemplate="%{y:.0%} found<br>%{x:.0%} false alarms<extra></extra>"))  # fmt: skip
    figure.update_xaxes(title_text="false alarms", tickformat=".0%", range=[0, 1], constrain="domain")
    figure.update_yaxes(
        title_text="odd rows found", tickformat=".0%", range=[0, 1.01], scaleanchor="x", constrain="domain"
    )
    which = "held-out" if other is not None and len(other) else "learned"
    note(figure, f"Area {area:.3f}: {which} rows against {what}")
    return figure
