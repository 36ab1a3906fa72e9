"""What the lessons of Metropolis–Hastings and of Langevin dynamics claim."""

from __future__ import annotations

import math

import numpy as np
from lesson_claims import REGISTRY, acceptance, changed, claim, is_close, variation

from ebm_plugins import Run, run
from ebm_plugins.verdict import compare

# --- Metropolis–Hastings ---------------------------------------------------------------------------------


@claim("metropolis-hastings.a-crowd-learns-the-odds")
def _(made: Run) -> None:
    assert made.truth is not None
    assert np.allclose([w.share for w in made.truth.wells], (0.44, 0.33, 0.23), atol=0.005)
    is_close(made)
    assert 0.4 < acceptance(made) < 0.65


@claim("metropolis-hastings.let-the-scale-tune-itself")
def _(made: Run) -> None:
    rate = made.sampling.metrics["acceptance"]
    assert rate[0] < 0.05
    assert 0.25 < np.mean(rate[150:]) < 0.45
    is_close(made)


@claim("metropolis-hastings.cross-a-barrier-with-hot-copies")
def _(made: Run) -> None:
    assert (made.sampling.frames[0][:, 0] < 0).all()
    assert abs(np.mean(made.sampling.last[:, 0] > 0) - 0.5) < 0.1
    is_close(made)


@claim("metropolis-hastings.too-timid")
def _(made: Run) -> None:
    assert acceptance(made) > 0.97
    found = compare(made)
    assert found is not None
    assert found.errors > 5
    assert made.verdict is not None
    assert made.verdict.status == "bad"


@claim("metropolis-hastings.too-bold")
def _(made: Run) -> None:
    assert 0.003 < acceptance(made) < 0.01
    assert made.verdict is not None
    assert made.verdict.head == "Has not mixed."
    is_close(run(changed(made.spec, {}, {"steps": 6000, "every": 20}), REGISTRY))


@claim("metropolis-hastings.cold-and-caught-in-one-well")
def _(made: Run) -> None:
    assert made.truth is not None
    assert np.allclose([w.share for w in made.truth.wells], 0.5, atol=0.01)
    assert np.mean(made.sampling.last[:, 0] > 0) < 1 / 6
    assert made.target.temperature == 0.5
    barrier = np.diff(made.target.energy(np.array([[-1.5, 0.0], [0.0, 0.0]])))[0]  # in units of T
    assert math.isclose(barrier, 6, rel_tol=1e-6)


@claim("metropolis-hastings.a-lopsided-proposal-not-corrected")
def _(made: Run) -> None:
    distance, floor = variation(made)
    assert distance > 2 * floor[2]
    assert made.verdict is not None
    assert made.verdict.head == "Biased."
    whole = run(changed(made.spec, {}, {"correction": True}), REGISTRY)
    is_close(whole)


@claim("metropolis-hastings.wells-without-walls")
def _(made: Run) -> None:
    _no_walls(made)


# --- Langevin --------------------------------------------------------------------------------------------


@claim("langevin.downhill-with-kicks")
def _(made: Run) -> None:
    is_close(made)


@claim("langevin.accept-or-refuse")
def _(made: Run) -> None:
    assert made.spec.sample["step_size"] == 0.6
    assert 0.65 < acceptance(made) < 0.85
    is_close(made)


@claim("langevin.momentum-round-the-ring")
def _(made: Run) -> None:
    is_close(made)


@claim("langevin.too-large-a-step-a-bias")
def _(made: Run) -> None:
    found = compare(made)
    assert found is not None
    assert found.errors > 5
    assert made.verdict is not None
    assert made.verdict.head == "Biased."  # said only where more steps would change nothing


@claim("langevin.too-large-a-step-it-diverges")
def _(made: Run) -> None:
    assert made.sampling.diverged is not None
    assert 2 <= made.sampling.diverged <= 8
    assert np.isfinite(made.sampling.last).all()


@claim("langevin.wells-without-walls")
def _(made: Run) -> None:
    _no_walls(made)
    centres = made.params["centres"]
    far = np.linalg.norm(made.sampling.last[:, None] - centres, axis=2).min(axis=1)
    assert np.mean(far < 1.5) < 1 / 8


def _no_walls(made: Run) -> None:
    """exp(−E) is 1 far out, the program says that there is no exact answer, and the crowd spreads all the time."""
    assert made.truth is not None
    assert made.truth.kind == "none"
    far = np.array([[1e3, 0.0], [0.0, -1e4]])
    assert np.allclose(made.target.energy(far), 0)
    spread = [float(np.mean((f**2).sum(axis=1))) for f in made.sampling.frames]
    parts = [np.mean(part) for part in np.array_split(spread, 4)]
    assert parts == sorted(parts)
