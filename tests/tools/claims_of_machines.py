"""What the lessons of the Hopfield network and of the RBM claim."""

from __future__ import annotations

import math

import numpy as np
from lesson_claims import REGISTRY, changed, claim, halves, is_close, mean_energy, spins, started, variation

from ebm_plugins import Run, run, starts
from ebm_plugins.families.hopfield_lessons import CROWDED

# --- Hopfield --------------------------------------------------------------------------------------------


@claim("hopfield.mend-a-spoilt-picture")
def _(made: Run) -> None:
    bar = made.data.x[0]
    assert (made.sampling.frames[0][0] != bar).sum() == 12
    assert (made.sampling.last[0] == bar).all()
    assert (np.diff(made.sampling.energies[:, 0]) <= 1e-9).all()


@claim("hopfield.give-half-get-the-whole")
def _(made: Run) -> None:
    assert made.free is not None
    assert made.free.sum() == 32
    assert (made.sampling.frames[:, 0][:, ~made.free] == made.data.x[0][~made.free]).all()
    assert (made.sampling.frames[0][0] != made.data.x[0]).any()
    assert (made.sampling.last[0] == made.data.x[0]).all()


@claim("hopfield.warm-memories")
def _(made: Run) -> None:
    assert made.exactness != "descent"
    is_close(made)


@claim("hopfield.past-capacity")
def _(made: Run) -> None:
    """With 24 patterns none stays; with 4 of the same all do, and so they do under a dense energy."""
    assert 24 > 0.138 * 64
    overlaps = (spins(made.sampling.last) * spins(made.data.x)).mean(axis=1)
    assert (overlaps < 1).all()
    assert overlaps.mean() < 0.75
    few = run(changed(CROWDED, {"count": 4}), REGISTRY)
    assert (few.sampling.last[:4] == few.data.x[:4]).all()
    dense = run(changed(CROWDED, {"rule": "dense-exponential"}), REGISTRY)
    assert (dense.sampling.last == dense.data.x).all()


@claim("hopfield.three-patterns-that-overlap")
def _(made: Run) -> None:
    s = spins(made.data.x)
    off = np.abs(s @ s.T)[np.triu_indices(3, 1)]
    assert sorted(off.tolist()) == [32.0, 32.0, 36.0]
    assert all((made.sampling.last[0] != row).any() for row in made.data.x)
    hebb = s.T @ s / 64
    np.fill_diagonal(hebb, 0)
    assert all((spins(x) * (hebb @ spins(x)) < 0).any() for x in made.data.x)  # none of them rests


@claim("hopfield.all-cells-at-once")
def _(made: Run) -> None:
    path = made.sampling.frames[:, 0]
    assert len(path) > 6
    assert (path[-1] == path[-3]).all()
    assert (path[-1] != path[-2]).any()
    assert made.verdict is not None
    assert made.verdict.head == "Caught in a 2-cycle."


# --- RBM -------------------------------------------------------------------------------------------------


@claim("rbm.learn-bars-and-stripes")
def _(made: Run) -> None:
    best = -math.log(14)
    assert best - 0.1 < made.training.metrics["log_likelihood"][-1] <= best
    rows = {tuple(row) for row in made.data.x}
    assert len(rows) == 14
    assert np.mean([tuple(x) in rows for x in made.sampling.last]) > 0.9


@claim("rbm.draw-two-lost-rows-of-a-digit")
def _(made: Run) -> None:
    assert made.free is not None
    assert made.free.sum() == 16
    assert (made.sampling.last[:, ~made.free] == made.sampling.frames[0][0][~made.free]).all()
    is_close(made)


@claim("rbm.heat-the-machine")
def _(made: Run) -> None:
    assert made.truth is not None
    is_close(made)
    cool = run(changed(made.spec, {}, {"temperature": 1.0}), REGISTRY)
    assert cool.truth is not None
    assert made.truth.mean_energy > cool.truth.mean_energy + 2
    assert abs(mean_energy(made) - made.truth.mean_energy) < 0.5


@claim("rbm.error-falls-likelihood-falls")
def _(made: Run) -> None:
    metrics = made.training.metrics
    likelihood, error = metrics["log_likelihood"], metrics["reconstruction_error"]
    peak = int(np.argmax(likelihood))
    assert likelihood[peak] - 0.4 > np.mean(likelihood[-10:])
    assert np.mean(error[max(0, peak - 4) : peak + 5]) > 5 * np.mean(error[-10:])


@claim("rbm.chains-that-follow-too-slowly")
def _(made: Run) -> None:
    likelihood = made.training.metrics["log_likelihood"]
    peak = int(np.argmax(likelihood))
    assert peak < len(likelihood) // 4
    coins = -9 * math.log(2)
    middle, last = halves(likelihood)
    assert likelihood[peak] > coins > max(middle, last) + 2
    assert made.training.metrics["reconstruction_error"][-1] < 0.05
    assert made.verdict is not None
    assert "Try PCD" not in made.verdict.text  # these are persistent chains


@claim("rbm.stuck-in-one-dream")
def _(made: Run) -> None:
    distance, floor = variation(made)
    assert distance > 3 * floor[2]
    assert (
        made.training.metrics["log_likelihood"][-1] > -math.log(3) - 0.1
    )  # three different rows: all is learned
    for mended in (
        changed(made.spec, {}, {"method": "tempering", "steps": 200}),
        started(made.spec, starts.Noise(n=300)),
    ):
        again = run(mended, REGISTRY)
        is_close(again)


@claim("rbm.too-cold-to-move")
def _(made: Run) -> None:
    first = made.sampling.frames[0][0]
    stayed = np.mean((made.sampling.last == first).all(axis=1))
    assert stayed > 0.9
    assert made.truth is not None
    distance, floor = variation(made)
    assert distance > 3 * floor[2]
    every = (np.arange(64)[:, None] >> np.arange(6)) & 1
    weights = np.exp(-made.target.energy(every.astype(float)))
    assert weights[(every == first).all(axis=1)].sum() / weights.sum() < 0.5
