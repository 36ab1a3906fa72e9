r"""Metropolis–Hastings: propose a place, accept it by its energy or stay where you are.

On a landscape E of the plane (:mod:`ebm_plugins.landscapes`), or on Gaussian wells learned from data
(:mod:`ebm_plugins.wells`), a proposal x′ ~ q(· | x) is accepted with probability
:math:`\min\{1, e^{-(E(x') - E(x))}\, q(x \mid x') / q(x' \mid x)\}`. Z is in both numerator and denominator, and no
gradient is asked for. The methods are samplers of their own: random walk and three lopsided proposals
(:mod:`ebm_plugins.samplers.metropolis`), parallel tempering and simulated annealing.

Sources: Metropolis and others 1953; Hastings 1970; Roberts, Gelman, Gilks 1997; Vehtari and others 2021.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ebm_plugins import landscapes, starts, wells
from ebm_plugins.config import knob
from ebm_plugins.families import landscape_training
from ebm_plugins.families import langevin_figures as shared
from ebm_plugins.families import metropolis_hastings_figures as figures
from ebm_plugins.families import metropolis_hastings_studies as studies
from ebm_plugins.families.landscape_training import LandscapeConfig
from ebm_plugins.families.metropolis_hastings_lessons import LESSONS
from ebm_plugins.families.metropolis_hastings_text import LEARN, LENS, PRESETS, SUMMARY, explain
from ebm_plugins.hookspecs import hookimpl
from ebm_plugins.records import Array, Data, Family, Params, Rng, Snapshot, Target
from ebm_plugins.samplers import metropolis
from ebm_plugins.spaces import Plane
from ebm_plugins.specs import RunSpec
from ebm_plugins.targets import bind


class TrainConfig(LandscapeConfig):
    """Which landscape; and how wells are learned, where they are."""

    proposals: int = knob(
        40,
        "Metropolis proposals that each of these chains gets in an epoch.",
        ge=1,
        le=500,
        log=True,
        more=True,
    )
    proposal_scale: float = knob(
        0.5, "Size of these proposals, a standard deviation.", ge=1e-3, le=10.0, log=True, more=True
    )


SampleConfig = metropolis.Config
energy = landscapes.energy
gradient = landscapes.gradient


def train(data: Data, config: TrainConfig, rng: Rng) -> Iterator[Snapshot]:
    """A given landscape is one snapshot of its constants; learned wells are a snapshot an epoch.

    Raises ConfigError for learned wells without data, without spread, with NaN, or without confinement.
    """
    walk = metropolis.Config(
        scale=config.proposal_scale, steps=config.proposals, every=config.proposals, proposal="random-walk"
    )

    def kernel(params: Params, x: Array, rng: Rng) -> Array:
        target = Target(energy=lambda y: wells.energy(params, y), gradient=None, space=Plane())
        (last,) = metropolis.sample(target, walk, rng, x)
        return last.value

    yield from landscape_training.train(data, config, rng, kernel)


def sample(params: Params, config: metropolis.Config, rng: Rng, x: Array) -> Iterator[Snapshot]:
    """Metropolis–Hastings from ``x`` (n, 2) on exp(−E/T)."""
    target = bind(FAMILY, params, Plane(), temperature=config.temperature)
    yield from metropolis.sample(target, config, rng, x)


FAMILY = Family(
    key="metropolis-hastings",
    title="Metropolis–Hastings",
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
    exactness=metropolis.exactness,
    reversible=lambda config: metropolis.exactness(config) == "asymptotic",
    methods=("metropolis", "parallel-tempering", "simulated-annealing"),
    lens=LENS,
    presets=PRESETS,
    example=RunSpec(
        family="metropolis-hastings",
        dataset="plane",
        sample={"steps": 30},
        start=starts.Noise(n=50),
        seed=7,
    ),
    figures={
        "Proposals": figures.proposals,
        "Traces": figures.traces,
        "Autocorrelation": figures.autocorrelations,
        "Energy along the run": shared.energy_trace,
        "Marginals": shared.marginals,
        "Wells and data": shared.wells_and_data,
    },
    studies={
        "Which scale is best?": (studies.ScaleConfig, studies.scales),
        "Best acceptance by dimension": (studies.DimensionConfig, studies.dimensions),
        "Effective draws per second": (studies.SpeedConfig, studies.speed),
    },
    learn=LEARN,
    lessons=LESSONS,
    explain=explain,
)


@hookimpl
def register_families() -> Iterable[Family]:
    yield FAMILY
