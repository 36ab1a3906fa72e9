r"""Experiments with score matching that are no single run.

*The score cannot see weights* (Song, Ermon 2019, §3.2): of a mixture of two far-apart Gaussians with shares w and
1 − w, the score near either centre is that of this Gaussian alone, whatever w. Langevin steps at no noise therefore
leave both with the share that they started with; annealed ones pass through levels where the two are one cloud.
All of it in closed form: nothing is learned in that study.

*The article's sampler* takes its steps against the score and with one step size for all levels; both are mended there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np

from ebm_plugins.config import Config, knob
from ebm_plugins.families import dsm_losses as losses
from ebm_plugins.families.dsm_figures import mode_shares
from ebm_plugins.families.dsm_model import ladder as noise_levels
from ebm_plugins.families.dsm_samplers import descend
from ebm_plugins.families.hopfield_figures import blank, end_labels
from ebm_plugins.palette import CATEGORIES_LIGHT, DASHES, LIGHT
from ebm_plugins.records import Array, Data, Rng, Snapshot
from ebm_plugins.shapes import Mixture, mixture

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

CENTRES = np.array([[-2.5, 0.0], [2.5, 0.0]])
SD = 0.5
ARTICLE_LEVELS = (2.0, 1.0, 0.5, 0.1)


class LadderConfig(Config):
    """How many noise levels it takes, with exact scores of the eight Gaussians."""

    smallest: float = knob(0.05, "The smallest noise σ.", ge=0.01, le=0.5, log=True)
    largest: float = knob(2.8, "The largest noise σ.", ge=0.5, le=10.0, log=True)
    most: int = knob(16, "The largest number of levels that is tried.", ge=2, le=64, log=True)
    steps: int = knob(200, "Steps in all, however many levels share them.", ge=20, le=5000, log=True)
    chains: int = knob(2000, "Samples for each number of levels.", ge=100, le=20_000, log=True)


class LossConfig(Config):
    """How fast the three losses learn the score of the eight Gaussians."""

    model: Literal["energy", "score"] = knob("energy", "What is learned.")
    steps: int = knob(1000, "Learning steps of each.", ge=100, le=10_000, log=True)
    hidden: int = knob(48, "Units in each of two hidden layers.", ge=4, le=256, log=True)
    batch: int = knob(256, "Noised rows a step.", ge=16, le=2048, log=True)


class WeightsConfig(Config):
    """Two far-apart Gaussians of unequal shares, exact scores, with and without a ladder of noise."""

    share: float = knob(0.8, "True share of the left one.", ge=0.05, le=0.95)
    chains: int = knob(2000, "Samples, started from 3·N(0, I).", ge=100, le=20_000, log=True)
    steps: int = knob(300, "Langevin steps.", ge=20, le=5000, log=True)


class ArticleConfig(Config):
    """The article's annealed Langevin on exact scores of the eight Gaussians: as printed, and mended."""

    step_size: float = knob(
        0.01, "η, the same at every level in the article; it names no value.", ge=1e-4, le=0.1, log=True
    )
    steps: int = knob(100, "Steps at each of the levels 2, 1, 0.5 and 0.1.", ge=10, le=2000, log=True)
    chains: int = knob(1000, "Samples, started from 3·N(0, I).", ge=100, le=20_000, log=True)


def ladder(config: LadderConfig, rng: Rng) -> Iterator[Figure]:
    """The share of samples near a mode, and of the emptiest mode, against the number of noise levels."""
    density = mixture("eight-gaussians")
    assert density is not None
    counts = np.unique(np.geomspace(1, config.most, 9).round().astype(int))
    near, least = [], []
    start = density.means[0] + 0.1 * rng.standard_normal((config.chains, 2))
    for i, count in enumerate(counts):
        sigmas = noise_levels(config.largest, config.smallest, int(count))
        shares = mode_shares(density, come_down(density, sigmas, start, config.steps, rng))
        near.append(100 * (1 - shares[-1]))
        least.append(100 * shares[:-1].min())
        if i % 3 == 2:
            yield _by_levels(counts[: i + 1], near, least)
    yield _by_levels(counts, near, least)


def come_down(density: Mixture, sigmas: Array, start: Array, steps: int, rng: Rng) -> Array:
    """Annealed Langevin down a ladder with the exact score of a mixture, from ``start`` (n, dim)."""

    def score(x: Array, sigma: float) -> Array:
        return density.score(x.astype(float), sigma).astype(np.float32)

    ways = descend(
        score, "annealed", sigmas, start, rng,
        steps=steps, step_size=0.3, every=steps, denoise=False, noised=False,
    )  # fmt: skip
    return np.asarray(next(ways)[0], dtype=float)


def three_losses(config: LossConfig, rng: Rng) -> Iterator[Figure]:
    """The error against the closed form as each loss learns, by learning step."""
    from ebm_plugins.datasets import from_arrays
    from ebm_plugins.families.dsm import TrainConfig, train
    from ebm_plugins.shapes import SHAPES, standardised
    from ebm_plugins.spaces import Plane

    data = from_arrays(standardised("eight-gaussians")[0][0], Plane(), name=SHAPES["eight-gaussians"][0])
    every = max(1, config.steps // 20)
    marks = np.append(np.arange(every, config.steps, every), config.steps)
    errors: dict[str, list[float]] = {}
    for loss, stream in zip(("denoising", "sliced", "explicit"), rng.spawn(3), strict=True):
        settings = TrainConfig(
            model=config.model, loss=loss, steps=config.steps, hidden=config.hidden, batch=config.batch, every=every
        )  # fmt: skip
        errors[loss] = [_error(snapshot, data) for snapshot in train(data, settings, stream)]
        yield _by_steps(marks, errors)


def _error(snapshot: Snapshot, data: Data) -> float:
    assert losses.closed_form(data) is not None
    return float(snapshot.metrics["score error"])


def weights(config: WeightsConfig, rng: Rng) -> Iterator[Figure]:
    """The left one's share as Langevin steps go on: at no noise, and down a ladder; beside the true share."""
    start = 3.0 * rng.standard_normal((config.chains, 2))
    every = max(1, config.steps // 40)
    found: dict[str, list[float]] = {}
    cases = {"one small noise": noise_levels(1.0, 0.05, 1), "a ladder": noise_levels(6.0, 0.05, 12)}
    for name, sigmas in cases.items():
        ways = descend(
            lambda x, sigma: two_gaussians(x, sigma, config.share), "annealed", sigmas, start, rng,
            steps=config.steps, step_size=0.3, every=every, denoise=False, noised=False,
        )  # fmt: skip
        found[name] = [left_share(start)]
        for states, _ in ways:
            found[name].append(left_share(states))
        yield _shares(np.minimum(np.arange(len(found[name])) * every, config.steps), found, config.share)


def two_gaussians(x: Array, sigma: float, share: float) -> Array:
    """∇ log p_σ(x) (n, 2) of share·N(left, SD²) + (1 − share)·N(right, SD²) with noise σ, in float32."""
    variance = SD**2 + sigma**2
    x = x.astype(float)
    far = 0.5 * ((x - CENTRES[1]) ** 2).sum(axis=1) - 0.5 * ((x - CENTRES[0]) ** 2).sum(axis=1)
    left = 0.5 * (1 + np.tanh(0.5 * (far / variance + np.log(share / (1 - share)))))[:, None]
    return ((left * CENTRES[0] + (1 - left) * CENTRES[1] - x) / variance).astype(np.float32)


def left_share(x: Array) -> float:
    """The share of the states (n, 2) nearer to the left centre."""
    return float((x[:, 0] < 0).mean())


def article(config: ArticleConfig, rng: Rng) -> Iterator[Figure]:
    """The share of samples near a mode, step by step: x − ηs as the article prints it, x + ηs, and x + ησ²s."""
    density = mixture("eight-gaussians")
    assert density is not None
    start = 3.0 * rng.standard_normal((config.chains, 2))
    every = max(1, config.steps // 10)
    found: dict[str, list[float]] = {}
    cases = {"as printed, x − ηs": (-1.0, False), "mended, x + ηs": (1.0, False), "x + 0.3σ²s": (1.0, True)}
    for name, (sign, scaled) in cases.items():
        x = start
        found[name] = [100 * (1 - mode_shares(density, x)[-1])]
        for sigma in ARTICLE_LEVELS:
            eta = 0.3 * sigma**2 if scaled else config.step_size
            for k in range(1, config.steps + 1):
                noise = rng.standard_normal(x.shape)
                with np.errstate(all="ignore"):
                    x = x + sign * eta * density.score(x, sigma) + np.sqrt(2 * eta) * noise
                    x = np.clip(x, -1e6, 1e6)  # what has left for ever need not overflow
                if k % every == 0:
                    found[name].append(100 * (1 - mode_shares(density, x)[-1]))
        yield _article(every, found)


def _article(every: int, found: dict[str, list[float]]) -> Figure:
    figure = blank(320, right=150, left=56)
    longest = max(len(values) for values in found.values())
    _lines(figure, every * np.arange(longest), found, "%{y:.1f} %", "step %{x}")
    figure.update_xaxes(title_text="Langevin step")
    figure.update_yaxes(title_text="samples near a mode, %", range=[0, 104])
    _note(figure, "noise 2, 1, 0.5, 0.1; every score used is exact")
    return figure


def _by_levels(counts: Array, near: list[float], least: list[float]) -> Figure:
    figure = blank(320, right=110, left=56)
    _lines(
        figure,
        counts[: len(near)],
        {"near a mode": near, "emptiest mode": least},
        "%{y:.1f} %",
        "levels %{x}",
    )
    figure.add_hline(y=12.5, line={"color": LIGHT["truth"], "width": 1.5})
    figure.update_xaxes(type="log", title_text="noise levels", tickvals=[1, 2, 4, 8, 16, 32, 64])
    figure.update_yaxes(title_text="samples, %", range=[0, 104])
    _note(figure, "all start at one mode; line: an eighth")
    return figure


def _by_steps(marks: Array, errors: dict[str, list[float]]) -> Figure:
    figure = blank(320, right=96, left=64)
    _lines(figure, marks, errors, "%{y:.4f}", "step %{x}", log=True)
    figure.update_xaxes(title_text="learning step")
    figure.update_yaxes(type="log", title_text="½σ²·mean |s − s*|²", dtick="D2", tickformat="~g")
    _note(figure, "error against the closed form, mean over the noise levels")
    return figure


def _shares(steps: Array, found: dict[str, list[float]], share: float) -> Figure:
    figure = blank(320, right=130, left=56)
    values = {name: [100 * s for s in shares] for name, shares in found.items()}
    figure.add_hline(y=100 * share, line={"color": LIGHT["truth"], "width": 1.75})
    _lines(figure, steps, values, "%{y:.1f} %", "step %{x}")
    figure.update_xaxes(title_text="Langevin step")
    figure.update_yaxes(title_text="share of the left Gaussian, %", range=[0, 104])
    _note(figure, f"line: the true share, {100 * share:.0f} %; every score used is exact")
    return figure


def _lines(
    figure: Figure, x: Array, values: dict[str, list[float]], shown: str, where: str, log: bool = False
) -> None:
    import plotly.graph_objects as go

    labels = []
    for (name, y), colour, dash in zip(values.items(), CATEGORIES_LIGHT, DASHES, strict=False):
        figure.add_trace(
            go.Scatter(
                x=x[: len(y)], y=y, mode="lines+markers", line={"color": colour, "dash": dash, "width": 2},
                hovertemplate=f"{name}: {shown}<br>{where}<extra></extra>",
            )
        )  # fmt: skip
        labels.append((name, float(np.log10(y[-1])) if log else y[-1], colour))
    every = [v for y in values.values() for v in y]
    low, high = (np.log10(min(every)), np.log10(max(every))) if log else (0.0, 104.0)
    end_labels(figure, labels, float(low), float(high))


def _note(figure: Figure, text: str) -> None:
    figure.add_annotation(
        text=text, x=0, y=1, xref="paper", yref="paper", yanchor="bottom", xanchor="left", showarrow=False,
        font={"color": LIGHT["muted"], "size": 13},
    )  # fmt: skip
