"""A data row as a small picture, and its name."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebm_plugins.palette import DARK, LIGHT
from ebm_plugins.records import Data
from ebm_plugins.spaces import BinaryGrid, Space, Vectors

SIDE = 96  # pixels


def picture(data: Data, row: int) -> NDArray[np.uint8] | None:
    """One row as RGBA pixels (h, w, 4) in the colour of data; None where its space has no picture.

    A picture does not follow the theme: cells are between the light and the dark colour, and off is a faint grey.
    """
    shape = image_shape(data.space)
    if shape is None or not 0 <= row < len(data.x):
        return None
    values = np.asarray(data.x[row], dtype=float)
    return _picture(values.tobytes(), shape, isinstance(data.space, BinaryGrid))


@lru_cache(maxsize=256)
def _picture(raw: bytes, shape: tuple[int, int], cells: bool) -> NDArray[np.uint8]:
    """Each picture is made once: a page shows the same ones at every rerun."""
    made = pixels(np.frombuffer(raw).reshape(shape), cells=cells)
    made.setflags(write=False)
    return made


def image_shape(space: Space) -> tuple[int, int] | None:
    """Rows and columns of a state drawn as an image, or None."""
    if isinstance(space, BinaryGrid):
        return space.rows, space.cols
    return space.shape if isinstance(space, Vectors) else None


def pixels(values: NDArray[Any], *, cells: bool, colour: str = "data") -> NDArray[np.uint8]:
    """Values (h, w) in [0, 1] as pixels; ``cells`` leaves a gap between them."""
    scale = max(1, SIDE // max(values.shape))
    share = np.kron(np.clip(values, 0.0, 1.0), np.ones((scale, scale)))[..., None]
    pair = [[int(theme[colour][i : i + 2], 16) for i in (1, 3, 5)] for theme in (LIGHT, DARK)]
    ink = np.append(np.average(pair, axis=0, weights=[0.75, 0.25]), 255.0)
    faint = np.array([134.0, 142.0, 154.0, 56.0])
    out = faint + share * (ink - faint)
    if cells and scale >= 4:
        edge = np.arange(max(out.shape[:2])) % scale == scale - 1
        out[edge[: out.shape[0]]] = 0.0
        out[:, edge[: out.shape[1]]] = 0.0
    return np.asarray(np.round(out), dtype=np.uint8)


def row_name(data: Data, row: int) -> str:
    """What a row is called: its own name, else its label and number, else its number (from 0, as in links)."""
    if row < len(data.names):
        return data.names[row]
    if data.labels is not None and row < len(data.labels):
        return f"{data.labels[row]}, row {row}"
    return f"Row {row}"
