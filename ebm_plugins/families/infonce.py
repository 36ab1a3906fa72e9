r"""InfoNCE: encoders that give matching pairs a low energy, learned by picking the right key out of many.

The energy of a query q and a key k is :math:`E(q, k) = -f(q)\cdot g(k)/\tau`. Among K keys the right one has the
Boltzmann probability :math:`e^{-E(q, k)} / \sum_j e^{-E(q, k_j)}`, whose −log is the loss: Z is a sum over the keys at
hand. Retrieval draws a key from that softmax, which is exact sampling. Losses and their gradients are in
:mod:`ebm_plugins.families.infonce_core`; views, encoders and what is held out in
:mod:`ebm_plugins.families.infonce_model`.

Sources: van den Oord, Li, Vinyals 2018; Poole et al. 2019; Wang, Isola 2020; Chen et al. 2020; Radford et al. 2021;
Robinson et al. 2021.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from ebm_plugins import network, pages, starts
from ebm_plugins.blas import alone
from ebm_plugins.config import Config, knob
from ebm_plugins.families import infonce_core as core
from ebm_plugins.families import infonce_figures as figures
from ebm_plugins.families import infonce_model as model
from ebm_plugins.families import infonce_studies as studies
from ebm_plugins.families.infonce_lessons import LESSONS
from ebm_plugins.families.infonce_model import Views, energy, state_space
from ebm_plugins.families.infonce_text import LEARN, LENS, PRESETS, SUMMARY, explain
from ebm_plugins.hookspecs import hookimpl
from ebm_plugins.network import Weights
from ebm_plugins.records import Array, ConfigError, Data, Family, Params, Rng, Snapshot
from ebm_plugins.spaces import Pairs, Vectors
from ebm_plugins.specs import RunSpec

SHARPEST = float(np.log(100.0))  # 1/τ is held at 100 or less, as in CLIP
LAST_RATE = 0.02  # of the first, where the cosine ends


class TrainConfig(Config):
    """What is compared, by which loss, and how long."""

    loss: Literal["InfoNCE", "symmetric", "NT-Xent"] = knob(
        "symmetric",
        "InfoNCE asks each query for its key; symmetric asks each key for its query too (CLIP); NT-Xent lets all "
        "views of the batch compete with each other (SimCLR).",
    )
    steps: int = knob(300, "Steps of learning, one batch each.", ge=1, le=50_000, log=True)
    batch: int = knob(
        128,
        "Pairs a step, never more than there are rows. The others' keys are a query's negatives, so this is K.",
        ge=2, le=1024, log=True, unit="pairs",
    )  # fmt: skip
    temperature: float = knob(
        0.1, "τ: how far apart similarities must be to tell keys apart. Where learning starts from, if it is learned.",
        ge=0.01, le=10.0, log=True, title="Temperature τ",
    )  # fmt: skip
    learn_temperature: bool = knob(True, "Learn τ along with the encoders, held at 0.01 or more.")
    hidden: int = knob(128, "Units of the encoder's hidden layer.", ge=4, le=1024, log=True, unit="units")
    embedding: int = knob(32, "Dimension of the embedding.", ge=2, le=256, log=True)
    learning_rate: float = knob(0.003, "Step size of Adam.", ge=1e-5, le=0.1, log=True)
    hardness: float = knob(
        0.0, "β: how much more the hardest negatives count. 0 counts all alike.", ge=0.0, le=5.0
    )
    similarity: Literal["cosine", "dot"] = knob(
        "cosine",
        "Embeddings of unit length; or of any length, which can say more, and which a log-ratio of Gaussians needs.",
        more=True,
    )
    encoder: Literal["network", "raw"] = knob(
        "network",
        "Raw compares the values themselves: nothing is learned but τ, and it shows what learning is worth.",
        more=True,
    )
    shift: int = knob(
        1, "Views: moved by up to so much each way (images only).", ge=0, le=4, unit="pixels", more=True
    )
    brightness: float = knob(0.3, "Views: brightness × U(1 − b, 1 + b).", ge=0.0, le=1.0, more=True)
    dropped: float = knob(0.1, "Views: share of pixels set to 0.", ge=0.0, le=0.9, more=True)
    noise: float = knob(0.1, "Views: standard deviation of the Gaussian noise.", ge=0.0, le=2.0, more=True)
    weight_decay: float = knob(
        0.0, "Shrinks the weights by this times the learning rate at each step.", ge=0.0, le=1.0, more=True
    )
    schedule: Literal["cosine", "constant"] = knob(
        "cosine", "The learning rate falls to a fiftieth along a cosine, or stays. It rises over the first tenth.", more=True
    )  # fmt: skip
    bank: int = knob(
        64, "Keys among which retrieval draws: those of so many held-out rows.", ge=2, le=512, log=True, unit="keys",
        more=True,
    )  # fmt: skip
    every: int = knob(10, "Steps a snapshot.", ge=1, le=1000, log=True, more=True)

    @property
    def views(self) -> Views:
        """How views are made."""
        return Views(self.shift, self.brightness, self.dropped, self.noise)


class SampleConfig(Config):
    """How keys are drawn."""

    temperature: float = knob(
        1.0,
        "T of the softmax over keys, on top of τ: low picks the nearest key, high picks any.",
        ge=0.01, le=100.0, log=True,
    )  # fmt: skip
    queries: int = knob(
        8, "How many held-out queries are asked, each by as many states as the others, where the start leaves them "
        "blank (Noise).",
        ge=1, le=64,
    )  # fmt: skip
    steps: int = knob(80, "How many times each state draws its key anew.", ge=1, le=10_000, log=True)
    every: int = knob(1, "Draws a snapshot.", ge=1, le=1000, more=True)


def train(data: Data, config: TrainConfig, rng: Rng) -> Iterator[Snapshot]:
    """Learn the encoders; a snapshot every ``config.every`` steps, and one at the end.

    Metrics: ``loss`` (of the batches since the last snapshot), what :func:`ebm_plugins.families.infonce_model.measure`
    says of held-out pairs under ``held_out_`` names (``train_`` where nothing is held out), and ``temperature``.
    Raises ConfigError for fewer than two rows, values that are not finite, and raw halves of unequal width.
    """
    rows = _checked(data, config)
    weights_rng, batch_rng, bank_rng = rng.spawn(3)
    bank, trial = model.held_out(data, config.views, config.bank, bank_rng)
    prefix = "held_out_" if data.test_x is not None and len(data.test_x) > 1 else "train_"
    unit = config.similarity == "cosine"
    f, g = _start(data, config, weights_rng)
    log_scale = np.array(
        [-np.log(config.temperature)], np.float32
    )  # float32, as the weights that it is stepped with
    state = network.moments((*f, *(g or ()), log_scale))
    size = min(config.batch, len(rows))
    losses: list[float] = []
    pages.keep()
    for step in range(1, config.steps + 1):
        chosen = rows[batch_rng.permutation(len(rows))[:size]]
        left, right = model.pairs_of(data, chosen, config.views, batch_rng)
        with alone():
            loss, slope = model.loss_and_slopes(
                config.loss, (f, g), log_scale, left, right, unit, config.hardness
            )
        losses.append(loss)
        if not config.learn_temperature:
            slope = (*slope[:-1], np.zeros(1))
        (*weights, log_scale), state = _step((*f, *(g or ()), log_scale), slope, state, config, step)
        f, g = tuple(weights[: len(f)]), tuple(weights[len(f) :]) if g is not None else None
        log_scale = np.minimum(log_scale, SHARPEST)
        if step % config.every == 0 or step == config.steps:
            params = model.pack((f, g), float(log_scale[0]), unit, bank)
            measured = {prefix + name: value for name, value in model.measure(params, trial).items()}
            yield Snapshot(
                params,
                {"loss": float(np.mean(losses)), **measured, "temperature": float(params["temperature"][0])},
            )
            losses = []


def _checked(data: Data, config: TrainConfig) -> Array:
    """The rows to learn from, in float32, or ConfigError."""
    if len(data.x) < 2:
        got = "a bare space" if data.bare else "1 row"
        raise ConfigError("data", "at least two rows: the others' keys are what a key is told from", got)
    for part in (data.x, data.test_x):
        if part is not None and not np.isfinite(part).all():
            row = int(np.argmin(np.isfinite(part).all(axis=1)))
            raise ConfigError(
                "data", "finite numbers (fill in or remove what is missing)", f"other in row {row}"
            )
    if (
        config.encoder == "raw"
        and isinstance(data.space, Pairs)
        and data.space.left.dim != data.space.right.dim
    ):
        halves = f"{data.space.left.dim} and {data.space.right.dim}"
        raise ConfigError(
            "encoder", "network, as raw values are only compared where both are as long", halves
        )
    return np.asarray(data.x, dtype=np.float32)


def _start(data: Data, config: TrainConfig, rng: Rng) -> tuple[Weights, Weights | None]:
    """Random encoders: one for two views, one for each half of pairs; none for raw values."""
    if config.encoder == "raw":
        return (), None
    after = (config.hidden, config.embedding)
    if not isinstance(data.space, Pairs):
        return network.start((data.space.dim, *after), rng), None
    left, right = data.space.left.dim, data.space.right.dim
    return network.start((left, *after), rng), network.start((right, *after), rng)


def _step(
    weights: tuple[Array, ...],
    slope: tuple[Array, ...],
    state: network.Moments,
    config: TrainConfig,
    step: int,
) -> tuple[Weights, network.Moments]:
    """One step of Adam at the rate that the schedule gives, with decoupled weight decay (matrices only)."""
    rate = config.learning_rate * min(1.0, 10 * step / config.steps)
    if config.schedule == "cosine":
        rate *= LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + np.cos(np.pi * step / config.steps))
    if config.weight_decay:
        weights = tuple(
            w * w.dtype.type(1 - rate * config.weight_decay) if w.ndim == 2 else w for w in weights
        )
    return network.adam(weights, slope, state, rate)


def sample(params: Params, config: SampleConfig, rng: Rng, x: Array) -> Iterator[Snapshot]:
    """Draw each state's key anew from the softmax of −E/T over the bank's keys; ``config.every`` times a snapshot, the
    last time what is left of ``config.steps``.

    The queries stay. Blank ones (all zeros) become held-out queries of the bank, in turn. Metrics: mean ``energy``
    and, of bank queries, ``own`` (share of draws that are the query's own key).
    """
    keys = params["bank_keys"]
    queries, asked = _queries(params, x, config.queries)
    distinct, which = np.unique(queries, axis=0, return_inverse=True)
    which = which.ravel()
    table = model.logits(params, distinct, keys)
    shares = np.exp(table / config.temperature - core.log_sum_exp(table / config.temperature)[:, None])
    cumulative = np.cumsum(shares, axis=1)
    cumulative /= cumulative[:, -1:]
    known = asked >= 0
    own = params["bank_own"][asked[known]]
    for step in range(1, config.steps + 1):
        uniform = rng.random(len(x))
        if step % config.every and step != config.steps:
            continue
        drawn = (uniform[:, None] >= cumulative[which]).sum(axis=1)
        metrics = {"energy": float(-table[which, drawn].mean())} if len(x) else {}
        if known.any():
            metrics["own"] = float((drawn[known] == own).mean())
        yield Snapshot(np.hstack([queries, keys[drawn]]), metrics)


def _queries(params: Params, x: Array, most: int) -> tuple[Array, Array]:
    """The query of each state (n, dl), blank ones replaced; and which of the bank's it is (n,), −1 for none."""
    bank = params["bank_queries"]
    queries = np.array(x[:, : bank.shape[1]], dtype=float)
    blank = ~queries.any(axis=1)
    asked = np.full(len(x), -1)
    asked[blank] = np.arange(blank.sum()) % min(most, len(bank))
    queries[blank] = bank[asked[blank]]
    return queries, asked


def support(params: Params, x: Array) -> Array:
    """All states that a state x (1, dim) can become: its query with each key of the bank (K, dim)."""
    keys = params["bank_keys"]
    queries, _ = _queries(params, np.asarray(x)[:1], 1)
    return np.hstack([np.repeat(queries, len(keys), axis=0), keys])


FAMILY = Family(
    key="infonce",
    title="InfoNCE",
    summary=SUMMARY,
    accepts=(Vectors, Pairs),
    energy=energy,
    train=train,
    sample=sample,
    train_config=TrainConfig,
    sample_config=SampleConfig,
    state_space=state_space,
    support=support,
    exactness="exact",
    lens=LENS,
    presets=PRESETS,
    example=RunSpec(
        family="infonce",
        dataset="article-keys",
        train={"steps": 20, "hidden": 8, "embedding": 4},
        sample={"queries": 1, "steps": 10},
        start=starts.Noise(n=100),
        seed=1,
    ),
    figures={
        "How like is each query to each key?": figures.similarities,
        "The embedding as it learns": figures.embedding,
        "Retrieval": figures.retrieval,
        "Alignment and uniformity": figures.alignment_uniformity,
        "The bound against log K": figures.bound_against_keys,
        "Which class is each held-out row taken for?": figures.confusion,
    },
    studies={
        "What the bound can see": (studies.BoundConfig, studies.bounds),
        "Which loss, how many negatives?": (studies.LossConfig, studies.losses),
        "Cold similarities: where the plain form overflows": (studies.OverflowConfig, studies.overflow),
    },
    learn=LEARN,
    lessons=LESSONS,
    explain=explain,
)


@hookimpl
def register_families() -> Iterator[Family]:
    """The InfoNCE family."""
    yield FAMILY


__all__ = ["FAMILY", "SampleConfig", "TrainConfig", "energy", "register_families", "sample", "train"]
