"""How time and memory grow with the work: chains, dimension, units, data. Prints the table of docs/performance.md.

    python tests/benchmarks/growth.py [--write] [--only RBM]

Each size is run in this process through the public functions; time is the least of three, memory the peak that NumPy
asked for (tracemalloc). The exponent is the slope of log time (or memory) over log size, over the upper half of the
sizes. "Interactive up to" is the size at which one step, sweep, epoch or recall takes 100 ms, by that fit: past it a
page no longer answers at once.
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ebm_plugins import landscapes
from ebm_plugins.blas import one_thread
from ebm_plugins.datasets import from_arrays
from ebm_plugins.families import dsm, hopfield, infonce, langevin, metropolis_hastings, rbm
from ebm_plugins.records import Target
from ebm_plugins.samplers import hmc, metropolis
from ebm_plugins.spaces import BinaryGrid, Plane, Vectors

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
BEGIN, END = "<!-- growth: written by tests/benchmarks/growth.py -->", "<!-- end of growth -->"
AT_ONCE = 0.1  # seconds
REPEATS = 3


class Study(NamedTuple):
    """``make(size)`` returns a call that does ``steps`` of what ``unit`` names."""

    family: str
    unit: str
    grows: str
    sizes: Sequence[int]
    steps: int
    make: Callable[[int], Callable[[], Any]]


def last(run: Any) -> Any:
    found = None
    for snapshot in run:
        found = snapshot.value
    return found


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def digits_like(rows: int, cells: int) -> Any:
    side = int(np.sqrt(cells))
    return from_arrays(rng().integers(0, 2, (rows, side * side)), BinaryGrid(side, side))


def walk(family: Any, steps: int) -> Callable[[int], Callable[[], Any]]:
    def make(chains: int) -> Callable[[], Any]:
        params, x = landscapes.params_of("three-wells", 0.05), np.zeros((chains, 2), np.float32)
        config = family.sample_config(steps=steps, every=steps)
        return lambda: last(family.sample(params, config, rng(), x))

    return make


def gaussian(sampler: Any, config: Any) -> Callable[[int], Callable[[], Any]]:
    def make(dim: int) -> Callable[[], Any]:
        target = Target(energy=lambda x: 0.5 * (x * x).sum(axis=1), gradient=lambda x: x, space=Vectors(dim))
        x = np.zeros((1000, dim), np.float32)
        return lambda: last(sampler.sample(target, config, rng(), x))

    return make


def recall(chains: int, cells: int) -> Callable[[], Any]:
    side = int(np.sqrt(cells))
    patterns = from_arrays(rng().integers(0, 2, (max(2, cells // 20), side * side)), BinaryGrid(side, side))
    config = hopfield.TrainConfig(rule="hebb", count=len(patterns.x))
    params = last(hopfield.train(patterns, config, rng()))
    settings = hopfield.SampleConfig(update="asynchronous", pace="sweep", steps=1000, every=1000)
    probes = patterns.x[rng().integers(0, len(patterns.x), chains)]
    probes = np.abs(probes - (rng().random(probes.shape) < 0.2))
    return lambda: last(hopfield.sample(params, settings, rng(), probes))


def learn_rbm(rows: int, cells: int, hidden: int) -> Callable[[], Any]:
    data = digits_like(rows, cells)
    config = rbm.TrainConfig(hidden=hidden, method="cd", epochs=2, every=2, batch=100)
    return lambda: last(rbm.train(data, config, rng()))


def sweep_rbm(chains: int, hidden: int) -> Callable[[], Any]:
    params = {
        "weights": 0.1 * rng().standard_normal((64, hidden)),
        "visible_bias": np.zeros(64),
        "hidden_bias": np.zeros(hidden),
    }
    x = rng().integers(0, 2, (chains, 64)).astype(float)
    return lambda: next(iter(rbm.sample(params, rbm.SampleConfig(steps=20, every=20), rng(), x))).value


def learn_dsm(hidden: int, batch: int) -> Callable[[], Any]:
    data = from_arrays(rng().standard_normal((2000, 2)), Plane())
    config = dsm.TrainConfig(steps=40, every=40, hidden=hidden, batch=batch)
    return lambda: last(dsm.train(data, config, rng()))


def learn_infonce(hidden: int, batch: int) -> Callable[[], Any]:
    data = from_arrays(rng().random((2000, 64)), Vectors(64, (8, 8)))
    config = infonce.TrainConfig(steps=20, every=20, hidden=hidden, batch=batch)
    return lambda: last(infonce.train(data, config, rng()))


CHAINS = (1000, 4000, 16_000, 64_000, 256_000)
STUDIES = (
    Study("Langevin (ULA), three wells", "step", "chains", CHAINS, 20, walk(langevin.FAMILY, 20)),
    Study("Metropolis, three wells", "step", "chains", CHAINS, 20, walk(metropolis_hastings.FAMILY, 20)),
    Study(
        "Metropolis, Gaussian, 1,000 chains", "step", "dimension", (4, 16, 64, 256, 1024), 10,
        gaussian(metropolis, metropolis.Config(steps=10, every=10)),
    ),
    Study(
        "HMC, Gaussian, 1,000 chains", "step", "dimension", (4, 16, 64, 256, 1024), 3,
        gaussian(hmc, hmc.Config(steps=3, every=3)),
    ),
    Study("Hopfield recall, 784 cells", "recall", "states", (16, 64, 256, 1024), 1, lambda n: recall(n, 784)),
    Study("Hopfield recall, 256 states", "recall", "cells", (64, 256, 784, 1600), 1, lambda n: recall(256, n)),
    Study("RBM learning, 64 × 128", "epoch", "rows", (500, 2000, 8000), 2, lambda n: learn_rbm(n, 64, 128)),
    Study("RBM learning, 1,000 rows of 64 cells", "epoch", "hidden units", (32, 128, 512), 2, lambda n: learn_rbm(1000, 64, n)),
    Study("RBM learning, 1,000 rows, 128 units", "epoch", "cells", (64, 256, 784), 2, lambda n: learn_rbm(1000, n, 128)),
    Study("RBM block Gibbs, 64 × 128", "sweep", "chains", (256, 1024, 4096, 16_384), 20, lambda n: sweep_rbm(n, 128)),
    Study("DSM learning, batch 256", "step", "units a layer", (32, 128, 512), 40, lambda n: learn_dsm(n, 256)),
    Study("DSM learning, 64 units", "step", "rows a batch", (128, 512, 2048), 40, lambda n: learn_dsm(64, n)),
    Study("InfoNCE learning, batch 128", "step", "hidden units", (64, 256, 1024), 20, lambda n: learn_infonce(n, 128)),
    Study("InfoNCE learning, 128 units", "step", "pairs a batch", (64, 256, 1024), 20, lambda n: learn_infonce(128, n)),
)  # fmt: skip


def measured(study: Study) -> tuple[list[float], list[float]]:
    """Seconds a unit and MB at the peak, at each size."""
    seconds, megabytes = [], []
    for size in study.sizes:
        call = study.make(size)
        call()
        took = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            call()
            took.append(time.perf_counter() - start)
        tracemalloc.start()
        call()
        megabytes.append(tracemalloc.get_traced_memory()[1] / 1e6)
        tracemalloc.stop()
        seconds.append(min(took) / study.steps)
    return seconds, megabytes


def exponent(sizes: Sequence[int], values: Sequence[float]) -> tuple[float, float]:
    """(slope, intercept) of log value over log size, over the larger sizes."""
    start = min(len(sizes) // 2, len(sizes) - 2)
    slope, intercept = np.polyfit(np.log(sizes[start:]), np.log(values[start:]), 1)
    return float(slope), float(intercept)


def rows(only: str) -> Iterator[tuple[str, ...]]:
    """The head, and a row for each study whose family's name has ``only`` in it."""
    yield "family", "grows", "sizes", "time", "time ∝ size^", "memory", "memory ∝ size^", "at once up to"
    for study in (study for study in STUDIES if only in study.family):
        seconds, megabytes = measured(study)
        slope, intercept = exponent(study.sizes, seconds)
        bigger = exponent(study.sizes, megabytes)[0]
        most = np.exp((np.log(AT_ONCE) - intercept) / slope) if slope > 0.05 else np.inf
        yield (
            study.family, study.grows, f"{study.sizes[0]:,} – {study.sizes[-1]:,}",
            f"{_time(seconds[0])} – {_time(seconds[-1])} {'an' if study.unit == 'epoch' else 'a'} {study.unit}", f"{slope:.2f}",
            f"{megabytes[0]:.1f} – {megabytes[-1]:.1f} MB", f"{bigger:.2f}", _rounded(most, study.sizes[-1]),
        )  # fmt: skip
        print(study.family, study.grows, file=sys.stderr)


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"


def _rounded(size: float, largest: int) -> str:
    """Two digits; no further than ten times what was measured."""
    if size > 10 * largest:
        return f"past {10 * largest:,}"
    step = 10 ** max(0, int(np.log10(size)) - 1)
    return f"{round(size / step) * step:,.0f}"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    asked.add_argument(
        "--only", default="", help="measure only what has this in its name; other rows stay as they are"
    )
    options = asked.parse_args()
    one_thread()  # as the server and its workers have it
    head, *body = rows(options.only)
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *body)]
    print("\n".join(lines))
    if options.write:
        PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), lines), encoding="utf-8")


def replaced(page: str, lines: Sequence[str]) -> str:
    """The page with these rows in its table, each in the place of the one of the same family and what grows."""

    def key(line: str) -> tuple[str, ...]:
        return tuple(line.split("|")[1:3])

    before, rest = page.split(BEGIN)
    table, after = rest.split(END)
    made = {key(line): line for line in (*table.strip().splitlines(), *lines) if line.startswith("|")}
    return f"{before}{BEGIN}\n" + "\n".join(made.values()) + f"\n{END}{after}"


if __name__ == "__main__":
    main()
