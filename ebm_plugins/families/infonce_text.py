"""What the InfoNCE family says about itself: summary, presets, lens, lesson, and a word on a run."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ebm_plugins import starts
from ebm_plugins.records import Lens, Run
from ebm_plugins.specs import RunSpec

SUMMARY = (
    "Learn what belongs together by telling the right key from wrong ones: the more alike the two halves of a pair "
    "look to the model, the lower its energy. To retrieve is to draw a key, low energy first."
)

LENS = Lens(
    year=2018,
    authors="van den Oord, Li, Vinyals",
    energy=r"E(q, k) = -f(q)\cdot g(k)/\tau",
    learns="Picks the right key among K: cross-entropy of a softmax over the keys of a batch",
    samples="Exactly: a key is drawn from the softmax over the keys there are",
    avoids=r"$Z$ is a sum over the $K$ keys at hand, so it is computed",
    references=(
        "van den Oord, Li, Vinyals 2018, Representation learning with contrastive predictive coding",
        "Poole, Ozair, van den Oord, Alemi, Tucker 2019, On variational bounds of mutual information",
        "Wang, Isola 2020, Understanding contrastive representation learning through alignment and uniformity on the "
        "hypersphere",
        "Chen, Kornblith, Norouzi, Hinton 2020, A simple framework for contrastive learning of visual representations",
        "Radford et al. 2021, Learning transferable visual models from natural language supervision",
        "Robinson, Chuang, Sra, Jegelka 2021, Contrastive learning with hard negative samples",
    ),
)


def _spec(
    dataset: str, train: Mapping[str, object], sample: Mapping[str, object] | None = None, seed: int = 0
) -> RunSpec:
    return RunSpec(
        family="infonce",
        dataset=dataset,
        train=train,
        sample=sample or {},
        start=starts.Noise(n=320),
        seed=seed,
    )


FULL = {"steps": 3000, "batch": 256, "hidden": 256, "embedding": 64, "every": 50}
NAMED = {"steps": 1500, "batch": 256, "hidden": 256, "embedding": 64, "every": 30,
         "brightness": 0.2, "dropped": 0.05, "noise": 0.05}  # fmt: skip

PRESETS = {
    "Two views of a digit": _spec("digits", {"steps": 600}),
    "As in the article": _spec(
        "article-keys",
        {"encoder": "raw", "similarity": "dot", "loss": "InfoNCE", "learn_temperature": False, "steps": 1},
        {"queries": 1},
    ),
    "Two views, trained in full": _spec("digits", FULL),
    "Raw pixels": _spec("digits", {"encoder": "raw"}),
    "Digits and their names": _spec("digits-named", NAMED),
    "Names, new writers": _spec("digits-named-new-writers", NAMED),
    "Gaussian pairs: a bound against the truth": _spec(
        "gaussian-pairs",
        {"similarity": "dot", "temperature": 1.0, "learn_temperature": False, "loss": "InfoNCE",
         "steps": 1000, "batch": 256, "learning_rate": 0.002, "every": 20},
    ),
    "Hard negatives": _spec("digits", {"steps": 600, "hardness": 1.0}),
}  # fmt: skip

LEARN = r"""
#### How it works
A query $q$ and a key $k$ go through encoders $f$ and $g$; the pair's energy is $E(q, k) = -f(q)\cdot g(k)/\tau$. Among
$K$ keys, one of them the query's own, the Boltzmann distribution of that energy is a softmax:

$$p(k_i \mid q) = \frac{e^{-E(q, k_i)}}{\sum_{j=1}^{K} e^{-E(q, k_j)}} .$$

The loss is $-\log$ of it at the own key. Its gradient lowers the energy of the own key and raises that of every other
in proportion to its probability: the positive and the negative phase of a Boltzmann machine, but here the sum over
states has $K$ terms, so neither $Z$ nor a Markov chain is in the way. To **retrieve** is to draw from the same
softmax, which this page does; with temperature $T$ it is $e^{-E/T}$.

| loss | who is told apart |
| --- | --- |
| InfoNCE | each query's own key from the others' keys |
| symmetric (CLIP) | the same, and each key's own query from the others' |
| NT-Xent (SimCLR) | each of the $2N$ views' partner from all the other views |

All are computed by log-sum-exp. Written with plain exponentials, as in the article, they overflow once
$1/\tau$ is above about 700; the third study shows where.

#### What to look at
- **The loss against $\log K$.** A critic that knows nothing picks one of $K$ keys by chance: $\log K$ nats
  ($\log(2N-1)$ for NT-Xent). What is below that is information: $I(q; k) \ge \log K - \text{loss}$. It follows that no
  batch of $K$ can ever show more than $\log K$ nats, however much there is. *Gaussian pairs* have a known $I$; the
  first study draws the best bound any critic can reach.
- **Held out.** All measures are of rows that nothing was learned from. The loss of the batches alone flatters.
- **Raw pixels.** Without a network the own key is nearest for about one query in eight among 64. A small network,
  trained in full, finds it for more than two in three.
- **Alignment and uniformity.** Matching embeddings should be near each other, and all of them spread over the sphere.
  Either alone is easy: everything in one point is perfectly aligned.
- **Names.** When keys are names, the nearest name classifies the image: held-out digits at about 99 of 100.
  *New writers* is the same with people whose hand was never seen: about 96 of 100. It is harder, and says more.
- **Temperature.** Low $\tau$ cares for the nearest wrong keys only, high $\tau$ for all alike. CLIP learns it.

#### What goes wrong
- **Small batches** give few negatives and a low ceiling $\log K$.
- **Weak views** make the task too easy and the embedding poor; too strong ones leave nothing in common.
- **False negatives.** Another image of the same digit is pushed away as if it were wrong. Hard negatives
  ($\beta > 0$) push at those most of all: on these digits matching views come nearer, the whole is spread less, and no
  more keys are found.
- **The joint is not learned.** The loss says nothing of how energies of *different* queries compare: add any $c(q)$ to
  the energy and it stays the same. Only $p(k \mid q)$ is a model.

#### Sources
van den Oord, Li and Vinyals 2018 · Poole and others 2019 · Wang and Isola 2020 · Chen and others 2020 · Radford and
others 2021 · Robinson and others 2021
"""


def held(run: Run, name: str) -> tuple[float, bool]:
    """The last value of a measure, NaN where it was not taken, and whether it is of held-out rows."""
    for prefix, out in (("held_out_", True), ("train_", False)):
        values = run.training.metrics.get(prefix + name)
        if values is not None and len(values):
            return float(values[-1]), out
    return math.nan, False


def explain(run: Run) -> str:
    """What the encoders know, in one sentence, measured on held-out rows where there are any."""
    of = "held-out" if held(run, "loss")[1] else "training"
    right, _ = held(run, "zero_shot")
    if not math.isnan(right):
        chance = 1 / len(run.params["bank_keys"])
        whose = {
            "digits-named": ", by the same writers as those learned from",
            "digits-named-new-writers": ", by writers never seen",
        }
        text = f"The nearest name is right for {right:.1%} of the {of} images{whose.get(run.spec.dataset, '')}; {chance:.0%} by chance."
        other = {
            "digits-named": "Names, new writers",
            "digits-named-new-writers": "Digits and their names",
        }.get(run.spec.dataset)
        return text + (f" The preset ‘{other}’ is the other half of this figure." if other else "")
    if run.spec.dataset == "article-keys":
        return _own_key(run)
    found, _ = held(run, "matched")
    if math.isnan(found):
        return ""
    bound, _ = held(run, "bound")
    among = min(64, len(run.data.test_x) if run.data.test_x is not None else len(run.data.x))
    return (
        f"A query's own key is the nearest of {among} for {found:.0%} of the {of} queries; "
        f"that shows {max(bound, 0.0):.2f} of at most {math.log(among):.2f} nats."
    )


def _own_key(run: Run) -> str:
    """The article's loss: −log of the softmax at the query's own key."""
    from ebm_plugins.families.infonce_core import contrast
    from ebm_plugins.families.infonce_model import logits

    table = logits(run.params, run.params["bank_queries"][:1], run.params["bank_keys"])
    loss = float(contrast(table, np.array([0]))[0][0])
    return (
        f"The query's own key has probability {math.exp(-loss):.2f}, a loss of {loss:.3f} nats: "
        "random keys of no fixed length can lie nearer than it."
    )
