"""What the Metropolis–Hastings family says about itself: summary, presets, lens, lesson, and a word on a run."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ebm_plugins import landscapes, starts
from ebm_plugins.records import Lens, Run
from ebm_plugins.specs import RunSpec
from ebm_plugins.wording import number

SUMMARY = (
    "Propose a place nearby; go there if it is lower, or else by a throw of dice. Only differences of energy count, "
    "so Z is never needed."
)

LENS = Lens(
    year=1953,
    authors="Metropolis, Rosenbluth, Rosenbluth, Teller, Teller",
    energy=r"\text{any } E(x)",
    formula=r"\min\Bigl\{1,\, e^{E(x) - E(x')}\, \tfrac{q(x \mid x')}{q(x' \mid x)}\Bigr\}",
    learns="Nothing to learn on a given landscape; wells are learned from data by maximum likelihood with persistent "
    "chains",
    samples="Propose, then accept or stay; copies at several heats if wanted",
    avoids=r"$Z$ is in both numerator and denominator of the acceptance ratio",
    references=(
        "Metropolis, Rosenbluth, Rosenbluth, Teller, Teller 1953, Equation of state calculations by fast computing "
        "machines",
        "Hastings 1970, Monte Carlo sampling methods using Markov chains and their applications",
        "Roberts, Gelman, Gilks 1997, Weak convergence and optimal scaling of random walk Metropolis algorithms",
        "Geyer 1991, Markov chain Monte Carlo maximum likelihood",
        "Gandy, Scott 2020, Unit testing for MCMC and other Monte Carlo methods",
        "Vehtari, Gelman, Simpson, Carpenter, Bürkner 2021, Rank-normalization, folding, and localization: an "
        "improved R-hat",
    ),
)

LOW, HIGH, VERY_HIGH = 0.1, 0.8, 0.95  # acceptances outside which the scale is worth a word


def _spec(
    train: Mapping[str, object],
    sample: Mapping[str, object],
    *,
    sampler: str = "metropolis",
    n: int = 300,
    start: starts.Start | None = None,
    data: str = "plane",
) -> RunSpec:
    return RunSpec(
        family="metropolis-hastings",
        dataset=data,
        sampler=sampler,
        train=train,
        sample=sample,
        start=start or starts.Noise(n=n),
        seed=7,
    )


WELLS = {"landscape": "three-wells", "confinement": 0.05}
RING = {"landscape": "ring", "confinement": 0.0}
IN_ONE_WELL = starts.Drawn(states="AAAAAA", copies=300)  # 300 particles at (0, 0)

PRESETS = {
    "Three wells, confined": _spec(WELLS, {"scale": 1.5, "steps": 300}),
    "As in the article": _spec({"landscape": "three-wells", "confinement": 0.0}, {"scale": 1.5, "steps": 300}),
    "Too timid": _spec(WELLS, {"scale": 0.05, "steps": 300}),
    "Too bold": _spec(WELLS, {"scale": 40.0, "steps": 150}),
    "The scale tunes itself": _spec(RING, {"scale": 20.0, "warmup": 150, "steps": 500}),
    "A lopsided proposal": _spec(RING, {"proposal": "drifting", "scale": 1.5, "steps": 1000}),
    "Lopsided, and not corrected": _spec(
        RING, {"proposal": "drifting", "scale": 1.5, "steps": 1000, "correction": False}
    ),
    "Guess anywhere": _spec(
        {"landscape": "himmelblau", "confinement": 0.0}, {"proposal": "independent", "scale": 1.0, "steps": 500}
    ),
    "Two wells, one start": _spec(
        {"landscape": "double-well", "confinement": 0.0}, {"scale": 0.4, "steps": 300, "temperature": 0.5},
        start=starts.Drawn(states="APoAAA", copies=300),
    ),
    "Two wells, with hot copies": _spec(
        {"landscape": "double-well", "confinement": 0.0}, {"scale": 0.4, "steps": 300, "temperature": 0.5},
        sampler="parallel-tempering", start=starts.Drawn(states="APoAAA", copies=300),
    ),
    "Müller–Brown, cold": _spec(
        {"landscape": "muller-brown", "confinement": 0.0}, {"scale": 0.5, "steps": 1500, "every": 5, "temperature": 0.3}
    ),
    "Müller–Brown, cooled to its deepest basin": _spec(
        {"landscape": "muller-brown", "confinement": 0.0}, {"steps": 1000, "every": 4, "hottest": 5.0},
        sampler="simulated-annealing",
    ),
    "Funnel": _spec({"landscape": "funnel", "confinement": 0.0}, {"scale": 1.0, "steps": 2000, "every": 5}),
    "Wells learned from two moons": _spec(
        {"landscape": "learned", "confinement": 0.2, "epochs": 150}, {"scale": 0.5, "steps": 500},
        data="two-moons",
    ),
}  # fmt: skip

LEARN = r"""
#### How it works
Stand at $x$. Draw a candidate $x'$ from a proposal $q(x' \mid x)$. Go there with probability

$$
\alpha(x, x') = \min\Big\{1,\; e^{-(E(x') - E(x))}\,\frac{q(x \mid x')}{q(x' \mid x)}\Big\},
$$

else stay, and count the stay as a state. Then as much probability flows from $x$ to $x'$ as back (*detailed balance*):

$$
p(x)\,q(x' \mid x)\,\alpha(x, x') = p(x')\,q(x \mid x')\,\alpha(x', x),
$$

so $p = e^{-E}/Z$ stays as it is. $Z$ cancels. Nothing but energies is asked for: no gradient, no smoothness, not even
a continuous space.

| proposal | where the candidate is | symmetric? |
| --- | --- | --- |
| Random walk | $x + s\,\xi$ | yes: this is Metropolis' method of 1953 |
| Independent | anywhere in the landscape, whatever $x$ is | no |
| Drifting | $x + s(\xi + b)$, leaning to the right | no |
| Widening | $x + s(x)\,\xi$ with $s(x) = s\sqrt{1 + \lvert x\rvert^2/2}$ | no |

For the last three the ratio $q(x \mid x')/q(x' \mid x)$, Hastings' addition of 1970, is what keeps the answer right.
Switch it off and the drifting walk ends up on the right-hand side.

#### What to look at
- **Too timid, too bold.** A scale of 0.05 is accepted nearly always, and in 300 steps gets nowhere. A scale of 25 is
  refused nearly always, and stays. Between them lies the scale that moves furthest: on a round Gaussian at
  $s \approx 2.4/\sqrt d$, where 44 % are accepted on a line, about 35 % on the plane and 23.4 % in many dimensions. The
  top is flat: anything from 20 to 50 % is nearly as good.
- **Proposals.** Filled: accepted. Hollow: refused. Refusals pile up where the energy is steep.
- **Traces and autocorrelation.** A chain that mixes looks like noise; one that does not looks like a staircase, or like
  a slow wave. $n$ draws with autocorrelation are worth fewer *effective* ones; R-hat sees chains that disagree.
- **Two wells, one start.** All particles begin in the left well. Each chain alone looks settled; half of the
  probability is hardly seen. Copies at higher heats cross the barrier and hand what they found down.
- **Müller–Brown, cold.** At a low temperature the passes are hardly ever crossed. More steps help little; hot copies do.
- **Funnel.** In the neck the scale is far too bold, in the mouth far too timid.

#### Learning the wells
With *learned*, the energy is $c|x|^2 - \sum_k h_k e^{-|x - \mu_k|^2/2w_k^2}$. The gradient of the likelihood is the mean of
$\partial_\theta E$ over the model minus its mean over the data; the model's mean comes from Metropolis chains that
go on from one epoch to the next. The exact log-likelihood, by quadrature, stands beside the energy gap.
"""


def explain(run: Run) -> str:
    """What the proposal, its scale, the walls or the heat have to do with how the run came out."""
    config = run.configs.sample
    landscape = landscapes.landscape_of(run.params).key
    if landscape in ("three-wells", "learned") and not float(run.params["confinement"][0]):
        return (
            "The wells have no walls, so particles drift away for ever: fewer and fewer are near a well. "
            "Set Confinement above 0."
        )
    if run.exactness == "biased" and getattr(config, "correction", True) is False:
        return "These proposals are likelier one way than back, and the Hastings correction is off. Switch it on."
    rate = run.sampling.metrics.get("acceptance")
    if run.exactness == "descent" or rate is None or not len(rate):
        return ""
    late = float(np.mean(rate[len(rate) // 2 :]))
    scale = float(getattr(config, "scale", 1.0))
    if late < LOW:
        way = (
            "Try a scale nearer to 1."
            if getattr(config, "proposal", "") == "independent"
            else _try(scale / 3)
        )
        return f"Only {100 * late:.0f} % of the proposals are accepted: most are too bold. {way}"
    if late > HIGH and getattr(config, "proposal", "random-walk") != "independent":
        return f"{100 * late:.0f} % of the proposals are accepted: they are so short that a chain crawls. {_try(scale * (10 if late > VERY_HIGH else 3))}"
    return ""


def _try(scale: float) -> str:
    near = float(f"{scale:.1g}")
    return f"Try a scale of about {number(near, max(0, -math.floor(math.log10(near))))}."
