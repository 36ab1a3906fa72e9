r"""Experiments with Hopfield networks that are no single run: capacity, basins, and the article's recall.

The theory of the capacity curve is Amit, Gutfreund and Sompolinsky's (1985) at T = 0. With y the signal over the
noise of a field, :math:`m = \operatorname{erf} y` and

.. math:: \sqrt{2\alpha} = \frac{\operatorname{erf} y}{y} - \frac{2}{\sqrt\pi} e^{-y^2},

so the load α is an explicit function of y whose largest value is the capacity, 0.1379; memories are the branch of
large y.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np

from ebm_plugins.config import Config, knob
from ebm_plugins.families.hopfield_figures import blank, end_labels
from ebm_plugins.families.hopfield_text import RULE_NAMES
from ebm_plugins.memories import RULES, memorise
from ebm_plugins.palette import CATEGORIES_LIGHT, DASHES, LIGHT
from ebm_plugins.recall import settle
from ebm_plugins.records import Array, Params, Rng
from ebm_plugins.spaces import BinaryGrid

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

PROBES_AT_ONCE = 20  # states that share one order of visits
MAX_PROBES = 200


class CapacityConfig(Config):
    """The capacity curve: overlap after recall against P/N."""

    rule: Literal["hebb", "storkey", "pseudo-inverse", "dense-polynomial", "dense-exponential"] = knob(
        "hebb", "How the patterns are stored. The theory is of Hebb's rule."
    )
    cells: int = knob(
        200, "N. The larger, the sharper the cliff: on a small grid it is a slope.", ge=16, le=2000, log=True
    )
    top: float = knob(0.24, "The largest load P/N.", ge=0.05, le=8.0, log=True, title="Largest load P/N")
    points: int = knob(12, "How many loads are tried.", ge=2, le=40)
    networks: int = knob(2, "Networks a load, each with its own random patterns.", ge=1, le=20, more=True)
    flipped: float = knob(
        0.0,
        "Share of cells flipped before recall; 0 starts at the pattern itself.",
        ge=0.0,
        le=0.5,
        more=True,
    )
    order: int = knob(3, "Degree of the dense polynomial.", ge=2, le=20, more=True)


class BasinConfig(Config):
    """Basin size: how often recall is exact against how many cells were flipped."""

    patterns: Literal["article", "random"] = knob(
        "article", "The article's three patterns on 8 × 8 cells, or random ones."
    )
    cells: int = knob(100, "N of random patterns.", ge=16, le=1000, log=True)
    count: int = knob(8, "How many random patterns are stored.", ge=1, le=500, log=True)
    probes: int = knob(100, "Recalls a rule and share.", ge=10, le=1000, log=True)
    points: int = knob(11, "How many shares from 0 to a half.", ge=3, le=33, more=True)


class SuccessConfig(Config):
    """The article's experiment under every rule."""

    flipped: int = knob(19, "Cells flipped before recall, of 64.", ge=0, le=64, unit="cells")
    probes: int = knob(200, "Recalls a pattern and rule.", ge=10, le=2000, log=True)


# --- Theory ---------------------------------------------------------------------------------------------------


def load_at(y: float) -> float:
    """The load α at which a field's signal is y times √2 its noise, at T = 0 (see the module)."""
    root = math.erf(y) / y - 2 / math.sqrt(math.pi) * math.exp(-y * y)
    return 0.5 * root * root


def critical() -> tuple[float, float]:
    """(α_c, y_c): the largest load, by golden-section search; about 0.1379 at y = 1.5."""
    low, high, ratio = 1.0, 3.0, (math.sqrt(5) - 1) / 2
    while high - low > 1e-10:
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (a, high) if load_at(a) < load_at(b) else (low, b)
    return load_at((low + high) / 2), (low + high) / 2


def retrieval_overlap(load: float) -> float:
    """m(α) of the retrieval state at T = 0 for N → ∞; 0 past the capacity, 1 at load 0."""
    most, y = critical()
    if load <= 0:
        return 1.0
    if load > most:
        return 0.0
    low, high = y, max(2 * y, 2 / math.sqrt(load))
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if load_at(middle) > load else (low, middle)
    return math.erf((low + high) / 2)


# --- Measurements ---------------------------------------------------------------------------------------------


def random_patterns(count: int, cells: int, rng: Rng) -> Array:
    """(count, cells) fair coins ±1."""
    return rng.integers(0, 2, (count, cells)) * 2.0 - 1.0


def flipped(x: Array, amount: float, rng: Rng) -> Array:
    """x (n, N) with exactly ``round(amount * N)`` cells of each row flipped."""
    return BinaryGrid(1, x.shape[1]).corrupt(x, "flip", amount, rng)


def recall_many(params: Params, x: Array, rng: Rng) -> Array:
    """:func:`ebm_plugins.recall.settle` in groups that each have their own orders of visits."""
    groups = [settle(params, x[i : i + PROBES_AT_ONCE], rng) for i in range(0, len(x), PROBES_AT_ONCE)]
    return np.vstack(groups)


def recall_rate(params: Params, pattern: Array, amount: float, probes: int, rng: Rng) -> tuple[float, float]:
    """(share of exact recalls, share of right cells) of a pattern (N,) in ±1 with this share of cells flipped."""
    target = (pattern + 1) / 2
    ends = recall_many(params, flipped(np.tile(target, (probes, 1)), amount, rng), rng)
    right = ends == target
    return float(right.all(axis=1).mean()), float(right.mean())


def overlap_after(
    rule: str, cells: int, count: int, rng: Rng, amount: float = 0.0, order: int = 3, probes: int = MAX_PROBES
) -> float:
    """Mean overlap of random patterns with what they settle into, of at most ``probes`` of the stored ones."""
    patterns = random_patterns(count, cells, rng)
    start = (patterns[:probes] + 1) / 2
    ends = settle(memorise(rule, patterns, order=order), flipped(start, amount, rng), rng)
    return float(((2 * ends - 1) * patterns[:probes]).mean())


def article_patterns() -> Array:
    """The article's three patterns (3, 64) in ±1."""
    from ebm_plugins.datasets import register_datasets

    found = next(d for d in register_datasets() if d.key == "article-patterns")
    return 2.0 * np.asarray(found.load().x, dtype=float) - 1.0


# --- Studies --------------------------------------------------------------------------------------------------


def capacity(config: CapacityConfig, rng: Rng) -> Iterator[Figure]:
    """Overlap after recall against the load P/N, beside the theory for N → ∞; a figure a load."""
    import plotly.graph_objects as go

    n = config.cells
    loads = np.unique(
        np.maximum(1, np.round(np.linspace(config.top / config.points, config.top, config.points) * n))
    )
    most, _ = critical()
    theory = np.linspace(1e-4, min(most, config.top), 200)
    curve = [retrieval_overlap(a) for a in theory]
    measured: list[float] = []
    for count in loads.astype(int):
        runs = [
            overlap_after(config.rule, n, int(count), rng, config.flipped, config.order)
            for _ in range(config.networks)
        ]
        measured.append(float(np.mean(runs)))
        figure = blank(320, right=100)
        labels = [(f"N = {n}", measured[-1], LIGHT["model"])]
        if config.rule == "hebb":
            x, y = [*theory, most, config.top], [*curve, 0.0, 0.0]
            if config.top <= most:
                x, y = list(theory), curve
            figure.add_trace(
                go.Scatter(x=x, y=y, mode="lines", line={"color": LIGHT["truth"], "width": 1.75},
                           hovertemplate="overlap %{y:.3f}<br>theory, P/N = %{x:.3f}<extra></extra>")
            )  # fmt: skip
            labels.append(("N → ∞", y[-1], LIGHT["truth"]))
        figure.add_trace(
            go.Scatter(
                x=loads[: len(measured)] / n, y=measured, mode="lines+markers",
                line={"color": LIGHT["model"], "width": 2}, marker={"size": 7, "color": LIGHT["model"]},
                hovertemplate="overlap %{y:.3f}<br>P/N = %{x:.3f}<extra></extra>",
            )
        )  # fmt: skip
        figure.update_xaxes(title_text="load P/N", range=[0, config.top * 1.02])
        figure.update_yaxes(title_text="overlap after recall", range=[-0.03, 1.05])
        end_labels(figure, labels, 0.0, 1.0)
        if config.rule == "hebb" and n < 1000:
            say = f"With {n} cells the cliff at P/N = {most:.3f} is a slope: it only stands for N → ∞."
            figure.add_annotation(
                text=say, x=0, y=1, xref="paper", yref="paper", xanchor="left", yanchor="bottom", showarrow=False,
                font={"color": LIGHT["muted"], "size": 13},
            )  # fmt: skip
        yield figure


def basins(config: BasinConfig, rng: Rng) -> Iterator[Figure]:
    """Share of exact recalls against the share of cells flipped, a line a rule; a figure a rule."""
    import plotly.graph_objects as go

    patterns = (
        article_patterns()
        if config.patterns == "article"
        else random_patterns(config.count, config.cells, rng)
    )
    shares = np.linspace(0, 0.5, config.points)
    lines: dict[str, list[float]] = {}
    tried = patterns[: min(len(patterns), 10)]
    each = -(-config.probes // len(tried))
    for rule in RULES:
        params = memorise(rule, patterns)
        lines[rule] = [
            float(np.mean([recall_rate(params, pattern, share, each, rng)[0] for pattern in tried]))
            for share in shares
        ]
        figure = blank(320, right=140)
        labels = []
        for k, (name, line) in enumerate(lines.items()):
            figure.add_trace(
                go.Scatter(
                    x=shares, y=line, mode="lines",
                    line={"color": CATEGORIES_LIGHT[k], "dash": DASHES[k], "width": 2.25},
                    hovertemplate=f"%{{y:.0%}} exact<br>{RULE_NAMES[name]}, %{{x:.0%}} flipped<extra></extra>",
                )
            )  # fmt: skip
            labels.append((RULE_NAMES[name], line[-1], CATEGORIES_LIGHT[k]))
        figure.update_xaxes(title_text="cells flipped before recall", tickformat=".0%", range=[0, 0.5])
        figure.update_yaxes(title_text="exact recalls", tickformat=".0%", range=[-0.03, 1.05])
        end_labels(figure, labels, 0.0, 1.0)
        yield figure


def success(config: SuccessConfig, rng: Rng) -> Iterator[Figure]:
    """Exact recalls of the article's patterns under each rule, with the share of right cells; a figure a rule."""
    import plotly.graph_objects as go

    patterns = article_patterns()
    amount = config.flipped / patterns.shape[1]
    done: dict[str, tuple[float, float]] = {}
    for rule in RULES:
        params = memorise(rule, patterns)
        rates = [recall_rate(params, pattern, amount, config.probes, rng) for pattern in patterns]
        exact, cells = np.mean(rates, axis=0)
        done[rule] = float(exact), float(cells)
        total = config.probes * len(patterns)
        text = [f"{round(e * total)} of {total}; {c:.1%} of cells" for e, c in done.values()]
        figure = blank(260, left=130, right=190)
        figure.add_trace(
            go.Bar(
                x=[e for e, _ in done.values()], y=[RULE_NAMES[r] for r in done], orientation="h",
                marker={"color": LIGHT["model"]}, text=text, textposition="outside", cliponaxis=False,
                hovertemplate="%{x:.1%} exact<br>%{y}<extra></extra>",
            )
        )  # fmt: skip
        figure.update_xaxes(
            range=[0, 1],
            tickformat=".0%",
            title_text=f"exact recalls from {config.flipped} flipped cells of 64",
        )
        figure.update_yaxes(autorange="reversed", showgrid=False)
        yield figure
