"""Families that the project has never heard of, with presets and a lens, and Home run over them."""

from __future__ import annotations

import json
import threading

import numpy as np
from streamlit.testing.v1 import AppTest

from ebm_plugins import (
    BinaryGrid,
    Data,
    Dataset,
    Family,
    Lens,
    NoConfig,
    Plane,
    RunSpec,
    Snapshot,
    starts,
)
from ebm_plugins.config import Config, knob
from ebm_plugins.registry import Provider, Registry

HELD = (
    threading.Event()
)  # a sampler of ours waits for it, so that a picture stays unmade as long as a test wants
HELD.set()


class Walk(Config):
    """How long to walk."""

    steps: int = knob(5, "Steps.", ge=1, le=50)


def walk(params, config, rng, x):
    for _ in range(config.steps):
        HELD.wait(20)
        x = x + 0.1 * rng.standard_normal(x.shape)
        yield Snapshot(x)


def still(params, config, rng, x):
    for _ in range(config.steps):
        yield Snapshot(x)


def train(data, config, rng):
    yield Snapshot({"nothing": np.zeros(1)})


def bowl(params, x):
    return 0.5 * (x**2).sum(axis=1)


def broken(params, x):
    raise RuntimeError("the planted fault")


def a_family(key, title, year, names, dataset, *, sample=walk, energy=bowl, space=Plane):
    """A stranger with presets."""
    presets = {
        name: RunSpec(family=key, dataset=dataset, start=starts.Noise(n=4 + i))
        for i, name in enumerate(names)
    }
    lens = year and Lens(year=year, authors="Nobody", energy="E", learns="l", samples="s", avoids="a")
    return Family(
        key=key, title=title, summary="A stranger.", accepts=(space,), energy=energy, train=train, sample=sample,
        train_config=NoConfig, sample_config=Walk, presets=presets, lens=lens or None,
    )  # fmt: skip


def a_registry(*families):
    """A registry of these families and two bare spaces."""
    spaces = {"flat": Plane(), "cells": BinaryGrid(3, 3)}
    datasets = {
        key: Dataset(
            key=key,
            title=key.title(),
            summary="Bare.",
            space=space,
            load=lambda space=space, key=key: Data(x=np.zeros((0, space.dim)), space=space, name=key),
        )
        for key, space in spaces.items()
    }
    keys = [f.key for f in families] + list(datasets)
    house = {k: Provider("a-house", "1.0", "a_house") for k in keys}
    return Registry(
        families={f.key: f for f in families},
        datasets=datasets,
        providers={**house, **{f"data:{k}": house[k] for k in datasets}},
    )


def opened(registry, **query):
    """Home, run over a registry."""

    def script(registry):
        from dashboard.app_pages.home import home

        home(registry)

    test = AppTest.from_function(script, kwargs={"registry": registry}, default_timeout=30)
    for name, value in query.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception
    return test


def said(test):
    return "\n".join(element.value for element in test.markdown)


def sent(test, component="ebm.wells"):
    """What the component of this name was given."""
    found = [
        json.loads(c.proto.json) for c in test.get("bidi_component") if c.proto.component_name == component
    ]
    return found[0]
