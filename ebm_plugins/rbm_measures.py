"""What is said of a restricted Boltzmann machine while it learns, and of rows that it finds odd.

Reconstruction error never stands alone: the log-likelihood is beside it, exact where a layer has at most 16 units
and else with log Z by a short annealing (which is too small on average, so that the likelihood is flattered a little).
"""

from __future__ import annotations

import numpy as np

from ebm_plugins import ais
from ebm_plugins.rbm_core import (
    free_energy,
    log_partition,
    machine,
    pseudo_log_likelihood,
    reconstruction_error,
)
from ebm_plugins.records import Array, Params, Rng

EXACT_UNITS = 16  # of the smaller layer, summed over at every snapshot
QUICK_CHAINS, QUICK_TEMPERATURES = 64, 100
QUICK_PRODUCTS, LEAST_CHAINS = 2_000_000, 16  # a large machine is annealed in fewer chains
ROWS = 500  # rows that averages are taken over
STEADY = 200  # draws that a reconstruction error is averaged over, at least


def summable(params: Params) -> bool:
    """Whether log Z is cheap enough to be had exactly at every snapshot."""
    cells, hidden = params["weights"].shape
    return (hidden if "scale" in params else min(cells, hidden)) <= EXACT_UNITS


def log_z(params: Params, rng: Rng) -> float:
    """log Z, exactly where it is cheap, else by a short annealing in 100 steps: of 64 chains, or of 16 to 63 where
    there are more than 31,250 weights."""
    if summable(params):
        exact = log_partition(params)
        assert exact is not None
        return exact
    chains = min(QUICK_CHAINS, max(LEAST_CHAINS, QUICK_PRODUCTS // params["weights"].size))
    logs, _ = ais.forward(params, rng, chains, QUICK_TEMPERATURES)
    return ais.estimate(logs)[0]


def measure(params: Params, x: Array, held_out: Array | None, rng: Rng) -> dict[str, float]:
    """The metrics of one snapshot, in nats a row: ``log_likelihood`` (or ``log_likelihood_ais`` where log Z is
    estimated), of learned and of ``held_out`` rows; ``overfitting_gap``, the free energy of held-out rows less that
    of learned ones, which needs no log Z; ``pseudo_log_likelihood`` of binary rows; ``reconstruction_error``."""
    # where log Z is estimated, cells need no more; real rows may lie far from 0
    precision = float if "scale" in params or summable(params) else np.float32
    x = np.asarray(x[:ROWS], dtype=precision)
    learned = free_energy(params, x)
    name = "log_likelihood" if summable(params) else "log_likelihood_ais"
    z = log_z(params, rng)
    found = {name: -float(learned.mean(dtype=float)) - z}
    if held_out is not None and len(held_out):
        other = free_energy(params, np.asarray(held_out[:ROWS], dtype=precision))
        found[f"held_out_{name}"] = -float(other.mean(dtype=float)) - z
        found["overfitting_gap"] = float(other.mean(dtype=float) - learned.mean(dtype=float))
    if "scale" not in params:
        found["pseudo_log_likelihood"] = pseudo_log_likelihood(params, x[:100])
    often = np.tile(x, (max(1, STEADY // len(x)), 1))  # one draw of h for a handful of rows says little
    found["reconstruction_error"] = reconstruction_error(machine(params, precision), often, rng)
    return found


def roc(normal: Array, odd: Array) -> tuple[Array, Array, float]:
    """False-alarm rate, hit rate (k,) and area of the rule 'odd when the score is above a threshold'.

    ``normal`` (n,) and ``odd`` (m,) are scores, such as free energies. The area is the probability that an odd
    row scores higher than a normal one, ties counting half.
    """
    edges = np.unique(np.concatenate([normal, odd]))[::-1]
    alarms = np.array([0.0, *((normal >= e).mean() for e in edges)])
    hits = np.array([0.0, *((odd >= e).mean() for e in edges)])
    return alarms, hits, float(np.sum(np.diff(alarms) * (hits[1:] + hits[:-1]) / 2))
