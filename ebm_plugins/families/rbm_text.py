"""What the RBM family says about itself: summary, presets, lens, lesson, and a word on a run."""

from __future__ import annotations

import numpy as np

from ebm_plugins import starts
from ebm_plugins.records import Lens, Run
from ebm_plugins.specs import RunSpec

SUMMARY = "A layer that is seen, and one that explains it. It learns from examples, then dreams its own."

LENS = Lens(
    year=1986,
    authors="Smolensky; Hinton",
    formula=r"E(v, h) = -b^\top v - c^\top h - v^\top W h",
    energy=r"-b^\top v - \sum_j \log\bigl(1 + e^{c_j + (W^\top v)_j}\bigr)",
    learns="Statistics under the data less statistics under the model, the latter from short or persistent chains",
    samples="Block Gibbs: all hidden units at once, then all visible ones",
    avoids="Z drops out of the conditionals; for a small layer it is summed, for a large one bracketed by annealing",
    references=(
        "Smolensky 1986, Information processing in dynamical systems: foundations of harmony theory",
        "Hinton 2002, Training products of experts by minimizing contrastive divergence",
        "Hinton, Osindero, Teh 2006, A fast learning algorithm for deep belief nets",
        "Tieleman 2008, Training restricted Boltzmann machines using approximations to the likelihood gradient",
        "Salakhutdinov, Murray 2008, On the quantitative analysis of deep belief networks",
        "Fischer, Igel 2010, Empirical analysis of the divergence of Gibbs sampling based learning algorithms for "
        "restricted Boltzmann machines",
        "Burda, Grosse, Salakhutdinov 2015, Accurate and conservative estimates of MRF log-likelihood using reverse "
        "annealing",
        "Melchior, Fischer, Wiskott 2016, How to center deep Boltzmann machines",
    ),
)

# The upper halves of the first held-out 0 to 9, packed by ebm_plugins.starts.pack; and the 8 without two of its rows.
HALF_DIGITS = "GBg0JAAAAAAMDBw8AAAAABg4OAgAAAAAOAwMDAAAAAAYFDQoAAAAAD44IHAAAAAAIDAwOAAAAAAcBAQ8AAAAABg8LDgAAAAAEDw8HAAAAAA"
BROKEN_EIGHT = "GDwsOBgAABw"
LOWER_HALF = (False,) * 32 + (True,) * 32
TWO_ROWS = (False,) * 40 + (True,) * 16 + (False,) * 8
ARTICLE = {
    "hidden": 4, "method": "cd", "k": 1, "learning_rate": 0.1, "schedule": "constant", "batch": 6, "epochs": 500,
    "centering": False, "start_at_data": False, "every": 5,
}  # fmt: skip
DIGITS = {"hidden": 64, "learning_rate": 0.3, "epochs": 100, "every": 4}

PRESETS = {
    "Digits that dream": RunSpec(
        family="rbm",
        dataset="digits-binary",
        train={"hidden": 16, "learning_rate": 0.3, "epochs": 100, "every": 4},
        sample={"method": "tempering", "steps": 300},
        start=starts.Noise(n=100),
    ),
    "Bars and stripes, all but perfect": RunSpec(
        family="rbm",
        dataset="bars-and-stripes-3x3",
        train={
            "hidden": 30, "k": 5, "learning_rate": 0.3, "epochs": 3000, "batch": 14, "chains": 500, "every": 50,
        },
        sample={"method": "tempering", "steps": 200},
        start=starts.Noise(n=300),
        seed=1,
    ),
    "Bars and stripes by CD-1: it stalls": RunSpec(
        family="rbm",
        dataset="bars-and-stripes-3x3",
        train={
            "hidden": 20, "method": "cd", "k": 1, "learning_rate": 0.1, "schedule": "constant", "epochs": 3000,
            "batch": 14, "centering": False, "start_at_data": False, "every": 50,
        },
        sample={"method": "tempering", "steps": 200},
        start=starts.Noise(n=300),
    ),
    "As in the article": RunSpec(
        family="rbm",
        dataset="article-six",
        train=ARTICLE,
        sample={"steps": 100},
        start=starts.Noise(n=300),
        seed=3,
    ),
    "The article's six rows, learned": RunSpec(
        family="rbm",
        dataset="article-six",
        train={"hidden": 4, "k": 5, "learning_rate": 0.3, "epochs": 3000, "batch": 6, "chains": 300, "every": 50},
        sample={"method": "tempering", "steps": 200},
        start=starts.Noise(n=300),
    ),
    "Half a digit": RunSpec(
        family="rbm",
        dataset="digits-binary",
        train=DIGITS,
        sample={"steps": 100},
        start=starts.Drawn(states=HALF_DIGITS, copies=4, free=LOWER_HALF),
    ),
    "Two rows of an eight, against the exact answer": RunSpec(
        family="rbm",
        dataset="digits-binary",
        train=DIGITS,
        sample={"steps": 200},
        start=starts.Drawn(states=BROKEN_EIGHT, copies=300, free=TWO_ROWS),
    ),
    "Digits, 64 hidden units": RunSpec(
        family="rbm", dataset="digits-binary", train=DIGITS, sample={"method": "tempering", "replicas": 12, "steps": 300}, start=starts.Noise(n=100)
    ),
    "Error falls, likelihood falls": RunSpec(
        family="rbm",
        dataset="bars-and-stripes-4x4",
        train={
            "hidden": 12, "method": "cd", "k": 1, "learning_rate": 0.2, "schedule": "constant", "batch": 30,
            "epochs": 10_000, "centering": False, "start_at_data": False, "initial_weights": 0.1, "every": 100,
        },
        sample={"steps": 100},
        start=starts.Noise(n=300),
    ),
    "Grey digits": RunSpec(
        family="rbm",
        dataset="digits",
        train={"hidden": 64, "learning_rate": 0.05, "epochs": 100, "every": 4},
        sample={"method": "tempering", "replicas": 12, "steps": 300},
        start=starts.Noise(n=100),
    ),
    "A digit it has never seen": RunSpec(
        family="rbm",
        dataset="digits-binary",
        train={**DIGITS, "epochs": 60, "every": 2, "leave_out": 0},
        sample={"steps": 100},
        start=starts.Noise(n=100),
    ),
}  # fmt: skip

LEARN = r"""
#### How it works
Visible units $v$ hold a picture, hidden units $h$ hold reasons for it. Connections run only between the layers, so each
layer is independent given the other: $p(h_j = 1 \mid v) = \sigma(c_j + \sum_i v_i W_{ij})$, and the same the other way.
One sweep redraws all of $h$, then all of $v$. The reasons can be summed out, which leaves the *free energy*

$$F(v) = -b^\top v - \sum_j \log\bigl(1 + e^{c_j + (W^\top v)_j}\bigr), \qquad p(v) = e^{-F(v)}/Z .$$

Learning lowers $F$ where the data are and raises it where the model's own states are. The second part needs states of
the model, and how they are made is what tells the methods apart:

| method | where the model's states come from | what goes wrong |
| --- | --- | --- |
| CD-$k$ | $k$ sweeps from each data row | looks only near the data; late in learning the likelihood can fall |
| PCD | chains that are never restarted | with a large rate or large weights they lag behind |
| Tempering | such chains, and hotter copies to swap with | costs as many times more as there are copies |

For real-valued pixels $v_i \mid h$ is Gaussian with mean $b_i + (Wh)_i$ and a standard deviation $\sigma_i$ that is learned.

#### What to look at
- **Reconstruction error is not likelihood.** A machine can copy each row faithfully and still put most of its probability
  where there are no data. In *Error falls, likelihood falls* both go down together. The error is $h$'s, the likelihood $p(v)$'s.
- **As in the article.** After 400 epochs its setting has an error of about 0.17 and not 0.03, and the likelihood next to it shows how
  little has been learned. Longer training with persistent chains at a larger rate puts it right.
- **log Z.** It is summed exactly when a layer has at most 20 units. Beyond that, annealing from independent units
  underestimates it on average, and annealing back from the machine's own states overestimates it, so the truth is in
  between. The second needs good states to start from: where they are not exact, it is an estimate and no bound.
- **Centering.** Swap ink and paper and nothing about the problem has changed. Plain learning cares a great deal; with
  the means taken off first it does not.
- **Overfitting** is the gap between the free energies of learned and held-out rows. It needs no log Z.
- **Erase a part.** Clamp the cells that are given and sweep: the rest is drawn from its exact conditional distribution.
- **Odd rows.** High free energy means improbable. Leave a digit out of learning and see how well that finds it. A one is
  not found well: it is made of strokes that the others have.
- **Stacking.** The hidden states of one machine are data for the next. The study shows dreams and the bound, layer by layer.

#### What it cannot do
There is no temperature here: a sweep between the layers samples $e^{-F}$, not $e^{-F/T}$. Other samplers run on the same
free energy and have one. Chains of a machine with large weights stay near one picture for long; choose tempering, and
watch R-hat.

#### Sources
Smolensky 1986 · Hinton 2002 · Hinton, Osindero and Teh 2006 · Tieleman 2008 · Salakhutdinov and Murray 2008 · Fischer and
Igel 2010 · Burda, Grosse and Salakhutdinov 2015 · Melchior, Fischer and Wiskott 2016
"""

FALLEN = 0.3  # nats under its best at which a likelihood is said to have fallen
FAR = 0.2  # nats short of the best possible at which a machine is said not to have learned its rows
GAP = 3.0  # nats of free energy between held-out and learned rows


def explain(run: Run) -> str:
    """One more sentence for the verdict: a likelihood that fell while the error fell, one that is far from what is
    possible, or a machine that overfits. Else empty."""
    from ebm_plugins.families.rbm_figures import best_possible

    metrics = run.training.metrics
    exact = metrics.get("log_likelihood")
    if exact is not None and len(exact):
        peak, last = float(np.max(exact)), float(exact[-1])
        error = metrics["reconstruction_error"]
        if peak - last > FALLEN and error[-1] < error[int(np.argmax(exact))]:
            why = "CD looks only near the data. Try PCD."
            if run.configs.train.method != "cd":
                why = "the chains cannot follow. Lower the learning rate, or let it fall to zero in a line."
            return (
                f"While the reconstruction error kept falling, the log-likelihood fell too, from {_nats(peak)} to "
                f"{_nats(last)} nats: {why}"
            )
        if run.space.discrete and len(run.data.x) <= 100:
            best = best_possible(run.data.x)
            if best - last > FAR:
                return f"The machine itself has a log-likelihood of {_nats(last)} nats, where {_nats(best)} is possible."
            return f"The machine's log-likelihood is {_nats(last)} nats; the best possible is {_nats(best)}."
    gap = metrics.get("overfitting_gap")
    if gap is not None and len(gap) and gap[-1] > GAP:
        return f"It overfits: held-out rows lie {gap[-1]:.1f} nats of free energy above learned ones."
    return ""


def _nats(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
