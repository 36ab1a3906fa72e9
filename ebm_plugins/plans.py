"""From a run spec to what it names: families, data, configs. All that a stranger can get wrong is found here."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebm_plugins import starts, stored
from ebm_plugins.config import build, plain
from ebm_plugins.datasets import inline
from ebm_plugins.digests import canonical, of_data, sha256
from ebm_plugins.records import (
    FAULTS,
    Array,
    ConfigError,
    Data,
    Dataset,
    Family,
    PluginError,
    Sampler,
    exactness_of,
    stationary_of,
)
from ebm_plugins.registry import Registry
from ebm_plugins.spaces import Space
from ebm_plugins.specs import RunSpec
from ebm_plugins.wording import plural

MAX_SEED = 2**63 - 1
DEFAULT_STATES = 300
LARGEST = float(np.finfo(np.float32).max)  # frames and traces are float32: past this nothing can be shown


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A resolved spec with what it names looked up. ``space`` is the space of the states."""

    spec: RunSpec
    family: Family
    sampler: Sampler | None
    data: Data
    train_config: Any
    sample_config: Any
    space: Space
    providers: tuple[tuple[str, str, str], ...]

    @property
    def free(self) -> NDArray[np.bool_] | None:
        """The mask (dim,) of the coordinates that may move, or None when all may."""
        assert self.spec.start is not None
        return starts.free_mask(self.spec.start, self.space.dim)

    @property
    def temperature(self) -> float:
        """The T of exp(−E/T)."""
        return float(getattr(self.sample_config, "temperature", 1.0))

    @property
    def exactness(self) -> str:
        """What the sampler targets under its config: a key of :data:`ebm_plugins.records.EXACTNESS`."""
        return exactness_of(self.sampler or self.family, self.sample_config)

    @property
    def stationary(self) -> bool:
        """Whether every frame of the sampler is a draw of the same density under its config, or only the last."""
        return stationary_of(self.sampler or self.family, self.sample_config)

    @property
    def training_digest(self) -> str:
        """SHA-256 of all that training depends on: two specs that share it share their training."""
        parts = ("family", "dataset", "train", "seed", "train_stop")
        asked = {k: v for k, v in self.spec.as_dict().items() if k in parts}
        family = [p for p in self.providers if p[0] == self.family.key]
        return sha256(canonical(asked), of_data(self.data).encode(), canonical(family))

    @property
    def spec_digest(self) -> str:
        """SHA-256 of the resolved spec, the data and the providers' versions: equal everywhere."""
        return sha256(canonical(self.spec.as_dict()), of_data(self.data).encode(), canonical(self.providers))


def plan(spec: RunSpec, registry: Registry) -> Plan:
    """The plan of a spec: every value validated, every default filled in.

    Raises ConfigError, whose field is the link parameter that can mend it.
    """
    family = registry.families.get(spec.family)
    if family is None:
        raise ConfigError("family", "one of " + (", ".join(registry.families) or "(none)"), spec.family)
    train_config = build(family.train_config, spec.train, "train.")
    key = spec.dataset or _default_dataset(family, train_config, registry)
    data = data_of(key, family, registry)
    space = family.states(data.space)
    sampler, sampler_key = _sampler(spec.sampler, family, space, registry)
    if sampler:
        reason = why_not(sampler, family, space, train_config)
        if reason:
            raise ConfigError("sampler", "a sampler that runs on this family", f"{sampler.key}: {reason}")
    sample_config = build(sampler.config if sampler else family.sample_config, spec.sample, "sample.")
    start = starts.check(spec.start or starts.Noise(DEFAULT_STATES), space, _rows(data, space))
    if starts.free_mask(start, space.dim) is not None and not sampler and not family.clamps:
        raise ConfigError(
            "start.free", "no clamped coordinates: this family's own method cannot hold any", "some"
        )
    filled = replace(
        spec,
        dataset=key,
        train=plain(train_config),
        sample=plain(sample_config),
        sampler=sampler_key,
        start=start,
        seed=_whole("seed", spec.seed, 0, MAX_SEED),
        train_stop=None if spec.train_stop is None else _whole("train_stop", spec.train_stop, 1, 10**9),
        sample_stop=None if spec.sample_stop is None else _whole("sample_stop", spec.sample_stop, 0, 10**9),
    )
    return Plan(
        spec=filled,
        family=family,
        sampler=sampler,
        data=data,
        train_config=train_config,
        sample_config=sample_config,
        space=space,
        providers=_providers([family.key, f"data:{key}", sampler_key], registry),
    )


def offered_samplers(
    family: Family, space: Space, registry: Registry, train_config: Any = None
) -> tuple[dict[str, str], dict[str, str]]:
    """``(offered, refused)`` for states in ``space`` of a model trained with ``train_config`` (any, without one): key →
    title of what the lab lists, key → reason of the rest.

    The family's methods come first; one without methods has its own ``sample`` under its own key.
    """
    offered = {} if family.methods else {family.key: f"{family.title} (its own)"}
    refused = {}
    for key in (*family.methods, *registry.samplers):
        sampler = registry.samplers.get(key)
        reason = why_not(sampler, family, space, train_config) if sampler else "it is not installed"
        if sampler and not reason:
            offered[key] = sampler.title
        else:
            refused[key] = reason
    return offered, refused


def offered_datasets(family: Family, registry: Registry, train_config: Any) -> dict[str, str]:
    """Key → title of the datasets this family can be run on: bare spaces only where it has nothing to learn, or where
    there is nothing else (training then says whether it can do without rows).

    One that does not load is left out (:func:`broken_datasets` says why), so that it costs nobody else anything.
    """
    needs = family.needs_data(train_config)
    offered: dict[str, str] = {}
    bare: dict[str, str] = {}
    for key, dataset in registry.datasets.items():
        if isinstance(dataset.space, family.accepts):
            data = _loaded(dataset)
            if isinstance(data, Data):
                (bare if needs and data.bare else offered)[key] = dataset.title
    return offered or bare


def broken_datasets(family: Family, registry: Registry) -> dict[str, str]:
    """Key → what went wrong, of the datasets in this family's spaces that do not load."""
    found = {k: _loaded(d) for k, d in registry.datasets.items() if isinstance(d.space, family.accepts)}
    return {key: str(answer) for key, answer in found.items() if isinstance(answer, PluginError)}


def why_not(sampler: Sampler, family: Family, space: Space, train_config: Any = None) -> str:
    """Why a sampler does not run on this family's energy in this space; empty when it does. ``train_config`` tells
    whether the model will have an energy at all."""
    if not isinstance(space, sampler.accepts):
        kinds = " or ".join(kind.__name__ for kind in sampler.accepts)
        return f"it needs states in {kinds}, and these are in {type(space).__name__}"
    if sampler.needs_gradient and family.gradient is None:
        return "it needs a gradient, and this energy has none"
    if sampler.needs_energy and train_config is not None and not family.compares(train_config):
        return "it compares energies, and this model has none, only a gradient"
    return ""


def data_of(key: str, family: Family, registry: Registry) -> Data:
    """The data of a key, checked against what the family takes. Raises ConfigError or PluginError."""
    if key.startswith("inline:"):
        data = inline(key)
    elif key.startswith(stored.PREFIX):
        data = stored.load(key)
    elif key in registry.datasets:
        data = load_data(registry.datasets[key])
    else:
        fitting = [k for k, d in registry.datasets.items() if isinstance(d.space, family.accepts)]
        raise ConfigError("data", "one of " + (", ".join(fitting) or "(none)"), key)
    if not isinstance(data.space, family.accepts):
        kinds = " or ".join(kind.__name__ for kind in family.accepts)
        raise ConfigError("data", f"data in {kinds}", f"{key}, which is in {type(data.space).__name__}")
    return data


def load_data(dataset: Dataset) -> Data:
    """What a dataset loads, checked once: finite rows of its own space. Raises PluginError."""
    answer = _loaded(dataset)
    if isinstance(answer, PluginError):
        raise PluginError(answer.plugin, answer.part, answer.message) from answer
    return answer


@functools.lru_cache(maxsize=64)
def _loaded(dataset: Dataset) -> Data | PluginError:
    """What a dataset loads, or why it does not: asked once."""
    try:
        return _checked_data(dataset)
    except PluginError as error:
        return error


def _checked_data(dataset: Dataset) -> Data:
    try:
        data = dataset.load()
    except FAULTS as error:
        raise PluginError(dataset.key, "load", f"It raised {type(error).__name__}: {error}") from error
    if not isinstance(data, Data):
        raise PluginError(
            dataset.key, "load", f"It returned a {type(data).__name__} where Data was expected."
        )
    for part, x in (("x", data.x), ("test_x", data.test_x)):
        if x is None:
            continue
        if np.ndim(x) != 2 or np.shape(x)[1] != data.space.dim:
            expected = f"(n, {data.space.dim})"
            raise PluginError(
                dataset.key, "load", f"{part} has shape {np.shape(x)} where {expected} was expected."
            )
        _check_numbers(dataset.key, part, np.asarray(x))
        inside = data.space.contains(x)
        if not inside.all():
            row = int(np.argmin(inside))
            raise PluginError(dataset.key, "load", f"Row {row} of {part} is not in {data.space.describe()}.")
    return data


def _check_numbers(key: str, part: str, x: Array) -> None:
    """Raises PluginError, in the words of who can mend the data, for rows with NaN, infinity or beyond single precision."""
    if x.dtype.kind not in "fc":
        return
    for bad, what, mend in (
        (np.isnan(x), "NaN", "fill in or remove what is missing"),
        (np.isinf(x), "infinity", "fill in or remove what is missing"),
        (np.abs(x) > LARGEST, f"a number beyond {LARGEST:.1e}", "rescale the data"),
    ):
        if bad.any():
            rows, count = np.flatnonzero(bad.any(axis=1)), int(bad.any(axis=1).sum())
            others = (
                ""
                if count == 1
                else f", and {plural(count - 1, 'more row')} hold{'s' if count == 2 else ''} such"
            )
            message = f"Row {rows[0]} of {part} holds {what}{others}. Finite numbers were expected: {mend}."
            raise PluginError(key, "load", message)


def _default_dataset(family: Family, train_config: Any, registry: Registry) -> str:
    for preset in family.presets.values():
        if preset.dataset and (preset.dataset in registry.datasets or preset.dataset.startswith("inline:")):
            return preset.dataset
    fitting = offered_datasets(family, registry, train_config)
    if not fitting:
        kinds = " or ".join(kind.__name__ for kind in family.accepts)
        raise ConfigError("data", f"an installed dataset in {kinds}", "none")
    if not family.needs_data(train_config):
        bare = [key for key in fitting if load_data(registry.datasets[key]).bare]
        return (bare or list(fitting))[0]
    return next(iter(fitting))


def _sampler(key: str, family: Family, space: Space, registry: Registry) -> tuple[Sampler | None, str]:
    installed = [m for m in family.methods if m in registry.samplers]
    key = key or (installed[0] if installed else family.key)
    if key == family.key:
        return None, key
    if key not in registry.samplers:
        offered, _ = offered_samplers(family, space, registry)
        raise ConfigError("sampler", "one of " + ", ".join(offered), key)
    return registry.samplers[key], key


def _rows(data: Data, space: Space) -> int:
    """How many rows a start can be made of: none where states are nothing that the data could be, or be half of."""
    return len(data.x) if starts.fits(data.space, space) else 0


def _providers(keys: list[str], registry: Registry) -> tuple[tuple[str, str, str], ...]:
    found = {k: registry.providers[k] for k in keys if k in registry.providers}
    return tuple((k, p.name, p.version) for k, p in sorted(found.items()))


def _whole(name: str, value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
        raise ConfigError(name, f"a whole number from {low} to {high}", value)
    return int(value)
