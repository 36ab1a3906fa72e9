"""What the families on the plane share: which landscape, and wells learned from data by maximum likelihood."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from ebm_plugins import landscapes
from ebm_plugins import wells as gaussian_wells
from ebm_plugins.config import Config, knob
from ebm_plugins.records import Data, Rng, Snapshot


class LandscapeConfig(Config):
    """Which landscape; and how wells are learned, where they are. A family adds how its chains move meanwhile."""

    landscape: Literal[
        "three-wells", "double-well", "banana", "funnel", "ring", "muller-brown", "himmelblau", "learned"
    ] = knob("three-wells", "The energy: a landscape that is given, or wells learned from the data.")
    confinement: float = knob(
        0.05, "c of c·|x|², added to the energy. Without it exp(−E) of the three wells has no finite integral, and "
        "particles drift away for ever; the other landscapes have walls of their own and can do with 0.",
        ge=0.0, le=5.0,
    )  # fmt: skip
    wells: int = knob(16, "How many Gaussian wells are learned.", ge=1, le=100, log=True)
    epochs: int = knob(200, "Learning steps, when wells are learned.", ge=1, le=5000, log=True)
    learning_rate: float = knob(
        0.02, "Size of a learning step (Adam's). Too large, and the wells outrun the chains that judge them.",
        ge=1e-4, le=1.0, log=True,
    )  # fmt: skip
    chains: int = knob(
        500,
        "Persistent chains that stand for the model while it learns.",
        ge=10,
        le=4096,
        log=True,
        more=True,
    )


def train(data: Data, config: LandscapeConfig, rng: Rng, kernel: gaussian_wells.Kernel) -> Iterator[Snapshot]:
    """A given landscape is one snapshot of its constants; learned wells are a snapshot an epoch.

    ``kernel(params, x, rng)`` moves the persistent chains x (chains, 2) while it learns. Raises ConfigError for
    learned wells without data, without spread, with NaN, or without confinement.
    """
    if config.landscape != "learned":
        yield Snapshot(landscapes.params_of(config.landscape, config.confinement))
        return
    gaussian_wells.check_data(data, config.confinement, "landscape")
    yield from gaussian_wells.learn(
        data,
        kernel,
        rng,
        wells=config.wells,
        confinement=config.confinement,
        epochs=config.epochs,
        learning_rate=config.learning_rate,
        chains=config.chains,
        extra={"landscape": np.array([landscapes.BY_KEY["learned"]])},
    )
