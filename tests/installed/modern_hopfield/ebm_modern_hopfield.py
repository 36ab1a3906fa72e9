r"""Modern continuous Hopfield networks (Ramsauer et al. 2020): attention as recall, as a third-party package.

P stored patterns, the rows of X (P, N), make the energy of a query ξ

.. math:: E(\xi) = -\beta^{-1}\log\sum_\mu e^{\beta x_\mu\cdot\xi} + \tfrac12|\xi|^2 + \beta^{-1}\log P + \tfrac12 M^2,

with M the longest pattern's length, so that E ≥ 0. Its gradient is ξ − Xᵀ softmax(βXξ), and the update
ξ ← Xᵀ softmax(βXξ), which is attention with one query, is gradient descent with step 1: it never raises the energy.
The same gradient proposes Metropolis-adjusted Langevin moves, which sample exp(−E/T).
"""

from typing import Literal

import numpy as np

from ebm_plugins import (
    Config,
    ConfigError,
    Family,
    Lens,
    Plane,
    RunSpec,
    Snapshot,
    Vectors,
    hookimpl,
    knob,
    starts,
)  # fmt: skip


class Training(Config):
    count: int = knob(6, "How many rows of the data are stored, evenly spaced among them.", ge=1, le=2_000)
    sharpness: float = knob(
        4.0, "β: how much nearer the nearest pattern seems than the others. Small values blend them.",
        ge=0.05, le=50.0, log=True,
    )  # fmt: skip


class Sampling(Config):
    update: Literal["retrieval", "mala"] = knob(
        "retrieval",
        "Attention, which runs downhill to a memory or a blend; or Langevin moves, accepted or refused.",
    )
    step_size: float = knob(0.2, "η of a Langevin move, in units of T.", ge=0.001, le=2.0, log=True)
    temperature: float = knob(
        0.3, "T of exp(−E/T), which the Langevin moves sample.", ge=0.01, le=5.0, log=True
    )
    steps: int = knob(60, "How many updates or moves.", ge=1, le=20_000, log=True)
    every: int = knob(1, "Updates or moves a snapshot.", ge=1, le=1_000, log=True)


def attention(params, x):
    """(n, P) softmax of β X·ξ, and (n,) its log-sum-exp over β, of queries x (n, N)."""
    beta = float(params["sharpness"][0])
    scores = beta * (x @ params["patterns"].T)
    top = scores.max(axis=1, keepdims=True)
    mass = np.exp(scores - top)
    total = mass.sum(axis=1, keepdims=True)
    return mass / total, (np.log(total) + top)[:, 0] / beta


def energy(params, x):
    """E(ξ) ≥ 0 of queries x (n, N); returns (n,)."""
    patterns, beta = params["patterns"], float(params["sharpness"][0])
    constant = np.log(len(patterns)) / beta + 0.5 * (patterns**2).sum(axis=1).max()
    return 0.5 * (x * x).sum(axis=1) - attention(params, x)[1] + constant


def gradient(params, x):
    """∇E = ξ − Xᵀ softmax(βXξ), (n, N)."""
    return x - attention(params, x)[0] @ params["patterns"]


def train(data, config, rng):
    """Nothing is learned: evenly spaced rows are stored. One snapshot."""
    if not len(data.x):
        raise ConfigError("data", "rows to store", "a bare space")
    rows = np.unique(np.linspace(0, len(data.x) - 1, config.count).round().astype(int))
    patterns = np.array(data.x[rows], dtype=float)
    params = {"patterns": patterns, "sharpness": np.array([config.sharpness])}
    yield Snapshot(params, {"mean energy of the stored": float(energy(params, patterns).mean())})


def sample(params, config, rng, x):
    """Updates of the states x (n, N); a snapshot after every ``config.every`` of them."""
    move = retrieve if config.update == "retrieval" else langevin
    done = 0
    while done < config.steps:
        rates = []
        for _ in range(min(config.every, config.steps - done)):
            x, rate = move(params, config, rng, x)
            rates.append(rate)
            done += 1
        largest = float(attention(params, x)[0].max(axis=1).mean())
        yield Snapshot(x, {"acceptance": float(np.mean(rates)), "largest attention": largest})


def retrieve(params, config, rng, x):
    """ξ ← Xᵀ softmax(βXξ)."""
    return attention(params, x)[0] @ params["patterns"], 1.0


def langevin(params, config, rng, x):
    """ξ′ = ξ − η∇E/T + √(2η) noise, accepted by the full Metropolis-Hastings ratio."""
    eta, heat = config.step_size, config.temperature
    slope = gradient(params, x) / heat
    proposal = x - eta * slope + np.sqrt(2 * eta) * rng.standard_normal(x.shape)
    back = x - proposal + eta * gradient(params, proposal) / heat
    forth = proposal - x + eta * slope
    log_ratio = (energy(params, x) - energy(params, proposal)) / heat
    log_ratio += ((forth**2).sum(axis=1) - (back**2).sum(axis=1)) / (4 * eta)
    taken = np.log(rng.random(len(x))) < log_ratio
    return np.where(taken[:, None], proposal, x), float(taken.mean()) if len(x) else 0.0


def exactness(config):
    return "descent" if config.update == "retrieval" else "asymptotic"


def box(params):
    """Where the memories are, and a few standard deviations around."""
    patterns = params["patterns"]
    return np.stack([patterns.min(axis=0) - 3.0, patterns.max(axis=0) + 3.0])


def attention_map(run):
    """Which stored pattern each of the first chains attends to, at the end."""
    import plotly.graph_objects as go

    weights = attention(run.params, np.asarray(run.sampling.last[:40], dtype=float))[0]
    figure = go.Figure(go.Heatmap(z=weights, zmin=0, zmax=1, colorscale="Blues", colorbar_title="attention"))
    figure.update_xaxes(title="stored pattern")
    figure.update_yaxes(title="chain")
    return figure.update_layout(template=None, paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)")


def explain(run):
    weights = attention(run.params, np.asarray(run.sampling.last, dtype=float))[0]
    return f"{(weights.max(axis=1) > 0.9).mean():.0%} of the chains attend to one memory alone."


LENS = Lens(
    year=2020, authors="Ramsauer et al.",
    energy=r"-\beta^{-1}\log\sum_\mu e^{\beta x_\mu\cdot\xi} + \tfrac12|\xi|^2",
    learns="Stores the patterns", samples="One step of attention, or MALA", avoids="Goes downhill: Z is never needed",
    references=("Ramsauer et al., Hopfield networks is all you need, 2020",),
)  # fmt: skip

EXAMPLE = RunSpec(
    family="modern-hopfield",
    dataset="two-moons",
    sample={"update": "mala", "steps": 30},
    start=starts.Noise(40),
)


@hookimpl
def register_families():
    yield Family(
        key="modern-hopfield", title="Modern Hopfield network",
        summary=r"Memories of real numbers, recalled by attention: $\xi \leftarrow X^\top \mathrm{softmax}(\beta X\xi)$.",
        accepts=(Plane, Vectors), energy=energy, gradient=gradient, train=train, sample=sample,
        train_config=Training, sample_config=Sampling, exactness=exactness, box=box, lens=LENS, example=EXAMPLE,
        reversible=lambda config: config.update == "mala",
        presets={
            "Two moons": RunSpec(family="modern-hopfield", dataset="two-moons", start=starts.Noise(200)),
            "Digits, half hidden": RunSpec(
                family="modern-hopfield", dataset="digits", train={"count": 40},
                start=starts.Corrupted(rows=tuple(range(12)), kind="mask", amount=0.5),
            ),
        },
        figures={"Who attends to what": attention_map}, explain=explain,
        learn="One step of recall is one head of attention with one query. **Try** a small β: memories blend.",
    )  # fmt: skip
