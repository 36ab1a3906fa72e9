"""Experiments with restricted Boltzmann machines that are no single run. Each yields a figure as it goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ebm_plugins import ais, deep_belief, rbm_learning
from ebm_plugins.config import Config, knob
from ebm_plugins.families.hopfield_figures import note
from ebm_plugins.families.rbm_figures import curves, sheet
from ebm_plugins.palette import CATEGORIES_LIGHT, LIGHT, scale
from ebm_plugins.rbm_core import (
    exact_draws,
    expected_statistics,
    free_energy,
    hidden_probability,
    log_partition,
    machine,
    reconstruction_error,
    sweep,
)
from ebm_plugins.records import Array, Data, Params, Rng

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


class GradientConfig(Config):
    """How far the expected CD-k step is from the exact gradient."""

    hidden: int = knob(8, "Hidden units, learning bars and stripes 3×3.", ge=1, le=14)
    copies: int = knob(
        2000, "Chains a data row, over which the step is averaged.", ge=100, le=20_000, log=True
    )
    top: int = knob(100, "The largest k.", ge=2, le=500, log=True, title="Largest k")


class DivergenceConfig(Config):
    """Reconstruction error and exact log-likelihood over a long run, for several ways to learn."""

    hidden: int = knob(12, "Hidden units, learning bars and stripes 4×4.", ge=2, le=16)
    epochs: int = knob(4000, "Passes over the data.", ge=100, le=20_000, log=True)
    learning_rate: float = knob(0.2, "Constant learning rate.", ge=0.01, le=1.0, log=True)


class CenteringConfig(Config):
    """The same digits, and the digits with ink and paper exchanged."""

    hidden: int = knob(16, "Hidden units (log Z is exact).", ge=2, le=16)
    epochs: int = knob(40, "Passes over the digits.", ge=5, le=400, log=True)
    learning_rate: float = knob(0.1, "Constant learning rate.", ge=0.01, le=0.5, log=True)


class BracketConfig(Config):
    """Forward and backward annealing against the exact log Z, as the number of temperatures grows."""

    hidden: int = knob(14, "Hidden units of a machine that has learned digits.", ge=2, le=16)
    chains: int = knob(100, "Chains each way.", ge=10, le=1000, log=True)
    top: int = knob(2000, "The most temperatures.", ge=30, le=10_000, log=True, title="Most temperatures")


class RivalConfig(Config):
    """Held-out log-likelihood of digits, against scikit-learn's BernoulliRBM of the same size, batch and epochs."""

    hidden: int = knob(64, "Hidden units.", ge=8, le=128, log=True)
    epochs: int = knob(100, "Epochs of each.", ge=5, le=300, log=True)
    seeds: int = knob(2, "Seeds of each.", ge=1, le=10)


class StackConfig(Config):
    """Layers learned one after the other on binary digits."""

    first: int = knob(
        64, "Hidden units of the first layer.", ge=8, le=128, log=True, title="First layer", unit="units"
    )
    second: int = knob(
        64,
        "Hidden units of the second; as many as cells (64), it starts as the first's transpose.",
        title="Second layer",
        unit="units",
        ge=8,
        le=128,
        log=True,
    )
    third: int = knob(
        0, "Hidden units of a third layer; 0: none.", ge=0, le=128, title="Third layer", unit="units"
    )
    epochs: int = knob(60, "Epochs a layer.", ge=5, le=300, log=True)
    sweeps: int = knob(
        200, "Sweeps of the top machine before each dream.", ge=1, le=2000, log=True, more=True
    )


def data(key: str) -> Data:
    """A built-in dataset."""
    from ebm_plugins.datasets import register_datasets

    return next(d for d in register_datasets() if d.key == key).load()


def settings(**values: Any) -> Any:
    """A train config of the family."""
    from ebm_plugins.families.rbm import TrainConfig

    return TrainConfig(**values)


def learned(x: Array, rng: Rng, **values: Any) -> dict[str, Array]:
    """The params of a machine that has learned binary rows x (n, V)."""
    return rbm_learning.learn(x, settings(**values), rng)


def mean_log_likelihood(params: Params, x: Array) -> float:
    """Exact mean log p of rows x (n, V), in nats."""
    z = log_partition(params)
    assert z is not None
    return -float(free_energy(params, x).mean()) - z


# --- Studies ----------------------------------------------------------------------------------------------------


def exact_gradient(params: Params, x: Array) -> Array:
    """Gradient of the mean log-likelihood of rows x (n, V) in all parameters, flat: weights, visible, hidden biases."""
    p = hidden_probability(machine(params), x)
    data_side = rbm_learning.statistics(x, p)
    return flat(rbm_learning.difference(data_side, expected_statistics(params)))


def flat(slope: rbm_learning.Statistics) -> Array:
    """The three parts of a gradient as one vector, in float64."""
    return np.concatenate([np.asarray(part, dtype=float).ravel() for part in slope])


def gradients(config: GradientConfig, rng: Rng) -> Iterator[Figure]:
    """|E[CD-k step] − exact gradient| / |exact gradient| against k, early and late in learning."""
    x = data("bars-and-stripes-3x3").x
    lines: dict[str, tuple[list[int], list[float]]] = {}
    for name, epochs in (("after 30 epochs", 30), ("after 2,000", 2000)):
        params = learned(
            x, rng, hidden=config.hidden, epochs=epochs, learning_rate=0.3, batch=14, schedule="constant"
        )
        m = machine(params, np.float32)
        exact = exact_gradient(params, x)
        rows = np.repeat(x.astype(np.float32), config.copies, axis=0)
        positive = rbm_learning.statistics(rows, hidden_probability(m, rows))
        v, done, line = rows, 0, ([], [])  # type: tuple[Array, int, tuple[list[int], list[float]]]
        lines[name] = line
        for k in np.unique(np.geomspace(1, config.top, 10).astype(int)):
            for _ in range(int(k) - done):
                v = sweep(m, v, rng)
            done = int(k)
            slope = flat(
                rbm_learning.difference(positive, rbm_learning.statistics(v, hidden_probability(m, v)))
            )
            line[0].append(done)
            line[1].append(float(np.linalg.norm(slope - exact) / np.linalg.norm(exact)))
            figure = curves(lines, (LIGHT["model"], LIGHT["energy"]), "k", "relative error of the step")
            figure.update_xaxes(type="log")
            figure.update_yaxes(rangemode="tozero")
            note(figure, "0 is the exact gradient. The larger the weights, the longer the chains need.")
            yield figure


WAYS: dict[str, dict[str, Any]] = {
    "CD-1": {"method": "cd", "k": 1},
    "CD-10": {"method": "cd", "k": 10},
    "persistent": {"method": "pcd", "k": 1, "chains": 100},
    "tempering": {"method": "tempering", "k": 1, "chains": 100, "replicas": 5},
}


def divergence(config: DivergenceConfig, rng: Rng) -> Iterator[Figure]:
    """Exact log-likelihood against reconstruction error: each way to learn is a path (Fischer, Igel 2010)."""
    x = data("bars-and-stripes-4x4").x
    lines: dict[str, tuple[list[float], list[float]]] = {}
    every = max(1, config.epochs // 40)
    for name, way in WAYS.items():
        line: tuple[list[float], list[float]] = ([], [])
        lines[name] = line
        asked = settings(
            hidden=config.hidden, epochs=config.epochs, learning_rate=config.learning_rate, schedule="constant",
            batch=30, centering=False, start_at_data=False, initial_weights=0.1, **way,
        )  # fmt: skip
        for epoch, m in enumerate(rbm_learning.epochs(x, asked, False, rng), 1):
            if epoch % every:
                continue
            params = m.params()
            errors = [reconstruction_error(m, x.astype(np.float32), rng) for _ in range(20)]
            line[0].append(max(float(np.mean(errors)), 1e-5))
            line[1].append(mean_log_likelihood(params, x))
        figure = curves(lines, CATEGORIES_LIGHT, "reconstruction error", "exact log-likelihood, nats", 340)
        figure.update_xaxes(type="log", autorange="reversed")
        figure.add_hline(y=-np.log(30), line={"color": LIGHT["truth"], "width": 1.75, "dash": "dot"})
        note(
            figure,
            "Learning goes to the right, where reconstruction is better; dotted: the best possible likelihood",
        )
        yield figure


def centering(config: CenteringConfig, rng: Rng) -> Iterator[Figure]:
    """Held-out exact log-likelihood against epochs on digits and inverted digits, centered and plain."""
    digits = data("digits-binary")
    assert digits.test_x is not None
    lines: dict[str, tuple[list[int], list[float]]] = {}
    seed = int(rng.integers(2**31))
    for centred in (True, False):
        for inverted in (False, True):
            name = ("centered" if centred else "plain") + (", inverted" if inverted else "")
            line: tuple[list[int], list[float]] = ([], [])
            lines[name] = line
            x, test = (1.0 - digits.x, 1.0 - digits.test_x) if inverted else (digits.x, digits.test_x)
            asked = settings(
                hidden=config.hidden, epochs=config.epochs, learning_rate=config.learning_rate, schedule="constant",
                centering=centred, start_at_data=False,
            )  # fmt: skip
            for epoch, m in enumerate(rbm_learning.epochs(x, asked, False, np.random.default_rng(seed)), 1):
                if epoch % max(1, config.epochs // 20) == 0:
                    line[0].append(epoch)
                    line[1].append(mean_log_likelihood(m.params(), test))
            yield curves(lines, CATEGORIES_LIGHT, "epoch", "held-out log-likelihood (exact), nats", 320)


def brackets(config: BracketConfig, rng: Rng) -> Iterator[Figure]:
    """Mean log-weights of forward and backward annealing against the number of temperatures, beside log Z."""
    digits = data("digits-binary")
    params = learned(digits.x, rng, hidden=config.hidden, epochs=60, learning_rate=0.3)
    exact = log_partition(params)
    assert exact is not None
    starts = exact_draws(params, config.chains, rng)
    lines: dict[str, tuple[list[int], list[float]]] = {
        "backward (above)": ([], []),
        "forward (below)": ([], []),
    }
    for count in np.unique(np.geomspace(10, config.top, 8).astype(int)).tolist():
        up = ais.backward(params, rng, starts, count).mean()
        down = ais.forward(params, rng, config.chains, count)[0].mean()
        for name, value in (("backward (above)", up), ("forward (below)", down)):
            lines[name][0].append(count)
            lines[name][1].append(float(value))
        figure = curves(
            lines, (LIGHT["energy"], LIGHT["model"]), "temperatures", "mean log weight + log Z₀, nats"
        )
        figure.update_xaxes(type="log")
        figure.add_hline(y=exact, line={"color": LIGHT["truth"], "width": 1.75})
        note(figure, f"Black: log Z = {exact:.4f}, by summing over {2**config.hidden:,} hidden states")
        yield figure


RIVAL_RATES = (0.05, 0.1, 0.2)  # scikit-learn's: its best of these is taken
OUR_SETTINGS: dict[str, Any] = {"method": "pcd", "learning_rate": 0.3, "batch": 50, "chains": 100}


def rivals(x: Array, hidden: int, epochs: int, seed: int, rate: float) -> dict[str, Array]:
    """Params of scikit-learn's BernoulliRBM after this many epochs of batches of 50."""
    from sklearn.neural_network import BernoulliRBM

    other = BernoulliRBM(hidden, learning_rate=rate, batch_size=50, n_iter=epochs, random_state=seed).fit(x)
    mean = (x.sum(axis=0) + 0.5) / (len(x) + 1)
    return {
        "weights": other.components_.T.copy(),
        "visible_bias": other.intercept_visible_.copy(),
        "hidden_bias": other.intercept_hidden_.copy(),
        "base_bias": np.log(mean / (1 - mean)),
    }


def held_out_interval(params: Params, test: Array, rng: Rng, chains: int = 256) -> tuple[float, float]:
    """Lower and upper end of the bracket of the mean log-likelihood of rows ``test`` (n, V), in nats."""
    low, high, _ = ais.bracket(params, rng, chains)
    fit = -float(free_energy(params, test).mean())
    return fit - high, fit - low


def rival(config: RivalConfig, rng: Rng) -> Iterator[Figure]:
    """Brackets of the held-out log-likelihood, ours and scikit-learn's at each of three rates; a figure a seed."""
    import plotly.graph_objects as go

    from ebm_plugins.families.hopfield_figures import blank

    digits = data("digits-binary")
    assert digits.test_x is not None
    found: dict[str, list[tuple[float, float]]] = {}
    for _ in range(config.seeds):
        seed = int(rng.integers(2**31))
        ours = learned(
            digits.x, np.random.default_rng(seed), hidden=config.hidden, epochs=config.epochs, **OUR_SETTINGS
        )
        found.setdefault("this workbench", []).append(held_out_interval(ours, digits.test_x, rng))
        for rate in RIVAL_RATES:
            other = rivals(digits.x, config.hidden, config.epochs, seed, rate)
            found.setdefault(f"scikit-learn, rate {rate:g}", []).append(
                held_out_interval(other, digits.test_x, rng)
            )
        figure = blank(240, left=170)
        for name, intervals in found.items():
            colour = LIGHT["model"] if name == "this workbench" else LIGHT["rejected"]
            middle = [(a + b) / 2 for a, b in intervals]
            half = [(b - a) / 2 for a, b in intervals]
            figure.add_trace(
                go.Scatter(x=middle, y=[name] * len(middle), mode="markers", marker={"color": colour, "size": 9},
                           error_x={"array": half, "color": colour},
                           hovertemplate="%{x:.2f} nats<br>%{y}<extra></extra>")
            )  # fmt: skip
        figure.update_xaxes(title_text="held-out log-likelihood, nats a digit (bracket)")
        figure.update_yaxes(autorange="reversed", showgrid=False)
        yield figure


def stacking(config: StackConfig, rng: Rng) -> Iterator[Figure]:
    """Dreams of the stack after each layer, with the bound on its held-out log-likelihood."""
    digits = data("digits-binary")
    assert digits.test_x is not None
    widths = [w for w in (config.first, config.second, config.third) if w]
    said: list[str] = []
    asked = settings(epochs=config.epochs, **OUR_SETTINGS)
    for layers in deep_belief.stack(digits.x, widths, asked, rng):
        low, high, _ = ais.bracket(layers[-1], rng, 128)
        value = deep_belief.bound(layers, digits.test_x, (low + high) / 2, rng)
        said.append(f"{len(layers)} layer{'s' if len(layers) > 1 else ''}: {value:.2f}".replace("-", "−"))
        images = deep_belief.dream(layers, 48, config.sweeps, rng)
        figure = sheet(images, (8, 8), 12, scale((LIGHT["off"], LIGHT["model"])), 0.0, 1.0)
        note(figure, "Held-out log-likelihood is at least, in nats (by annealing): " + "; ".join(said))
        yield figure


__all__ = ["exact_gradient", "flat", "held_out_interval", "rivals"]
