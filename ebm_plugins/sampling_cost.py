r"""What a sampler pays where the sum over a grid is out of reach: evaluations of the energy, measured.

The energy is $\sum_i E(x_i)$ over d axes, each with the wells of :data:`ebm_plugins.wells1d.START`, at T = 1; asked
for is its mean to within :data:`ERROR` (root mean square over repetitions). The sampler is that of
:mod:`ebm_plugins.samplers.mala` in the box, from x = 0: a fifth of its steps is thrown away, and each step counts
twice, for the energy and the gradient at the place that it proposes. Since the axes are independent, the exact answer is d times
that of one axis, which quadrature knows; the sampler is not told that they are.

:data:`MEASURED` is what :func:`measure` found; ``python -m ebm_plugins.sampling_cost`` prints it anew, and a test
runs what it promises.
"""

from __future__ import annotations

import math

import numpy as np

from ebm_plugins import noise as noises
from ebm_plugins import wells1d
from ebm_plugins.chains import Adjusted
from ebm_plugins.noise import Array
from ebm_plugins.records import Target
from ebm_plugins.samplers import mala
from ebm_plugins.spaces import Vectors

METHOD = "Metropolis-adjusted Langevin"
ERROR = 0.1
DROPPED = 0.2  # of a run
STEP = 0.6  # η on one axis; η = STEP d^(−1/3) keeps the acceptance (Roberts and Rosenthal 1998)
PILOT = (256, 8000)  # chains and steps
DIMS = (1, 2, 4, 9, 16, 25, 36, 49, 64)
MEASURED = {
    1: 2_300, 2: 6_600, 4: 18_000, 9: 50_000, 16: 140_000, 25: 300_000, 36: 370_000, 49: 620_000, 64: 930_000,
}  # fmt: skip


def mean_energies(dim: int, steps: int, chains: int, seed: int) -> Array:
    """The mean energy that each of ``chains`` runs of MALA reports after ``steps`` steps: (chains,).

    Raises ValueError unless there are at least five steps, one chain and one axis.
    """
    if dim < 1 or chains < 1 or steps < 5:
        raise ValueError(
            f"expected an axis, a chain and five steps or more, got {dim}, {chains} and {steps} of them"
        )
    noise = noises.blocks(np.random.default_rng(seed), chains, tiles=chains)[0].noise
    x = np.zeros((chains, dim))
    state = Adjusted(x, _energy(x), wells1d.slope(x), 0)
    target = Target(energy=_energy, gradient=wells1d.slope, space=Vectors(dim))
    first, total = int(DROPPED * steps), np.zeros(chains)
    for done in range(steps):
        state = mala.step(target, state, noise, STEP * dim ** (-1 / 3))
        if done >= first:
            total += state.energy
    return total / (steps - first)


def _energy(x: Array) -> Array:
    """(n,) summed over the axes of ``x`` (n, dim); infinite outside the box, where MALA therefore never goes."""
    inside = (np.abs(x) <= wells1d.BOX).all(axis=1)
    return np.where(inside, wells1d.energy(x).sum(axis=1), np.inf)


def measure(dim: int, seed: int = 0) -> int:
    """Evaluations for an error of :data:`ERROR`, to two digits: the error of a mean falls as one over the root of
    the steps, and a pilot run of many chains says how large it is."""
    chains, steps = PILOT
    exact = dim * wells1d.solve(1.0).mean_energy
    square = float(np.mean((mean_energies(dim, steps, chains, seed) - exact) ** 2))
    needed = 2 * steps * square / ERROR**2
    digits = 1 - math.floor(math.log10(needed))
    return int(round(needed, digits))


if __name__ == "__main__":
    print({dim: measure(dim) for dim in DIMS})
