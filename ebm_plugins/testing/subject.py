"""What a check looks at: a record, and what was made of it by its example, once for all checks."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import islice
from types import MappingProxyType
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from ebm_plugins import starts
from ebm_plugins.exact import truth_of
from ebm_plugins.plans import MAX_SEED, Plan, offered_datasets, plan
from ebm_plugins.records import (
    FAULTS,
    Array,
    ConfigError,
    Family,
    Params,
    PluginError,
    Rng,
    Run,
    Sampler,
    Snapshot,
    Target,
    exactness_of,
)
from ebm_plugins.registry import Registry
from ebm_plugins.spaces import Space
from ebm_plugins.specs import RunSpec
from ebm_plugins.targets import bind, embed
from ebm_plugins.testing.cells import Exact, drawn, listed
from ebm_plugins.testing.kit import Skip, Wrong
from ebm_plugins.testing.reference import REFERENCES, wells_draw, with_references
from ebm_plugins.testing.varied import lasting, variants

MOST_SNAPSHOTS = 2_000
SMALL = (
    "kit-plane",
    "kit-lamps",
    "bars-and-stripes-2x2",
    "bars-and-stripes-3x3",
    "two-moons",
)  # where there is no example


@dataclass
class Subject:
    """A family or a sampler under check. ``excused`` maps the names of variants that a check leaves out (as
    ``check:variant``) to the author's reasons; ``seed`` decides every random number."""

    record: Family | Sampler
    registry: Registry
    seed: int = 0
    excused: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.seed, int) or not 0 <= self.seed <= MAX_SEED:
            raise ValueError(f"seed: expected a whole number from 0 to {MAX_SEED}, got {self.seed!r}")
        part = "families" if isinstance(self.record, Family) else "samplers"
        records = {**getattr(self.registry, part), self.record.key: self.record}
        changed: dict[str, Any] = {part: MappingProxyType(records)}
        self.registry = with_references(replace(self.registry, **changed))

    @property
    def kind(self) -> str:
        """``family`` or ``sampler``."""
        return "family" if isinstance(self.record, Family) else "sampler"

    @property
    def family(self) -> Family:
        """The family; Skip for a sampler."""
        if not isinstance(self.record, Family):
            raise Skip("for families only")
        return self.record

    def rng(self, *words: object) -> Rng:
        """A generator of its own for each purpose."""
        return np.random.default_rng([self.seed, *(crc32(str(word).encode()) for word in words)])

    @cached_property
    def configs(self) -> dict[str, type[BaseModel]]:
        """Name → config class, of everything that has one."""
        if isinstance(self.record, Sampler):
            return {"config": self.record.config}
        found = {"train_config": self.record.train_config, "sample_config": self.record.sample_config}
        return found | {f"studies[{title!r}]": config for title, (config, _) in self.record.studies.items()}

    @cached_property
    def specs(self) -> tuple[RunSpec, ...]:
        """Runs that the record is checked by: a family's example, or the kit's own energies with a sampler."""
        if isinstance(self.record, Sampler):
            known = [REFERENCES[kind] for kind in self.record.accepts if kind in REFERENCES]
            example = self.record.example
            if not known and example is None:
                kinds = ", ".join(kind.__name__ for kind in self.record.accepts)
                raise Skip(f"the kit has no energy of its own in {kinds}; give the sampler an example")
            start = starts.Noise(50)
            own = [
                RunSpec(family=r.family.key, dataset=r.dataset.key, sampler=self.record.key, start=start)
                for r in known
            ]
            return (*own, *([] if example is None else [replace(example, sampler=self.record.key)]))
        if self.record.example is not None:
            example = self.record.example
            return (replace(example, sampler=example.sampler or self.record.key),)
        return (RunSpec(family=self.record.key, sampler=self.record.key, dataset=self._small_dataset()),)

    def _small_dataset(self) -> str:
        try:
            config = self.family.train_config()
            fitting = offered_datasets(self.family, self.registry, config)
        except FAULTS as error:
            raise Skip(f"no data for it: {error}") from error
        chosen = [key for key in SMALL if key in fitting] or list(fitting)
        if not chosen:
            raise Skip("no installed dataset is in a space that it accepts; give it an example")
        return chosen[0]

    @cached_property
    def plans(self) -> tuple[Plan, ...]:
        """The specs resolved."""
        try:
            return tuple(plan(spec, self.registry) for spec in self.specs)
        except (ConfigError, PluginError) as error:
            raise Wrong(f"its example does not resolve: {error}") from error

    def train(self, config: Any = None, *words: object, data: Any = None) -> Iterator[Snapshot]:
        """Its training on its example's data, from random numbers named by the words."""
        made = self.plans[0]
        config = made.train_config if config is None else config
        rng = self.rng("train", *words)
        return islice(self.family.train(made.data if data is None else data, config, rng), MOST_SNAPSHOTS)

    @cached_property
    def trained(self) -> tuple[Params, ...]:
        """The first and the last params of its training, copied; one where there is one snapshot."""
        try:
            ends: list[Params] = []
            made = self.plans[0].data
            own = replace(made, x=np.array(made.x))  # writable: what edits it is for energy_pure to say
            for snapshot in self.train(data=own):
                ends = [*ends[:1], {name: np.array(value) for name, value in snapshot.value.items()}]
            self._unsettle(ends)
            return tuple(ends) or self._untrained()
        except FAULTS as error:
            raise Skip(f"training fails, see train_snapshots ({type(error).__name__}: {error})") from error

    def _unsettle(self, ends: list[Params]) -> None:
        """Call energy, gradient, log_partition and sample with other params before anything else does: what a plugin
        keeps of its first call is then wrong for every check."""
        family, made = self.family, self.plans[0]
        others = ends[:1]
        if len(ends) < 2:
            configs = list(variants(made.train_config).values())[1:4]
            others = [s.value for config in configs for s in _first(partial(self.train, config))]
        for params in others:
            x = made.space.noise(3, self.rng("unsettle"))
            for function in (family.energy, family.gradient):
                if function is not None:
                    _tried(partial(function, params, x.copy()))
            if family.log_partition is not None:
                _tried(partial(family.log_partition, params))
            config = lasting(made.sample_config if made.sampler is None else family.sample_config(), 1)
            _first(partial(family.sample, params, config, self.rng("unsettle"), x))

    def _untrained(self) -> tuple[Params, ...]:
        raise ValueError("it yields nothing")

    @property
    def params(self) -> Params:
        """Its last params."""
        return self.trained[-1]

    @cached_property
    def space(self) -> Space:
        """The space of its states."""
        return self.plans[0].space

    @cached_property
    def points(self) -> Array:
        """(≤ 24, dim) states to look at its energy and gradient in: where runs start, and noise."""
        made, rng = self.plans[0], self.rng("points")
        start = made.spec.start or starts.Noise(12)
        x = starts.draw(start, made.data, made.space, rng)[:12]
        if made.family.support is not None:
            x = np.vstack([np.asarray(made.family.support(self.params, row[None]))[:3] for row in x[:4]])[:12]
        return np.vstack([x, made.space.noise(24 - len(x), rng)]).astype(float)

    @cached_property
    def energies(self) -> Array:
        """Its energies at the points; Skip where it has only a gradient."""
        with np.errstate(all="ignore"):
            energies = np.asarray(self.family.energy(self.params, self.points.copy()))
        if self.family.gradient is not None and energies.shape == (24,) and np.isnan(energies).all():
            raise Skip("a gradient alone: its energies are NaN")
        return energies

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """Each place where it samples: the example's, that with clamped coordinates, or the kit's own energies."""
        found = []
        for made in self.plans:
            params = self.params if self.kind == "family" else _params_of(made)
            closed = made.family.key.startswith("kit-") and not made.space.discrete
            label = type(made.space).__name__ if self.kind == "sampler" else ""
            label = (
                f"{label}, {made.family.key}" if label and not made.family.key.startswith("kit-") else label
            )
            found.append(Case(self, label, made, params, wells_draw if closed else None))
            if self.kind == "sampler" and made.family.key.startswith("kit-"):
                found[-1].unsettle()
        if self.kind == "family" and self.family.clamps and self.space.dim > 1:
            free = np.arange(self.space.dim) % 3 != 1
            found.append(Case(self, "clamped", self.plans[0], self.params, None, free))
        return tuple(found)

    @cached_property
    def run(self) -> Run:
        """The run of its example."""
        from ebm_plugins.runs import run

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return run(replace(self.specs[0], seed=self.seed), self.registry)


def _tried(function: Callable[[], Any]) -> None:
    with contextlib.suppress(*FAULTS):
        function()


def _first(stream: Callable[[], Iterator[Any]]) -> list[Any]:
    """The first of a stream in a list, empty where there is none or it raises: a check of its own will say so."""
    try:
        return list(islice(stream(), 1))
    except FAULTS:
        return []


def _params_of(made: Plan) -> Params:
    """The params that the training of a plan ends with."""
    *_, last = islice(
        made.family.train(made.data, made.train_config, np.random.default_rng(0)), MOST_SNAPSHOTS
    )
    params: Params = last.value
    return params


@dataclass(eq=False)
class Case:
    """A kernel on an energy: ``stream`` runs it, ``exact`` is what it should sample. ``free`` (dim,) says which
    coordinates move, None meaning all; states are always whole."""

    subject: Subject
    label: str
    plan: Plan
    params: Params
    closed: Callable[[Params, int, Rng], Array] | None = None
    free: NDArray[np.bool_] | None = None
    _known: dict[float, Exact] = field(default_factory=dict)

    @property
    def config(self) -> Any:
        """The sampling config that it is checked with."""
        return self.plan.sample_config

    @property
    def space(self) -> Space:
        return self.plan.space

    @property
    def record(self) -> Family | Sampler:
        return self.plan.sampler or self.plan.family

    @cached_property
    def origin(self) -> Array:
        """(1, dim) a state to start from; clamped coordinates keep its values, and a support is that of this row."""
        return self._begun(1, self.subject.rng("origin", self.label))

    def unsettle(self) -> None:
        """Run it on another energy, this one mirrored, before anything else is run: what it keeps of its first target is
        then wrong for every check."""
        config, rng, grid = lasting(self.config, 1), self.subject.rng("unsettle"), self.space.discrete
        with np.errstate(all="ignore"):
            target = self.target(config)
            slope = target.gradient
            other = replace(
                target,
                energy=lambda x: target.energy(1.0 - x if grid else -x),
                gradient=None if slope is None else lambda x: -slope(-x),
            )
            sampler = self.plan.sampler
            if sampler is not None:
                _first(partial(sampler.sample, other, config, rng, self.space.noise(3, rng)))

    def start(self, n: int, rng: Rng) -> Array:
        """(n, dim) states in which the example's run would begin."""
        return self.clamped(self._begun(n, rng))

    def _begun(self, n: int, rng: Rng) -> Array:
        start = self.plan.spec.start or starts.Noise(n)
        if isinstance(start, starts.Noise):
            start = replace(start, n=n)
        x = starts.draw(start, self.plan.data, self.space, rng)
        return x[np.arange(n) % len(x)]

    def clamped(self, x: Array) -> Array:
        """The states (n, dim) with the clamped coordinates of the origin."""
        if self.free is None:
            return x
        return np.where(self.free, x, self.origin)

    def target(self, config: Any) -> Target:
        """What its kernel should sample: exp(−E/T) of the free coordinates."""
        temperature = float(getattr(config, "temperature", 1.0))
        fixed = self.origin if self.free is not None else None
        return bind(
            self.plan.family, self.params, self.space, temperature=temperature, free=self.free, fixed=fixed
        )

    def stream(self, config: Any, rng: Rng, x: Array) -> Iterator[Snapshot]:
        """The snapshots of its kernel from x (n, dim)."""
        if self.plan.sampler is not None:
            return self.plan.sampler.sample(self.target(config), config, rng, x)
        options = {} if self.free is None else {"free": self.free.copy()}
        return self.plan.family.sample(self.params, config, rng, x, **options)

    def steps(self, config: Any, rng: Rng, x: Array, count: int) -> list[Array]:
        """The states after each of ``count`` snapshots of one step. Wrong when it ends before."""
        found = [
            np.array(snapshot.value, dtype=float)
            for snapshot in islice(self.stream(lasting(config, count), rng, x.copy()), count)
        ]
        if len(found) < count:
            raise Wrong(f"asked for {count} snapshots, it ended after {len(found)}")
        return found

    def after(self, config: Any, rng: Rng, x: Array, count: int) -> Array:
        """The states after ``count`` snapshots of one step, of which only the last is kept."""
        last, taken = x, 0
        for snapshot in islice(self.stream(lasting(config, count), rng, x.copy()), count):
            last, taken = snapshot.value, taken + 1
        if taken < count:
            raise Wrong(f"asked for {count} snapshots, it ended after {taken}")
        return np.array(last, dtype=float)

    def exact(self, config: Any) -> Exact:
        """The exact answer under this config; Skip where there is none."""
        temperature = float(getattr(config, "temperature", 1.0))
        if temperature not in self._known:
            self._known[temperature] = self._exact(config, temperature)
        return self._known[temperature]

    def _exact(self, config: Any, temperature: float) -> Exact:
        target, closed = self.target(config), self.closed
        if closed is not None and temperature == 1.0:
            return drawn(lambda n, rng: closed(self.params, n, rng), target.energy)
        support = self.plan.family.support
        states = None if support is None else support(self.params, self.origin)
        truth = truth_of(target, support=states)
        if not truth.comparable:
            raise Skip(f"no exact answer: {truth.reason}")
        free, origin = self.free, self.origin
        if truth.probabilities is not None:
            found = listed(truth, target.energy)
        else:
            found = drawn(truth.draw, target.energy)
        if free is None:
            return found
        return replace(
            found,
            draw=lambda n, rng: embed(truth.draw(n, rng), free, origin),
            cell_of=lambda x: truth.cell_of(np.asarray(x)[:, free], len(x)),
        )

    def exactness(self, config: Any) -> str:
        return exactness_of(self.record, config)

    def named(self, variant: str) -> str:
        """This place and a variant of its config, in words."""
        return " ".join(word for word in (self.label, variant) if word)
