"""A run as a small picture: what its space looks like, drawn as SVG that is right in light and in dark.

The text holds shapes and numbers only, never a word from a plugin, and names no request. Colours are
``light-dark(...)`` pairs, so a theme switch repaints it without Python.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebm_plugins.isolines import regions
from ebm_plugins.palette import DARK, ENERGY_DARK, ENERGY_LIGHT, LIGHT
from ebm_plugins.records import Run
from ebm_plugins.spaces import BinaryGrid, Pairs, Plane, Space, Vectors

WIDTH, HEIGHT = 320, 180
BANDS = 14
PARTICLES, TRAILS, STEPS = 150, 75, 9
INK = 4000  # length of all trails together: long ones would hide what they cross
FEW = 8  # chains that are shown with the whole way that they went
TILES = (6, 3)  # columns and rows of a sheet of states
SHADES = 8


def svg(run: Run) -> str:
    """The picture of a run, 16:9. A run without a finite state gives an empty surface."""
    inner = picture(run.space, run)
    ground = f'<rect width="{WIDTH}" height="{HEIGHT}" {role("surface")}/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true" '
        f'preserveAspectRatio="xMidYMid slice">{ground}{inner}</svg>'
    )


def paint(light: str, dark: str, kind: str = "fill") -> str:
    """Attributes that colour a shape in either theme; a browser without ``light-dark`` takes the light one."""
    return f'{kind}="{light}" style="{kind}:light-dark({light},{dark})"'


def role(name: str, kind: str = "fill") -> str:
    """The colour of a meaning (see :mod:`ebm_plugins.palette`)."""
    return paint(LIGHT[name], DARK[name], kind)


@singledispatch
def picture(space: Space, run: Run) -> str:
    """What is drawn for a space. A subclass of ours is drawn as its parent; any other as a plain projection."""
    return _projection(run)


@picture.register
def _(space: Plane, run: Run) -> str:
    return _plane(run)


@picture.register
def _(space: BinaryGrid, run: Run) -> str:
    states = _finite(run.sampling.last)
    if len(states) >= TILES[0] * TILES[1]:
        return _sheet(states, (space.rows, space.cols), cells=True)
    return _film(run, (space.rows, space.cols))


@picture.register
def _(space: Vectors, run: Run) -> str:
    return _sheet(_finite(run.sampling.last), space.shape, cells=False) if space.shape else _projection(run)


@picture.register
def _(space: Pairs, run: Run) -> str:
    return _matches(space, run)


def _plane(run: Run) -> str:
    """The energy in flat bands, trails, and the last states; of a few chains, the whole way that they went."""
    last = _finite(run.sampling.last)[:PARTICLES]
    rows = _finite(run.data.x)[:PARTICLES] if run.data.x.ndim == 2 and run.data.x.shape[1] == 2 else last[:0]
    few = run.sampling.frames.shape[1] <= FEW
    kept = run.sampling.frames[:, :TRAILS][0 if few else -STEPS :]
    way = _finite(kept.reshape(-1, 2)) if few else last[:0]
    shown = np.vstack([last, rows, way])
    low, high = _view(shown if len(shown) else np.zeros((1, 2)))

    def place(x: NDArray[Any]) -> NDArray[Any]:
        return np.column_stack(
            [
                (x[:, 0] - low[0]) / (high[0] - low[0]) * WIDTH,
                (high[1] - x[:, 1]) / (high[1] - low[1]) * HEIGHT,
            ]
        )

    shapes = [_bands(run, low, high, shown)] if run.free is None else []
    shapes.append(_dots(place(rows), "data", 2.0))
    ways = [place(path) for path in np.swapaxes(kept, 0, 1) if np.isfinite(path).all()]
    inked = np.cumsum([np.linalg.norm(np.diff(way, axis=0), axis=1).sum() for way in ways])
    paths = [_line(way) for way, ink in zip(ways, inked, strict=True) if few or ink <= INK]
    if paths and len(kept) > 1:
        shapes.append(
            f'<path d="{"".join(paths)}" fill="none" stroke-width="1" stroke-linejoin="round" '
            f'opacity="{0.8 if few else 0.5}" {role("model", "stroke")}/>'
        )
    shapes.append(_dots(place(last), "model", 3.2 if few else 2.6))
    return "".join(shapes)


def _view(points: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Corners of a 16:9 window, equal scale on both axes, around nearly all of the points."""
    low, high = np.quantile(points, [0.05, 0.95], axis=0)
    middle, half = (low + high) / 2, np.maximum((high - low) / 2 * 1.25, 0.5)
    half_height = max(half[1], half[0] * HEIGHT / WIDTH)
    half = np.array([half_height * WIDTH / HEIGHT, half_height])
    return middle - half, middle + half


def _bands(run: Run, low: NDArray[Any], high: NDArray[Any], states: NDArray[Any]) -> str:
    """Fourteen flat bands of energy, low to high, dark to paper. Nothing for a model without an energy.

    The scale ends where nearly all of the states do, so that it shows the wells and not the walls.
    """
    cols, rows = 97, 55
    step = (high - low) / (np.array([cols, rows]) - 3)  # one step beyond the window on every side
    x = low[0] + step[0] * (np.arange(cols) - 1)
    y = high[1] - step[1] * (np.arange(rows) - 1)
    points = np.column_stack([a.ravel() for a in np.meshgrid(x, y)])
    energy = np.asarray(run.target.energy(points), dtype=float).reshape(rows, cols)
    known = energy[np.isfinite(energy)]
    if len(known) < energy.size // 2:
        return ""
    visited = np.asarray(run.target.energy(states), dtype=float) if len(states) else known
    bottom, middle, wall = (float(v) for v in np.quantile(known, [0.0, 0.4, 0.9]))
    top = min(max(float(np.quantile(visited, 0.95)), middle), wall)
    if not top > bottom:
        return ""
    light, dark = (ramp(colours, BANDS) for colours in (ENERGY_LIGHT, ENERGY_DARK))
    shapes = [f'<rect width="{WIDTH}" height="{HEIGHT}" {paint(light[-1], dark[-1])}/>']
    size = np.array([WIDTH / (cols - 3), HEIGHT / (rows - 3)])
    for band in range(BANDS - 1, 0, -1):
        outline = regions(energy, bottom + (top - bottom) * band / BANDS)
        d = "".join(_line((polygon - 1) * size) + "z" for polygon in outline)
        if d:
            shapes.append(f'<path d="{d}" fill-rule="evenodd" {paint(light[band - 1], dark[band - 1])}/>')
    return "".join(shapes)


def _film(run: Run, shape: tuple[int, int]) -> str:
    """One state at the start, half-way to where it ends, and at the end."""
    frames = _finite(run.sampling.frames[:, 0])
    if not len(frames):
        return ""
    to_go = np.abs(frames - frames[-1]).sum(axis=1)
    middle = int(np.abs(to_go - to_go[0] / 2).argmin()) if to_go[0] else len(frames) // 2
    return _tiles(frames[[0, middle, -1]], shape, columns=3, rows=1, margin=14, gap=10, cells=True)


def _sheet(states: NDArray[Any], shape: tuple[int, int], *, cells: bool) -> str:
    """A sheet of states as images, the first few of the batch."""
    columns, rows = TILES
    if len(states) < columns * rows:
        rows, columns = (1, max(1, len(states))) if len(states) <= 5 else (2, len(states) // 2)
    return _tiles(states[: columns * rows], shape, columns=columns, rows=rows, margin=12, gap=6, cells=cells)


def _tiles(
    states: NDArray[Any],
    shape: tuple[int, int],
    *,
    columns: int,
    rows: int,
    margin: float,
    gap: float,
    cells: bool,
) -> str:
    """States (n, h·w) as tiles: ``cells`` with room between them, or the pixels of an image on paper. Value 0 is
    the ground, the largest value the model's colour."""
    if not len(states):
        return ""
    height, width = shape
    wide = (WIDTH - 2 * margin - gap * (columns - 1)) / columns / width
    tall = (HEIGHT - 2 * margin - gap * (rows - 1)) / rows / height
    cell = min(wide, tall, 18.0)
    left = (WIDTH - columns * width * cell - gap * (columns - 1)) / 2
    top = (HEIGHT - rows * height * cell - gap * (rows - 1)) / 2
    low, high = min(0.0, float(states.min())), max(1.0, float(states.max()))
    shade = np.round((states - low) / (high - low) * SHADES).astype(int)
    number, index = np.divmod(np.arange(states.size), height * width)
    down, across = np.divmod(index, width)
    x = left + (number % columns) * (width * cell + gap) + across * cell
    y = top + (number // columns) * (height * cell + gap) + down * cell
    share, ground = (0.88, "off") if cells else (1.03, "page")
    shapes = [_squares(x, y, cell * share, LIGHT[ground], DARK[ground])]
    for level in range(1, SHADES + 1):
        chosen = (shade == level).ravel()
        opacity = level / SHADES
        shapes.append(_squares(x[chosen], y[chosen], cell * share, LIGHT["model"], DARK["model"], opacity))
    return "".join(shapes)


def _matches(space: Pairs, run: Run) -> str:
    """Energies of every left half with every right half of a few states: a pair that belongs is a dark cell."""
    states = np.unique(_finite(run.sampling.last), axis=0)[:10]
    if not len(states) or run.free is not None:
        return ""
    n, cut = len(states), space.left.dim
    left, right = np.repeat(states[:, :cut], n, axis=0), np.tile(states[:, cut:], (n, 1))
    energy = np.asarray(run.target.energy(np.hstack([left, right])), dtype=float)
    if not np.isfinite(energy).all():
        return ""
    cell = (HEIGHT - 24) / n
    rank = (energy - energy.min()) / (float(np.ptp(energy)) or 1.0)
    level = np.minimum((rank * BANDS).astype(int), BANDS - 1)
    down, across = np.divmod(np.arange(n * n), n)
    x, y = (WIDTH - n * cell) / 2 + across * cell, 12 + down * cell
    light, dark = (ramp(colours, BANDS) for colours in (ENERGY_LIGHT, ENERGY_DARK))
    chosen = [(level == band) for band in range(BANDS)]
    return "".join(_squares(x[c], y[c], cell * 0.88, light[b], dark[b]) for b, c in enumerate(chosen))


def _projection(run: Run) -> str:
    """States of any space on the two directions in which they, or their data, spread most."""
    states = _finite(run.sampling.last)[:PARTICLES]
    rows = _finite(run.data.x)[:PARTICLES]
    rows = rows if rows.shape[1:] == states.shape[1:] else states[:0]
    together = np.vstack([rows, states])
    if len(together) < 2:
        return ""
    centred = together - together.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
    flat = np.zeros((len(together), 2))
    flat[:, : len(axes)] = centred @ axes.T
    low, high = _view(flat)
    place = (flat - low) / (high - low) * [WIDTH, HEIGHT]
    return _dots(place[: len(rows)], "data", 2.0) + _dots(place[len(rows) :], "model", 2.6)


def _finite(x: Any) -> NDArray[Any]:
    x = np.asarray(x, dtype=float)
    return x[np.isfinite(x).all(axis=1)]


def _dots(points: NDArray[Any], name: str, radius: float) -> str:
    """Discs, each with its halo."""
    d = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}"/>'
        for x, y in points
        if -9 < x < WIDTH + 9 and -9 < y < HEIGHT + 9
    )
    style = f"fill:{_pair(name)};stroke:{_pair('halo')}"
    return (
        f'<g fill="{LIGHT[name]}" stroke="{LIGHT["halo"]}" stroke-width="0.8" style="{style}">{d}</g>'
        if d
        else ""
    )


def _pair(name: str) -> str:
    return f"light-dark({LIGHT[name]},{DARK[name]})"


def _line(points: NDArray[Any]) -> str:
    """A path through points (n, 2)."""
    points = np.clip(points, -4 * WIDTH, 4 * WIDTH)
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _squares(
    x: NDArray[Any], y: NDArray[Any], size: float, light: str, dark: str, opacity: float = 1.0
) -> str:
    """Squares as one path; those large enough to see it have round corners, made by the joins of a stroke."""
    if not len(x):
        return ""
    edge = 0.22 * size if size > 6 else 0.0
    side = f"{size - edge:.2f}"
    d = "".join(
        f"M{a + edge / 2:.1f} {b + edge / 2:.1f}h{side}v{side}h-{side}z" for a, b in zip(x, y, strict=True)
    )
    stroke = f' stroke-width="{edge:.2f}" stroke-linejoin="round" stroke="{light}"' if edge else ""
    colour = f"light-dark({light},{dark})"
    style = f"fill:{colour};stroke:{colour}" if edge else f"fill:{colour}"
    faint = f' opacity="{opacity:.3g}"' if opacity < 1 else ""
    return f'<path d="{d}" fill="{light}"{stroke}{faint} style="{style}"/>'


def ramp(colours: tuple[str, ...], count: int) -> list[str]:
    """``count`` colours, evenly spaced along a scale from its first to its last."""
    stops = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours], dtype=float)
    at = np.linspace(0, len(colours) - 1, count)
    mixed = [np.interp(at, np.arange(len(colours)), stops[:, channel]) for channel in range(3)]
    return ["#" + "".join(f"{round(float(v)):02X}" for v in colour) for colour in zip(*mixed, strict=True)]
