"""A run as a square picture beside others of the same energy: one window and one scale for all of them.

Drawn as SVG that is right in light and in dark, of shapes and numbers only (see :mod:`ebm_plugins.thumbs`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebm_plugins import thumbs, views
from ebm_plugins.isolines import regions
from ebm_plugins.palette import DARK, ENERGY_DARK, ENERGY_LIGHT, LIGHT
from ebm_plugins.records import Run
from ebm_plugins.spaces import Plane

SIZE = 300
CELLS = 64  # of the grid that the energy is drawn from, each way
BANDS = 14
MOST = 300  # states that are drawn


def svg(run: Run) -> str:
    """The last states of a run: over its energy in the plane, as a sheet of pictures elsewhere."""
    if not isinstance(run.space, Plane) or run.free is not None:
        return thumbs.svg(run)
    ground = f'<rect width="{SIZE}" height="{SIZE}" {thumbs.role("surface")}/>'
    box = window(run)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}" aria-hidden="true" '
        f'preserveAspectRatio="xMidYMid slice">{ground}{_bands(run, box)}{_states(run, box)}</svg>'
    )


def shape(run: Run) -> str:
    """Width to height of the picture."""
    return "1 / 1" if isinstance(run.space, Plane) and run.free is None else "16 / 9"


def window(run: Run) -> views.Box:
    """What is shown of the plane: nearly all of the exact density, whatever the run made of it; where there is none,
    nearly all of the states."""
    exact = run.truth.marginals() if run.truth is not None else []
    states = np.asarray(run.sampling.last, dtype=float)
    return views.visible_box(states[:0] if exact else states, exact)


def _bands(run: Run, box: views.Box) -> str:
    """The energy in flat bands between its least value in the window and a value that its walls are above."""
    x0, x1, _, y1 = box
    step = (x1 - x0) / (CELLS - 3)  # one step beyond the window on every side
    x = x0 + step * (np.arange(CELLS) - 1)
    y = y1 - step * (np.arange(CELLS) - 1)
    places = np.column_stack([a.ravel() for a in np.meshgrid(x, y)])
    with np.errstate(all="ignore"):
        energy = np.asarray(run.target.energy(places), dtype=float).reshape(CELLS, CELLS)
    known = energy[np.isfinite(energy)]
    if len(known) < energy.size // 2:
        return ""
    bottom, top = (float(v) for v in np.quantile(known, [0.0, 0.93]))
    if not top > bottom:
        return ""
    energy = np.where(np.isfinite(energy), energy, top + 1.0)
    light, dark = (thumbs.ramp(colours, BANDS) for colours in (ENERGY_LIGHT, ENERGY_DARK))
    shapes = [f'<rect width="{SIZE}" height="{SIZE}" {thumbs.paint(light[-1], dark[-1])}/>']
    for band in range(BANDS - 1, 0, -1):
        outline = regions(energy, bottom + (top - bottom) * band / BANDS)
        d = "".join(_path((polygon - 1) * SIZE / (CELLS - 3)) for polygon in outline)
        if d:
            line = 'stroke="#FFFFFF" stroke-opacity="0.28" stroke-width="0.5"'
            shapes.append(
                f'<path d="{d}" fill-rule="evenodd" {line} {thumbs.paint(light[band - 1], dark[band - 1])}/>'
            )
    return "".join(shapes)


def _states(run: Run, box: views.Box) -> str:
    """Discs, each with its halo."""
    x0, x1, y0, y1 = box
    states = np.asarray(run.sampling.last, dtype=float)[:MOST]
    states = states[np.isfinite(states).all(axis=1)]
    places = np.column_stack([states[:, 0] - x0, y1 - states[:, 1]]) / [x1 - x0, y1 - y0] * SIZE
    inside = places[((places > -6) & (places < SIZE + 6)).all(axis=1)]
    discs = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.9"/>' for x, y in inside)
    pairs = {name: f"light-dark({LIGHT[name]},{DARK[name]})" for name in ("model", "halo")}
    return (
        f'<g fill="{LIGHT["model"]}" stroke="{LIGHT["halo"]}" stroke-width="1" '
        f'style="fill:{pairs["model"]};stroke:{pairs["halo"]}">{discs}</g>'
    )


def _path(points: NDArray[Any]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "z"
