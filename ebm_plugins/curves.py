"""The figures of the tabs, as plain Plotly dictionaries in the colours of meaning: sampled against exact.

Each takes a run, or numbers of one, and needs neither a page nor Plotly itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ebm_plugins import moments
from ebm_plugins.exact import states_of
from ebm_plugins.palette import LIGHT, scale
from ebm_plugins.records import Run
from ebm_plugins.spaces import BinaryGrid
from ebm_plugins.wording import number, plural

MOST_POINTS = 2000
MOST_STATES = 16
BINS = 60


class Panel(NamedTuple):
    """A figure with its title, and what it shows in words."""

    title: str
    figure: dict[str, Any]
    alt: str


def metric_curve(
    name: str, values: Sequence[float] | NDArray[Any], unit: str, config: Any = None, axis: str = "snapshot"
) -> dict[str, Any]:
    """One metric against the steps that ``config`` had done by each snapshot, or the snapshot without one, thinned to what
    can be seen. ``axis`` says what of the run x counts: one of :data:`ebm_plugins.moments.AXES`."""
    y = np.asarray(values, dtype=float)
    chosen = np.unique(np.linspace(0, max(0, len(y) - 1), min(len(y), MOST_POINTS)).astype(int))
    x = moments.reached(config, chosen + 1)
    line = {"color": LIGHT["model"], "width": 2.25}
    hover = f"%{{y:.4g}}<br>{unit} %{{x}}<extra></extra>"
    trace = {"type": "scatter", "mode": "lines", "x": x, "y": y[chosen], "line": line, "hovertemplate": hover}
    return {
        "data": [trace],
        "layout": {
            "xaxis": {"title": {"text": unit}},
            "yaxis": {"title": {"text": name}},
            "meta": moments.timed(axis),
        },
    }


def metric_unit(name: str) -> str:
    """The unit of a metric by its name: log-likelihoods and free energies are in nats, others are bare numbers."""
    plain = name.lower().replace("_", " ").replace("-", " ")
    if "likelihood" in plain:
        return "nats a row"
    return "nats" if "free energy" in plain else ""


def comparison(run: Run) -> list[Panel]:
    """Sampled against exact, in the way that the space allows; empty where there is nothing to compare."""
    truth = run.truth
    if truth is None or not truth.comparable or run.sampling.diverged == 1:
        return []
    if truth.marginals():
        return _marginals(run)
    if truth.states is None and truth.probabilities is not None and isinstance(run.space, BinaryGrid):
        return [_states(run), _cells(run, exact=True), _cells(run, exact=False)]
    return [_states(run)]


def second_half(run: Run) -> NDArray[np.float64]:
    """All kept states of the second half of the run (m, dim), finite ones only; free coordinates only. The last ones
    alone where no others are draws of the run's density."""
    half = len(run.sampling.frames) // 2 if run.stationary else -1
    frames = np.asarray(run.sampling.frames[half:], dtype=float)
    states = frames.reshape(-1, frames.shape[-1])
    states = states[np.isfinite(states).all(axis=1)]
    return states if run.free is None else states[:, run.free]


def _marginals(run: Run) -> list[Panel]:
    states = second_half(run)
    assert run.truth is not None
    panels = []
    for axis, (places, density) in enumerate(run.truth.marginals()):
        name = ("x", "y")[axis] if run.truth.dim == 2 else "the free coordinate"
        mass = np.cumsum(density) / density.sum()
        low, high = places[np.searchsorted(mass, [0.002, 0.998]).clip(max=len(places) - 1)]
        counts, edges = np.histogram(states[:, axis], bins=BINS, range=(low, high))
        sampled = counts / (max(1, len(states)) * (edges[1] - edges[0]))
        inside = (places >= low) & (places <= high)
        middle = (edges[1:] + edges[:-1]) / 2
        exact = {
            "type": "scatter", "mode": "lines", "x": places[inside], "y": density[inside],
            "line": {"color": LIGHT["truth"], "width": 2}, "hovertemplate": "exact %{y:.3f}<extra></extra>",
        }  # fmt: skip
        area = {
            "type": "scatter", "mode": "lines", "x": np.repeat(edges, 2)[1:-1], "y": np.repeat(sampled, 2),
            "line": {"width": 0}, "fill": "tozeroy", "fillcolor": "rgba(199,70,10,0.22)", "hoverinfo": "skip",
        }  # fmt: skip
        gap = 0.5 * float(np.abs(sampled - np.interp(middle, places, density)).sum() * (edges[1] - edges[0]))
        layout = {
            "xaxis": {"title": {"text": name}, "range": [float(low), float(high)]},
            "yaxis": {"rangemode": "tozero"},
        }
        alt = (
            f"Density along {name}: sampled area and exact line; they differ by {gap:.3f} in total variation."
        )
        panels.append(
            Panel(
                f"{'All of the second half' if run.stationary else 'The last states'}, along {name}",
                {"data": [area, exact], "layout": layout},
                alt,
            )
        )
    return panels


def _shares(run: Run) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """(k, dim) the most probable states, their exact probabilities and their shares of the second half."""
    truth = run.truth
    assert truth is not None
    assert truth.probabilities is not None
    top = np.argsort(-truth.probabilities, kind="stable")[:MOST_STATES]
    drawn = second_half(run)
    chosen = truth.states[top] if truth.states is not None else states_of(top, drawn.shape[1])
    near = [(np.abs(drawn - state) < 1e-9).all(axis=1).mean() if len(drawn) else 0.0 for state in chosen]
    return chosen, truth.probabilities[top], np.array(near)


def _states(run: Run) -> Panel:
    states, exact, sampled = _shares(run)
    binary = np.isin(states, (0.0, 1.0)).all()
    short = states.shape[1] <= 16
    names = [
        "".join(str(int(v)) for v in s) if binary and short else f"#{i + 1}" for i, s in enumerate(states)
    ]
    bars = {
        "type": "bar", "x": names, "y": sampled, "marker": {"color": LIGHT["model"]},
        "hovertemplate": "sampled %{y:.3f}<br>%{x}<extra></extra>",
    }  # fmt: skip
    ticks = {
        "type": "scatter", "mode": "markers", "x": names, "y": exact,
        "marker": {"symbol": "line-ew-open", "size": 22, "color": LIGHT["truth"], "line": {"width": 2.5}},
        "hovertemplate": "exact %{y:.3f}<br>%{x}<extra></extra>",
    }  # fmt: skip
    layout = {
        "xaxis": {"type": "category", "tickangle": -60 if binary and short else 0},
        "yaxis": {"rangemode": "tozero", "title": {"text": "probability"}}, "bargap": 0.35,
    }  # fmt: skip
    worst = float(np.abs(exact - sampled).max(initial=0.0))
    alt = f"The {len(states)} most probable states: bars are sampled, ticks exact; the largest gap is {worst:.3f}."
    return Panel(f"The {len(states)} most probable states", {"data": [bars, ticks], "layout": layout}, alt)


def _cells(run: Run, *, exact: bool) -> Panel:
    """How often each cell is on."""
    truth = run.truth
    assert truth is not None
    assert truth.probabilities is not None
    drawn = second_half(run)
    if exact:
        every = states_of(np.arange(len(truth.probabilities)), drawn.shape[1])
        on = np.asarray(truth.probabilities, dtype=float) @ every
    else:
        on = drawn.mean(axis=0) if len(drawn) else np.zeros(drawn.shape[1])
    space = run.space
    assert isinstance(space, BinaryGrid)
    full = np.full(space.dim, np.nan)
    full[run.free if run.free is not None else slice(None)] = on
    word = "exact" if exact else "sampled"
    heat = {
        "type": "heatmap", "z": full.reshape(space.rows, space.cols), "zmin": 0, "zmax": 1, "xgap": 2, "ygap": 2,
        "colorscale": scale((LIGHT["off"], LIGHT["truth" if exact else "model"])), "showscale": False,
        "texttemplate": "%{z:.2f}" if space.dim <= 16 else "", "hovertemplate": f"{word} %{{z:.3f}}<extra></extra>",
    }  # fmt: skip
    layout = {
        "xaxis": {"visible": False, "constrain": "domain"},
        "yaxis": {"visible": False, "autorange": "reversed", "scaleanchor": "x", "constrain": "domain"},
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
    }  # fmt: skip
    alt = f"How often each cell is on, {word}: from {np.nanmin(full):.2f} to {np.nanmax(full):.2f}."
    return Panel(f"How often each cell is on, {word}", {"data": [heat], "layout": layout}, alt)


def energy_traces(run: Run, most: int = 12) -> Panel:
    """Energy of the first few chains against the snapshot."""
    energies = np.asarray(run.sampling.energies, dtype=float)[:, :most]
    rows = np.unique(np.linspace(0, len(energies) - 1, min(len(energies), 600)).astype(int))
    data = [
        {
            "type": "scatter", "mode": "lines", "x": moments.reached(run.configs.sample, rows), "y": energies[rows, chain],
            "line": {"color": LIGHT["energy"], "width": 1.25}, "opacity": 0.55,
            "hovertemplate": f"%{{y:.2f}}<br>step %{{x}}, chain {chain + 1}<extra></extra>",
        }
        for chain in range(energies.shape[1])
    ]  # fmt: skip
    layout = {
        "xaxis": {"title": {"text": "step"}},
        "yaxis": {"title": {"text": "energy"}},
        "meta": moments.timed("step"),
    }
    ends = energies[-1][np.isfinite(energies[-1])]
    chains = plural(energies.shape[1], "chain")
    low, high = (number(ends.min()), number(ends.max())) if len(ends) else ("not known",) * 2
    last = low if low == high else f"{low} to {high}"
    return Panel(
        "Energy of the chain" if energies.shape[1] == 1 else f"Energy of {energies.shape[1]} chains", {"data": data, "layout": layout},
        f"Energy of {chains} against step; at the end {last}.",
    )  # fmt: skip


def lagged(values: NDArray[Any], alt_name: str) -> Panel:
    """Autocorrelation against lag."""
    values = np.asarray(values, dtype=float)
    lags = np.arange(len(values))
    bars = {
        "type": "bar", "x": lags, "y": values, "marker": {"color": LIGHT["model"]}, "width": 0.5,
        "hovertemplate": "%{y:.2f}<br>lag %{x}<extra></extra>",
    }  # fmt: skip
    layout = {
        "xaxis": {"title": {"text": "lag, in snapshots"}},
        "yaxis": {"range": [min(-0.2, float(np.nanmin(values, initial=0.0))), 1.02]},
    }
    half = int(np.argmax(values < 0.5)) if (values < 0.5).any() else len(values)
    alt = f"Autocorrelation of {alt_name}; it falls below one half at lag {half}."
    return Panel(f"Autocorrelation of {alt_name}", {"data": [bars], "layout": layout}, alt)


def acceptance(values: NDArray[Any]) -> dict[str, Any]:
    """Share of proposals accepted, per snapshot."""
    return metric_curve("acceptance", values, "snapshot")
