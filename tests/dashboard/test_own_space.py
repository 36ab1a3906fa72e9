"""Families in a space of their own: on a bare dataset, on one that their training cannot use, and on none at all."""

from __future__ import annotations

import json
import sys
import types
from dataclasses import dataclass

import numpy as np
import pytest
from dashboard_tools import open_page, settled, texts, visit_of

from ebm_plugins import Data, Dataset, Family, NoConfig, Plane, Snapshot, Vectors, hookimpl


@dataclass(frozen=True)
class MyPlane(Plane):
    """A third party's plane."""


@dataclass(frozen=True)
class Nowhere(Vectors):
    """A space that no dataset is in."""


def energy(params, x):
    return 0.5 * (x**2).sum(axis=1)


def ignores(data, config, rng):
    yield Snapshot({"one": np.ones(1)})


def reads(data, config, rng):
    yield Snapshot({"first": data.x[0]})


def sample(params, config, rng, x):
    while True:
        x = x + 0.0
        yield Snapshot(x)


def family(key, space, train):
    return Family(
        key=key, title=f"The {key}", summary="Small.", accepts=(space,), train_config=NoConfig,
        sample_config=NoConfig, energy=energy, train=train, sample=sample,
    )  # fmt: skip


@pytest.fixture
def own(monkeypatch):
    from ebm_plugins import registry

    module = types.ModuleType("ebm_test_own_space")

    @hookimpl
    def register_families():
        yield family("ignores", MyPlane, ignores)
        yield family("reads", MyPlane, reads)
        yield family("nowhere", Nowhere, ignores)

    @hookimpl
    def register_datasets():
        bare = Data(x=np.zeros((0, 2)), space=MyPlane(), name="My plane")
        yield Dataset(key="my-plane", title="My plane", summary="Bare.", space=MyPlane(), load=lambda: bare)

    module.register_families, module.register_datasets = register_families, register_datasets
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(registry, "BUILTINS", (module.__name__,))
    monkeypatch.setenv(registry.ALLOW_VARIABLE, "")
    return lambda path: settled(open_page(path))


def test_a_family_that_reads_no_rows_runs_on_a_bare_dataset_without_saying_that_it_does_not_learn(own):
    at = own("ignores")
    assert not at.exception
    assert "stopped in" not in texts(at)
    assert at.title[0].value == "The ignores"
    visit = visit_of(at, "ignores")
    assert visit.spec.dataset == "my-plane"
    assert visit.shown.run is not None


def test_nothing_is_claimed_that_its_author_did_not_claim(own):
    for path in ("ignores", "compare"):
        shown = texts(own(path)) + json.dumps([str(e.proto) for e in own(path).get("bidi_component")])
        assert "Exact in the limit" not in shown, path
    assert "Exactness not said" in texts(own("ignores"))


def test_one_whose_training_reads_rows_is_told_under_its_own_head_that_there_are_none(own):
    at = own("reads")
    assert not at.exception
    assert at.title[0].value == "The reads"
    assert "‘reads’ stopped in `train`" in texts(at)
    assert "my\\-plane, have no rows" in texts(at)


def test_one_that_no_dataset_is_there_for_says_so_under_its_own_head(own):
    at = own("nowhere")
    assert not at.exception
    assert at.title[0].value == "The nowhere"
    assert "There is nothing to run this on" in texts(at)
    assert "`Nowhere`" in texts(at)
