"""Figures of a Metropolis–Hastings run. Each takes a run and returns a Plotly figure in the light palette."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ebm_plugins import diagnostics, starts
from ebm_plugins.families.hopfield_figures import blank, end_labels, message, note
from ebm_plugins.families.langevin_figures import energy_map
from ebm_plugins.moments import reached, timed
from ebm_plugins.palette import CATEGORIES_LIGHT, DASHES, LIGHT
from ebm_plugins.records import Array, Run
from ebm_plugins.samplers import metropolis

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SHOWN = 400  # proposals at most
CHAINS = 12  # whose proposals are drawn
TRACED = 4  # chains whose traces are drawn
MOST_REPLAYED = 2e7  # state updates


def proposals(run: Run) -> Figure:
    """The last proposals of some chains: filled where they were accepted, hollow where they were refused.

    The run is made again from its seed, so these are the very proposals that it made.
    """
    import plotly.graph_objects as go

    made = last_proposals(run)
    if isinstance(made, str):
        return message(made)
    places, candidates, taken = made
    figure = energy_map(run) or blank(460)
    gap = np.full_like(places, np.nan)
    paths = np.stack([places, candidates, gap], axis=1).reshape(-1, 2)
    figure.add_trace(
        go.Scatter(
            x=paths[:, 0], y=paths[:, 1], mode="lines", hoverinfo="skip", opacity=0.35,
            line={"color": LIGHT["rejected"], "width": 1},
        )
    )  # fmt: skip
    # a light ring under each hollow one, which would be lost over the deep energies
    figure.add_trace(
        go.Scatter(
            x=candidates[~taken, 0], y=candidates[~taken, 1], mode="markers", hoverinfo="skip",
            marker={"symbol": "circle-open", "size": 7, "color": LIGHT["halo"],
                    "line": {"color": LIGHT["halo"], "width": 4}},
        )
    )  # fmt: skip
    for accepted, symbol, role, word in (
        (False, "circle-open", "rejected", "refused"),
        (True, "circle", "model", "accepted"),
    ):
        rows = taken if accepted else ~taken
        figure.add_trace(
            go.Scatter(
                x=candidates[rows, 0], y=candidates[rows, 1], mode="markers",
                marker={"symbol": symbol, "size": 7, "color": LIGHT[role],
                        "line": {"color": LIGHT["halo" if accepted else role], "width": 1 if accepted else 2}},
                hovertemplate=f"{word}: %{{x:.2f}}, %{{y:.2f}}<extra></extra>",
            )
        )  # fmt: skip
    share = 100 * float(taken.mean())
    note(
        figure,
        f"the last {len(taken)} proposals: {share:.0f} % accepted (filled), the others refused (hollow)",
    )
    return figure


def last_proposals(run: Run) -> tuple[Array, Array, Array] | str:
    """(places (k, 2), candidates (k, 2), accepted (k,)) of the run's last proposals; or why there are none to show."""
    if run.spec.sampler not in ("metropolis", run.spec.family):
        return "Proposals are shown for the Metropolis–Hastings sampler."
    if run.free is not None or run.sampling.diverged is not None or run.spec.start is None:
        return "There are no proposals to show for this run."
    config = run.configs.sample
    steps = reached(config, int(run.sampling.steps[-1])) if len(run.sampling.steps) else 0
    rng_start, rng_sample = (
        np.random.default_rng(s) for s in np.random.SeedSequence(run.spec.seed).spawn(4)[1:3]
    )
    x = starts.draw(run.spec.start, run.data, run.space, rng_start)
    if steps < 1 or not len(x):
        return "No step has been taken yet."
    if len(x) * steps * x.shape[1] > MOST_REPLAYED:
        return "This run is too long to be made again for its proposals."
    chains = min(CHAINS, len(x))
    last = max(1, min(steps, SHOWN // chains))
    # one step more, for where the first of them set out
    walked = metropolis.replay(
        run.target, config.model_copy(update={"steps": steps}), rng_sample, x, last + 1
    )
    befores = [walked[i - 1][0] for i in range(1, len(walked))] if len(walked) > last else None
    if befores is None:
        start = x.astype(walked[0][0].dtype)  # as the chains held it
        befores = [start, *(state for state, _, _ in walked[:-1])]
        shown = walked
    else:
        shown = walked[1:]
    places = np.concatenate([before[:chains] for before in befores])
    candidates = np.concatenate([proposed[:chains] for _, proposed, _ in shown])
    taken = np.concatenate([accepted[:chains] for _, _, accepted in shown])
    return places, candidates, taken


def traces(run: Run) -> Figure:
    """x and y of some chains against the step: noise when they mix, staircases and slow waves when they do not."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    followed = np.asarray(run.sampling.traces, dtype=float)
    if len(followed) < 2 or not followed.shape[1]:
        return message("No step has been taken yet.")
    steps = reached(run.configs.sample, np.arange(len(followed)))
    figure = dressed(make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08), blank(360))
    for axis, name in enumerate("xy"):
        for chain in range(min(TRACED, followed.shape[1])):
            figure.add_trace(
                go.Scatter(
                    x=steps, y=followed[:, chain, axis], mode="lines",
                    line={"color": CATEGORIES_LIGHT[chain], "width": 1.25, "shape": "hv"}, opacity=0.85,
                    hovertemplate=f"{name} = %{{y:.2f}}<br>chain {chain + 1}, step %{{x}}<extra></extra>",
                ),
                row=axis + 1, col=1,
            )  # fmt: skip
        figure.update_yaxes(title_text=name, gridcolor=LIGHT["hairline"], zeroline=False, row=axis + 1, col=1)
    figure.update_xaxes(showgrid=False, zeroline=False)
    figure.update_xaxes(title_text="step", row=2, col=1)
    figure.update_layout(meta=timed("step"))
    note(figure, f"{min(TRACED, followed.shape[1])} of {len(run.sampling.last)} chains, one colour each")
    return figure


def autocorrelations(run: Run) -> Figure:
    """How long a chain remembers: autocorrelation of x, y and the energy against the lag, with effective draws."""
    import plotly.graph_objects as go

    followed = np.asarray(run.sampling.traces, dtype=float)
    half = (len(followed) + 1) // 2
    series = {"x": followed[half:, :, 0], "y": followed[half:, :, 1]} if followed.ndim == 3 else {}
    series["energy"] = np.asarray(run.sampling.energies, dtype=float)[half:]
    every = int(getattr(run.configs.sample, "every", 1))
    figure, labels = blank(300, right=150), []
    for (name, values), colour, dash in zip(series.items(), CATEGORIES_LIGHT, DASHES, strict=False):
        curve = diagnostics.autocorrelation(values)
        if len(curve) < 2:
            continue
        worth = float(diagnostics.ess(values))
        figure.add_trace(
            go.Scatter(
                x=every * np.arange(len(curve)), y=curve, mode="lines",
                line={"color": colour, "dash": dash, "width": 2},
                hovertemplate=f"{name}: %{{y:.2f}}<br>%{{x}} steps apart<extra></extra>",
            )
        )  # fmt: skip
        # one in how many is an independent draw; NaN where it is not known
        ratio = f", 1 in {values.size / worth:.0f}" if np.isfinite(worth) and worth > 0 else ""
        labels.append((f"{name}{ratio}", float(curve[-1]), colour))
    if not labels:
        return message("The chains are too short, or stand still: there is no autocorrelation to show.")
    figure.update_yaxes(title_text="autocorrelation", range=[-0.25, 1.05])
    figure.update_xaxes(title_text="steps apart")
    end_labels(figure, labels, -0.25, 1.05)
    note(figure, "second half of the run; 1 in n: one independent draw every n states")
    return figure


def dressed(figure: Figure, like: Figure) -> Figure:
    """A figure of several panels in the look of a single one: its layout, and its axes' look on every axis."""
    figure.update_layout(
        {k: v for k, v in like.layout.to_plotly_json().items() if k not in ("xaxis", "yaxis")}
    )
    figure.update_xaxes(**like.layout.xaxis.to_plotly_json())
    figure.update_yaxes(**like.layout.yaxis.to_plotly_json())
    return figure
