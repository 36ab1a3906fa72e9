"""Random numbers keyed to fixed tiles of chains, so that threads and block sizes never change a stream.

Chains 0 to 4095 are tile 0, the next 4096 are tile 1, and so on. Each tile has a generator of its own, seeded
from the caller's; whoever advances a tile, and in whatever block, it draws the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

TILE = 4096  # chains; two float64 coordinates of a tile are 64 kB and stay in a core's cache


@dataclass(frozen=True)
class Noise:
    """The random numbers of a run of tiles: one generator a tile, each drawing for its own rows."""

    generators: tuple[np.random.Generator, ...]

    def normal(self, x: Array) -> Array:
        """Standard normals in the shape of ``x`` (n, dim), in float32 when ``x`` is, else in float64."""
        out = np.empty(x.shape, dtype=np.float32 if x.dtype == np.float32 else np.float64)
        for i, generator in enumerate(self.generators):
            generator.standard_normal(out=out[i * TILE : (i + 1) * TILE], dtype=out.dtype)
        return out

    def uniform(self, n: int) -> Array:
        """(n,) uniforms in [0, 1), in float64."""
        out = np.empty(n)
        for i, generator in enumerate(self.generators):
            generator.random(out=out[i * TILE : (i + 1) * TILE])
        return out


class Block(NamedTuple):
    """The chains ``rows`` of a batch, whole tiles of it, and their random numbers."""

    rows: slice
    noise: Noise


def blocks(rng: np.random.Generator, n: int, tiles: int = 1) -> tuple[Block, ...]:
    """``n`` chains in blocks of so many tiles (one empty block when there are none).

    Draws four words from ``rng``, whatever the block size, and no block size changes what a chain draws.
    """
    entropy = [int(word) for word in rng.integers(0, 2**32, 4, dtype=np.uint64)]
    generators = [
        np.random.Generator(np.random.SFC64(np.random.SeedSequence(entropy, spawn_key=(i,))))
        for i in range(max(1, -(-n // TILE)))
    ]
    return tuple(
        Block(slice(i * TILE, min((i + tiles) * TILE, n)), Noise(tuple(generators[i : i + tiles])))
        for i in range(0, len(generators), tiles)
    )
