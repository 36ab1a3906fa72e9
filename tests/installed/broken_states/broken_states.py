"""Yields states of the wrong shape."""

import numpy as np

from ebm_plugins import BinaryGrid, Family, NoConfig, Snapshot, hookimpl


def energy(params, x):
    return x.sum(axis=1)


def train(data, config, rng):
    yield Snapshot({"none": np.zeros(1)})


def sample(params, config, rng, x):
    while True:
        yield Snapshot(x[:, 0])


@hookimpl
def register_families():
    yield Family(key="broken-states", title="Broken", summary="Broken.", accepts=(BinaryGrid,),
                 train_config=NoConfig, sample_config=NoConfig,
                 energy=energy, train=train, sample=sample)
