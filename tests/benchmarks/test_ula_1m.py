"""Unadjusted Langevin, 1,000,000 particles on the three wells."""

from plane_runners import STEP, bare_noise, jax_ula, moments, ours, textbook_ula, torch_ula, torchebm_ula
from race import Bound, Race, one_each

from ebm_plugins.families.langevin import FAMILY

PARTICLES = 1_000_000


def race() -> Race:
    return Race(
        name="ULA, 1,000,000 particles",
        work="20 steps",
        amount=20,
        few=4,
        repeats=6,
        statistic=moments,
        runners=(
            ours(FAMILY, PARTICLES, step_size=STEP),
            textbook_ula(PARTICLES, share=0.1),
            jax_ula(PARTICLES),
            torch_ula(PARTICLES),
            torchebm_ula(PARTICLES, share=0.2),
            bare_noise(PARTICLES, normals=2, uniforms=0),
        ),
        bounds=(Bound("JAX", 1.8, 2.5), Bound("torchebm", 12)),
    )


def test_ula_of_a_million_particles(benchmark):
    one_each(benchmark, race)
