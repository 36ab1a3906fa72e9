"""What the kinds of job do, in a worker: a run, a budget spent, a study, a figure, the checks of a record."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from dashboard.storing import (
    STAGE,
    figure_bytes,
    keep_run,
    keep_training,
    learned,
    publish,
    stage_code,
    stored,
)
from dashboard.telling import Teller, wanted
from ebm_plugins import budget, held_out, packing, panels, results, runs, studies
from ebm_plugins.plans import Plan, plan
from ebm_plugins.records import ConfigError, PluginError, Run
from ebm_plugins.registry import Registry
from ebm_plugins.specs import RunSpec

MOST_FIGURES = 500  # of one study
CHECKS = 5  # times what a run may take: all checks of one record together


class MismatchError(RuntimeError):
    """The worker has not the code that the server has."""


def _run(asked: dict[str, Any], registry: Registry, tell: Teller) -> dict[str, Any]:
    made, code = _planned(asked, registry)
    staged: dict[str, Any] = {}

    def compared(run: Run) -> None:
        """The stage needs no verdict: whoever waits for it gets it first."""
        from dashboard import stage

        name = plan(run.spec, registry).spec_digest + STAGE
        staged.update(publish(packing.pack(stage.payload(run)), name, {"code": stage_code(code)}))
        tell.say("stage", stage=staged)

    events = runs.execute(
        made.spec,
        registry,
        training=learned(made, code),
        limits=runs.Limits(**asked["limits"]),
        stop=lambda phase: wanted.get(tell.ticket) == phase,
        compared=compared,
    )
    run = _followed(events, tell)
    return {"spec": run.spec.as_dict(), "stage": staged, **keep_run(run, registry, code)}


def _spend(asked: dict[str, Any], registry: Registry, tell: Teller) -> dict[str, Any]:
    made, code = _planned(asked, registry)
    events = budget.spend(
        made.spec,
        registry,
        int(asked["evaluations"]),
        training=learned(made, code),
        limits=runs.Limits(**asked["limits"]),
    )
    spent = _followed(events, tell)
    picture: dict[str, Any] = {"svg": panels.svg(spent.run), "shape": panels.shape(spent.run)}
    if spent.run.data.test_x is not None:
        picture["held out"] = held_out.of(spent.run)
    raw = results.spent_bytes(spent, picture=picture)
    kept = publish(raw, asked["key"], {"code": code})
    keep_training(made, spent.run.training, kept, code)
    return {"run": kept}


def _study(asked: dict[str, Any], registry: Registry, tell: Teller) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + float(asked["limits"]["seconds"])
    stream = studies.study(asked["family"], asked["title"], asked["values"], int(asked["seed"]), registry)
    for figure in closing(stream):
        tell.heard()
        found.append(publish(figure_bytes(figure)))
        tell.say("figure", figure=found[-1])
        if wanted.get(tell.ticket) or time.monotonic() > deadline or len(found) >= MOST_FIGURES:
            return {"figures": found, "stopped": True}
    return {"figures": found}


def _figure(asked: dict[str, Any], registry: Registry, tell: Teller) -> dict[str, Any]:
    made, code = _planned(asked, registry)
    family, title = made.family, str(asked["title"])
    kept = stored(made.spec_digest, code)
    if kept is not None:
        run = results.from_bytes(kept, registry)
    else:
        run = _followed(runs.execute(made.spec, registry, limits=runs.Limits(**asked["limits"])), tell)
    figure = family.figures[title](run)
    if not hasattr(figure, "to_plotly_json"):
        kind = type(figure).__name__
        raise PluginError(family.key, title, f"It returned a {kind} where a figure was expected.")
    return {"figures": [publish(figure_bytes(figure), asked["key"], {"code": code})]}


def _check(asked: dict[str, Any], registry: Registry, tell: Teller) -> dict[str, Any]:
    from ebm_plugins import testing

    record = testing.record_of(asked["record"], registry)
    total = len(testing.checks_for(record))
    tell.say("progress", phase="check", step=0, total=total, metrics={})
    found = []
    seconds = CHECKS * float(asked["limits"]["seconds"])
    deadline = time.monotonic() + seconds
    for result in closing(testing.checking(record, registry)):
        tell.heard()
        found.append(asdict(result))
        tell.say("result", result=found[-1], total=total)
        if len(found) < total and time.monotonic() > deadline:
            about = f"{len(found)} of its {total} checks took {seconds:.0f} seconds, which is all that they may take."
            raise PluginError(str(asked["record"]), "checks", about)
    return {"results": found}


KINDS: dict[str, Callable[[dict[str, Any], Registry, Teller], dict[str, Any]]] = {
    "run": _run,
    "spend": _spend,
    "study": _study,
    "figure": _figure,
    "check": _check,
}


def _planned(asked: dict[str, Any], registry: Registry) -> tuple[Plan, str]:
    """The plan that the server made, made here. Raises MismatchError where it is another."""
    try:
        made = plan(RunSpec.from_dict(asked["spec"]), registry)
    except (ConfigError, PluginError) as error:
        raise MismatchError(f"It has not what the server has: {error}") from error
    code = results.code_of(made, registry)
    if made.spec_digest != asked["plan"] or code != asked["code"]:
        raise MismatchError("Its plugins, its data or its version of this program are not the server's.")
    return made, code


def _followed(events: Iterator[Any], tell: Teller) -> Any:
    """What a stream of progress ends with."""
    for event in closing(events):
        if isinstance(event, runs.Progress):
            tell.progress(event.phase, event.step, event.total, event.metrics)
        elif isinstance(event, runs.Finished):
            return event.run
        else:
            return event
    raise AssertionError("it ended without an end")


def closing(events: Iterator[Any]) -> Iterator[Any]:
    """The events; the generator is closed whatever happens, so that its ``finally`` blocks run."""
    try:
        yield from events
    finally:
        getattr(events, "close", lambda: None)()
