"""How fast recall is, as a ratio to the textbook loop on the same probes in the same process."""

import time

import numpy as np

from ebm_plugins.memories import memorise
from ebm_plugins.recall import settle


def textbook(weights, x, rng):
    """One state after another, one cell after another, each field a full product, as a first program does it."""
    ends = 2 * x - 1
    for s in ends:
        changed = True
        while changed:
            changed = False
            for i in rng.permutation(len(s)):
                h = weights[i] @ s
                if h * s[i] < -1e-9:
                    s[i] = -s[i]
                    changed = True
    return (ends + 1) / 2


def test_recall_of_784_cells_and_256_probes_against_the_textbook_loop():
    """Interleaved, medians of three; the ratio is printed. It is held to half of what was seen on a busy machine."""
    rng = np.random.default_rng(0)
    xi = rng.integers(0, 2, (40, 784)) * 2.0 - 1.0
    params = memorise("hebb", xi)
    x = (xi[rng.integers(0, 40, 256)] * np.where(rng.random((256, 784)) < 0.3, -1, 1) + 1) / 2
    blocked, plain = [], []
    for _ in range(3):
        start = time.perf_counter()
        ours = settle(params, x, np.random.default_rng(1))
        middle = time.perf_counter()
        theirs = textbook(params["weights"], x, np.random.default_rng(1))
        end = time.perf_counter()
        blocked.append(middle - start)
        plain.append(end - middle)
    ratio = np.median(plain) / np.median(blocked)
    print(
        f"\nrecall 784 × 256: {np.median(blocked) * 1e3:.0f} ms, textbook {np.median(plain):.2f} s, ratio {ratio:.0f}"
    )
    assert (ours == theirs).all(axis=1).mean() > 0.95  # the orders differ, so a few may end elsewhere
    assert ratio > 10
