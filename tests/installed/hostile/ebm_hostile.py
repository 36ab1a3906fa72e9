"""Five families that misbehave while they are sampled, each in its own way, and one that is only slow."""

import os
import sys
import time

import numpy as np

from ebm_plugins import Config, Family, NoConfig, Plane, Snapshot, hookimpl, knob


class Steps(Config):
    steps: int = knob(20, "Steps", ge=1, le=1_000)
    seconds: float = knob(0.0, "Seconds a step", ge=0.0, le=60.0)


def energy(params, x):
    return 0.5 * (x**2).sum(axis=1)


def train(data, config, rng):
    yield Snapshot({"one": np.ones(1)})


def steps(params, config, rng, x):
    for _ in range(config.steps):
        time.sleep(config.seconds)
        x = 0.5 * x + rng.standard_normal(x.shape)
        yield Snapshot(x)


def loops(params, config, rng, x):
    yield Snapshot(x)
    while True:
        pass


def hoards(params, config, rng, x):
    held = []
    yield Snapshot(x)
    while True:
        held.append(np.ones(1_000_000))
        yield Snapshot(x)


def exits(params, config, rng, x):
    yield Snapshot(x)
    os._exit(3)


def prints(params, config, rng, x):
    yield Snapshot(x)
    while True:
        print("spam " * 200)
        sys.stderr.write("spam " * 200)
        os.write(1, b"spam " * 200)


def sleeps(params, config, rng, x):
    yield Snapshot(x)
    time.sleep(3600)


@hookimpl
def register_families():
    for name, sample in {
        "loops": loops, "hoards": hoards, "exits": exits, "prints": prints, "sleeps": sleeps, "steady": steps,
    }.items():  # fmt: skip
        yield Family(
            key=name, title=name.title(), summary="For tests of hosts.", accepts=(Plane,), energy=energy, train=train,
            sample=sample, train_config=NoConfig, sample_config=Steps, learns=lambda config: False,
        )  # fmt: skip
