r"""Deep belief networks: restricted Boltzmann machines stacked, learned one after the other from below.

The hidden units that a machine finds for its data are the data of the next. The stack is the top machine with
directed layers below it: p(v, h) = p(v | h) p_top(h). A top that is the transpose of the machine below leaves p(v)
as it was, and from there learning can only raise the bound

.. math:: \log p(v) \ge \sum_h q(h|v)\,[\log p(v|h) - F_{top}(h)] + H(q) - \log Z_{top},

where q(h|v) is the lower machine's. Sources: Hinton, Osindero, Teh 2006; Salakhutdinov, Murray 2008 (the bound).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ebm_plugins import rbm_learning
from ebm_plugins.rbm_core import (
    bernoulli,
    free_energy,
    hidden_probability,
    log_partition,
    machine,
    softplus,
    sweep,
    visible_mean,
)
from ebm_plugins.records import Array, Params, Rng
from ebm_plugins.truth import states_of

HIDDEN_DRAWS = 5  # of hidden units for each row that an upper layer learns from
CAREFUL = 1 / 3  # share of the learning rate that upper layers take
MOST_FIRST = 14  # hidden units of the first layer, for the exact likelihood


def transposed(params: Params) -> dict[str, Array]:
    """The machine with its layers exchanged: as the top of a stack it changes nothing of p(v)."""
    return {
        "weights": params["weights"].T.copy(),
        "visible_bias": params["hidden_bias"].copy(),
        "hidden_bias": params["visible_bias"].copy(),
        "base_bias": params["hidden_bias"].copy(),
    }


def up(layers: Sequence[Params], x: Array, rng: Rng) -> Array:
    """Hidden states of the topmost of these layers, drawn layer by layer from x (n, V)."""
    for params in layers:
        x = bernoulli(hidden_probability(machine(params), np.asarray(x, dtype=float)), rng)
    return x


def stack(x: Array, widths: Sequence[int], config: Any, rng: Rng) -> Iterator[list[dict[str, Array]]]:
    """Learn machines of these many hidden units over binary x (n, V), and yield the stack after each.

    ``config`` has the fields of the RBM's train config. Upper layers see five draws of the hidden units for each row,
    in a fifth of the epochs at a third of the rate: what they start from is good already. A layer as wide as what is below the one under it starts
    from that one's transpose.
    """
    layers: list[dict[str, Array]] = []
    for width in widths:
        copies = HIDDEN_DRAWS if layers else 1
        rows = np.concatenate([up(layers, x, rng) for _ in range(copies)])
        begin = None
        if layers and layers[-1]["weights"].shape[0] == width:
            mean = (rows.sum(axis=0) + 0.5) / (len(rows) + 1)
            base = np.log(mean / (1 - mean))
            begin = machine({**transposed(layers[-1]), "base_bias": base}, np.float32)
        asked = config.model_copy(
            update={
                "hidden": width,
                "epochs": max(1, config.epochs // copies),
                "learning_rate": config.learning_rate * (CAREFUL if layers else 1.0),
            }
        )
        layers = [*layers, rbm_learning.learn(rows, asked, rng, begin)]
        yield list(layers)


def dream(layers: Sequence[Params], n: int, sweeps: int, rng: Rng) -> Array:
    """(n, V) probabilities of the visible cells: sweeps of the top machine, then one way down."""
    top = machine(layers[-1], np.float32)
    v = (rng.random((n, len(top.visible_bias))) < 0.5).astype(np.float32)
    for _ in range(sweeps):
        v = sweep(top, v, rng)
    if len(layers) == 1:
        return visible_mean(top, bernoulli(hidden_probability(top, v), rng))
    for params in layers[-2:0:-1]:
        v = bernoulli(visible_mean(machine(params, np.float32), v), rng)
    return visible_mean(machine(layers[0], np.float32), v)


def log_conditional(params: Params, v: Array, h: Array) -> Array:
    """log p(v | h) (n,) of binary rows v (n, V) given h (n, H)."""
    field = h @ params["weights"].T + params["visible_bias"]
    return np.asarray((v * field - softplus(field)).sum(axis=1))


def bound(layers: Sequence[Params], x: Array, log_z: float, rng: Rng, draws: int = 10) -> float:
    """Mean over rows x (n, V), in nats, of the lower bound on log p(v), with ``log_z`` that of the top machine.

    Hidden layers are drawn ``draws`` times a row; entropies are exact given the layer below. For a single machine
    it is the log-likelihood itself.
    """
    total = 0.0
    for _ in range(draws):
        v = np.asarray(x, dtype=float)
        found = np.zeros(len(v))
        for params in layers[:-1]:
            p = hidden_probability(machine(params), v)
            h = bernoulli(p, rng)
            entropy = -(p * np.log(np.maximum(p, 1e-300)) + (1 - p) * np.log(np.maximum(1 - p, 1e-300))).sum(
                axis=1
            )
            found += log_conditional(params, v, h) + entropy
            v = h
        total += float((found - free_energy(layers[-1], v)).mean())
    return total / draws - log_z


def exact_log_likelihood(layers: Sequence[Params], x: Array) -> float:
    """Mean log p(v) over binary rows x (n, V) of a stack of two, by summing over its first hidden layer.

    Raises ValueError when that has more than 14 units or the stack is not of two.
    """
    bottom, top = layers
    units = bottom["weights"].shape[1]
    if units > MOST_FIRST:
        raise ValueError(f"expected a first layer of at most {MOST_FIRST} units, got {units}")
    h = states_of(np.arange(2**units), units)
    z = log_partition(top)
    assert z is not None
    field = h @ bottom["weights"].T + bottom["visible_bias"]
    logs = np.asarray(x, dtype=float) @ field.T - softplus(field).sum(axis=1) - free_energy(top, h) - z
    most = logs.max(axis=1)
    return float(np.mean(most + np.log(np.exp(logs - most[:, None]).sum(axis=1))))
