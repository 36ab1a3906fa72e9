"""Bugs planted one at a time in a correct family: its energy, gradient, training, params, configs and claims.

The family is the one that ``python -m ebm_plugins new`` writes, so what is shown here holds for it.
"""

from __future__ import annotations

import importlib.util
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
import pytest
from pydantic import BaseModel, field_validator

from ebm_plugins import Config, Data, Family, RunSpec, Snapshot, knob
from ebm_plugins.scaffold import write
from ebm_plugins.testing import check_all, summary


@pytest.fixture(scope="module")
def valley(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The module of a package that was just written."""
    folder = write("valley", tmp_path_factory.mktemp("new"))
    spec = importlib.util.spec_from_file_location("ebm_valley", folder / "ebm_valley.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Plant:
    """The correct family's parts, and ways to change them."""

    base: Family

    def changed(self, **changes: Any) -> Family:
        return replace(self.base, **changes)

    def energy(self, wrap: Any) -> Family:
        right = self.base.energy
        return self.changed(energy=lambda params, x: wrap(right, params, x))

    def gradient(self, wrap: Any) -> Family:
        right = self.base.gradient
        return self.changed(gradient=lambda params, x: wrap(right, params, x))

    def train(self, wrap: Any) -> Family:
        """``wrap(snapshot, data, rng)`` makes another snapshot of each."""
        right = self.base.train

        def train(data: Any, config: Any, rng: Any) -> Iterator[Snapshot]:
            for snapshot in right(data, config, rng):
                yield wrap(snapshot, data, rng)

        return self.changed(train=train)

    def option(self, **fields: Any) -> Family:
        """With other fields in its training config."""
        given = {
            "__annotations__": {k: v[0] for k, v in fields.items()},
            **{k: v[1] for k, v in fields.items()},
        }
        model = type("Training", (self.base.train_config,), {**given, "__module__": __name__})
        return self.changed(train_config=model)


def moved(x: Any) -> Any:
    x -= 0.5
    return x


def counted(energy: Any, params: Any, x: Any, calls: list[int] = []) -> Any:  # noqa: B006
    calls.append(1)
    return energy(params, x) + 1e-4 * len(calls)


SHARED: dict[str, Any] = {}


def remembers(plant: Plant) -> Family:
    """The energy reads what training left in a global."""

    def keep(snapshot: Any, data: Any, rng: Any) -> Snapshot:
        SHARED["mean"] = data.x.mean(axis=0) + rng.normal(0, 0.1, 2)
        return snapshot

    energy = plant.base.energy
    return replace(
        plant.train(keep), energy=lambda p, x: energy({**p, "mean": SHARED.get("mean", p["mean"])}, x)
    )


def edits(plant: Plant) -> Family:
    """Each snapshot is the same dictionary of the same arrays."""
    kept: dict[str, Any] = {}

    def again(snapshot: Any, data: Any, rng: Any) -> Snapshot:
        for name, value in snapshot.value.items():
            kept.setdefault(name, value.copy())[...] = value
        return Snapshot(kept, snapshot.metrics)

    return plant.train(again)


def noisy(generator: Any) -> Any:
    def wrap(snapshot: Any, data: Any, rng: Any) -> Snapshot:
        params = {**snapshot.value, "mean": snapshot.value["mean"] + 1e-3 * generator()}
        return Snapshot(params, snapshot.metrics)

    return wrap


def writes(snapshot: Any, data: Any, rng: Any) -> Snapshot:
    data.x.setflags(write=True)
    data.x[0] += 1.0
    return snapshot


def deaf(plant: Plant) -> Family:
    right = plant.base.train

    def train(data: Any, config: Any, rng: Any) -> Iterator[Snapshot]:
        for snapshot in right(data, config, rng):
            try:
                yield snapshot
            except GeneratorExit:
                yield snapshot

    return plant.changed(train=train)


def unlearns(plant: Plant) -> Family:
    """Up the gradient in place of down."""
    return plant.train(lambda s, d, r: Snapshot({**s.value, "precision": -s.value["precision"]}, s.metrics))


def with_metric(value: Any) -> Any:
    return lambda s, d, r: Snapshot(s.value, {"loss": value})


def with_param(**more: Any) -> Any:
    return lambda s, d, r: Snapshot({**s.value, **more}, s.metrics)


class Loose(BaseModel):
    """Not frozen."""

    epochs: int = knob(20, "How many.", ge=1, le=100)
    rate: float = knob(0.2, "How fast.", ge=0.01, le=1.0)


class Clamps(Config):
    """Bends what is out of range in place of refusing it."""

    epochs: int = knob(20, "How many.", ge=1, le=100)
    rate: float = knob(0.2, "How fast.", ge=0.01, le=1.0)

    @field_validator("rate", mode="before")
    @classmethod
    def bend(cls, value: Any) -> Any:
        return min(max(value, 0.01), 1.0) if isinstance(value, float) else value


class OpenEnd(Config):
    """Says that 1 is allowed, and refuses it."""

    epochs: int = knob(20, "How many.", ge=1, le=100)
    rate: float = knob(0.2, "How fast.", ge=0.01, le=1.0)

    @field_validator("rate")
    @classmethod
    def below_one(cls, value: float) -> float:
        if value >= 1.0:
            raise ValueError("must be below 1")
        return value


class Rounds(Config):
    """Stores another value than was given."""

    epochs: int = knob(20, "How many.", ge=1, le=100)
    rate: float = knob(0.25, "How fast.", ge=0.01, le=1.0)

    @field_validator("rate")
    @classmethod
    def quarters(cls, value: float) -> float:
        return round(4 * value) / 4


def choosing(plant: Plant) -> Family:
    """One of its options was never tried by its author."""
    family = plant.option(kind=(Literal["plain", "robust"], knob("plain", "How spread is measured.")))
    right = plant.base.train

    def train(data: Any, config: Any, rng: Any) -> Iterator[Snapshot]:
        scale = {"plain": 1.0}[config.kind]
        for snapshot in right(data, config, rng):
            yield Snapshot({**snapshot.value, "precision": scale * snapshot.value["precision"]})

    return replace(family, train=train)


def draws_badly(run: Any) -> Any:
    import plotly.graph_objects as go

    run.sampling.last[...] = 0.0
    return go.Figure(go.Scatter(y=[1, 2]))


def random_figure(run: Any) -> Any:
    import plotly.graph_objects as go

    return go.Figure(go.Scatter(y=[random.random()]))


def wide(factor: float) -> Any:
    def plant(p: Plant) -> Family:
        right = p.base.sample

        def sample(params: Any, config: Any, rng: Any, x: Any) -> Iterator[Snapshot]:
            for snapshot in right(params, config, rng, x):
                yield Snapshot(params["mean"] + factor * (snapshot.value - params["mean"]))

        return p.changed(sample=sample)

    return plant


def partial_box(p: Plant) -> Family:
    return p.changed(box=lambda params: params["mean"] + np.array([[0.2, 0.2], [3.0, 3.0]]))


BUGS: dict[str, tuple[str, Any]] = {
    # energy and gradient
    "minus the batch's mean": ("energy_rows_independent", lambda p: p.energy(lambda e, q, x: e(q, x) - e(q, x).mean())),
    "normalised by the batch": ("energy_rows_independent", lambda p: p.energy(
        lambda e, q, x: e(q, x) / (1 + 0.01 * x.std()))),
    "x is edited": ("energy_pure", lambda p: p.energy(lambda e, q, x: e(q, moved(x)))),
    "a counter inside": ("energy_pure", lambda p: p.energy(counted)),
    "params are edited": ("energy_pure", lambda p: p.energy(lambda e, q, x: e(q, x) + 0 * q["mean"].__iadd__(0.1)[0])),
    "a column of energies": ("energy_shape", lambda p: p.energy(lambda e, q, x: e(q, x)[:, None])),
    "one row becomes a number": ("energy_shape", lambda p: p.energy(lambda e, q, x: np.squeeze(e(q, x)))),
    "no empty batch": ("energy_shape", lambda p: p.energy(lambda e, q, x: e(q, x) - 0 * x.max())),
    "whole numbers": ("energy_shape", lambda p: p.energy(lambda e, q, x: np.rint(e(q, x)).astype(int))),
    "infinite outside": ("energy_shape", lambda p: p.energy(
        lambda e, q, x: np.where(np.abs(x).max(axis=1) > 0.5, np.inf, e(q, x)))),
    "memory order": ("energy_any_layout", lambda p: p.energy(
        lambda e, q, x: e(q, np.frombuffer(x.tobytes("A"), x.dtype).reshape(x.shape)))),
    "a gradient with one sign wrong": ("gradient_matches", lambda p: p.gradient(
        lambda g, q, x: g(q, x) * np.array([1.0, -1.0]))),
    "a gradient 0.1 % too long": ("gradient_matches", lambda p: p.gradient(lambda g, q, x: 1.001 * g(q, x))),
    "a gradient without a small term": ("gradient_matches", lambda p: p.energy(
        lambda e, q, x: e(q, x) + 1e-3 * np.cos(x[:, 0]))),
    "a score for a gradient": ("gradient_matches", lambda p: p.gradient(lambda g, q, x: -g(q, x))),
    "a gradient of the sum": ("gradient_shape", lambda p: p.gradient(lambda g, q, x: g(q, x).sum(axis=0))),
    "a gradient averaged over the batch": ("gradient_shape", lambda p: p.gradient(lambda g, q, x: g(q, x) / len(x))),
    "log Z off by a constant": ("truths_agree", lambda p: p.changed(
        log_partition=lambda q: p.base.log_partition(q) + 0.01)),
    "log Z of the other sign of log |P|": ("truths_agree", lambda p: p.changed(
        log_partition=lambda q: float(np.log(2 * np.pi) + 0.5 * np.linalg.slogdet(q["precision"])[1]))),
    "a bracket beside log Z": ("truths_agree", lambda p: p.changed(
        bracket=lambda q, rng, n: (p.base.log_partition(q) + 0.1, p.base.log_partition(q) + 0.2, 0.01))),
    "a box beside the mass": ("box_holds_the_mass", partial_box),
    "a box upside down": ("box_holds_the_mass", lambda p: p.changed(box=lambda q: np.array([[5.0, 5], [-5, -5]]))),
    # training and params
    "a metric that is an array": ("train_snapshots", lambda p: p.train(with_metric(np.zeros(2)))),
    "a metric that is NaN": ("train_snapshots", lambda p: p.train(with_metric(math.nan))),
    "a param that is a list": ("train_snapshots", lambda p: p.train(with_param(history=[1, 2]))),
    "a param that is not finite": ("train_snapshots", lambda p: p.train(with_param(extra=np.array([np.nan])))),
    "a param of objects": ("train_snapshots", lambda p: p.train(with_param(extra=np.array([None])))),
    "it writes into the data": ("train_snapshots", lambda p: p.train(writes)),
    "training from no seed": ("train_repeatable", lambda p: p.train(noisy(lambda: np.random.default_rng().normal()))),
    "training from NumPy's global numbers": ("train_repeatable", lambda p: p.train(
        noisy(lambda: np.random.normal()))),  # noqa: NPY002
    "training from Python's random": ("train_repeatable", lambda p: p.train(noisy(random.random))),
    "one dictionary for all snapshots": ("train_snapshots_kept", edits),
    "training that cannot be closed": ("train_stops", deaf),
    "it makes data unlikely": ("train_learns", unlearns),
    "it says that it does not learn": ("train_without_data", lambda p: p.changed(learns=lambda config: False)),
    "an option that was never tried": ("train_choices", choosing),
    "an energy that reads a global": ("params_are_all", remembers),
    # configs and claims
    "a config that is not frozen": ("config_frozen", lambda p: p.changed(train_config=Loose)),
    "the same, at the door": ("record_admitted", lambda p: p.changed(train_config=Loose)),
    "values bent into range": ("config_refusals", lambda p: p.changed(train_config=Clamps)),
    "a bound that is refused": ("config_bounds", lambda p: p.changed(train_config=OpenEnd)),
    "values that are rounded": ("config_bounds", lambda p: p.changed(train_config=Rounds)),
    "a switch without a help text": ("config_documented", lambda p: p.option(fast=(bool, knob(False, "")))),
    "a help text that repeats the name": ("config_documented", lambda p: p.option(fast=(bool, knob(False, "Fast.")))),
    "options that differ by case alone": (
        "links_round_trip",
        lambda p: p.option(kind=(Literal["l1", "L1"], knob("l1", "Which norm."))),
    ),
    "a preset of data that are not there": ("presets_resolve", lambda p: p.changed(
        presets={"Gone": RunSpec(family="valley", dataset="two-suns")})),
    "an example that does not resolve": ("example_tiny", lambda p: p.changed(
        example=RunSpec(family="valley", dataset="two-moons", sample={"speed": 3}))),
    "a fifth kind of exactness": ("claims_known", lambda p: p.changed(
        exactness=lambda config: "exact" if config.temperature == 1 else "nearly")),
    "dollar signs in the lens": ("lens_complete", lambda p: p.changed(lens=replace(p.base.lens, energy="$E$"))),
    "an empty cell in the lens": ("lens_complete", lambda p: p.changed(lens=replace(p.base.lens, learns=" "))),
    "8 % too wide": ("no_drift", wide(1.08)),
    "8 % too narrow": ("sampled_is_exact", wide(0.92)),
    "an Exact sampler of the unit Gaussian": ("sampled_is_exact", lambda p: p.changed(
        sample=lambda q, c, r, x: (Snapshot(r.standard_normal(x.shape)) for _ in range(c.steps)))),
    # figures and words
    "a figure that edits the run": ("figures_draw", lambda p: p.changed(figures={"Bad": draws_badly})),
    "a figure that is a dict": ("figures_draw", lambda p: p.changed(figures={"Bad": lambda run: {"data": []}})),
    "a figure that raises": ("figures_draw", lambda p: p.changed(figures={"Bad": lambda run: run.nothing})),
    "a figure with dice in it": ("figures_draw", lambda p: p.changed(figures={"Bad": random_figure})),
    "explain says nothing": ("explains_itself", lambda p: p.changed(explain=lambda run: None)),
    "a support that lists a state twice": ("support_is_finite", lambda p: p.changed(
        support=lambda q, x: np.zeros((2, 2)))),
}  # fmt: skip


@pytest.fixture
def plant(valley: ModuleType) -> Plant:
    (family,) = valley.register_families()
    return Plant(family)


@pytest.mark.parametrize("name", list(BUGS))
def test_each_bug_is_caught_by_the_check_that_should(name: str, plant: Plant, ebm_registry: Any) -> None:
    check, make = BUGS[name]
    (result,) = check_all(make(plant), ebm_registry, seed=5, names=[check])
    assert result.outcome == "fail", (
        f"{name}: {check} says {result.outcome}: {result.figure} {result.message}"
    )
    assert not result.message.startswith("it raised"), result.message


def test_the_same_without_a_bug_passes_everything(plant: Plant, ebm_registry: Any) -> None:
    """False alarm under 1e-5, and the seed is fixed."""
    results = check_all(plant.base, ebm_registry, seed=5)
    assert [r for r in results if r.outcome == "fail"] == []
    assert summary(results).passed >= 30


def test_data_stay_as_they_were_for_the_tests_after(ebm_registry: Any) -> None:
    """One of the bugs writes into data: they are reloaded, not kept."""
    data = ebm_registry.datasets["two-moons"].load()
    assert isinstance(data, Data)
    assert np.abs(data.x).max() < 5


def test_the_count_is_the_one_that_is_told() -> None:
    told = Path(__file__).parents[1] / "docs" / "conformance.md"
    assert f"`tests/{Path(__file__).name}` plants {len(BUGS)}" in told.read_text(encoding="utf-8")
