r"""Experiments with Metropolis–Hastings that are no single run: the best scale, and effective draws per second.

For N(0, I_d) and the random walk of scale s all is known. Given the noise ξ, a proposal from an exact draw is accepted
with probability :math:`2\Phi(-s|\xi|/2)`, so with r = |ξ| of the χ distribution of d degrees of freedom

.. math:: \text{acceptance} = \mathbb{E}_r[2\Phi(-sr/2)], \qquad
          \text{squared jump} = s^2\, \mathbb{E}_r[r^2\, 2\Phi(-sr/2)].

Source: Roberts, Gelman, Gilks 1997; the best of these in every dimension: Roberts, Rosenthal 2001.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ebm_plugins import diagnostics
from ebm_plugins.config import Config, knob
from ebm_plugins.families.hopfield_figures import blank, message
from ebm_plugins.families.langevin_studies import landscape_target
from ebm_plugins.families.metropolis_hastings_figures import dressed
from ebm_plugins.palette import CATEGORIES_LIGHT, DASHES, LIGHT
from ebm_plugins.records import Array, Rng, Target
from ebm_plugins.samplers import hmc, mala, metropolis, nuts, parallel_tempering
from ebm_plugins.spaces import Vectors

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

DIMENSIONS = (1, 2, 3, 5, 10, 30)


class ScaleConfig(Config):
    """The random walk at many scales on one landscape."""

    landscape: Literal[
        "three-wells", "double-well", "banana", "funnel", "ring", "muller-brown", "himmelblau"
    ] = knob("three-wells", "Where the walk is.")
    confinement: float = knob(0.05, "c of c·|x|², added to the energy.", ge=0.0, le=5.0)
    points: int = knob(12, "How many scales are tried.", ge=3, le=40)
    steps: int = knob(600, "Steps at each; the second half is judged.", ge=100, le=20_000, log=True)
    chains: int = knob(64, "Chains at each.", ge=4, le=1000, log=True, more=True)


class DimensionConfig(Config):
    """The random walk on N(0, I) in several dimensions, measured beside the closed form."""

    draws: int = knob(20_000, "Exact draws, each with one proposal a scale.", ge=1000, le=500_000, log=True)
    points: int = knob(13, "How many scales are tried, from 0.4 to 6 over √d.", ge=5, le=60)


class SpeedConfig(Config):
    """Five samplers on one landscape, each tuned in its warm-up where it can be."""

    landscape: Literal[
        "three-wells", "double-well", "banana", "funnel", "ring", "muller-brown", "himmelblau"
    ] = knob("three-wells", "Where they run.")
    confinement: float = knob(0.05, "c of c·|x|², added to the energy.", ge=0.0, le=5.0)
    steps: int = knob(500, "Steps that are judged, after as many of warm-up.", ge=50, le=10_000, log=True)
    chains: int = knob(64, "Chains of each.", ge=4, le=1000, log=True, more=True)


def scales(config: ScaleConfig, rng: Rng) -> Iterator[Figure]:
    """Effective draws per 1,000 proposals, and the acceptance, against the scale."""
    from ebm_plugins import exact

    target = landscape_target(config.landscape, config.confinement)
    truth = exact.truth_of(target)
    if truth.leaf_density is None:
        yield message(truth.reason or "There is no exact answer to start from.")
        return
    start = truth.draw(config.chains, rng)
    ladder = np.geomspace(0.05, 20.0, config.points)
    found: list[tuple[float, float]] = []
    for scale in ladder:
        walk = metropolis.Config(scale=float(scale), steps=config.steps)
        states, metrics = run_all(metropolis, target, walk, rng, start)
        worth = np.nan_to_num(diagnostics.ess(states[len(states) // 2 :])).min()
        rate = float(np.mean([m["acceptance"] for m in metrics]))
        found.append((1000.0 * float(worth) / (len(states) // 2 * config.chains), rate))
        yield _scales(ladder[: len(found)], np.array(found))


def dimensions(config: DimensionConfig, rng: Rng) -> Iterator[Figure]:
    """Squared jump against acceptance: points measured with the sampler, lines by the closed form."""
    measured: dict[int, Array] = {}
    for d in DIMENSIONS:
        ladder = np.geomspace(0.4, 6.0, config.points) / np.sqrt(d)
        measured[d] = np.array([one_step(d, float(s), config.draws, rng) for s in ladder])
        yield _dimensions(measured)


def speed(config: SpeedConfig, rng: Rng) -> Iterator[Figure]:
    """Effective draws per second and per 1,000 evaluations of the energy or its gradient, of five samplers.

    Seconds are of this computer, so this figure is never the same twice; the evaluations are.
    """
    from ebm_plugins import exact

    target = landscape_target(config.landscape, config.confinement)
    truth = exact.truth_of(target)
    if truth.leaf_density is None:
        yield message(truth.reason or "There is no exact answer to start from.")
        return
    start = truth.draw(config.chains, rng)
    warm: dict[str, Any] = {"steps": 2 * config.steps, "warmup": config.steps}
    runs: dict[str, tuple[Any, Any]] = {
        "Metropolis": (metropolis, metropolis.Config(**warm)),
        "MALA": (mala, mala.Config(**warm)),
        "HMC": (hmc, hmc.Config(**warm, jitter=0.5)),
        "NUTS": (nuts, nuts.Config(**warm)),
        "Tempering": (parallel_tempering, parallel_tempering.Config(steps=2 * config.steps)),
    }
    found: dict[str, tuple[float, float]] = {}
    for name, (sampler, settings) in runs.items():
        counted, counter = counting(target)
        began = time.perf_counter()
        states, _ = run_all(sampler, counted, settings, rng, start)
        seconds = time.perf_counter() - began
        # warm-up costs as much as what is judged, so half of the time and evaluations are its own
        worth = float(np.nan_to_num(diagnostics.ess(states[config.steps :])).min())
        found[name] = (worth / (0.5 * seconds), 1000.0 * worth / (0.5 * counter[0]))
        yield _speed(found)


def run_all(
    sampler: Any, target: Target, config: Any, rng: Rng, x: Array
) -> tuple[Array, list[dict[str, float]]]:
    """Every state (steps, n, dim) of a run, and every snapshot's metrics."""
    taken = list(sampler.sample(target, config, rng, x))
    return np.stack([snapshot.value for snapshot in taken]), [dict(snapshot.metrics) for snapshot in taken]


def counting(target: Target) -> tuple[Target, list[int]]:
    """The same target, and a list whose one number counts the states whose energy or gradient was asked for."""
    from dataclasses import replace

    asked = [0]

    def counted(function: Any) -> Any:
        def answer(x: Array) -> Array:
            asked[0] += len(x)
            return function(x)

        return answer

    gradient = counted(target.gradient) if target.gradient else None
    return replace(target, energy=counted(target.energy), gradient=gradient), asked


def one_step(dim: int, scale: float, draws: int, rng: Rng) -> tuple[float, float]:
    """Acceptance and mean squared jump of one step of the random walk from exact draws of N(0, I_dim)."""
    target = Target(energy=lambda x: 0.5 * (x * x).sum(axis=1), gradient=None, space=Vectors(dim))
    x = rng.standard_normal((draws, dim))
    (snapshot,) = metropolis.sample(target, metropolis.Config(scale=scale, steps=1), rng, x)
    return snapshot.metrics["acceptance"], float(((snapshot.value - x) ** 2).sum(axis=1).mean())


def in_closed_form(dim: int, scale: float) -> tuple[float, float]:
    """The same two by integrals over r = |ξ| (see the module), by the midpoint rule."""
    from scipy.special import gammaln, ndtr

    high = np.sqrt(dim) + 10.0
    r = high * (np.arange(4000) + 0.5) / 4000
    log_density = (dim - 1) * np.log(r) - 0.5 * r * r - (0.5 * dim - 1) * np.log(2.0) - gammaln(0.5 * dim)
    weight = np.exp(log_density) * high / 4000
    alpha = 2.0 * ndtr(-0.5 * scale * r)
    return float(weight @ alpha), float(scale**2 * (weight @ (r * r * alpha)))


def _scales(ladder: Array, found: Array) -> Figure:
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    figure = dressed(make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08), blank(420))
    for row, (values, unit, words) in enumerate(
        ((found[:, 0], "", "effective draws per 1,000"), (100 * found[:, 1], " %", "accepted, %")), start=1
    ):
        figure.add_trace(
            go.Scatter(
                x=ladder, y=values, mode="lines+markers", line={"color": LIGHT["model"], "width": 2},
                hovertemplate=f"%{{y:.1f}}{unit}<br>scale %{{x:.2f}}<extra></extra>",
            ),
            row=row, col=1,
        )  # fmt: skip
        figure.update_yaxes(
            title_text=words, gridcolor=LIGHT["hairline"], zeroline=False, rangemode="tozero", row=row, col=1
        )
    figure.update_xaxes(type="log", tickvals=[0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20])
    figure.update_xaxes(title_text="scale s", row=2, col=1)
    best = int(np.argmax(found[:, 0]))
    _note(
        figure,
        f"most at s = {ladder[best]:.2g}: {found[best, 0]:.0f} per 1,000, {100 * found[best, 1]:.0f} % accepted",
    )
    return figure


def _dimensions(measured: dict[int, Array]) -> Figure:
    import plotly.graph_objects as go

    figure, labels = blank(360), []
    for (d, points), colour, dash in zip(measured.items(), CATEGORIES_LIGHT, DASHES, strict=False):
        curve = np.array([in_closed_form(d, s) for s in np.geomspace(0.2, 8.0, 200) / np.sqrt(d)])
        top = int(np.argmax(curve[:, 1]))
        most = curve[top, 1]
        figure.add_trace(
            go.Scatter(
                x=100 * curve[:, 0], y=curve[:, 1] / most, mode="lines",
                line={"color": colour, "dash": dash, "width": 1.75}, hoverinfo="skip",
            )
        )  # fmt: skip
        figure.add_trace(
            go.Scatter(
                x=100 * points[:, 0], y=points[:, 1] / most, mode="markers",
                marker={"color": colour, "size": 6, "line": {"color": LIGHT["halo"], "width": 1}},
                hovertemplate=f"{d} dimensions: squared jump %{{y:.2f}} of the best<br>%{{x:.0f}} % accepted<extra></extra>",
            )
        )  # fmt: skip
        labels.append(f'<span style="color:{colour}">{d}: {100 * curve[top, 0]:.0f} %</span>')
    figure.update_xaxes(title_text="accepted, %", range=[0, 100])
    figure.update_yaxes(title_text="squared jump, relative to the best", rangemode="tozero")
    figure.update_layout(margin_t=48)
    _note(
        figure,
        "dimension: best acceptance. " + ", ".join(labels) + "<br>points: measured; lines: closed form",
    )
    return figure


def _speed(found: dict[str, tuple[float, float]]) -> Figure:
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    like = blank(110 + 34 * len(found), left=90, right=60)
    figure = dressed(make_subplots(rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.12), like)
    names = list(found)
    for col, words in enumerate(("per second", "per 1,000 evaluations"), start=1):
        values = [found[name][col - 1] for name in names]
        figure.add_trace(
            go.Bar(
                x=values, y=names, orientation="h", marker={"color": LIGHT["model"]},
                text=[f"{v:,.0f}".replace(",", "\u202f") if v >= 10 else f"{v:.2g}" for v in values],
                textposition="outside", cliponaxis=False,
                hovertemplate=f"%{{y}}: %{{x:.3g}} effective draws {words}<extra></extra>",
            ),
            row=1, col=col,
        )  # fmt: skip
        top = 1.25 * max([*values, 1e-9])
        figure.update_xaxes(
            title_text=f"effective draws {words}", range=[0, top], showgrid=False, row=1, col=col
        )
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure


def _note(figure: Figure, text: str) -> None:
    figure.add_annotation(
        text=text, x=0, y=1, xref="paper", yref="paper", yanchor="bottom", xanchor="left", showarrow=False,
        align="left", font={"color": LIGHT["muted"], "size": 13},
    )  # fmt: skip
