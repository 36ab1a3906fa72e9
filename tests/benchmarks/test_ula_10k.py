"""Unadjusted Langevin, 10,000 particles on the three wells."""

from plane_runners import (
    STEP,
    bare_noise,
    blackjax_ula,
    jax_ula,
    moments,
    ours,
    textbook_ula,
    torch_ula,
    torchebm_ula,
)
from race import Bound, Race, one_each

from ebm_plugins.families.langevin import FAMILY

PARTICLES = 10_000


def race() -> Race:
    return Race(
        name="ULA, 10,000 particles",
        work="300 steps",
        amount=300,
        few=16,
        statistic=moments,
        runners=(
            ours(FAMILY, PARTICLES, step_size=STEP),
            textbook_ula(PARTICLES),
            jax_ula(PARTICLES),
            torch_ula(PARTICLES),
            blackjax_ula(PARTICLES),
            torchebm_ula(PARTICLES),
            bare_noise(PARTICLES, normals=2, uniforms=0),
        ),
        bounds=(Bound("JAX", 1.8, 2.5), Bound("torchebm", 12)),
    )


def test_ula_of_10_000_particles(benchmark):
    one_each(benchmark, race)
