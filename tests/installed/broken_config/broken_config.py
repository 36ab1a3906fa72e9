"""Its config has a field type that has no control."""

import numpy as np

from ebm_plugins import BinaryGrid, Config, Family, NoConfig, Snapshot, hookimpl


class Loose(Config):
    name: str = "anything"


def energy(params, x):
    return x.sum(axis=1)


def train(data, config, rng):
    yield Snapshot({"none": np.zeros(1)})


def sample(params, config, rng, x):
    while True:
        x = np.where(rng.random(x.shape) < 0.5, x, 1 - x)
        yield Snapshot(x)


@hookimpl
def register_families():
    yield Family(key="broken-config", title="Broken", summary="Broken.", accepts=(BinaryGrid,),
                 train_config=NoConfig, sample_config=Loose,
                 energy=energy, train=train, sample=sample)
