r"""Parallel tempering for restricted Boltzmann machines: replicas along the path, swapped between neighbours.

Replica r runs at β_r of the path of :mod:`ebm_plugins.rbm_core`; neighbours r and r + 1 exchange their states with
probability min(1, exp(F_r(v_r) + F_{r+1}(v_{r+1}) − F_r(v_{r+1}) − F_{r+1}(v_r))). At β = 0 units are independent, so
a walk down and up the ladder forgets where it was. Sources: Swendsen, Wang 1986; Desjardins et al. 2010; Cho 2010.
"""

from __future__ import annotations

import numpy as np

from ebm_plugins.rbm_core import Machine, draw_base, path_energy, sweep
from ebm_plugins.records import Array, Rng


def ladder(replicas: int) -> Array:
    """β (R, 1, 1) from 1 down to 0 in even steps; a single replica is at 1."""
    betas = np.linspace(1.0, 0.0, replicas) if replicas > 1 else np.ones(1)
    return betas.astype(np.float32)[:, None, None]


def replicas_of(m: Machine, v: Array, replicas: int, rng: Rng) -> Array:
    """(R, n, V): the states v (n, V) at β = 1, independent units elsewhere."""
    found = np.empty((replicas, *v.shape), m.weights.dtype)
    found[0] = v
    for r in range(1, replicas):
        found[r] = draw_base(m, len(v), rng)
    return found


def step(m: Machine, v: Array, betas: Array, rng: Rng, first: int) -> tuple[Array, float]:
    """One sweep of all replicas v (R, n, V), then swaps of the pairs (``first``, ``first`` + 1), and every second
    pair after it. Returns new states and the share of swaps that were accepted (NaN when none was tried)."""
    return swap(m, sweep(m, v, rng, betas), betas, rng, first)


def swap(m: Machine, v: Array, betas: Array, rng: Rng, first: int) -> tuple[Array, float]:
    """The swaps of :func:`step` alone, on a copy."""
    v = v.copy()
    low = np.arange(first, len(v) - 1, 2)
    if not len(low):
        return v, float("nan")
    high = low + 1
    gain = path_energy(m, v[low], betas[low]) + path_energy(m, v[high], betas[high])
    gain -= path_energy(m, v[high], betas[low]) + path_energy(m, v[low], betas[high])
    taken = np.log1p(-rng.random(gain.shape)) < gain
    a, b = v[low], v[high]
    v[low] = np.where(taken[..., None], b, a)
    v[high] = np.where(taken[..., None], a, b)
    return v, float(taken.mean())
