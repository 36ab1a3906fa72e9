"""A third-party sampler for any energy on a grid of cells: flip one random cell, accept or stay."""

import numpy as np

from ebm_plugins import BinaryGrid, Config, Sampler, Snapshot, hookimpl, knob


class Flips(Config):
    steps: int = knob(200, "Proposed flips a state.", ge=1, le=100_000)
    every: int = knob(1, "Flips a snapshot.", ge=1, le=1_000)
    temperature: float = knob(1.0, "The T of exp(−energy/T).", ge=0.1, le=10.0)


def sample(target, config, rng, x):
    """Metropolis (1953): accept with probability min(1, exp(E(x) − E(x'))). The target holds the temperature."""
    rows, energy = np.arange(len(x)), target.energy(x)
    while True:
        accepted = 0.0
        for _ in range(config.every):
            proposal = x.copy()
            cells = rng.integers(x.shape[1], size=len(x))
            proposal[rows, cells] = 1 - proposal[rows, cells]
            proposed = target.energy(proposal)
            accept = np.log(rng.random(len(x))) < energy - proposed
            x = np.where(accept[:, None], proposal, x)
            energy = np.where(accept, proposed, energy)
            accepted += accept.mean()
        yield Snapshot(x, {"acceptance": float(accepted / config.every)})


@hookimpl
def register_samplers():
    yield Sampler(
        key="flips",
        title="Random flips",
        summary="Flip one random cell; accept or stay.",
        accepts=(BinaryGrid,),
        config=Flips,
        sample=sample,
    )
