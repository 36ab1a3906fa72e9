"""Binding an energy: params, temperature and clamped coordinates go in, a :class:`Target` comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebm_plugins.records import FAULTS, Array, Family, Function, Params, PluginError, Target, Wells
from ebm_plugins.spaces import Space


def bind(
    family: Family,
    params: Params,
    space: Space,
    *,
    temperature: float = 1.0,
    free: NDArray[np.bool_] | None = None,
    fixed: Array | None = None,
) -> Target:
    """The target exp(−E(x)/T) of a family's energy with these params.

    ``space`` is the space of the states. With ``free`` (dim,), the target lives on the free coordinates only and
    the others are held at ``fixed``: (1, dim) for every chain alike, or (n, dim) for n chains in their order.
    The energy raises PluginError when the family's function raises, or answers in another shape than (n,).
    """
    clamp = _Clamp(free, fixed) if free is not None else None
    single = family.single_precision if clamp is None else None
    if single is not None:
        single_energy, single_gradient, wells = _singles(family, params, temperature)

    def energy(x: Array) -> Array:
        if single and x.dtype == np.float32:
            return single_energy(x)
        full = clamp.embed(x) if clamp else x
        return checked_energy(family, params, full) / temperature

    def gradient(x: Array) -> Array:
        if single and x.dtype == np.float32:
            return single_gradient(x)
        full = clamp.embed(x) if clamp else x
        slope = _call(family, "gradient", params, full)
        if np.shape(slope) != np.shape(full):
            raise PluginError(family.key, "gradient", _shape_message(slope, np.shape(full)))
        return (slope[:, clamp.free] if clamp else slope) / temperature

    if single is not None and wells is not None:
        for function in (energy, gradient):  # on them: a target with another energy in its place has no wells
            setattr(function, "wells", wells)  # noqa: B010

    box = _box(family, params, space)
    if clamp and box is not None:
        box = np.asarray(box)[:, clamp.free]
    return Target(
        energy=energy,
        gradient=gradient if family.gradient else None,
        space=space.restrict(int(np.sum(clamp.free))) if clamp else space,
        box=None if box is None else np.asarray(box, dtype=float),
        temperature=float(temperature),
        chainwise=clamp is not None and len(clamp.fixed) > 1,
        single_precision=single is not None,
    )


def _singles(family: Family, params: Params, temperature: float) -> tuple[Function, Function, Wells | None]:
    """The family's energy and gradient in float32, over T, and the wells that they are, if they are. Raises PluginError,
    as do both functions."""
    assert family.single_precision is not None
    try:
        functions = family.single_precision(params)
    except FAULTS as error:
        message = f"It raised {type(error).__name__}: {error}"
        raise PluginError(family.key, "single_precision", message) from error

    def checked(part: str, function: Function) -> Function:
        def answer(x: Array) -> Array:
            try:
                out = function(x)
            except FAULTS as error:
                raise PluginError(family.key, part, f"It raised {type(error).__name__}: {error}") from error
            expected = x.shape if part == "gradient" else x.shape[:1]
            if out.shape != expected:
                raise PluginError(family.key, part, _shape_message(out, expected))
            return out if temperature == 1.0 else np.multiply(out, np.float32(1.0 / temperature), out=out)

        return answer

    energy, gradient, *wells = functions
    return checked("energy", energy), checked("gradient", gradient), _over(family, wells, temperature)


def _over(family: Family, given: Sequence[Wells], temperature: float) -> Wells | None:
    """E/T of wells, where they are given. Raises PluginError for what are none."""
    if not given:
        return None
    try:
        *arrays, confinement = given[0]
        centres, heights, widths = (np.asarray(a, dtype=float) for a in arrays)
        good = centres.ndim == 2 and heights.shape == widths.shape == centres.shape[:1]
        found = Wells(centres, heights / temperature, widths, float(confinement) / temperature)
    except (TypeError, ValueError):
        good = False
    if not good:
        expected = "centres (K, dim), heights (K,), widths (K,) and a number"
        raise PluginError(family.key, "single_precision", f"Its wells are not {expected}.")
    return found


def _box(family: Family, params: Params, space: Space) -> Array | None:
    """The family's box (2, dim), checked. Raises PluginError."""
    if family.box is None:
        return None
    try:
        box = family.box(params)
        checked = None if box is None else np.asarray(box, dtype=float)
    except FAULTS as error:
        raise PluginError(family.key, "box", f"It raised {type(error).__name__}: {error}") from error
    if checked is not None and (checked.shape != (2, space.dim) or not np.isfinite(checked).all()):
        expected = f"finite corners of shape (2, {space.dim})"
        raise PluginError(
            family.key, "box", f"It returned shape {checked.shape} where {expected} were expected."
        )
    return checked


def checked_energy(family: Family, params: Params, x: Array) -> Array:
    """E(x) (n,) of a family; PluginError when it raises or has another shape."""
    energies = _call(family, "energy", params, x)
    if np.shape(energies) != (len(x),):
        raise PluginError(family.key, "energy", _shape_message(energies, (len(x),)))
    return energies


def embed(x: Array, free: NDArray[np.bool_] | None, fixed: Array) -> Array:
    """Full states (n, dim) from the free coordinates (n, k) and what the others are held at (n or 1, dim)."""
    return x if free is None else _Clamp(free, fixed).embed(x)


class _Clamp:
    def __init__(self, free: NDArray[np.bool_], fixed: Array | None) -> None:
        if fixed is None:
            raise ValueError("a clamped target needs the values that the clamped coordinates are held at")
        self.free, self.fixed = np.asarray(free, dtype=bool), np.asarray(fixed, dtype=float)

    def embed(self, x: Array) -> Array:
        if len(self.fixed) not in (1, len(x)):
            raise ValueError(f"expected {len(self.fixed)} states, one a clamped chain, got {len(x)}")
        full = np.repeat(self.fixed, len(x), axis=0) if len(self.fixed) == 1 else self.fixed.copy()
        full[:, self.free] = x
        return full


def _call(family: Family, part: str, params: Params, x: Array) -> Any:
    try:
        answer = getattr(family, part)(params, x)
    except PluginError:
        raise
    except FAULTS as error:
        raise PluginError(family.key, part, f"It raised {type(error).__name__}: {error}") from error
    if not isinstance(answer, np.ndarray):
        raise PluginError(
            family.key, part, f"It returned a {type(answer).__name__} where an array was expected."
        )
    if answer.dtype.kind not in "fiu":
        raise PluginError(family.key, part, f"It returned {answer.dtype} values where floats were expected.")
    return answer


def _shape_message(answer: Any, expected: tuple[int, ...]) -> str:
    return f"It returned shape {np.shape(answer)} where {expected} was expected."
