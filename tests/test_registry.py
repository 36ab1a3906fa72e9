"""Discovery assumes that every plugin is broken: nothing one does costs another anything, and all of it is said."""

from __future__ import annotations

import dataclasses
import doctest
import sys
import types
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from ebm_plugins import (
    BinaryGrid,
    Data,
    Dataset,
    Family,
    Lens,
    Lesson,
    NoConfig,
    Plane,
    Registry,
    RunSpec,
    Sampler,
    Snapshot,
    hookimpl,
    hookspecs,
    load,
    registry,
)  # fmt: skip

GRID = BinaryGrid(2, 2)


def energy(params: Any, x: Any) -> Any:
    return x.sum(axis=1)


def train(data: Any, config: Any, rng: Any) -> Iterator[Snapshot]:
    yield Snapshot({"none": np.zeros(1)})


def sample(params: Any, config: Any, rng: Any, x: Any) -> Iterator[Snapshot]:
    while True:
        yield Snapshot(x)


def family(key: Any = "one", **fields: Any) -> Family:
    usual: dict[str, Any] = {
        "key": key, "title": "One", "summary": "A family.", "accepts": (BinaryGrid,), "train_config": NoConfig,
        "sample_config": NoConfig, "energy": energy, "train": train, "sample": sample,
    }  # fmt: skip
    return Family(**(usual | fields))


def sampler(key: Any = "walk", **fields: Any) -> Sampler:
    usual: dict[str, Any] = {
        "key": key, "title": "Walk", "summary": "A sampler.", "accepts": (BinaryGrid,), "config": NoConfig,
        "sample": sample,
    }  # fmt: skip
    return Sampler(**(usual | fields))


def dataset(key: Any = "lamps", **fields: Any) -> Dataset:
    usual: dict[str, Any] = {
        "key": key, "title": "Lamps", "summary": "A dataset.", "space": GRID,
        "load": lambda: Data(x=np.eye(4), space=GRID),
    }  # fmt: skip
    return Dataset(**(usual | fields))


def hook(name: str, *records: Any) -> Any:
    """An implementation of the named hook that yields these records."""

    def implementation() -> Any:
        yield from records

    implementation.__name__ = name
    return hookimpl(implementation)


Plugins = Callable[..., Registry]


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Plugins:
    """``loaded(one={hook: ...}, two=...)``: the registry of these plugins, as if they were all built in."""

    def build(**plugins: Any) -> Registry:
        for name, members in plugins.items():
            plugin = types.ModuleType(name) if isinstance(members, dict) else members
            if isinstance(members, dict):
                vars(plugin).update(members)
            monkeypatch.setitem(sys.modules, name, plugin)
        return load(builtins=list(plugins), discover=False)

    return build


def families(*records: Any) -> dict[str, Any]:
    return {"register_families": hook("register_families", *records)}


def said(found: Registry) -> list[tuple[str, str, str]]:
    return [(f.plugin, f.stage, f.message) for f in found.failures]


def test_records_come_in_order_with_their_providers(loaded: Plugins) -> None:
    found = loaded(
        second=families(family("z"), family("a")),
        first={
            "register_datasets": hook("register_datasets", dataset()),
            "register_samplers": hook("register_samplers", sampler()),
        },
    )
    assert list(found.families) == ["z", "a"]
    assert list(found.datasets) == ["lamps"]
    assert list(found.samplers) == ["walk"]
    assert found.providers["z"].module == "second"
    assert found.provider(found.datasets["lamps"]).module == found.providers["lamps"].module == "first"
    assert found.failures == ()


def test_a_registry_is_read_only(loaded: Plugins) -> None:
    found = loaded(one=families(family()))
    with pytest.raises(TypeError):
        found.families["two"] = family("two")  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.failures = ()  # type: ignore[misc]


def test_built_ins_are_read_when_load_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = types.ModuleType("renamed")
    vars(plugin).update(families(family("renamed")))
    monkeypatch.setitem(sys.modules, "renamed", plugin)
    monkeypatch.setattr(registry, "BUILTINS", ("renamed", "ebm_plugins.not_written"))
    found = load(discover=False)
    assert list(found.families) == ["renamed"]
    assert said(found) == [
        ("ebm_plugins.not_written", "import", "Its module ‘ebm_plugins.not_written’ cannot be found.")
    ]


def test_the_built_ins_all_load() -> None:
    found = load(discover=False)
    assert said(found) == []
    assert {"plane", "digits"} <= set(found.datasets)
    assert {"hopfield", "langevin"} <= set(found.families)
    assert {p.name for p in found.providers.values()} == {"ebm-plugins"}
    assert all(Path(p.file).is_file() for p in found.providers.values())


# Registration


def test_a_misspelt_hook_is_named_with_its_near_match(loaded: Plugins) -> None:
    wrong = {**families(family()), "register_sampler": hook("register_sampler", sampler())}
    found = loaded(wrong=wrong, right=families(family("right")))
    assert list(found.families) == ["right"]
    assert said(found) == [
        ("wrong", "registration", "There is no hook ‘register_sampler’; did you mean ‘register_samplers’?")
    ]


def test_a_hook_unlike_any_other_lists_them_all(loaded: Plugins) -> None:
    ((_, stage, message),) = said(loaded(odd={"paint": hook("paint")}))
    assert stage == "registration"
    assert message == (
        "There is no hook ‘paint’; the hooks are register_families, register_datasets and register_samplers."
    )


def test_an_optional_hook_of_a_later_host_is_let_be(loaded: Plugins) -> None:
    @hookimpl(optionalhook=True)
    def register_holograms() -> Any:
        yield 1

    found = loaded(later={**families(family()), "register_holograms": register_holograms})
    assert list(found.families) == ["one"]
    assert found.failures == ()


def test_a_plugin_without_hooks_is_told_so(loaded: Plugins) -> None:
    def register_families() -> Any:
        yield family()

    found = loaded(empty={"x": 1}, unmarked={"register_families": register_families})
    (_, _, first), (_, _, second) = said(found)
    assert (
        first == "It implements none of the hooks register_families, register_datasets and register_samplers."
    )
    assert second.endswith("; ‘register_families’ lacks its @hookimpl mark.")


def test_a_plugin_that_compares_and_hashes_strangely_harms_nobody(loaded: Plugins) -> None:
    class Strange:
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            raise RuntimeError("do not compare me")

        @hookimpl
        def register_families(self) -> Any:
            yield family("strange")

    found = loaded(first=families(family("first")), strange=Strange(), last=families(family("last")))
    assert {"first", "last"} <= set(found.families)


# Collection


def test_what_came_before_an_error_is_kept(loaded: Plugins) -> None:
    @hookimpl
    def register_families() -> Any:
        yield family("good")
        raise KeyError("weights")

    broken = {
        "register_families": register_families,
        "register_samplers": hook("register_samplers", sampler()),
    }
    found = loaded(broken=broken)
    assert list(found.families) == ["good"]
    assert list(found.samplers) == ["walk"]
    assert said(found) == [
        (
            "broken",
            "collection",
            "register_families raised KeyError: 'weights' (records before the error, which stay: 1).",
        )
    ]
    assert 'raise KeyError("weights")' in found.failures[0].traceback


@pytest.mark.parametrize("error", [SystemExit(2), GeneratorExit(), MemoryError(), RecursionError("deep")])
def test_whatever_a_hook_raises_is_caught(error: BaseException, loaded: Plugins) -> None:
    @hookimpl
    def register_families() -> Any:
        raise error

    found = loaded(broken={"register_families": register_families}, good=families(family()))
    assert list(found.families) == ["one"]
    assert [(f.plugin, f.stage) for f in found.failures] == [("broken", "collection")]


def test_an_interrupt_from_the_keyboard_is_not(loaded: Plugins) -> None:
    @hookimpl
    def register_families() -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loaded(broken={"register_families": register_families})


def test_lists_are_as_good_as_generators_and_nothing_is_nothing(loaded: Plugins) -> None:
    listed = {"register_families": hookimpl(_named("register_families", lambda: [family("a"), family("b")]))}
    nothing = {"register_families": hookimpl(_named("register_families", lambda: None))}
    found = loaded(listed=listed, nothing=nothing)
    assert list(found.families) == ["a", "b"]
    assert found.failures == ()


def test_a_record_that_is_returned_instead_of_yielded(loaded: Plugins) -> None:
    returned = {"register_families": hookimpl(_named("register_families", family))}
    assert said(loaded(returned=returned)) == [
        ("returned", "collection", "register_families returned one Family; yield it instead.")
    ]


def test_a_hook_that_does_not_end_is_cut(loaded: Plugins) -> None:
    @hookimpl
    def register_families() -> Any:
        number = 0
        while True:
            number += 1
            yield family(f"f{number}")

    found = loaded(flood={"register_families": register_families})
    assert len(found.families) == registry.MAX_RECORDS
    assert said(found) == [("flood", "collection", "register_families yielded 1000 records and did not end.")]


def test_a_change_to_numpys_error_handling_does_not_stay(loaded: Plugins) -> None:
    @hookimpl
    def register_families() -> Any:
        np.seterr(all="raise")
        yield family()

    before = np.geterr()
    loaded(strict={"register_families": register_families})
    assert np.geterr() == before


def _named(name: str, function: Any) -> Any:
    def implementation() -> Any:
        return function()

    implementation.__name__ = name
    return implementation


def test_a_taken_key_names_who_has_it(loaded: Plugins) -> None:
    found = loaded(
        first=families(family("same", title="First")),
        second=families(family("same", title="Second"), family("other")),
        third={"register_samplers": hook("register_samplers", sampler("same"), sampler("walk"))},
        fourth={"register_datasets": hook("register_datasets", dataset("same"), dataset("same"))},
    )
    version = found.providers["same"].version
    assert found.families["same"].title == "First"
    assert list(found.families) == ["same", "other"]
    assert list(found.samplers) == ["walk"]
    assert list(found.datasets) == ["same"], "datasets have a name space of their own"
    first, fourth = (f"by ebm-plugins {version} ({name}); choose another." for name in ("first", "fourth"))
    assert said(found) == [
        ("second", "admission", f"key: ‘same’ is already taken {first}"),
        ("third", "admission", f"key: ‘same’ is already taken {first}"),
        ("fourth", "admission", f"key: ‘same’ is already taken {fourth}"),
    ]
    assert found.providers["same"].module == "first"
    assert found.providers["data:same"].module == "fourth"
    assert found.provider(found.datasets["same"]).module == "fourth"


def test_methods_that_nobody_registers_are_left_out(loaded: Plugins) -> None:
    found = loaded(
        one=families(family(methods=("walk", "fly"))),
        two={"register_samplers": hook("register_samplers", sampler())},
    )
    assert found.families["one"].methods == ("walk",)
    assert said(found) == [
        ("one", "admission", "The family ‘one’ lists ‘fly’ among its methods, and no plugin registers it.")
    ]


def test_lessons_are_checked_when_all_are_in(loaded: Plugins) -> None:
    """A lesson may be a run of another family; one that does not resolve is left out, alone."""
    lesson = partial(Lesson, look="There.", claim="It is so.")
    good = lesson(title="Next door", spec=RunSpec(family="two", dataset="lamps"))
    bad = lesson(title="Nowhere", spec=RunSpec(family="nobody"))
    found = loaded(
        one=families(family(lessons=(bad, good)), family("two")),
        two={"register_datasets": hook("register_datasets", dataset())},
    )
    assert found.families["one"].lessons == (good,)
    assert [(f.plugin, f.stage) for f in found.failures] == [("one", "preset")]
    assert "The lesson ‘Nowhere’ of ‘one’ does not resolve" in found.failures[0].message


def test_presets_are_checked_when_all_are_in(loaded: Plugins) -> None:
    """The dataset comes from a plugin that loads later."""
    good = RunSpec(family="one", dataset="lamps")
    presets = {"Good": good, "Bad": RunSpec(family="one", dataset="nowhere"), "Not a spec": {"family": "one"}}
    found = loaded(
        one=families(family(presets=presets, example=RunSpec(family="one", sampler="nobody"))),
        two={"register_datasets": hook("register_datasets", dataset())},
    )
    assert dict(found.families["one"].presets) == {"Good": good}
    assert found.families["one"].example is None
    assert said(found) == [
        (
            "one",
            "preset",
            "The preset ‘Bad’ of ‘one’ does not resolve: data: expected one of lamps, got nowhere",
        ),
        ("one", "preset", "The preset ‘Not a spec’ of ‘one’ is a dict, where a RunSpec was expected."),
        ("one", "preset", "The example of ‘one’ does not resolve: sampler: expected one of one, got nobody"),
    ]


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=5),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.sampled_from([NoConfig, BaseModel, Plane, Plane(), energy, object(), Ellipsis, np.zeros(2),
                     np.ma.masked, type, int, Lens, family, hookspecs]),
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(field=st.sampled_from([f.name for f in dataclasses.fields(Family)]), value=JUNK)
def test_no_junk_in_any_field_gets_out_of_load(field: str, value: Any, loaded: Plugins) -> None:
    found = loaded(junk=families(family(**{field: value})), good=families(family("good")))
    assert "good" in found.families
    assert len(found.families) == 2 or found.failures


def test_the_examples_of_the_hooks_run() -> None:
    outcome = doctest.testmod(hookspecs)
    assert outcome.attempted >= 15
    assert outcome.failed == 0
