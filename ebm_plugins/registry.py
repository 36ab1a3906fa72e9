"""Discover the plugins, guard every step, report what failed. :func:`load` builds a :class:`Registry`; there is
no global one.

Every plugin is assumed to be broken. Each of these places is guarded by itself, and what goes wrong there
becomes a :class:`~ebm_plugins.records.Failure` instead of an exception:

- ``import``: the plugin's module is imported.
- ``registration``: its hooks are compared with the three of ``hookspecs``. A bad signature, a misspelt hook or a
  taken name costs the whole plugin.
- ``collection``: its generators are run, one record at a time. What it yielded before an error is kept.
- ``admission``: each record is checked by itself (see ``admission``): right type, free key, usable fields.
- ``preset``: presets, lessons and example are resolved once all are in. A bad one is left out, its family stays.
- ``drawing``: a figure of the plugin is drawn (by the dashboard, which reports it in the same way).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from importlib import import_module, metadata
from types import MappingProxyType
from typing import Any

import numpy as np
import pluggy

from ebm_plugins import hookspecs
from ebm_plugins.admission import RECORDS, Refused, admit, check_lesson, check_preset
from ebm_plugins.records import Dataset, Failure, Family, Sampler, nothing

GROUP = hookspecs.PROJECT
STAGES = ("import", "registration", "collection", "admission", "preset", "drawing")
ALLOW_VARIABLE = "EBM_PLUGINS"
MAX_RECORDS = 1_000  # from one hook of one plugin; more is a generator that does not end

BUILTINS: tuple[str, ...] = (
    "ebm_plugins.datasets",
    "ebm_plugins.paired",
    "ebm_plugins.samplers.ula",
    "ebm_plugins.samplers.mala",
    "ebm_plugins.samplers.underdamped",
    "ebm_plugins.samplers.annealed_langevin",
    "ebm_plugins.samplers.hmc",
    "ebm_plugins.samplers.nuts",
    "ebm_plugins.samplers.metropolis",
    "ebm_plugins.samplers.bit_flip",
    "ebm_plugins.samplers.gibbs",
    "ebm_plugins.samplers.simulated_annealing",
    "ebm_plugins.samplers.parallel_tempering",
    "ebm_plugins.families.hopfield",
    "ebm_plugins.families.langevin",
    "ebm_plugins.families.rbm",
    "ebm_plugins.families.metropolis_hastings",
    "ebm_plugins.families.dsm",
    "ebm_plugins.families.infonce",
)


@dataclass(frozen=True)
class Provider:
    """Who brought a record: the distribution and its version, the module and the file that hold it."""

    name: str
    version: str
    module: str
    file: str = ""


@dataclass(frozen=True)
class Registry:
    """What was found, in order and read-only: built-ins first.

    ``families``, ``datasets`` and ``samplers`` map keys to records, ``providers`` maps keys to who brought them.
    Families and samplers share one name space and datasets have another: a dataset's provider is always under
    ``data:KEY``, and under ``KEY`` too unless a family or a sampler has that key. ``failures`` is what was left
    out, and why.
    """

    families: Mapping[str, Family] = field(default_factory=nothing)
    datasets: Mapping[str, Dataset] = field(default_factory=nothing)
    samplers: Mapping[str, Sampler] = field(default_factory=nothing)
    providers: Mapping[str, Provider] = field(default_factory=nothing)
    failures: tuple[Failure, ...] = ()

    def provider(self, record: Family | Dataset | Sampler) -> Provider:
        """Who brought this record. Raises KeyError for one that is not here."""
        return self.providers[f"data:{record.key}" if isinstance(record, Dataset) else record.key]


def load(
    allow: Iterable[str] | None = None, *, builtins: Sequence[str] | None = None, discover: bool = True
) -> Registry:
    """Find every plugin and return what they bring. Raises nothing that a plugin does, but KeyboardInterrupt.

    ``allow`` names the third-party plugins that may load, by entry point or by distribution (None: what the
    variable ``EBM_PLUGINS`` lists, separated by commas and empty for none; all of them where it is not set).
    ``builtins`` replaces :data:`BUILTINS`; ``discover=False`` leaves third parties out.
    """
    failures: list[Failure] = []
    sources = _builtins(BUILTINS if builtins is None else builtins)
    if discover:
        sources += _third_parties(_allowed(allow), failures)

    found: dict[str, dict[str, Any]] = {hook: {} for hook in RECORDS}
    models: dict[str, Provider] = {}  # of families and samplers, which share a name space
    data: dict[str, Provider] = {}
    owners: dict[str, str] = {}  # family key -> its plugin's name, for what is found out at the end
    names: dict[str, _Source] = {}
    for source in sources:
        plugin = _imported(source, failures)
        manager = None if plugin is None else _registered(source, plugin, names, failures)
        if manager is None:
            continue
        names[source.name] = source
        provider = source.provider()
        for hook, records in found.items():
            taken = data if RECORDS[hook] is Dataset else models
            for record in _collected(manager, source.name, hook, failures):
                with _guard(source.name, "admission", failures):
                    admit(record, hook, taken)
                    records[record.key], taken[record.key] = record, provider
                    if isinstance(record, Family):
                        owners[record.key] = source.name

    families, datasets, samplers = (found[hook] for hook in RECORDS)
    for key, family in families.items():
        families[key] = _with_known_methods(family, samplers, owners[key], failures)
    registry = Registry(
        families=MappingProxyType(families),
        datasets=MappingProxyType(datasets),
        samplers=MappingProxyType(samplers),
        providers=MappingProxyType({**data, **{f"data:{k}": p for k, p in data.items()}, **models}),
    )
    checked = {k: _with_good_presets(f, registry, owners[k], failures) for k, f in families.items()}
    return replace(registry, families=MappingProxyType(checked), failures=tuple(failures))


@dataclass(frozen=True)
class _Source:
    """A plugin before it is imported: its name, who ships it, and how to get hold of the object."""

    name: str
    distribution: str
    version: str
    module: str
    fetch: Callable[[], Any]

    @property
    def shipped(self) -> str:
        return f"{self.distribution} {self.version}"

    def provider(self) -> Provider:
        module = sys.modules.get(self.module)
        file = getattr(module, "__file__", None) or ""
        return Provider(self.distribution, self.version, self.module, file)


@contextmanager
def _guard(plugin: str, stage: str, failures: list[Failure]) -> Iterator[None]:
    """Turn whatever the block raises into a Failure, and undo any change it made to NumPy's error handling."""
    try:
        with np.errstate():
            yield
    except KeyboardInterrupt:
        raise
    except Refused as error:
        failures.append(Failure.of(plugin, stage, error, str(error)))
    except BaseException as error:
        failures.append(Failure.of(plugin, stage, error))


def _builtins(modules: Iterable[str]) -> list[_Source]:
    from ebm_plugins import __version__

    def source(name: str) -> _Source:
        return _Source(name, "ebm-plugins", __version__, name, lambda: import_module(name))

    return [source(name) for name in modules]


def _allowed(allow: Iterable[str] | None) -> frozenset[str] | None:
    """The normalised names that may load, or None for all."""
    if allow is None:
        listed = os.environ.get(ALLOW_VARIABLE)
        if listed is None:
            return None
        allow = listed.split(",")
    elif isinstance(allow, str):
        raise TypeError(f"allow: expected several names, like ({allow!r},), got the text {allow!r}")
    return frozenset(_normal(name) for name in allow if name.strip())


def _normal(name: str) -> str:
    """A name as package indexes compare them (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _third_parties(allowed: frozenset[str] | None, failures: list[Failure]) -> list[_Source]:
    """The installed entry points of our group, sorted by name, one distribution read at a time.

    A distribution that is found twice on the path counts once, as it does for an import.
    """
    sources: list[_Source] = []
    seen: set[str] = set()
    matched: set[str] = set()
    for distribution in metadata.distributions():
        with _guard(str(getattr(distribution, "_path", "a distribution")), "import", failures):
            entries = [entry for entry in distribution.entry_points if entry.group == GROUP]
            if not entries:
                continue
            name = distribution.metadata["Name"] or "?"
            if _normal(name) in seen:
                continue
            seen.add(_normal(name))
            for entry in entries:
                names = {_normal(entry.name), _normal(name)}
                if allowed is None or names & allowed:
                    matched |= names
                    sources.append(_Source(entry.name, name, distribution.version, entry.module, entry.load))
    for missing in sorted((allowed or frozenset()) - matched):
        message = f"It is on the allow-list ({ALLOW_VARIABLE}), and no installed package brings it."
        failures.append(Failure(missing, "import", message))
    return sorted(sources, key=lambda source: (source.name, _normal(source.distribution)))


def _imported(source: _Source, failures: list[Failure]) -> Any:
    """The plugin's object, or None."""
    with _guard(source.name, "import", failures):
        try:
            plugin = source.fetch()
        except ModuleNotFoundError as error:
            if error.name and (source.module + ".").startswith(error.name + "."):
                raise Refused(f"Its module ‘{source.module}’ cannot be found.") from error
            raise Refused(f"It needs the module ‘{error.name}’, which is not installed.") from error
        except SystemExit as error:
            raise Refused(
                f"It asked the whole program to exit (code {error.code}) while being imported."
            ) from error
        if plugin is None:
            raise Refused("Its entry point is None, where a module was expected.")
        return plugin
    return None


def _registered(
    source: _Source, plugin: Any, names: Mapping[str, _Source], failures: list[Failure]
) -> pluggy.PluginManager | None:
    """A manager of this plugin alone, or None.

    One manager a plugin: pluggy's own drops every plugin's answer when one raises, keeps what failed validation
    half registered, and compares plugins with ``==``.
    """
    with _guard(source.name, "registration", failures):
        if source.name in names:
            other = names[source.name]
            raise Refused(
                f"The plugin name ‘{source.name}’ is already taken by {other.shipped} ({other.module}); "
                f"{source.shipped} has to choose another entry-point name."
            )
        manager = pluggy.PluginManager(GROUP)
        manager.add_hookspecs(hookspecs)
        try:
            manager.register(plugin, source.name)
        except pluggy.PluginValidationError as error:
            raise Refused(f"A hook has the wrong signature: {' '.join(str(error).split())}.") from error
        _check_hooks(manager, plugin)
        return manager
    return None


def _check_hooks(manager: pluggy.PluginManager, plugin: Any) -> None:
    """Raise Refused when the plugin implements a hook that does not exist, or none at all."""
    hooks = " and ".join((", ".join(list(RECORDS)[:-1]), list(RECORDS)[-1]))
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        callers = manager.get_hookcallers(plugin) or []
        unknown = next(caller.name for caller in callers if not caller.has_spec())
        near = get_close_matches(unknown, list(RECORDS), n=1)
        advice = f"did you mean ‘{near[0]}’?" if near else f"the hooks are {hooks}."
        raise Refused(f"There is no hook ‘{unknown}’; {advice}") from error
    if not manager.get_hookcallers(plugin):
        unmarked = [name for name in RECORDS if callable(getattr(plugin, name, None))]
        advice = f"; ‘{unmarked[0]}’ lacks its @hookimpl mark" if unmarked else ""
        raise Refused(f"It implements none of the hooks {hooks}{advice}.")


def _collected(manager: pluggy.PluginManager, name: str, hook: str, failures: list[Failure]) -> list[Any]:
    """What the plugin yields from this hook, up to the first error."""
    records: list[Any] = []
    with _guard(name, "collection", failures):
        try:
            for answer in getattr(manager.hook, hook)():
                if isinstance(answer, tuple(RECORDS.values())):
                    raise Refused(f"{hook} returned one {type(answer).__name__}; yield it instead.")
                for record in answer:
                    records.append(record)
                    if len(records) >= MAX_RECORDS:
                        raise Refused(f"{hook} yielded {MAX_RECORDS} records and did not end.")
        except (KeyboardInterrupt, Refused):
            raise
        except BaseException as error:
            raise Refused(
                f"{hook} raised {type(error).__name__}: {error} (records before the error, which stay: {len(records)})."
            ) from error
    return records


def _with_known_methods(
    family: Family, samplers: Mapping[str, Sampler], plugin: str, failures: list[Failure]
) -> Family:
    """The family without the methods that no plugin registers."""
    missing = [method for method in family.methods if method not in samplers]
    for method in missing:
        message = f"The family ‘{family.key}’ lists ‘{method}’ among its methods, and no plugin registers it."
        failures.append(Failure(plugin, "admission", message))
    return (
        replace(family, methods=tuple(m for m in family.methods if m not in missing)) if missing else family
    )


def _with_good_presets(family: Family, registry: Registry, plugin: str, failures: list[Failure]) -> Family:
    """The family without the presets, the lessons and the example that do not resolve."""
    good = {}
    for name, spec in family.presets.items():
        with _guard(plugin, "preset", failures):
            check_preset(f"preset ‘{name}’", spec, family, registry)
            good[name] = spec
    example = None
    if family.example is not None:
        with _guard(plugin, "preset", failures):
            check_preset("example", family.example, family, registry)
            example = family.example
    lessons = []
    for lesson in family.lessons:
        with _guard(plugin, "preset", failures):
            check_lesson(lesson, family, registry)
            lessons.append(lesson)
    return replace(family, presets=MappingProxyType(good), example=example, lessons=tuple(lessons))
