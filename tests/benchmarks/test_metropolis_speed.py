"""Random-walk Metropolis, 10,000 chains on the three wells."""

from plane_runners import (
    SCALE,
    bare_noise,
    blackjax_metropolis,
    emcee_metropolis,
    jax_metropolis,
    moments,
    ours,
    textbook_metropolis,
    torch_metropolis,
)
from race import Bound, Race, one_each

from ebm_plugins.families.metropolis_hastings import FAMILY

CHAINS = 10_000


def race() -> Race:
    return Race(
        name="Metropolis, 10,000 chains",
        work="300 steps",
        amount=300,
        few=12,
        statistic=moments,
        runners=(
            ours(FAMILY, CHAINS, scale=SCALE, proposal="random-walk"),
            textbook_metropolis(CHAINS),
            jax_metropolis(CHAINS),
            torch_metropolis(CHAINS),
            blackjax_metropolis(CHAINS),
            emcee_metropolis(CHAINS),
            bare_noise(CHAINS, normals=2, uniforms=1),
        ),
        bounds=(Bound("JAX", 1.9, 2.5), Bound("BlackJAX", 7)),
    )


def test_metropolis(benchmark):
    one_each(benchmark, race)
