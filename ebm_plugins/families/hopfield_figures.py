"""Figures of a Hopfield run. Each takes a run and returns a Plotly figure in the light palette."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from ebm_plugins import starts
from ebm_plugins.families.hopfield_text import RULE_NAMES, pattern_names
from ebm_plugins.memories import RULES, memorise, rule_of
from ebm_plugins.moments import timed
from ebm_plugins.palette import DASHES, LIGHT, signed
from ebm_plugins.recall import moving_cells, settle
from ebm_plugins.records import Array, Params, Rng, Run

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SHOWN = 12  # patterns that a figure draws; the rest are counted
RANDOM_STARTS = 400
NARROW = 52  # characters of small print that stand in a line on a phone
ENDS = ("a stored pattern", "its negative", "a mixture of three", "something else")


def blank(height: int, right: int = 12, left: int = 44) -> Figure:
    """An empty figure in the look of all the others: no box, no legend, horizontal hairlines."""
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.update_layout(
        template="none",
        height=height,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "Source Sans, Source Sans Pro, sans-serif", "size": 13, "color": LIGHT["ink"]},
        margin={"l": left, "r": right, "t": 24, "b": 40, "pad": 4},
        showlegend=False,
        hovermode="closest",
        dragmode=False,
    )
    tick = {"size": 12.5, "color": LIGHT["muted"]}
    title = {"font": {"size": 13, "color": LIGHT["muted"]}, "standoff": 8}
    common: dict[str, Any] = {
        "zeroline": False,
        "tickfont": tick,
        "fixedrange": True,
        "nticks": 6,
        "title": title,
    }
    figure.update_xaxes(showgrid=False, **common)
    figure.update_yaxes(gridcolor=LIGHT["hairline"], automargin=True, **common)
    return figure


def message(text: str, height: int = 120) -> Figure:
    """A figure that only says something."""
    figure = blank(height)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.add_annotation(text=text, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False)
    return figure


def note(figure: Figure, text: str) -> None:
    """Small print above a figure, in as many lines as the narrowest page needs, with room made for them."""
    lines = textwrap.wrap(text, NARROW)
    room = 8 + 17 * len(lines)
    if (figure.layout.margin.t or 0) < room:
        figure.update_layout(margin={"t": room})
    figure.add_annotation(
        text="<br>".join(lines), x=0, y=1, xref="paper", yref="paper", yanchor="bottom", xanchor="left", align="left",
        showarrow=False, font={"color": LIGHT["muted"], "size": 13},
    )  # fmt: skip


def end_labels(figure: Figure, labels: list[tuple[str, float, str]], low: float, high: float) -> None:
    """Names at the right end of lines: (text, y, colour), pushed apart where they would touch."""
    gap = 0.085 * (high - low)
    last = -np.inf
    for text, y, colour in sorted(labels, key=lambda item: item[1]):
        last = max(y, last + gap)
        figure.add_annotation(
            text=text, x=1, xref="x domain", y=last, yref="y", xanchor="left", xshift=8, showarrow=False,
            font={"color": colour, "size": 13},
        )  # fmt: skip


def step_name(run: Run) -> str:
    """What a snapshot of this run counts."""
    config = run.configs.sample
    if getattr(config, "update", "") == "asynchronous":
        unit = config.pace
    else:
        unit = "update of all cells" if getattr(config, "update", "") == "synchronous" else "sweep"
    every = int(getattr(config, "every", 1))
    return unit if every == 1 else f"snapshot ({every} × {unit})"


def weights(run: Run) -> Figure:
    """The weight matrix; under a dense rule, which has none, how much the patterns overlap."""
    import plotly.graph_objects as go

    params = run.params
    if "weights" in params:
        matrix, unit, where = params["weights"], "weight", "cell %{y} and cell %{x}"
    else:
        patterns = params["patterns"][:200]
        matrix, unit, where = (
            patterns @ patterns.T / patterns.shape[1],
            "overlap",
            "pattern %{y} and pattern %{x}",
        )
    most = float(np.abs(matrix - np.diag(np.diag(matrix))).max()) or 1.0
    figure = blank(420)
    figure.add_trace(
        go.Heatmap(
            z=np.asarray(matrix, dtype=np.float32), zmin=-most, zmax=most, colorscale=signed(), showscale=False,
            hovertemplate=f"{unit} %{{z:.3f}}<br>{where}<extra></extra>",
        )
    )  # fmt: skip
    name = "cell" if "weights" in params else "pattern (a dense rule has no weights: these are overlaps)"
    figure.update_xaxes(title_text=name, constrain="domain")
    figure.update_yaxes(autorange="reversed", scaleanchor="x", constrain="domain")
    text = f"blue −{most:.2g}, orange +{most:.2g}"
    figure.add_annotation(
        text=text, x=0, y=1, xref="paper", yref="paper", yanchor="bottom", xanchor="left", showarrow=False,
        font={"color": LIGHT["muted"], "size": 13},
    )  # fmt: skip
    return figure


def stored_patterns(run: Run) -> Figure:
    """The patterns that were stored, as pictures."""
    import plotly.graph_objects as go

    patterns, names = run.params["patterns"], pattern_names(run)
    shown = min(len(patterns), SHOWN)
    across = min(shown, 6)
    down = -(-shown // across)
    figure = blank(40 + 150 * down, left=0, right=0)
    rows, cols = _shape(run)
    colours = [[0, LIGHT["off"]], [1, LIGHT["data"]]]
    for k in range(shown):
        left, bottom = (k % across) / across, 1 - (k // across + 1) / down
        name = "" if k == 0 else str(k + 1)
        figure.add_trace(
            go.Heatmap(
                z=patterns[k].reshape(rows, cols), colorscale=colours, zmin=-1, zmax=1, showscale=False,
                xgap=1, ygap=1, hoverinfo="skip", xaxis=f"x{name}", yaxis=f"y{name}",
            )
        )  # fmt: skip
        width, height = 1 / across, 1 / down
        axis = {"visible": False, "fixedrange": True, "constrain": "domain"}
        figure.layout[f"xaxis{name}"] = {
            **axis,
            "domain": [left + 0.04 * width, left + 0.96 * width],
            "anchor": f"y{name}",
        }
        figure.layout[f"yaxis{name}"] = {
            **axis, "domain": [bottom + 0.16 * height, bottom + height], "anchor": f"x{name}",
            "autorange": "reversed", "scaleanchor": f"x{name}",
        }  # fmt: skip
        figure.add_annotation(
            text=names[k], x=left + width / 2, y=bottom + 0.13 * height, xref="paper", yref="paper", yanchor="top", xanchor="center",
            showarrow=False, font={"color": LIGHT["muted"], "size": 13},
        )  # fmt: skip
    if len(patterns) > shown:
        more = f"and {len(patterns) - shown} more"
        figure.add_annotation(
            text=more, x=1, y=0, yshift=-24, xref="paper", yref="paper", xanchor="right", showarrow=False,
            font={"color": LIGHT["muted"], "size": 13},
        )  # fmt: skip
    return figure


def _shape(run: Run) -> tuple[int, int]:
    rows, cols = getattr(run.space, "rows", 0), getattr(run.space, "cols", 0)
    size = run.params["patterns"].shape[1]
    return (rows, cols) if rows * cols == size else (1, size)


def overlaps(run: Run) -> Figure:
    """The overlap with each pattern against step: of the states that began as the first named row, else of all."""
    import plotly.graph_objects as go

    patterns, names = run.params["patterns"], pattern_names(run)
    traces = run.sampling.traces  # (steps + 1, chains, N)
    origins = starts.origins(run.spec.start) if run.spec.start else None
    stored = list(run.configs.train.patterns or range(len(patterns)))
    chains, wanted = np.arange(traces.shape[1]), None
    if origins is not None:
        chains = np.flatnonzero(origins[: traces.shape[1]] == origins[0])
        wanted = stored.index(int(origins[0])) if int(origins[0]) in stored else None
    states = (2.0 * traces[:, chains] - 1.0).mean(axis=1)
    lines = states @ patterns.T / patterns.shape[1]
    order = np.argsort(-np.abs(lines[-1]))[:SHOWN]
    if wanted is not None and wanted not in order:
        order = np.append(order[:-1], wanted)
    figure = blank(250, right=120)
    labels = []
    for rank, k in enumerate(order):
        mine = k == wanted
        colour = LIGHT["data"] if mine else LIGHT["rejected"]
        figure.add_trace(
            go.Scatter(
                x=np.arange(len(lines)), y=lines[:, k], mode="lines",
                line={"shape": "hv", "color": colour, "width": 2.25 if mine else 1.5,
                      "dash": "solid" if mine else DASHES[1 + rank % 5]},
                hovertemplate=f"overlap %{{y:.2f}}<br>{names[k]}, step %{{x}}<extra></extra>",
            )
        )  # fmt: skip
        if mine or rank < 6:
            labels.append((names[k], float(lines[-1, k]), LIGHT["data"] if mine else LIGHT["muted"]))
    low = min(0.0, float(lines[:, order].min()))
    figure.update_yaxes(range=[low - 0.05, 1.08], title_text="overlap")
    figure.update_xaxes(title_text=step_name(run))
    figure.update_layout(meta=timed("snapshot"))
    end_labels(figure, labels, low, 1.0)
    return figure


def energies(run: Run) -> Figure:
    """The energy of each followed state against step, and their mean."""
    import plotly.graph_objects as go

    values = np.asarray(run.sampling.energies, dtype=float)  # (steps + 1, chains)
    steps = np.arange(len(values))
    figure = blank(250)
    if values.shape[1] > 1:
        gap = np.full((1, values.shape[1]), np.nan)
        figure.add_trace(
            go.Scattergl(
                x=np.tile(np.append(steps, steps[-1]), values.shape[1]), y=np.vstack([values, gap]).T.ravel(),
                mode="lines", opacity=0.28, line={"shape": "hv", "color": LIGHT["energy"], "width": 1}, hoverinfo="skip",
            )
        )  # fmt: skip
    figure.add_trace(
        go.Scatter(
            x=steps, y=values.mean(axis=1), mode="lines",
            line={"shape": "hv", "color": LIGHT["energy"], "width": 2.25},
            hovertemplate="energy %{y:.2f}<br>step %{x}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_yaxes(title_text="energy" if values.shape[1] == 1 else "energy, each state and mean")
    figure.update_xaxes(title_text=step_name(run))
    figure.update_layout(meta=timed("snapshot"))
    return figure


def rules_with(params: Params) -> dict[str, Params]:
    """The same patterns under every rule; this run's own rule keeps its params."""
    patterns, mine = params["patterns"], rule_of(params)
    found: dict[str, Params] = {}
    for rule in RULES:
        if rule == mine:
            found[rule] = params
        elif rule.startswith("dense") or patterns.shape[1] <= 1024:
            found[rule] = memorise(rule, patterns, threshold=float(params["thresholds"][0]))
    return found


def resting_states(run: Run) -> Figure:
    """For every rule and stored pattern: does it rest, or how many of its cells move? Exact, nothing is sampled."""
    import plotly.graph_objects as go

    patterns, names = run.params["patterns"][:SHOWN], pattern_names(run)[:SHOWN]
    columns = [names]
    rules = rules_with(run.params)
    for params in rules.values():
        moving = moving_cells(params, (patterns + 1) / 2)
        columns.append(
            ["✓ rests" if m == 0 else "✗ 1 cell moves" if m == 1 else f"✗ {m} cells move" for m in moving]
        )
    total = len(run.params["patterns"])
    figure = blank(50 + 31 * (len(names) + 1), left=0, right=0)
    figure.update_layout(margin={"t": 0, "b": 0})
    head = [
        f"Pattern (first {SHOWN} of {total})" if total > SHOWN else "Pattern",
        *(RULE_NAMES[r] for r in rules),
    ]
    figure.add_trace(
        go.Table(
            header={"values": head, "fill_color": "rgba(0,0,0,0)", "line_color": LIGHT["hairline"], "align": "left",
                    "font": {"color": LIGHT["muted"], "size": 13}, "height": 30},
            cells={"values": columns, "fill_color": "rgba(0,0,0,0)", "line_color": LIGHT["hairline"], "align": "left",
                   "font": {"color": LIGHT["ink"], "size": 13}, "height": 30},
        )
    )  # fmt: skip
    return figure


def mixtures(patterns: Array, most: int = 12) -> Array:
    """Signs of the sum of any three patterns, with any signs: (m, N), from the first ``most`` patterns."""
    from itertools import combinations

    found = []
    for a, b, c in combinations(range(min(len(patterns), most)), 3):
        for u, v in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            found.append(np.sign(patterns[a] + u * patterns[b] + v * patterns[c]))
    return np.array(found).reshape(-1, patterns.shape[1])


def classify(patterns: Array, x: Array) -> dict[str, int]:
    """How many of the states x (n, N) in 0 or 1 are each of :data:`ENDS`.

    A mixture of three is the cell-by-cell majority of three patterns (or their negatives), or its negative.
    """
    s = 2.0 * np.asarray(x, dtype=float) - 1.0
    size = patterns.shape[1]
    overlap = np.rint(s @ patterns.T)
    stored = (overlap == size).any(axis=1)
    negative = (overlap == -size).any(axis=1) & ~stored
    three = mixtures(patterns)
    mixed = (np.abs(np.rint(s @ three.T)) == size).any(axis=1) & ~stored & ~negative
    counts = (stored, negative, mixed, ~(stored | negative | mixed))
    return dict(zip(ENDS, (int(c.sum()) for c in counts), strict=True))


def spurious(params: Params, rng: Rng, count: int = RANDOM_STARTS) -> dict[str, int]:
    """Where ``count`` random states come to rest: how many in each of :data:`ENDS`."""
    size = params["patterns"].shape[1]
    return classify(params["patterns"], settle(params, rng.integers(0, 2, (count, size)).astype(float), rng))


def random_ends(run: Run) -> Figure:
    """What random states turn into: memories, negatives, mixtures, or states that nobody stored."""
    import plotly.graph_objects as go

    work = run.params["patterns"].size
    count = int(np.clip(2_000_000 // max(work, 1), 50, RANDOM_STARTS))
    rng = np.random.default_rng(np.random.SeedSequence(run.spec.seed).spawn(5)[4])
    counts = spurious(run.params, rng, count)
    colours = [LIGHT["data"], LIGHT["model"], LIGHT["rejected"], LIGHT["rejected"]]
    shares = np.array([counts[name] for name in ENDS]) / count
    figure = blank(220, left=150, right=90)
    figure.add_trace(
        go.Bar(
            x=shares, y=list(ENDS), orientation="h", marker={"color": colours},
            text=[f"{counts[name]} of {count}" for name in ENDS], textposition="outside", cliponaxis=False,
            hovertemplate="%{x:.0%}<br>%{y}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(range=[0, 1], tickformat=".0%", title_text=f"share of {count} random starts")
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure
