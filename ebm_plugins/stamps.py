"""What a copied link says of the run it came from, and whether a run that was opened from it is the same.

The stamp stands in the link's ``v``: ``VERSION_SPEC_RESULT_ENVIRONMENT_ENERGY_ERROR_TV``, the digests cut to 16 hex
digits; whatever could not be had is empty. Bits are compared only where the environment is equal; elsewhere mean
energy and total variation are, within their Monte-Carlo error.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from ebm_plugins.records import Run
from ebm_plugins.registry import Registry
from ebm_plugins.runs import environment_tag, result_digest, spec_digest

_NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
_STAMP = re.compile(
    rf"([0-9A-Za-z.+-]{{1,40}})_([0-9a-f]{{16}})(?:_([0-9a-f]{{16}})_([0-9a-f]{{12}})_({_NUMBER})?_({_NUMBER})?_({_NUMBER})?)?"
)


@dataclass(frozen=True)
class Stamp:
    """What a link says of its run. Empty text or None where it says nothing."""

    version: str
    spec: str
    result: str = ""
    environment: str = ""
    energy: float | None = None
    energy_error: float | None = None
    total_variation: float | None = None


@dataclass(frozen=True)
class Comparison:
    """``status`` is ``same``, ``close``, ``different`` or ``unknown``; head and text say it in words."""

    status: str
    head: str
    text: str


def stamp(run: Run) -> str:
    """The part of a link's ``v`` behind the spec digest: result digest, environment, energy, its error, TV. Of a run
    that was made elsewhere it is what was written there."""
    if run.stamp:
        return run.stamp
    energy, error = mean_energy(run)
    numbers = (energy, error, _total_variation(run))
    return "_".join(
        [result_digest(run)[:16], environment_tag(), *("" if n is None else f"{n:.6g}" for n in numbers)]
    )


def environment_of(run: Run) -> str:
    """The tag of the environment that a run was made in."""
    return run.stamp.split("_")[1] if run.stamp else environment_tag()


def read_stamp(v: str) -> Stamp | None:
    """The stamp in a link's ``v``; None when there is none that can be read."""
    match = _STAMP.fullmatch(v.strip()) if len(v) < 300 else None
    if match is None:
        return None
    version, spec, result, environment, *numbers = match.groups()
    values = [None if n is None else float(n) for n in numbers]
    return Stamp(version, spec, result or "", environment or "", *values)


def compare(given: Stamp, run: Run, registry: Registry) -> Comparison:
    """Whether this run is the one that a link was copied from."""
    here = spec_digest(run.spec, registry)[:16]
    if given.spec != here:
        return Comparison(
            "different",
            "Not the run that the link's author saw.",
            f"The link was made with version {given.version}. The settings, the data or a plugin's version have "
            "changed since, so the numbers here are those of this program.",
        )
    if not given.result:
        return Comparison("unknown", "The same settings.", "The link does not say what came out.")
    if given.environment == environment_of(run):
        if given.result == result_digest(run)[:16]:
            return Comparison(
                "same",
                "The same run.",
                "Params and states are equal bit for bit to those of the link's author.",
            )
        return Comparison(
            "different",
            "The same settings, other numbers.",
            "This machine is like the author's, so a plugin draws from something besides its generator.",
        )
    return _within_error(given, run)


def mean_energy(run: Run) -> tuple[float | None, float | None]:
    """Mean energy of the last states and its standard error; None where there are no finite energies."""
    energies = np.asarray(run.target.energy(_moving(run)), dtype=float) * run.target.temperature
    if not len(energies) or not np.isfinite(energies).all():
        return None, None
    error = float(energies.std(ddof=1) / math.sqrt(len(energies))) if len(energies) > 1 else None
    return float(energies.mean()), error


def _moving(run: Run) -> np.ndarray:
    return run.sampling.last if run.free is None else run.sampling.last[:, run.free]


def _total_variation(run: Run) -> float | None:
    try:
        value = float(run.truth.total_variation(_moving(run))) if run.truth else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _within_error(given: Stamp, run: Run) -> Comparison:
    """Chance makes two right runs differ by more than these bounds about once in a hundred."""
    head = "Another kind of machine, so not bit for bit."
    energy, error = mean_energy(run)
    if energy is None or error is None or given.energy is None or given.energy_error is None:
        return Comparison("unknown", head, "There is no energy to compare with the author's.")
    bound = 2.6 * math.hypot(error, given.energy_error)
    text = f"Mean energy {energy:.3f} here, {given.energy:.3f} there (± {bound:.3f})."
    close = abs(energy - given.energy) <= bound
    distance = _total_variation(run)
    if distance is not None and given.total_variation is not None and run.truth is not None:
        low, _, high = run.truth.floor(len(run.sampling.last))
        close = close and abs(distance - given.total_variation) <= 2 * (high - low)
        text += f" Total variation {distance:.3f} here, {given.total_variation:.3f} there."
    if close:
        return Comparison("close", head, text + " They agree within their Monte-Carlo error.")
    return Comparison("different", head, text + " They differ by more than chance explains.")
