"""The Ising model on a torus: a third-party family in forty lines."""

import numpy as np

from ebm_plugins import BinaryGrid, Config, Family, NoConfig, Snapshot, hookimpl, knob


class Sweeps(Config):
    steps: int = knob(200, "Sweeps of the whole grid.", ge=1, le=20_000)
    every: int = knob(1, "Sweeps a snapshot.", ge=1, le=1_000)
    temperature: float = knob(2.5, "The T of exp(−energy/T).", ge=0.1, le=10.0)


def energy(params, x):
    """E = −½ Σᵢⱼ Aᵢⱼ sᵢ sⱼ with spins s = 2x − 1."""
    s = 2 * x - 1
    return -0.5 * ((s @ params["neighbours"]) * s).sum(axis=1)


def train(data, config, rng):
    """Nothing to learn: each cell has four neighbours on the torus. A cell is never its own neighbour."""
    cells = np.eye(data.space.dim).reshape(-1, data.space.rows, data.space.cols)
    near = sum(np.roll(cells, shift, axis) for axis in (1, 2) for shift in (1, -1)).reshape(len(cells), -1)
    np.fill_diagonal(near, 0)
    yield Snapshot({"neighbours": near})


def sample(params, config, rng, x):
    """Heat bath, one cell after another: a chequerboard would update neighbours together on an odd torus."""
    x = x.copy()
    while True:
        for _ in range(config.every):
            for i, near in enumerate(params["neighbours"]):
                on = 1 / (1 + np.exp(-2 * (2 * x - 1) @ near / config.temperature))
                x[:, i] = rng.random(len(x)) < on
        yield Snapshot(x.copy(), {"magnetisation": float(np.abs(2 * x.mean(axis=1) - 1).mean())})


@hookimpl
def register_families():
    yield Family(key="ising", title="Ising", summary="Neighbours that want to agree.",
                 accepts=(BinaryGrid,), train_config=NoConfig, sample_config=Sweeps,
                 energy=energy, train=train, sample=sample)  # fmt: skip
