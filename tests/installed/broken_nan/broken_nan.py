"""Returns NaN as its energy."""

import numpy as np

from ebm_plugins import BinaryGrid, Family, NoConfig, Snapshot, hookimpl


def energy(params, x):
    return np.full(len(x), np.nan)


def train(data, config, rng):
    yield Snapshot({"none": np.zeros(1)})


def sample(params, config, rng, x):
    while True:
        x = np.where(rng.random(x.shape) < 0.5, x, 1 - x)
        yield Snapshot(x)


@hookimpl
def register_families():
    yield Family(key="broken-nan", title="Broken", summary="Broken.", accepts=(BinaryGrid,),
                 train_config=NoConfig, sample_config=NoConfig,
                 energy=energy, train=train, sample=sample)
