"""The regions below a level of a sampled function, as closed polygons (marching squares; Lorensen and Cline, 1987)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# For each of the 16 patterns of corners below the level (bits: bottom left 1, bottom right 2, top right 4, top
# left 8), the segments across the cell, from edge to edge, with the region on the left hand.
_BOTTOM, _RIGHT, _TOP, _LEFT = range(4)
_SEGMENTS: dict[int, tuple[tuple[int, int], ...]] = {
    1: ((_BOTTOM, _LEFT),),
    2: ((_RIGHT, _BOTTOM),),
    3: ((_RIGHT, _LEFT),),
    4: ((_TOP, _RIGHT),),
    5: ((_BOTTOM, _LEFT), (_TOP, _RIGHT)),
    6: ((_TOP, _BOTTOM),),
    7: ((_TOP, _LEFT),),
    8: ((_LEFT, _TOP),),
    9: ((_BOTTOM, _TOP),),
    10: ((_RIGHT, _BOTTOM), (_LEFT, _TOP)),
    11: ((_RIGHT, _TOP),),
    12: ((_LEFT, _RIGHT),),
    13: ((_BOTTOM, _RIGHT),),
    14: ((_LEFT, _BOTTOM),),
}


def regions(values: NDArray[Any], level: float) -> list[NDArray[np.float64]]:
    """The boundary of {values < level}, each piece a closed polygon (n, 2) of (column, row) in grid steps.

    ``values`` (h, w) counts as above the level outside the grid and where it is not finite, so every polygon
    closes. Drawn together by the even-odd rule they fill the region, holes included.
    """
    grid = np.pad(np.asarray(values, dtype=float), 1, constant_values=np.inf)
    grid = np.where(np.isfinite(grid), grid, np.inf)
    height, width = grid.shape
    below = grid < level
    pattern = below[:-1, :-1] + 2 * below[:-1, 1:] + 4 * below[1:, 1:] + 8 * below[1:, :-1]
    following: dict[int, int] = {}
    for case, segments in _SEGMENTS.items():
        rows, cols = np.nonzero(pattern == case)
        for start, end in segments:
            pairs = zip(_edge(rows, cols, start, grid.shape), _edge(rows, cols, end, grid.shape), strict=True)
            following.update(pairs)
    found = []
    while following:
        first = next(iter(following))
        loop, here = [first], following.pop(first)
        while here != first:
            loop.append(here)
            here = following.pop(here)
        found.append(_points(np.array(loop), grid, level, height * width, width) - 1.0)
    return found


def _edge(rows: NDArray[Any], cols: NDArray[Any], side: int, shape: tuple[int, ...]) -> list[int]:
    """Edge numbers: h·w horizontal ones by their left end, then the vertical ones by their lower end."""
    height, width = shape
    down, across = (1 if side == _TOP else 0), (1 if side == _RIGHT else 0)
    vertical = height * width if side in (_LEFT, _RIGHT) else 0
    return (vertical + (rows + down) * width + cols + across).tolist()


def _points(
    edges: NDArray[Any], grid: NDArray[Any], level: float, count: int, width: int
) -> NDArray[np.float64]:
    """Where the level crosses each edge, by linear interpolation; next to the finite end where one is not."""
    vertical = edges >= count
    rows, cols = np.divmod(edges % count, width)
    a, b = grid[rows, cols], grid[rows + vertical, cols + ~vertical]
    with np.errstate(invalid="ignore"):
        share = (level - a) / (b - a)  # 0 where b is infinite
    share = np.where(np.isinf(a), 1.0, np.where(np.isinf(b), 0.0, share))
    return np.column_stack([cols + np.where(vertical, 0.0, share), rows + np.where(vertical, share, 0.0)])
