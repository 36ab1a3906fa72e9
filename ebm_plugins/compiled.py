"""Kernels that numba compiles: taken where it is installed (the extra ``[fast]``), the energy is a sum of wells on the
plane, and the run is long; else NumPy does the work, draw for draw the same within rounding.

Which of the two depends on nothing but the run and what is installed, so that a run repeats bit for bit, whatever this
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
from ebm_plugins.records import Target

WORTH = (
    2_000_000  # chains × steps: a twentieth of a second in NumPy, and the longer runs of a process pay for it
)


def version() -> str | None:
    """Of numba; None where there is none."""
    if importlib.util.find_spec("numba") is None:
        return None
    try:
        return metadata.version("numba")
    except metadata.PackageNotFoundError:
        return "unknown"


def kernel(name: str, target: Target, parts: Sequence[Block], steps: int) -> Callable[..., Any] | None:
    """``langevin`` or ``metropolis`` of :mod:`ebm_plugins.compiled_kernels` with the target's wells bound, for chains in
    these blocks; None where NumPy is to do the work."""
    chains = sum(max(0, part.rows.stop - part.rows.start) for part in parts)
    if target.wells is None or target.space.dim != 2 or chains * steps < WORTH or not _usable(name):
        return None
    from ebm_plugins import compiled_kernels

    wells = np.zeros((len(target.wells.heights) + 1, 4), dtype=np.float32)
    wells[:-1, :2] = target.wells.centres
    wells[:-1, 2] = -0.5 / np.square(target.wells.widths)
    wells[:-1, 3] = target.wells.heights
    wells[-1, 0] = target.wells.confinement
    return functools.partial(getattr(compiled_kernels, name), wells)


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
    size, one = np.float32(1), np.ones(1, np.float32)
    arguments = (wells, stream, x) if name == "langevin" else (wells, stream, x, one, x.copy(), one > 0)
    try:
        if compiled_kernels.COMPILES:
            getattr(compiled_kernels, name)(*arguments, size, 1)
    except Exception as error:  # whatever numba and its compiler may raise
        warnings.warn(f"numba {version()} cannot compile {name}, so NumPy is used: {error}", stacklevel=2)
        return False
    return compiled_kernels.COMPILES
