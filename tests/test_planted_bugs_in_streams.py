"""Bugs planted one at a time that only show in how a record is used: in what it remembers, in which chain is which, in
how long it goes on, in its studies, presets and figures, in precision and in large batches. Each is caught by the check
that should.

The families are the one that ``python -m ebm_plugins new`` writes and the coins of docs/plugins.md.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ebm_plugins import BinaryGrid, Config, Family, NoConfig, Plane, RunSpec, Sampler, Snapshot, knob
from ebm_plugins.records import Wells
from ebm_plugins.samplers import mala, metropolis
from ebm_plugins.scaffold import write
from ebm_plugins.testing import check_all, summary

GUIDE = Path(__file__).parents[1] / "docs" / "plugins.md"


@pytest.fixture(scope="module")
def valley(tmp_path_factory: pytest.TempPathFactory) -> Family:
    """The family of a package that was just written."""
    folder = write("valley", tmp_path_factory.mktemp("new"))
    (family,) = _module("ebm_valley", folder / "ebm_valley.py").register_families()
    return family


def _module(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def coins(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The module of the guide."""
    blocks = re.findall(
        r"```python\n# coins\.py[^\n]*\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL
    )
    path = tmp_path_factory.mktemp("guide") / "coins.py"
    path.write_text("\n\n".join(sorted(blocks, key=lambda t: "def register_families" in t)), encoding="utf-8")
    return _module("coins_of_the_guide", path)


# --- What a family remembers ----------------------------------------------------------------------------------

KEPT: dict[str, Any] = {}


def last_trained(part: str) -> Any:
    """``part`` reads the params of whatever was trained last."""

    def plant(family: Family) -> Family:
        right = getattr(family, part)

        def train(data: Any, config: Any, rng: Any) -> Iterator[Snapshot]:
            for snapshot in family.train(data, config, rng):
                KEPT["last"] = snapshot.value
                yield snapshot

        return replace(
            family, train=train, **{part: lambda params, *more: right(KEPT.get("last", params), *more)}
        )

    return plant


def first_seen(part: str) -> Any:
    """``part`` keeps the params of its first call for ever."""

    def plant(family: Family) -> Family:
        kept: dict[str, Any] = {}
        right = getattr(family, part)
        return replace(family, **{part: lambda params, *more: right(kept.setdefault("first", params), *more)})

    return plant


def first_target() -> Sampler:
    kept: dict[str, Any] = {}
    return replace(
        metropolis.SAMPLER,
        accepts=(Plane,),
        sample=lambda target, *more: metropolis.sample(kept.setdefault("first", target), *more),
    )


# --- Which chain is which -------------------------------------------------------------------------------------


def shuffled(each: bool) -> Sampler:
    """Rows come out in another order: one order for all snapshots, or another at each."""

    def sample(target: Any, config: Any, rng: Any, x: Any) -> Iterator[Snapshot]:
        mixing = np.random.default_rng(rng.integers(2**31))
        order = mixing.permutation(len(x))
        for snapshot in mala.sample(target, config, rng, x):
            order = mixing.permutation(len(x)) if each else order
            yield Snapshot(snapshot.value[order], snapshot.metrics)

    return replace(mala.SAMPLER, sample=sample)


def mirrored(family: Family) -> Family:
    """Noise and its mirror image: the last chain is the first one's antipode."""

    def sample(params: Any, config: Any, rng: Any, x: Any) -> Iterator[Snapshot]:
        root = np.linalg.cholesky(np.linalg.inv(params["precision"])) * np.sqrt(config.temperature)
        for _ in range(config.steps):
            z = rng.standard_normal(((len(x) + 1) // 2, x.shape[1]))
            z = np.concatenate([z, -z[::-1]])[-len(x) :]
            yield Snapshot(params["mean"] + z @ root.T)

    return replace(family, sample=sample)


class Flips(Config):
    steps: int = knob(100, "Flips proposed.", ge=1, le=10_000)


def one_cell_for_all(target: Any, config: Any, rng: Any, x: Any) -> Iterator[Snapshot]:
    """Barker's flips, all of the same cell, which is no reversible kernel of independent chains."""
    for _ in range(config.steps):
        proposal = x.copy()
        cell = rng.integers(x.shape[1])
        proposal[:, cell] = 1 - proposal[:, cell]
        chance = 1 / (1 + np.exp(target.energy(proposal) - target.energy(x)))
        x = np.where((rng.random(len(x)) < chance)[:, None], proposal, x)
        yield Snapshot(x)


def refused(target: Any, config: Any, rng: Any, x: Any) -> Iterator[Snapshot]:
    """The share of proposals that were not accepted, called acceptance."""
    config = config.model_copy(update={"step_size": 4 * config.step_size})
    for snapshot in mala.sample(target, config, rng, x):
        yield Snapshot(snapshot.value, {"acceptance": 1 - snapshot.metrics["acceptance"]})


# --- Lengths, figures, presets, studies -----------------------------------------------------------------------


def asked(epochs: Any) -> Any:
    """Training whose length is a function of what was asked for."""

    def plant(family: Family) -> Family:
        def train(data: Any, config: Any, rng: Any) -> Iterator[Snapshot]:
            other = config.model_copy(update={"epochs": epochs(config.epochs)})
            yield from family.train(data, other, rng)

        return replace(family, train=train)

    return plant


def with_param(name: str, value: Any) -> Any:
    def plant(family: Family) -> Family:
        def train(data: Any, config: Any, rng: Any) -> Iterator[Snapshot]:
            for snapshot in family.train(data, config, rng):
                yield Snapshot({**snapshot.value, name: value}, snapshot.metrics)

        return replace(family, train=train)

    return plant


def whole_metric(family: Family) -> Family:
    def train(data: Any, config: Any, rng: Any) -> Iterator[Snapshot]:
        for snapshot in family.train(data, config, rng):
            yield Snapshot(snapshot.value, {k: int(v) for k, v in snapshot.metrics.items()})

    return replace(family, train=train)


def figure(make: Any) -> Any:
    def draw(run: Any) -> Any:
        import plotly.graph_objects as go

        return make(go)

    return lambda family: replace(family, figures={"Bad": draw})


def study(function: Any) -> Any:
    return lambda family: replace(family, studies={"Bad": (NoConfig, function)})


def yields_nothing(config: Any, rng: Any) -> Iterator[Any]:
    return
    yield


def global_study(config: Any, rng: Any) -> Iterator[Any]:
    import plotly.graph_objects as go

    yield go.Figure(go.Scatter(y=np.random.random(3)))  # noqa: NPY002


def stumbling(family: Family) -> Family:
    """A preset of data that training cannot take."""

    def train(data: Any, config: Any, rng: Any) -> Iterator[Snapshot]:
        if np.hypot(*data.x.T).min() > 0.3:
            raise RuntimeError("no data in the middle")
        yield from family.train(data, config, rng)

    return replace(
        family, train=train, presets={"Rings": RunSpec(family=family.key, dataset="eight-gaussians")}
    )


def temperature_from_one(family: Family) -> Family:
    right = family.sample

    def sample(params: Any, config: Any, rng: Any, x: Any) -> Iterator[Snapshot]:
        yield from right(
            params, config.model_copy(update={"temperature": max(1.0, config.temperature)}), rng, x
        )

    return replace(family, sample=sample)


def in_large_batches(family: Family) -> Family:
    right = family.energy
    return replace(family, energy=lambda params, x: right(params, x - x.mean(axis=0) if len(x) > 1000 else x))


def lens(energy: str) -> Any:
    return lambda family: replace(family, lens=replace(family.lens, energy=energy))


def gradient(wrap: Any) -> Any:
    return lambda family: replace(
        family, gradient=lambda params, x, right=family.gradient: wrap(right(params, x))
    )


def coarse(family: Family) -> Family:
    return replace(family, energy=lambda p, x, right=family.energy: right(p, x).astype(np.float16))


def single(energy: Any = None, gradient: Any = None, *wells: Any) -> Any:
    """A right ``single_precision``, with one of its functions wrapped, or with wells besides."""

    def rounded(function: Any, params: Any, wrap: Any) -> Any:
        plain = lambda x: function(params, x.astype(float)).astype(np.float32)  # noqa: E731
        return plain if wrap is None else wrap(plain)

    def change(family: Family) -> Family:
        functions = ((family.energy, energy), (family.gradient, gradient))
        return replace(
            family, single_precision=lambda p: (*(rounded(f, p, wrap) for f, wrap in functions), *wells)
        )

    return change


def in_one_buffer(function: Any) -> Any:
    kept = np.empty(10_000, np.float32)

    def answer(x: Any) -> Any:
        kept[: len(x)] = function(x)
        return kept[: len(x)]

    return answer


def another_energy(family: Family) -> Family:
    """Its author had a new idea of the energy, and did not think of the other form."""
    return replace(single()(family), energy=lambda p, x: 1.001 * family.energy(p, x))


FAMILIES: dict[str, tuple[str, Any]] = {
    "another energy beside single_precision": ("single_precision_agrees", another_energy),
    "a gradient in float32 of another sign": ("single_precision_agrees", single(None, lambda g: lambda x: -g(x))),
    "energies in double precision, called single": ("single_precision_agrees", single(
        lambda e: lambda x: e(x).astype(float))),
    "energies in float32 in one buffer": ("single_precision_agrees", single(in_one_buffer)),
    "wells of another energy": ("single_precision_agrees", single(
        None, None, Wells(np.zeros((1, 2)), np.ones(1), np.ones(1), 0.3))),
    "a gradient of what was trained last": ("params_are_all", last_trained("gradient")),
    "samples of what was trained last": ("params_are_all", last_trained("sample")),
    "a gradient of the first params for ever": ("gradient_matches", first_seen("gradient")),
    "samples of the first params for ever": ("no_drift", first_seen("sample")),
    "log Z of the first params for ever": ("truths_agree", first_seen("log_partition")),
    "noise and its mirror image": ("chains_independent", mirrored),
    "seven epochs whatever is asked for": ("train_counts_epochs", asked(lambda epochs: 7)),
    "an epoch too many": ("train_counts_epochs", asked(lambda epochs: epochs + 1)),
    "a param of words": ("train_snapshots", with_param("words", np.array(["a", "b"]))),
    "a metric that was cut off": ("train_snapshots", whole_metric),
    "a trace for a figure": ("figures_draw", figure(lambda go: go.Scatter(y=[1, 2]))),
    "a figure of nothing but NaN": ("figures_draw", figure(
        lambda go: go.Figure(go.Scatter(x=np.full(3, np.nan), y=np.arange(3.0))))),
    "a study that divides by zero": ("studies_draw", study(lambda config, rng: iter([1 / 0]))),
    "a study of whole numbers": ("studies_draw", study(lambda config, rng: iter([1, 2]))),
    "a study without a figure": ("studies_draw", study(yields_nothing)),
    "a study from NumPy's global numbers": ("studies_draw", study(global_study)),
    "a preset that resolves and does not run": ("presets_run", stumbling),
    "a temperature that is ignored below one": ("no_drift", temperature_from_one),
    "neighbours that count in large batches": ("energy_rows_independent", in_large_batches),
    "braces the wrong way round": ("lens_complete", lens(r"}\tfrac12{")),
    "a left bracket that stays open": ("lens_complete", lens(r"\left( x")),
    "a gradient clipped at 50": ("gradient_matches", gradient(lambda g: np.clip(g, -50, 50))),
    "a gradient 0.1 % too long, far out": ("gradient_matches", gradient(
        lambda g: np.where(np.abs(g) > 30, 1.001 * g, g))),
    "energies in half precision": ("energy_shape", coarse),
}  # fmt: skip

SAMPLERS: dict[str, tuple[str, Sampler]] = {
    "the first target for ever": ("no_drift", first_target()),
    "rows in another order": ("sample_rows_stay", shuffled(each=False)),
    "rows in another order at each snapshot": ("sample_rows_stay", shuffled(each=True)),
    "one cell for all chains, and claims to be reversible": ("chains_independent", Sampler(
        key="one-cell", title="One", summary="One.", accepts=(BinaryGrid,), config=Flips, sample=one_cell_for_all,
        reversible=True)),
    "refusals called acceptance": ("acceptance_counts", replace(mala.SAMPLER, sample=refused)),
}  # fmt: skip


@pytest.mark.parametrize("name", [*FAMILIES, *SAMPLERS])
def test_each_bug_is_caught_by_the_check_that_should(name: str, valley: Family, ebm_registry: Any) -> None:
    KEPT.clear()
    check, record = SAMPLERS.get(name) or (FAMILIES[name][0], FAMILIES[name][1](valley))
    (result,) = check_all(record, ebm_registry, seed=5, names=[check])
    assert result.outcome == "fail", (
        f"{name}: {check} says {result.outcome}: {result.figure} {result.message}"
    )
    assert not result.message.startswith("it raised"), result.message


# --- And what is right is let through -------------------------------------------------------------------------


def test_the_guides_coins_conform_without_an_example(coins: ModuleType, ebm_registry: Any) -> None:
    """On data that the kit brings, under four seeds; and where nothing can be learned from the data, that is said and
    held against nobody."""
    (family,) = coins.register_families()
    bare = replace(family, example=None, presets={}, studies={}, figures={}, lessons=())
    for seed in range(4):
        results = check_all(bare, ebm_registry, seed)
        assert [r for r in results if r.outcome == "fail"] == []
        learned = next(r for r in results if r.check == "train_learns")
        assert learned.outcome == "pass", learned
    bars = ebm_registry.datasets["bars-and-stripes-2x2"]
    even = replace(ebm_registry, datasets={**ebm_registry.datasets, "kit-lamps": bars})
    from ebm_plugins.testing import checks_training, reference

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "LAMPS", replace(bars, key="kit-lamps"))
        (result,) = check_all(bare, even, names=["train_learns"])
    assert checks_training.LISTED >= 4
    assert result.outcome == "skip"
    assert "give it an example" in result.message


def test_a_right_single_precision_is_let_through(valley: Family, ebm_registry: Any) -> None:
    for family in (
        single()(valley),
        ebm_registry.families["langevin"],
        ebm_registry.families["metropolis-hastings"],
    ):
        (result,) = check_all(family, ebm_registry, seed=5, names=["single_precision_agrees"])
        assert result.outcome == "pass", result.message
    (result,) = check_all(valley, ebm_registry, seed=5, names=["single_precision_agrees"])
    assert result.outcome == "skip"


def test_single_precision_is_no_mistake(valley: Family, ebm_registry: Any) -> None:
    """A correct gradient beside energies in float32; a wrong one is still seen."""
    single = replace(valley, energy=lambda p, x: valley.energy(p, x).astype(np.float32))
    names = ["energy_shape", "gradient_matches", "energy_rows_independent"]
    assert {r.outcome for r in check_all(single, ebm_registry, seed=5, names=names)} == {"pass"}
    wrong = replace(single, gradient=lambda p, x: 1.05 * valley.gradient(p, x))  # type: ignore[misc]
    (result,) = check_all(wrong, ebm_registry, seed=5, names=["gradient_matches"])
    assert result.outcome == "fail"


@pytest.mark.parametrize("name", ["file", "a/b", "allow_pickle"])
def test_a_param_of_any_name_is_saved(name: str, valley: Family, ebm_registry: Any) -> None:
    family = with_param(name, np.ones(2))(valley)
    (result,) = check_all(family, ebm_registry, seed=5, names=["params_saved"])
    assert result.outcome == "pass", result.message


def test_chains_may_share_the_choice_of_a_cell(ebm_registry: Any) -> None:
    """Each order of visits keeps the target, so exact draws stay independent: no bug where it does not claim more."""
    kernel = replace(SAMPLERS["one cell for all chains, and claims to be reversible"][1], reversible=False)
    results = check_all(kernel, ebm_registry, seed=5)
    assert [r for r in results if r.outcome == "fail"] == []


def test_an_independent_kernel_and_one_with_its_own_order_of_numbers_keep_their_rows(
    ebm_registry: Any,
) -> None:
    """Of draws that do not depend on the start nothing can be told; a kernel that takes random numbers as it needs them
    moves many rows at once."""

    def rejecting(target: Any, config: Any, rng: Any, x: Any) -> Iterator[Snapshot]:
        for _ in range(config.steps):
            x = np.array(x)
            for row in range(len(x)):
                y = x[row] + 0.3 * rng.standard_normal(2)
                gain = target.energy(x[row : row + 1]) - target.energy(y[None])
                if gain[0] >= 0 or rng.random() < np.exp(gain[0]):
                    x[row] = y
            yield Snapshot(x)

    kernel = Sampler(key="needs", title="N", summary="N.", accepts=(Plane,), config=Flips, sample=rejecting)
    for seed in range(5):
        (result,) = check_all(kernel, ebm_registry, seed=seed, names=["sample_rows_stay"])
        assert result.outcome == "pass", result.message


def test_the_same_without_a_bug_passes_everything(valley: Family, ebm_registry: Any) -> None:
    """False alarm under 1e-5, and the seed is fixed."""
    results = check_all(valley, ebm_registry, seed=5)
    assert [r for r in results if r.outcome == "fail"] == []
    assert summary(results).passed >= 33


def test_the_count_is_the_one_that_is_told() -> None:
    told = Path(__file__).parents[1] / "docs" / "conformance.md"
    count = len(FAMILIES) + len(SAMPLERS)
    assert f"`tests/{Path(__file__).name}` plants {count}" in told.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    [
        "no Hastings correction", "√η for √(2η), adjusted", "√η for √(2η), not adjusted", "a gradient with one sign wrong",
        "accepts by E′ < E", "cells updated from a stale state", "log Z off by a constant",
        "the same seed for every chain", "noise used again at every step",
    ],
)  # fmt: skip
def test_the_bugs_that_every_suite_should_see_are_planted(name: str) -> None:
    """Those that docs/oracles.md begins with, under the names that they have in the two other files."""
    texts = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_planted_bugs*.py")]
    assert any(f'    "{name}": ("' in text for text in texts)
