"""A bowl on the plane and a grid of cells that do not interact, with samplers and datasets: for tests of runs."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from ebm_plugins import (
    BinaryGrid,
    Config,
    ConfigError,
    Data,
    Dataset,
    Family,
    NoConfig,
    Plane,
    Sampler,
    Snapshot,
    knob,
)
from ebm_plugins.registry import Registry


class Learn(Config):
    epochs: int = knob(5, "How many epochs.", ge=1, le=1000)
    rate: float = knob(0.5, "How fast.", ge=0.0, le=1.0)


class Walk(Config):
    steps: int = knob(20, "How many steps.", ge=1, le=100_000)
    every: int = knob(1, "Steps a snapshot.", ge=1, le=1000)
    scale: float = knob(1.0, "How far.", ge=0.0, le=1e200)
    temperature: float = knob(1.0, "Temperature.", ge=0.1, le=10.0)


def energy(params, x):
    with np.errstate(over="ignore"):
        return 0.5 * ((x - params["mean"]) ** 2).sum(axis=1)


def train(data, config, rng):
    if config.epochs == 501 or data.bare:
        raise ConfigError("epochs", "any number but 501", config.epochs)
    mean = rng.standard_normal(2)
    for _ in range(config.epochs):
        mean = mean + config.rate * (data.x.mean(axis=0) - mean)
        yield Snapshot({"mean": mean}, {"gap": float(np.abs(mean).max())})


def walk(params, config, rng, x):
    for _ in range(-(-config.steps // config.every)):
        for _ in range(config.every):
            x = x + config.scale * rng.standard_normal(x.shape)
        yield Snapshot(x, {"spread": float(x.std())})


def flip(target, config, rng, x):
    for _ in itertools.count():
        x = x.copy()
        column = rng.integers(x.shape[1])
        x[:, column] = 1 - x[:, column]
        yield Snapshot(x)


def nudge(target, config, rng, x):
    for _ in itertools.count():
        x = x + 0.1 * rng.standard_normal(x.shape)
        yield Snapshot(x)


BOWL = Family(
    key="bowl", title="Bowl", summary="One well.", accepts=(Plane,), energy=energy, train=train, sample=walk,
    gradient=lambda params, x: x - params["mean"], train_config=Learn, sample_config=Walk,
)  # fmt: skip
GRID = Family(
    key="grid", title="Grid", summary="No interaction.", accepts=(BinaryGrid,), train_config=NoConfig,
    sample_config=NoConfig, learns=lambda config: False,
    energy=lambda params, x: (x @ params["field"]),
    train=lambda data, config, rng: iter([Snapshot({"field": np.linspace(-1, 1, data.space.dim)})]),
    sample=lambda params, config, rng, x: (Snapshot(rng.integers(0, 2, x.shape)) for _ in itertools.count()),
)  # fmt: skip
FLIP = Sampler(key="flip", title="Flip", summary="", accepts=(BinaryGrid,), config=NoConfig, sample=flip)
NUDGE = Sampler(
    key="nudge",
    title="Nudge",
    summary="",
    accepts=(Plane,),
    config=NoConfig,
    sample=nudge,
    needs_gradient=True,
)
CLOUD = Dataset(
    key="cloud", title="Cloud", summary="", space=Plane(),
    load=lambda: Data(x=np.random.default_rng(0).standard_normal((50, 2)), space=Plane(), name="cloud"),
)  # fmt: skip
EMPTY = Dataset(
    key="plane",
    title="Plane",
    summary="",
    space=Plane(),
    load=lambda: Data(x=np.zeros((0, 2)), space=Plane()),
)
LAMPS = Dataset(
    key="lamps", title="Lamps", summary="", space=BinaryGrid(1, 3),
    load=lambda: Data(x=np.eye(3), space=BinaryGrid(1, 3), name="lamps"),
)  # fmt: skip
REGISTRY = Registry(
    families={"bowl": BOWL, "grid": GRID},
    samplers={"flip": FLIP, "nudge": NUDGE},
    datasets={"plane": EMPTY, "cloud": CLOUD, "lamps": LAMPS},
)


def changed(family: Family, **fields) -> Registry:
    """The registry with one family changed."""
    return replace(REGISTRY, families={**REGISTRY.families, family.key: replace(family, **fields)})
