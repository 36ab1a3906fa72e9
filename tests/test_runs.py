"""Runs: what a spec determines, what is kept, what stops one, and whose fault a failure is."""

from __future__ import annotations

import copy
import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

from ebm_plugins import (
    BinaryGrid,
    Config,
    ConfigError,
    Data,
    Dataset,
    Family,
    NoConfig,
    Plane,
    PluginError,
    RunSpec,
    Sampler,
    Snapshot,
    knob,
    plans,
    starts,
)
from ebm_plugins.keeping import Frames, MetricLog
from ebm_plugins.registry import Registry
from ebm_plugins.runs import (
    Finished,
    LimitError,
    Limits,
    Progress,
    environment_tag,
    execute,
    resolve,
    result_digest,
    run,
    spec_digest,
    training_digest,
)
from ebm_plugins.targets import bind


class Learn(Config):
    epochs: int = knob(5, "How many epochs.", ge=1, le=1000)
    rate: float = knob(0.5, "How fast.", ge=0.0, le=1.0)


class Walk(Config):
    steps: int = knob(20, "How many steps.", ge=1, le=100_000)
    every: int = knob(1, "Steps a snapshot.", ge=1, le=1000)
    scale: float = knob(1.0, "How far.", ge=0.0, le=1e200)
    temperature: float = knob(1.0, "Temperature.", ge=0.1, le=10.0)


def energy(params, x):
    with np.errstate(over="ignore"):
        return 0.5 * ((x - params["mean"]) ** 2).sum(axis=1)


def train(data, config, rng):
    if config.epochs == 501 or data.bare:
        raise ConfigError("epochs", "any number but 501", config.epochs)
    mean = rng.standard_normal(2)
    for _ in range(config.epochs):
        mean = mean + config.rate * (data.x.mean(axis=0) - mean)
        yield Snapshot({"mean": mean}, {"gap": float(np.abs(mean).max())})


def walk(params, config, rng, x):
    for _ in range(-(-config.steps // config.every)):
        for _ in range(config.every):
            x = x + config.scale * rng.standard_normal(x.shape)
        yield Snapshot(x, {"spread": float(x.std())})


def flip(target, config, rng, x):
    for _ in itertools.count():
        x = x.copy()
        column = rng.integers(x.shape[1])
        x[:, column] = 1 - x[:, column]
        yield Snapshot(x)


def nudge(target, config, rng, x):
    for _ in itertools.count():
        x = x + 0.1 * rng.standard_normal(x.shape)
        yield Snapshot(x)


BOWL = Family(
    key="bowl", title="Bowl", summary="One well.", accepts=(Plane,), energy=energy, train=train, sample=walk,
    gradient=lambda params, x: x - params["mean"], train_config=Learn, sample_config=Walk,
)  # fmt: skip
GRID = Family(
    key="grid", title="Grid", summary="No interaction.", accepts=(BinaryGrid,), train_config=NoConfig,
    sample_config=NoConfig, learns=lambda config: False,
    energy=lambda params, x: (x @ params["field"]),
    train=lambda data, config, rng: iter([Snapshot({"field": np.linspace(-1, 1, data.space.dim)})]),
    sample=lambda params, config, rng, x: (Snapshot(rng.integers(0, 2, x.shape)) for _ in itertools.count()),
)  # fmt: skip
FLIP = Sampler(key="flip", title="Flip", summary="", accepts=(BinaryGrid,), config=NoConfig, sample=flip)
NUDGE = Sampler(
    key="nudge",
    title="Nudge",
    summary="",
    accepts=(Plane,),
    config=NoConfig,
    sample=nudge,
    needs_gradient=True,
)
CLOUD = Dataset(
    key="cloud", title="Cloud", summary="", space=Plane(),
    load=lambda: Data(x=np.random.default_rng(0).standard_normal((50, 2)), space=Plane(), name="cloud"),
)  # fmt: skip
EMPTY = Dataset(
    key="plane",
    title="Plane",
    summary="",
    space=Plane(),
    load=lambda: Data(x=np.zeros((0, 2)), space=Plane()),
)
LAMPS = Dataset(
    key="lamps", title="Lamps", summary="", space=BinaryGrid(1, 3),
    load=lambda: Data(x=np.eye(3), space=BinaryGrid(1, 3), name="lamps"),
)  # fmt: skip
REGISTRY = Registry(
    families={"bowl": BOWL, "grid": GRID},
    samplers={"flip": FLIP, "nudge": NUDGE},
    datasets={"plane": EMPTY, "cloud": CLOUD, "lamps": LAMPS},
)


def changed(family: Family, **fields) -> Registry:
    """The registry with one family changed."""
    return replace(REGISTRY, families={**REGISTRY.families, family.key: replace(family, **fields)})


def test_resolve_fills_in_everything_and_is_idempotent():
    spec = resolve(RunSpec(family="bowl"), REGISTRY)
    assert spec.dataset == "cloud", "a family that learns is given data with rows, never a bare space"
    assert spec.train == {"epochs": 5, "rate": 0.5}
    assert spec.sample["steps"] == 20
    assert spec.sampler == "bowl"
    assert spec.start == starts.Noise(300)
    assert resolve(spec, REGISTRY) == spec
    assert RunSpec.from_dict(json.loads(json.dumps(spec.as_dict()))) == spec
    assert copy.deepcopy(spec) == spec


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (RunSpec(family="bow"), "family"),
        (RunSpec(family="bowl", dataset="nowhere"), "data"),
        (RunSpec(family="bowl", dataset="lamps"), "data"),
        (RunSpec(family="bowl", train={"epochs": 0}), "train.epochs"),
        (RunSpec(family="bowl", train={"epochs": 2.5}), "train.epochs"),
        (RunSpec(family="bowl", train={"rate": float("nan")}), "train.rate"),
        (RunSpec(family="bowl", train={"pace": 1}), "train.pace"),
        (RunSpec(family="bowl", sample={"scale": "far"}), "sample.scale"),
        (RunSpec(family="bowl", sampler="nuts"), "sampler"),
        (RunSpec(family="bowl", sampler="flip"), "sampler"),
        (RunSpec(family="bowl", seed=-1), "seed"),
        (RunSpec(family="bowl", seed=True), "seed"),
        (RunSpec(family="bowl", train_stop=0), "train_stop"),
        (RunSpec(family="bowl", start=starts.Noise(0)), "start.n"),
        (RunSpec(family="bowl", start=starts.Data(rows=(50,))), "start.rows"),
        (RunSpec(family="bowl", start=starts.Data(rows=())), "start.rows"),
        (RunSpec(family="bowl", start=starts.Corrupted(rows=(0,), kind="flip")), "start.kind"),
        (RunSpec(family="bowl", start=starts.Corrupted(rows=(0,), kind="noise", amount=1.5)), "start.amount"),
        (RunSpec(family="bowl", start=starts.Drawn(states="!!")), "start.states"),
        (RunSpec(family="bowl", start=starts.Noise(3, free=(True,))), "start.free"),
        (RunSpec(family="bowl", start=starts.Noise(3, free=(True, False))), "start.free"),
        (RunSpec(family="bowl", dataset="plane", start=starts.Data(rows=(0,))), "start"),
    ],
)
def test_what_cannot_be_used_is_named_by_its_control(spec, field):
    with pytest.raises(ConfigError) as caught:
        resolve(spec, REGISTRY)
    assert caught.value.field == field
    assert caught.value.expected


def test_gradient_samplers_are_refused_where_there_is_no_gradient():
    registry = changed(BOWL, gradient=None)
    with pytest.raises(ConfigError, match="gradient"):
        resolve(RunSpec(family="bowl", sampler="nudge"), registry)
    assert resolve(RunSpec(family="bowl", sampler="nudge"), REGISTRY).sampler == "nudge"


def test_the_same_spec_gives_the_same_bits_and_another_seed_other_ones():
    first, again = run(RunSpec(family="bowl"), REGISTRY), run(RunSpec(family="bowl"), REGISTRY)
    other = run(RunSpec(family="bowl", seed=1), REGISTRY)
    assert result_digest(first) == result_digest(again)
    assert (first.sampling.frames == again.sampling.frames).all()
    assert not np.isin(first.sampling.last, other.sampling.last).any()
    assert (first.params["mean"] != other.params["mean"]).all()


def test_a_sampling_control_never_changes_training_nor_retrains():
    calls = []

    def counted(data, config, rng):
        calls.append(1)
        yield from train(data, config, rng)

    registry = changed(BOWL, train=counted)
    first = run(RunSpec(family="bowl"), registry)
    wider = RunSpec(family="bowl", sample={"scale": 2.0})
    assert training_digest(wider, registry) == training_digest(RunSpec(family="bowl"), registry)
    second = run(wider, registry, training=first.training)
    assert calls == [1]
    assert result_digest(second) == result_digest(run(wider, registry)), "given training changes nothing else"


def test_digests_depend_on_everything_that_determines_a_run_and_on_nothing_else():
    base = spec_digest(RunSpec(family="bowl"), REGISTRY)
    assert base == spec_digest(resolve(RunSpec(family="bowl"), REGISTRY), REGISTRY)
    others = [
        RunSpec(family="bowl", seed=1),
        RunSpec(family="bowl", train={"rate": 0.25}),
        RunSpec(family="bowl", sample={"every": 2}),
        RunSpec(family="bowl", start=starts.Noise(299)),
        RunSpec(family="bowl", sampler="nudge"),
        RunSpec(family="bowl", train_stop=4),
        RunSpec(family="bowl", sample_stop=4),
    ]
    digests = {spec_digest(spec, REGISTRY) for spec in others}
    assert len(digests) == len(others)
    assert base not in digests
    moved = replace(CLOUD, load=lambda: Data(x=np.ones((50, 2)), space=Plane(), name="cloud"))
    registry = replace(REGISTRY, datasets={**REGISTRY.datasets, "cloud": moved})
    assert spec_digest(RunSpec(family="bowl"), registry) != base, "the data's own digest is part of it"
    assert len(environment_tag()) == 12


def test_stop_keeps_what_there_is_and_continuing_gives_the_same_bits():
    whole = run(RunSpec(family="bowl"), REGISTRY)
    asked = {"train": 2, "sample": 7}
    seen = {"train": 0, "sample": 0}

    def stop(phase):
        seen[phase] += 1
        return seen[phase] == asked[phase]

    stopped = run(RunSpec(family="bowl"), REGISTRY, stop=stop)
    assert (stopped.spec.train_stop, stopped.spec.sample_stop) == (2, 7)
    assert not stopped.training.finished
    assert len(stopped.sampling.energies) == 8
    again = run(stopped.spec, REGISTRY)
    assert result_digest(again) == result_digest(stopped), "the stops in the spec reproduce what Stop left"
    assert (stopped.training.params["mean"] == whole.training.frames[1]["mean"]).all()
    continued = run(replace(stopped.spec, train_stop=None, sample_stop=None), REGISTRY)
    assert result_digest(continued) == result_digest(whole)


def test_events_count_every_snapshot_and_end_with_the_run():
    events = list(execute(RunSpec(family="bowl", sample={"every": 4}), REGISTRY))
    phases = [e.phase for e in events if isinstance(e, Progress)]
    assert phases == ["train"] * 5 + ["sample"] * 5 + ["truth"]
    assert [e.step for e in events[:5]] == [1, 2, 3, 4, 5]
    assert events[0].total == 5
    assert events[5].total == 5
    assert isinstance(events[-1], Finished)


def test_frames_are_few_evenly_spaced_and_end_with_the_last():
    long = run(RunSpec(family="bowl", sample={"steps": 1003}, start=starts.Noise(1500)), REGISTRY).sampling
    assert long.frames.shape[0] <= 300
    assert long.frames.shape[1:] == (1000, 2)
    assert long.last.shape == (1500, 2)
    assert long.steps[0] == 0
    assert long.steps[-1] == 1003
    assert len(set(np.diff(long.steps[:-1]))) == 1
    assert long.traces.shape == (1004, 64, 2)
    assert long.energies.shape == (1004, 64)
    assert len(long.metrics["spread"]) == 1003
    np.testing.assert_allclose(long.energies[-1], energy({"mean": _mean(long)}, long.last[:64]), rtol=1e-6)


def _mean(sampling):
    """The well's centre, solved from two energies: an independent route to the params."""
    return run(RunSpec(family="bowl"), REGISTRY).params["mean"]


def test_frames_and_metrics_alone():
    frames, log = Frames(most=10), MetricLog()
    for step in range(101):
        if frames.wants(step):
            frames.add(step, step)
        log.add({"a": 1.0} if step % 2 else {"b": 2.0})
    steps, items = frames.close(100, 100)
    assert steps == items
    assert len(steps) <= 10
    assert steps[-1] == 100
    arrays = log.arrays()
    assert len(arrays["a"]) == len(arrays["b"]) == 101
    assert np.isnan(arrays["a"][0])


def test_a_diverging_run_stops_at_that_step_with_the_last_good_state():
    made = run(RunSpec(family="bowl", sample={"scale": 1e160, "steps": 9}), REGISTRY)
    assert made.sampling.diverged == 1, "the energy overflows at the first step"
    assert np.isfinite(made.sampling.last).all()
    assert made.verdict.status == "bad"


def test_training_that_diverges_keeps_the_last_good_params():
    def bursts(data, config, rng):
        yield Snapshot({"mean": np.zeros(2)})
        yield Snapshot({"mean": np.array([np.nan, 0.0])})

    made = run(RunSpec(family="bowl"), changed(BOWL, train=bursts))
    assert made.training.diverged == 1
    assert (made.params["mean"] == 0).all()
    assert made.notes


def test_training_that_diverges_at_once_names_the_rate_not_the_plugin():
    """Before the first snapshot nothing was learned: who set the rate can mend that. Without a rate, it is the plugin."""

    def bursts(data, config, rng):
        yield Snapshot({"mean": np.full(2, np.nan)})

    class Rated(Config):
        learning_rate: float = knob(2.0, "Size of a learning step.", ge=0.1, le=4.0)

    with pytest.raises(ConfigError) as caught:
        run(RunSpec(family="bowl"), changed(BOWL, train=bursts, train_config=Rated))
    assert caught.value.field == "train.learning_rate"
    assert "a lower rate: learning diverged" in caught.value.expected
    with pytest.raises(PluginError, match="first params are not finite"):
        run(RunSpec(family="bowl"), changed(BOWL, train=bursts))


def test_a_generator_without_a_length_gets_three_hundred_snapshots():
    made = run(RunSpec(family="grid", dataset="lamps", sampler="flip"), REGISTRY)
    assert len(made.sampling.energies) == 301
    assert len(run(RunSpec(family="grid", dataset="lamps", sample_stop=0), REGISTRY).sampling.energies) == 1


def test_clamped_cells_stay_and_the_truth_conditions_on_them():
    start = starts.Drawn(
        states=starts.pack(np.array([[1.0, 0, 1]]), BinaryGrid(1, 3)), copies=40, free=(False, True, True)
    )
    made = run(RunSpec(family="grid", dataset="lamps", sampler="flip", start=start), REGISTRY)
    assert (made.sampling.frames[:, :, 0] == 1).all()
    assert made.truth.kind == "enumeration"
    exact = np.log(sum(np.exp(-(-1.0 + 0 * a + 1.0 * b)) for a in (0, 1) for b in (0, 1)))
    assert made.truth.log_partition == pytest.approx(exact, abs=1e-12)


def test_temperature_is_bound_into_the_target():
    params = {"mean": np.zeros(2)}
    x = np.random.default_rng(0).standard_normal((4, 2))
    cold, warm = bind(BOWL, params, Plane()), bind(BOWL, params, Plane(), temperature=2.0)
    np.testing.assert_allclose(warm.energy(x), cold.energy(x) / 2)
    np.testing.assert_allclose(warm.gradient(x), cold.gradient(x) / 2)


def test_what_is_too_large_is_refused_before_it_starts():
    with pytest.raises(LimitError) as caught:
        run(RunSpec(family="bowl", sample={"steps": 100_000}, start=starts.Noise(1_000_000)), REGISTRY)
    assert "2.0e+11" in str(caught.value)
    with pytest.raises(LimitError):
        run(RunSpec(family="bowl", sample={"steps": 100_000}, start=starts.Noise(1)), REGISTRY)
    slow = run(RunSpec(family="bowl", train={"epochs": 1000}), REGISTRY, limits=Limits(seconds=0.0))
    assert slow.training.count == 1
    assert slow.spec.train_stop == 1
    assert any("limit" in note for note in slow.notes)


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


def test_too_many_snapshots_are_answered_with_the_every_that_fits(registry: Registry) -> None:
    """The least that is not refused: one lower is."""
    spec = RunSpec(family="langevin", sample={"steps": 70_000}, start=starts.Noise(1))
    limits = Limits(snapshots=20_000)
    with pytest.raises(LimitError) as caught:
        next(execute(spec, registry, limits=limits))
    assert caught.value.got == "70000 snapshots: set Every (steps per snapshot) to at least 4"
    with pytest.raises(LimitError):
        next(execute(replace(spec, sample={"steps": 70_000, "every": 3}), registry, limits=limits))
    next(execute(replace(spec, sample={"steps": 70_000, "every": 4}), registry, limits=limits))
