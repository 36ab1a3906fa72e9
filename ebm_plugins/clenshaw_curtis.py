r"""The nine-point Clenshaw-Curtis rule on cells of the line or the plane, with the five-point rule inside it.

Every cell keeps its energies on a Chebyshev grid, so its density is a polynomial that can be integrated over parts
of the cell, and looked at between the nodes.

Source: Clenshaw, Curtis, A method for numerical integration on an automatic computer, 1960.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.polynomial import chebyshev

from ebm_plugins.records import Array

POINTS = 9
LOOK = 33  # points an axis at which the energy between the nodes is looked at


@cache
def rule() -> tuple[Array, Array, Array, Array]:
    """Nodes on [−1, 1], the weights of both rules, and the matrix from node values to Chebyshev coefficients."""
    nodes = -np.cos(np.pi * np.arange(POINTS) / (POINTS - 1))
    to_series = np.linalg.inv(chebyshev.chebvander(nodes, POINTS - 1))

    def weights(x: Array) -> Array:
        k = np.arange(len(x))
        moments = np.where(k % 2 == 0, 2.0 / (1.0 - np.where(k == 1, 2, k) ** 2.0), 0.0)
        return np.asarray(moments @ np.linalg.inv(chebyshev.chebvander(x, len(x) - 1)))

    low = np.zeros(POINTS)
    low[::2] = weights(nodes[::2])
    return nodes, weights(nodes), low, to_series


@cache
def over_parts(count: int) -> Array:
    """(count, POINTS): integrals over ``count`` equal parts of [−1, 1] from the values at the nodes."""
    edges = np.linspace(-1.0, 1.0, count + 1)
    antiderivatives = chebyshev.chebint(np.eye(POINTS), axis=0)
    at_edges = chebyshev.chebvander(edges, POINTS) @ antiderivatives
    return np.asarray(np.diff(at_edges, axis=0) @ rule()[3])


@dataclass(frozen=True, eq=False)
class Cells:
    """``m`` boxes: lower corner and width (m, d), the energy at their nodes, (m, 9, 9) or (m, 9, 1), and how low
    (m,) the energy seems to go between the nodes."""

    corner: Array
    width: Array
    energy: Array
    hidden: Array

    def __len__(self) -> int:
        return len(self.corner)

    def take(self, rows: Array) -> Cells:
        """Some of the cells."""
        return Cells(self.corner[rows], self.width[rows], self.energy[rows], self.hidden[rows])

    def join(self, other: Cells) -> Cells:
        """These cells and others."""
        return Cells(
            np.concatenate([self.corner, other.corner]),
            np.concatenate([self.width, other.width]),
            np.concatenate([self.energy, other.energy]),
            np.concatenate([self.hidden, other.hidden]),
        )

    def nodes(self) -> Array:
        """(m, 9·9, d) or (m, 9, 1): where the energies were taken, x varying slowest."""
        t = 0.5 * (rule()[0] + 1.0)
        if self.corner.shape[1] == 1:
            return self.corner[:, None, :] + self.width[:, None, :] * t[None, :, None]
        grid = np.stack(np.meshgrid(t, t, indexing="ij"), axis=-1).reshape(-1, 2)
        return np.asarray(self.corner[:, None, :] + self.width[:, None, :] * grid)

    def density(self, floor: float) -> Array:
        """exp(floor − E) at the nodes: at most 1 when ``floor`` is the least energy."""
        return np.exp(floor - self.energy)

    def integrals(self, floor: float) -> tuple[Array, Array]:
        """(m,) integrals of exp(floor − E), and (m, d) how far the coarser rule along each axis is off."""
        _, fine, coarse, _ = rule()
        f, volume = self.density(floor), (0.5 * self.width).prod(axis=1)
        if self.width.shape[1] == 1:
            total = f[:, :, 0] @ fine
            off = np.abs(total - f[:, :, 0] @ coarse)[:, None]
        else:
            along_x = f @ fine
            total = along_x @ fine
            off = np.abs(np.stack([along_x @ coarse, (f @ coarse) @ fine], axis=1) - total[:, None])
        between = np.exp(np.minimum(floor - self.hidden, 0.0)) - f.max(axis=(1, 2))
        off = np.maximum(off, np.maximum(between, 0.0)[:, None] / LOOK)
        return total * volume, off * volume[:, None]

    def node_masses(self, floor: float) -> Array:
        """(m, 9, 9) or (m, 9, 1): the rule's weight times exp(floor − E) at every node."""
        fine = rule()[1]
        weights = fine[:, None] if self.width.shape[1] == 1 else np.outer(fine, fine)
        return self.density(floor) * weights * (0.5 * self.width).prod(axis=1)[:, None, None]


def least_between(energy: Array) -> Array:
    """(m,) the least energy between the nodes, by interpolation where its series has converged: a ridge of
    density too thin for exp(−E) at the nodes still shows as a valley of the smoother E."""
    least = energy.min(axis=(1, 2))
    most = energy.max(axis=(1, 2))
    rows = np.flatnonzero(np.where(np.isfinite(most), most, least) > least + 1.0)
    if not len(rows):
        return least
    to_series = rule()[3]
    look = chebyshev.chebvander(np.linspace(-1.0, 1.0, LOOK), POINTS - 1)
    e = energy[rows]
    series = np.einsum("kp,mpq->mkq", to_series, e)
    tail = np.abs(series[:, -2:]).max(axis=(1, 2))
    if energy.shape[2] > 1:
        series = series @ to_series.T
        tail = np.maximum(np.abs(series[:, -2:]).max(axis=(1, 2)), np.abs(series[:, :, -2:]).max(axis=(1, 2)))
        lowest = (look @ series @ look.T).min(axis=(1, 2))
    else:
        lowest = (look @ series).min(axis=(1, 2))
    trusted = tail <= 1e-3 * (most - least)[rows]
    least[rows] = np.where(trusted, np.minimum(lowest, least[rows]), least[rows])
    return least
