"""An energy field as a picture: flat bands, low to high."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ebm_plugins import views

if TYPE_CHECKING:
    from ebm_plugins.exact import EnergyField

BANDS = 14


def bands(
    field: EnergyField, box: views.Box, size: int, count: int = BANDS
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """``(band, edge)``, each (size, size) with the top row first: which of ``count`` bands of energy each pixel of
    the window (x0, x1, y0, y1) lies in, and whether it borders on another.

    The bands divide what :func:`ebm_plugins.views.field_levels` shows, between the grid's points bilinearly.
    """
    levels = views.field_levels(field, box)
    low, high = levels["low"], levels["high"]
    energy = np.where(np.isfinite(field.energy), np.clip(field.energy, low, high), high)
    middle = (np.arange(size) + 0.5) / size
    x, y = box[0] + middle * (box[1] - box[0]), box[3] - middle * (box[3] - box[2])
    column, right = _between(field.x, x)
    row, lower = _between(field.y, y)
    across = energy[:, column] * (1 - right) + energy[:, column + 1] * right
    value = across[row] * (1 - lower)[:, None] + across[row + 1] * lower[:, None]
    unit = (value - low) / (high - low) if high > low else np.zeros_like(value)
    band = np.minimum(unit * count, count - 1).astype(np.uint8)
    edge = np.zeros(band.shape, dtype=bool)
    edge[:, :-1] |= band[:, 1:] != band[:, :-1]
    edge[:-1] |= band[1:] != band[:-1]
    return band, edge


def _between(
    grid: NDArray[np.float64], places: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The even grid's point at or below each place, and how far on to the next one it is; ends are held."""
    at = np.clip((places - grid[0]) / (grid[-1] - grid[0]) * (len(grid) - 1), 0, len(grid) - 1)
    index = np.minimum(at.astype(np.int64), len(grid) - 2)
    return index, at - index
