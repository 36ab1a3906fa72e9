"""The numbers of a run beside what they should be: sampled and exact, each NaN where it is not known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ebm_plugins.records import Array, Run
from ebm_plugins.stamps import mean_energy
from ebm_plugins.verdict import compare

if TYPE_CHECKING:
    from ebm_plugins.exact import Truth

NAN = float("nan")


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Of what the verdict judges (worth ``count`` draws): ``total_variation`` with the floor of as many exact draws, ``mean_energy`` with its
    standard error and the exact one, log Z with how it is known, effective draws of ``draws``, R-hat."""

    count: int
    total_variation: float = NAN
    floor_low: float = NAN
    floor_middle: float = NAN
    floor_high: float = NAN
    mean_energy: float = NAN
    energy_error: float = NAN
    exact_energy: float = NAN
    log_z: float = NAN
    log_z_error: float = 0.0
    log_z_low: float = NAN
    log_z_high: float = NAN
    log_z_kind: str = ""
    ess: float = NAN
    draws: int = 0
    rhat: float = NAN
    reason: str = ""


def of(run: Run) -> Numbers:
    """The numbers of a finished run."""
    states = np.asarray(run.sampling.last, dtype=float)
    states = states if run.free is None else states[:, run.free]
    energy, error = mean_energy(run)
    found: dict[str, object] = {
        "count": len(states),
        "mean_energy": NAN if energy is None else energy,
        "energy_error": NAN if error is None else error,
    }
    truth, report = run.truth, run.report
    if truth is not None:
        found |= {
            "log_z": truth.log_partition, "log_z_error": truth.standard_error, "log_z_low": truth.lower,
            "log_z_high": truth.upper, "log_z_kind": _kind(truth),
            "exact_energy": truth.mean_energy, "reason": truth.reason if truth.kind == "none" else "",
        }  # fmt: skip
    held = compare(run)
    if held is not None:
        found |= {"count": held.draws, "total_variation": held.total_variation}
        found |= dict(zip(("floor_low", "floor_middle", "floor_high"), held.floor, strict=True))
        if np.isfinite(held.energy):
            found |= {"mean_energy": held.energy}
    if report is not None:
        found |= {"ess": report.ess, "draws": report.draws * report.chains, "rhat": report.rhat}
    return Numbers(**found)  # type: ignore[arg-type]


def _kind(truth: Truth) -> str:
    """How log Z is known, in a reader's words; empty where it is not."""
    if truth.kind == "none":
        return ""
    if truth.kind == "support":
        return "by adding up" if np.isfinite(truth.log_partition) else "each start has its own"
    return truth.kind


@dataclass(frozen=True, kw_only=True)
class Descent:
    """Of a method that looks for low energy, over ``chains`` followed ones: the mean energy where they began and
    where they are, how many of their ``steps`` from snapshot to snapshot went up, and means a chain. On a grid these are ``flips``, cell by cell
    from one snapshot to the next, and ``changed``, the cells that differ from the start; elsewhere both are NaN and
    ``moved`` is how far the end is from the start. ``states`` counts all that were run."""

    first: float
    last: float
    rises: int
    steps: int
    chains: int
    states: int
    flips: float = NAN
    changed: float = NAN
    cells: int = 0
    moved: float = NAN


def descent(run: Run) -> Descent:
    """What there is to count of a run that descends; means over none are NaN."""
    energies = np.asarray(run.sampling.energies, dtype=float)
    traces = np.asarray(run.sampling.traces, dtype=float)
    traces = traces if run.free is None else traces[:, :, run.free]
    scale = 1e-9 * max(1.0, float(np.nanmax(np.abs(energies), initial=0.0)))
    found = {
        "first": _mean(energies[0]), "last": _mean(energies[-1]), "rises": int((np.diff(energies, axis=0) > scale).sum()),
        "steps": (len(energies) - 1) * energies.shape[1], "chains": energies.shape[1], "states": len(run.sampling.last),
    }  # fmt: skip
    if run.space.discrete:
        found |= {
            "flips": _mean((traces[1:] != traces[:-1]).sum(axis=(0, 2))),
            "changed": _mean((traces[-1] != traces[0]).sum(axis=1)), "cells": traces.shape[2],
        }  # fmt: skip
    else:
        found |= {"moved": _mean(np.sqrt(((traces[-1] - traces[0]) ** 2).sum(axis=1)))}
    return Descent(**found)


def _mean(values: Array) -> float:
    return float(np.mean(values)) if len(values) else NAN
