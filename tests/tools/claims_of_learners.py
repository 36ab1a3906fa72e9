"""What the lessons of denoising score matching and of InfoNCE claim."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from lesson_claims import REGISTRY, changed, claim

from ebm_plugins import Run, run
from ebm_plugins.families import dsm_losses, dsm_model

# --- Denoising score matching ----------------------------------------------------------------------------


def _clumps(made: Run) -> tuple[Any, Any]:
    density = dsm_losses.closed_form(made.data)
    assert density is not None
    return density, np.asarray(density.means)


def _share_of_clumps(x: Any, weights: Any, centres: Any) -> Any:
    nearest = np.linalg.norm(x[:, None] - centres, axis=2).argmin(axis=1)
    return np.bincount(nearest, weights, len(centres)) / np.sum(weights)


def _near_data(made: Run) -> float:
    gaps = np.linalg.norm(made.sampling.last[:, None] - made.data.x[None], axis=2).min(axis=1)
    return float(np.mean(gaps < 0.3))


@claim("dsm.from-noise-to-data")
def _(made: Run) -> None:
    assert _near_data(made) > 0.95
    shares = _share_of_clumps(made.sampling.last, np.ones(len(made.sampling.last)), _clumps(made)[1])
    assert ((shares > 1 / 16) & (shares < 1 / 4)).all()


@claim("dsm.the-same-start-the-same-end")
def _(made: Run) -> None:
    assert len(made.sampling.last) == 50
    assert np.ptp(made.sampling.last, axis=0).max() < 1e-6
    assert np.abs(made.sampling.last[0] - made.sampling.frames[0][0]).max() > 0.1
    other = run(changed(made.spec, {}, {"method": "annealed"}), REGISTRY)
    assert np.ptp(other.sampling.last, axis=0).max() > 1


@claim("dsm.arrows-without-an-energy")
def _(made: Run) -> None:
    assert made.truth is not None
    assert made.truth.kind == "none"
    places = made.data.x[:200]
    turning = np.abs(dsm_model.curl(made.params, places, 0.5)).mean()
    energy = run(changed(made.spec, {"model": "energy", "steps": 100}), REGISTRY)
    assert turning > 0.01
    assert np.abs(dsm_model.curl(energy.params, places, 0.5)).mean() < turning / 100


@claim("dsm.where-there-are-no-data")
def _(made: Run) -> None:
    assert _near_data(made) < 0.5
    density, _ = _clumps(made)
    sigma = float(made.params["sigmas"][-1])
    taught, untaught = made.data.x[:300], made.sampling.frames[0]
    untaught = untaught[np.linalg.norm(untaught[:, None] - made.data.x[None], axis=2).min(axis=1) > 0.5]
    assert len(untaught) > 50
    off = [
        np.sqrt(np.mean((dsm_model.score(made.params, x, sigma) - density.score(x, sigma)) ** 2))
        for x in (taught, untaught)
    ]
    assert off[1] > 10 * off[0], off


@claim("dsm.how-much-each-clump-weighs-is-lost")
def _(made: Run) -> None:
    centres = _clumps(made)[1]
    data = _share_of_clumps(made.data.x, np.ones(len(made.data.x)), centres)
    assert 0.105 < data.min() < data.max() < 0.145
    line = np.linspace(-2.6, 2.6, 521)
    places = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    energies = made.target.energy(places)
    learned = _share_of_clumps(places, np.exp(energies.min() - energies), centres)
    assert learned.max() > 1.5 * learned.min()


# --- InfoNCE ---------------------------------------------------------------------------------------------


def _held(made: Run, name: str) -> float:
    return float(made.training.metrics[f"held_out_{name}"][-1])


@claim("infonce.give-digits-their-names")
def _(made: Run) -> None:
    assert _held(made, "zero_shot") > 0.9
    assert len(made.params["bank_keys"]) == 10


@claim("infonce.retrieve-in-the-cold")
def _(made: Run) -> None:
    assert _at_nearest(made) > 0.95
    warm = run(changed(made.spec, {}, {"temperature": 20.0}), REGISTRY)
    assert _at_nearest(warm) < 0.1


@claim("infonce.a-bound-below-the-truth")
def _(made: Run) -> None:
    truth = -2.5 * math.log(1 - 0.9**2)
    assert math.isclose(truth, 4.152, abs_tol=0.001)
    bounds = made.training.metrics["held_out_bound"]
    assert 3.0 < bounds[-1] < 3.5
    assert bounds.max() < min(truth, math.log(64))


@claim("infonce.stuck-at-log-k")
def _(made: Run) -> None:
    bound = _held(made, "bound")
    assert math.isclose(bound, math.log(64), rel_tol=0.01)
    assert bound <= math.log(64)
    assert _held(made, "matched") == 1
    assert (
        len(np.unique(made.data.x, axis=0)) == 1300
    )  # a copy of a row drawn from them tells which: log 1300 nats
    assert math.log(1300) > 1.7 * bound


@claim("infonce.perfectly-aligned-and-useless")
def _(made: Run) -> None:
    usual = run(changed(made.spec, {"dropped": 0.1, "noise": 0.1}), REGISTRY)
    assert _held(made, "alignment") < _held(usual, "alignment") / 2
    assert _held(made, "matched") < 3 / 64
    assert _held(usual, "matched") > 0.25
    assert _held(made, "uniformity") > -0.5 > -2 > _held(usual, "uniformity")


@claim("infonce.too-warm-to-tell")
def _(made: Run) -> None:
    assert float(made.params["temperature"][0]) == pytest.approx(10)
    assert 0 < _held(made, "bound") < 0.2
    usual = run(changed(made.spec, {"temperature": 0.1}), REGISTRY)
    assert _held(usual, "bound") > 1.5


def _at_nearest(made: Run) -> float:
    """Share of the last states whose key is the one of least energy for their query."""
    cut = made.params["bank_queries"].shape[1]
    last = made.sampling.last
    keys = made.params["bank_keys"]
    least = np.full(len(last), np.inf)
    for key in keys:
        pairs = np.hstack([last[:, :cut], np.tile(key, (len(last), 1))])
        least = np.minimum(least, made.target.energy(pairs))
    return float(np.mean(made.target.energy(last) <= least + 1e-6))
