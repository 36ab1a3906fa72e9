"""Learning an RBM by CD-1, and sweeping one: ours, the textbook form, and what the peers make of it.

All learn W, b and c by plain contrastive divergence with one sweep, no centering, no momentum and a constant rate, from
weights of the same size and visible biases at the data's log-odds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import numpy as np
from race import Runner, jax_generators, needs, with_threads

from ebm_plugins.datasets import from_arrays
from ebm_plugins.families import rbm
from ebm_plugins.rbm_core import free_energy
from ebm_plugins.spaces import BinaryGrid

BATCH, SMALL = 100, 0.01
RATES = {28: 0.05, 8: 0.1}  # by side: few epochs then show in the machine, and chance does not drown them
Learned = Mapping[str, Any]  # weights (V, H), visible_bias (V,), hidden_bias (H,)


@cache
def digits(side: int, rows: int) -> Any:
    """Binary digits (rows, side²), enlarged to ``side`` and with a cell in fifty turned, so that no two are equal."""
    from sklearn.datasets import load_digits

    rng = np.random.default_rng(0)
    images = load_digits().images[rng.integers(0, 1797, rows)]
    times = side // 8
    grown = np.kron(images / 16.0, np.ones((times, times)))
    edge = side - grown.shape[1]
    grown = np.pad(grown, ((0, 0), (edge // 2, edge - edge // 2), (edge // 2, edge - edge // 2)))
    x = (grown >= 0.5).reshape(rows, -1)
    return (x ^ (rng.random(x.shape) < 0.02)).astype(np.float32)


def log_odds(x: Any) -> Any:
    mean = (x.sum(axis=0) + 0.5) / (len(x) + 1)
    return np.log(mean / (1 - mean)).astype(np.float32)


def learned(weights: Any, visible: Any, hidden: Any) -> Learned:
    arrays = (np.asarray(a).astype(float) for a in (weights, visible, hidden))
    return dict(zip(("weights", "visible_bias", "hidden_bias"), arrays, strict=True))


def reconstruction(side: int, rows: int) -> Callable[[Learned], Any]:
    """How far a machine is: the error of its mean-field reconstruction of 500 rows, the size of its weights, and how
    active its hidden units are."""
    x = digits(side, rows)[:500].astype(float)

    def statistic(m: Learned) -> Any:
        p = 1 / (1 + np.exp(-(x @ m["weights"] + m["hidden_bias"])))
        q = 1 / (1 + np.exp(-(p @ m["weights"].T + m["visible_bias"])))
        return np.array([((x - q) ** 2).mean(), (m["weights"] ** 2).mean(), p.mean()])

    return statistic


# --- Learning -----------------------------------------------------------------------------------------------------


def ours(side: int, rows: int, hidden: int) -> Runner:
    """Through ``family.train``, with one snapshot and its metrics, at the end."""

    def build() -> Callable[[int], Any]:
        data = from_arrays(digits(side, rows), BinaryGrid(side, side))
        rng = np.random.default_rng(1)

        def run(epochs: int) -> Any:
            config = rbm.TrainConfig(
                hidden=hidden, method="cd", k=1, epochs=epochs, learning_rate=RATES[side], schedule="constant", batch=BATCH,
                centering=False, momentum=0.0, initial_weights=SMALL, every=min(epochs, 1000),
            )  # fmt: skip
            last = None
            for snapshot in rbm.train(data, config, rng):
                last = snapshot.value
            return last

        return run

    return Runner(name="ours", role="ours", build=build)


def sigmoid(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


def textbook(side: int, rows: int, hidden: int) -> Runner:
    def build() -> Callable[[int], Any]:
        data, rate = digits(side, rows).astype(float), RATES[side]
        np.random.seed(2)  # noqa: NPY002 (the generator that the article draws from)

        def run(epochs: int) -> Any:
            w = SMALL * np.random.randn(side * side, hidden)  # noqa: NPY002
            b, c = log_odds(data).astype(float), np.zeros(hidden)
            for _ in range(epochs):
                shuffled = data[np.random.permutation(rows)]  # noqa: NPY002
                for first in range(0, rows, BATCH):
                    v0 = shuffled[first : first + BATCH]
                    p0 = sigmoid(v0 @ w + c)
                    h0 = (np.random.rand(*p0.shape) < p0).astype(float)  # noqa: NPY002
                    q1 = sigmoid(h0 @ w.T + b)
                    v1 = (np.random.rand(*q1.shape) < q1).astype(float)  # noqa: NPY002
                    p1 = sigmoid(v1 @ w + c)
                    w += rate * (v0.T @ p0 - v1.T @ p1) / len(v0)
                    b += rate * np.mean(v0 - v1, axis=0)
                    c += rate * np.mean(p0 - p1, axis=0)
            return learned(w, b, c)

        return run

    return Runner(name="NumPy as in the article", role="textbook", build=build)


def torch_cd(side: int, rows: int, hidden: int) -> Runner:
    def make() -> Callable[[int], Any]:
        torch = needs("torch")
        data = torch.from_numpy(digits(side, rows))
        bias = torch.from_numpy(log_odds(digits(side, rows)))
        torch.manual_seed(3)
        p0, p1 = torch.empty(BATCH, hidden), torch.empty(BATCH, hidden)
        h0, v1 = torch.empty(BATCH, hidden), torch.empty(BATCH, side * side)
        noise_h, noise_v = torch.empty(BATCH, hidden), torch.empty(BATCH, side * side)

        @torch.no_grad()
        def run(epochs: int) -> Any:
            w = SMALL * torch.randn(side * side, hidden)
            b, c = bias.clone(), torch.zeros(hidden)
            rate = RATES[side] / BATCH
            for _ in range(epochs):
                shuffled = data[torch.randperm(rows)]
                for first in range(0, rows, BATCH):
                    v0 = shuffled[first : first + BATCH]
                    torch.addmm(c, v0, w, out=p0).sigmoid_()
                    torch.lt(noise_h.uniform_(), p0, out=h0)
                    torch.addmm(b, h0, w.T, out=v1).sigmoid_()
                    torch.lt(noise_v.uniform_(), v1, out=v1)
                    torch.addmm(c, v1, w, out=p1).sigmoid_()
                    w.addmm_(v0.T, p0, alpha=rate).addmm_(v1.T, p1, alpha=-rate)
                    b.add_((v0.sum(0) - v1.sum(0)), alpha=rate)
                    c.add_((p0.sum(0) - p1.sum(0)), alpha=rate)
            return learned(w, b, c)

        return run

    return Runner(name="PyTorch", build=lambda: with_threads(make))


def jax_cd(side: int, rows: int, hidden: int) -> Runner:
    def make(key: Callable[[], Any]) -> Callable[[int], Any]:
        jax, jnp = needs("jax"), needs("jax.numpy")
        data, bias = jnp.asarray(digits(side, rows)), jnp.asarray(log_odds(digits(side, rows)))

        def batch(m: Any, given: Any) -> Any:
            (w, b, c), (v0, key) = m, given
            first, second = jax.random.split(key)
            p0 = jax.nn.sigmoid(v0 @ w + c)
            h0 = (jax.random.uniform(first, p0.shape) < p0).astype(jnp.float32)
            q1 = jax.nn.sigmoid(h0 @ w.T + b)
            v1 = (jax.random.uniform(second, q1.shape) < q1).astype(jnp.float32)
            p1 = jax.nn.sigmoid(v1 @ w + c)
            rate = RATES[side] / BATCH
            # one product of the stacked halves: faster here than the difference of two
            slope = jnp.concatenate([v0, -v1]).T @ jnp.concatenate([p0, p1])
            return (w + rate * slope, b + rate * (v0 - v1).sum(0), c + rate * (p0 - p1).sum(0)), None

        def epoch(m: Any, key: Any) -> Any:
            first, second = jax.random.split(key)
            shuffled = data[jax.random.permutation(first, rows)].reshape(-1, BATCH, side * side)
            return jax.lax.scan(batch, m, (shuffled, jax.random.split(second, len(shuffled))))[0], None

        @partial(jax.jit, static_argnums=1)
        def learn(key: Any, epochs: int) -> Any:
            w = SMALL * jax.random.normal(key, (side * side, hidden))
            m, _ = jax.lax.scan(epoch, (w, bias, jnp.zeros(hidden)), jax.random.split(key, epochs))
            return m

        return lambda epochs: learned(*learn(key(), epochs))

    return Runner(name="JAX", build=lambda: jax_generators(make))


def sklearn_pcd(side: int, rows: int, hidden: int) -> Runner:
    """Its chains persist, and its biases start at zero: as many products and draws, and nearly the same machine."""

    def build() -> Callable[[int], Any]:
        needs("sklearn")
        from sklearn.neural_network import BernoulliRBM

        def run(epochs: int) -> Any:
            machine = BernoulliRBM(
                hidden, learning_rate=RATES[side], batch_size=BATCH, n_iter=epochs, random_state=4
            )
            machine.fit(digits(side, rows))
            return learned(machine.components_.T, machine.intercept_visible_, machine.intercept_hidden_)

        return run

    return Runner(name="scikit-learn", build=build, slack=0.5)


def bare_products(side: int, rows: int, hidden: int) -> Runner:
    """The five products of each batch in float32, and nothing else."""

    def build() -> Any:
        from threadpoolctl import threadpool_limits

        rng = np.random.default_rng(5)
        cells = side * side
        w, v, h = (
            rng.random(s, dtype=np.float32) for s in ((cells, hidden), (BATCH, cells), (BATCH, hidden))
        )
        vv, hh = np.concatenate([v, v]), np.concatenate([h, h])
        to_h, to_v, to_w = np.empty_like(h), np.empty_like(v), np.empty_like(w)

        def products(epochs: int) -> None:
            for _ in range(epochs * -(-rows // BATCH)):
                np.matmul(v, w, out=to_h)
                np.matmul(h, w.T, out=to_v)
                np.matmul(v, w, out=to_h)
                np.matmul(vv.T, hh, out=to_w)

        def alone(epochs: int) -> None:
            with threadpool_limits(1, user_api="blas"):
                products(epochs)

        return products, alone

    return Runner(name="the matrix products alone", role="floor", build=build, checked=False)


# --- Sweeping -----------------------------------------------------------------------------------------------------


@cache
def machine_of_digits() -> Learned:
    """A machine of 64 cells and 128 hidden units that knows some digits; the same for all."""
    data = from_arrays(digits(8, 1300), BinaryGrid(8, 8))
    config = rbm.TrainConfig(hidden=128, method="pcd", epochs=60, learning_rate=0.2, batch=100, every=1000)
    (last,) = rbm.train(data, config, np.random.default_rng(6))
    return dict(last.value)


def first(chains: int) -> Any:
    """Where all chains begin: the first digit (chains, 64), which they forget sweep by sweep."""
    return np.repeat(digits(8, 1300)[:1].astype(float), chains, axis=0)


def remembered(v: Any) -> Any:
    """How many cells are still as they were, how many are on, and the mean free energy."""
    v = np.asarray(v, dtype=float)
    return np.array([(v == first(len(v))).mean(), v.mean(), free_energy(machine_of_digits(), v).mean()])


def arrays(dtype: Any = np.float32) -> tuple[Any, Any, Any]:
    m = machine_of_digits()
    return tuple(np.asarray(m[name], dtype=dtype) for name in ("weights", "visible_bias", "hidden_bias"))
