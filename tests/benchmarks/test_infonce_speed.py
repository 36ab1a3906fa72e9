"""InfoNCE, both ways, on digits: one encoder 64-128-32 of two noisy views, batch 256, τ learned, Adam."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from race import Bound, Race, Runner, jax_generators, needs, one_each, with_threads

from ebm_plugins import network
from ebm_plugins.families import infonce, infonce_model
from ebm_plugins.records import Data
from ebm_plugins.registry import load

BATCH, HIDDEN, EMBEDDED, RATE, TAU, NOISE = 256, 128, 32, 0.003, 0.1, 0.1
DECAY, TINY, SHORTEST = (0.9, 0.999), 1e-8, 1e-12
SIZES = (64, HIDDEN, EMBEDDED)


@cache
def data() -> Data:
    return load(discover=False).datasets["digits"].load()


@cache
def rows() -> Any:
    return np.asarray(data().x, dtype=np.float32)


@cache
def held_out() -> tuple[Any, Any]:
    """Views of the held-out digits: the same for all."""
    rng, x = np.random.default_rng(0), np.asarray(data().test_x)[:448]
    return tuple((x + NOISE * rng.standard_normal(x.shape)).astype(np.float32) for _ in range(2))


def contrast(weights: Any) -> Any:
    """InfoNCE among 448 held-out pairs at the first τ, and how like a pair is, for encoders (weights..., log 1/τ)."""
    *weights, log_scale = weights
    f, g = (infonce_model.encode(tuple(weights), x, True).z.astype(float) for x in held_out())
    table = f @ g.T / TAU
    losses = np.log(np.exp(table).sum(axis=1)) - np.diagonal(table)
    return np.array([losses.mean(), (f * g).sum(axis=1).mean(), float(np.ravel(log_scale)[0])])


def rate(step: Any, steps: int, lower: Any, cos: Any) -> Any:
    """It rises over the first tenth and falls along a cosine to a fiftieth, as the family has it."""
    return RATE * lower(1.0, 10 * step / steps) * (0.02 + 0.98 * 0.5 * (1 + cos(np.pi * step / steps)))


def first(seed: int) -> list[Any]:
    weights = network.start(SIZES, np.random.default_rng(seed))
    return [*weights, np.array([-np.log(TAU)], np.float32)]


def ours() -> Callable[[int], Any]:
    """Through ``family.train``, with one snapshot and its metrics, at the end. A view is the image and noise."""
    rng = np.random.default_rng(1)

    def run(steps: int) -> Any:
        config = infonce.TrainConfig(
            loss="symmetric", steps=steps, batch=BATCH, temperature=TAU, hidden=HIDDEN, embedding=EMBEDDED,
            learning_rate=RATE, shift=0, brightness=0.0, dropped=0.0, noise=NOISE, every=min(steps, 1000),
        )  # fmt: skip
        *_, last = infonce.train(data(), config, rng)
        weights = network.unnamed(last.value, "left_", np.float32)
        return [*weights, -np.log(last.value["temperature"])]

    return run


def textbook() -> Callable[[int], Any]:
    """In float64, each encoder pass and each way of the loss on its own."""
    x = rows().astype(float)
    np.random.seed(2)  # noqa: NPY002 (the generator that the article draws from)

    def encode(weights: Any, view: Any) -> Any:
        w1, b1, w2, b2 = weights
        hidden = np.maximum(0, view @ w1 + b1)
        raw = hidden @ w2 + b2
        length = np.sqrt((raw**2).sum(axis=1, keepdims=True) + SHORTEST)
        return raw / length, (view, hidden, length)

    def back(weights: Any, z: Any, kept: Any, slope: Any) -> list[Any]:
        view, hidden, length = kept
        by_raw = (slope - z * (slope * z).sum(axis=1, keepdims=True)) / length
        by_hidden = (by_raw @ weights[2].T) * (hidden > 0)
        return [view.T @ by_hidden, by_hidden.sum(axis=0), hidden.T @ by_raw, by_raw.sum(axis=0)]

    def one_way(logits: Any) -> Any:
        """The derivative of −log softmax at the own key, mean over queries."""
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (p / p.sum(axis=1, keepdims=True) - np.eye(len(p))) / len(p)

    def run(steps: int) -> Any:
        weights = [w.astype(float) for w in first(np.random.randint(2**31))]  # noqa: NPY002
        m, v = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]
        for step in range(1, steps + 1):
            batch = x[np.random.permutation(len(x))[:BATCH]]  # noqa: NPY002
            queries, keys = (batch + NOISE * np.random.randn(*batch.shape) for _ in range(2))  # noqa: NPY002
            (f, kept_f), (g, kept_g) = encode(weights[:4], queries), encode(weights[:4], keys)
            scale = np.exp(weights[4][0])
            logits = scale * f @ g.T
            slope = 0.5 * (one_way(logits) + one_way(logits.T).T)
            by_f = back(weights[:4], f, kept_f, scale * slope @ g)
            by_g = back(weights[:4], g, kept_g, scale * slope.T @ f)
            slopes = [a + b for a, b in zip(by_f, by_g, strict=True)] + [np.array([(slope * logits).sum()])]
            for i, s in enumerate(slopes):
                m[i] = DECAY[0] * m[i] + (1 - DECAY[0]) * s
                v[i] = DECAY[1] * v[i] + (1 - DECAY[1]) * s**2
                mean_m, mean_v = m[i] / (1 - DECAY[0] ** step), v[i] / (1 - DECAY[1] ** step)
                weights[i] = weights[i] - rate(step, steps, min, np.cos) * mean_m / (np.sqrt(mean_v) + TINY)
            weights[4] = np.minimum(weights[4], np.log(100.0))
        return [w.astype(np.float32) for w in weights]

    return run


def torch_infonce() -> Callable[[int], Any]:
    torch = needs("torch")
    functional = torch.nn.functional
    x = torch.from_numpy(rows())
    seeds = np.random.default_rng(3)
    torch.manual_seed(3)
    own = torch.arange(BATCH)

    def run(steps: int) -> Any:
        weights = [torch.tensor(w, requires_grad=True) for w in first(int(seeds.integers(2**31)))]
        w1, b1, w2, b2, log_scale = weights
        adam = torch.optim.Adam(weights, lr=RATE, betas=DECAY, eps=TINY, fused=True)
        for step in range(1, steps + 1):
            batch = x[torch.randperm(len(x))[:BATCH]]
            both = torch.randn(2 * BATCH, 64).mul_(NOISE).add_(torch.cat([batch, batch]))
            z = functional.normalize(torch.addmm(b2, torch.addmm(b1, both, w1).relu(), w2))
            logits = (z[:BATCH] @ z[BATCH:].T) * log_scale.exp()
            loss = 0.5 * (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own))
            adam.zero_grad()
            loss.backward()
            adam.param_groups[0]["lr"] = float(rate(step, steps, min, np.cos))
            adam.step()
            with torch.no_grad():
                log_scale.clamp_(max=float(np.log(100.0)))
        return [w.detach().numpy() for w in weights]

    return run


def jax_infonce(key: Callable[[], Any]) -> Callable[[int], Any]:
    jax, jnp = needs("jax"), needs("jax.numpy")
    x = jnp.asarray(rows())
    seeds = np.random.default_rng(4)

    def loss(weights: Any, both: Any) -> Any:
        w1, b1, w2, b2, log_scale = weights
        raw = jax.nn.relu(both @ w1 + b1) @ w2 + b2
        z = raw / jnp.sqrt((raw * raw).sum(axis=1, keepdims=True) + SHORTEST)
        logits = (z[:BATCH] @ z[BATCH:].T) * jnp.exp(log_scale[0])
        there, back = jax.nn.log_softmax(logits, axis=1), jax.nn.log_softmax(logits, axis=0)
        return -0.5 * (jnp.diagonal(there).mean() + jnp.diagonal(back).mean())

    @partial(jax.jit, static_argnums=2)
    def learn(weights: Any, key: Any, steps: int) -> Any:
        def one(carry: Any, given: Any) -> Any:
            (weights, m, v), (step, keys) = carry, given
            batch = x[jax.random.permutation(keys[0], len(x))[:BATCH]]
            both = jnp.concatenate([batch, batch]) + NOISE * jax.random.normal(keys[1], (2 * BATCH, 64))
            slope = jax.grad(loss)(weights, both)
            m = jax.tree.map(lambda m, g: DECAY[0] * m + (1 - DECAY[0]) * g, m, slope)
            v = jax.tree.map(lambda v, g: DECAY[1] * v + (1 - DECAY[1]) * g * g, v, slope)
            size = rate(step, steps, jnp.minimum, jnp.cos) / (1 - DECAY[0] ** step)
            bias = 1 / jnp.sqrt(1 - DECAY[1] ** step)
            moved = jax.tree.map(lambda w, m, v: w - size * m / (jnp.sqrt(v) * bias + TINY), weights, m, v)
            moved[4] = jnp.minimum(moved[4], np.log(100.0))
            return (moved, m, v), None

        zeros = jax.tree.map(jnp.zeros_like, weights)
        given = (jnp.arange(1.0, steps + 1), jax.random.split(key, (steps, 2)))
        return jax.lax.scan(one, (weights, zeros, zeros), given)[0][0]

    def run(steps: int) -> Any:
        weights = [jnp.asarray(w) for w in first(int(seeds.integers(2**31)))]
        return [np.asarray(w) for w in learn(weights, key(), steps)]

    return run


def bare_products() -> Any:
    """The products of one step in float32: both views through the encoder, the logits, and the way back."""
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(5)
    x, h, z = (rng.random((2 * BATCH, d), np.float32) for d in SIZES)
    w1, w2 = rng.random((64, HIDDEN), np.float32), rng.random((HIDDEN, EMBEDDED), np.float32)
    logits = rng.random((BATCH, BATCH), np.float32)

    def products(steps: int) -> None:
        for _ in range(steps):
            x @ w1
            h @ w2
            z[:BATCH] @ z[BATCH:].T
            logits @ z[BATCH:]
            logits.T @ z[:BATCH]
            z @ w2.T
            h.T @ z
            x.T @ h

    def alone(steps: int) -> None:
        with threadpool_limits(1, user_api="blas"):
            products(steps)

    return products, alone


def race() -> Race:
    return Race(
        name="InfoNCE, 64-128-32, batch 256",
        work="200 steps of Adam",
        amount=200,
        few=30,
        statistic=contrast,
        runners=(
            Runner(name="ours", role="ours", build=ours),
            Runner(name="NumPy, written out", role="textbook", build=textbook),
            Runner(name="JAX", build=lambda: jax_generators(jax_infonce)),
            Runner(name="PyTorch", build=lambda: with_threads(torch_infonce)),
            Runner(name="the matrix products alone", role="floor", build=bare_products, checked=False),
        ),
        bounds=(Bound("JAX", 1.1, 1.4),),
    )


def test_infonce(benchmark):
    one_each(benchmark, race)
