"""A third-party dataset: the plus and the diagonal cross on a 3 × 3 grid."""

import numpy as np

from ebm_plugins import BinaryGrid, Data, Dataset, hookimpl

GRID = BinaryGrid(3, 3)


def load():
    plus = [0, 1, 0, 1, 1, 1, 0, 1, 0]
    cross = [1, 0, 1, 0, 1, 0, 1, 0, 1]
    return Data(x=np.array([plus, cross], dtype=float), space=GRID, name="Crosses", names=("Plus", "Cross"))


@hookimpl
def register_datasets():
    yield Dataset(
        key="crosses", title="Crosses", summary="A plus and a diagonal cross.", space=GRID, load=load
    )
