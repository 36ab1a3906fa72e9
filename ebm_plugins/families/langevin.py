r"""Langevin dynamics: particles that roll down an energy landscape and are kicked by heat.

On a landscape E of the plane (:mod:`ebm_plugins.landscapes`), or on Gaussian wells learned from data
(:mod:`ebm_plugins.wells`), the diffusion :math:`dx = -\nabla E\,dt + \sqrt 2\,dW` has the stationary density
exp(−E)/Z. Its own ``sample`` is the unadjusted rule :math:`x' = x - \eta\nabla E(x) + \sqrt{2\eta}\,\xi`
(:mod:`ebm_plugins.samplers.ula`), with a bias of order η; the other methods are samplers of their own.

Sources: Roberts, Tweedie 1996; Welling, Teh 2011; Du, Mordatch 2019; Nijkamp, Hill, Zhu, Wu 2019 (short runs).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ebm_plugins import landscapes, starts, wells
from ebm_plugins.chains import Adjusted
from ebm_plugins.config import knob
from ebm_plugins.families import landscape_training
from ebm_plugins.families import langevin_figures as figures
from ebm_plugins.families import langevin_studies as studies
from ebm_plugins.families.landscape_training import LandscapeConfig
from ebm_plugins.families.langevin_lessons import LESSONS
from ebm_plugins.families.langevin_text import LEARN, LENS, PRESETS, SUMMARY, explain
from ebm_plugins.hookspecs import hookimpl
from ebm_plugins.noise import Noise
from ebm_plugins.records import Array, Data, Family, Params, Rng, Snapshot, Target
from ebm_plugins.samplers import mala, ula
from ebm_plugins.spaces import Plane
from ebm_plugins.specs import RunSpec
from ebm_plugins.targets import bind


class TrainConfig(LandscapeConfig):
    """Which landscape; and how wells are learned, where they are."""

    short_run: int = knob(
        20, "Langevin steps that these chains take in each epoch.", ge=1, le=500, log=True, more=True
    )
    short_step: float = knob(0.02, "Step size η of these chains.", ge=1e-4, le=0.5, log=True, more=True)
    adjusted: bool = knob(
        True, "Accept or refuse each of these steps (MALA). Without it the bias of the step goes into the model: "
        "wells grow deeper and narrower than the data ask for.",
        more=True,
    )  # fmt: skip


SampleConfig = ula.Config
energy = landscapes.energy
gradient = landscapes.gradient


def train(data: Data, config: TrainConfig, rng: Rng) -> Iterator[Snapshot]:
    """A given landscape is one snapshot of its constants; learned wells are a snapshot an epoch.

    Raises ConfigError for learned wells without data, without spread, with NaN, or without confinement.
    """
    noise = Noise((rng,))

    def short_run(params: Params, x: Array, rng: Rng) -> Array:
        def slope(y: Array) -> Array:
            return wells.gradient(params, y)

        if not config.adjusted:
            for _ in range(config.short_run):
                x = ula.step(slope, x, noise.normal(x), config.short_step)
            return x
        target = Target(energy=lambda y: wells.energy(params, y), gradient=slope, space=Plane())
        state = Adjusted(x, target.energy(x), slope(x), 0)
        for _ in range(config.short_run):
            state = mala.step(target, state, noise, config.short_step)
        return state.x

    yield from landscape_training.train(data, config, rng, short_run)


def sample(params: Params, config: ula.Config, rng: Rng, x: Array) -> Iterator[Snapshot]:
    """Unadjusted Langevin from ``x`` (n, 2) on exp(−E/T)."""
    target = bind(FAMILY, params, Plane(), temperature=config.temperature)
    yield from ula.sample(target, config, rng, x)


FAMILY = Family(
    key="langevin",
    title="Langevin dynamics",
    summary=SUMMARY,
    section="Samplers",
    accepts=(Plane,),
    train_config=TrainConfig,
    sample_config=SampleConfig,
    energy=energy,
    gradient=gradient,
    single_precision=landscapes.single_precision,
    train=train,
    sample=sample,
    learns=lambda config: config.landscape == "learned",
    log_partition=landscapes.log_partition,
    box=landscapes.box,
    exactness="biased",
    methods=("ula", "mala", "underdamped", "annealed-langevin", "hmc"),
    lens=LENS,
    presets=PRESETS,
    example=RunSpec(
        family="langevin",
        dataset="plane",
        sample={"steps": 20, "step_size": 0.05},
        start=starts.Noise(n=50),
        seed=7,
    ),
    figures={
        "Drift field": figures.drift_field,
        "Trails": figures.trails,
        "Energy along the run": figures.energy_trace,
        "Marginals": figures.marginals,
        "Wells and data": figures.wells_and_data,
    },
    studies={
        "Bias against step size": (studies.BiasConfig, studies.bias),
        "Wells without walls": (studies.EscapeConfig, studies.escape),
    },
    learn=LEARN,
    lessons=LESSONS,
    explain=explain,
)


@hookimpl
def register_families() -> Iterable[Family]:
    yield FAMILY
