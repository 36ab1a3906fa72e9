"""The same energy, the same start, the same budget: which samplers compete on what, and the query that says so.

``energy=FAMILY?preset=NAME`` (any address of a family's page will do: what it trains, its temperature, its start and
its sampler's settings count), ``samplers=KEY,KEY``, ``budget``, ``n``, ``start``, ``seed`` and ``KEY.FIELD`` for a sampler's own
settings. Reading never fails: what cannot be used is named, with what is used instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ebm_plugins import link, starts
from ebm_plugins.config import Config, Knob, build, knob, knobs
from ebm_plugins.exact import MOST_CELLS
from ebm_plugins.link_reader import MAX_PARAMETERS, Mended, short, short_reason
from ebm_plugins.link_values import base_specs
from ebm_plugins.plans import MAX_SEED, Plan, offered_samplers, plan
from ebm_plugins.records import ConfigError, Family, PluginError, exactness_of
from ebm_plugins.registry import Registry
from ebm_plugins.runs import rng_of
from ebm_plugins.spaces import Plane, Space
from ebm_plugins.specs import RunSpec

MOST, USUAL = 6, 4  # samplers that compete: as many as there are colours, and how many do at first
_QUOTED = str.maketrans({c: f"%{ord(c):02X}" for c in "%&#+;"})  # what a query would read otherwise
HOST = ("steps", "every", "temperature")  # of a sampler's settings, what the contest decides


class Terms(Config):
    """What is the same for all who compete."""

    budget: int = knob(
        60_000,
        "Evaluations that each sampler may make: every state whose energy or gradient it asks for counts one.",
        ge=1_000,
        le=3_000_000,
        log=True,
        title="Budget",
        unit="evaluations",
    )
    n: int = knob(
        300,
        "Chains of each sampler: the more, the fewer steps each can afford.",
        ge=50,
        le=1000,
        title="Chains",
    )
    start: Literal["one_place", "preset"] = knob(
        "one_place",
        "One place: every chain begins in the same state, and has to find the rest from there. Preset: as on the "
        "energy's own page.",
    )
    seed: int = knob(
        0, "The same seed gives the same start and the same draws.", ge=0, le=MAX_SEED, title="Seed"
    )


@dataclass(frozen=True, kw_only=True)
class Contest:
    """Who competes on what. ``energy`` names it as a link does, ``base`` is the spec that it stands for;
    ``settings`` maps samplers to the settings that were changed."""

    energy: str
    base: RunSpec
    samplers: tuple[str, ...]
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    budget: int = 60_000
    n: int = 300
    start: str = "one_place"
    seed: int = 0


def energies(registry: Registry) -> dict[str, tuple[Family, str, RunSpec]]:
    """What can be competed on, by the name that a link gives it: each preset whose states are in the plane or in few
    enough cells to list them all, with at least one sampler that fits. Families in their order."""
    found = {}
    for family in registry.families.values():
        for name, spec in base_specs(family).items():
            text = family.key + (f"?preset={name.translate(_QUOTED)}" if name else "")
            if not _unfit(spec, registry):
                found[text] = (family, name, spec)
    return found


def candidates(base: RunSpec, registry: Registry) -> tuple[dict[str, str], dict[str, str]]:
    """``(fitting, refused)`` for an energy: key → title of the samplers that can compete, key → reason of the rest."""
    made = plan(base, registry)
    offered, refused = offered_samplers(made.family, made.space, registry, made.train_config)
    fitting = {}
    for key, title in offered.items():
        sampler = registry.samplers.get(key)
        if sampler is None:
            refused[key] = "what the family's own method evaluates cannot be counted"
        elif _exactness(sampler) == "descent":
            refused[key] = "it looks for low energy and does not sample"
        elif made.temperature != 1.0 and not _takes(sampler, "temperature", made.temperature):
            refused[key] = f"it cannot sample at temperature {made.temperature:g}"
        else:
            fitting[key] = title
    return fitting, refused


def usual(base: RunSpec, registry: Registry) -> tuple[str, ...]:
    """Who competes at first: the energy's own sampler, then unbiased ones, with and without a gradient in turn."""
    fitting, _ = candidates(base, registry)
    own = plan(base, registry).spec.sampler
    first = [own] if own in fitting else []
    unbiased = [k for k in fitting if _exactness(registry.samplers[k]) in ("exact", "asymptotic")]
    turns: list[list[str]] = [
        [k for k in unbiased if registry.samplers[k].needs_gradient is needs and k not in first]
        for needs in (True, False)
    ]
    order = [keys.pop(0) for _ in range(len(fitting)) for keys in turns if keys]
    chosen = [*first, *order, *(k for k in fitting if k not in order and k not in first)][:USUAL]
    return tuple(k for k in fitting if k in chosen)


def default(registry: Registry) -> Contest | None:
    """The first family on the plane in its first preset, or else the first energy there is; None without any."""
    found = energies(registry)
    on_the_plane = [t for t, (_, _, spec) in found.items() if isinstance(_space(spec, registry), Plane)]
    for text in (*on_the_plane, *found):
        return on(text, found[text][2], registry)
    return None


def on(energy: str, base: RunSpec, registry: Registry, terms: Contest | None = None) -> Contest:
    """The contest on another energy, with the terms of ``terms`` and as many of its samplers as fit there."""
    if terms is None:
        return Contest(energy=energy, base=base, samplers=usual(base, registry), seed=base.seed)
    fitting, _ = candidates(base, registry)
    kept = tuple(k for k in terms.samplers if k in fitting)
    samplers = kept if len(kept) > 1 else usual(base, registry)
    settings = {k: v for k, v in terms.settings.items() if k in samplers}
    return replace(terms, energy=energy, base=base, samplers=samplers, settings=settings)


def spec_of(contest: Contest, key: str, registry: Registry) -> RunSpec:
    """The run of one who competes: the same energy and start, its own settings. Its length is for the budget to say."""
    made = plan(contest.base, registry)
    sampler = registry.samplers[key]
    sample = dict(made.spec.sample) if made.spec.sampler == key else {}
    sample = {k: v for k, v in sample.items() if k not in HOST} | dict(contest.settings.get(key, {}))
    if _takes(sampler, "temperature", made.temperature):
        sample["temperature"] = made.temperature
    start = _start(contest, made)
    return replace(
        made.spec, sampler=key, sample=sample, start=start, seed=contest.seed, train_stop=made.spec.train_stop, sample_stop=None
    )  # fmt: skip


def settings_of(key: str, registry: Registry) -> tuple[Knob, ...]:
    """The settings of a sampler that are its own to choose."""
    return tuple(k for k in knobs(registry.samplers[key].config) if k.name not in HOST)


def write(contest: Contest, registry: Registry) -> dict[str, str]:
    """The contest as the parameters of a query; what is as it would be anyway is left out."""
    first = default(registry)
    values = {} if first is not None and first.energy == contest.energy else {"energy": contest.energy}
    plain = on(contest.energy, contest.base, registry)
    if contest.samplers != plain.samplers:
        values["samplers"] = ",".join(contest.samplers)
    for one in knobs(Terms):
        value = getattr(contest, one.name)
        if value != getattr(plain, one.name):
            values[one.name] = one.encode(value)
    for key in contest.samplers:
        usual_values = spec_of(plain, key, registry).sample
        model = registry.samplers[key].config
        for one in settings_of(key, registry):
            value = contest.settings.get(key, {}).get(one.name)
            if value is not None and value != usual_values.get(
                one.name, model.model_fields[one.name].default
            ):
                values[f"{key}.{one.name}"] = one.encode(value)
    return values


def parse(query: link.Query, registry: Registry) -> tuple[Contest | None, list[Mended]]:
    """The contest that a query asks for, and what in it could not be used. None where there is nothing to compete on."""
    reader = _Reader(query)
    contest = default(registry)
    if contest is None:
        return None, reader.mended
    return reader.read(contest, registry), reader.mended


class _Reader:
    """Reads the parameters of one query, and notes what it could not use."""

    def __init__(self, query: link.Query) -> None:
        self.mended: list[Mended] = []
        self.given: dict[str, str] = {}
        pairs = [(k, v) for k, vs in query.items() for v in ([vs] if isinstance(vs, str) else vs)]
        if len(pairs) > MAX_PARAMETERS:
            self.note(
                "", f"{len(pairs)} parameters", f"a link has at most {MAX_PARAMETERS}", "the first ones"
            )
        for name, value in pairs[:MAX_PARAMETERS]:
            name = name.strip().lower()
            if name in self.given:
                self.note(name, value, "it is given more than once", f"the first, {short(self.given[name])}")
            else:
                self.given[name] = value

    def note(self, parameter: str, given: object, reason: str, used: object) -> None:
        self.mended.append(Mended(short(parameter), short(given), short_reason(reason), short(used)))

    def read(self, contest: Contest, registry: Registry) -> Contest:
        contest = self._energy(contest, registry)
        contest = self._samplers(contest, registry)
        for one in knobs(Terms):
            contest = self._term(contest, one)
        for key in contest.samplers:
            contest = self._settings(contest, key, registry)
        for name, value in self.given.items():
            key = name.partition(".")[0]
            known = key in registry.samplers and key not in contest.samplers
            self.note(
                name, value, "this sampler does not compete" if known else "no such parameter here", "nothing"
            )
        return contest

    def _energy(self, contest: Contest, registry: Registry) -> Contest:
        text = self.given.pop("energy", None)
        if text is None:
            return contest
        offered = energies(registry)
        named = {key.lower(): key for key in offered}
        if (key := named.get(text.strip().strip("/").lower())) is not None:
            return on(key, offered[key][2], registry)
        try:
            base, mended = link.parse(text, registry)
        except (ConfigError, PluginError) as error:
            expected = error.expected if isinstance(error, ConfigError) else str(error)
            self.note("energy", text, f"expected {expected}", contest.energy)
            return contest
        reason = _unfit(base, registry)
        if reason:
            self.note("energy", text, reason, contest.energy)
            return contest
        for one in mended:
            self.note(f"energy: {one.parameter}", one.given, one.reason, one.used)
        return on(link.write(base, registry).strip("/"), base, registry)

    def _samplers(self, contest: Contest, registry: Registry) -> Contest:
        text = self.given.pop("samplers", None)
        if text is None:
            return contest
        fitting, refused = candidates(contest.base, registry)
        chosen: list[str] = []
        for name in (part.strip() for part in text.split(",")[:MAX_PARAMETERS]):
            key = name.lower()
            if key in fitting and key not in chosen and len(chosen) < MOST:
                chosen.append(key)
            elif key in fitting and key not in chosen:
                self.note("samplers", name, f"at most {MOST} samplers compete", "nothing")
            elif name and key not in chosen:
                reason = refused.get(key, "expected some of " + ", ".join(fitting))
                self.note("samplers", name, reason, "nothing")
        if not chosen:
            if not text.strip(" ,"):
                self.note(
                    "samplers", text, "expected some of " + ", ".join(fitting), ",".join(contest.samplers)
                )
            return contest
        return replace(contest, samplers=tuple(k for k in fitting if k in chosen))

    def _term(self, contest: Contest, one: Knob) -> Contest:
        text = self.given.pop(one.name, None)
        if text is None:
            return contest
        value: dict[str, Any] = {}
        try:
            value = {one.name: one.decode(text)}
        except ValueError as error:
            self.note(one.name, text, f"expected {error}", getattr(contest, one.name))
        return replace(contest, **value)

    def _settings(self, contest: Contest, key: str, registry: Registry) -> Contest:
        before = spec_of(contest, key, registry).sample
        model, found = registry.samplers[key].config, {}
        for one in settings_of(key, registry):
            text = self.given.pop(f"{key}.{one.name.lower()}", None)
            if text is None:
                continue
            used = before.get(one.name, one.default)
            try:
                found[one.name] = one.decode(text)
                build(model, {**before, **found})
            except (ValueError, ConfigError) as error:
                found.pop(one.name, None)
                expected = error.expected if isinstance(error, ConfigError) else str(error)
                self.note(f"{key}.{one.name}", text, f"expected {expected}", one.encode(used))
        return replace(contest, settings={**contest.settings, key: found}) if found else contest


def _unfit(spec: RunSpec, registry: Registry) -> str:
    """Why nothing can compete on a spec's energy; empty where something can."""
    try:
        space = _space(spec, registry)
        if not isinstance(space, Plane) and not space.discrete:
            return "its states are neither in the plane nor on a grid"
        free = space.dim if spec.start is None or not spec.start.free else sum(spec.start.free)
        if space.discrete and free > MOST_CELLS:
            return f"its {free} free cells have too many states to list, so there is no exact answer"
        if not candidates(spec, registry)[0]:
            return "no sampler fits it"
    except (ConfigError, PluginError) as error:
        return str(error)
    return ""


def _space(spec: RunSpec, registry: Registry) -> Space:
    family = registry.families[spec.family]
    data = registry.datasets.get(spec.dataset)
    return family.states(data.space) if data is not None else plan(spec, registry).space


def _exactness(sampler: Any) -> str:
    return exactness_of(sampler, sampler.config())


def _takes(sampler: Any, name: str, value: float) -> bool:
    return any(k.name == name and _inside(k, value) for k in knobs(sampler.config))


def _inside(one: Knob, value: float) -> bool:
    return (one.ge is None or value >= one.ge) and (one.le is None or value <= one.le)


def _start(contest: Contest, made: Plan) -> starts.Start:
    """Where about n chains begin: as many copies of the energy's own start, or of the first state of it."""
    own = made.spec.start or starts.Noise()
    if contest.start == "one_place":
        first = replace(own, n=1) if isinstance(own, starts.Noise) else own
        rng = rng_of(replace(made.spec, seed=contest.seed), "start")
        state = starts.draw(first, made.data, made.space, rng)[:1]
        return starts.Drawn(states=starts.pack(state, made.space), copies=contest.n, free=own.free)
    if isinstance(own, starts.Noise):
        return replace(own, n=contest.n)
    rows = len(starts.unpack(own.states, made.space)) if isinstance(own, starts.Drawn) else len(own.rows)
    return replace(own, copies=max(1, round(contest.n / max(1, rows))))


def rivals(contest: Contest, registry: Registry) -> Iterator[tuple[str, RunSpec]]:
    """Each who competes, with the spec of its run."""
    for key in contest.samplers:
        yield key, spec_of(contest, key, registry)


__all__ = [
    "Contest", "Terms", "candidates", "default", "energies", "on", "parse", "rivals", "settings_of", "spec_of", "usual",
    "write",
]  # fmt: skip
