"""From runs, jobs and the registry to the answers of the JSON routes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from dashboard.api_schema import (
    RUNS,
    Catalogue,
    DatasetOffer,
    Done,
    Ended,
    FamilyOffer,
    Mended,
    Preset,
    Problem,
    Provider,
    SamplerOffer,
    Truth,
    Verdict,
    Waiting,
)
from dashboard.job import FAILED, LEFT, QUEUED, REFUSED
from ebm_plugins import ConfigError, PluginError, __version__, link, numbers
from ebm_plugins.plans import offered_datasets, offered_samplers, plan
from ebm_plugins.records import Family, Run
from ebm_plugins.registry import Registry
from ebm_plugins.runs import result_digest, spec_digest
from ebm_plugins.stamps import environment_of, stamp

if TYPE_CHECKING:
    from dashboard.job import Job

_PATH = re.compile(r"(?<![\w:/.])(?:[A-Za-z]:\\|~?/)[^\s'\"<>|:,;()]*[/\\][^\s'\"<>|:,;()]*")
LONGEST = 400


def problem(error: ConfigError) -> Problem:
    """What a ConfigError says."""
    return Problem(
        field=link.short(error.field),
        expected=cut(str(error.expected)),
        got=link.short(error.got) or "nothing",
    )


def mended(notes: Iterable[link.Mended]) -> list[Mended]:
    """What of a link could not be used."""
    return [Mended(**asdict(note)) for note in notes]


def tidy(text: str) -> str:
    """A message from a run, without line breaks and without paths of this machine."""
    return cut(_PATH.sub("…", " ".join(text.split())))


def cut(text: str) -> str:
    """A text of a readable length."""
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def said(error: BaseException | None) -> str:
    """What an error says, or at least what it is."""
    return str(error).strip() or type(error).__name__ if error is not None else "It ended early."


def unfinished(job: Job, registry: Registry, notes: Iterable[link.Mended] = ()) -> Waiting | Ended:
    """What there is to say of a job without a run."""
    base: dict[str, Any] = {
        "digest": job.key, "status": f"{RUNS}/{job.key}", "page": _page(job, registry), "mended": mended(notes),
    }  # fmt: skip
    if not job.over:
        queued = job.state == QUEUED
        return Waiting(
            **base,
            state="queued" if queued else "running",
            place=job.place if queued else None,
            phase="" if queued else job.phase,
            step=job.step,
            total=job.total,
            seconds_left=job.left,
        )
    if job.state == LEFT:
        text = "Nobody asked after it any more, so it was ended. Ask for it by its link to begin it again."
        return Ended(**base, state="left", message=text)
    state = "refused" if job.state == REFUSED else "failed" if job.state == FAILED else "killed"
    return Ended.model_validate({**base, "state": state, "message": tidy(said(job.error))})


def done(run: Run, registry: Registry, notes: Iterable[link.Mended] = ()) -> Done:
    """The summary of a finished run."""
    digest, mark = spec_digest(run.spec, registry), stamp(run)
    page = link.write(run.spec, registry, full=True, stamp=mark)
    verdict = run.verdict
    found: dict[str, Any] = {k: _plain(v) for k, v in asdict(numbers.of(run)).items()}
    return Done(
        state="done",
        digest=digest,
        status=f"{RUNS}/{digest}",
        page=page,
        npz=f"{RUNS}/{digest}.npz",
        mended=mended(notes),
        spec=run.spec.as_dict(),
        result_digest=result_digest(run),
        environment=environment_of(run),
        stamp="_".join(p for p in (__version__, digest[:16], mark) if p),
        space=run.space.describe(),
        states=list(np.shape(run.sampling.last)),
        params={str(k): list(np.shape(v)) for k, v in run.params.items()},
        exactness=run.exactness,
        train_steps=run.training.count,
        sample_steps=max(0, len(run.sampling.energies) - 1),
        train_metrics=_ends(run.training.metrics),
        sample_metrics=_ends(run.sampling.metrics),
        truth=Truth(**found),
        verdict=verdict and Verdict.model_validate(asdict(verdict)),
        notes=[tidy(note) for note in run.notes],
    )


def _page(job: Job, registry: Registry) -> str:
    try:
        return link.write(job.spec, registry) if job.spec is not None else ""
    except (ConfigError, PluginError):
        return ""


def _ends(metrics: Mapping[str, Any]) -> dict[str, float | None]:
    ends = {str(k): np.asarray(v, dtype=float).ravel() for k, v in metrics.items()}
    return {k: _plain(v[-1]) for k, v in ends.items() if len(v)}


def _plain(value: Any) -> Any:
    """A number as JSON has it."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


_catalogues: dict[int, tuple[Registry, Catalogue]] = {}


def catalogue(registry: Registry) -> Catalogue:
    """What is installed. (Put together once a registry: what it lists does not change.)"""
    known = _catalogues.get(id(registry))
    if known is None or known[0] is not registry:
        _catalogues.clear()
        known = _catalogues[id(registry)] = (registry, _catalogue(registry))
    return known[1]


def _catalogue(registry: Registry) -> Catalogue:
    return Catalogue(
        version=__version__,
        families=[_family(family, registry) for family in registry.families.values()],
        samplers=[
            SamplerOffer(
                key=sampler.key,
                title=sampler.title,
                summary=sampler.summary,
                spaces=[kind.__name__ for kind in sampler.accepts],
                provider=_provider(sampler, registry),
                sample=_settings(sampler.config),
            )
            for sampler in registry.samplers.values()
        ],
        datasets=[
            DatasetOffer(
                key=dataset.key,
                title=dataset.title,
                summary=dataset.summary,
                space=dataset.space.describe(),
                provider=_provider(dataset, registry),
            )
            for dataset in registry.datasets.values()
        ],
    )


def _family(family: Family, registry: Registry) -> FamilyOffer:
    samplers, datasets = _offers(family, registry)
    return FamilyOffer(
        key=family.key,
        title=family.title,
        summary=family.summary,
        section=family.section,
        spaces=[kind.__name__ for kind in family.accepts],
        provider=_provider(family, registry),
        train=_settings(family.train_config),
        sample=_settings(family.sample_config),
        presets=_presets(family, registry),
        samplers=samplers,
        datasets=datasets,
    )


def _offers(family: Family, registry: Registry) -> tuple[list[str], list[str]]:
    """Keys of the samplers and datasets that the page begins with; what its own plugin breaks costs it these only."""
    try:
        made = plan(next(iter(link.base_specs(family).values())), registry)
        samplers, _ = offered_samplers(family, made.space, registry, made.train_config)
        return list(samplers), list(offered_datasets(family, registry, made.train_config))
    except Exception:
        return [], []


def _presets(family: Family, registry: Registry) -> list[Preset]:
    found = []
    for name, spec in family.presets.items():
        try:
            page = link.write(spec, registry)
        except (ConfigError, PluginError):
            continue
        found.append(Preset(name=name, page=page, run=f"{RUNS}?link={quote(page, safe='')}"))
    return found


def _provider(record: Any, registry: Registry) -> Provider:
    found = registry.provider(record)
    return Provider(name=found.name, version=found.version)


def _settings(model: Any) -> dict[str, Any]:
    """The JSON schema of a config. (A plugin's model may have fields that JSON schema cannot say.)"""
    try:
        schema: dict[str, Any] = model.model_json_schema()
    except Exception:
        return {"type": "object"}
    return schema


__all__ = ["catalogue", "done", "mended", "problem", "said", "tidy", "unfinished"]
