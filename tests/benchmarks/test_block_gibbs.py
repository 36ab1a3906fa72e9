"""Block Gibbs on a trained machine of 64 cells and 128 hidden units, 512 chains."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from race import Bound, Race, Runner, jax_generators, needs, one_each, with_threads
from rbm_runners import arrays, first, machine_of_digits, remembered, sigmoid

from ebm_plugins.families import rbm

CHAINS = 512


def ours() -> Callable[[int], Any]:
    """Through ``family.sample``: one snapshot, after so many sweeps."""
    params, x, rng = machine_of_digits(), first(CHAINS), np.random.default_rng(1)

    def run(sweeps: int) -> Any:
        config = rbm.SampleConfig(method="gibbs", steps=sweeps, every=sweeps)
        return next(iter(rbm.sample(params, config, rng, x))).value

    return run


def textbook() -> Callable[[int], Any]:
    w, b, c = arrays(float)
    np.random.seed(2)  # noqa: NPY002 (the generator that the article draws from)

    def run(sweeps: int) -> Any:
        v = first(CHAINS)
        for _ in range(sweeps):
            p = sigmoid(v @ w + c)
            h = (np.random.rand(*p.shape) < p).astype(float)  # noqa: NPY002
            q = sigmoid(h @ w.T + b)
            v = (np.random.rand(*q.shape) < q).astype(float)  # noqa: NPY002
        return v

    return run


def torch_gibbs() -> Callable[[int], Any]:
    torch = needs("torch")
    w, b, c = (torch.from_numpy(a) for a in arrays())
    torch.manual_seed(3)
    h, p, q = torch.empty(CHAINS, 128), torch.empty(CHAINS, 128), torch.empty(CHAINS, 64)
    noise_h, noise_v = torch.empty(CHAINS, 128), torch.empty(CHAINS, 64)

    @torch.no_grad()
    def run(sweeps: int) -> Any:
        v = torch.from_numpy(first(CHAINS).astype(np.float32))
        for _ in range(sweeps):
            torch.addmm(c, v, w, out=p).sigmoid_()
            torch.lt(noise_h.uniform_(), p, out=h)
            torch.addmm(b, h, w.T, out=q).sigmoid_()
            torch.lt(noise_v.uniform_(), q, out=v)
        return v.numpy()

    return run


def jax_gibbs(key: Callable[[], Any]) -> Callable[[int], Any]:
    jax, jnp = needs("jax"), needs("jax.numpy")
    w, b, c = (jnp.asarray(a) for a in arrays())

    def sweep(v: Any, key: Any) -> Any:
        p = jax.nn.sigmoid(v @ w + c)
        h = (jax.random.uniform(key[0], p.shape) < p).astype(jnp.float32)
        q = jax.nn.sigmoid(h @ w.T + b)
        return (jax.random.uniform(key[1], q.shape) < q).astype(jnp.float32), None

    @partial(jax.jit, static_argnums=2)
    def sample(v: Any, key: Any, sweeps: int) -> Any:
        return jax.lax.scan(sweep, v, jax.random.split(key, (sweeps, 2)))[0]

    return lambda sweeps: np.asarray(sample(jnp.asarray(first(CHAINS), jnp.float32), key(), sweeps))


def thrml_gibbs() -> Callable[[int], Any]:
    """The machine as an Ising model of two blocks, spins −1 and 1; chains by vmap, as its examples have it."""
    thrml, jax, jnp = needs("thrml"), needs("jax"), needs("jax.numpy")
    from thrml.models import IsingEBM, IsingSamplingProgram

    w, b, c = arrays()
    cells, units = w.shape
    nodes = [thrml.SpinNode() for _ in range(cells + units)]
    seen, hidden = nodes[:cells], nodes[cells:]
    edges = [(v, h) for v in seen for h in hidden]
    biases = np.concatenate([b / 2 + w.sum(1) / 4, c / 2 + w.sum(0) / 4])
    model = IsingEBM(nodes, edges, jnp.asarray(biases), jnp.asarray(w.ravel() / 4), jnp.array(1.0))
    blocks = [thrml.Block(hidden), thrml.Block(seen)]
    program = IsingSamplingProgram(model, blocks, clamped_blocks=[])
    keys = [jax.random.key(4)]

    @partial(jax.jit, static_argnums=2)
    def sample(keys: Any, v: Any, sweeps: int) -> Any:
        schedule = thrml.SamplingSchedule(n_warmup=sweeps, n_samples=1, steps_per_sample=1)

        def chain(key: Any, v: Any) -> Any:
            begin = [jnp.zeros(units, bool), v]
            return thrml.sample_states(key, program, schedule, begin, [], [blocks[1]])[0][-1]

        return jax.vmap(chain)(keys, v)

    def run(sweeps: int) -> Any:
        keys[0], key = jax.random.split(keys[0])
        found = sample(jax.random.split(key, CHAINS), jnp.asarray(first(CHAINS) > 0), sweeps)
        return np.asarray(found).astype(float)

    return run


def bare_products() -> Any:
    """Both products of each sweep in float32, and nothing else."""
    from threadpoolctl import threadpool_limits

    w, _, _ = arrays()
    v, h = np.ones((CHAINS, 64), np.float32), np.ones((CHAINS, 128), np.float32)

    def products(sweeps: int) -> None:
        for _ in range(sweeps):
            np.matmul(v, w, out=h)
            np.matmul(h, w.T, out=v)
            v.fill(1)

    def alone(sweeps: int) -> None:
        with threadpool_limits(1, user_api="blas"):
            products(sweeps)

    return products, alone


def race() -> Race:
    return Race(
        name="Block Gibbs, 64×128, 512 chains",
        work="300 sweeps",
        amount=300,
        few=6,
        statistic=remembered,
        runners=(
            Runner(name="ours", role="ours", build=ours),
            Runner(name="NumPy as in the article", role="textbook", build=textbook),
            Runner(name="PyTorch", build=lambda: with_threads(torch_gibbs)),
            Runner(name="JAX", build=lambda: jax_generators(jax_gibbs)),
            Runner(name="thrml", build=thrml_gibbs, share=1 / 3),
            Runner(name="the matrix products alone", role="floor", build=bare_products, checked=False),
        ),
        bounds=(Bound("PyTorch", 2), Bound("thrml", 14)),
    )


def test_block_gibbs(benchmark):
    one_each(benchmark, race)
