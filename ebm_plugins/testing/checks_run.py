"""Checks of whole runs: the example from its spec to its figures."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from ebm_plugins.runs import result_digest, run
from ebm_plugins.testing.kit import Finding, Skip, Wrong, check, require
from ebm_plugins.testing.subject import Subject


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
            require(
                hasattr(figure, "to_plotly_json"),
                f"‘{title}’ is a {type(figure).__name__}, not a Plotly figure",
            )
            texts.append(figure.to_json())
        require(texts[0] == texts[1], f"‘{title}’ is another figure when drawn again")
        content = json.loads(texts[0])
        shown = content["data"] or content["layout"].get("annotations")
        require(shown, f"‘{title}’ is empty")
    require(before == (result_digest(run), run.sampling.frames.tobytes()), "drawing edited the run")
    return Finding(f"{len(figures)} figures")


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
