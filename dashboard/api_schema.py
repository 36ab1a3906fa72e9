"""What the JSON routes answer, as models: the answers are made of them, and so is their OpenAPI description.

A number that is not known, or not finite, is null: JSON has no NaN.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

DIGEST = "^[0-9a-f]{64}$"
EXAMPLE_DIGEST = "4d2f" * 16
RUNS = "/api/v1/runs"
PAGE = "/KEY?seed=3"


def _finite(value: Any) -> Any:
    """None for what JSON cannot say. (Subclasses of float, as NumPy's, become plain.)"""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


Number = Annotated[float | None, BeforeValidator(_finite)]
Numbers = dict[str, Number]


def _is(example: Any, description: str, **more: Any) -> Any:
    return Field(description=description, examples=[example], **more)


class Answer(BaseModel):
    """Base of all answers: frozen, and with nothing in them that is not described."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(Answer):
    """Why there is no such answer: which part of the request, what was expected, what came."""

    field: str = _is("family", "The part of the request (a link's parameter, mostly) that can mend it.")
    expected: str = _is("one of KEY, OTHER", "What would do.")
    got: str = _is("nothing", "What came, or what there is, cut to a readable length.")


class Mended(Answer):
    """A value of a link that could not be used, with what is used instead."""

    parameter: str = _is("seed", "The link's parameter; empty where it is about the link as a whole.")
    given: str = _is("minus one", "What came, cut to a readable length.")
    reason: str = _is("expected a whole number from 0 to 2⁶³ − 1", "Why it could not be used.")
    used: str = _is("0", "What is used instead.")


class _OfARun(Answer):
    digest: str = _is(EXAMPLE_DIGEST, "The spec digest, which names a run everywhere.", pattern=DIGEST)
    status: str = _is(f"{RUNS}/{EXAMPLE_DIGEST}", "Where to ask after this run.")
    page: str = _is(PAGE, "The run's page in the dashboard; empty where it is not known.")
    mended: list[Mended] = _is(
        [],
        "What of the link that was asked with could not be used, as the page names it. Empty where a run was asked for by its digest.",
    )


class Waiting(_OfARun):
    """A run that is not made yet. Ask again at ``status`` in ``Retry-After`` seconds; a run that nobody asks after is left."""

    state: Literal["queued", "running"] = _is("running", "What it waits for: its turn, or its end.")
    place: int | None = _is(None, "Of a queued run: how many are before it, where that is known.", ge=0)
    phase: str = _is(
        "sample", "Of a running one: train, sample or truth (compared with it); empty before the first."
    )
    step: int = _is(120, "Snapshots of this phase so far.", ge=0)
    total: int | None = _is(400, "Snapshots that this phase takes, where that is known.", ge=0)
    seconds_left: Number = _is(1.5, "Seconds that this phase will take, where that is known.")


class Ended(_OfARun):
    """A run that ended without a result. Asking for it by its link tries it again, after a minute if it failed."""

    state: Literal["failed", "refused", "killed", "left"] = _is(
        "refused",
        "Refused: the host or the model cannot make it as asked. Failed: a plugin raised. Killed: it hung, or its process died. "
        "Left: nobody asked after it any more.",
    )
    message: str = _is("sample.steps: expected at most 2e9 state updates", "What happened, and what to do.")


class Truth(Answer):
    """The run's numbers beside what they should be. Null where a number is not known."""

    count: int = _is(300, "Draws that the comparison is worth.", ge=0)
    total_variation: Number = _is(0.08, "Total variation between what was drawn and the exact answer.")
    floor_low: Number = _is(0.06, "2.5 % quantile of what as many exact draws come to.")
    floor_middle: Number = _is(0.08, "Its median.")
    floor_high: Number = _is(0.1, "Its 97.5 % quantile.")
    mean_energy: Number = _is(-2.4, "Mean energy of what was drawn.")
    energy_error: Number = _is(0.02, "Its standard error.")
    exact_energy: Number = _is(-2.41, "The exact mean energy.")
    log_z: Number = _is(3.7, "Log of the sum (or integral) of exp(−E/T).")
    log_z_error: Number = _is(0.0, "Its standard error, of an estimate.")
    log_z_low: Number = _is(None, "A lower bound of it.")
    log_z_high: Number = _is(None, "An upper bound of it.")
    log_z_kind: str = _is("enumeration", "How it is known; empty where it is not.")
    ess: Number = _is(250.0, "Effective draws of the chains.")
    draws: int = _is(12_000, "Draws of the chains that are followed.", ge=0)
    rhat: Number = _is(1.01, "R-hat of the chains: near 1 where they agree.")
    reason: str = _is("", "Why there is no exact answer, where there is none.")


class Verdict(Answer):
    """What the page says of the run."""

    status: Literal["good", "warn", "bad", "info"] = _is("good", "How to take it.")
    head: str = _is("As close as 300 draws can be.", "In a sentence.")
    text: str = _is("Total variation 0.08 lies within the floor.", "In a few more.")


class Done(_OfARun):
    """A finished run."""

    state: Literal["done"] = _is("done", "It is made.")
    npz: str = _is(f"{RUNS}/{EXAMPLE_DIGEST}.npz", "Where its arrays are.")
    spec: dict[str, Any] = _is(
        {"family": "KEY", "seed": 3},
        "The resolved run spec, every default filled in. Seeds have up to 63 bits.",
    )
    result_digest: str = _is(
        "9b1c" * 16,
        "SHA-256 of the last params and states: to be compared where ``environment`` is equal.",
        pattern=DIGEST,
    )
    environment: str = _is("0f3a5c7e9b1d", "Equal only where versions, BLAS and processor are.")
    stamp: str = _is("0.1.0_4d2f4d2f4d2f4d2f", "The ``v`` of the copied link, which stands in ``page``.")
    space: str = _is("a plane", "The space of the states, in words.")
    states: list[int] = _is([300, 2], "Shape of the last states: how many, of how many coordinates.")
    params: dict[str, list[int]] = _is({"weights": [64, 64]}, "Names and shapes of what was learned.")
    exactness: str = _is("asymptotic", "What the sampler targets: exact, asymptotic, biased or descent.")
    train_steps: int = _is(1, "Snapshots of training that were taken.", ge=0)
    sample_steps: int = _is(400, "Snapshots of sampling that were taken.", ge=0)
    train_metrics: Numbers = _is({"loss": 0.31}, "Each metric of training at its end.")
    sample_metrics: Numbers = _is({"acceptance": 0.62}, "Each metric of sampling at its end.")
    truth: Truth = Field(description="The run's numbers beside the exact ones.")
    verdict: Verdict | None = Field(description="What the page says of it; null where nothing is said.")
    notes: list[str] = _is([], "What else happened: where it diverged or was ended by the host's limit.")


class Provider(Answer):
    """The distribution that brought a record."""

    name: str = _is("ebm-plugins", "Its name.")
    version: str = _is("0.1.0", "Its version.")


class Preset(Answer):
    """A run that a family names."""

    name: str = _is("As in the article", "Its name.")
    page: str = _is(PAGE, "Its page in the dashboard.")
    run: str = _is(f"{RUNS}?link=%2FKEY%3Fseed%3D3", "The address that asks for the run itself.")


SCHEMA = {
    "type": "object",
    "title": "Config",
    "properties": {"steps": {"type": "integer", "minimum": 1, "default": 40}},
}
CONFIG = "JSON schema of its settings: bounds, defaults and help. In a link they are"


class FamilyOffer(Answer):
    """One installed family."""

    key: str = _is("KEY", "Its key: the page's address, and ``family`` in a request.")
    title: str = _is("A model", "Its name.")
    summary: str = _is("Remembers patterns.", "In a sentence or two of Markdown with LaTeX.")
    section: str = _is("Models", "Where the navigation has it.")
    spaces: list[str] = _is(["BinaryGrid"], "The spaces whose data it takes.")
    provider: Provider = Field(description="Who brought it.")
    train: dict[str, Any] = _is(SCHEMA, f"{CONFIG} ``train.NAME``.")
    sample: dict[str, Any] = _is(
        SCHEMA, f"{CONFIG} ``sample.NAME``, where ``sampler`` is the family's own key."
    )
    presets: list[Preset] = Field(
        description="Runs that it names; what a link leaves out is as in the first of them."
    )
    samplers: list[str] = _is(
        ["KEY"],
        "Keys of the samplers offered for its first preset, the usual one first; its own key is its own.",
    )
    datasets: list[str] = _is(["dots"], "Keys of the datasets offered.")


class SamplerOffer(Answer):
    """One installed sampler, which runs on the energy of any family that lists it."""

    key: str = _is("walk", "Its key: ``sampler`` in a request.")
    title: str = _is("A walk", "Its name.")
    summary: str = _is("Takes small steps.", "In a sentence or two of Markdown with LaTeX.")
    spaces: list[str] = _is(["Plane"], "The spaces of states that it takes.")
    provider: Provider = Field(description="Who brought it.")
    sample: dict[str, Any] = _is(SCHEMA, f"{CONFIG} ``sample.NAME``, where ``sampler`` is this one.")


class DatasetOffer(Answer):
    """One installed dataset."""

    key: str = _is("dots", "Its key: ``data`` in a request.")
    title: str = _is("Dots", "Its name.")
    summary: str = _is("Three heaps of points.", "In a sentence or two of Markdown.")
    space: str = _is("a plane", "Its space, in words.")
    provider: Provider = Field(description="Who brought it.")


class Catalogue(Answer):
    """What is installed."""

    version: str = _is("0.1.0", "The version of ebm-plugins.")
    families: list[FamilyOffer] = Field(description="Every family that has a page.")
    samplers: list[SamplerOffer] = Field(description="Every sampler.")
    datasets: list[DatasetOffer] = Field(description="Every dataset.")


MODELS: tuple[type[Answer], ...] = (Problem, Waiting, Ended, Done, Catalogue)


def example(model: type[BaseModel]) -> dict[str, Any]:
    """An answer made of each field's own example."""
    found: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        if info.examples:
            found[name] = info.examples[0]
            continue
        inner = [
            a for a in (info.annotation, *getattr(info.annotation, "__args__", ())) if isinstance(a, type)
        ]
        made = example(next(a for a in inner if issubclass(a, BaseModel)))
        found[name] = [made] if str(info.annotation).startswith("list") else made
    return found
