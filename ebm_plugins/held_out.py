r"""What a trained model says of rows that it has not learned from, and how far its samples are from them.

The mean held-out log-likelihood, in nats a row, is $-\overline{E(x)}/T - \log Z$ over the held-out rows; it is known as
well as log Z is. The energy distance (Székely, Rizzo 2013) of samples X from rows Y needs neither energy nor Z:
$2\,\mathrm E|X - Y| - \mathrm E|X - X'| - \mathrm E|Y - Y'|$, which is 0 where both are of one distribution.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from ebm_plugins.records import Array, Run

DRAWS = 200  # of as many learned rows as there are samples
ROWS = 1000  # of each side of a distance, so that it costs no more than a second
OUT = re.compile(r"held[ _-]?out|\btest[ _-]", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Score:
    """A number with its standard error over the rows, between ``low`` and ``high`` by what is known of log Z (equal
    where that is exact), and ``how`` it is known. Where it is not defined ``value`` is NaN and ``reason`` says why."""

    value: float = math.nan
    error: float = 0.0
    low: float = math.nan
    high: float = math.nan
    how: str = ""
    reason: str = ""

    @property
    def known(self) -> bool:
        """Whether there is a number."""
        return math.isfinite(self.value)


@dataclass(frozen=True, kw_only=True)
class Held:
    """All of it: ``own`` is what training itself says, ``independent`` the log-likelihood of a model of independent
    coordinates, for scale."""

    log_likelihood: Score
    energy_gap: Score
    distance: Score
    floor: float
    own: tuple[tuple[str, float], ...]
    independent: float


def of(run: Run) -> Held:
    """Everything that this module measures of a finished run. Made where the run is, never while a page is drawn."""
    apart, floor = distance(run)
    return Held(
        log_likelihood=log_likelihood(run),
        energy_gap=energy_gap(run),
        distance=apart,
        floor=floor,
        own=tuple(own_words(run)),
        independent=independent(run),
    )


def rows_of(run: Run) -> tuple[Array, str]:
    """The held-out rows (m, dim) as states of this run, or none and the reason."""
    test = run.data.test_x
    none = np.empty((0, run.space.dim))
    if test is None or not len(test):
        return none, "nothing is held out of these data"
    if run.free is not None:
        return none, "some coordinates are given"
    rows = np.asarray(test, dtype=float)
    if rows.shape[1] != run.space.dim or not run.space.contains(rows).all():
        return none, f"its states are {run.space.describe()}, not rows of these data"
    return rows, ""


def log_likelihood(run: Run) -> Score:
    """Mean log-likelihood of the held-out rows, in nats a row."""
    rows, reason = rows_of(run)
    if reason:
        return Score(reason=reason)
    energies = _energies(run, rows)
    if np.isnan(energies).all():
        return Score(reason="this model has a gradient and no energy")
    truth = run.truth
    if truth is None or not math.isfinite(truth.log_partition):
        said = truth.reason if truth is not None else ""
        if truth is not None and truth.kind == "support":
            said = "each start has a Z of its own, over the states that it can reach"
        return Score(reason=said.rstrip(".") or "log Z is not known")
    value = -float(energies.mean()) - truth.log_partition
    if not math.isfinite(value):
        return Score(reason="some held-out row has no finite energy")
    low, high = (
        value + truth.log_partition - z if math.isfinite(z) else value for z in (truth.upper, truth.lower)
    )
    return Score(
        value=value,
        error=math.hypot(_error(energies), truth.standard_error),
        low=min(low, value) if truth.kind == "bracket" else value,
        high=max(high, value) if truth.kind == "bracket" else value,
        how=HOW.get(truth.kind, truth.kind),
    )


HOW = {
    "closed form": "exact log Z",
    "enumeration": "exact log Z",
    "support": "exact log Z",
    "quadrature": "log Z by quadrature",
    "bracket": "log Z by AIS",
}


def energy_gap(run: Run) -> Score:
    """Mean energy of the held-out rows less that of the learned ones, in units of T: log Z cancels. Near 0 is good; well
    above it, the rows were learned by heart."""
    rows, reason = rows_of(run)
    learned = np.asarray(run.data.x, dtype=float)
    if not reason and not len(learned):
        reason = "there are no rows to learn from"
    if reason:
        return Score(reason=reason)
    out, within = _energies(run, rows), _energies(run, learned)
    value = float(out.mean() - within.mean())
    if not math.isfinite(value):
        return Score(reason="this model has a gradient and no energy")
    return Score(
        value=value, error=math.hypot(_error(out), _error(within)), low=value, high=value, how="no log Z"
    )


def distance(run: Run) -> tuple[Score, float]:
    """Energy distance of the last states from the held-out rows, and its floor: what as many learned rows, taken at
    random, stay below in 97.5 of 100 cases."""
    rows, reason = rows_of(run)
    states = np.asarray(run.sampling.last, dtype=float)
    states = states[np.isfinite(states).all(axis=1)]
    if not reason and min(len(states), len(rows)) < 2:
        reason = "a distance needs two rows of each"
    if reason:
        return Score(reason=reason), math.nan
    rows, states = _some(rows, ROWS), _some(states, ROWS)
    value = energy_distance(states, rows)
    floor = _floor(_some(np.asarray(run.data.x, dtype=float), ROWS), rows, len(states))
    return Score(value=value, low=value, high=value, how="of samples from held-out rows"), floor


def _floor(learned: Array, rows: Array, n: int) -> float:
    """The 97.5 % quantile of the energy distance of n of the learned rows, drawn with return, from the held-out ones."""
    if len(learned) < 2 or len(rows) < 2:
        return math.nan
    across, within = _apart(learned, rows).mean(axis=1), _apart(learned, learned)
    held = _apart(rows, rows).sum() / (len(rows) * (len(rows) - 1))
    rng = np.random.default_rng(20_260_101)
    found = []
    for _ in range(DRAWS):
        chosen = rng.integers(0, len(learned), n)
        among = within[np.ix_(chosen, chosen)].sum() / (n * (n - 1))
        found.append(2.0 * across[chosen].mean() - among - held)
    return float(np.quantile(found, 0.975))


def energy_distance(x: Array, y: Array) -> float:
    """2 E|x − y| − E|x − x′| − E|y − y′| of rows x (n, d) and y (m, d), n, m ≥ 2, each pair of different rows once
    (unbiased, so that it may fall a little below 0)."""
    within = sum(_apart(part, part).sum() / (len(part) * (len(part) - 1)) for part in (x, y))
    return float(2.0 * _apart(x, y).mean() - within)


def own_words(run: Run) -> list[tuple[str, float]]:
    """What training itself last reported of held-out rows: the metrics that say so by their name."""
    found = [(name, np.asarray(values, dtype=float)) for name, values in run.training.metrics.items()]
    return [(name, float(v[-1])) for name, v in found if OUT.search(name) and len(v) and math.isfinite(v[-1])]


def independent(run: Run) -> float:
    """Mean held-out log-likelihood, in nats a row, of a model whose coordinates know nothing of each other, fitted to
    the learned rows: a share for each cell (with one count of each kind added), a normal for each number. NaN where
    there are no such rows."""
    rows, reason = rows_of(run)
    x = np.asarray(run.data.x, dtype=float)
    if reason or len(x) < 2:
        return math.nan
    if run.space.discrete:
        p = (x.sum(axis=0) + 1.0) / (len(x) + 2.0)
        return float((rows * np.log(p) + (1.0 - rows) * np.log(1.0 - p)).sum(axis=1).mean())
    mean, variance = x.mean(axis=0), x.var(axis=0)
    if not (variance > 0).all():
        return math.nan
    z = (rows - mean) ** 2 / variance + np.log(2.0 * math.pi * variance)
    return float(-0.5 * z.sum(axis=1).mean())


def _energies(run: Run, rows: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(run.target.energy(rows), dtype=float)


def _error(values: Array) -> float:
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else 0.0


def _some(rows: Array, most: int) -> Array:
    """At most so many rows, evenly spaced."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int))]


def _apart(x: Array, y: Array) -> Array:
    squared = (x * x).sum(axis=1)[:, None] + (y * y).sum(axis=1)[None, :] - 2.0 * x @ y.T
    apart = np.sqrt(np.maximum(squared, 0.0))
    if x is y:
        np.fill_diagonal(apart, 0.0)
    return np.asarray(apart)


__all__ = [
    "Held", "Score", "distance", "energy_distance", "energy_gap", "independent", "log_likelihood", "of", "own_words", "rows_of",
]  # fmt: skip
