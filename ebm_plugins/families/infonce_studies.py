"""Experiments with InfoNCE that are no single run: what a bound can see, which loss, and where plain exponentials end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ebm_plugins.config import Config, knob
from ebm_plugins.families import infonce_core as core
from ebm_plugins.families.hopfield_figures import blank, end_labels
from ebm_plugins.paired import best_critic, gaussian, mutual_information
from ebm_plugins.palette import CATEGORIES_LIGHT, DASHES, LIGHT
from ebm_plugins.records import Array, Rng

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

QUERIES_AT_LEAST = 8  # batches a K
Line = tuple[str, Array, Array, str, str, Array | None]


class BoundConfig(Config):
    """Gaussian pairs and the best critic there is."""

    correlation: float = knob(0.9, "ρ of each coordinate of x with that of y.", ge=0.0, le=0.99)
    dim: int = knob(5, "d, coordinates of x and of y.", ge=1, le=100, log=True)
    largest: int = knob(512, "The largest number of keys K.", ge=2, le=2048, log=True)
    queries: int = knob(
        20_000, "Queries a K (at least eight batches).", ge=100, le=200_000, log=True, more=True
    )


class LossConfig(Config):
    """Held-out retrieval of digits after a short training, for each loss and number of keys."""

    steps: int = knob(150, "Steps of learning each.", ge=10, le=3000, log=True)
    largest: int = knob(256, "The largest batch; each is a quarter of the next.", ge=8, le=512, log=True)
    hardness: float = knob(0.0, "β of hard negatives.", ge=0.0, le=5.0)


class OverflowConfig(Config):
    """The article's query, key and negatives at ever lower temperatures."""

    coldest: float = knob(1e-4, "The lowest τ.", ge=1e-8, le=0.1, log=True)
    negatives: int = knob(5, "Random negatives.", ge=1, le=1000, log=True)


def best_bound(correlation: float, dim: int, keys: int, queries: int, rng: Rng) -> tuple[float, float]:
    """log K − InfoNCE of the best critic on Gaussian pairs, and its standard error over batches."""
    batches = max(QUERIES_AT_LEAST, -(-queries // keys))
    found = [
        core.bound(best_critic(*gaussian(keys, correlation, dim, rng), correlation)) for _ in range(batches)
    ]
    return float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(batches))


def plain_loss(query: Array, own: Array, others: Array, temperature: float) -> float:
    """The loss with plain exponentials, as the article writes it: not a number once one of them overflows."""
    energies = -np.concatenate([[query @ own], others @ query]) / temperature
    with np.errstate(over="ignore", invalid="ignore"):
        return float(energies[0] + np.log(np.sum(np.exp(-energies))))


def bounds(config: BoundConfig, rng: Rng) -> Iterator[Figure]:
    """How much of the mutual information K keys can show, with the best critic there is; a figure a K."""
    sizes = np.unique(np.minimum(2 ** np.arange(1, 12), config.largest))
    truth = mutual_information(config.correlation, config.dim)
    found: list[tuple[float, float]] = []
    for keys in sizes:
        found.append(best_bound(config.correlation, config.dim, int(keys), config.queries, rng))
        lines = [(f"I = {truth:.2f}", sizes, np.full(len(sizes), truth), LIGHT["truth"], "solid", None),
                 ("log K", sizes, np.log(sizes), LIGHT["muted"], "dash", None)]  # fmt: skip
        values, errors = np.array(found).T
        lines.append(("best bound", sizes[: len(found)], values, LIGHT["model"], "solid", 1.96 * errors))
        yield curves(lines, "keys K", "nats")


def losses(config: LossConfig, rng: Rng) -> Iterator[Figure]:
    """Digits: how often the own key is nearest among 64 held-out ones, against the batch; a figure a training."""
    from ebm_plugins.datasets import register_datasets
    from ebm_plugins.families import infonce

    data = next(d for d in register_datasets() if d.key == "digits").load()
    sizes = np.unique(np.maximum(2, config.largest // 4 ** np.arange(3, -1, -1)))
    found: dict[str, list[float]] = {kind: [] for kind in core.LOSSES}
    for size in sizes:
        for kind in core.LOSSES:
            asked = infonce.TrainConfig(
                loss=kind, steps=config.steps, batch=int(size), hardness=config.hardness, every=1000
            )
            *_, last = infonce.train(data, asked, rng.spawn(1)[0])
            found[kind].append(last.metrics["held_out_matched"])
            lines = [
                (name, sizes[: len(v)], np.array(v), CATEGORIES_LIGHT[i], DASHES[i], None)
                for i, (name, v) in enumerate(found.items())
                if v
            ]
            yield curves(lines, "batch, pairs", "own key is nearest among 64")


def overflow(config: OverflowConfig, rng: Rng) -> Iterator[Figure]:
    """The loss times τ as τ falls, by log-sum-exp and with plain exponentials: these end where e to the similarity over
    τ is no number any more. What is left at τ = 0 is how much nearer the nearest wrong key is."""
    query, own = np.array([1.0, 0.0, 0.0]), np.array([0.9, 0.1, 0.0])
    others = rng.standard_normal((config.negatives, 3))
    taus = np.geomspace(1.0, config.coldest, 121)
    similarities = np.concatenate([[query @ own], others @ query])
    stable = np.array([core.contrast(similarities[None] / t, np.array([0]))[0][0] for t in taus])
    plain = np.array([plain_loss(query, own, others, t) for t in taus])
    whole = np.isfinite(plain)
    lines = [
        ("log-sum-exp", taus, taus * stable, LIGHT["truth"], "solid", None),
        ("plain", taus[whole], (taus * plain)[whole], LIGHT["model"], "dot", None),
    ]
    figure = curves(lines, "temperature τ", "τ × loss")
    figure.update_xaxes(autorange="reversed", exponentformat="power", dtick=1)
    figure.layout.annotations = ()
    if not whole.all():
        text = (
            f"plain exponentials end at τ = {taus[whole].min():.2g}"
            if whole.any()
            else "plain: none is finite"
        )
        figure.add_annotation(
            text=text, x=0, y=1, xref="paper", yref="paper", xanchor="left", yanchor="bottom", showarrow=False,
            font={"color": LIGHT["model"], "size": 13},
        )  # fmt: skip
    yield figure


def curves(lines: Sequence[Line], x_title: str, y_title: str) -> Figure:
    """Lines with direct labels: (name, x, y, colour, dash, half-width of an interval or None); x is logarithmic."""
    import plotly.graph_objects as go

    figure = blank(320, right=100)
    labels, values = [], []
    for name, x, y, colour, dash, half in lines:
        bars: dict[str, Any] | None = (
            None if half is None else {"array": half, "color": colour, "thickness": 1.5}
        )
        figure.add_trace(
            go.Scatter(
                x=x, y=y, mode="lines+markers" if len(x) < 20 and half is not None else "lines", error_y=bars,
                line={"color": colour, "dash": dash, "width": 2.25}, marker={"size": 6, "color": colour},
                hovertemplate=f"%{{y:.3f}}<br>{name}, {x_title} %{{x:.4g}}<extra></extra>",
            )
        )  # fmt: skip
        if len(y):
            labels.append((name, float(y[-1]), colour))
            values.extend([float(np.min(y)), float(np.max(y))])
    low, high = min([0.0, *values]), max(values)
    figure.update_xaxes(type="log", title_text=x_title)
    sizes = np.unique(np.concatenate([x for _, x, *_ in lines]))
    if len(sizes) <= 12:
        figure.update_xaxes(tickmode="array", tickvals=sizes[:: 1 if len(sizes) < 7 else 2].tolist())
    figure.update_yaxes(
        title_text=y_title, range=[low - 0.03 * (high - low), high + 0.07 * len(lines) * (high - low)]
    )
    end_labels(figure, labels, low, high)
    return figure
