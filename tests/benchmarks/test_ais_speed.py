"""The bracket of log Z by AIS and reverse AIS, machine of 64 cells and 128 hidden units, 512 chains.

The amount is a number of temperatures: so many sweeps forward, resampling, 200 sweeps, and as many back. Its ends
come together as temperatures are added, which is what the check looks at.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from race import Bound, Race, Runner, jax_generators, needs, one_each, with_threads
from rbm_runners import machine_of_digits

from ebm_plugins import ais
from ebm_plugins.families import rbm

CHAINS = 512
SHARPENED = 2.5
Ends = tuple[float, float, float]


@cache
def params() -> dict[str, Any]:
    """The machine with its weights sharpened, so that few temperatures leave a wide bracket."""
    return {**machine_of_digits(), "weights": SHARPENED * machine_of_digits()["weights"]}


def machine(dtype: Any = np.float32) -> tuple[Any, ...]:
    """W (V, H), b, c and the base's biases."""
    m = params()
    return tuple(
        np.asarray(m[name], dtype=dtype) for name in ("weights", "visible_bias", "hidden_bias", "base_bias")
    )


def base_log_z() -> float:
    w, _, _, base = machine(float)
    return float(np.logaddexp(0, base).sum() + w.shape[1] * np.log(2))


def ends(forward: Any, backward: Any) -> Ends:
    """The bracket from the log weights (chains,) of both ways, as the family reports it."""
    lower, error = ais.estimate(base_log_z() + np.asarray(forward, dtype=float))
    upper, other = ais.estimate(-(base_log_z() + np.asarray(backward, dtype=float)))
    low, high = lower - ais.ERRORS * error, -upper + ais.ERRORS * other
    return min(low, high), max(low, high), max(error, other)


def chosen(logs: Any) -> Any:
    """Which chains go on (chains,), by weight."""
    logs = np.asarray(logs, dtype=float)
    p = np.exp(logs - logs.max())
    return np.random.default_rng(1).choice(len(logs), len(logs), p=p / p.sum())


def ours() -> Callable[[int], Any]:
    """Through ``family.bracket``."""
    rng = np.random.default_rng(2)
    assert rbm.FAMILY.bracket is ais.bracket
    return lambda temperatures: ais.bracket(params(), rng, CHAINS, temperatures)


def textbook() -> Callable[[int], Any]:
    w, b, c, base = machine(float)
    np.random.seed(3)  # noqa: NPY002 (the generator that the article draws from)

    def log_p(v: Any, beta: float) -> Any:
        return v @ ((1 - beta) * base + beta * b) + np.log(1 + np.exp(beta * (v @ w + c))).sum(axis=1)

    def sweep(v: Any, beta: float) -> Any:
        p = 1 / (1 + np.exp(-beta * (v @ w + c)))
        h = (np.random.rand(*p.shape) < p).astype(float)  # noqa: NPY002
        q = 1 / (1 + np.exp(-(beta * (h @ w.T + b) + (1 - beta) * base)))
        return (np.random.rand(*q.shape) < q).astype(float)  # noqa: NPY002

    def anneal(v: Any, betas: Any) -> Any:
        logs = np.zeros(CHAINS)
        for now, then in itertools.pairwise(betas):
            logs += log_p(v, then) - log_p(v, now)
            v = sweep(v, then)
        return logs, v

    def run(temperatures: int) -> Any:
        betas = np.linspace(0, 1, temperatures + 1)
        logs, v = anneal(sweep(np.zeros((CHAINS, 64)), 0.0), betas)
        v = v[chosen(logs)]
        for _ in range(ais.SWEEPS):
            v = sweep(v, 1.0)
        return ends(logs, -anneal(v, betas[::-1])[0])

    return run


def torch_ais() -> Callable[[int], Any]:
    """Draws without a sigmoid, and one logarithm a chain for all units: u·(1 + eᵃ) < eᵃ, log of a product."""
    torch = needs("torch")
    w, b, c, base = (torch.from_numpy(a) for a in machine())
    torch.manual_seed(4)
    a, e, u = (torch.empty(CHAINS, 128) for _ in range(3))
    f, s, q = (torch.empty(CHAINS, 64) for _ in range(3))

    def sweep(v: Any, beta: float, field: Any) -> Any:
        torch.mul(field, beta, out=e).exp_()
        u.uniform_()
        h = torch.lt(u.mul_(e + 1), e).float()
        torch.addmm(b, h, w.T, beta=beta, alpha=beta, out=f)
        f.add_(base, alpha=1 - beta).exp_()
        q.uniform_()
        return torch.lt(q.mul_(torch.add(f, 1, out=s)), f).float()

    def anneal(v: Any, betas: Any) -> Any:
        logs = torch.zeros(CHAINS, dtype=torch.float64)
        for now, then in itertools.pairwise(betas):
            torch.addmm(c, v, w, out=a)
            size = a.abs()
            ratio = (1 + torch.exp(-then * size)) / (1 + torch.exp(-now * size))
            logs += ratio.prod(1).log_() + (then - now) * (a.relu().sum(1) + v @ (b - base))
            v = sweep(v, then, a)
        return logs, v

    @torch.no_grad()
    def run(temperatures: int) -> Any:
        betas = np.linspace(0, 1, temperatures + 1).tolist()
        logs, v = anneal(sweep(torch.zeros(CHAINS, 64), 0.0, torch.zeros(CHAINS, 128)), betas)
        v = v[torch.from_numpy(chosen(logs.numpy()))]
        for _ in range(ais.SWEEPS):
            v = sweep(v, 1.0, torch.addmm(c, v, w, out=a))
        back, _ = anneal(v, betas[::-1])
        return ends(logs, -back)

    return run


def jax_ais(key: Callable[[], Any]) -> Callable[[int], Any]:
    jax, jnp = needs("jax"), needs("jax.numpy")
    w, b, c, base = (jnp.asarray(a) for a in machine())

    def sweep(v: Any, beta: Any, field: Any, keys: Any) -> Any:
        e = jnp.exp(beta * field)
        h = (jax.random.uniform(keys[0], e.shape) * (1 + e) < e).astype(jnp.float32)
        f = jnp.exp(beta * (h @ w.T + b) + (1 - beta) * base)
        return (jax.random.uniform(keys[1], f.shape) * (1 + f) < f).astype(jnp.float32)

    def step(carry: Any, given: Any) -> Any:
        (logs, v), (now, then, keys) = carry, given
        field = v @ w + c
        size = jnp.abs(field)
        ratio = (1 + jnp.exp(-then * size)) / (1 + jnp.exp(-now * size))
        gained = jnp.log(ratio.prod(axis=1)) + (then - now) * (
            jax.nn.relu(field).sum(axis=1) + v @ (b - base)
        )
        return (logs + gained, sweep(v, then, field, keys)), None

    @partial(jax.jit, static_argnums=2)
    def forward(key: Any, betas: Any, temperatures: int) -> Any:
        first, key = jax.random.split(key)
        v = sweep(None, 0.0, jnp.zeros((CHAINS, 128)), jax.random.split(first))
        given = (betas[:-1], betas[1:], jax.random.split(key, (temperatures, 2)))
        return jax.lax.scan(step, (jnp.zeros(CHAINS), v), given)[0]

    @partial(jax.jit, static_argnums=3)
    def backward(key: Any, v: Any, betas: Any, temperatures: int) -> Any:
        def settle(v: Any, keys: Any) -> Any:
            return sweep(v, 1.0, v @ w + c, keys), None

        first, key = jax.random.split(key)
        v, _ = jax.lax.scan(settle, v, jax.random.split(first, (ais.SWEEPS, 2)))
        given = (betas[::-1][:-1], betas[::-1][1:], jax.random.split(key, (temperatures, 2)))
        return jax.lax.scan(step, (jnp.zeros(CHAINS), v), given)[0][0]

    def run(temperatures: int) -> Any:
        betas = jnp.linspace(0, 1, temperatures + 1)
        logs, v = forward(key(), betas, temperatures)
        back = backward(key(), v[chosen(logs)], betas, temperatures)
        return ends(logs, -np.asarray(back))

    return run


def bare_products() -> Any:
    """Both products of each sweep in float32, and nothing else."""
    from threadpoolctl import threadpool_limits

    w, _, _, _ = machine()
    v, h = np.ones((CHAINS, 64), np.float32), np.ones((CHAINS, 128), np.float32)

    def products(temperatures: int) -> None:
        for _ in range(2 * temperatures + ais.SWEEPS):
            np.matmul(v, w, out=h)
            np.matmul(h, w.T, out=v)
            v.fill(1)

    def alone(temperatures: int) -> None:
        with threadpool_limits(1, user_api="blas"):
            products(temperatures)

    return products, alone


def race() -> Race:
    return Race(
        name="AIS, 64×128, 512 chains",
        work="250 temperatures each way",
        amount=250,
        few=32,
        less=lambda run: run(8),
        statistic=lambda found: np.array(found),
        runners=(
            Runner(name="ours", role="ours", build=ours),
            Runner(name="NumPy as in the article", role="textbook", build=textbook),
            Runner(name="PyTorch", build=lambda: with_threads(torch_ais)),
            Runner(name="JAX", build=lambda: jax_generators(jax_ais)),
            Runner(name="the matrix products alone", role="floor", build=bare_products, checked=False),
        ),
        bounds=(Bound("JAX", 1.8, 2.4),),
    )


def test_ais(benchmark):
    one_each(benchmark, race)
