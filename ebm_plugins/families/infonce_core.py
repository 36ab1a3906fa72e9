r"""Contrastive losses with their gradients by hand, all by log-sum-exp.

Row i of the logits S (n, K), :math:`S_{ij} = \mathrm{sim}(q_i, k_j)/\tau`, holds one query against K keys, among them
its own at p(i). The loss is the mean over rows of

.. math:: -S_{ip} + \log\Big(e^{S_{ip}} + (K-1)\,
          \Big(\frac{1}{K-1} \sum_{j \ne p} e^{(1+\beta) S_{ij}}\Big)^{1/(1+\beta)}\Big) .

At β = 0 this is InfoNCE, −log of the softmax at the own key: a critic that knows nothing scores log K. β > 0 takes a
higher power mean of the negatives, so the hardest, those most like the own key, count for more, up to the hardest alone;
the push on negative j is in proportion to :math:`e^{(1+\beta) S_{ij}}`, the weights of Robinson et al.

Sources: van den Oord, Li, Vinyals 2018 (InfoNCE); Radford et al. 2021 (both ways, learned temperature); Chen et al. 2020
(NT-Xent); Robinson et al. 2021 (hard negatives).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ebm_plugins.records import Array

LOSSES = ("InfoNCE", "symmetric", "NT-Xent")


class Slopes(NamedTuple):
    """A loss and its derivatives: by the embeddings ``left`` and ``right`` (n, d), and by log(1/τ)."""

    loss: float
    left: Array
    right: Array
    log_scale: float


def log_sum_exp(logits: Array) -> Array:
    """log Σ_j exp(logits_ij) (n,), without overflow; −inf where every entry is."""
    top = logits.max(axis=1)
    safe = np.where(np.isfinite(top), top, 0.0).astype(logits.dtype)
    with np.errstate(divide="ignore"):
        return np.asarray(safe + np.log(np.exp(logits - safe[:, None]).sum(axis=1)))


def contrast(logits: Array, own: Array, hardness: float = 0.0) -> tuple[Array, Array]:
    """The loss of each row (n,) and its derivative by the logits (n, K), for the own keys ``own`` (n,).

    An entry of −inf is a key that is left out. ``hardness`` is β ≥ 0; at least one negative a row is needed.
    """
    rows = np.arange(len(logits))
    matched = logits[rows, own]
    if hardness == 0:
        total = log_sum_exp(logits)
        slope = np.exp(logits - total[:, None])
        slope[rows, own] -= 1
        return total - matched, slope
    negatives = logits.copy()
    negatives[rows, own] = -np.inf
    power = 1 + hardness
    sharp = log_sum_exp(power * negatives)
    count = np.log(np.isfinite(negatives).sum(axis=1)).astype(logits.dtype)
    pushed = count + (sharp - count) / power  # log of K − 1 times the power mean
    total = np.logaddexp(matched, pushed)
    share = np.exp(pushed - total)[:, None]  # how much of the sum the negatives have
    slope = share * np.exp(power * negatives - sharp[:, None])
    slope[rows, own] = -share[:, 0]
    return total - matched, slope


def one_way(logits: Array, hardness: float = 0.0) -> tuple[float, Array]:
    """InfoNCE: each query (row) finds its own key (column) among all (n, n). Loss, and its derivative (n, n)."""
    losses, slope = contrast(logits, np.arange(len(logits)), hardness)
    return float(losses.mean()), slope / len(logits)


def symmetric(logits: Array, hardness: float = 0.0) -> tuple[float, Array]:
    """CLIP: queries find their keys and keys their queries; the mean of both. Loss, and its derivative (n, n).

    Both ways are sums of the same exponentials, along rows and along columns, unless a sum of them is too small to be
    exact.
    """
    if hardness == 0 and logits.size:
        n, top, dtype = len(logits), logits.max(), logits.dtype.type
        powers = logits - top
        np.exp(powers, out=powers)
        ones = np.ones(n, dtype)
        sums = powers @ ones, ones @ powers
        if min(s.min() for s in sums) > 1e-20:
            loss = (
                top
                + 0.5 * float(sum(np.log(s).mean(dtype=float) for s in sums))
                - np.trace(logits, dtype=float) / n
            )
            there, back = (dtype(0.5 / n) / s for s in sums)
            powers *= np.add.outer(there, back)
            own = np.einsum("ii->i", powers)  # a view of the diagonal
            own -= dtype(1 / n)
            return float(loss), powers
    there, down = one_way(logits, hardness)
    back, across = one_way(logits.T, hardness)
    return 0.5 * (there + back), 0.5 * (down + across.T)


def nt_xent(logits: Array, hardness: float = 0.0) -> tuple[float, Array]:
    """NT-Xent: 2n embeddings, i and i + n a pair, each finds the other among all but itself: logits (2n, 2n), whose
    diagonal does not count. A critic that knows nothing scores log(2n − 1). Loss, and its derivative (2n, 2n)."""
    size = len(logits)
    others = logits.copy()
    np.fill_diagonal(others, -np.inf)
    losses, slope = contrast(others, np.roll(np.arange(size), size // 2), hardness)
    return float(losses.mean()), slope / size


def slopes(kind: str, left: Array, right: Array, log_scale: float, hardness: float = 0.0) -> Slopes:
    """The loss ``kind`` of n pairs of embeddings, row i of ``left`` (n, d) with row i of ``right``; logits are inner
    products times exp(``log_scale``) = 1/τ."""
    scale = left.dtype.type(np.exp(log_scale))
    if kind == "NT-Xent":
        both = np.concatenate([left, right])
        logits = (both @ both.T) * scale
        loss, bar = nt_xent(logits, hardness)
        by_both = scale * ((bar + bar.T) @ both)
        n = len(left)
        return Slopes(loss, by_both[:n], by_both[n:], float((bar * logits).sum(dtype=float)))
    scaled = scale * left
    logits = scaled @ right.T
    loss, bar = (symmetric if kind == "symmetric" else one_way)(logits, hardness)
    by_left = bar @ right
    # Σ bar·logits is that of the derivative by the queries with the queries
    return Slopes(loss, scale * by_left, bar.T @ scaled, float((by_left * scaled).sum(dtype=float)))


def bound(logits: Array) -> float:
    """log K − InfoNCE of square logits (K, K), in nats: at most the mutual information, on average over batches
    that the critic was not fitted to, and never more than log K (Poole et al. 2019)."""
    return float(np.log(len(logits)) - contrast(logits, np.arange(len(logits)))[0].mean())


def alignment(left: Array, right: Array) -> float:
    """Mean squared distance of matching embeddings (n, d): 0 where views of one thing coincide (Wang, Isola 2020)."""
    return float(((left - right) ** 2).sum(axis=1).mean())


def uniformity(points: Array) -> float:
    """log of the mean of exp(−2‖u − v‖²) over pairs of different rows (n, d): 0 where all coincide, and about −4 at
    the least, spread evenly over the sphere (Wang, Isola 2020)."""
    norms = (points * points).sum(axis=1)
    squares = np.maximum(norms[:, None] + norms - 2 * points @ points.T, 0)
    rows, columns = np.triu_indices(len(points), 1)
    if not len(rows):
        return float("nan")
    return float(log_sum_exp(-2 * squares[rows, columns].astype(float)[None])[0] - np.log(len(rows)))


def matched(logits: Array) -> Array:
    """(n,) whether each row's own key, on the diagonal of (n, n), is the nearest; a tie, to rounding, counts for its
    share."""
    top = logits.max(axis=1, keepdims=True)
    rounding = 32 * np.finfo(logits.dtype).eps * np.maximum(np.abs(top), 1)
    best = logits >= top - rounding
    return np.where(np.diagonal(best), 1.0 / best.sum(axis=1), 0.0)
