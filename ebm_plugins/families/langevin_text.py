"""What the Langevin family says about itself: summary, presets, lens, lesson, and a word on a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ebm_plugins import landscapes, settling, starts
from ebm_plugins.records import Lens, Run
from ebm_plugins.spaces import Plane
from ebm_plugins.specs import RunSpec

SUMMARY = (
    "Drop particles on a landscape: they roll downhill while heat kicks them about, and the crowd spreads out as "
    "the density does."
)

LENS = Lens(
    year=1996,
    authors="Roberts, Tweedie",
    energy=r"\text{any smooth } E(x)",
    formula=r"x' = x - \eta\,\nabla E(x) + \sqrt{2\eta}\,\xi",
    learns="Nothing to learn on a given landscape; wells are learned from data by maximum likelihood with persistent "
    "short runs",
    samples="Downhill along the gradient plus Gaussian noise; with a Metropolis test, momentum or cooling if wanted",
    avoids=r"Only $\nabla E$ is used, and the gradient of $\log Z$ is zero",
    references=(
        "Roberts, Tweedie 1996, Exponential convergence of Langevin distributions and their discrete approximations",
        "Roberts, Rosenthal 1998, Optimal scaling of discrete approximations to Langevin diffusions",
        "Welling, Teh 2011, Bayesian learning via stochastic gradient Langevin dynamics",
        "Leimkuhler, Matthews 2013, Rational construction of stochastic numerical methods for molecular sampling",
        "Du, Mordatch 2019, Implicit generation and modeling with energy-based models",
    ),
)


def _spec(
    sampler: str, train: Mapping[str, object], sample: Mapping[str, object], n: int = 300, data: str = "plane"
) -> RunSpec:
    return RunSpec(
        family="langevin",
        dataset=data,
        sampler=sampler,
        train=train,
        sample=sample,
        start=starts.Noise(n=n),
        seed=7,
    )


# four places on the plane where no landscape is so steep that a step of MALA overshoots: from the page's own start, far
# out on a banana or a double well, many chains would stand still
INSIDE = starts.pack(np.array([[-1.5, 0.0], [1.5, 0.0], [0.0, 2.0], [0.0, -1.0]]), Plane())
REACHED = 6.0  # energies this far above the lowest are reached often
ARTICLE = {"step_size": 0.05, "steps": 200}
# of seeds 0 to 20 the most ordinary: its ranks in total variation, mean energy and shares of the wells are the nearest
# to the middle (the one farthest from it counts)
TYPICAL = 19
WALLS = {"landscape": "three-wells", "confinement": 0.05}

PRESETS = {
    "Three wells, confined": replace(_spec("ula", WALLS, ARTICLE), seed=TYPICAL),
    "As in the article": _spec("ula", {"landscape": "three-wells", "confinement": 0.0}, ARTICLE),
    "Too large a step": _spec("ula", WALLS, {"step_size": 0.6, "steps": 200}),
    "MALA removes the bias": _spec("mala", WALLS, {"step_size": 0.6, "steps": 200}),
    "A step that diverges": _spec(
        "ula", {"landscape": "double-well", "confinement": 0.0}, {"step_size": 0.05, "steps": 200}
    ),
    "Banana": _spec(
        "hmc",
        {"landscape": "banana", "confinement": 0.0},
        {"step_size": 0.15, "leapfrogs": 15, "jitter": 1.0, "steps": 300},
    ),
    "Banana by MALA, begun inside": replace(
        _spec(
            "mala",
            {"landscape": "banana", "confinement": 0.0},
            {"step_size": 0.02, "steps": 6000, "every": 20},
        ),
        start=starts.Drawn(states=INSIDE, copies=75),
    ),
    "Funnel": _spec(
        "hmc",
        {"landscape": "funnel", "confinement": 0.0},
        {"step_size": 0.2, "leapfrogs": 20, "jitter": 1.0, "steps": 400},
    ),
    "Round the ring with momentum": _spec(
        "underdamped",
        {"landscape": "ring", "confinement": 0.0},
        {"step_size": 0.15, "friction": 0.3, "steps": 300},
    ),
    "Cooled into four wells": _spec(
        "annealed-langevin",
        {"landscape": "himmelblau", "confinement": 0.0},
        {"step_size": 0.003, "hottest": 20.0, "rungs": 20, "steps": 3000, "every": 10},
    ),
    "Over the passes of Müller–Brown": _spec(
        "mala",
        {"landscape": "muller-brown", "confinement": 0.0},
        {"step_size": 0.02, "steps": 3000, "every": 10},
    ),
    "Wells learned from two moons": _spec(
        "mala",
        {"landscape": "learned", "confinement": 0.5, "wells": 24, "epochs": 200},
        {"step_size": 0.03, "steps": 1500, "every": 5},
        data="two-moons",
    ),
}

LEARN = r"""
#### How it works
A particle at $x$ feels the force $-\nabla E(x)$ and the kicks of a heat bath. In continuous time,
$dx = -\nabla E\,dt + \sqrt 2\,dW$, the two balance at exactly $p(x) = e^{-E(x)}/Z$. The force is also the *score*,
$\nabla \log p$: differentiating makes $Z$ disappear. A computer has to take steps of a finite size $\eta$, and what
a step gets wrong is what the methods differ in.

| method | one step | what it leaves |
| --- | --- | --- |
| Unadjusted (ULA) | $x - \eta\nabla E + \sqrt{2\eta}\,\xi$ | a bias of order $\eta$; diverges when $\eta$ is too large |
| Metropolis-adjusted (MALA) | the same as a proposal, then accept or refuse | no bias at any $\eta$; too large a step is refused and nothing moves |
| Underdamped | momentum, friction $\gamma$, half kicks and half drifts | a bias of order $h^2$, none on a parabola |
| Annealed | ULA whose heat falls from $\tau$ to 1 | finds wells that a cold start misses; shares frozen in on the way |
| HMC | a random push, $L$ leapfrogs, accept or refuse | no bias; long moves. With $L = 1$ it *is* MALA at $\eta = \varepsilon^2/2$ |

On $E = x^2/2$ everything is known: ULA's variance is $1/(1 - \eta/2)$ in place of 1 (1.05, 1.33, 2 at
$\eta = 0.1, 0.5, 1$), and from $\eta = 2$ on it diverges. In general $\eta$ must stay under 2 over the largest
curvature that a particle meets; on an energy steeper than a parabola that depends on where it starts.

#### What to look at
- **As in the article.** The wells have no walls: $e^{-E}$ tends to 1 far out, so its integral is infinite, there is no
  density, and particles leave for ever. 32 % are near a well after 200 steps, 7 % after 2,000, 0.7 % after 20,000
  (see the study *Wells without walls*). A confining term $c\,|x|^2$ makes it a density.
- **Too large a step** looks much like the truth to the eye. The total variation and the mean energy see it; MALA at
  the same step removes it.
- **Banana, Funnel.** The step has to suit the narrowest place, and crawls in the widest. HMC goes along the valley.

#### Learning the wells
With *learned*, the energy is $c|x|^2 - \sum_k h_k e^{-|x - \mu_k|^2/2w_k^2}$. The likelihood's gradient is the
mean of $\partial_\theta E$ over the model minus its mean over the data: push the energy down where data are, up where
the model's own particles are. These come from chains that persist from one epoch to the next and take a few
Langevin steps in each. The energy gap tells how far the two still differ; the exact log-likelihood, by quadrature, is
the judge that high-dimensional models do not have.

Where the data fall into clumps that the chains cannot cross between, each clump is learned well but not how much it
weighs: the chains stay in the share they started with, so the gap is 0 all the same, and only the exact likelihood
sees it.
"""


def explain(run: Run) -> str:
    """What the step size, the confinement or the acceptance have to do with how the run came out."""
    if run.sampling.diverged is not None:
        return _too_large(run)
    landscape = landscapes.landscape_of(run.params).key
    if landscape in ("three-wells", "learned") and not float(run.params["confinement"][0]):
        return (
            "The wells have no walls, so particles drift away for ever: fewer and fewer are near a well. "
            "Set Confinement above 0."
        )
    rate = run.sampling.metrics.get("acceptance")
    if rate is not None and len(rate) and np.mean(rate) < 0.2:
        return f"Only {100 * np.mean(rate):.0f} % of the proposals are accepted. {_advice(run, 'Try')}"
    if (
        _method(run) in ("ula", "annealed-langevin")
        and _curvature(run) * _step(run) > 0.5
        and settling.state(run) == "settled"  # before that nobody can see a bias
    ):
        return (
            "The step is long for the curvature here, and an unadjusted step has a bias that grows with its size. "
            f"{_advice(run, 'Try')} MALA has none at any step."
        )
    return ""


def _method(run: Run) -> str:
    return run.spec.sampler if run.spec.sampler not in ("", "langevin") else "ula"


def _step(run: Run) -> float:
    return float(getattr(run.configs.sample, "step_size", 0.0))


def _curvature(run: Run) -> float:
    """The largest curvature of E/T that particles meet: at the start if they diverged, else where they ended, but
    for one in a hundred; 0 where it is not known."""
    if run.target.gradient is None:
        return 0.0
    diverged = run.sampling.diverged is not None
    states = np.asarray(run.sampling.frames[0] if diverged else run.sampling.frames[-1], dtype=float)
    states = states if run.free is None else states[:, run.free]
    if diverged and run.target.box is not None:
        # a start in a flat place says nothing of the wells that it was headed for
        low, high = run.target.box
        steps = np.stack(np.meshgrid(*[np.linspace(0, 1, 21)] * len(low)), axis=-1).reshape(-1, len(low))
        grid = low + (high - low) * steps
        energies = run.target.energy(grid)
        states = np.concatenate([states, grid[energies < energies.min() + REACHED]])
    norms = landscapes.hessian_norm(run.target.gradient, states)
    norms = norms[np.isfinite(norms)]
    if not len(norms):
        return 0.0
    return float(norms.max() if diverged else np.quantile(norms, 0.99))


def _advice(run: Run, verb: str) -> str:
    """'Try η ≤ 0.2.': half of what is stable at the largest curvature, to one digit, rounded down."""
    curvature = _curvature(run)
    if curvature <= 0:
        return f"{verb} a smaller step."
    second_order = _method(run) in ("underdamped", "hmc")
    limit = 1.0 / math.sqrt(curvature) if second_order else 0.5 / curvature
    limit = min(limit, 0.5 * _step(run))
    digit = 10.0 ** math.floor(math.log10(limit))
    name = {"underdamped": "h", "hmc": "ε"}.get(_method(run), "η")
    return f"{verb} {name} ≤ {math.floor(limit / digit) * digit:.0{max(0, -math.floor(math.log10(limit)))}f}."


def _too_large(run: Run) -> str:
    return f"The step size is too large for this landscape. {_advice(run, 'Try')}"
