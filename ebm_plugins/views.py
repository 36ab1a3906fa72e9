"""What the stage shows of a run, as numbers: projections, similarity, traces against the truth.

Everything here is computed where the run is, never while a page is being drawn.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ebm_plugins import minima
from ebm_plugins.records import Array, Run, Sampling

if TYPE_CHECKING:
    from ebm_plugins.exact import EnergyField, Truth

FRAMES = 300
FAR = 5.0  # times as wide as the start: beyond that, a run that diverged is out of sight
FEWEST = 20  # states that are compared with the exact density


def share_interval(exact: Array, n: int) -> NDArray[np.float64]:
    """(2, w): where the shares of ``n`` exact draws in cells of probability ``exact`` (w,) lie in 95 of 100 cases
    (normal approximation)."""
    exact = np.asarray(exact, dtype=float)
    spread = 1.96 * np.sqrt(exact * (1.0 - exact) / max(1, n))
    return np.clip([exact - spread, exact + spread], 0.0, 1.0)


Box = tuple[float, float, float, float]


def visible_box(states: Array, exact: list[tuple[Array, Array]], limits: Array | None = None) -> Box:
    """A square window (x0, x1, y0, y1) on what matters: the inner 99 % of the exact density and 96 % of the
    states (n, 2), on round numbers.

    ``exact`` holds places and density along each axis (empty when there are none); ``limits`` (2, 2) are the
    corners that the window stays within.
    """
    states = states[np.isfinite(states).all(axis=1)]
    spans = []
    for axis in (0, 1):
        ends = [np.quantile(states[:, axis], [0.02, 0.98])] if len(states) else []
        if exact:
            grid, density = exact[axis]
            mass = np.cumsum(density)
            ends.append(np.interp([0.004, 0.996], mass / mass[-1], grid))
        spans.append((min(e[0] for e in ends), max(e[1] for e in ends)) if ends else (-1.0, 1.0))
    half = max(max(b - a for a, b in spans) / 2.0 * 1.05, 1e-3)
    unit = 10.0 ** math.floor(math.log10(half)) / 4.0
    half = math.ceil(half / unit) * unit
    middle = [round((a + b) / 2.0 / unit) * unit for a, b in spans]
    if limits is not None:
        low, high = np.asarray(limits, dtype=float)
        half = min(half, float((high - low).min()) / 2.0)
        middle = [float(np.clip(m, a + half, b - half)) for m, a, b in zip(middle, low, high, strict=True)]
    return middle[0] - half, middle[0] + half, middle[1] - half, middle[1] + half


def in_sight(sampling: Sampling) -> Array:
    """The last states (n, dim); of a run that diverged, those of the last frame in which most of them were within
    :data:`FAR` times the reach of the start. A window on what flew off would show a needle and nothing else."""
    frames = sampling.frames
    if sampling.diverged is None or len(frames) < 2:
        return frames[-1]
    middle = np.nanmedian(frames[0], axis=0)
    with np.errstate(all="ignore"):
        apart = np.nan_to_num(np.abs(frames - middle).max(axis=2), nan=np.inf)
    reach = np.quantile(np.minimum(apart, 1e300), 0.96, axis=1)
    gone = np.flatnonzero(reach > FAR * (reach[0] or 1.0))
    return frames[max(0, gone[0] - 1)] if len(gone) else frames[-1]


def field_levels(field: EnergyField, box: Box) -> dict[str, Any]:
    """An energy field for drawing: int16 levels between its least value and the 98.5 % quantile inside the window
    (a wall that rises for ever would leave no levels for the wells)."""
    inside_x = (field.x >= box[0]) & (field.x <= box[1])
    inside_y = (field.y >= box[2]) & (field.y <= box[3])
    seen = field.energy[np.ix_(inside_y, inside_x)]
    seen = seen[np.isfinite(seen)]
    low, high = (float(seen.min()), float(np.quantile(seen, 0.985))) if seen.size else (0.0, 1.0)
    levels = np.where(np.isfinite(field.energy), field.energy, high)
    return {
        "x": [float(field.x[0]), float(field.x[-1])],
        "y": [float(field.y[0]), float(field.y[-1])],
        "low": low,
        "high": high,
        "z": quantise(levels[..., None], np.array([low]), np.array([high]))[..., 0],
    }


def well_trace(truth: Truth, frames: Array) -> NDArray[np.float64]:
    """(f, w): the shares of the finite states of each frame (f, n, 2) that are nearest to each well; NaN for a
    frame without any."""
    assert truth.well_centres is not None
    count, n = frames.shape[:2]
    places = frames.reshape(-1, 2)
    whole = np.isfinite(places).all(axis=1)
    frame = np.repeat(np.arange(count), n)[whole]
    wells = len(truth.well_centres)
    held = minima.nearest(places[whole], truth.well_centres) + wells * frame
    counts = np.bincount(held, minlength=count * wells).reshape(count, wells).astype(float)
    with np.errstate(invalid="ignore"):
        return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def principal_axes(x: Array) -> tuple[Array, Array]:
    """The mean (dim,) and the first two principal axes (2, dim) of ``x`` (n, dim), the axes of unit length.

    With one coordinate, or rows that do not vary, the missing axes are coordinates (zeros past the last).
    """
    x = np.asarray(x, dtype=float)
    x = x[np.isfinite(x).all(axis=1)] if len(x) else x
    dim = x.shape[1]
    mean = x.mean(axis=0) if len(x) else np.zeros(dim)
    axes = np.zeros((2, dim))
    axes[np.arange(min(2, dim)), np.arange(min(2, dim))] = 1.0
    if len(x) > 1 and dim > 2:
        _, sizes, directions = np.linalg.svd(x - mean, full_matrices=False)
        for i in range(min(2, int((sizes > 1e-9 * max(sizes[0], 1e-300)).sum()))):
            axes[i] = directions[i] * np.sign(directions[i][np.abs(directions[i]).argmax()])
    return mean, axes


def project(x: Array, mean: Array, axes: Array) -> Array:
    """Places (..., 2) of states (..., dim) on two axes, NaN for states that are not finite."""
    x = np.asarray(x, dtype=float)
    finite = np.isfinite(x).all(axis=-1, keepdims=True)
    return np.where(finite, (np.where(finite, x, mean) - mean) @ np.asarray(axes).T, np.nan)


def lift(places: Array, mean: Array, axes: Array) -> Array:
    """The states (n, dim) at ``places`` (n, 2) of a projection: its inverse, with nothing off the two axes."""
    return np.asarray(mean) + np.asarray(places, dtype=float) @ np.asarray(axes)


def pair_similarity(run: Run, most: int = 12) -> tuple[Array, Array, Array]:
    """How well left halves go with right halves: ``(left (a, dl), right (b, dr), similarity (a, b))``.

    Both are what sampling met after its first step (the start may be of noise), at most ``most`` without repeats: the
    left halves in order of appearance, the right ones that were met most often, those most like the first left half
    first. Similarity is −E(left, right)/T.
    """
    cut = run.space.left.dim  # type: ignore[attr-defined]
    met = run.sampling.frames[1:] if len(run.sampling.frames) > 1 else run.sampling.frames
    left = _unique(met[-1][:, :cut], most)
    right = _commonest(met.reshape(-1, met.shape[-1])[:, cut:], most)
    pairs = np.hstack([np.repeat(left, len(right), axis=0), np.tile(right, (len(left), 1))])
    with np.errstate(all="ignore"):
        energy = np.asarray(run.target.energy(pairs), dtype=float)
    similarity = -energy.reshape(len(left), len(right))
    order = np.argsort(np.nan_to_num(similarity, nan=-np.inf).argmax(axis=0), kind="stable")
    return left, right[order], similarity[:, order]


def nearest(rows: Array, table: Array) -> NDArray[np.int64]:
    """For each row (n, dim) the index of the nearest row of ``table`` (m, dim)."""
    squares = ((rows[:, None, :] - table[None, :, :]) ** 2).sum(axis=-1)
    return np.asarray(squares.argmin(axis=1))


def _unique(rows: Array, most: int) -> Array:
    _, first = np.unique(np.round(rows, 6), axis=0, return_index=True)
    return rows[np.sort(first)[:most]]


def start_digest(states: Array, free: Array | None) -> str:
    """A name for a drawn start: the same before and after it has travelled in a link (in steps of 1/1024)."""
    whole = np.clip(np.round(np.asarray(states, dtype=float) * 1024), -32768, 32767).astype("<i2")
    marks = b"" if free is None or np.all(free) else np.asarray(free, dtype=np.uint8).tobytes()
    return hashlib.blake2b(whole.tobytes() + b"|" + marks, digest_size=8).hexdigest()


def _commonest(rows: Array, most: int) -> Array:
    _, first, counts = np.unique(np.round(rows, 6), axis=0, return_index=True, return_counts=True)
    return rows[np.sort(first[np.argsort(-counts, kind="stable")[:most]])]


def trace_energy(run: Run) -> NDArray[np.float64] | None:
    """The energy of each followed chain at each kept frame (f, c) in units of E, None where there is none."""
    energies = np.asarray(run.sampling.energies, dtype=float)
    if energies.size == 0 or not np.isfinite(energies).any():
        return None
    return energies[np.clip(run.sampling.steps, 0, len(energies) - 1)]


def distance_trace(run: Run) -> tuple[NDArray[np.float64], tuple[float, float]] | None:
    """Total variation from the exact density at each kept frame (f,), and the band (2.5 %, 97.5 %) of as many
    exact draws. None where there are no exact probabilities, or too few states (under ``FEWEST``) to compare."""
    truth, frames = run.truth, run.sampling.frames
    if truth is None or not truth.comparable or frames.shape[1] < FEWEST:
        return None
    low, _, high = truth.floor(frames.shape[1])
    count, n = frames.shape[:2]
    if run.free is not None:
        frames = frames[:, :, run.free]  # the truth is of the free coordinates, given the others
    exact = truth.cells(n)
    cell = truth.cell_of(frames.reshape(count * n, -1), n) + len(exact) * np.repeat(np.arange(count), n)
    sampled = np.bincount(cell, minlength=count * len(exact)).reshape(count, -1) / n
    values = 0.5 * np.abs(sampled - exact).sum(axis=1)
    return (values, (low, high)) if np.isfinite([low, high]).all() else None


def exact_mean_energy(run: Run) -> tuple[float, float] | None:
    """The exact mean energy and the standard deviation of one draw, None where they are not known."""
    truth = run.truth
    if truth is None or not math.isfinite(truth.mean_energy):
        return None
    return truth.mean_energy, truth.energy_sd if math.isfinite(truth.energy_sd) else 0.0


def _thin(count: int, most: int) -> NDArray[np.int64]:
    """At most ``most`` of ``count`` indices, evenly spaced, both ends among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def thin_frames(count: int, bytes_each: int, budget: int) -> NDArray[np.int64]:
    """Which of ``count`` frames to send when each takes ``bytes_each``: first and last always, evenly between."""
    most = max(2, min(FRAMES, budget // max(1, bytes_each)))
    return _thin(count, most)


def quantise(x: Array, low: Array, high: Array, bits: int = 16) -> Array:
    """``x`` (..., k) as whole numbers between the corners ``low`` and ``high`` (k,): signed 16 or unsigned 8 bits.

    Values outside are clipped to a corner's edge; what is not finite becomes the low corner.
    """
    low, high = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    unit = (np.asarray(x, dtype=float) - low) / np.where(high > low, high - low, 1.0)
    unit = np.clip(np.nan_to_num(unit, nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0)
    if bits == 8:
        return np.rint(unit * 255).astype(np.uint8)
    return (np.rint(unit * 65535) - 32768).astype(np.int16)


def towards(start: Array, end: Array, low: Array, high: Array) -> Array:
    """``end`` (..., k), or where the line to it from ``start`` leaves the box of corners ``low`` and ``high`` (k,).

    A start outside of the box, and an end that is not finite, leave the end as it is.
    """
    start, end = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
    go = end - start
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(go > 0, (high - start) / go, np.where(go < 0, (low - start) / go, np.inf)).min(
            axis=-1
        )
    inside = ((start >= low) & (start <= high)).all(axis=-1) & np.isfinite(end).all(axis=-1) & (share < 1)
    return np.where(
        inside[..., None], start + np.where(inside, share, 0.0)[..., None] * np.nan_to_num(go), end
    )


def mosaic(states: Array, shape: tuple[int, int], across: int) -> Array:
    """Pictures of ``states`` (n, h·w) side by side, ``across`` a row, NaN between them and where there is none."""
    height, width = shape
    down = -(-len(states) // across)
    out = np.full((down * (height + 1) - 1, across * (width + 1) - 1), np.nan)
    for i, state in enumerate(states):
        row, column = divmod(i, across)
        top, left = row * (height + 1), column * (width + 1)
        out[top : top + height, left : left + width] = np.reshape(state, shape)
    return out
