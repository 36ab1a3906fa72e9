r"""Random numbers keyed to fixed tiles of chains, so that threads and block sizes never change a stream.

Chains 0 to 16383 are tile 0, the next 16384 are tile 1, and so on. Each tile has a generator of its own, seeded
from the caller's; whoever advances a tile, in whatever block, and however many steps ahead, it draws the same numbers.

In double precision the normals are the generator's own (ziggurat). In single precision they are Box and Muller's,

$$\xi_1 = \sqrt{-2\log u}\,\cos\pi v, \qquad \xi_2 = \sqrt{-2\log u}\,\sin\pi v,$$

with u in (0, 1] and v in [−1, 1] from the halves of a 64-bit word: on whole arrays that is three times as fast. u has
steps of 2⁻³² next to 0, so that no normal is beyond 6.8.

Sources: Box, Muller, A note on the generation of random normal deviates, 1958; Marsaglia, Tsang 2000 (ziggurat).
"""

from __future__ import annotations

import functools
import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Kind = Literal["normal", "uniform"]

TILE = 16_384  # chains: two float32 coordinates are 128 kB, and two threads at it hardly wait for the interpreter
CHUNK, SMALL_CHUNK = (
    2**18,
    2**15,
)  # numbers that are drawn at once, in a thread of their own or not; at least a step's
WORTH_A_THREAD = 8_192  # numbers a step


class Source(Protocol):
    """Where a kernel's random numbers come from."""

    def normal(self, x: Array) -> Array: ...
    def uniform(self, n: int, dtype: Any = ...) -> Array: ...


@dataclass(frozen=True)
class Noise:
    """The random numbers of a run of tiles: one generator of 64-bit words a tile, each drawing for its own rows."""

    generators: tuple[np.random.Generator, ...]

    def normal(self, x: Array) -> Array:
        """Standard normals in the shape of ``x`` (n, dim), in float32 when ``x`` is, else in float64."""
        (numbers,) = self.draw(space(("normal",), x, 1))
        return numbers

    def uniform(self, n: int, dtype: Any = np.float64) -> Array:
        """(n,) uniforms: in [0, 1) in float64, in (0, 1] in float32."""
        (numbers,) = self.draw(space(("uniform",), np.empty((n, 0), dtype=dtype), 1))
        return numbers

    def draw(self, out: Sequence[Array]) -> Iterator[Array]:
        """Fills arrays of :func:`space`, all of their steps at once; then gives the numbers step by step."""
        for i, generator in enumerate(self.generators):
            rows = slice(i * TILE, (i + 1) * TILE)
            fill = _single if out[0].dtype == np.float32 else _double
            fill(generator, [numbers[..., rows] for numbers in out])
        for step in zip(*out, strict=True):
            yield from (numbers.T for numbers in step)


def space(kinds: Sequence[Kind], x: Array, steps: int) -> list[Array]:
    """Room for what so many steps draw, chains last: normals (steps, dim, n) for the chains ``x`` (n, dim), uniforms
    (steps, n). In memory a row of normals is a chain, or a coordinate where float32 ``x`` has those in one piece."""
    n, dim = x.shape
    dtype = np.float32 if x.dtype == np.float32 else np.float64
    by_chain = dtype == np.float64 or x.flags.c_contiguous
    shapes = {"normal": (steps, n, dim) if by_chain else (steps, dim, n), "uniform": (steps, n)}
    out = [np.empty(shapes[kind], dtype=dtype) for kind in kinds]
    return [a.swapaxes(1, 2) if a.ndim == 3 and by_chain else a for a in out]


def _double(generator: np.random.Generator, out: Sequence[Array]) -> None:
    """Fills float64 arrays (steps, ...): normals where there are coordinates, else uniforms; step by step."""
    for t in range(len(out[0])):
        for numbers in out:
            (generator.standard_normal if numbers.ndim == 3 else generator.random)(out=numbers[t].T)


def _single(generator: np.random.Generator, out: Sequence[Array]) -> None:
    """Fills float32 arrays (steps, ...) alike, from 64-bit words, all steps at once."""
    steps = len(out[0])
    sizes = [-(-numbers[0].size // 2) for numbers in out]
    words = generator.bit_generator.random_raw(steps * sum(sizes)).reshape(steps, sum(sizes))
    for numbers, size, last in zip(out, sizes, np.cumsum(sizes), strict=True):
        bits = words[:, last - size : last].view(np.uint32)
        like = (
            numbers.swapaxes(1, 2)
            if numbers.ndim == 3 and numbers.strides[1] < numbers.strides[2]
            else numbers
        )
        flat = like.reshape(steps, -1)
        (box_muller if numbers.ndim == 3 else uniforms)(bits[:, :], flat)
        if not np.may_share_memory(flat, like):
            like[...] = flat.reshape(like.shape)


def uniforms(bits: NDArray[np.uint32], out: Array) -> None:
    """Uniforms (steps, n) in (0, 1], in float32, from at least as many times 32 random bits."""
    np.copyto(out, bits[:, : out.shape[1]])
    out += np.float32(0.5)
    out *= np.float32(2.0**-32)


def box_muller(bits: NDArray[np.uint32], out: Array) -> None:
    """Standard normals (steps, n) in float32 from as many times 32 random bits, one more where n is odd."""
    half = bits.shape[1] // 2
    rest = out.shape[1] - half
    radius = scratch("radius", (len(bits), half))
    uniforms(bits, radius)
    np.log(radius, out=radius)
    radius *= np.float32(-2.0)
    np.sqrt(radius, out=radius)
    angle = scratch("angle", radius.shape)
    np.copyto(angle, bits[:, half:].view(np.int32))
    angle *= np.float32(np.pi * 2.0**-31)
    np.cos(angle, out=out[:, :half])
    out[:, :half] *= radius
    np.sin(angle[:, :rest], out=out[:, half:])
    out[:, half:] *= radius[:, :rest]


def normals(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Standard normals in float32, as :func:`box_muller` makes them."""
    out = np.empty(shape, np.float32)
    words = generator.bit_generator.random_raw(-(-out.size // 2))
    box_muller(words.view(np.uint32)[None], out.reshape(1, -1))
    return out


class _Scratch(threading.local):
    """Memory that a thread uses again and again: asking the system for it costs more than the arithmetic."""

    def __init__(self) -> None:
        self.kept: dict[str, Array] = {}


_SCRATCH = _Scratch()
MOST_KEPT = 1_000_000  # numbers of a name


def scratch(name: str, shape: tuple[int, ...], dtype: Any = np.float32) -> Array:
    """An array of any content, of this thread, whose memory is that of the last one of this name and type."""
    name, size = f"{name} {np.dtype(dtype).char}", math.prod(shape)
    kept = _SCRATCH.kept.get(name)
    if kept is None or len(kept) < size:
        kept = np.empty(size, dtype=dtype)
        if size <= MOST_KEPT:
            _SCRATCH.kept[name] = kept
    return kept[:size].reshape(shape)


class Ahead:
    """The same numbers as a :class:`Noise` gives a kernel whose every step asks for the same ``kinds``, drawn several
    steps at once; where a step takes many and this block is ``alone``, in another thread while the kernel uses those
    before. What it gave is overwritten some steps later."""

    def __init__(
        self, noise: Noise, kinds: Sequence[Kind], x: Array, steps: int, alone: bool = False
    ) -> None:
        self._stream = _chunks(noise, tuple(kinds), x, steps, alone)

    def normal(self, x: Array) -> Array:
        """The next numbers of the stream: standard normals in the shape of ``x`` (n, dim)."""
        return next(self._stream)

    def uniform(self, n: int, dtype: Any = np.float64) -> Array:
        """The next numbers of the stream: (n,) uniforms."""
        return next(self._stream)


def _chunks(noise: Noise, kinds: tuple[Kind, ...], x: Array, steps: int, alone: bool) -> Iterator[Array]:
    numbers = max(1, x.size * ("normal" in kinds) + len(x) * ("uniform" in kinds))
    threaded = alone and numbers >= WORTH_A_THREAD and threads() > 1
    at_once = min(steps, max(1, (CHUNK if threaded else SMALL_CHUNK) // numbers))
    rooms = [space(kinds, x, at_once) for _ in range(2 if threaded else 1)]

    def drawn(chunk: int) -> Iterator[Array]:
        left = steps - chunk * at_once
        return noise.draw([numbers[:left] for numbers in rooms[chunk % len(rooms)]])

    count = -(-steps // at_once)
    if not threaded:
        for chunk in range(count):
            yield from drawn(chunk)
        return
    coming = pool().submit(list, drawn(0))
    for chunk in range(1, count + 1):
        ready = coming.result()
        if chunk < count:
            coming = pool().submit(list, drawn(chunk))
        yield from ready


class Block(NamedTuple):
    """The chains ``rows`` of a batch, whole tiles of it, their random numbers, and whether they may be moved at the
    same time as another block's."""

    rows: slice
    noise: Any
    parallel: bool = False


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


# --- Threads --------------------------------------------------------------------------------------------------


def threads() -> int:
    """How many threads the chains are shared between: the cores that this process may use, at most 8."""
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


@functools.cache
def pool() -> ThreadPoolExecutor:
    """The threads that all runs of this process share; what runs in them never waits for another of their tasks."""
    return ThreadPoolExecutor(threads(), thread_name_prefix="chains")


def each(function: Callable[[Any], Any], items: Sequence[Any], parallel: bool) -> list[Any]:
    """``function`` of every item, in their order; in several threads at once where there is more than one item."""
    if not parallel or len(items) < 2 or threads() == 1:
        return [function(item) for item in items]
    return list(pool().map(function, items))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=pool.cache_clear)  # a forked child has none of its parent's threads
