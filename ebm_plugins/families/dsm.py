r"""Denoising score matching: learn which way the data are by learning to take noise off them.

A network learns the score :math:`s = -∇E` of the data blurred by Gaussian noise, at a ladder of noise levels from
far larger than the data's structure to far smaller. The energy of the family is the one at the smallest level; its own
``sample`` goes down the ladder. The network is in :mod:`~ebm_plugins.families.dsm_model`, the losses in
:mod:`~ebm_plugins.families.dsm_losses`, the ways down in :mod:`~ebm_plugins.families.dsm_samplers`.

Sources: Hyvärinen 2005; Vincent 2011; Song 2019 (sliced); Song, Ermon 2019, 2020; Ho 2020; Song 2021; Salimans, Ho 2021.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ebm_plugins import network, pages
from ebm_plugins.blas import Share, alone, team
from ebm_plugins.config import Config, knob
from ebm_plugins.families import dsm_figures as figures
from ebm_plugins.families import dsm_images as images
from ebm_plugins.families import dsm_losses as losses
from ebm_plugins.families import dsm_model as models
from ebm_plugins.families import dsm_studies as studies
from ebm_plugins.families.dsm_lessons import LESSONS
from ebm_plugins.families.dsm_model import energy, gradient
from ebm_plugins.families.dsm_samplers import descend
from ebm_plugins.families.dsm_text import LEARN, LENS, PRESETS, SUMMARY, explain
from ebm_plugins.hookspecs import hookimpl
from ebm_plugins.network import Weights
from ebm_plugins.records import Array, ConfigError, Data, Family, Params, Rng, Snapshot
from ebm_plugins.spaces import Plane, Vectors
from ebm_plugins.specs import RunSpec
from ebm_plugins.starts import Noise

ROWS, WIDE = 512, 128  # of a batch, and hidden units, from which on two threads are worth their meeting
PARTS = 2  # of a batch that large, whatever threads there are: they change no bit
MOST_TRACED = 16  # dimensions over which the explicit loss sums its trace


class TrainConfig(Config):
    """What is learned, by which loss, at which noise levels."""

    model: Literal["energy", "score"] = knob(
        "energy",
        "An energy network, whose score is −∇E; or a score network, which gives arrows directly. It learns faster, "
        "but its arrows need not belong to any energy: see the curl.",
    )
    loss: Literal["denoising", "sliced", "explicit"] = knob(
        "denoising",
        "Denoising compares with the noise that was put on. Explicit and sliced look at the model alone, at its "
        "length and its divergence: noisier and slower, with the same answer.",
    )
    largest: float = knob(
        2.8,
        "σ of the most noise, about the largest distance between data points. On the plane 2.8 makes data of "
        "deviation 1 look like the random start.",
        ge=0.01,
        le=50.0,
        log=True,
        title="Largest noise σ",
    )
    smallest: float = knob(
        0.1,
        "σ of the least noise. Smaller is sharper and harder to learn.",
        ge=0.001,
        le=10.0,
        log=True,
        title="Smallest noise σ",
    )
    levels: int = knob(
        10,
        "Noise levels, each smaller than the one before by the same factor. With 1 there is only the smallest.",
        ge=1,
        le=100,
        log=True,
    )
    steps: int = knob(2500, "Learning steps.", ge=1, le=100_000, log=True)
    learning_rate: float = knob(
        0.005, "Size of a learning step (Adam's), falling to 0 along a cosine.", ge=1e-5, le=0.5, log=True
    )
    hidden: int = knob(64, "Units in each hidden layer.", ge=2, le=1024, log=True, more=True)
    layers: int = knob(2, "Hidden layers.", ge=1, le=6, more=True)
    activation: Literal["silu", "tanh", "softplus"] = knob(
        "silu", "What a hidden unit does. All are smooth, as a score has to be.", more=True
    )
    batch: int = knob(256, "Noised rows in one learning step.", ge=1, le=4096, log=True, more=True)
    weighting: Literal["balanced", "plain"] = knob(
        "balanced",
        "Weight of a level in the loss. Balanced is σ², as in NCSN: all levels count alike. Plain is 1: the "
        "smallest noise drowns out the rest.",
        more=True,
    )
    slices: int = knob(1, "Random directions a row in the sliced loss.", ge=1, le=64, more=True)
    averaging: float = knob(
        0.99,
        "Share that a running mean of the weights keeps at each step; 0 is none. Calms what is learned at a rate "
        "that is too large.",
        ge=0.0,
        le=0.9999,
        more=True,
    )
    every: int = knob(25, "Learning steps a snapshot.", ge=1, le=10_000, log=True, more=True)


class SampleConfig(Config):
    """How samples come down the ladder."""

    method: Literal["annealed", "predictor-corrector", "probability-flow"] = knob(
        "annealed",
        "Langevin steps at each noise level in turn; down a little and then a Langevin step; or a smooth flow "
        "without any noise, which takes the same start to the same end.",
    )
    steps: int = knob(200, "Steps from the largest noise to the smallest.", ge=1, le=10_000, log=True)
    step_size: float = knob(
        0.3,
        "η: a Langevin step at noise σ moves by ησ² times the score. The flow takes none.",
        ge=1e-4,
        le=1.0,
        log=True,
        title="Step size η",
    )
    denoise: bool = knob(
        False,
        "End with Tweedie's step, to the mean of what the state is without its last noise: closer to the data, and "
        "no longer a draw from exp(−E).",
    )
    begin: Literal["as drawn", "noised"] = knob(
        "as drawn",
        "Take the start for a draw at the largest noise; or put that noise on it first, so that data or a drawing "
        "are blurred and drawn anew.",
        more=True,
    )
    every: int = knob(2, "Steps a snapshot.", ge=1, le=1000, log=True, more=True)


def train(data: Data, config: TrainConfig, rng: Rng) -> Iterator[Snapshot]:
    """Adam on the chosen loss; a snapshot every ``config.every`` steps, and one at the end.

    Metrics: ``loss``, the chosen one over the last steps; ``denoising loss`` on data and ``held-out denoising loss``,
    weight σ² and the same noise at every snapshot, so that they compare; ``score error`` against the closed form
    where there is one. Raises ConfigError for no data, data that are not finite, a ladder upside down, and the
    explicit loss in many dimensions.
    """
    _check(data, config)
    x = np.asarray(data.x, dtype=np.float32)
    sigmas = models.ladder(config.largest, config.smallest, config.levels)
    hidden = (config.hidden,) * config.layers
    fixed = models.initial(
        np.asarray(data.x, dtype=float), config.model, sigmas, hidden, config.activation, rng
    )
    model = models.model_of(fixed, np.float32)
    weights, state = model.weights, network.moments(model.weights)
    mean, loss, since = weights, 0.0, 0
    seed = int(rng.integers(2**32))
    pages.keep()
    with team(_parts(config)) as share:
        for step in range(1, config.steps + 1):
            with alone():
                rows = losses.batch(model, x, config.batch, config.weighting, rng)
                value, slope = _loss(model, rows, config, rng, share)
            loss, since = loss + value, since + 1
            rate = 0.5 * config.learning_rate * (1 + np.cos(np.pi * step / config.steps))
            weights, state = network.adam(weights, slope, state, rate)
            model = model._replace(weights=weights)
            mean = _averaged(mean, weights, min(config.averaging, step / (step + 9)))
            if step % config.every == 0 or step == config.steps:
                measured = _measured(model._replace(weights=mean), data, np.random.default_rng(seed))
                yield Snapshot({**fixed, **network.named(mean)}, {"loss": loss / since, **measured})
                loss, since = 0.0, 0


def _check(data: Data, config: TrainConfig) -> None:
    """Raises ConfigError at the control that can mend it."""
    if data.bare:
        raise ConfigError(
            "data", "data with at least one row to learn from", f"a bare space: ‘{data.name}’ has none"
        )
    if not np.isfinite(data.x).all():
        bad = int((~np.isfinite(data.x)).any(axis=1).sum())
        raise ConfigError("data", "finite numbers in every row", f"{bad} rows with NaN or infinity")
    if config.levels > 1 and config.smallest >= config.largest:
        raise ConfigError("smallest", f"less than the largest noise, {config.largest:g}", config.smallest)
    if config.loss == "explicit" and data.space.dim > MOST_TRACED:
        expected = f"a denoising or sliced loss in more than {MOST_TRACED} dimensions (the explicit one takes a pass for each)"
        raise ConfigError("loss", expected, f"explicit in {data.space.dim}")


def _parts(config: TrainConfig) -> int:
    """Into how many parts a batch is cut, whatever threads there are."""
    return PARTS if config.batch >= ROWS and config.hidden >= WIDE else 1


def _loss(
    model: models.Model,
    rows: losses.Batch,
    config: TrainConfig,
    rng: Rng,
    share: Share[tuple[float, Weights]],
) -> tuple[float, Weights]:
    if config.loss == "denoising":
        return losses.denoising_shared(model, rows, _parts(config), share)
    if config.loss == "explicit":
        return losses.explicit(model, rows)
    return losses.sliced(model, rows, config.slices, rng)


def _averaged(mean: Weights, weights: Weights, keep: float) -> Weights:
    if not keep:
        return weights
    return tuple(
        m.dtype.type(keep) * m + m.dtype.type(1 - keep) * w for m, w in zip(mean, weights, strict=True)
    )


def _measured(model: models.Model, data: Data, rng: Rng) -> dict[str, float]:
    """The same rows and the same noise at every snapshot."""
    x = np.asarray(data.x[: losses.MEASURED], dtype=np.float32)
    found = {"denoising loss": float(losses.by_level(model, x, rng).mean())}
    if data.test_x is not None and len(data.test_x):
        held_out = np.asarray(data.test_x[: losses.MEASURED], dtype=np.float32)
        found["held-out denoising loss"] = float(losses.by_level(model, held_out, rng).mean())
    density = losses.closed_form(data)
    if density is not None:
        found["score error"] = float(losses.score_errors(model, density, rng).mean())
    return found


def sample(
    params: Params, config: SampleConfig, rng: Rng, x: Array, free: NDArray[np.bool_] | None = None
) -> Iterator[Snapshot]:
    """Come down the ladder from ``x`` (n, dim). Metrics: ``noise``, the level reached.

    ``free`` (dim,) says which coordinates are drawn; the others are held, with each level's noise put on them.
    """
    model = models.model_of(params, np.float32)

    def score(y: Array, sigma: float) -> Array:
        level = np.full(len(y), sigma, np.float32)
        return models.predicted_noise(model, y, level) * np.float32(-1 / sigma)

    ways = descend(
        score,
        config.method,
        params["sigmas"],
        x,
        rng,
        steps=config.steps,
        step_size=config.step_size,
        every=config.every,
        denoise=config.denoise,
        noised=config.begin == "noised",
        free=free,
    )
    for states, sigma in ways:
        yield Snapshot(states, {"noise": sigma})


FAMILY = Family(
    key="dsm",
    title="Denoising score matching",
    summary=SUMMARY,
    accepts=(Plane, Vectors),
    energy=energy,
    gradient=gradient,
    train=train,
    sample=sample,
    train_config=TrainConfig,
    sample_config=SampleConfig,
    box=models.box,
    exactness="biased",
    stationary=False,
    has_energy=lambda config: config.model == "energy",
    clamps=True,
    lens=LENS,
    presets=PRESETS,
    example=RunSpec(
        family="dsm",
        dataset="eight-gaussians",
        train={"steps": 100, "hidden": 16, "levels": 5, "batch": 64},
        # with fewer steps the shares of the wells stay those of a blurred level
        sample={"steps": 3000, "every": 10},
        start=Noise(n=50),
        seed=7,
    ),
    figures={
        "The ladder of noise": figures.noise_ladder,
        "Score field": figures.score_field,
        "Error against the closed form": figures.score_error,
        "Curl": figures.curl,
        "Loss by noise level": figures.loss_by_level,
        "Which mode the samples are in": figures.modes,
        "Taking noise off": images.denoising,
        "Nearest data": images.nearest_data,
    },
    studies={
        "One noise level or a ladder": (studies.LadderConfig, studies.ladder),
        "Three losses": (studies.LossConfig, studies.three_losses),
        "The score cannot see weights": (studies.WeightsConfig, studies.weights),
        "The article's sampler": (studies.ArticleConfig, studies.article),
    },
    learn=LEARN,
    lessons=LESSONS,
    explain=explain,
)


@hookimpl
def register_families() -> Iterator[Family]:
    """The denoising score matching family."""
    yield FAMILY


__all__ = [
    "FAMILY",
    "SampleConfig",
    "TrainConfig",
    "energy",
    "gradient",
    "register_families",
    "sample",
    "train",
]
