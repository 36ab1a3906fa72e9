"""Whether a run has come to rest as a crowd: what tells a wrong answer from one that is not there yet.

A run that misses the truth is *biased* only when more of it would change nothing, which three things show. The crowd
does not move: each chain's mean over the middle third of the frames against that over the last (chains are
independent, so the mean difference over its standard error is a z, whatever the autocorrelation). It has forgotten:
either R-hat is settled, or where a chain is now says little of where it will be a third of the run later; if a
quarter of that is left, (1/4)³ < 2 % is left of the start. And each well that should be seen is.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ebm_plugins import minima, moments
from ebm_plugins.records import Array, Run

State = Literal["settled", "moving", "apart", "unknown"]
AGREE = 1.05  # R-hat above which single chains do not see the whole
CROWD = 50  # chains that make a crowd
DRIFT = (
    4.0  # standard errors between the thirds: with 2 dim + 1 features false in under 1 of 100 up to dim 64
)
MEMORY = 0.25  # correlation that may be left after a third of the run, beside two standard errors
SEEN = 5.0  # chains of a crowd that a well holds, and that it does not, to say anything of it
LONG = 20  # steps after which a chain that never moved is stuck: at one acceptance in four, 3 of 1,000 are by chance
MOST_FRAMES = 12  # of each third


def state(run: Run) -> State:
    """``settled``: more steps change nothing. ``moving``: the crowd is on its way. ``apart``: chains keep to where
    they are. ``unknown``: too little was seen to tell."""
    if run.exactness == "exact":
        return "settled"
    if not run.stationary:  # every frame but the last is meant to be something else
        return "settled" if run.sampling.finished else "moving"
    traces = np.asarray(run.sampling.traces, dtype=float)
    rhat = run.report.rhat if run.report is not None else float("nan")
    middle, last = _thirds(run)
    if len(last) and drift(run, middle, last) > DRIFT:
        return "moving"
    late = traces[(len(traces) + 1) // 2 :]
    if len(late) >= 4 and bool((late == late[0]).all()):
        return "apart"
    left = memory(run, middle, last)
    if rhat <= AGREE or left <= MEMORY + 2.0 / np.sqrt(max(1, last.shape[1])):
        return "settled" if _seen(run, middle, last) else "apart"
    return "unknown" if np.isnan(rhat) and np.isnan(left) else "apart"


def standing(run: Run) -> NDArray[np.bool_]:
    """(m,) which of the kept states have never left where they began, in a space where a move cannot end where it
    began by chance; none are named in a run of fewer than :data:`LONG` steps."""
    frames = np.asarray(run.sampling.frames)
    frames = frames if run.free is None else frames[:, :, run.free]
    steps = moments.reached(run.configs.sample, len(run.sampling.traces) - 1)
    if run.space.discrete or steps < LONG or len(frames) < 2:
        return np.zeros(frames.shape[1], dtype=bool)
    return np.asarray((frames[1:] == frames[0]).all(axis=(0, 2)))


def drift(run: Run, middle: Array, last: Array) -> float:
    """The largest absolute z of the mean paired difference between the thirds (f, m, dim) over m chains, of the
    coordinates, their squares and the energy; NaN where nothing varies."""
    before, after = _features(run, middle).mean(axis=0), _features(run, last).mean(axis=0)
    difference = after - before
    spread = difference.std(axis=0, ddof=1) / np.sqrt(len(difference))
    varied = spread > 0
    if not varied.any():
        return float("nan")
    return float(np.abs(difference.mean(axis=0)[varied] / spread[varied]).max())


def memory(run: Run, middle: Array, last: Array) -> float:
    """The largest correlation over the chains between a place in the middle third and the same place in the last,
    of the coordinates, the energy and the wells; NaN where nothing varies or there is no crowd."""
    if not len(last):
        return float("nan")
    dim = middle.shape[2]
    keep = [*range(dim), 2 * dim]
    before, after = (
        np.concatenate([_features(run, x)[..., keep], _wells(run, x)], axis=2) for x in (middle, last)
    )
    before, after = before - before.mean(axis=1, keepdims=True), after - after.mean(axis=1, keepdims=True)
    norm = np.sqrt((before**2).sum(axis=(0, 1)) * (after**2).sum(axis=(0, 1)))
    varied = norm > 1e-12
    if not varied.any():
        return float("nan")
    return float(np.abs((before * after).sum(axis=(0, 1))[varied] / norm[varied]).max())


def _thirds(run: Run) -> tuple[Array, Array]:
    """(f, m, free dim) frames of the middle third and as many of the last, a third of the run apart; none without a
    crowd or three frames."""
    frames = np.asarray(run.sampling.frames, dtype=float)
    frames = frames if run.free is None else frames[:, :, run.free]
    third = (len(frames) - 1) // 3
    if frames.shape[1] < CROWD or not third or not np.isfinite(frames).all():
        return np.empty((0, 0, 0)), np.empty((0, 0, 0))
    at = np.unique(
        np.linspace(len(frames) - third, len(frames) - 1, min(third, MOST_FRAMES)).round().astype(int)
    )
    return frames[at - third], frames[at]


def _features(run: Run, x: Array) -> Array:
    """(f, m, 2 dim + 1) of frames (f, m, dim): coordinates, their squares, the energy."""
    flat = x.reshape(-1, x.shape[2])
    with np.errstate(all="ignore"):
        energy = np.asarray(run.target.energy(flat), dtype=float)
    energy = np.where(np.isfinite(energy), energy, 0.0).reshape(*x.shape[:2], 1)
    return np.concatenate([x, x**2, energy], axis=2)


def _wells(run: Run, x: Array) -> Array:
    """(f, m, w) which well each state of frames (f, m, dim) is in, of those that should hold enough to tell."""
    truth = run.truth
    if truth is None or truth.well_centres is None or truth.well_shares is None:
        return np.empty((*x.shape[:2], 0))
    expected = np.minimum(truth.well_shares, 1 - truth.well_shares) * x.shape[1]
    nearest = minima.nearest(x.reshape(-1, x.shape[2]), truth.well_centres).reshape(x.shape[:2])
    return (nearest[..., None] == np.flatnonzero(expected >= SEEN)).astype(float)


def _seen(run: Run, middle: Array, last: Array) -> bool:
    """Whether each well that should hold some of the crowd does, and not all; of few chains, whether any was there."""
    if not len(last):
        traces = np.asarray(run.sampling.traces, dtype=float)
        traces = traces if run.free is None else traces[:, :, run.free]
        late = traces[len(traces) // 3 :].reshape(-1, traces.shape[2])
        return run.truth is None or bool((run.truth.shares(late) > 0).all())
    for third in (middle, last):
        held = _wells(run, third).sum(axis=1).mean(axis=0)
        if (np.minimum(held, third.shape[1] - held) < SEEN).any():
            return False
    return True


__all__ = ["State", "drift", "memory", "standing", "state"]
