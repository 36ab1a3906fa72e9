"""Runs: what a spec determines, what is kept, and what stops one."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
from toy_families import (
    BOWL,
    CLOUD,
    REGISTRY,
    changed,
    energy,
    train,
)

from ebm_plugins import (
    BinaryGrid,
    Config,
    ConfigError,
    Data,
    Plane,
    PluginError,
    RunSpec,
    Snapshot,
    knob,
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
