"""What the Hopfield family says about itself: summary, presets, lens, lesson, and a word on a run."""

from __future__ import annotations

import numpy as np

from ebm_plugins import starts
from ebm_plugins.memories import PAIRWISE, rule_of
from ebm_plugins.recall import moving_cells
from ebm_plugins.records import Lens, Params, Run
from ebm_plugins.specs import RunSpec

RULE_NAMES = {
    "hebb": "Hebb",
    "storkey": "Storkey",
    "pseudo-inverse": "Pseudo-inverse",
    "dense-polynomial": "Dense, polynomial",
    "dense-exponential": "Dense, exponential",
}

SUMMARY = "Memories are valleys. Spoil one, and each flip rolls downhill until it is whole again."

LENS = Lens(
    year=1982,
    authors="Hopfield",
    energy=r"E(s) = -\tfrac12 \sum_{i \ne j} w_{ij}\, s_i s_j + \sum_i \theta_i s_i",
    learns="Writes the patterns into the weights, in one pass (Hebb, Storkey, pseudo-inverse), or keeps them (dense)",
    samples="Cell by cell, downhill; or Glauber dynamics at a temperature",
    avoids="Only differences of energy count, and one flip changes few terms",
    references=(
        "Hopfield 1982, Neural networks and physical systems with emergent collective computational abilities",
        "Amit, Gutfreund, Sompolinsky 1985, Storing infinite numbers of patterns in a spin-glass model of neural "
        "networks",
        "Personnaz, Guyon, Dreyfus 1985, Information storage and retrieval in spin-glass like neural networks",
        "Storkey 1997, Increasing the capacity of a Hopfield network without sacrificing functionality",
        "Krotov, Hopfield 2016, Dense associative memory for pattern recognition",
        "Demircigil, Heusel, Löwe, Upgang, Vermet 2017, On a model of associative memory with huge storage capacity",
        "Ramsauer et al. 2020, Hopfield networks is all you need",
    ),
)

SPOILT = 19 / 64  # the article flips 19 of 64 cells
HALF_A_BAR = "GBgYGAAAAAA"  # the upper four rows of the article's bar, packed by ebm_plugins.starts.pack
ZERO_TO_NINE = (12, 9, 3, 18, 13, 4, 0, 27, 33, 11)  # the first of each digit in the digits' training part
LOWER_HALF = (False,) * 32 + (True,) * 32

PRESETS = {
    "Three patterns, mended": RunSpec(
        family="hopfield",
        dataset="article-patterns",
        train={"rule": "pseudo-inverse"},
        start=starts.Corrupted(rows=(0,), kind="flip", amount=SPOILT),
        seed=4,
    ),
    "As in the article": RunSpec(
        family="hopfield",
        dataset="article-patterns",
        train={"rule": "hebb"},
        start=starts.Corrupted(rows=(0,), kind="flip", amount=SPOILT),
        seed=4,
    ),
    "Half is given": RunSpec(
        family="hopfield",
        dataset="article-patterns",
        train={"rule": "pseudo-inverse"},
        start=starts.Drawn(states=HALF_A_BAR, free=LOWER_HALF),
    ),
    "Digits as memories": RunSpec(
        family="hopfield",
        dataset="digits-binary",
        train={"rule": "pseudo-inverse", "patterns": ZERO_TO_NINE},
        start=starts.Corrupted(rows=(3,), kind="flip", amount=0.2),
    ),
    "A hundred digits in 64 cells": RunSpec(
        family="hopfield",
        dataset="digits-binary",
        train={"rule": "dense-exponential", "count": 100},
        start=starts.Corrupted(rows=(0, 1, 2, 3, 4, 5), kind="flip", amount=0.1),
    ),
    "All cells at once: a 2-cycle": RunSpec(
        family="hopfield",
        dataset="bars-and-stripes-4x4",
        train={"rule": "hebb", "patterns": (1, 2)},
        sample={"update": "synchronous", "steps": 12},
        start=starts.Noise(n=1),
    ),
    "Warm: Glauber against the exact answer": RunSpec(
        family="hopfield",
        dataset="bars-and-stripes-4x4",
        train={"rule": "hebb", "patterns": (1, 6, 20)},
        sample={"update": "stochastic", "temperature": 0.6, "steps": 100},
        start=starts.Noise(n=300),
    ),
}

LEARN = r"""
#### How it works
Every cell is a spin, $s_i = +1$ (on) or $-1$ (off). A cell looks at the others through the weights and computes its
*field* $h_i = \sum_j w_{ij} s_j - \theta_i$. If it points against its field, turning it lowers the energy by exactly
$2|h_i|$. So recall cannot go on for ever: there are finitely many states, each flip goes down, and it ends in a state
where no cell wants to turn. Learning is the art of making the memories such resting states, with wide valleys.

| rule | what it does | what it costs |
| --- | --- | --- |
| Hebb | $W = \frac1N \sum_\mu \xi^\mu {\xi^\mu}^{\!\top}$: cells that agree in the patterns pull together | patterns that overlap disturb each other; about $0.138\,N$ random ones fit |
| Storkey | takes from each new pattern what the old ones already explain | still local and one pass, more room |
| Pseudo-inverse | projects onto the patterns, so each one rests exactly | needs all patterns at once; with $N$ independent patterns nothing is corrected any more |
| Dense, polynomial | $-N\sum_\mu F(m_\mu)$ with $F(m) = m^n/n$ and $m_\mu = \xi^\mu\!\cdot s/N$ | the patterns are kept; of the order $N^{n-1}$ of them fit |
| Dense, exponential | $-\frac1\beta \log \sum_\mu e^{\beta\,\xi^\mu \cdot s}$ | of the order $2^{N/2}$ fit; one step of it is attention over the patterns |

At $n = 2$ the dense polynomial *is* Hebb's energy, but for a constant. For odd $n$, $F$ is rectified
($\max(m, 0)^n/n$). Without thresholds every energy of even powers, the pairwise ones among them, has
$E(s) = E(-s)$: the negative of a memory is one too.

#### What to look at
- **As in the article.** The three patterns overlap by 32, 32 and 36 of 64 cells. Under Hebb's rule none of them
  rests, so no recall can be exact, however little is spoilt. Under the pseudo-inverse rule all three rest.
- **The energy trace.** One cell at a time it never rises. All cells at once it may, and two states can alternate
  for ever, each the other's answer.
- **Warm.** At a temperature a cell is on with probability $\sigma(2h_i/T)$. That samples $e^{-E/T}$, and on a small
  grid the page compares it with the exact answer.
- **Capacity.** For random patterns and $N \to \infty$, recall collapses at $P/N = 0.1379$, where 1.7 % of the cells
  are wrong. On 64 cells this cliff cannot be seen: it is smeared into a slope. The study lets $N$ grow.
- **Where random starts end.** Not only in memories: also in their negatives, in mixtures of three, and in states that
  resemble none.

#### Sources
Hopfield 1982 · Amit, Gutfreund and Sompolinsky 1985 · Personnaz, Guyon and Dreyfus 1985 · Storkey 1997 · Krotov and
Hopfield 2016 · Demircigil, Heusel, Löwe, Upgang and Vermet 2017 · Ramsauer and others 2020
"""


def pattern_names(run: Run) -> list[str]:
    """A name for each pattern stored in the run's params: the row's own, or its number and label."""
    count = len(run.params["patterns"])
    rows = list(run.configs.train.patterns or range(count))[:count]
    return [_name(run, row) for row in rows]


def _name(run: Run, row: int) -> str:
    if row < len(run.data.names):
        return run.data.names[row]
    if run.data.labels is not None:
        return f"row {row} ({run.data.labels[row]})"
    return f"row {row}"


def nothing_to_correct(params: Params) -> bool:
    """Whether pairwise weights vanish: as many independent patterns as cells leave the identity, less its diagonal."""
    return rule_of(params) in PAIRWISE and float(np.abs(params["weights"]).max()) < 1e-9


def explain(run: Run) -> str:
    """One more sentence for the verdict: why recall fails where the rule, not the run, is at fault. Else empty."""
    params, rule = run.params, rule_of(run.params)
    count, size = params["patterns"].shape
    if nothing_to_correct(params):
        return (
            f"The {count} patterns span all {size} cells, so every state rests and nothing is corrected. "
            "Store fewer patterns."
        )
    if getattr(run.configs.sample, "update", "stochastic") == "stochastic":
        return ""
    asked = starts.origins(run.spec.start) if run.spec.start else None
    names = pattern_names(run)
    stored = list(run.configs.train.patterns or range(count))[:count]
    wanted = (
        [stored.index(row) for row in dict.fromkeys(asked.tolist()) if row in stored]
        if asked is not None
        else []
    )
    moving = moving_cells(params, (params["patterns"] + 1) / 2)
    restless = [k for k in wanted if moving[k]]
    if not restless:
        if asked is not None and not wanted:
            return "The start was made from a row that is not stored, so there is nothing of it to recall."
        return ""
    which, cells = names[restless[0]], int(moving[restless[0]])
    better = "Pseudo-inverse" if count < size and rule != "pseudo-inverse" else "Dense, exponential"
    if rule == "dense-exponential":
        better = "a larger sharpness"
    what = "1 of its cells moves" if cells == 1 else f"{cells} of its cells move"
    others = "the stored patterns overlap too much" if count > 1 else "the thresholds are too large"
    if params["thresholds"].any():
        others, better = "its thresholds and the other patterns outweigh it", "a threshold of 0"
    return f"Under this rule ‘{which}’ is not a resting state ({what}): {others}. Try {better}."
