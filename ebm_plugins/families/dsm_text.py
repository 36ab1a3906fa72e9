"""What the DSM family says about itself: summary, presets, lens, lesson, and a word on a run."""

from __future__ import annotations

import numpy as np

from ebm_plugins import starts
from ebm_plugins.records import Lens, Run
from ebm_plugins.specs import RunSpec

SUMMARY = (
    "Put noise on data and learn to take it off: that is the *score*, the slope of the log-density, and Z never comes "
    "up. Then follow it from pure noise down a ladder of noise levels to new data."
)

LENS = Lens(
    year=2011,
    authors="Vincent; Song, Ermon",
    energy=r"E_\theta(x, \sigma), \quad s_\theta = -\nabla_x E_\theta",
    learns="Predicts the noise that was put on the data, at a ladder of noise levels",
    samples="Langevin steps at each noise level, from the largest to the smallest; or a flow without noise",
    avoids=r"The gradient of $\log Z$ by $x$ is zero, so the score needs none",
    references=(
        "Hyvärinen 2005, Estimation of non-normalized statistical models by score matching",
        "Vincent 2011, A connection between score matching and denoising autoencoders",
        "Song, Garg, Shi, Ermon 2019, Sliced score matching",
        "Song, Ermon 2019, Generative modeling by estimating gradients of the data distribution",
        "Song, Ermon 2020, Improved techniques for training score-based generative models",
        "Ho, Jain, Abbeel 2020, Denoising diffusion probabilistic models",
        "Song and others 2021, Score-based generative modeling through stochastic differential equations",
        "Salimans, Ho 2021, Should EBMs model the energy or the score?",
    ),
)

LOWER_HALF = tuple([False] * 32 + [True] * 32)


def _spec(
    data: str,
    train: dict[str, object] | None = None,
    sample: dict[str, object] | None = None,
    start: starts.Start | None = None,
) -> RunSpec:
    return RunSpec(
        family="dsm",
        dataset=data,
        train=train or {},
        sample=sample or {},
        start=start or starts.Noise(n=300),
        seed=0,
    )


DIGITS: dict[str, object] = {
    "largest": 1.0,
    "smallest": 0.05,
    "hidden": 192,
    "steps": 2500,
    "learning_rate": 0.003,
    "every": 100,
}
CALM: dict[str, object] = {"step_size": 0.15}

PRESETS = {
    "Eight Gaussians": _spec("eight-gaussians", {"smallest": 0.12}),
    "As in the article": _spec(
        "eight-gaussians",
        {
            "model": "score",
            "weighting": "plain",
            "largest": 2.0,
            "smallest": 0.1,
            "levels": 4,
            "batch": 64,
            "steps": 1000,
            "averaging": 0.0,
        },
        {"steps": 400, "every": 4},
    ),
    "One small noise gets lost": _spec("eight-gaussians", {"levels": 1, "smallest": 0.03}),
    "A score network: arrows without an energy": _spec("eight-gaussians", {"model": "score"}),
    "Two moons by a flow without noise": _spec(
        "two-moons", {"smallest": 0.05}, {"method": "probability-flow", "steps": 60, "every": 1}
    ),
    "Checkerboard": _spec(
        "checkerboard",
        {"hidden": 96, "layers": 3, "steps": 4000, "smallest": 0.05, "every": 50},
        {"method": "predictor-corrector"},
        starts.Noise(n=1000),
    ),
    "Rings, sliced": _spec("rings", {"loss": "sliced", "steps": 2500}),
    "Pinwheel": _spec("pinwheel", {"steps": 3000, "smallest": 0.05, "every": 50}),
    "Swiss roll": _spec("swiss-roll", {"steps": 3000, "smallest": 0.05, "every": 50}),
    "Digits": _spec("digits", DIGITS, {**CALM, "denoise": True}, starts.Noise(n=100)),
    "Digits by a score network": _spec(
        "digits",
        {**DIGITS, "model": "score", "hidden": 256, "steps": 4000, "learning_rate": 0.002},
        {**CALM, "denoise": True},
        starts.Noise(n=100),
    ),
    "Fill in the lower half": _spec(
        "digits",
        DIGITS,
        {**CALM, "denoise": True, "begin": "noised"},
        starts.Data(rows=(3, 18, 4, 33, 11), copies=5, free=LOWER_HALF),
    ),
}

LEARN = r"""
#### How it works
Take a data point $x$ and put Gaussian noise on it, $\tilde x = x + \sigma\varepsilon$. A network that guesses the noise
from $\tilde x$ alone can only guess its mean, and by Tweedie's formula that mean *is* the score of the blurred data:
$\mathbb E[\varepsilon \mid \tilde x] = -\sigma\,\nabla\log p_\sigma(\tilde x)$. So the loss

$$\tfrac12\,\mathbb E\,\big|\sigma\, s_\theta(\tilde x, \sigma) + \varepsilon\big|^2$$

learns $\nabla\log p_\sigma$ without ever seeing it, and without $Z$. With $s = -\varepsilon_\theta/\sigma$ it is word for
word the loss of a diffusion model (DDPM): predicting noise and predicting the score are one thing, up to $\sigma^2$.

An **energy network** outputs a number $E_\theta(x, \sigma)$ and its score is $-\nabla E_\theta$: every sampler that needs
an energy can run on it, and the exact answer can be computed. A **score network** outputs arrows. It is cheaper, and
its arrows need not be the slope of anything: its *curl* says how far they are from that.

| loss | what it needs | price |
| --- | --- | --- |
| denoising | the noise that was added | the score of *blurred* data |
| explicit | $\tfrac12 \lvert s\rvert^2 + \nabla\cdot s$ | one pass for every dimension |
| sliced | the same along random directions $v$: $v^\top(\nabla s)\,v$ | one pass for each, and its noise |

#### Why a ladder
Where there are no data, nothing is learned. With one small $\sigma$, most of the plane is such a place: a random start
follows arrows that mean nothing, and the balance *between* far modes is not in the local score at all (see the study
*The score cannot see weights*). Large noise joins the modes into one cloud; each level hands its samples to the next.

| way down | one step | what to know |
| --- | --- | --- |
| annealed Langevin | $x + \eta\sigma^2 s + \sqrt{2\eta}\,\sigma\xi$, many at each level | needs enough steps to settle at each |
| predictor-corrector | down a little, then one such step | the most accurate for its price |
| probability flow | $dx/d\sigma = -\sigma s$ | no noise at all: the same start ends at the same place |

#### What to look at
- **Error against the closed form**, at every noise level and weighted by where the blurred data are: the middle levels,
  where modes part, are the hard ones.
- **The exact answer** here is $e^{-E}$ *at the smallest noise*. Annealed samples can be right about data and yet differ
  from it: the depth of one well against another rests on arrows in the gaps between them, where hardly any data
  taught them. More learning steps, or a larger smallest noise, bring the two together.
- **Digits**: the held-out loss against the training loss, and *Nearest data*, which shows whether a new digit is
  only a copy of an old one. **Fill in the lower half** holds the upper half of five digits and draws the rest five times.

#### The article's version
Its loss counts all levels alike *in the score* (here *plain* weights), so that the smallest of its four noise levels is
100 or more times as loud as the rest. Its sampler is printed as $x - \eta s$: with the score for $s$ that is a minus sign
too many, which climbs the energy and leaves for ever, and with one $\eta$ for all levels. The study *The article's
sampler* runs it as printed, with the sign mended, and with steps of $\eta\sigma^2$. The preset keeps the article's four
levels (here evenly spaced in $\log\sigma$), its 1,000 steps of 64 rows and 100 Langevin steps a level, on a direction
that points downhill.

#### What goes wrong
A step size that is too large for the smallest noise (η near 1) leaves samples too hot or throws them out. A largest
noise much below the distance between modes leaves them cut off from each other. The final *denoise* step looks good and
is honest about data, but what it returns is no longer a draw from $e^{-E}$.
"""


def explain(run: Run) -> str:
    """What the model, the ladder or the last step have to do with how the run came out."""
    if run.sampling.diverged is not None:
        return "Take a smaller step size η, or learn longer: the arrows are wrong where the states went."
    if run.spec.sampler not in ("", "dsm"):
        if int(run.params["kind"][0]):
            return "A score network has no energy, so nothing can be accepted or refused, and there is no exact answer."
        return ""
    if int(run.params["kind"][0]):
        return (
            "A score network gives arrows and no energy. Choose the energy network to compare with exp(−E)."
        )
    if run.configs.sample.denoise:
        return "The last step takes the smallest noise off, so these are nearer to the data than draws from exp(−E) are."
    if len(run.params["sigmas"]) == 1:
        return "With one noise level, arrows far from the data were never learned. Use more levels."
    truth = run.truth
    if truth is not None and truth.comparable and _off(run):
        return (
            "The ladder takes the share of each mode from the large noise, exp(−E) takes it from E at the smallest, where "
            "the gaps between modes are hard to learn. Learn longer, or end at a larger σ, to bring them together."
        )
    return ""


def _off(run: Run) -> bool:
    """Whether the samples are further from the exact answer than chance takes them."""
    truth, last = run.truth, np.asarray(run.sampling.last)
    assert truth is not None
    return bool(truth.total_variation(last) > truth.floor(len(last))[2])
