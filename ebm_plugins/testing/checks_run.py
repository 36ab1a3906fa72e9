"""Checks of whole runs: the example from its spec to its figures."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np

from ebm_plugins.config import knobs
from ebm_plugins.records import FAULTS, ConfigError
from ebm_plugins.runs import execute, result_digest, run
from ebm_plugins.testing.checks_training import global_state
from ebm_plugins.testing.kit import Finding, Skip, Wrong, check, require
from ebm_plugins.testing.subject import Subject
from ebm_plugins.testing.varied import LENGTHS, changed


@check("family", "sampler")
def run_reproducible(subject: Subject) -> Finding:
    """The example runs from its spec twice to the same result digest, without diverging."""
    first = subject.run
    again = run(first.spec, subject.registry)
    require(first.sampling.diverged is None, f"its example diverges at snapshot {first.sampling.diverged}")
    require(first.training.diverged is None, f"its training diverges at snapshot {first.training.diverged}")
    require(result_digest(first) == result_digest(again), "two runs of one spec differ")
    return Finding(result_digest(first)[:12])


@check("family")
def figures_draw(subject: Subject) -> Finding:
    """Every figure of the example's run is a Plotly figure that can be written as JSON, has a trace or a note, and is the
    same when drawn again; drawing edits nothing."""
    figures = subject.family.figures
    if not figures:
        raise Skip("it has no figures of its own")
    run = subject.run
    before = (result_digest(run), run.sampling.frames.tobytes())
    for title, draw in figures.items():
        texts = []
        for _ in range(2):
            try:
                figure = draw(run)
            except Exception as error:
                raise Wrong(f"‘{title}’ raised {type(error).__name__}: {error}") from error
            _figure(title, figure)
            texts.append(figure.to_json())
        require(texts[0] == texts[1], f"‘{title}’ is another figure when drawn again")
        content = json.loads(texts[0])
        shown = content["data"] or content["layout"].get("annotations")
        require(shown, f"‘{title}’ is empty")
        require(_visible(figure), f"‘{title}’ shows nothing: all of its coordinates are NaN")
    require(before == (result_digest(run), run.sampling.frames.tobytes()), "drawing edited the run")
    return Finding(f"{len(figures)} figures")


def _figure(title: str, figure: object) -> Any:
    """The figure, when it is one: a trace is not, though it can be written as JSON, too."""
    from plotly.basedatatypes import BaseFigure

    require(isinstance(figure, BaseFigure), f"‘{title}’ is a {type(figure).__name__}, not a Plotly figure")
    return figure


def _visible(figure: Any) -> bool:
    """Whether some trace has a coordinate that is a number, or has none that could be (a table, a picture)."""
    blank = []
    for trace in figure.data:
        axes = [
            np.asarray(trace[name]) for name in ("x", "y", "z") if name in trace and trace[name] is not None
        ]
        axes = [axis for axis in axes if axis.dtype.kind == "f" and axis.size]
        blank.append(any(np.isnan(axis).all() for axis in axes))
    return not (blank and all(blank))


@check("family")
def studies_draw(subject: Subject) -> Finding:
    """Each study, as short as its config's ``epochs`` and ``steps`` allow, yields a Plotly figure first, with something in
    it, and can be stopped there; it draws from its rng alone."""
    studies = subject.family.studies
    if not studies:
        raise Skip("it has no studies")
    for title, (model, function) in studies.items():
        lengths = [knob for knob in knobs(model) if knob.name in LENGTHS and knob.ge is not None]
        config = changed(model(), **{knob.name: knob.ge for knob in lengths})
        before = global_state()
        try:
            stream = iter(function(config, subject.rng("study", title)))
            figure = next(stream, None)
            if hasattr(stream, "close"):
                stream.close()
        except FAULTS as error:
            raise Wrong(f"the study ‘{title}’ raised {type(error).__name__}: {error}") from error
        require(figure is not None, f"the study ‘{title}’ ended without a figure")
        content = json.loads(_figure(title, figure).to_json())
        require(
            content["data"] or content["layout"].get("annotations"), f"the study ‘{title}’: an empty figure"
        )
        require(before == global_state(), f"the study ‘{title}’ draws from a global generator instead of rng")
    return Finding(f"{len(studies)} studies")


@check("family")
def presets_run(subject: Subject) -> Finding:
    """Every preset and lesson of its own begins: its training and its sampling yield a first snapshot, as the host runs
    them."""
    family = subject.family
    specs = {f"preset ‘{name}’": spec for name, spec in family.presets.items()}
    specs |= {f"lesson ‘{one.title}’": one.spec for one in family.lessons if one.spec.family == family.key}
    if not specs:
        raise Skip("it has no presets")
    for name, spec in specs.items():
        events = execute(replace(spec, train_stop=1, sample_stop=1), subject.registry)
        try:
            for event in events:
                if getattr(event, "phase", "") == "truth":
                    break
        except (*FAULTS, ConfigError) as error:
            raise Wrong(f"the {name} does not run: {error}") from error
        finally:
            events.close()  # type: ignore[attr-defined]
    return Finding(f"{len(specs)} begun")


@check("family")
def explains_itself(subject: Subject) -> Finding:
    """``learn`` is text, and ``explain`` answers with text for the example's run and for one that was stopped at once."""
    family = subject.family
    require(isinstance(family.learn, str), "learn is not text")
    if family.explain is None:
        raise Skip("it has no explain")
    short = run(replace(subject.run.spec, sample_stop=1), subject.registry)
    for made in (subject.run, short):
        said = family.explain(made)
        require(isinstance(said, str), f"explain returned a {type(said).__name__}, not text")
    return Finding(f"{len(said)} characters")


@check("family", "sampler")
def energies_of_a_run(subject: Subject) -> Finding:
    """Along the example's run the followed energies are those of the followed states, and none is infinite."""
    made = subject.run
    states = np.asarray(made.sampling.traces[-1], dtype=float)
    energies = np.asarray(made.sampling.energies)
    require(not np.isinf(energies).any(), "an energy along the run is infinite")
    whole = subject.plans[0].family
    expected = np.asarray(whole.energy(made.params, states), dtype=float)
    if np.isnan(expected).all():
        raise Skip("a gradient alone: its energies are NaN")
    scale = max(1.0, float(np.abs(expected).max()))
    error = float(np.abs(expected - energies[-1]).max()) / scale
    require(
        error < 1e-2,
        f"the energies along the run are off by {error * scale:.3g}: does energy change with time?",
    )
    return Finding(f"mean {energies[-1].mean():.4g}")
