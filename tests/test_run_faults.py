"""Runs that fail: whose fault it is, and what it costs the others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toy_families import (
    BOWL,
    GRID,
    REGISTRY,
    Learn,
    changed,
)

from ebm_plugins import (
    ConfigError,
    Data,
    Dataset,
    Plane,
    PluginError,
    RunSpec,
    Snapshot,
    plans,
    starts,
)
from ebm_plugins.runs import (
    resolve,
    result_digest,
    run,
)


def raising(*args):
    raise RuntimeError("the dog ate it")


@pytest.mark.parametrize(
    ("fields", "part", "message"),
    [
        ({"energy": raising}, "energy", "It raised RuntimeError: the dog ate it"),
        ({"energy": lambda p, x: x}, "energy", "It returned shape (64, 2) where (64,) was expected."),
        ({"energy": lambda p, x: 3.0}, "energy", "It returned a float where an array was expected."),
        ({"energy": lambda p, x: np.full(len(x), np.nan), "gradient": None}, "energy", "It returned NaN for 64 of 64 states."),
        ({"train": raising}, "train", "It raised RuntimeError: the dog ate it"),
        ({"train": lambda *a: iter([])}, "train", "It ended without a snapshot."),
        ({"train": lambda *a: iter([3])}, "train", "It yielded a int where a Snapshot was expected."),
        ({"train": lambda *a: iter([Snapshot(3)])}, "train", "It yielded a int where params were expected."),
        ({"train": lambda *a: iter([Snapshot({"mean": [1.0]})])}, "train", "list where an array"),
        ({"train": lambda *a: iter([Snapshot({"m": np.array([object()])})])}, "train", "object where an array"),
        ({"sample": raising}, "sample", "It raised RuntimeError: the dog ate it"),
        ({"sample": lambda *a: iter([])}, "sample", "It ended without a snapshot."),
        ({"sample": lambda p, c, r, x: iter([Snapshot(x[:, 0])])}, "sample", "It returned shape (300,) where (300, 2) was expected."),
        ({"sample": lambda p, c, r, x: iter([Snapshot(x, {"a": "b"})])}, "sample", "Its metric 'a' is a str"),
        ({"log_partition": raising}, "log_partition", "It raised RuntimeError: the dog ate it"),
        ({"log_partition": lambda p: "abc"}, "log_partition", "It returned 'abc' where a finite number or None"),
        ({"log_partition": lambda p: float("nan")}, "log_partition", "It returned nan where a finite number or None"),
        ({"box": lambda p: np.zeros(3)}, "box", "It returned shape (3,) where"),
        ({"train": lambda *a: raising_exit()}, "train", "It raised SystemExit: 4"),
        ({"sample": lambda *a: raising_exit()}, "sample", "It raised SystemExit: 4"),
    ],
)  # fmt: skip
def test_a_broken_part_is_named(fields, part, message):
    with pytest.raises(PluginError) as caught:
        run(RunSpec(family="bowl"), changed(BOWL, **fields))
    assert (caught.value.plugin, caught.value.part) == ("bowl", part)
    assert message in str(caught.value)


def test_a_state_outside_the_space_is_named():
    registry = changed(GRID, sample=lambda p, c, r, x: iter([Snapshot(x + 0.5)]))
    with pytest.raises(PluginError, match="left the space"):
        run(RunSpec(family="grid", dataset="lamps"), registry)


def test_a_config_error_before_the_first_yield_reaches_its_control():
    with pytest.raises(ConfigError) as caught:
        run(RunSpec(family="bowl", train={"epochs": 501}), REGISTRY)
    assert caught.value.field == "train.epochs"


def test_data_without_rows_are_refused_at_the_data_where_there_is_something_to_learn():
    with pytest.raises(ConfigError) as caught:
        run(RunSpec(family="bowl", dataset="plane"), REGISTRY)
    assert caught.value.field == "data"


def missing():
    raise FileNotFoundError("my-data.csv")


BROKEN = {
    "gone": Dataset(key="gone", title="Gone", summary="", space=Plane(), load=missing),
    "leaves": Dataset(key="leaves", title="Leaves", summary="", space=Plane(), load=lambda: raising_exit()),
    "nan": Dataset(
        key="nan",
        title="NaN",
        summary="",
        space=Plane(),
        load=lambda: Data(x=np.full((3, 2), np.nan), space=Plane()),
    ),
}


def raising_exit():
    raise SystemExit(4)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        ([[0, 1], [np.nan, 1], [2, np.nan]], "Row 1 of x holds NaN, and one more row holds such."),
        ([[0, 1], [2, 3], [np.inf, 1]], "Row 2 of x holds infinity."),
        ([[0, 1], [1e300, 3], [2, 1]], "Row 1 of x holds a number beyond 3.4e+38."),
    ],
)
def test_numbers_that_no_run_can_use_are_named(x, words):
    """NaN is named as NaN, with what to do about it, and not as a row outside of the plane."""
    mine = Dataset(key="mine", title="Mine", summary="", space=Plane(), load=lambda: Data(x=np.array(x, dtype=float), space=Plane()))  # fmt: skip
    with pytest.raises(PluginError) as caught:
        plans.load_data(mine)
    assert words in str(caught.value)
    assert ("rescale" if "beyond" in words else "fill in or remove what is missing") in str(caught.value)


def test_a_dataset_that_does_not_load_costs_nobody_else_anything():
    registry = replace(REGISTRY, datasets={**BROKEN, **REGISTRY.datasets})
    family = registry.families["bowl"]
    config = Learn()
    assert list(plans.offered_datasets(family, registry, config)) == ["cloud"]
    reasons = plans.broken_datasets(family, registry)
    assert list(reasons) == list(BROKEN)
    assert "my-data.csv" in reasons["gone"]
    assert result_digest(run(RunSpec(family="bowl"), registry)) == result_digest(
        run(RunSpec(family="bowl"), REGISTRY)
    )
    with pytest.raises(PluginError, match=r"my-data\.csv"):
        run(RunSpec(family="bowl", dataset="gone"), registry)


@pytest.mark.parametrize(
    ("spec", "field"),
    [({"train": None}, "train"), ({"sample": [1]}, "sample"), ({"start": "noise"}, "start")],
)
def test_specs_of_the_wrong_type_are_named(spec, field):
    with pytest.raises(ConfigError) as caught:
        resolve(RunSpec(family="bowl", **spec), REGISTRY)
    assert caught.value.field == field


def test_a_caption_that_fails_is_noted_and_costs_nothing_else():
    made = run(RunSpec(family="bowl"), changed(BOWL, explain=raising))
    assert any("explain" in note for note in made.notes)
    assert result_digest(made) == result_digest(run(RunSpec(family="bowl"), REGISTRY))


def test_what_was_learned_cannot_be_written_to():
    def spoils(params, config, rng, x):
        params["mean"][:] = 99.0
        yield Snapshot(x)

    with pytest.raises(PluginError, match="read-only"):
        run(RunSpec(family="bowl"), changed(BOWL, sample=spoils))


def test_a_plugin_that_edits_what_it_yielded_cannot_change_what_was_kept():
    def edits(params, config, rng, x):
        for _ in range(5):
            x += 1.0
            yield Snapshot(x)

    made = run(
        RunSpec(family="bowl", start=starts.Drawn(states=starts.pack(np.zeros((1, 2)), Plane()))),
        changed(BOWL, sample=edits),
    )
    assert made.sampling.frames[:, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
