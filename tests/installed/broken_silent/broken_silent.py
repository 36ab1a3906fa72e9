"""Its sampler blocks for ever before its first snapshot."""

import threading

import numpy as np

from ebm_plugins import BinaryGrid, Family, NoConfig, Snapshot, hookimpl


def energy(params, x):
    return x.sum(axis=1)


def train(data, config, rng):
    yield Snapshot({"none": np.zeros(1)})


def sample(params, config, rng, x):
    threading.Event().wait()
    yield Snapshot(x)


@hookimpl
def register_families():
    yield Family(key="broken-silent", title="Broken", summary="Broken.", accepts=(BinaryGrid,),
                 train_config=NoConfig, sample_config=NoConfig,
                 energy=energy, train=train, sample=sample)
