"""Chains on the three wells with their confining term: ours, the textbook form, and what the peers make of it.

A state is a point of the plane, all in float32 but the textbook form. Every run begins at one point, off the wells, so
that the moments after few steps tell how many there were.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from race import Runner, jax_generators, needs, with_threads

from ebm_plugins import landscapes

CONFINEMENT = 0.05
STEP = 0.05  # of ULA
SCALE = 0.6  # of a Metropolis proposal
CENTRES = np.array([(-2.0, -1.0), (2.0, 1.0), (0.0, 3.0)])
HEIGHTS, WIDTHS = np.array([3.0, 2.0, 2.5]), np.array([0.8, 1.0, 0.7])
START = (0.5, 0.5)


def start(chains: int) -> Any:
    return np.tile(np.array(START, np.float32), (chains, 1))


def moments(x: Any) -> Any:
    """First and second moments of both coordinates."""
    x = np.asarray(x, dtype=float)
    return np.concatenate([x.mean(axis=0), (x * x).mean(axis=0)])


def ours(family: Any, chains: int, **config: Any) -> Runner:
    """Through ``family.sample``, its snapshots 1,000 steps apart."""

    def build() -> Callable[[int], Any]:
        params = landscapes.params_of("three-wells", CONFINEMENT)
        rng = np.random.default_rng(1)

        def run(steps: int) -> Any:
            settings = family.sample_config(steps=steps, every=min(steps, 1000), **config)
            last = None
            for snapshot in family.sample(params, settings, rng, start(chains)):
                last = snapshot.value
            return last

        return run

    return Runner(name="ours", role="ours", build=build)


# --- As the article writes it -----------------------------------------------------------------------------------


def plain_energy(x: Any) -> Any:
    total = CONFINEMENT * (x**2).sum(axis=1)
    for centre, height, width in zip(CENTRES, HEIGHTS, WIDTHS, strict=True):
        total = total - height * np.exp(-((x - centre) ** 2).sum(axis=1) / (2 * width**2))
    return total


def plain_gradient(x: Any) -> Any:
    slope = 2 * CONFINEMENT * x
    for centre, height, width in zip(CENTRES, HEIGHTS, WIDTHS, strict=True):
        off = x - centre
        bump = height * np.exp(-(off**2).sum(axis=1) / (2 * width**2))
        slope = slope + bump[:, None] * off / width**2
    return slope


def textbook_ula(chains: int, share: float = 1.0) -> Runner:
    def build() -> Callable[[int], Any]:
        np.random.seed(2)  # noqa: NPY002 (the generator that the article draws from)

        def run(steps: int) -> Any:
            x = start(chains).astype(float)
            for _ in range(steps):
                noise = np.random.randn(chains, 2)  # noqa: NPY002
                x = x - STEP * plain_gradient(x) + np.sqrt(2 * STEP) * noise
            return x

        return run

    return Runner(name="NumPy as in the article", role="textbook", build=build, share=share)


def textbook_metropolis(chains: int) -> Runner:
    def build() -> Callable[[int], Any]:
        np.random.seed(3)  # noqa: NPY002

        def run(steps: int) -> Any:
            x = start(chains).astype(float)
            for _ in range(steps):
                proposed = x + SCALE * np.random.randn(chains, 2)  # noqa: NPY002
                ratio = np.exp(plain_energy(x) - plain_energy(proposed))
                taken = np.random.rand(chains) < ratio  # noqa: NPY002
                x = np.where(taken[:, None], proposed, x)
            return x

        return run

    return Runner(name="NumPy as in the article", role="textbook", build=build)


# --- PyTorch: everything in place, the exponents of all wells in one product ------------------------------------------


class TorchWells:
    """x is (2, n). The exponent of well k is a row of A·[1, x, y, x² + y²]; the gradient is made of B·exp(exponents)."""

    def __init__(self, chains: int) -> None:
        torch = needs("torch")
        inverse = 1 / WIDTHS**2
        rows = np.column_stack(
            [
                np.log(HEIGHTS) - 0.5 * inverse * (CENTRES**2).sum(axis=1),
                inverse[:, None] * CENTRES,
                -0.5 * inverse,
            ]
        )
        self.rows = torch.tensor(rows, dtype=torch.float32)
        back = np.vstack([inverse, -inverse * CENTRES.T])
        self.back = torch.tensor(back, dtype=torch.float32)
        self.features = torch.ones(4, chains)
        self.bumps, self.sums = torch.empty(3, chains), torch.empty(3, chains)
        self.squares = torch.empty(2, chains)
        self.torch = torch

    def exponentials(self, x: Any) -> Any:
        torch, features = self.torch, self.features
        features[1:3].copy_(x)
        torch.mul(x, x, out=self.squares)
        torch.sum(self.squares, 0, out=features[3])
        torch.mm(self.rows, features, out=self.bumps)
        return self.bumps.exp_()

    def energy(self, x: Any, out: Any) -> Any:
        self.torch.sum(self.exponentials(x), 0, out=out)
        return out.neg_().add_(self.features[3], alpha=CONFINEMENT)

    def gradient(self, x: Any, out: Any) -> Any:
        self.torch.mm(self.back, self.exponentials(x), out=self.sums)
        self.torch.mul(x, self.sums[0].add_(2 * CONFINEMENT), out=out)
        return out.add_(self.sums[1:])


def torch_ula(chains: int) -> Runner:
    def make() -> Callable[[int], Any]:
        torch = needs("torch")
        wells, generator = TorchWells(chains), torch.Generator().manual_seed(4)
        noise, slope = torch.empty(2, chains), torch.empty(2, chains)

        @torch.no_grad()
        def run(steps: int) -> Any:
            x = torch.from_numpy(start(chains)).T.contiguous()
            for _ in range(steps):
                noise.normal_(generator=generator)
                x.add_(wells.gradient(x, slope), alpha=-STEP).add_(noise, alpha=float(np.sqrt(2 * STEP)))
            return x.T.numpy()

        return run

    return Runner(name="PyTorch", build=lambda: with_threads(make))


def torch_metropolis(chains: int) -> Runner:
    def make() -> Callable[[int], Any]:
        torch = needs("torch")
        wells, generator = TorchWells(chains), torch.Generator().manual_seed(5)
        noise, uniform = torch.empty(2, chains), torch.empty(chains)

        @torch.no_grad()
        def run(steps: int) -> Any:
            x = torch.from_numpy(start(chains)).T.contiguous()
            energy, other = torch.empty(chains), torch.empty(chains)
            wells.energy(x, energy)
            for _ in range(steps):
                noise.normal_(generator=generator).mul_(SCALE).add_(x)
                wells.energy(noise, other)
                uniform.uniform_(generator=generator).log_()
                taken = uniform < energy - other
                torch.where(taken, noise, x, out=x)
                torch.where(taken, other, energy, out=energy)
            return x.T.numpy()

        return run

    return Runner(name="PyTorch", build=lambda: with_threads(make))


# --- JAX: one jitted loop, with either of its generators ------------------------------------------------------------


def jax_energy(x: Any, y: Any) -> Any:
    jnp = needs("jax.numpy")
    total = CONFINEMENT * (x * x + y * y)
    for (a, b), height, width in zip(CENTRES.tolist(), HEIGHTS.tolist(), WIDTHS.tolist(), strict=True):
        total -= height * jnp.exp(((x - a) ** 2 + (y - b) ** 2) * (-0.5 / width**2))
    return total


def jax_gradient(x: Any, y: Any) -> Any:
    jnp = needs("jax.numpy")
    along, across = 2 * CONFINEMENT * x, 2 * CONFINEMENT * y
    for (a, b), height, width in zip(CENTRES.tolist(), HEIGHTS.tolist(), WIDTHS.tolist(), strict=True):
        bump = (height / width**2) * jnp.exp(((x - a) ** 2 + (y - b) ** 2) * (-0.5 / width**2))
        along, across = along + bump * (x - a), across + bump * (y - b)
    return along, across


def jax_ula(chains: int) -> Runner:
    def make(key: Any) -> Callable[[int], Any]:
        jax, jnp = needs("jax"), needs("jax.numpy")

        def step(carry: Any, key: Any) -> Any:
            x, y = carry
            noise = jax.random.normal(key, (2, chains))
            along, across = jax_gradient(x, y)
            kick = float(np.sqrt(2 * STEP))
            return (x - STEP * along + kick * noise[0], y - STEP * across + kick * noise[1]), None

        @partial(jax.jit, static_argnums=2)
        def walk(x: Any, key: Any, steps: int) -> Any:
            (x, y), _ = jax.lax.scan(step, (x[:, 0], x[:, 1]), jax.random.split(key, steps))
            return jnp.stack([x, y], axis=1)

        return lambda steps: np.asarray(walk(start(chains), key(), steps))

    return Runner(name="JAX", build=lambda: jax_generators(make))


def jax_metropolis(chains: int) -> Runner:
    def make(key: Any) -> Callable[[int], Any]:
        jax, jnp = needs("jax"), needs("jax.numpy")

        def step(carry: Any, keys: Any) -> Any:
            x, y, energy = carry
            noise = jax.random.normal(keys[0], (2, chains))
            across, up = x + SCALE * noise[0], y + SCALE * noise[1]
            other = jax_energy(across, up)
            taken = jax.random.uniform(keys[1], (chains,)) < jnp.exp(energy - other)
            return (
                jnp.where(taken, across, x),
                jnp.where(taken, up, y),
                jnp.where(taken, other, energy),
            ), None

        @partial(jax.jit, static_argnums=2)
        def walk(x: Any, key: Any, steps: int) -> Any:
            first = (x[:, 0], x[:, 1], jax_energy(x[:, 0], x[:, 1]))
            (x, y, _), _ = jax.lax.scan(step, first, jax.random.split(key, (steps, 2)))
            return jnp.stack([x, y], axis=1)

        return lambda steps: np.asarray(walk(start(chains), key(), steps))

    return Runner(name="JAX", build=lambda: jax_generators(make))


# --- Libraries of samplers ---------------------------------------------------------------------------------------------


def _over_chains(make_step: Callable[[Any], Any], chains: int, key: Any) -> Callable[[int], Any]:
    """BlackJAX as its documentation has it: a kernel for one chain, vmapped, in a jitted scan."""
    jax = needs("jax")

    def density(position: Any) -> Any:
        return -jax_energy(position[0], position[1])

    init, step = make_step(density)

    @partial(jax.jit, static_argnums=2)
    def walk(x: Any, key: Any, steps: int) -> Any:
        def move(states: Any, key: Any) -> Any:
            return jax.vmap(step)(jax.random.split(key, chains), states), None

        states, _ = jax.lax.scan(move, jax.vmap(init)(x), jax.random.split(key, steps))
        return states.position if hasattr(states, "position") else states

    return lambda steps: np.asarray(walk(start(chains), key(), steps))


def blackjax_metropolis(chains: int) -> Runner:
    def make(key: Any) -> Callable[[int], Any]:
        blackjax, jnp = needs("blackjax"), needs("jax.numpy")

        def kernel(density: Any) -> Any:
            walk = blackjax.additive_step_random_walk.normal_random_walk(density, SCALE * jnp.ones(2))
            return walk.init, lambda key, state: walk.step(key, state)[0]

        return _over_chains(kernel, chains, key)

    return Runner(name="BlackJAX", build=lambda: jax_generators(make, blackjax=True), share=0.5)


def blackjax_ula(chains: int, share: float = 0.5) -> Runner:
    def make(key: Any) -> Callable[[int], Any]:
        jax, blackjax = needs("jax"), needs("blackjax")

        def kernel(density: Any) -> Any:
            sgld = blackjax.sgld(lambda position, _: jax.grad(density)(position))
            return lambda position: position, lambda key, position: sgld.step(key, position, 0, STEP)

        return _over_chains(kernel, chains, key)

    return Runner(name="BlackJAX", build=lambda: jax_generators(make, blackjax=True), share=share)


def torchebm_ula(chains: int, share: float = 0.5) -> Runner:
    """Its own sampler; the gradient by autograd, as it comes, or written out, as its models allow."""

    def build() -> Any:
        torch = needs("torch", "torchebm")
        from torchebm.core import BaseModel
        from torchebm.samplers import LangevinDynamics

        centres, heights = (
            torch.tensor(CENTRES, dtype=torch.float32),
            torch.tensor(HEIGHTS, dtype=torch.float32),
        )
        inverse = torch.tensor(1 / WIDTHS**2, dtype=torch.float32)

        class Wells(BaseModel):
            def forward(self, x: Any) -> Any:
                squares = ((x[:, None] - centres) ** 2).sum(-1)
                return CONFINEMENT * (x * x).sum(-1) - (heights * torch.exp(-0.5 * inverse * squares)).sum(-1)

        class WrittenOut(Wells):
            def gradient(self, x: Any, *args: Any, **more: Any) -> Any:
                off = x[:, None] - centres
                bumps = heights * inverse * torch.exp(-0.5 * inverse * (off * off).sum(-1))
                return 2 * CONFINEMENT * x + (bumps[..., None] * off).sum(1)

        def sampler(model: Any) -> Callable[[int], Any]:
            chain = LangevinDynamics(model, step_size=STEP)
            return lambda steps: chain.sample(x=torch.from_numpy(start(chains)), n_steps=steps).numpy()

        torch.manual_seed(6)
        options = [with_threads(lambda model=model: sampler(model())) for model in (Wells, WrittenOut)]
        return options[0] + options[1]

    return Runner(name="torchebm", build=build, share=share)


def emcee_metropolis(chains: int) -> Runner:
    def build() -> Callable[[int], Any]:
        emcee = needs("emcee")
        np.random.seed(7)  # noqa: NPY002 (emcee draws from it)
        move = emcee.moves.GaussianMove(SCALE**2)

        def run(steps: int) -> Any:
            sampler = emcee.EnsembleSampler(chains, 2, lambda x: -plain_energy(x), moves=move, vectorize=True)
            state = sampler.run_mcmc(
                start(chains).astype(float), steps, store=False, skip_initial_state_check=True
            )
            return state.coords

        return run

    return Runner(name="emcee", build=build, share=0.2)


def bare_noise(chains: int, normals: int, uniforms: int) -> Runner:
    """The random numbers alone: NumPy's own ziggurat in float32, on one core, in chunks that fit its cache."""

    def build() -> Callable[[int], Any]:
        rng = np.random.Generator(np.random.SFC64(8))
        normal, uniform = np.empty(normals * 4096, np.float32), np.empty(max(1, uniforms * 4096), np.float32)

        def run(steps: int) -> None:
            for _ in range(steps * chains // 4096):
                rng.standard_normal(out=normal, dtype=np.float32)
                if uniforms:
                    rng.random(out=uniform, dtype=np.float32)

        return run

    return Runner(name="NumPy's random numbers alone", role="floor", build=build, checked=False)
