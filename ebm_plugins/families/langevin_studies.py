r"""Experiments with Langevin dynamics that are no single run: bias against step size, wells without walls.

Without walls the particles spread like free ones, with variance :math:`s^2 = 9 + 2\eta t` an axis after t steps from
3·N(0, I), and near the wells they are in balance with each other, so that the density there is about
:math:`e^{-E(x)}/2\pi s^2`. The share within reach of a well then falls as
:math:`\int_\text{near} e^{-E}\,dx / 2\pi(9 + 2\eta t)`, which holds once s is well beyond the wells.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ebm_plugins import landscapes
from ebm_plugins.config import Config, knob
from ebm_plugins.families.hopfield_figures import blank, end_labels
from ebm_plugins.palette import CATEGORIES_LIGHT, DASHES, LIGHT
from ebm_plugins.records import Array, Rng, Target
from ebm_plugins.samplers import mala, ula
from ebm_plugins.spaces import Plane, Vectors

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

NEAR = 1.5  # the article calls this near a well


class BiasConfig(Config):
    """Bias against step size: ULA and MALA, on a parabola and on a landscape."""

    landscape: Literal["three-wells", "double-well", "ring", "muller-brown", "himmelblau"] = knob(
        "three-wells", "Where the total variation is measured."
    )
    confinement: float = knob(0.05, "c of c·|x|², added to the energy.", ge=0.0, le=5.0)
    chains: int = knob(2000, "Chains, each started from an exact draw.", ge=100, le=20_000, log=True)
    steps: int = knob(
        200, "Steps that each chain takes: long enough for the bias to show.", ge=10, le=5000, log=True
    )
    points: int = knob(8, "How many step sizes are tried.", ge=3, le=30)
    largest: float = knob(1.6, "The largest step size η.", ge=0.01, le=1.95, log=True)


class EscapeConfig(Config):
    """Wells without walls: how many particles are near a well as time goes on."""

    chains: int = knob(
        1000, "Particles, started from 3·N(0, I) as in the article.", ge=100, le=20_000, log=True
    )
    steps: int = knob(2000, "Steps of unadjusted Langevin.", ge=10, le=20_000, log=True)
    step_size: float = knob(
        0.05, "Step size η of each Langevin step.", ge=0.001, le=0.5, log=True, title="Step size η"
    )
    confinement: float = knob(
        0.05, "c of the confined landscape that is drawn beside it.", ge=0.001, le=5.0, log=True
    )


def landscape_target(key: str, confinement: float) -> Target:
    """A landscape at temperature 1."""
    params = landscapes.params_of(key, confinement)
    return Target(
        energy=lambda x: landscapes.energy(params, x),
        gradient=lambda x: landscapes.gradient(params, x),
        space=Plane(),
        box=landscapes.box(params),
    )


def parabola() -> Target:
    """E = x²/2 on the line."""
    return Target(energy=lambda x: 0.5 * (x * x).sum(axis=1), gradient=lambda x: 1.0 * x, space=Vectors(1))


def after(sampler: Any, target: Target, x: Array, eta: float, steps: int, rng: Rng) -> Array:
    """The states (n, dim) after so many steps of ``sampler`` (ula or mala) at step size ``eta``."""
    config = sampler.Config(step_size=eta, steps=steps, every=min(steps, 1000))
    for snapshot in sampler.sample(target, config, rng, x):
        x = snapshot.value
    return x


def near_a_well(x: Array, centres: Array) -> float:
    """Share of the states (n, 2) within 1.5 of a centre (K, 2)."""
    distance = np.linalg.norm(x[:, None, :] - centres, axis=2)
    return float((distance.min(axis=1) < NEAR).mean())


def free_share(t: Array, eta: float) -> Array:
    """The share near a well without walls after ``t`` steps, for s well beyond the wells (see the module)."""
    params = landscapes.params_of("three-wells")
    axis = np.linspace(-5, 5, 501)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    near = np.linalg.norm(grid[:, None, :] - params["centres"], axis=2).min(axis=1) < NEAR
    weight = float(np.exp(-landscapes.energy(params, grid[near])).sum()) * (axis[1] - axis[0]) ** 2
    return np.asarray(weight / (2 * math.pi * (9 + 2 * eta * np.asarray(t, dtype=float))))


def bias(config: BiasConfig, rng: Rng) -> Iterator[Figure]:
    """Two figures, redrawn as points come in: variance on a parabola; total variation on the landscape.

    All chains start from exact draws, so what is seen is the bias of the step and not the length of the run.
    """
    from ebm_plugins import exact

    etas = np.geomspace(config.largest / 64, config.largest, config.points)
    target = landscape_target(config.landscape, config.confinement)
    truth = exact.truth_of(target)
    methods = {"ULA": ula, "MALA": mala}
    variance: dict[str, list[float]] = {name: [] for name in methods}
    variation: dict[str, list[float]] = {name: [] for name in methods}
    for i, eta in enumerate(etas):
        for name, sampler in methods.items():
            x = rng.standard_normal((config.chains, 1))
            variance[name].append(float((after(sampler, parabola(), x, eta, config.steps, rng) ** 2).mean()))
            if truth.comparable:
                states = after(sampler, target, truth.draw(config.chains, rng), eta, config.steps, rng)
                variation[name].append(truth.total_variation(states))
        if i % 4 == 3 and i < len(etas) - 1:
            yield _variances(etas, variance, config.chains)
    yield _variances(etas, variance, config.chains)
    if truth.comparable:
        yield _variations(etas, variation, truth.floor(config.chains), config)
    else:
        yield _no_truth(truth.reason)


def escape(config: EscapeConfig, rng: Rng) -> Iterator[Figure]:
    """The share of particles near a well against the step, with and without walls."""
    centres = landscapes.params_of("three-wells")["centres"]
    start = 3.0 * rng.standard_normal((config.chains, 2))
    marks = np.unique(np.geomspace(1, config.steps, 25).astype(int))
    shares: dict[str, list[float]] = {"no walls": [], "confined": []}
    states = dict.fromkeys(shares, start)
    targets = {
        "no walls": landscape_target("three-wells", 0.0),
        "confined": landscape_target("three-wells", config.confinement),
    }
    for i, (before, mark) in enumerate(zip([0, *marks[:-1]], marks, strict=True)):
        for name in shares:
            states[name] = after(ula, targets[name], states[name], config.step_size, int(mark - before), rng)
            shares[name].append(near_a_well(states[name], centres))
        if i % 8 == 7:
            yield _escape(marks[: i + 1], shares, config)
    yield _escape(marks, shares, config)


def _variances(etas: Array, variance: dict[str, list[float]], n: int) -> Figure:
    import plotly.graph_objects as go

    figure = blank(320, right=96)
    curve = np.geomspace(etas[0], etas[-1], 200)
    top = 1.1 / (1 - etas[-1] / 2)
    line = {"color": LIGHT["truth"], "width": 1.75}
    figure.add_trace(go.Scatter(x=curve, y=1 / (1 - curve / 2), mode="lines", line=line, hoverinfo="skip"))
    figure.add_trace(go.Scatter(x=curve, y=np.ones_like(curve), mode="lines", line=line, hoverinfo="skip"))
    _methods(figure, etas, variance, "variance")
    figure.update_xaxes(type="log", title_text="step size η")
    figure.update_yaxes(title_text="variance on E = x²/2", range=[0.8, top])
    labels = [("1/(1 − η/2)", 1 / (1 - etas[-1] / 2), LIGHT["truth"]), ("exact 1", 1.0, LIGHT["truth"])]
    end_labels(figure, labels, 0.8, top)
    _note(
        figure, f"{n:,} chains a point, relative error {100 * math.sqrt(2 / n):.1f} %".replace(",", "\u202f")
    )
    return figure


def _variations(
    etas: Array, variation: dict[str, list[float]], floor: tuple[float, float, float], config: BiasConfig
) -> Figure:
    figure = blank(320, right=96)
    figure.add_hrect(y0=floor[0], y1=floor[2], fillcolor=LIGHT["ink"], opacity=0.1, line_width=0)
    _methods(figure, etas, variation, "total variation")
    top = 1.15 * max(max(values) for values in variation.values())
    figure.update_xaxes(type="log", title_text="step size η")
    title = landscapes.LANDSCAPES[landscapes.BY_KEY[config.landscape]].title
    figure.update_yaxes(title_text=f"total variation, {title.lower()}", range=[0, top])
    _note(figure, f"grey: {config.chains:,} exact draws".replace(",", "\u202f"))
    return figure


def _methods(figure: Figure, etas: Array, values: dict[str, list[float]], what: str) -> None:
    import plotly.graph_objects as go

    labels = []
    for (name, found), colour, dash in zip(values.items(), CATEGORIES_LIGHT, DASHES, strict=False):
        # far-off points of a diverging ULA would flatten everything else
        kept = np.asarray(found, dtype=float)
        figure.add_trace(
            go.Scatter(
                x=etas[: len(kept)], y=kept, mode="lines+markers", line={"color": colour, "dash": dash, "width": 2},
                hovertemplate=f"{name}: {what} %{{y:.3f}}<br>η = %{{x:.3f}}<extra></extra>",
            )
        )  # fmt: skip
        labels.append((name, float(kept[-1]), colour))
    for text, y, colour in labels:
        figure.add_annotation(
            text=text, x=math.log10(etas[len(next(iter(values.values()))) - 1]), y=y, xanchor="right", yanchor="bottom",
            xshift=-8, yshift=4, showarrow=False, font={"color": colour, "size": 13},
        )  # fmt: skip


def _escape(marks: Array, shares: dict[str, list[float]], config: EscapeConfig) -> Figure:
    import plotly.graph_objects as go

    figure = blank(320, right=96)
    labels = []
    for (name, found), colour, dash in zip(shares.items(), CATEGORIES_LIGHT, DASHES, strict=False):
        figure.add_trace(
            go.Scatter(
                x=marks, y=100 * np.array(found), mode="lines+markers",
                line={"color": colour, "dash": dash, "width": 2},
                hovertemplate=f"{name}: %{{y:.1f}} %<br>step %{{x}}<extra></extra>",
            )
        )  # fmt: skip
        labels.append((name, 100 * found[-1], colour))
    curve = np.geomspace(1, marks[-1], 100)
    theory = 100 * free_share(curve, config.step_size)
    valid = theory < 40
    figure.add_trace(
        go.Scatter(
            x=curve[valid], y=theory[valid], mode="lines", line={"color": LIGHT["truth"], "width": 1.75},
            hovertemplate="spreading freely: %{y:.1f} %<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(type="log", title_text="step")
    figure.update_yaxes(title_text=f"particles within {NEAR} of a well, %", range=[0, 100])
    end_labels(figure, labels, 0, 100)
    _note(figure, "dark line: free spreading, once it is past the wells")
    return figure


def _note(figure: Figure, text: str) -> None:
    figure.add_annotation(
        text=text, x=0, y=1, xref="paper", yref="paper", yanchor="bottom", xanchor="left", showarrow=False,
        font={"color": LIGHT["muted"], "size": 13},
    )  # fmt: skip


def _no_truth(reason: str) -> Figure:
    from ebm_plugins.families.hopfield_figures import message

    return message(reason or "There is no exact answer to compare with here.")
