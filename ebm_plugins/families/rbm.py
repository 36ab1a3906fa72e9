r"""Restricted Boltzmann machines: a layer that is seen, a layer that explains it, and no connection within either.

.. math:: p(v) = e^{-F(v)}/Z,\qquad F(v) = -b^\top v - \sum_j \log\bigl(1 + e^{c_j + (W^\top v)_j}\bigr)

for visible units 0 or 1; for real ones the first term is :math:`\sum_i (v_i - b_i)^2/2\sigma_i^2` and v is divided by
σ² in the second. The mathematics is in :mod:`ebm_plugins.rbm_core`, learning in :mod:`ebm_plugins.rbm_learning`,
log Z in :mod:`ebm_plugins.ais`, and stacks of machines in :mod:`ebm_plugins.deep_belief`.

Sources: Smolensky 1986; Hinton 2002; Hinton, Osindero, Teh 2006; Tieleman 2008; Salakhutdinov, Murray 2008;
Fischer, Igel 2010; Cho 2011; Burda, Grosse, Salakhutdinov 2015; Melchior, Fischer, Wiskott 2016.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ebm_plugins import ais, pages, rbm_learning
from ebm_plugins import rbm_tempering as tempering
from ebm_plugins.blas import alone
from ebm_plugins.chains import counts
from ebm_plugins.config import Config, knob
from ebm_plugins.families import rbm_figures as figures
from ebm_plugins.families import rbm_studies as studies
from ebm_plugins.families.rbm_lessons import LESSONS
from ebm_plugins.families.rbm_text import LEARN, LENS, PRESETS, SUMMARY, explain
from ebm_plugins.hookspecs import hookimpl
from ebm_plugins.rbm_core import free_energy, gradient, in_blocks, log_partition, machine, sweep
from ebm_plugins.rbm_measures import measure
from ebm_plugins.records import Array, ConfigError, Data, Family, Params, Rng, Snapshot
from ebm_plugins.spaces import BinaryGrid, Vectors
from ebm_plugins.specs import RunSpec

energy = free_energy


class TrainConfig(Config):
    """The machine, and how it learns."""

    hidden: int = knob(
        16,
        "Hidden units. With at most 20 of them (or 20 cells) log Z is exact; more explain more, and overfit more.",
        ge=1, le=512, log=True, unit="units",
    )  # fmt: skip
    method: Literal["cd", "pcd", "tempering"] = knob(
        "pcd",
        "Where the states to learn away from come from. cd: a few sweeps from the data; pcd: chains that are never "
        "restarted; tempering: such chains with hotter copies that help them move.",
        title="Learns from",
    )
    k: int = knob(
        1,
        "Sweeps before each update. More of them: a gradient nearer to the exact one.",
        ge=1,
        le=100,
        log=True,
    )
    epochs: int = knob(100, "Passes over the data.", ge=1, le=20_000, log=True, unit="epochs")
    learning_rate: float = knob(
        0.1,
        "Size of a step at the start. Too large, and the chains cannot follow.",
        ge=1e-4,
        le=2.0,
        log=True,
    )
    schedule: Literal["constant", "linear", "inverse"] = knob(
        "linear",
        "How the rate falls: not at all, in a line to zero, or as 1/(1 + 9·progress) to a tenth.",
        more=True,
    )
    batch: int = knob(50, "Rows an update.", ge=1, le=2000, log=True, unit="rows", more=True)
    chains: int = knob(100, "Chains that pcd and tempering keep.", ge=1, le=2000, log=True, more=True)
    replicas: int = knob(8, "Temperatures of tempering, the data's own among them.", ge=2, le=32, more=True)
    centering: bool = knob(
        True, "Take means off before correlating, so that 0 and 1 may be swapped without harm.", more=True
    )
    momentum: float = knob(0.0, "Share of the last step that is repeated.", ge=0.0, le=0.99, more=True)
    weight_decay: float = knob(
        0.0,
        "Pull of each weight towards 0. Less overfitting, and chains that mix.",
        ge=0.0,
        le=0.1,
        more=True,
    )
    sparsity: float = knob(
        0.0, "How strongly hidden units are pushed to their target activity.", ge=0.0, le=10.0, more=True
    )
    sparsity_target: float = knob(
        0.1, "Share of the data for which a hidden unit should be on.", ge=0.01, le=0.9, more=True
    )
    initial_weights: float = knob(
        0.01, "Standard deviation of the first weights.", ge=0.0001, le=1.0, log=True, more=True
    )
    start_at_data: bool = knob(
        True, "Visible biases start at the data's log-odds (or means), and not at zero.", more=True
    )
    noise: float = knob(
        0.7,
        "σ of real visible units at the start, in units of the data's standard deviation.",
        ge=0.1,
        le=2.0,
        more=True,
    )
    learn_scale: bool = knob(True, "Learn σ of each real visible unit.", more=True)
    leave_out: int = knob(
        -1,
        "A label whose rows are not learned from: the anomalies of the ROC curve. −1: none.",
        ge=-1, le=1000, more=True,
    )  # fmt: skip
    every: int = knob(2, "Epochs a snapshot.", ge=1, le=1000, log=True, unit="epochs", more=True)


class SampleConfig(Config):
    """How states are drawn: layer by layer."""

    method: Literal["gibbs", "tempering"] = knob(
        "gibbs",
        "Block Gibbs: all hidden units given the visible ones, then back. Tempering adds hotter copies of each "
        "chain, and swaps, so that it crosses between modes.",
        title="Moves by",
    )
    steps: int = knob(200, "Sweeps.", ge=1, le=100_000, log=True, unit="sweeps")
    replicas: int = knob(8, "Temperatures of tempering.", ge=2, le=32, more=True)
    every: int = knob(1, "Sweeps a snapshot.", ge=1, le=1000, log=True, more=True)


def train(data: Data, config: TrainConfig, rng: Rng) -> Iterator[Snapshot]:
    """Learn from the rows; a snapshot every ``config.every`` epochs, with the metrics of
    :func:`ebm_plugins.rbm_measures.measure`, whose random numbers are a stream of their own.

    Raises ConfigError for data without rows or that are not finite, and for a label to leave out that is not there
    or would leave nothing.
    """
    pages.keep()
    x, held_out = _rows(data, config)
    gaussian = not data.space.discrete
    learning, measuring = rng.spawn(2)
    mean, size = rbm_learning.standard_units(x) if gaussian else (np.zeros(x.shape[1]), 1.0)
    steps = rbm_learning.epochs((x - mean) / size, config, gaussian, learning)
    for epoch, m in enumerate(steps, 1):
        if epoch % config.every and epoch != config.epochs:
            continue
        params = m.params()
        if not all(np.isfinite(value).all() for value in params.values()):
            yield Snapshot(params)  # the host says that training diverged
            return
        params = rbm_learning.from_standard(params, mean, size) if gaussian else params
        yield Snapshot(params, measure(params, x, held_out, measuring))


def _rows(data: Data, config: TrainConfig) -> tuple[Array, Array | None]:
    """The rows to learn from (n, V), and those held out, both without the label that is left out."""
    if data.bare:
        name = f"‘{data.name}’" if data.name else "this dataset"
        raise ConfigError(
            "data", "data with at least one row to learn from", f"a bare space: {name} has none"
        )
    x = np.asarray(data.x, dtype=float)
    held_out = None if data.test_x is None else np.asarray(data.test_x, dtype=float)
    if not np.isfinite(x).all():
        raise ConfigError("data", "finite numbers (fill in or remove what is missing)", "some that are not")
    if config.leave_out < 0:
        return x, held_out
    if data.labels is None:
        raise ConfigError("leave_out", "−1, as these data have no labels", config.leave_out)
    keep = data.labels != config.leave_out
    if keep.all() or not keep.any():
        raise ConfigError("leave_out", "a label that some of the rows have, and not all", config.leave_out)
    if held_out is not None and data.test_labels is not None:
        held_out = held_out[data.test_labels != config.leave_out]
    return x[keep], held_out


def sample(
    params: Params, config: SampleConfig, rng: Rng, x: Array, free: NDArray[np.bool_] | None = None
) -> Iterator[Snapshot]:
    """Sweeps of the states x (n, V), in float32; yields after every ``config.every`` of them, the last
    time after what is left of ``config.steps``.

    ``free`` (V,) says which visible units are redrawn; the others keep their values, so that the rest is drawn given
    them. There is no temperature: block Gibbs samples exp(−F) and not exp(−F/T), for which other samplers are here.
    Metrics: mean ``free_energy``; ``changed``, the share of cells that the last sweep changed (binary);
    ``swap_rate`` of tempering.
    """
    m = machine(params, np.float32)
    moving = np.ones(x.shape[1], dtype=bool) if free is None else np.asarray(free, dtype=bool)
    held = np.flatnonzero(~moving)
    given = np.array(x, dtype=float)
    fixed = given.astype(np.float32)
    replicas = config.replicas if config.method == "tempering" else 1
    betas = tempering.ladder(replicas)
    v = tempering.replicas_of(m, fixed, replicas, rng)
    v[..., held] = fixed[:, held]
    # replicas are swapped, all at once; chains are blocks of rows, each swept on its own
    blocks = [slice(0, len(fixed))] if replicas > 1 else list(in_blocks(len(fixed)))
    h = np.empty(
        (replicas, max((b.stop - b.start for b in blocks), default=0), len(m.hidden_bias)), np.float32
    )
    before = v[0].copy()
    step = 0
    for taken in counts(config.steps, config.every):
        rates = []
        with alone():
            for ahead in range(taken - 1, -1, -1):
                if not ahead:
                    before[...] = v[0]
                for rows in blocks:
                    some = v[:, rows]
                    sweep(
                        m, some, rng, betas if replicas > 1 else 1.0, out=some, hidden=h[:, : some.shape[1]]
                    )
                if held.size:
                    v[..., held] = fixed[:, held]
                if replicas > 1:
                    v, rate = tempering.swap(m, v, betas, rng, step % 2)
                    rates.append(rate)
                step += 1
        value = np.where(moving, v[0].astype(float), given)
        metrics = {"free_energy": float(free_energy(params, value).mean()) if len(value) else 0.0}
        if m.scale is None and len(value):
            metrics["changed"] = float((v[0] != before)[:, moving].mean())
        if rates and np.isfinite(rates).any():
            metrics["swap_rate"] = float(np.nanmean(rates))
        yield Snapshot(value, metrics)


FAMILY = Family(
    key="rbm",
    title="Restricted Boltzmann machine",
    summary=SUMMARY,
    accepts=(BinaryGrid, Vectors),
    energy=energy,
    gradient=gradient,
    train=train,
    sample=sample,
    train_config=TrainConfig,
    sample_config=SampleConfig,
    log_partition=log_partition,
    bracket=ais.bracket,
    exactness="asymptotic",
    clamps=True,
    lens=LENS,
    presets=PRESETS,
    example=RunSpec(
        family="rbm",
        dataset="bars-and-stripes-2x2",
        train={"hidden": 4, "epochs": 600, "every": 150, "learning_rate": 1.0, "initial_weights": 0.5},
        sample={"steps": 40},
        seed=1,
    ),
    figures={
        "Filters": figures.filters,
        "Dreams": figures.dreams,
        "How it learned": figures.learning,
        "Free energy, learned and held out": figures.free_energies,
        "Hidden units": figures.hidden_units,
        "Odd rows: ROC": figures.anomalies,
    },
    studies={
        "What k buys": (studies.GradientConfig, studies.gradients),
        "Error falls, likelihood falls": (studies.DivergenceConfig, studies.divergence),
        "Centering: digits and inverted digits": (studies.CenteringConfig, studies.centering),
        "How tight is the bracket?": (studies.BracketConfig, studies.brackets),
        "Against scikit-learn": (studies.RivalConfig, studies.rival),
        "Stacking: a deep belief network": (studies.StackConfig, studies.stacking),
    },
    learn=LEARN,
    lessons=LESSONS,
    explain=explain,
)


@hookimpl
def register_families() -> Iterator[Family]:
    """The RBM family."""
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
