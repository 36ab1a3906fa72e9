"""Figures of an InfoNCE run. Each takes a run and returns a Plotly figure in the light palette."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ebm_plugins import paired
from ebm_plugins.families import infonce_core as core
from ebm_plugins.families import infonce_model as model
from ebm_plugins.families.hopfield_figures import blank, message, note
from ebm_plugins.families.infonce_studies import curves
from ebm_plugins.moments import reached
from ebm_plugins.palette import CATEGORIES_LIGHT, ENERGY_LIGHT, LIGHT, scale
from ebm_plugins.records import Array, Run
from ebm_plugins.spaces import Pairs, Vectors
from ebm_plugins.views import mosaic, principal_axes, project

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SHOWN_PAIRS = 32
POINTS = 250
MOMENTS = 24
ASKED, BEST = 5, 5  # queries, and keys of each, in the retrieval figure
INK = ((0.0, LIGHT["off"]), (1.0, LIGHT["ink"]))


def similarities(run: Run) -> Figure:
    """The energy of held-out queries with keys, both sorted by class: matching pairs are the dark diagonal."""
    import plotly.graph_objects as go

    params = run.params
    queries, keys, own = params["bank_queries"], params["bank_keys"], params["bank_own"]
    order = np.arange(min(len(queries), SHOWN_PAIRS))
    names = params.get("bank_labels")
    if names is not None:
        order = order[np.argsort(names[order], kind="stable")]
    classes = len(np.unique(own)) < len(own)
    chosen = np.arange(len(keys)) if classes else own[order]
    energies = -model.logits(params, queries[order], keys[chosen])
    figure = blank(330, left=50)
    say = [f"query {i}" if names is None else f"query {i} ({names[i]})" for i in order]
    across = [f"key {j}" if names is None or classes else f"key {j} ({names[i]})" for i, j in zip(order, chosen, strict=False)] \
        if not classes else [f"key {j}" for j in chosen]  # fmt: skip
    figure.add_trace(
        go.Heatmap(
            z=energies.astype(np.float32), zmin=float(energies.min()), zmax=float(np.quantile(energies, 0.95)), colorscale=scale(ENERGY_LIGHT), showscale=False,
            customdata=np.array([[f"{a}, {b}" for b in across] for a in say]),
            hovertemplate="energy %{z:.2f}<br>%{customdata}<extra></extra>",
        )
    )  # fmt: skip
    sorted_by = "" if names is None else ", sorted by class"
    figure.update_xaxes(title_text="name" if classes else f"key{sorted_by}", constrain="domain")
    figure.update_yaxes(title_text=f"held-out query{sorted_by}", autorange="reversed")
    if classes:
        figure.update_xaxes(tickmode="array", tickvals=list(range(len(keys))))
    note(figure, f"energy from {energies.min():.1f} (dark) to {energies.max():.1f}".replace("-", "−"))
    return figure


def embedding(run: Run) -> Figure:
    """Held-out rows on the two principal axes of their embedding, at each moment of learning: move the slider."""
    import plotly.graph_objects as go

    rows, labels = _held_rows(run)
    rows = rows[:POINTS]
    frames, steps = run.training.frames, run.training.steps
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(MOMENTS, len(frames))).round().astype(int))
    mean, axes = principal_axes(model.embed(frames[-1], rows))
    places = [project(model.embed(frames[i], rows), mean, axes).round(4) for i in chosen]
    kinds = np.zeros(len(rows), dtype=int)
    text = np.full(len(rows), "•")
    if labels is not None:
        _, kinds = np.unique(labels[: len(rows)], return_inverse=True)
        text = np.array([str(label)[:2] for label in labels[: len(rows)]])
    colours = [
        CATEGORIES_LIGHT[k % len(CATEGORIES_LIGHT)] if labels is not None else LIGHT["model"] for k in kinds
    ]
    figure = blank(330, left=30)
    x, y = places[-1].T
    figure.add_trace(
        go.Scatter(
            x=x.tolist(), y=y.tolist(), mode="text", text=text.tolist(), hoverinfo="text",
            textfont={"color": colours, "size": 12},
        )
    )  # fmt: skip
    everywhere = np.concatenate(places)
    low, high = everywhere.min(axis=0), everywhere.max(axis=0)
    margin = 0.06 * np.maximum(high - low, 1e-9)
    figure.update_xaxes(
        range=[low[0] - margin[0], high[0] + margin[0]], title_text="first axis of the last embedding"
    )
    figure.update_yaxes(range=[low[1] - margin[1], high[1] + margin[1]], title_text="second axis")
    if len(chosen) > 1:
        named = [str(reached(run.configs.train, int(steps[i]) + 1)) for i in chosen]
        figure.update_layout(
            margin={"b": 96},
            sliders=[
                {
                    "active": len(chosen) - 1, "pad": {"t": 44}, "len": 1, "tickcolor": LIGHT["hairline"],
                    "font": {"color": LIGHT["muted"], "size": 11}, "bordercolor": LIGHT["hairline"],
                    "bgcolor": LIGHT["surface"], "activebgcolor": LIGHT["accent"], "minorticklen": 0, "ticklen": 0,
                    "currentvalue": {"prefix": "after step ", "font": {"color": LIGHT["ink"], "size": 13}, "offset": 4},
                    "steps": [
                        {
                            "method": "restyle", "label": name, "value": name,
                            "args": [{"x": [p[:, 0].tolist()], "y": [p[:, 1].tolist()]}, [0]],
                        }
                        for name, p in zip(named, places, strict=True)
                    ],
                }
            ],
        )  # fmt: skip
    return figure


def retrieval(run: Run) -> Figure:
    """A few held-out queries, each beside the keys that are most likely for it; its own is in colour."""
    params, temperature = run.params, float(getattr(run.configs.sample, "temperature", 1.0))
    queries = params["bank_queries"][:ASKED]
    table = model.logits(params, queries, params["bank_keys"]) / temperature
    shares = np.exp(table - core.log_sum_exp(table)[:, None])
    best = np.argsort(-shares, axis=1)[:, : min(BEST, shares.shape[1])]
    space = run.space
    assert isinstance(space, Pairs)
    left = space.left.shape if isinstance(space.left, Vectors) else None
    right = space.right.shape if isinstance(space.right, Vectors) else None
    own = params["bank_own"]
    if left is None:
        return _as_table(shares, best, own)
    height, width = left
    gap = max(2, height // 3) if right == left else 0  # rows under each picture, for its probability
    blank_tile = np.full((height + gap, width), np.nan)
    tiles = []
    for query, keys in zip(queries, best, strict=True):
        shown = [query, *params["bank_keys"][keys]] if right == left else [query]
        for picture in shown:
            tile = blank_tile.copy()
            tile[:height] = np.clip(picture.reshape(height, width), 0, 1)
            tiles.append(tile.ravel())
        tiles += [blank_tile.ravel()] * (1 + len(keys) - len(shown))
    figure = _pictures(mosaic(np.array(tiles), (height + gap, width), 1 + best.shape[1]))
    for row, keys in enumerate(best):
        for column, key in enumerate(keys):
            name = f"{shares[row, key]:.0%}" if right == left else f"{key}: {shares[row, key]:.0%}"
            mine = key == own[row]
            figure.add_annotation(
                text=f"<b>{name}</b>" if mine else name, x=(column + 1) * (width + 1) + (width - 1) / 2,
                y=row * (height + gap + 1) + (height + (gap - 1) / 2 if gap else (height - 1) / 2),
                showarrow=False, yanchor="middle",
                font={"size": 11 if gap else 13, "color": LIGHT["data"] if mine else LIGHT["muted"]},
            )  # fmt: skip
    note(figure, "query, then its likeliest keys; green: its own")
    return figure


def _pictures(z: Array) -> Figure:
    import plotly.graph_objects as go

    figure = blank(330, left=6, right=6)
    figure.add_trace(
        go.Heatmap(z=z.astype(np.float32), zmin=0, zmax=1, colorscale=[list(c) for c in INK], showscale=False, hoverinfo="skip")
    )  # fmt: skip
    figure.update_xaxes(visible=False, constrain="domain")
    figure.update_yaxes(
        visible=False, autorange=False, range=[len(z) + 0.8, -0.8], scaleanchor="x", constrain="domain"
    )
    figure.update_layout(margin={"b": 6})
    return figure


def _as_table(shares: Array, best: Array, own: Array) -> Figure:
    import plotly.graph_objects as go

    columns: list[list[str]] = [[f"query {i}" for i in range(len(best))]]
    for place in range(best.shape[1]):
        columns.append(
            [
                f"{'✓ ' if b[place] == own[i] else ''}key {b[place]}, {shares[i, b[place]]:.0%}"
                for i, b in enumerate(best)
            ]
        )
    figure = blank(60 + 31 * len(best), left=0, right=0)
    figure.update_layout(margin={"t": 0, "b": 0})
    line = {"fill_color": "rgba(0,0,0,0)", "line_color": LIGHT["hairline"], "align": "left", "height": 30}
    head = ["Query", *(("likeliest", "second", "third", "fourth", "fifth")[: best.shape[1]])]
    figure.add_trace(
        go.Table(
            header={"values": head, "font": {"color": LIGHT["muted"], "size": 13}, **line},
            cells={"values": columns, "font": {"color": LIGHT["ink"], "size": 13}, **line},
        )
    )
    return figure


def alignment_uniformity(run: Run) -> Figure:
    """The way of the embedding while it learns: how spread (uniformity) against how near matching ones are."""
    import plotly.graph_objects as go

    metrics = run.training.metrics
    prefix = "held_out_" if "held_out_uniformity" in metrics else "train_"
    x, y = metrics[prefix + "uniformity"], metrics[prefix + "alignment"]
    figure = blank(330, right=24, left=54)
    step = reached(run.configs.train, np.arange(1, len(x) + 1))
    figure.add_trace(
        go.Scatter(
            x=x, y=y, mode="lines+markers", customdata=step, line={"color": LIGHT["model"], "width": 1.75},
            marker={"size": 5, "color": LIGHT["model"]},
            hovertemplate="uniformity %{x:.2f}<br>alignment %{y:.2f}<br>step %{customdata}<extra></extra>",
        )
    )  # fmt: skip
    ends = [(0, f"step {step[0]}")] if len(x) == 1 else [(0, f"step {step[0]}"), (len(x) - 1, "last")]
    for i, name in ends:
        figure.add_annotation(
            text=name,
            x=float(x[i]),
            y=float(y[i]),
            showarrow=False,
            yshift=13,
            font={"color": LIGHT["ink"], "size": 13},
        )
    figure.update_xaxes(title_text="uniformity (lower: more spread)")
    figure.update_yaxes(title_text="alignment (lower: nearer)")
    note(figure, "better is towards the lower left")
    return figure


def bound_against_keys(run: Run) -> Figure:
    """log K − loss on held-out pairs for growing K, under log K and under what there is to know."""
    config = run.configs.train
    bank_rng = np.random.default_rng(0)
    _, trial = model.held_out(run.data, config.views, config.bank, bank_rng)
    f = model.embed(run.params, trial.left[: model.MOST_TRIED])  # each row once
    g = model.embed(run.params, trial.right[: model.MOST_TRIED], "right")
    table = (f @ g.T).astype(float) / float(run.params["temperature"][0])
    sizes = 2 ** np.arange(1, int(np.log2(len(f))) + 1)
    bounds = [
        np.mean([core.bound(table[i : i + k, i : i + k]) for i in range(0, len(f) - k + 1, k)]) for k in sizes
    ]
    lines: list[Any] = [
        ("log K", sizes, np.log(sizes), LIGHT["muted"], "dash", None),
        ("this model", sizes, np.array(bounds), LIGHT["model"], "solid", None),
    ]
    known = known_information(run)
    if known is not None:
        value, name = known
        lines.append((name, sizes, np.full(len(sizes), value), LIGHT["truth"], "solid", None))
    return curves(lines, "keys K", "nats")


def known_information(run: Run) -> tuple[float, str] | None:
    """What there is to know, in nats, with its name: I of Gaussian pairs, or the entropy of the classes."""
    if run.spec.dataset == "gaussian-pairs":
        return paired.mutual_information(paired.CORRELATION, paired.DIMENSION), "I, exact"
    own = run.params["bank_own"]
    if run.data.test_labels is not None and len(np.unique(own)) < len(own):
        _, counts = np.unique(run.data.test_labels, return_counts=True)
        share = counts / counts.sum()
        return float(-(share * np.log(share)).sum()), "H(name)"
    return None


def confusion(run: Run) -> Figure:
    """Held-out rows by class: what the nearest name says; without names, the nearest other row."""
    import plotly.graph_objects as go

    rows, labels = _held_rows(run)
    if labels is None:
        return message("These data have no classes.")
    own = run.params["bank_own"]
    f = model.embed(run.params, rows)
    kinds, true = np.unique(labels, return_inverse=True)
    if len(np.unique(own)) < len(own) and len(kinds) == len(run.params["bank_keys"]):
        said = (f @ model.embed(run.params, run.params["bank_keys"].astype(rows.dtype), "right").T).argmax(
            axis=1
        )
        how = "name"
    else:
        near = f @ f.T
        np.fill_diagonal(near, -np.inf)
        said, how = true[near.argmax(axis=1)], "row"
    counts = np.zeros((len(kinds), len(kinds)), dtype=int)
    np.add.at(counts, (true, said), 1)
    right = float((said == true).mean())
    names = [str(k) for k in kinds]
    figure = blank(330, left=40)
    figure.add_trace(
        go.Heatmap(
            z=np.sqrt(counts), x=names, y=names, text=np.where(counts, counts, "").astype(str), texttemplate="%{text}",
            colorscale=[[0, LIGHT["surface"]], [1, LIGHT["data"]]], showscale=False, xgap=1, ygap=1, customdata=counts,
            hovertemplate="%{customdata} rows<br>%{y} taken for %{x}<extra></extra>",
        )
    )  # fmt: skip
    every = {"type": "category", "tickmode": "array", "tickvals": names}
    figure.update_xaxes(title_text=f"class of the nearest {how}", constrain="domain", **every)
    figure.update_yaxes(title_text="class", autorange="reversed", **every)
    note(figure, f"{right:.1%} of {len(rows)} rows right")
    return figure


def _held_rows(run: Run) -> tuple[Array, Array | None]:
    """Held-out queries as they are (n, dl) in float32, with their labels; the training rows where nothing is held out."""
    data = run.data
    out = data.test_x is not None and len(data.test_x) > 1
    rows = np.asarray(data.test_x if out else data.x, dtype=np.float32)
    labels = data.test_labels if out else data.labels
    return rows[:, : run.params["bank_queries"].shape[1]], labels
