"""Its preset names a dataset that does not exist, and its config a field that does not."""

import numpy as np

from ebm_plugins import BinaryGrid, Family, NoConfig, RunSpec, Snapshot, hookimpl


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
    yield Family(key="broken-preset", title="Broken", summary="Broken.", accepts=(BinaryGrid,),
                 train_config=NoConfig, sample_config=NoConfig,
                 energy=energy, train=train, sample=sample,
                 presets={"Good": RunSpec(family="broken-preset", dataset="grid-4x4"),
                          "No such data": RunSpec(family="broken-preset", dataset="no-such-data"),
                          "No such knob": RunSpec(family="broken-preset", train={"rate": 1}),
                          "Another family": RunSpec(family="ising")},
                 learns=lambda config: False)
