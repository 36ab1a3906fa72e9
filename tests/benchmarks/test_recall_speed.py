"""Asynchronous recall: 784 cells, 40 patterns by Hebb's rule, 256 probes with 30 % of their cells turned.

The amount is a number of probes; each goes on until none of its cells points against its field. The textbook form and
hopfieldkit take one probe after another, so they are timed on a few of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from race import Bound, Race, Runner, needs, one_each, with_threads

from ebm_plugins.datasets import from_arrays
from ebm_plugins.families import hopfield
from ebm_plugins.spaces import BinaryGrid

SIDE, PATTERNS, PROBES = 28, 40, 256
CELLS = SIDE * SIDE
BLOCK = 32  # cells a product, in PyTorch's form


@cache
def stored() -> Any:
    return np.random.default_rng(0).integers(0, 2, (PATTERNS, CELLS)) * 2.0 - 1.0


@cache
def weights() -> Any:
    found = stored().T @ stored() / CELLS
    np.fill_diagonal(found, 0.0)
    return found


def probes(count: int) -> Any:
    """Spins (count, CELLS): a stored pattern each, 30 % of it turned. The same ones for all."""
    rng = np.random.default_rng(1)
    chosen = stored()[rng.integers(0, PATTERNS, PROBES)]
    return (chosen * np.where(rng.random((PROBES, CELLS)) < 0.3, -1.0, 1.0))[:count]


def recalled(ends: Any) -> Any:
    """Of the ends (spins): how many are at rest, and the overlap with the pattern that the probe came from."""
    ends = np.asarray(ends, dtype=float)
    source = stored()[np.random.default_rng(1).integers(0, PATTERNS, PROBES)][: len(ends)]
    rests = (ends * (ends @ weights()) >= -1e-9).all(axis=1).mean()
    return np.array([rests, (ends * source).mean()])


def ours(sweeps: int = 1000) -> Callable[[int], Any]:
    """Through ``family.sample``, by sweeps."""
    data = from_arrays((stored() + 1) / 2, BinaryGrid(SIDE, SIDE))
    config = hopfield.TrainConfig(rule="hebb", count=PATTERNS)
    *_, trained = hopfield.train(data, config, np.random.default_rng(2))
    settings = hopfield.SampleConfig(update="asynchronous", pace="sweep", steps=sweeps, every=sweeps)
    rng = np.random.default_rng(3)

    def run(count: int) -> Any:
        run_of = hopfield.sample(trained.value, settings, rng, (probes(count) + 1) / 2)
        last = next(run_of) if sweeps < 1000 else list(run_of)[-1]
        return 2 * last.value - 1

    return run


def textbook() -> Callable[[int], Any]:
    np.random.seed(4)  # noqa: NPY002 (the generator that the article draws from)
    w = weights()

    def run(count: int) -> Any:
        ends = probes(count).copy()
        for state in ends:
            moved = True
            while moved:
                moved = False
                for i in np.random.permutation(CELLS):  # noqa: NPY002
                    spin = 1 if w[i] @ state >= 0 else -1
                    if spin != state[i]:
                        state[i], moved = spin, True
        return ends

    return run


def torch_blocks() -> Callable[[int], Any]:
    """The same blocked algorithm: the fields of a block of cells from the overlaps in one product, then cell by cell,
    each corrected by what the earlier ones of its block changed; probes at rest are left out. Whole numbers in float32
    are exact."""
    torch = needs("torch")
    xi = torch.from_numpy(stored().astype(np.float32))
    w = (xi.T @ xi).fill_diagonal_(0)
    torch.manual_seed(5)

    @torch.no_grad()
    def run(count: int) -> Any:
        ends = torch.from_numpy(probes(count).astype(np.float32)).T.contiguous()  # cells, probes
        left = torch.arange(count)
        while len(left):
            s = ends[:, left]
            overlaps = xi @ s
            for sites in torch.randperm(CELLS).split(BLOCK):
                here = xi[:, sites]
                old = s[sites]
                h = here.T @ overlaps - PATTERNS * old
                if not ((h * old) < 0).any():
                    continue
                coupling, change = w[sites][:, sites], torch.zeros_like(old)
                for j in range(len(sites)):
                    field = torch.addmv(h[j], change[:j].T, coupling[j, :j]) if j else h[j]
                    torch.mul((field * old[j]) < 0, -2 * old[j], out=change[j])
                s[sites] = old + change
                overlaps.addmm_(here, change)
            ends[:, left] = s
            h = xi.T @ (xi @ s) - PATTERNS * s
            left = left[((h * s) < 0).any(0)]
        return ends.T.numpy()

    return run


def hopfieldkit() -> Callable[[int], Any]:
    kit = needs("hopfieldkit")
    network = kit.HopfieldNetwork(CELLS).fit(stored())
    return lambda count: np.array(
        [network.recall(s, max_steps=5000, seed=i) for i, s in enumerate(probes(count))]
    )


def bare_fields() -> Callable[[int], Any]:
    """Two sweeps' fields from the overlaps in float32, and nothing else: no probe here needs fewer."""
    xi = stored().astype(np.float32)

    def run(count: int) -> None:
        s = np.ascontiguousarray(probes(count).T, dtype=np.float32)
        for _ in range(2):
            xi.T @ (xi @ s)

    return run


def race() -> Race:
    return Race(
        name="Asynchronous recall, N = 784, 256 probes",
        work="to rest",
        amount=PROBES,
        few=64,
        repeats=6,
        statistic=recalled,
        less=lambda run: ours(sweeps=1)(64),
        runners=(
            Runner(name="ours", role="ours", build=ours),
            Runner(name="NumPy as in the article", role="textbook", build=textbook, share=1 / 16),
            Runner(name="PyTorch", build=lambda: with_threads(torch_blocks)),
            Runner(name="hopfieldkit", build=hopfieldkit, share=1 / 16),
            Runner(name="the fields alone", role="floor", build=bare_fields, checked=False),
        ),
        bounds=(
            Bound("PyTorch", 3.5, 4),
            Bound("hopfieldkit", 70, 100),
            Bound("NumPy as in the article", 10),
        ),
    )


def test_recall_of_784_cells_and_256_probes(benchmark):
    one_each(benchmark, race)
