"""Coins: many numbers 0 or 1, each with a probability of its own, from 16 random bits each.

A word w, uniform on 0 to 65,535, is below ⌊65,536 p⌋ with a probability that is p to within 1/65,536. Where it is equal
to ⌊65,536 p⌋, one coin in 65,536, a further random number decides by the fraction that is left of 65,536 p. So nothing
is rounded to 65,536ths: the steps of the probability are those of p's own float type, as with a uniform float a coin,
at a third of the price. Source: digits are compared only as far as they decide, Knuth and Yao 1976.
"""

from __future__ import annotations

import numpy as np

from ebm_plugins.records import Array, Rng

WORDS = 65_536
BLOCK = 65_536  # coins at a time: what they need besides the outcome is 320 kB and stays in a core's cache


def bernoulli(p: Array, rng: Rng, out: Array | None = None) -> Array:
    """0 or 1 with probability ``p``, in p's shape and float type, into ``out`` where it is given (p itself will do).

    In float32 probabilities come in steps of 2⁻²⁴, and 1 itself fails once in 2²⁴ times. NaN gives either.
    """
    if out is None:
        out = np.empty_like(p)
    # a view: C-contiguous arrays only, which products and their leading rows are
    source, target = p.reshape(-1), out.reshape(-1)
    below_all = p.dtype.type(WORDS * (1 - 2.0**-24))  # so that p = 1 is no word too many
    with np.errstate(invalid="ignore"):
        for first in range(0, target.size, BLOCK):
            coins = target[first : first + BLOCK]
            np.multiply(source[first : first + BLOCK], below_all, out=coins)
            whole = coins.astype(np.uint16)
            drawn = words(rng, coins.size)
            (tied,) = (drawn == whole).nonzero()
            if tied.size:
                chosen = rng.random(tied.size) < coins[tied] - whole[tied]
            np.less(drawn, whole, out=coins)
            if tied.size:
                coins[tied] = chosen
    return out


def words(rng: Rng, n: int) -> Array:
    """(n,) uniform whole numbers from 0 to 65,535, four from each of the generator's 64-bit words."""
    source, count = rng.bit_generator, -(-n // 4)
    if isinstance(source, np.random.MT19937):  # its words have 32 bits
        return rng.integers(0, WORDS, n, dtype=np.uint16)
    return source.random_raw(count).view(np.uint16)[:n]
