r"""How well chains have mixed, over arviz-stats: effective draws, R-hat, Monte-Carlo error, autocorrelation.

Traces are (draws, chains) or (draws, chains, dim). The effective number of draws is the bulk ESS of
rank-normalised, split chains; for AR(1) with coefficient φ it is n(1 − φ)/(1 + φ). R-hat compares the spread
between chains with that within; well above 1.01 means that they do not agree.

Source: Vehtari, Gelman, Simpson, Carpenter, Bürkner 2021.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ebm_plugins.records import Array

MAX_CHAINS = 64
MAX_DRAWS = 2000
MAX_COORDINATES = 16
MAX_VALUES = 1_000_000  # chains × draws × coordinates looked at
LAGS = 50


@dataclass(frozen=True, eq=False, kw_only=True)
class Report:
    """The diagnostics of the second half of a run; NaN is 'not known', and R-hat is infinite for stuck chains.

    ``ess`` is the least over the coordinates and the energy, ``rhat`` the largest; ``worst`` says where:
    a coordinate's number, or −1 for the energy. ``ess_per_draw`` is ``ess`` over ``draws × chains``, the draws that
    were looked at. ``mean_energy``, its Monte-Carlo error ``energy_mcse`` and its effective draws ``energy_ess``
    are of the energies as they were given. ``autocorrelation`` (lags,) from lag 0 is the worst place's.
    """

    ess: float
    ess_per_draw: float
    rhat: float
    draws: int
    chains: int
    acceptance: float
    autocorrelation: Array
    worst: int
    mean_energy: float
    energy_mcse: float
    energy_ess: float


def ess(traces: Array) -> Array:
    """Bulk effective number of draws of each coordinate: () for traces (draws, chains), (dim,) for
    (draws, chains, dim). NaN for NaN, for constant traces, and for fewer than four draws."""
    return _each(traces, _ess)


def rhat(traces: Array) -> Array:
    """Rank-normalised split R-hat of each coordinate; infinite when every chain stands still elsewhere, NaN when
    all are constant together. One chain is compared half against half."""
    return _each(traces, _rhat)


def mcse(traces: Array) -> Array:
    """Monte-Carlo standard error of the mean of each coordinate; NaN as in :func:`ess`."""
    return _each(traces, _mcse)


def autocorrelation(trace: Array, lags: int = LAGS) -> Array:
    """(lags + 1,) autocorrelation of one trace (draws, chains) about the mean of all chains, from lag 0 on; fewer
    for short traces, empty when there is none."""
    x = np.asarray(trace, dtype=float)
    if x.ndim == 1:
        x = x[:, None]
    if not x.size or not np.isfinite(x).all():
        return np.empty(0)
    x = x - x.mean()
    variance = float((x * x).mean())
    if variance <= 1e-24:
        return np.empty(0)
    most = min(lags, len(x) - 2)
    return np.array([float((x[: len(x) - k] * x[k:]).mean()) / variance for k in range(most + 1)])


def acceptance(metrics: Mapping[str, Array]) -> float:
    """Mean of the metric ``acceptance`` over the second half of the run; NaN where it is not reported."""
    values = np.asarray(metrics.get("acceptance", ()), dtype=float).ravel()
    values = values[len(values) // 2 :]
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else float("nan")


def report(traces: Array, energies: Array, metrics: Mapping[str, Any]) -> Report:
    """The report of ``traces`` (s + 1, c, dim) and ``energies`` (s + 1, c): their second half, at most 64 chains,
    2,000 draws and 16 coordinates of it. Never raises for short, constant or non-finite traces."""
    x = np.asarray(traces, dtype=float)
    x = x[:, :, None] if x.ndim == 2 else x
    e = np.asarray(energies, dtype=float)
    x = np.zeros((0, 0, 0)) if x.ndim != 3 else x[(len(x) + 1) // 2 :, :MAX_CHAINS]
    e = np.zeros((0, 0)) if e.ndim != 2 else e[(len(e) + 1) // 2 :, :MAX_CHAINS]
    columns = np.unique(np.linspace(0, max(x.shape[2] - 1, 0), MAX_COORDINATES).round().astype(int))
    columns = columns[columns < x.shape[2]]
    most = max(4, min(MAX_DRAWS, MAX_VALUES // max(1, x.shape[1] * (len(columns) + 1))))
    rows = np.unique(np.linspace(0, max(len(x) - 1, 0), min(len(x), most)).round().astype(int))
    x, e = x[rows][:, :, columns], e[rows[rows < len(e)]]
    draws, chains = x.shape[0], x.shape[1]
    places = [*(int(c) for c in columns), -1]
    all_ess = np.append(np.atleast_1d(ess(x)), ess(e))
    all_rhat = np.append(np.atleast_1d(rhat(x)), rhat(e))
    broken = bool(x.size) and not np.isfinite(x).all()
    worst = _worst(all_ess, all_rhat)
    known = all_ess[np.isfinite(all_ess)]
    least = float("nan") if broken or not len(known) else float(known.min())
    spread = all_rhat[~np.isnan(all_rhat)]
    trace = np.empty((0, 0)) if worst < 0 else e if places[worst] == -1 else x[:, :, worst]
    return Report(
        ess=least,
        ess_per_draw=least / (draws * chains) if draws * chains else float("nan"),
        rhat=float(spread.max()) if len(spread) and not broken else float("nan"),
        draws=draws,
        chains=chains,
        acceptance=acceptance(metrics),
        autocorrelation=autocorrelation(trace),
        worst=places[worst] if worst >= 0 else -1,
        mean_energy=float(e.mean()) if e.size and np.isfinite(e).all() else float("nan"),
        energy_mcse=float(mcse(e)),
        energy_ess=float(all_ess[-1]),
    )


def of_the_end(found: Report, energies: Array) -> Report:
    """The report without what only draws of one density along a chain have: effective draws, R-hat, autocorrelation.

    ``energies`` (1, c) are those of the last states, independent of each other. For kernels whose target changes on
    the way, such as a ladder of noise.
    """
    last = np.asarray(energies, dtype=float).ravel()
    known = len(last) > 0 and bool(np.isfinite(last).all())
    nan = float("nan")
    return replace(
        found, ess=nan, ess_per_draw=nan, rhat=nan, autocorrelation=np.empty(0), worst=-1, draws=1,
        mean_energy=float(last.mean()) if known else nan,
        energy_mcse=float(last.std(ddof=1) / np.sqrt(len(last))) if known and len(last) > 1 else nan,
        energy_ess=float(len(last)) if known else nan,
    )  # fmt: skip


def _worst(all_ess: Array, all_rhat: Array) -> int:
    """Where R-hat is largest when any is well above 1.01, else where the fewest draws are effective; −1 unknown."""
    if (all_rhat > 1.05).any():
        return int(np.nanargmax(all_rhat))
    return int(np.nanargmin(all_ess)) if np.isfinite(all_ess).any() else -1


def _each(traces: Array, function: Callable[[Array], float]) -> Array:
    x = np.asarray(traces, dtype=float)
    if x.ndim == 2:
        return np.asarray(function(x.T))
    return np.array([function(x[:, :, i].T) for i in range(x.shape[2])])


def _usable(x: Array) -> bool:
    """Whether chains (chains, draws) say anything: four finite draws that are not all the same."""
    return x.shape[0] >= 1 and x.shape[1] >= 4 and bool(np.isfinite(x).all()) and not _constant(x)


def _constant(x: Array) -> bool:
    return float(np.ptp(x)) <= 1e-12 * max(1.0, float(np.abs(x).max()))


def _ess(x: Array) -> float:
    return _quietly("ess", x) if _usable(x) else float("nan")


def _mcse(x: Array) -> float:
    return _quietly("mcse", x) if _usable(x) else float("nan")


def _rhat(x: Array) -> float:
    if not _usable(x):
        return float("nan")
    if all(_constant(chain) for chain in x):
        return float("inf")
    if len(x) == 1:
        half = x.shape[1] // 2
        x = np.stack([x[0, :half], x[0, -half:]])
        if half < 4:
            return float("nan")
    return _quietly("rhat", x)


def _quietly(name: str, x: Array) -> float:
    """One of arviz-stats' array functions of chains (chains, draws), without its remarks on short traces."""
    logging.getLogger("arviz_stats").setLevel(logging.ERROR)
    from arviz_stats.base import array_stats

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return float(getattr(array_stats, name)(x, chain_axis=0, draw_axis=1))


__all__ = ["Report", "acceptance", "autocorrelation", "ess", "mcse", "of_the_end", "report", "rhat"]
