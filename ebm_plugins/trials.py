"""The same data, the same budget: which families learn from them, which samplers then run, and the query that says so.

``data=DATASET``, ``families=KEY,KEY`` and ``methods=KEY,KEY`` (samplers; without any, each family's own). Every other
parameter is the contest's (:mod:`ebm_plugins.contests`), whose budget, chains and seed hold here too. Reading never fails:
what cannot be used is named, with what is used instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ebm_plugins import contests, link, starts
from ebm_plugins.link_reader import MAX_PARAMETERS, Mended, short, short_reason
from ebm_plugins.link_values import base_specs
from ebm_plugins.plans import Plan, load_data, plan
from ebm_plugins.records import ConfigError, Family, PluginError
from ebm_plugins.registry import Registry
from ebm_plugins.spaces import Plane
from ebm_plugins.specs import RunSpec

WORDS = ("data", "families", "methods")
MOST, USUAL = 6, 3  # rows at once; families at first


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Who learns from what, and how it is sampled; no ``methods`` is each family's own."""

    data: str
    families: tuple[str, ...]
    methods: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """One row: a family and a sampler, with the spec of the run; or the reason why there is none. ``counted`` says
    that the sampler's evaluations can be counted, so that the budget holds for it."""

    family: str
    sampler: str
    spec: RunSpec | None = None
    counted: bool = True
    reason: str = ""


def base(family: Family, dataset: str, registry: Registry) -> Plan | None:
    """How a family learns from these data: as its first preset on them does, else by its defaults, else as some preset
    on other data. None where it does not."""
    presets = list(base_specs(family).values())
    own = [s for s in presets if s.dataset == dataset]
    plainly = RunSpec(family=family.key, dataset=dataset)
    for spec in (*own, plainly, *(s for s in presets if s.dataset != dataset)):
        try:
            made = plan(
                RunSpec(family=family.key, dataset=dataset, train=spec.train, train_stop=spec.train_stop),
                registry,
            )
        except (ConfigError, PluginError):
            continue
        if family.needs_data(made.train_config) and not made.data.bare:
            return made
    return None


def learners(dataset: str, registry: Registry) -> dict[str, str]:
    """Key → title of the families that learn from these data, in their order."""
    space = registry.datasets[dataset].space
    return {
        family.key: family.title
        for family in registry.families.values()
        if isinstance(space, family.accepts) and base(family, dataset, registry) is not None
    }


def datasets(registry: Registry) -> dict[str, str]:
    """Key → title of the data that some family learns from; those with held-out rows first."""
    found: dict[str, tuple[bool, str]] = {}
    for key, dataset in registry.datasets.items():
        try:
            data = load_data(dataset)
        except PluginError:
            continue
        if not data.bare and learners(key, registry):
            found[key] = (data.test_x is None or not len(data.test_x), dataset.title)
    return {key: title for key, (_, title) in sorted(found.items(), key=lambda item: item[1][0])}


def default(registry: Registry) -> Trial | None:
    """The first data with held-out rows that most families have a preset on, in the plane where there are such, since
    every log Z is known there; None without any."""
    offered = datasets(registry)
    if not offered:
        return None
    held = [key for key in offered if load_data(registry.datasets[key]).test_x is not None] or list(offered)
    held = [key for key in held if isinstance(registry.datasets[key].space, Plane)] or held
    known = {
        key: sum(any(s.dataset == key for s in f.presets.values()) for f in registry.families.values())
        for key in held
    }
    return on(max(held, key=lambda key: known[key]), registry)


def on(data: str, registry: Registry) -> Trial:
    """The trial on these data: the first few families that learn from them, each with its own sampler."""
    return Trial(data=data, families=tuple(learners(data, registry))[:USUAL])


def methods_of(trial: Trial, registry: Registry) -> dict[str, str]:
    """Key → title of the samplers that fit at least one of the trial's families."""
    found: dict[str, str] = {}
    for key in trial.families:
        made = base(registry.families[key], trial.data, registry)
        if made is not None:
            found |= {k: t for k, t in contests.candidates(made.spec, registry)[0].items() if k not in found}
    return found


def entrants(trial: Trial, n: int, seed: int, registry: Registry) -> list[Entrant]:
    """The rows: each family with each sampler, at most :data:`MOST`."""
    rows = [row for key in trial.families for row in _rows(trial, key, n, seed, registry)]
    return rows[:MOST]


def _rows(trial: Trial, key: str, n: int, seed: int, registry: Registry) -> list[Entrant]:
    family = registry.families[key]
    made = base(family, trial.data, registry)
    assert made is not None
    fitting, refused = contests.candidates(made.spec, registry)

    def entrant(sampler: str) -> Entrant:
        if sampler in registry.samplers and sampler not in fitting:
            return Entrant(family=key, sampler=sampler, reason=refused.get(sampler, "it does not fit here"))
        spec = replace(made.spec, sampler=sampler, sample={}, start=starts.Noise(n=n), seed=seed)
        try:
            resolved = plan(spec, registry).spec
        except (ConfigError, PluginError) as error:
            return Entrant(family=key, sampler=sampler, reason=str(error))
        return Entrant(family=key, sampler=sampler, spec=resolved, counted=sampler in fitting)

    if trial.methods:
        return [entrant(sampler) for sampler in trial.methods]
    usual = contests.usual(made.spec, registry)
    named = next((s.sampler for s in base_specs(family).values() if s.dataset == trial.data), "")
    own = made.spec.sampler
    first = next((k for k in (named, own) if k in fitting), usual[0] if usual else own)
    return [entrant(first)]


def write(trial: Trial, registry: Registry) -> dict[str, str]:
    """The trial as parameters of a query; what is as it would be anyway is left out."""
    first = default(registry)
    values = {} if first is not None and first.data == trial.data else {"data": trial.data}
    if trial.families != on(trial.data, registry).families:
        values["families"] = ",".join(trial.families)
    if trial.methods:
        values["methods"] = ",".join(trial.methods)
    return values


def parse(query: link.Query, registry: Registry) -> tuple[Trial | None, link.Query, list[Mended]]:
    """The trial that a query asks for, what of the query is not its own, and what could not be used."""
    mended: list[Mended] = []

    def note(parameter: str, given: object, reason: str, used: object) -> None:
        mended.append(Mended(parameter, short(given), short_reason(reason), short(used)))

    given: dict[str, str] = {}
    rest: dict[str, str | list[str]] = {}
    for name, value in query.items():
        word = name.strip().lower()
        if word not in WORDS:
            rest[name] = value
            continue
        for text in [value] if isinstance(value, str) else value:
            if word in given:
                note(word, text, "it is given more than once", f"the first, {short(given[word])}")
            else:
                given[word] = text
    trial = default(registry)
    if trial is None:
        return None, rest, mended
    if text := given.get("data", ""):
        offered = datasets(registry)
        key = text.strip().lower()
        if key in offered:
            trial = on(key, registry)
        else:
            note("data", text, "expected one of " + ", ".join(offered), trial.data)
    if text := given.get("families", ""):
        fitting = learners(trial.data, registry)
        trial = replace(trial, families=_some("families", text, fitting, note) or trial.families)
    if text := given.get("methods", ""):
        trial = replace(trial, methods=_some("methods", text, methods_of(trial, registry), note))
    return trial, rest, mended


def _some(word: str, text: str, fitting: Mapping[str, str], note: Callable[..., None]) -> tuple[str, ...]:
    """Those of the names in ``text`` that fit, in the order of ``fitting``; each other one is noted."""
    names = [part.strip().lower() for part in text.split(",") if part.strip()]
    for name in dict.fromkeys(names[:MAX_PARAMETERS]):
        if name not in fitting:
            note(word, name, "expected some of " + ", ".join(fitting), "nothing")
    chosen = [key for key in fitting if key in names]
    if not names:
        note(word, text, "expected some of " + ", ".join(fitting), "the usual ones")
    for name in chosen[MOST:]:
        note(word, name, f"at most {MOST} compete", "nothing")
    return tuple(chosen[:MOST])


__all__ = [
    "Entrant", "Trial", "base", "datasets", "default", "entrants", "learners", "methods_of", "on", "parse", "write",
]  # fmt: skip
