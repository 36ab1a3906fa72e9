r"""What a sampler pays where the sum over a grid is out of reach: evaluations of the energy, measured.

The energy is $\sum_i E(x_i)$ over d axes, each with the wells of :data:`ebm_plugins.wells1d.START`, at T = 1; asked
for is its mean to within :data:`ERROR` (root mean square over repetitions). The sampler is MALA in the box, as in
:mod:`ebm_plugins.samplers.mala`, from x = 0: a fifth of its steps is thrown away, and each step counts twice, for the
energy and the gradient at the place that it proposes. Since the axes are independent, the exact answer is d times
that of one axis, which quadrature knows; the sampler is not told that they are.

:data:`MEASURED` is what :func:`measure` found; ``python -m ebm_plugins.sampling_cost`` prints it anew, and a test
runs what it promises.
"""

from __future__ import annotations

import math

import numpy as np

from ebm_plugins import wells1d

METHOD = "Metropolis-adjusted Langevin"
ERROR = 0.1
DROPPED = 0.2  # of a run
STEP = 0.6  # η on one axis; η = STEP d^(−1/3) keeps the acceptance (Roberts and Rosenthal 1998)
PILOT = (256, 8000)  # chains and steps
DIMS = (1, 2, 4, 9, 16, 25, 36, 49, 64)
MEASURED = {
    1: 2_200, 2: 6_200, 4: 20_000, 9: 52_000, 16: 140_000, 25: 250_000, 36: 370_000, 49: 630_000, 64: 850_000,
}  # fmt: skip


def mean_energies(dim: int, steps: int, chains: int, seed: int) -> np.ndarray:
    """The mean energy that each of ``chains`` runs of MALA reports after ``steps`` steps: (chains,).

    Raises ValueError unless there are at least five steps, one chain and one axis.
    """
    if dim < 1 or chains < 1 or steps < 5:
        raise ValueError(
            f"expected an axis, a chain and five steps or more, got {dim}, {chains} and {steps} of them"
        )
    rng = np.random.default_rng(seed)
    step = STEP * dim ** (-1 / 3)
    x = np.zeros((chains, dim))
    energy, slope = wells1d.energy(x).sum(axis=1), wells1d.slope(x)
    first, total = int(DROPPED * steps), np.zeros(chains)
    for done in range(steps):
        noise = math.sqrt(2 * step) * rng.standard_normal(x.shape)
        there = x - step * slope + noise
        energy_there, slope_there = wells1d.energy(there).sum(axis=1), wells1d.slope(there)
        back = x - there + step * slope_there
        ratio = energy - energy_there + ((noise**2).sum(axis=1) - (back**2).sum(axis=1)) / (4 * step)
        taken = (np.log(rng.random(chains)) < ratio) & (np.abs(there) <= wells1d.BOX).all(axis=1)
        x = np.where(taken[:, None], there, x)
        slope = np.where(taken[:, None], slope_there, slope)
        energy = np.where(taken, energy_there, energy)
        if done >= first:
            total += energy
    return total / (steps - first)


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
