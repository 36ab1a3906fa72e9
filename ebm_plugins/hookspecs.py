"""The three hooks. Each yields records; the built-in families are plugins like any other."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from ebm_plugins.records import Dataset, Family, Sampler

PROJECT = "ebm_plugins"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_families() -> Iterable[Family]:
    """Yield the model families that this plugin brings.

    >>> import numpy as np
    >>> from ebm_plugins import Family, NoConfig, Plane, Snapshot, hookimpl
    >>> def energy(params, x):
    ...     return 0.5 * (x**2).sum(axis=1)
    >>> def train(data, config, rng):
    ...     yield Snapshot({"scale": np.ones(1)})
    >>> def sample(params, config, rng, x):
    ...     while True:
    ...         x = rng.standard_normal(x.shape)
    ...         yield Snapshot(x)
    >>> @hookimpl
    ... def register_families():
    ...     yield Family(key="bowl", title="Bowl", summary="One round well.", accepts=(Plane,),
    ...                  train_config=NoConfig, sample_config=NoConfig,
    ...                  energy=energy, train=train, sample=sample)
    >>> [family.key for family in register_families()]
    ['bowl']
    """
    return ()


@hookspec
def register_datasets() -> Iterable[Dataset]:
    """Yield the datasets that this plugin brings. ``load`` runs when a run needs it, never here.

    >>> import numpy as np
    >>> from ebm_plugins import BinaryGrid, Data, Dataset, hookimpl
    >>> def load():
    ...     return Data(x=np.eye(4), space=BinaryGrid(2, 2), name="one lamp")
    >>> @hookimpl
    ... def register_datasets():
    ...     yield Dataset(key="one-lamp", title="One lamp", summary="One of four cells is on.",
    ...                   space=BinaryGrid(2, 2), load=load)
    >>> [len(dataset.load().x) for dataset in register_datasets()]
    [4]
    """
    return ()


@hookspec
def register_samplers() -> Iterable[Sampler]:
    """Yield the samplers that this plugin brings: each runs on any energy whose space it accepts.

    >>> import numpy as np
    >>> from ebm_plugins import NoConfig, Plane, Sampler, Snapshot, hookimpl
    >>> def sample(target, config, rng, x):
    ...     while True:
    ...         proposal = x + rng.standard_normal(x.shape)
    ...         accept = np.log(rng.random(len(x))) < target.energy(x) - target.energy(proposal)
    ...         x = np.where(accept[:, None], proposal, x)
    ...         yield Snapshot(x, {"acceptance": float(accept.mean())})
    >>> @hookimpl
    ... def register_samplers():
    ...     yield Sampler(key="walk", title="Random walk", summary="Propose, accept or stay.",
    ...                   accepts=(Plane,), config=NoConfig, sample=sample)
    >>> [sampler.exactness for sampler in register_samplers()]
    ['asymptotic']
    """
    return ()
