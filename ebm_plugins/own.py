"""Data of one's own: rows that a person drew, carried in the link."""

from __future__ import annotations

import numpy as np

from ebm_plugins.datasets import inline_key
from ebm_plugins.records import Array, ConfigError, Data
from ebm_plugins.spaces import BinaryGrid

MOST_ROWS = 24


def has_room(data: Data) -> bool:
    """Whether a link can hold these data and one more row."""
    return isinstance(data.space, BinaryGrid) and len(data.x) < MOST_ROWS


def with_row(data: Data, state: Array) -> str | None:
    """The key of these data with one more row (dim,), or None where a link cannot hold them or it is there already."""
    if not has_room(data):
        return None
    state = np.asarray(state, dtype=float)
    if len(data.x) and (np.asarray(data.x) == state).all(axis=1).any():
        return None
    try:
        return inline_key(np.vstack([data.x, state]), data.space)
    except ConfigError:
        return None
