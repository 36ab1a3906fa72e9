"""A run spec as an address, and back. Reading never fails: what cannot be used is named, with what was used instead.

``/FAMILY?data=…&preset=…&sampler=…&seed=…&stop=TRAIN,SAMPLE&start=…&start.NAME=…&train.NAME=…&sample.NAME=…&v=…``
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from ebm_plugins import classroom
from ebm_plugins.link_reader import Mended, Reader, short
from ebm_plugins.link_values import base_specs, values_of
from ebm_plugins.plans import Plan, plan
from ebm_plugins.records import ConfigError, PluginError
from ebm_plugins.registry import Registry
from ebm_plugins.specs import RunSpec

RESERVED = ("family", "data", "preset", "sampler", "seed", "start", "stop", "v", *classroom.WORDS)
Query = Mapping[str, "str | list[str]"]


def parse(link: str | Query, registry: Registry, family: str | None = None) -> tuple[RunSpec, list[Mended]]:
    """The resolved spec that a link asks for, and a list of what in it could not be used.

    ``link`` is an address (``…/hopfield?seed=3``), or its query as a mapping when ``family`` is known. Raises
    ConfigError only when the address names no installed family.
    """
    pairs, named = _pairs(link)
    found = registry.families.get(family or named)
    if found is None:
        raise ConfigError(
            "family", "one of " + ", ".join(registry.families), short(family or named) or "none"
        )
    pairs = [
        (k, v) for k, v in pairs if k.strip().lower() not in classroom.WORDS
    ]  # they are no part of the run
    reader = Reader(found, registry, pairs)
    return reader.read(), reader.mended


def write(spec: RunSpec, registry: Registry, *, full: bool = False, stamp: str = "") -> str:
    """The address of a spec, ``/FAMILY?…``. Defaults are left out, unless ``full``: then every value stands in it,
    with the version and the spec digest (and what else a ``stamp`` says), so that no later default changes it."""
    made = plan(spec, registry)
    values = values_of(made.spec, registry)
    if full:
        from ebm_plugins import __version__

        values["v"] = "_".join(p for p in (__version__, made.spec_digest[:16], stamp) if p)
        return _address(spec.family, values)
    candidates = list(_shorter(values, made, registry))
    # The usual one copy of each goes without saying, unless the preset has more.
    candidates += [
        {k: v for k, v in c.items() if k != "start.copies"}
        for c in candidates
        if c.get("start.copies") == "1"
    ]
    for parameters in sorted(candidates, key=len):
        address = _address(spec.family, parameters)
        if parse(address, registry) == (made.spec, []):
            return address
    return _address(spec.family, values)


def _shorter(values: dict[str, str], made: Plan, registry: Registry) -> Iterator[dict[str, str]]:
    """The parameters that differ from each preset's: candidates, to be read back before they are believed."""
    default = next(iter(base_specs(made.family)))
    for name, base in base_specs(made.family).items():
        preset = {"preset": name} if name != default else {}
        for usual_spec in (base, replace(base, sampler=made.spec.sampler, sample={})):
            try:
                usual = values_of(plan(usual_spec, registry).spec, registry)
            except (ConfigError, PluginError):
                continue
            differing = {k: v for k, v in values.items() if usual.get(k) != v}
            emptied = {k: "" for k in usual if k in ("stop", "start.free") and k not in values}
            yield {**preset, **differing, **emptied}
            if base.sampler != made.spec.sampler:
                yield {**preset, **differing, **emptied, "sampler": made.spec.sampler}
            starting = {k: v for k, v in values.items() if k.startswith("start")}
            yield {**preset, **differing, **starting, **emptied, "sampler": made.spec.sampler}


def dataset_of(link: str) -> str:
    """The dataset's key as a link gives it, or an empty string."""
    return dict(reversed(_pairs(link)[0])).get("data", "").strip()


def preset_of(spec: RunSpec, registry: Registry) -> str:
    """The name of the preset that a spec is exactly, or an empty string."""
    made = plan(spec, registry)
    for name, base in made.family.presets.items():
        try:
            if plan(base, registry).spec == made.spec:
                return name
        except (ConfigError, PluginError):
            continue
    return ""


def _pairs(link: str | Query) -> tuple[list[tuple[str, str]], str]:
    if isinstance(link, str):
        try:
            parts = urlsplit(link)
        except ValueError:
            return [], ""
        path = parts.path.strip("/").split("/")[-1].lower()
        return parse_qsl(parts.query, keep_blank_values=True, max_num_fields=None), path
    pairs = [(k, v) for k, vs in link.items() for v in ([vs] if isinstance(vs, str) else vs)]
    return pairs, ""


def _address(family: str, values: Mapping[str, str]) -> str:
    query = urlencode(values, quote_via=quote, safe=",:_-")
    return f"/{family}" + (f"?{query}" if query else "")


__all__ = ["RESERVED", "Mended", "base_specs", "dataset_of", "parse", "preset_of", "short", "write"]
