"""The records that plugins yield and that runs are made of. All are frozen; fields are only ever added."""

from __future__ import annotations

import dataclasses
import traceback as tracebacks
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ebm_plugins.spaces import Space

if TYPE_CHECKING:
    from plotly.graph_objects import Figure
    from pydantic import BaseModel

    from ebm_plugins.diagnostics import Report
    from ebm_plugins.exact import EnergyField, Truth
    from ebm_plugins.specs import RunSpec
    from ebm_plugins.verdict import Verdict

Array = NDArray[Any]
Params = Mapping[str, Array]
Rng = np.random.Generator
Metrics = Mapping[str, float]
Function = Callable[[Array], Array]


def nothing() -> Mapping[str, Any]:
    """An empty, read-only mapping: the default of the mappings below."""
    return MappingProxyType({})


# What a plugin's code may raise that costs its own run and nothing else. (Ctrl-C and a closed generator pass.)
FAULTS = (Exception, SystemExit)

EXACTNESS = {
    "exact": "Exact",
    "asymptotic": "Exact in the limit",
    "biased": "Biased",
    "descent": "Descends",
}


class Unsaid(str):
    """A claim that a record's author did not make: it is held to it all the same, and never said to claim it."""

    __slots__ = ()


UNSAID = Unsaid("asymptotic")


class ConfigError(ValueError):
    """A value that cannot be used, named by the control that can mend it.

    ``field`` is the control (a config field's name; inside a resolved spec its link name, ``train.rule``),
    ``expected`` and ``got`` are in the user's words.
    """

    def __init__(self, field: str, expected: str, got: object) -> None:
        self.field, self.expected, self.got = field, expected, got
        super().__init__(f"{field}: expected {expected}, got {got}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.field, self.expected, self.got)


@dataclass(frozen=True)
class Snapshot:
    """One moment of training (``value`` = params) or of sampling (``value`` = states (n, dim)).

    ``metrics`` maps names to floats. ``proposed`` (n, dim), for kernels that accept or refuse, is what each chain was
    offered in the last step before this moment, or None: a chain whose state is what it was offered took it, another
    refused it. It is for the eye alone. A yielded array is never edited later.
    """

    value: Any
    metrics: Metrics = dataclasses.field(default_factory=nothing)
    proposed: Array | None = None


@dataclass(frozen=True, kw_only=True)
class Data:
    """What a dataset loads: ``x`` (n, dim) in ``space``, with labels (n,) and a held-out part where there are any.

    A bare space has ``x`` of shape (0, dim). ``names`` are the rows' names where they have any.
    """

    x: Array
    space: Space
    labels: Array | None = None
    test_x: Array | None = None
    test_labels: Array | None = None
    name: str = ""
    names: tuple[str, ...] = ()

    @property
    def bare(self) -> bool:
        """True when this is only a space, with no rows to learn from."""
        return len(self.x) == 0


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Named data in a space. ``load`` is called when a run needs it, never at registration."""

    key: str
    title: str
    summary: str
    space: Space
    load: Callable[[], Data]


class Wells(NamedTuple):
    """An energy as numbers, for a kernel that is compiled: E(x) = c|x|² − Σ_k h_k exp(−|x − μ_k|²/2w_k²)."""

    centres: Array  # (K, dim)
    heights: Array  # (K,)
    widths: Array  # (K,)
    confinement: float


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a sampler runs on: an energy with params, temperature and clamped coordinates already bound.

    ``energy(x)`` maps (n, dim) to (n,) and is E/T: the density sampled is exp(−energy). ``gradient(x)`` is its
    gradient (n, dim), or None where the family has none. ``space`` is the space of the free coordinates.
    ``box`` is (2, dim), lower and upper corner of where the mass is thought to be, or None. ``chainwise`` is True
    where every chain has clamped coordinates of its own: both functions then take all chains, in their order.
    ``single_precision`` is True where both functions take and return float32 and may be called by several threads at
    once: samplers may then run their chains so.
    """

    energy: Callable[[Array], Array]
    gradient: Callable[[Array], Array] | None
    space: Space
    box: Array | None = None
    temperature: float = 1.0
    chainwise: bool = False
    single_precision: bool = False


@dataclass(frozen=True, kw_only=True)
class Lens:
    """A family's row in the unification table. Energies are LaTeX without dollar signs.

    ``formula`` is what the head of the family's page shows, where that is not the energy but, say, the step that
    its sampler takes.
    """

    year: int
    authors: str
    energy: str
    learns: str
    samples: str
    avoids: str
    references: tuple[str, ...] = ()
    formula: str = ""


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """A transition kernel for any energy whose space it accepts.

    ``sample(target, config, rng, x)`` yields ``Snapshot(states, metrics)``, one every ``config.every`` steps.
    ``exactness`` is a key of :data:`EXACTNESS`, or a function of the config returning one. ``reversible`` says that
    each step is in detailed balance with its target and that chains draw independently: the conformance kit then
    holds it to an exact rank test. ``example`` is a tiny run of some family by this sampler, for the kit, where the kit
    has no energy of its own in the spaces it accepts.
    ``stationary`` is False where each step has a target of its own (a ladder of heat or noise, a flow): only the last
    states are then draws. ``needs_energy`` says that it compares energies, so that a model which has only a gradient is
    not offered to it.
    """

    key: str
    title: str
    summary: str
    accepts: tuple[type[Space], ...]
    config: type[BaseModel]
    sample: Callable[[Target, Any, Rng, Array], Iterator[Snapshot]]
    needs_gradient: bool = False
    exactness: str | Callable[[Any], str] = UNSAID
    lens: Lens | None = None
    reversible: bool | Callable[[Any], bool] = False
    example: RunSpec | None = None
    stationary: bool | Callable[[Any], bool] = True
    needs_energy: bool = False


LESSONS = ("try", "failure")


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """Something to try on a family's page, or something that goes wrong there, as a run that opens by a link.

    ``title`` is its name, ``spec`` the run, of this family or of another. ``look`` says where to look and ``claim``
    what comes out there and why, both in Markdown; a claim is worth a test. ``kind`` is one of :data:`LESSONS`.
    """

    title: str
    spec: RunSpec
    look: str
    claim: str
    kind: str = "try"


@dataclass(frozen=True, kw_only=True)
class Family:
    """A kind of model: its energy, how it is trained, how it is sampled. See docs/plugins.md for every field.

    p(x) ∝ exp(−energy(params, x)), for a batch x (n, dim); energies are (n,). ``single_precision(params)`` is the same
    energy and gradient with params bound, for states in float32 and several threads: for speed alone. A third item may
    be the energy as :class:`Wells`.
    """

    key: str
    title: str
    summary: str
    accepts: tuple[type[Space], ...]
    energy: Callable[[Params, Array], Array]
    train: Callable[[Data, Any, Rng], Iterator[Snapshot]]
    sample: Callable[..., Iterator[Snapshot]]
    train_config: type[BaseModel]
    sample_config: type[BaseModel]
    section: str = "Models"
    gradient: Callable[[Params, Array], Array] | None = None
    state_space: Callable[[Space], Space] | None = None
    learns: Callable[[Any], bool] | None = None
    log_partition: Callable[[Params], float | None] | None = None
    bracket: Callable[[Params, Rng, int], tuple[float, float, float]] | None = None
    support: Callable[[Params, Array], Array] | None = None
    exactness: str | Callable[[Any], str] = UNSAID
    methods: tuple[str, ...] = ()
    clamps: bool = False
    lens: Lens | None = None
    presets: Mapping[str, RunSpec] = dataclasses.field(default_factory=nothing)
    example: RunSpec | None = None
    figures: Mapping[str, Callable[[Run], Figure]] = dataclasses.field(default_factory=nothing)
    studies: Mapping[str, tuple[Any, Callable[[Any, Rng], Iterator[Figure]]]] = dataclasses.field(
        default_factory=nothing
    )
    box: Callable[[Params], Array | None] | None = None
    learn: str = ""
    explain: Callable[[Run], str] | None = None
    reversible: bool | Callable[[Any], bool] = False
    lessons: tuple[Lesson, ...] = ()
    stationary: bool | Callable[[Any], bool] = True
    has_energy: Callable[[Any], bool] | None = None
    single_precision: (
        Callable[[Params], tuple[Function, Function] | tuple[Function, Function, Wells]] | None
    ) = None

    def states(self, space: Space) -> Space:
        """The space of the states, given the data's."""
        return self.state_space(space) if self.state_space else space

    def needs_data(self, config: Any) -> bool:
        """Whether training with this config uses data at all."""
        return self.learns(config) if self.learns else True

    def compares(self, config: Any) -> bool:
        """Whether a model trained with this config has energies that can be compared, and not only a gradient."""
        return self.has_energy(config) if self.has_energy else True


def exactness_of(record: Family | Sampler, config: Any) -> str:
    """What ``sample`` targets under this config: a key of :data:`EXACTNESS`."""
    return record.exactness(config) if callable(record.exactness) else record.exactness


def claim(exactness: str) -> str:
    """What a record says of its exactness, in words."""
    return "Exactness not said" if isinstance(exactness, Unsaid) else EXACTNESS[exactness]


def reversible_of(record: Family | Sampler, config: Any) -> bool:
    """Whether the kernel is in detailed balance with its target under this config, by the record's own word."""
    return bool(record.reversible(config) if callable(record.reversible) else record.reversible)


def stationary_of(record: Family | Sampler, config: Any) -> bool:
    """Whether every step of the kernel has the same target under this config, so that its frames are draws of it."""
    return bool(record.stationary(config) if callable(record.stationary) else record.stationary)


@dataclass(frozen=True, kw_only=True)
class Configs:
    """Both configs of a run, as validated models."""

    train: Any
    sample: Any


@dataclass(frozen=True, kw_only=True)
class Training:
    """What training left: the kept params, the snapshot number of each (from 0), and every snapshot's metrics.

    ``count`` snapshots were taken; ``finished`` is False when it was stopped before its end; ``diverged`` is the
    snapshot whose params were not finite, else None (the last good ones are kept).
    """

    frames: tuple[Params, ...]
    steps: NDArray[np.int64]
    metrics: Mapping[str, NDArray[np.float64]]
    count: int = 1
    finished: bool = True
    diverged: int | None = None

    @property
    def params(self) -> Params:
        """The last params."""
        return self.frames[-1]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """What sampling left. Frame 0 is the start (step 0).

    ``frames`` (f, m, dim) keeps at most 300 moments of at most 1,000 states; ``steps`` (f,) numbers them in
    snapshots; ``last`` (n, dim) is every state at the end; ``metrics`` holds one value a snapshot; ``traces``
    (s + 1, c, dim) and ``energies`` (s + 1, c) follow the first c ≤ 64 chains through every snapshot.
    ``diverged`` is the snapshot at which a state stopped being finite, else None. ``proposed`` (f, p, dim) is what
    the first p ≤ 100 chains were offered in the last step before each frame, NaN where nothing was; None for a kernel
    that does not propose.
    """

    frames: Array
    steps: NDArray[np.int64]
    last: Array
    metrics: Mapping[str, NDArray[np.float64]]
    traces: Array
    energies: NDArray[np.float64]
    diverged: int | None = None
    finished: bool = True
    proposed: Array | None = None


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a spec produced; all that a figure sees. Rebuilt from arrays and the registry.

    ``truth`` is the exact answer beside it and ``field`` the energy on a grid of the plane (see
    :mod:`ebm_plugins.exact`), ``report`` the diagnostics, ``verdict`` what they mean in a sentence. ``space`` is
    the space of the states; ``free`` (dim,) says which coordinates moved, None meaning all. ``stationary`` is False
    where only the last states are draws, each frame before being of a density of its own. ``stamp`` is what a link says
    of it, written where it was made (see :mod:`ebm_plugins.stamps`); empty for one that was made in this process.
    """

    spec: RunSpec
    data: Data
    params: Params
    target: Target
    configs: Configs
    training: Training
    sampling: Sampling
    space: Space
    truth: Truth | None = None
    field: EnergyField | None = None
    report: Report | None = None
    verdict: Verdict | None = None
    free: NDArray[np.bool_] | None = None
    exactness: str = "asymptotic"
    notes: tuple[str, ...] = ()
    stationary: bool = True
    stamp: str = ""


@dataclass(frozen=True)
class Failure:
    """A plugin, or a part of one, that was left out: at which of the guarded stages, and why."""

    plugin: str
    stage: str
    message: str
    traceback: str = ""

    @classmethod
    def of(cls, plugin: str, stage: str, error: BaseException, message: str | None = None) -> Failure:
        """The failure that an exception describes."""
        text = "".join(tracebacks.format_exception(error))
        return cls(plugin, stage, message or f"{type(error).__name__}: {error}", text)


class PluginError(RuntimeError):
    """A plugin that broke its contract while a run was being made: ``part`` of ``plugin`` did ``message``."""

    def __init__(self, plugin: str, part: str, message: str) -> None:
        self.plugin, self.part, self.message = plugin, part, message
        super().__init__(f"‘{plugin}’ stopped in {part}. {message}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.plugin, self.part, self.message)


__all__ = [
    "EXACTNESS", "LESSONS", "Array", "ConfigError", "Configs", "Data", "Dataset", "Failure", "Family", "Lens", "Lesson", "Params",
    "PluginError", "Run", "Sampler", "Sampling", "Snapshot", "Target", "Training", "Unsaid", "claim", "exactness_of", "reversible_of",
    "stationary_of",
]  # fmt: skip
