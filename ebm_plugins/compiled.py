"""Kernels that numba compiles: taken where it is installed (the extra ``[fast]``) and the run is long, for chains on a sum
of wells of the plane, and for recall by Hebb's rule; else NumPy does the work, draw for draw the same within rounding,
and in recall to the cell.

Which of the two moves a chain depends on nothing but the run and what is installed, so that a run repeats bit for bit, whatever this
process did before; :func:`version` is part of what a result digest is compared by.
"""

from __future__ import annotations

import functools
import importlib.util
import warnings
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any

import numpy as np

from ebm_plugins.noise import Block
from ebm_plugins.records import Wells

WORTH = 2_000_000  # chains × steps, or cells visited: a twentieth of a second in NumPy; longer runs of a process pay for it


def version() -> str | None:
    """Of numba; None where there is none."""
    if importlib.util.find_spec("numba") is None:
        return None
    try:
        return metadata.version("numba")
    except metadata.PackageNotFoundError:
        return "unknown"


def kernel(
    name: str, function: Callable[..., Any], parts: Sequence[Block], steps: int
) -> Callable[..., Any] | None:
    """``langevin`` or ``metropolis`` of :mod:`ebm_plugins.compiled_kernels` with the wells bound that this energy or
    gradient is made of, for chains in these blocks; None where NumPy is to do the work."""
    wells: Wells | None = getattr(function, "wells", None)
    chains = sum(part.rows.stop - part.rows.start for part in parts)
    if wells is None or wells.centres.shape[1] != 2 or chains * steps < WORTH or not _usable(name):
        return None
    from ebm_plugins import compiled_kernels

    rows = np.zeros((len(wells.heights) + 1, 4), dtype=np.float32)
    rows[:-1, :2] = wells.centres
    rows[:-1, 2] = -0.5 / np.square(wells.widths)
    rows[:-1, 3] = wells.heights
    rows[-1, 0] = wells.confinement
    return functools.partial(getattr(compiled_kernels, name), rows)


def recall(cells: int) -> Callable[..., Any] | None:
    """``recall`` of :mod:`ebm_plugins.compiled_kernels`, once this process has visited so many cells that it pays; None
    before, or without numba. Its states are those of NumPy to the cell, so it does not matter when it begins."""
    _VISITED["cells"] += cells
    if _VISITED["cells"] < WORTH or not _usable("recall"):
        return None
    from ebm_plugins import compiled_kernels

    return compiled_kernels.recall


_VISITED = {"cells": 0}


def streams(parts: Sequence[Block]) -> tuple[Block, ...]:
    """The same blocks, of a tile each, for a compiled kernel: their noise is the state (4,) of the tile's generator,
    which the kernel moves on."""
    out = []
    for part in parts:
        (generator,) = part.noise.generators
        state = generator.bit_generator.state["state"]["state"]
        out.append(part._replace(noise=np.array(state, dtype=np.uint64)))
    return tuple(out)


@functools.cache
def _usable(name: str) -> bool:
    """Whether the kernel compiles here; a failure is told once, and NumPy goes on."""
    if version() is None:
        return False
    from ebm_plugins import compiled_kernels

    wells, stream, x = np.zeros((1, 4), np.float32), np.ones(4, np.uint64), np.zeros((2, 1), np.float32)
    size, one, many = np.float32(1), np.ones(1, np.float32), np.zeros(1, np.int64)
    arguments: dict[str, tuple[Any, ...]] = {
        "langevin": (wells, stream, x, size, 1),
        "metropolis": (wells, stream, x, one, x.copy(), one > 0, size, 1),
        "recall": (x.T.copy(), many, x.copy(), x.copy(), many.copy()),
    }
    try:
        if compiled_kernels.COMPILES:
            getattr(compiled_kernels, name)(*arguments[name])
    except Exception as error:  # whatever numba and its compiler may raise
        warnings.warn(f"numba {version()} cannot compile {name}, so NumPy is used: {error}", stacklevel=2)
        return False
    return compiled_kernels.COMPILES
