"""A finished run as bytes and back: everything that a page, a figure or a link reads of it is the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dashboard import stage
from dashboard.plot import envelope
from ebm_plugins import RunSpec, packing, results, runs, starts
from ebm_plugins.plans import plan
from ebm_plugins.registry import Registry
from ebm_plugins.stamps import compare, read_stamp, stamp

KEYS = ("hopfield", "langevin", "rbm", "metropolis-hastings", "dsm", "infonce")


def example(key: str, registry: Registry) -> RunSpec:
    found = registry.families[key].example
    assert found is not None
    return found


@pytest.mark.parametrize("key", KEYS)
def test_a_run_comes_back(key: str, registry: Registry) -> None:
    run = runs.run(example(key, registry), registry)
    again = results.from_bytes(results.to_bytes(run), registry)
    assert again.spec == run.spec
    assert runs.result_digest(again) == runs.result_digest(run)
    assert envelope.pack(stage.payload(again)) == envelope.pack(stage.payload(run))
    assert again.verdict == run.verdict
    assert again.notes == run.notes
    assert repr(again.report) == repr(run.report)
    assert len(again.training.frames) == len(run.training.frames)
    for before, after in zip(run.training.frames, again.training.frames, strict=True):
        assert {k: v.tobytes() for k, v in before.items()} == {k: v.tobytes() for k, v in after.items()}
    x = run.sampling.last
    assert (again.target.energy(x) == run.target.energy(x)).all()
    for title, figure in registry.families[key].figures.items():
        assert figure(again).to_json() == figure(run).to_json(), title


def test_clamped_chains_keep_what_they_are_held_at(registry: Registry) -> None:
    spec = example("rbm", registry)
    dim = plan(spec, registry).space.dim
    free = tuple(cell < dim // 2 for cell in range(dim))
    run = runs.run(replace(spec, start=starts.Data((0, 1, 2), copies=2, free=free)), registry)
    assert run.free is not None
    again = results.from_bytes(results.to_bytes(run), registry)
    moving = run.sampling.last[:, run.free]
    assert (again.target.energy(moving) == run.target.energy(moving)).all()


def test_what_a_link_says_is_what_the_machine_said_that_made_it(registry: Registry) -> None:
    run = runs.run(example("hopfield", registry), registry)
    raw = results.to_bytes(run)
    assert results.from_bytes(raw, registry).stamp == stamp(run)
    elsewhere = replace(run, stamp=stamp(run).replace(stamp(run).split("_")[1], "0123456789ab"))
    again = results.from_bytes(results.to_bytes(elsewhere), registry)
    said = read_stamp(f"0.1.0_{runs.spec_digest(run.spec, registry)[:16]}_{stamp(again)}")
    assert said is not None
    assert said.environment == "0123456789ab"
    assert compare(said, again, registry).status == "same"  # both were made there
    assert compare(said, run, registry).status != "same"  # this one was not


def test_other_bytes_are_refused(registry: Registry) -> None:
    run = runs.run(example("hopfield", registry), registry)
    raw = results.to_bytes(run)
    with pytest.raises(packing.PackingError):
        results.from_bytes(packing.pack({"spec": run.spec.as_dict()}), registry)
    with pytest.raises(packing.PackingError):
        results.from_bytes(raw[:-100], registry)


def test_the_code_that_makes_a_run_is_part_of_what_it_is_found_by(
    registry: Registry, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = plan(example("hopfield", registry), registry)
    before = results.code_of(made, registry)
    assert before == results.code_of(made, registry)
    module = tmp_path / "third.py"
    module.write_text("x = 1\n")
    key = made.family.key
    foreign = replace(registry.providers[key], file=str(module))
    other = replace(registry, providers={**registry.providers, key: foreign})
    first = results.code_of(made, other)
    module.write_text("x = 2\n")
    results._code.cache_clear()
    assert len({before, first, results.code_of(made, other)}) == 3


def test_frames_of_unequal_shapes_come_back_too(registry: Registry) -> None:
    run = runs.run(example("hopfield", registry), registry)
    frames = ({"w": np.ones(2)}, {"w": np.ones(3)})
    training = replace(run.training, frames=frames, steps=np.array([0, 1]))
    again = results._read(packing.unpack(packing.pack({"t": results._written(training)}))["t"])
    assert [f["w"].shape for f in again.frames] == [(2,), (3,)]
