"""Denoising score matching with an energy network, 7-128-128-1 on the plane, batch 512, ten noise levels, Adam.

The network sees u (2), log σ and two waves of it (4), so 7 inputs; the loss is ½|σ/√(s² + σ²)·u + ∇f − ε|², whose
gradient by the weights goes through ∇f.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from race import Bound, Race, Runner, jax_generators, needs, one_each, with_threads

from ebm_plugins import network
from ebm_plugins.families import dsm, dsm_losses, dsm_model
from ebm_plugins.records import Data
from ebm_plugins.registry import load

BATCH, HIDDEN, RATE, LEVELS = 512, 128, 0.005, (2.8, 0.1, 10)
DECAY, TINY = (0.9, 0.999), 1e-8


@cache
def data() -> Data:
    return load(discover=False).datasets["eight-gaussians"].load()


@cache
def problem() -> tuple[Any, Any, Any, float]:
    """Rows (n, 2), the ladder (10,), the data's mean and deviation, in float32."""
    x = np.asarray(data().x)
    sigmas = dsm_model.ladder(*LEVELS).astype(np.float32)
    return (
        x.astype(np.float32),
        sigmas,
        x.mean(axis=0).astype(np.float32),
        float(np.sqrt(x.var(axis=0).mean())),
    )


def first(seed: int) -> dict[str, Any]:
    """Params before learning."""
    sigmas = dsm_model.ladder(*LEVELS)
    return dsm_model.initial(
        data().x, "energy", sigmas, (HIDDEN, HIDDEN), "silu", np.random.default_rng(seed)
    )


def loss_by_level(params: Any) -> Any:
    """The denoising loss, weight σ², at the least noise and over all levels, on all rows and the same noise."""
    model = dsm_model.model_of(params, np.float32)
    losses = dsm_losses.by_level(model, problem()[0][:2000], np.random.default_rng(0))
    return np.array([losses.mean(), losses[-1]])


def rate(step: Any, steps: int, cos: Any) -> Any:
    return 0.5 * RATE * (1 + cos(np.pi * step / steps))


def ours() -> Callable[[int], Any]:
    """Through ``family.train``, with one snapshot and its metrics, at the end; no running mean of the weights."""
    rng = np.random.default_rng(1)

    def run(steps: int) -> Any:
        config = dsm.TrainConfig(
            model="energy", loss="denoising", largest=LEVELS[0], smallest=LEVELS[1], levels=LEVELS[2], steps=steps,
            learning_rate=RATE, hidden=HIDDEN, layers=2, batch=BATCH, averaging=0.0, every=steps,
        )  # fmt: skip
        (last,) = dsm.train(data(), config, rng)
        return last.value

    return run


def textbook() -> Callable[[int], Any]:
    """In float64, every formula where it is needed: forward, ∇f, the tangent along the error, and all of it back."""
    x, sigmas, mean, scale = problem()
    x, sigmas = x.astype(float), sigmas.astype(float)
    np.random.seed(2)  # noqa: NPY002 (the generator that the article draws from)
    top, bottom = np.log(sigmas[0]), np.log(sigmas[-1])

    def silu(a: Any) -> tuple[Any, Any, Any]:
        s = 1 / (1 + np.exp(-a))
        slope = s * (1 + a * (1 - s))
        return a * s, slope, s * (1 - s) * (2 + a * (1 - 2 * s))

    def run(steps: int) -> Any:
        params = first(np.random.randint(2**31))  # noqa: NPY002
        weights = [w.astype(float) for w in network.unnamed(params)]
        m, v = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]
        for step in range(1, steps + 1):
            sigma = np.random.choice(sigmas, BATCH)[:, None]  # noqa: NPY002
            eps = np.random.randn(BATCH, 2)  # noqa: NPY002
            inverse = 1 / np.sqrt(scale**2 + sigma**2)
            u = (x[np.random.randint(len(x), size=BATCH)] + sigma * eps - mean) * inverse  # noqa: NPY002
            tau = (2 * np.log(sigma) - top - bottom) / (top - bottom)
            waves = [f(0.5 * np.pi * k * tau) for k in (1, 2) for f in (np.sin, np.cos)]
            z = np.hstack([u, tau, *waves])
            w1, b1, w2, b2, w3, _ = weights
            h1, s1, c1 = silu(z @ w1 + b1)
            _h2, s2, c2 = silu(h1 @ w2 + b2)
            g2 = np.ones((BATCH, 1)) @ w3.T  # df/dh2
            g1 = (g2 * s2) @ w2.T
            off = sigma * inverse * u + ((g1 * s1) @ w1.T)[:, :2] - eps
            tangent = np.hstack([off, np.zeros((BATCH, 5))]) / BATCH
            # <tangent, grad f> is the tangent of f along it
            t1 = tangent @ w1
            d1 = s1 * t1
            t2 = d1 @ w2
            d2 = s2 * t2
            a2 = c2 * t2 * g2  # its derivative by what goes into the second activation
            a1 = c1 * t1 * g1 + s1 * (a2 @ w2.T)
            slopes = [
                z.T @ a1 + tangent.T @ (g1 * s1), a1.sum(0), h1.T @ a2 + d1.T @ (g2 * s2), a2.sum(0), d2.sum(0)[:, None],
                np.zeros(1),
            ]  # fmt: skip
            for i, g in enumerate(slopes):
                m[i] = DECAY[0] * m[i] + (1 - DECAY[0]) * g
                v[i] = DECAY[1] * v[i] + (1 - DECAY[1]) * g**2
                mean_m, mean_v = m[i] / (1 - DECAY[0] ** step), v[i] / (1 - DECAY[1] ** step)
                weights[i] = weights[i] - rate(step, steps, np.cos) * mean_m / (np.sqrt(mean_v) + TINY)
        return {**params, **network.named(tuple(weights))}

    return run


def torch_dsm() -> Callable[[int], Any]:
    """∇f by autograd with its graph kept, and the loss's gradient through it; Adam in its fused form."""
    torch = needs("torch")
    x, sigmas, mean, scale = problem()
    rows, ladder, centre = torch.from_numpy(x), torch.from_numpy(sigmas), torch.from_numpy(mean)
    top, bottom = float(np.log(sigmas[0])), float(np.log(sigmas[-1]))
    seeds = np.random.default_rng(3)
    torch.manual_seed(3)

    def run(steps: int) -> Any:
        params = first(int(seeds.integers(2**31)))
        weights = [torch.tensor(w, requires_grad=True) for w in network.unnamed(params)]
        w1, b1, w2, b2, w3, b3 = weights
        adam = torch.optim.Adam(weights, lr=RATE, betas=DECAY, eps=TINY, fused=True)
        turns = 0.5 * np.pi * torch.tensor([1.0, 1.0, 2.0, 2.0])
        shift = 0.5 * np.pi * torch.tensor([0.0, 1.0, 0.0, 1.0])
        for step in range(1, steps + 1):
            sigma = ladder[torch.randint(len(ladder), (BATCH,))][:, None]
            eps = torch.randn(BATCH, 2)
            inverse = (scale**2 + sigma * sigma).rsqrt()
            u = (rows[torch.randint(len(rows), (BATCH,))] + sigma * eps - centre) * inverse
            tau = (2 * sigma.log() - top - bottom) / (top - bottom)
            u.requires_grad_()
            z = torch.cat([u, tau, torch.sin(tau * turns + shift)], 1)
            hidden = torch.nn.functional.silu(torch.addmm(b1, z, w1))
            f = torch.addmm(b3, torch.nn.functional.silu(torch.addmm(b2, hidden, w2)), w3)
            (slope,) = torch.autograd.grad(f.sum(), u, create_graph=True)
            loss = 0.5 * (sigma * inverse * u.detach() + slope - eps).square().sum() / BATCH
            found = torch.autograd.grad(loss, weights[:5])
            for w, g in zip(weights, found, strict=False):
                w.grad = g
            adam.param_groups[0]["lr"] = float(rate(step, steps, np.cos))
            adam.step()
        return {**params, **network.named(tuple(w.detach().numpy() for w in weights))}

    return run


def jax_dsm(key: Callable[[], Any]) -> Callable[[int], Any]:
    """Gradients of a gradient, all steps in one jitted scan."""
    jax, jnp = needs("jax"), needs("jax.numpy")
    x, sigmas, mean, scale = problem()
    rows, ladder, centre = jnp.asarray(x), jnp.asarray(sigmas), jnp.asarray(mean)
    top, bottom = float(np.log(sigmas[0])), float(np.log(sigmas[-1]))
    seeds = np.random.default_rng(4)
    turns = 0.5 * np.pi * jnp.array([1.0, 1.0, 2.0, 2.0])
    shift = 0.5 * np.pi * jnp.array([0.0, 1.0, 0.0, 1.0])

    def f(weights: Any, u: Any, seen: Any) -> Any:
        w1, b1, w2, b2, w3, b3 = weights
        h = jax.nn.silu(jnp.concatenate([u, seen], 1) @ w1 + b1)
        return (jax.nn.silu(h @ w2 + b2) @ w3 + b3).sum()

    def loss(weights: Any, u: Any, seen: Any, along: Any, eps: Any) -> Any:
        off = along + jax.grad(f, 1)(weights, u, seen) - eps
        return 0.5 * (off * off).sum() / BATCH

    @partial(jax.jit, static_argnums=2)
    def learn(weights: Any, key: Any, steps: int) -> Any:
        def one(carry: Any, given: Any) -> Any:
            (weights, m, v), (step, keys) = carry, given
            sigma = ladder[jax.random.randint(keys[0], (BATCH,), 0, len(ladder))][:, None]
            eps = jax.random.normal(keys[1], (BATCH, 2))
            inverse = 1 / jnp.sqrt(scale**2 + sigma * sigma)
            u = (rows[jax.random.randint(keys[2], (BATCH,), 0, len(rows))] + sigma * eps - centre) * inverse
            tau = (2 * jnp.log(sigma) - top - bottom) / (top - bottom)
            seen = jnp.concatenate([tau, jnp.sin(tau * turns + shift)], 1)
            slope = jax.grad(loss)(weights, u, seen, sigma * inverse * u, eps)
            m = jax.tree.map(lambda m, g: DECAY[0] * m + (1 - DECAY[0]) * g, m, slope)
            v = jax.tree.map(lambda v, g: DECAY[1] * v + (1 - DECAY[1]) * g * g, v, slope)
            size = rate(step, steps, jnp.cos) / (1 - DECAY[0] ** step)
            bias = 1 / jnp.sqrt(1 - DECAY[1] ** step)
            moved = jax.tree.map(lambda w, m, v: w - size * m / (jnp.sqrt(v) * bias + TINY), weights, m, v)
            return (moved, m, v), None

        zeros = jax.tree.map(jnp.zeros_like, weights)
        given = (jnp.arange(1.0, steps + 1), jax.random.split(key, (steps, 3)))
        return jax.lax.scan(one, (weights, zeros, zeros), given)[0][0]

    def run(steps: int) -> Any:
        params = first(int(seeds.integers(2**31)))
        weights = learn(network.unnamed(params), key(), steps)
        return {**params, **network.named(tuple(np.asarray(w) for w in weights))}

    return run


def bare_products() -> Any:
    """The products of one step in float32: forward, ∇f, the tangent, and back to every matrix twice."""
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(5)
    z, h = rng.random((BATCH, 7), np.float32), rng.random((BATCH, HIDDEN), np.float32)
    w1, w2 = rng.random((7, HIDDEN), np.float32), rng.random((HIDDEN, HIDDEN), np.float32)

    def products(steps: int) -> None:
        for _ in range(steps):
            for _ in range(2):  # the values and their tangents
                z @ w1
                h @ w2
                z.T @ h
                h.T @ h
            h @ w2.T  # ∇f
            h @ w1.T
            h @ w2.T  # and back through it

    def alone(steps: int) -> None:
        with threadpool_limits(1, user_api="blas"):
            products(steps)

    return products, alone


def race() -> Race:
    return Race(
        name="DSM, energy network, batch 512",
        work="200 steps of Adam",
        amount=200,
        few=60,
        statistic=loss_by_level,
        runners=(
            Runner(name="ours", role="ours", build=ours),
            Runner(name="NumPy, written out", role="textbook", build=textbook),
            Runner(name="JAX", build=lambda: jax_generators(jax_dsm)),
            Runner(name="PyTorch", build=lambda: with_threads(torch_dsm)),
            Runner(name="the matrix products alone", role="floor", build=bare_products, checked=False),
        ),
        bounds=(Bound("JAX", 1.15, 1.4),),
    )


def test_dsm(benchmark):
    one_each(benchmark, race)
