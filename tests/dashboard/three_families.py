"""Three small families, two datasets and a sampler under names of their own, and two families that misbehave."""

from __future__ import annotations

import itertools
import threading
import time

import numpy as np

from ebm_plugins import (
    BinaryGrid,
    Config,
    ConfigError,
    Data,
    Dataset,
    Family,
    Plane,
    RunSpec,
    Sampler,
    Snapshot,
    Vectors,
    hookimpl,
    knob,
    starts,
)
from ebm_plugins.config import Rows

OPEN = threading.Event()  # while it is not set, lamps wait after four snapshots of training, and of sampling
OPEN.set()
HUNG = [threading.Event()]  # what hangs waits for the last of these


def let_go():
    """End what hangs now: a thread of a worker can be ended in no other way, and there are few."""
    HUNG.append(threading.Event())
    HUNG[-2].set()


class Bowl(Config):
    width: float = knob(1.0, "Standard deviation of the bowl", ge=0.1, le=10.0, log=True)
    tilt: bool = knob(False, "Lean to one side")


class Walk(Config):
    steps: int = knob(20, "Steps", ge=1, le=200)
    step_size: float = knob(1.0, "Standard deviation of a proposal", ge=0.01, le=5.0, log=True)
    temperature: float = knob(1.0, "T of exp(−E/T)", ge=0.1, le=10.0, log=True, more=True)


class Learning(Config):
    epochs: int = knob(5, "Passes over the data", ge=1, le=400)
    rate: float = knob(0.1, "Learning rate", ge=0.001, le=1.0, log=True)
    pick: Rows = knob((0,), "Rows to learn")
    seconds: float = knob(0.0, "Sleep in every epoch", ge=0.0, le=60.0, unit="s", more=True)


def bowl_train(data, config, rng):
    yield Snapshot({"width": np.array(config.width), "tilt": np.array(float(config.tilt))})


def bowl_energy(params, x):
    return 0.5 * (x**2).sum(axis=1) / params["width"] ** 2 + params["tilt"] * x[:, 0]


def bowl_gradient(params, x):
    return x / params["width"] ** 2 + params["tilt"] * np.array([1.0] + [0.0] * (x.shape[1] - 1))


def walk_on(energy, config, rng, x):
    while True:
        proposal = x + config.step_size * rng.standard_normal(x.shape)
        accept = np.log(rng.random(len(x))) < energy(x) - energy(proposal)
        x = np.where(accept[:, None], proposal, x)
        yield Snapshot(x, {"acceptance": float(accept.mean())})


def walk(target, config, rng, x):
    yield from walk_on(target.energy, config, rng, x)


def bowl_sample(params, config, rng, x):
    yield from walk_on(lambda y: bowl_energy(params, y) / config.temperature, config, rng, x)


def lamps_train(data, config, rng):
    if len(config.pick) > 2:
        raise ConfigError("pick", "at most two rows", len(config.pick))
    bias = np.zeros(data.space.dim)
    for epoch in range(config.epochs):
        time.sleep(config.seconds)
        if epoch == 4:
            OPEN.wait(60)
        bias = (
            bias
            + config.rate * (2 * data.x[list(config.pick)].mean(axis=0) - 1)
            + 0.01 * rng.standard_normal(bias.shape)
        )
        yield Snapshot({"bias": bias}, {"size": float(np.abs(bias).sum()), "epoch": float(epoch)})


def lamps_energy(params, x):
    return -(x @ params["bias"])


def lamps_sample(params, config, rng, x):
    p = 1 / (1 + np.exp(-params["bias"] / config.temperature))
    for step in itertools.count():
        if step == 4:
            OPEN.wait(60)
        yield Snapshot((rng.random(x.shape) < p).astype(float))


def raising(params, config, rng, x):
    yield Snapshot(x)
    raise KeyError("the lamp went out")


def hanging(params, config, rng, x):
    yield Snapshot(x)
    HUNG[-1].wait(3600)


def lamps_data():
    rows = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 1]], dtype=float)
    return Data(x=rows, space=BinaryGrid(2, 2), name="Three lamps", names=("Top", "Bottom", "Diagonal"))


@hookimpl
def register_datasets():
    yield Dataset(
        key="flatland",
        title="Flatland",
        summary="A bare plane.",
        space=Plane(),
        load=lambda: Data(x=np.zeros((0, 2)), space=Plane()),
    )
    yield Dataset(
        key="lamps",
        title="Lamps",
        summary="Three rows of four lamps.",
        space=BinaryGrid(2, 2),
        load=lamps_data,
    )
    yield Dataset(key="line", title="Line", summary="Points of a space with three coordinates.", space=Vectors(3),
                  load=lambda: Data(x=np.arange(30.0).reshape(10, 3) / 10, space=Vectors(3)))  # fmt: skip


@hookimpl
def register_samplers():
    yield Sampler(
        key="amble",
        title="Amble",
        summary="Propose, accept or stay.",
        accepts=(Plane, Vectors),
        config=Walk,
        sample=walk,
    )
    yield Sampler(key="slope", title="Slope", summary="Needs a gradient.", accepts=(Plane,), config=Walk,
                  sample=walk, needs_gradient=True)  # fmt: skip


@hookimpl
def register_families():
    plain = {"train_config": Bowl, "sample_config": Walk, "energy": bowl_energy, "train": bowl_train}
    yield Family(
        key="dish",
        title="Dish",
        summary="One round well.",
        accepts=(Plane,),
        sample=bowl_sample,
        gradient=bowl_gradient,
        learns=lambda config: False,
        section="Crockery",
        **plain,
        presets={
            "Round": RunSpec(family="dish", dataset="flatland", start=starts.Noise(60)),
            "Leaning": RunSpec(
                family="dish", dataset="flatland", train={"tilt": True}, start=starts.Noise(60)
            ),
        },
    )
    yield Family(
        key="bulbs",
        title="Bulbs",
        summary="Lamps that are on or off.",
        accepts=(BinaryGrid,),
        sample=lamps_sample,
        train_config=Learning,
        sample_config=Walk,
        energy=lamps_energy,
        train=lamps_train,
        exactness="exact",
        presets={
            "Two rows": RunSpec(
                family="bulbs",
                dataset="lamps",
                train={"pick": (0, 1)},
                start=starts.Corrupted(rows=(0,), copies=80),
            )
        },
    )
    yield Family(
        key="rod", title="Rod", summary="Three coordinates.", accepts=(Vectors,), sample=bowl_sample, **plain,
        methods=("amble",),
    )  # fmt: skip
    for key, sample in (("raises", raising), ("hangs", hanging)):
        yield Family(
            key=key, title=key.title(), summary="Misbehaves.", accepts=(BinaryGrid,), train_config=Learning,
            sample_config=Walk, energy=lamps_energy, train=lamps_train, sample=sample,
        )  # fmt: skip
