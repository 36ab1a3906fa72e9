r"""Rules of learning for networks of spins, and the energies that they make.

P patterns :math:`\xi^\mu` of N spins :math:`\pm 1` become *params*: the patterns themselves, thresholds θ (N,), the rule's
number in :data:`RULES`, and what the rule makes of the patterns: weights (N, N) for the three pairwise rules, a
degree or a sharpness for the two dense ones.

Sources: Hopfield (1982); Personnaz, Guyon, Dreyfus (1985); Storkey (1997); Krotov, Hopfield (2016); Demircigil et
al. (2017); Ramsauer et al. (2020).
"""

from __future__ import annotations

import numpy as np

from ebm_plugins.records import Array, Params

RULES = ("hebb", "storkey", "pseudo-inverse", "dense-polynomial", "dense-exponential")
PAIRWISE = RULES[:3]


def rule_of(params: Params) -> str:
    """The name of the learning rule that made these params."""
    return RULES[int(np.ravel(params["rule"])[0])]


def spins(x: Array) -> Array:
    """States 0 or 1 as spins −1 or +1, of the same shape; float32 stays float32."""
    x = np.asarray(x)
    return 2.0 * x - 1.0 if x.dtype.kind == "f" else 2.0 * x.astype(float) - 1.0


def hebb(patterns: Array, weights: Array | None = None) -> Array:
    """Hebb's weights (N, N) of the patterns (P, N) in ±1, added to ``weights``: W = Σ ξξᵀ/N, no diagonal."""
    size = patterns.shape[1]
    new = patterns.T @ patterns / size
    np.fill_diagonal(new, 0.0)
    return new if weights is None else weights + new


def storkey(patterns: Array, weights: Array | None = None) -> Array:
    r"""Storkey's weights (N, N): the patterns (P, N) in ±1 are learned one after another, on top of ``weights``,

    .. math:: \Delta w_{ij} = (\xi_i\xi_j - \xi_i h_{ji} - h_{ij}\xi_j)/N,\quad h_{ij} = \sum_{k \ne i,j} w_{ik}\xi_k .

    Source: Storkey (1997), *Increasing the capacity of a Hopfield network without sacrificing functionality*.
    """
    size = patterns.shape[1]
    weights = np.zeros((size, size)) if weights is None else weights.copy()
    for pattern in patterns:
        # The diagonal is zero, so leaving out k = i costs nothing, and k = j is one term.
        h = (weights @ pattern)[:, None] - weights * pattern[None, :]
        cross = h * pattern[None, :]  # h_ij ξ_j
        weights += (np.outer(pattern, pattern) - cross - cross.T) / size
        np.fill_diagonal(weights, 0.0)
    return weights


def pseudo_inverse(patterns: Array) -> Array:
    """The projection (N, N) onto the span of the patterns (P, N), without its diagonal.

    It is Ξ⁺Ξ, the least-squares solution of WΞᵀ = Ξᵀ, computed from the singular vectors, so that linearly
    dependent patterns do no harm: each still has Wξ = ξ before the diagonal goes, and s·h = 1 − w_ii ≥ 0 after.

    Source: Personnaz, Guyon, Dreyfus (1985).
    """
    _, values, vectors = np.linalg.svd(patterns, full_matrices=False)
    kept = vectors[values > values[0] * max(patterns.shape) * np.finfo(float).eps]
    weights = kept.T @ kept
    np.fill_diagonal(weights, 0.0)
    return weights


def frame(rule: str, patterns: Array, threshold: float = 0.0) -> dict[str, Array]:
    """The part of the params that every rule has: its number, the patterns (P, N) in ±1, thresholds (N,)."""
    thresholds = np.full(patterns.shape[1], float(threshold))
    return {"rule": np.array(RULES.index(rule)), "patterns": patterns, "thresholds": thresholds}


def memorise(
    rule: str, patterns: Array, order: int = 3, sharpness: float = 1.0, threshold: float = 0.0
) -> dict[str, Array]:
    """Params that hold the patterns (P, N), in ±1, under a rule of :data:`RULES`.

    ``order`` is the degree of the dense polynomial, ``sharpness`` the β of the dense exponential, ``threshold``
    the θ of every cell.
    """
    patterns = np.asarray(patterns, dtype=float)
    params = frame(rule, patterns, threshold)
    if rule == "hebb":
        params["weights"] = hebb(patterns)
    elif rule == "storkey":
        params["weights"] = storkey(patterns)
    elif rule == "pseudo-inverse":
        params["weights"] = pseudo_inverse(patterns)
    elif rule == "dense-polynomial":
        params["order"] = np.array(int(order))
    else:
        params["sharpness"] = np.array(float(sharpness))
    return params


def energy(params: Params, x: Array) -> Array:
    r"""E (n,) of the states x (n, N) in 0 or 1, with spins s = 2x − 1 and thresholds θ (N,).

    Pairwise rules: :math:`-\tfrac12 s^\top W s + \theta\cdot s`. Dense polynomial of degree k:
    :math:`-N\sum_\mu F(\xi^\mu\cdot s/N) + \theta\cdot s` with :math:`F(m) = m^k/k`, rectified
    (:math:`\max(m, 0)^k/k`) for odd k, where a plain power would reward being unlike a memory with a *lower*
    barrier and has no mirrored memories anyway; at k = 2 it is Hebb's energy less P/2. Dense exponential:
    :math:`-\beta^{-1}\log\sum_\mu\exp(\beta\,\xi^\mu\cdot s) + \theta\cdot s`, a rising function of
    −Σ exp(βξ·s) without thresholds, so that every step down in the one is a step down in the other.
    """
    s = spins(x)
    patterns, thresholds = params["patterns"], params["thresholds"]
    rule = rule_of(params)
    s64 = s.astype(float, copy=False)
    if rule in PAIRWISE:
        memory = -0.5 * np.einsum("ni,ni->n", s64 @ params["weights"], s64)
    elif rule == "dense-polynomial":
        degree = int(params["order"])
        overlap = s64 @ patterns.T / s64.shape[1]
        if degree % 2:
            overlap = np.maximum(overlap, 0.0)
        memory = -s64.shape[1] * (overlap**degree).sum(axis=1) / degree
    else:
        sharpness = float(params["sharpness"])
        exponents = sharpness * (s64 @ patterns.T)
        top = exponents.max(axis=1, keepdims=True)
        memory = -(np.log(np.exp(exponents - top).sum(axis=1)) + top[:, 0]) / sharpness
    return np.asarray((memory + s64 @ thresholds).astype(s.dtype, copy=False))
