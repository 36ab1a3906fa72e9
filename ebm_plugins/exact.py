"""The exact answer, wherever there is one: enumeration, quadrature, closed form, a finite support.

p(x) = exp(−E(x)/T) / Z. :func:`truth_of` picks in that order: closed form, support, enumeration (at most 20 free
cells), quadrature (at most 2 dimensions), bracket, none. A :class:`Truth` says what is known and compares states
with it: total variation over cells, and the floor under which n exact draws stay.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ebm_plugins import minima
from ebm_plugins import quadrature as quadratures
from ebm_plugins.records import Array, Target
from ebm_plugins.truth import Truth, Well, finite, floor, no_truth, state_index, states_of, total_variation

MOST_CELLS = 20  # free binary cells whose states are listed
EACH_STATE = 4096  # up to this many states, each is a cell of its own
ENERGY_CELLS, COUNT_CELLS = 12, 6
Energy = Callable[[Array], Array]
Bracket = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class EnergyField:
    """The energy on a grid of the plane, in units of E: ``energy[j, i]`` is E(x[i], y[j]), in float32."""

    x: Array
    y: Array
    energy: Array


class Supports(NamedTuple):
    """Several finite neighbourhoods, each (s, dim) all states that some of the chains can reach, without one in
    common, and which share of the chains is in each."""

    states: tuple[Array, ...]
    shares: Array


def truth_of(
    target: Target,
    *,
    log_partition: float | None = None,
    support: Array | Supports | None = None,
    bracket: Bracket | Callable[[], Bracket | None] | None = None,
    states_hint: Array | None = None,
) -> Truth:
    """The exact answer for a target, by the first route that exists.

    ``log_partition`` and ``bracket`` (lower, upper, standard error) are the family's own, for the same target:
    leave them out when the temperature is not 1 or cells are clamped. A bracket costs a run of its own, so it may
    be a function that is only called when it is needed. ``support`` (s, dim) are all states that
    can be reached; :class:`Supports` where chains differ in that. ``states_hint`` (n, dim) says where to begin looking when the target has no box.
    """
    dim, temperature = target.space.dim, float(target.temperature)
    found = _found(target, support, states_hint)
    found = dataclasses.replace(found, temperature=temperature, dim=dim)
    found = dataclasses.replace(
        found, mean_energy=found.mean_energy * temperature, energy_sd=found.energy_sd * temperature
    )
    if log_partition is not None and np.isfinite(log_partition):
        value = float(log_partition)
        return dataclasses.replace(
            found, kind="closed form", log_partition=value, second=found.log_partition,
            standard_error=0.0, lower=value, upper=value, reason="",
        )  # fmt: skip
    if found.kind != "none":
        return found
    given = bracket() if callable(bracket) else bracket
    if given is None or not np.isfinite(given).all():
        return found
    lower, upper, error = map(float, given)
    return dataclasses.replace(
        found,
        kind="bracket",
        log_partition=0.5 * (lower + upper),
        lower=lower,
        upper=upper,
        standard_error=error,
    )


def _found(target: Target, support: Array | Supports | None, hint: Array | None) -> Truth:
    dim = target.space.dim
    if isinstance(support, Supports):
        return on_supports(target.energy, support)
    if support is not None:
        return on_support(target.energy, support)
    if target.space.discrete:
        if dim <= MOST_CELLS:
            return enumerated(target.energy, dim)
        return no_truth(f"{dim} cells have {_power(2.0, dim)} states, too many to list.")
    if dim > 2:
        return no_truth(f"An integral over {dim} dimensions is out of reach of quadrature.")
    box = target.box
    if box is None and hint is not None and len(finite(hint)):
        low, high = np.quantile(finite(hint), [0.01, 0.99], axis=0)
        margin = np.maximum(0.5 * (high - low), 0.5)
        box = np.stack([low - margin, high + margin])
    return quadrature(target.energy, dim, box)


def quadrature(energy: Energy, dim: int, box: Array | None = None) -> Truth:
    """The truth of exp(−energy) over R^dim, dim 1 or 2; of kind ``none``, with a reason, where it has none."""
    try:
        found = quadratures.integrate(energy, dim, box)
    except quadratures.NoIntegralError as error:
        return no_truth(str(error), dim=dim)
    cells = found.cells
    centres = shares = None
    if dim == 2:
        centres = minima.find(energy, found.box)
        if centres is not None:
            mass = cells.node_masses(found.floor).ravel()
            nearest = minima.nearest(cells.nodes().reshape(-1, 2), centres)
            shares = np.bincount(nearest, weights=mass, minlength=len(centres)) / mass.sum()
            order = np.argsort(-shares, kind="stable")
            centres, shares = centres[order], shares[order]
    return Truth(
        kind="quadrature", log_partition=found.log_partition, standard_error=found.error,
        lower=found.log_partition, upper=found.log_partition, dim=dim,
        mean_energy=found.mean_energy, energy_sd=found.energy_sd, box=found.box, mass=found.mass,
        leaf_corner=cells.corner, leaf_width=cells.width,
        leaf_density=cells.density(found.floor).astype(np.float32), well_centres=centres, well_shares=shares,
    )  # fmt: skip


def enumerated(energy: Energy, dim: int) -> Truth:
    """The truth of exp(−energy) over all 2^dim states of ``dim`` cells, dim at most 20."""
    energies = np.concatenate([_energies(energy, x) for x in state_blocks(dim)])
    truth = _finite_truth("enumeration", energies, dim)
    if truth.probabilities is None or len(energies) <= EACH_STATE:
        return truth
    p = truth.probabilities
    on = np.bitwise_count(np.arange(len(p), dtype=np.uint32)).astype(float)
    label = _quantile_cells(energies, p, ENERGY_CELLS) * COUNT_CELLS + _quantile_cells(on, p, COUNT_CELLS)
    return dataclasses.replace(truth, labels=np.unique(label, return_inverse=True)[1].astype(np.uint16))


def on_support(energy: Energy, support: Array) -> Truth:
    """The truth of exp(−energy) over the given states (s, dim): the softmax of −energy."""
    support = np.unique(np.asarray(support, dtype=float), axis=0)
    if not len(support):
        return no_truth("No state can be reached.")
    truth = _finite_truth("support", _energies(energy, support), support.shape[1])
    return truth if truth.kind == "none" else dataclasses.replace(truth, states=support)


def on_supports(energy: Energy, supports: Supports) -> Truth:
    """The truth of chains that each keep to one of several neighbourhoods: the softmax of −energy in each, in the
    shares given. There is one log Z a neighbourhood, so none of all; the spread of the energy is that within them."""
    truths = [on_support(energy, states) for states in supports.states]
    broken = next((truth for truth in truths if truth.probabilities is None), None)
    if broken is not None:
        return broken
    shares = np.asarray(supports.shares, dtype=float) / np.sum(supports.shares)
    states = np.concatenate([truth.states for truth in truths if truth.states is not None])
    if len(np.unique(states, axis=0)) < len(states):
        return no_truth("The chains began in different neighbourhoods that overlap.")
    weighed = [share * truth.probabilities for share, truth in zip(shares, truths, strict=True)]
    return Truth(
        kind="support", dim=states.shape[1], states=states, probabilities=np.concatenate(weighed),
        strata=np.repeat(np.arange(len(truths)), [len(p) for p in weighed]),
        mean_energy=float(shares @ [truth.mean_energy for truth in truths]),
        energy_sd=float(np.sqrt(shares @ [truth.energy_sd**2 for truth in truths])),
    )  # fmt: skip


def _finite_truth(kind: str, energies: Array, dim: int) -> Truth:
    if np.isnan(energies).any() or (energies == -np.inf).any():
        count = int((np.isnan(energies) | (energies == -np.inf)).sum())
        return no_truth(f"The energy is not a number in {count} of {len(energies)} states.", dim=dim)
    if not np.isfinite(energies).any():
        return no_truth("The energy is infinite in every state.", dim=dim)
    log_z = log_sum_exp(-energies)
    p = np.exp(-energies - log_z)
    p /= p.sum()
    finite = np.where(p > 0, energies, energies.min())
    mean = float(p @ finite)
    sd = float(np.sqrt(p @ (finite - mean) ** 2))
    return Truth(
        kind=kind, log_partition=log_z, lower=log_z, upper=log_z, dim=dim, mean_energy=mean, energy_sd=sd,
        probabilities=p if len(p) <= 1 << 16 else p.astype(np.float32),
    )  # fmt: skip


def log_sum_exp(a: Array) -> float:
    """log Σ exp(a), in float64 and without overflow; −inf for an empty sum."""
    a = np.asarray(a, dtype=float)
    top = float(a.max(initial=-np.inf))
    return top if not np.isfinite(top) else top + float(np.log(np.exp(a - top).sum()))


def state_blocks(dim: int, block: int = 1 << 14) -> Iterator[Array]:
    """All states of ``dim`` cells in blocks (≤ block, dim) of float64, in the order of their indices."""
    if not 1 <= dim <= MOST_CELLS:
        raise ValueError(f"states are listed for 1 to {MOST_CELLS} cells, not {dim}")
    for first in range(0, 1 << dim, block):
        yield states_of(np.arange(first, min(first + block, 1 << dim)), dim)


def enumerate_states(dim: int) -> Array:
    """All 2^dim states (2^dim, dim) in float64, counting up with the first cell as the highest bit."""
    return np.concatenate(list(state_blocks(dim)))


def energy_field(
    target: Target, box: Array | None = None, states: Array | None = None, size: int = 120
) -> EnergyField:
    """The energy of a target on the plane, in units of E, on a size × size grid over ``box`` (2, 2): the given one,
    else the target's, else one around the states (n, 2), else ±5."""
    box = target.box if box is None else box
    if box is None and states is not None and len(finite(states)):
        low, high = np.quantile(finite(states), [0.005, 0.995], axis=0)
        margin = np.maximum(0.15 * (high - low), 0.5)
        box = np.stack([low - margin, high + margin])
    low, high = np.array([[-5.0, -5.0], [5.0, 5.0]]) if box is None else np.asarray(box, dtype=float)
    x, y = np.linspace(low[0], high[0], size), np.linspace(low[1], high[1], size)
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    energy = _energies(target.energy, grid) * target.temperature
    return EnergyField(
        x.astype(np.float32), y.astype(np.float32), energy.reshape(size, size).astype(np.float32)
    )


def _energies(energy: Energy, x: Array) -> Array:
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return np.asarray(energy(x), dtype=float)


def _quantile_cells(values: Array, p: Array, count: int) -> Array:
    """(n,) cell numbers that cut the values (n,) at quantiles of their distribution p (n,); ties stay together."""
    order = np.argsort(values, kind="stable")
    share = np.cumsum(p[order])
    cuts = values[order[np.searchsorted(share, np.arange(1, count) / count).clip(max=len(values) - 1)]]
    tolerance = 1e-9 * max(1.0, float(np.abs(cuts).max(initial=0.0)))
    return np.searchsorted(np.unique(cuts) + tolerance, values)


def _power(base: float, exponent: int) -> str:
    """A large power in words: 1.8 × 10¹⁹."""
    log = exponent * np.log10(base)
    power, digits = int(log), 10 ** (log - int(log))
    return f"{digits:.1f} × 10" + str(power).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


__all__ = [
    "EnergyField", "Supports", "Truth", "Well", "energy_field", "enumerate_states", "enumerated", "floor",
    "log_sum_exp", "no_truth", "on_support", "on_supports", "quadrature", "state_blocks", "state_index", "states_of", "total_variation", "truth_of",
]  # fmt: skip
