"""Discovery assumes that every plugin is broken: nothing one does costs another anything, and all of it is said."""

from __future__ import annotations

import dataclasses
import doctest
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from ebm_plugins import (
    BinaryGrid,
    Config,
    Data,
    Dataset,
    Family,
    Lens,
    NoConfig,
    Plane,
    Registry,
    RunSpec,
    Sampler,
    Snapshot,
    hookimpl,
    hookspecs,
    knob,
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


# Admission


class Unfrozen(BaseModel):
    steps: int = 3


class Required(Config):
    steps: int


class OutOfBounds(Config):
    steps: int = knob(0, "Steps.", ge=1, le=9)


class Words(Config):
    name: str = "x"


class Maybe(Config):
    steps: int | None = None


class Cold(Config):
    temperature: Literal["hot", "cold"] = "hot"


class Frozen0(Config):
    temperature: float = knob(0.0, "T.", ge=0.0)


class Every(Config):
    every: int = knob(1, "Steps.", ge=0)


class Twins(Config):
    rate: float = 1.0
    Rate: float = 2.0


class Shouting(Config):
    rule: Literal["A", "a"] = "a"


BAD_FAMILIES: list[tuple[dict[str, Any], str]] = [
    ({"title": " "}, "title: expected some text, got ' '."),
    ({"summary": None}, "summary: expected some text, got None."),
    ({"accepts": ()}, "accepts: expected a tuple of space types, like (Plane,), got ()."),
    ({"accepts": Plane}, "accepts: expected a tuple of space types, like (Plane,), got <class"),
    ({"accepts": (Plane(),)}, "accepts: expected a tuple of space types, like (Plane,), got (Plane(),)."),
    ({"accepts": (int,)}, "accepts: expected a tuple of space types"),
    ({"energy": None}, "energy: expected a function, got a NoneType."),
    ({"train": "train"}, "train: expected a function, got a str."),
    ({"sample": 3}, "sample: expected a function, got an int."),
    ({"gradient": np.zeros(2)}, "gradient: expected a function, got a ndarray."),
    ({"log_partition": 1.5}, "log_partition: expected a function, got a float."),
    ({"explain": "because"}, "explain: expected a function, got a str."),
    ({"train_config": NoConfig()}, "train_config: expected a config class (a frozen pydantic model), got NoConfig()."),
    ({"train_config": dict}, "train_config: expected a config class"),
    ({"train_config": Unfrozen}, "train_config: Unfrozen is not frozen; make it a subclass of ebm_plugins.Config."),
    ({"train_config": Required}, "train_config: the defaults of Required are not valid: steps: Field required."),
    ({"train_config": OutOfBounds}, "train_config: the defaults of OutOfBounds are not valid: steps: Input should be"),
    ({"train_config": Words}, "train_config: Words.name: a config field is int, float, bool, Literal"),
    ({"train_config": Maybe}, "train_config: Maybe.steps: a config field has one type; use a default instead of None."),
    ({"train_config": Twins}, "train_config: two fields differ only in case, and a link cannot tell them apart."),
    ({"train_config": Shouting}, "train_config: the default of rule does not survive being written into a link."),
    ({"sample_config": Cold}, "sample_config: temperature is reserved for a number above 0"),
    ({"sample_config": Frozen0}, "sample_config: temperature is reserved for a number above 0"),
    ({"sample_config": Every}, "sample_config: every is reserved for a whole number with ge=1"),
    ({"exactness": "perfect"}, "exactness: expected one of exact, asymptotic, biased, descent, got 'perfect'."),
    ({"exactness": lambda config: config.rate}, "exactness: it raised AttributeError: "),
    ({"exactness": lambda config: ["exact"]}, "exactness: expected one of"),
    ({"section": 3}, "section: expected text, got an int."),
    ({"learn": None}, "learn: expected text, got a NoneType."),
    ({"methods": "ula"}, "methods: expected a tuple of sampler keys, got 'ula'."),
    ({"methods": (sampler,)}, "methods: expected a tuple of sampler keys"),
    ({"clamps": 1}, "clamps: expected True or False, got 1."),
    ({"lens": {"year": 1982}}, "lens: expected a Lens, got a dict."),
    ({"presets": ["one"]}, "presets: expected a mapping whose keys are titles, got ['one']."),
    ({"figures": {"": energy}}, "figures: expected a mapping whose keys are titles"),
    ({"figures": {"Energy": 1}}, "figures['Energy']: expected a function, got an int."),
    ({"studies": {"Capacity": energy}}, "studies['Capacity']: expected (config, function), got <function"),
    ({"studies": {"Capacity": (Unfrozen, energy)}}, "studies['Capacity']: Unfrozen is not frozen"),
    ({"studies": {"Capacity": (NoConfig, 1)}}, "studies['Capacity']: expected a function, got an int."),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "message"), BAD_FAMILIES, ids=lambda v: v if isinstance(v, str) else None)
def test_a_bad_family_is_refused_by_the_field_that_is_wrong(
    fields: dict[str, Any], message: str, loaded: Plugins
) -> None:
    found = loaded(both=families(family("bad", **fields), family("good")))
    assert list(found.families) == ["good"]
    ((plugin, stage, text),) = said(found)
    assert (plugin, stage) == ("both", "admission")
    assert text.startswith("The family ‘bad’: " + message)
    assert found.failures[0].traceback


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (sampler("bad", needs_gradient=None), "The sampler ‘bad’: needs_gradient: expected True or False, got None."),
        (sampler("bad", sample=None), "The sampler ‘bad’: sample: expected a function, got a NoneType."),
        (sampler("bad", config=Cold), "The sampler ‘bad’: config: temperature is reserved"),
        (dataset("bad", space=BinaryGrid), "The dataset ‘bad’: space: expected a space, like BinaryGrid(3, 3), got"),
        (dataset("bad", load=Data(x=np.eye(4), space=GRID)), "The dataset ‘bad’: load: expected a function that"),
        (dataset("bad", load=np.eye(4)), "The dataset ‘bad’: load: expected a function, got a ndarray."),
    ],
)  # fmt: skip
def test_bad_samplers_and_datasets(record: Any, message: str, loaded: Plugins) -> None:
    name = f"register_{type(record).__name__.lower()}s"
    found = loaded(one={name: hook(name, record)})
    ((_, stage, text),) = said(found)
    assert stage == "admission"
    assert text.startswith(message)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"key": "one"}, "register_families yields Family records, and this is a dict."),
        (Family, "register_families yields Family records, and this is the class Family."),
        (None, "register_families yields Family records, and this is a NoneType."),
        (
            sampler(),
            "register_families yields Family records, and this is a Sampler; yield it from register_samplers.",
        ),
    ],
)
def test_a_record_of_the_wrong_kind_says_what_came(record: Any, message: str, loaded: Plugins) -> None:
    assert said(loaded(one=families(record))) == [("one", "admission", message)]


@pytest.mark.parametrize(
    "key",
    ["", "Upper", "two words", "a/b", "../up", "é", "-a", "a-", "a--b", "x" * 41, 3, None, "a\n", ("a",)],
)
def test_a_key_is_a_slug(key: Any, loaded: Plugins) -> None:
    ((_, stage, message),) = said(loaded(one=families(family(key))))
    assert stage == "admission"
    assert message.startswith("key: expected at most 40 lowercase letters, digits, hyphens and underscores")


@pytest.mark.parametrize(
    "key", ["home", "compare", "plugins", "api", "app", "static", "component", "media", "seed"]
)
def test_a_key_is_no_word_of_pages_or_links(key: str, loaded: Plugins) -> None:
    found = loaded(one=families(family(key)))
    assert not found.families
    assert f"‘{key}’ is a page or a link parameter" in found.failures[0].message


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
    st.sampled_from([NoConfig, Unfrozen, Words, Plane, Plane(), energy, object(), Ellipsis, np.zeros(2),
                     np.ma.masked, type, int, Lens, family, hookspecs]),
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(field=st.sampled_from([f.name for f in dataclasses.fields(Family)]), value=JUNK)
def test_no_junk_in_any_field_gets_out_of_load(field: str, value: Any, loaded: Plugins) -> None:
    found = loaded(junk=families(family(**{field: value})), good=families(family("good")))
    assert "good" in found.families
    assert len(found.families) == 2 or found.failures


# Entry points


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put a distribution on the path by hand: what pip would leave, without pip."""
    monkeypatch.delenv("EBM_PLUGINS", raising=False)

    def one(
        distribution: str, entries: str, folder: str = "site", version: str = "1.0", **modules: str
    ) -> Path:
        site = tmp_path / folder
        info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(entries)
        for name, text in modules.items():
            (site / f"{name}.py").write_text(text)
            monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.syspath_prepend(str(site))
        return site

    return one


def module(key: str) -> str:
    return (
        "import numpy as np\nfrom ebm_plugins import BinaryGrid, Family, NoConfig, hookimpl\n"
        "def f(*args): yield\n@hookimpl\ndef register_families():\n"
        f"    yield Family(key={key!r}, title='T', summary='S', accepts=(BinaryGrid,), energy=f, train=f, sample=f,\n"
        "                 train_config=NoConfig, sample_config=NoConfig)\n"
    )


def third(*allow: str, everything: bool = False) -> Registry:
    return load(None if everything else allow, builtins=())


def test_entry_points_are_found_and_allowed_by_either_name(
    install: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("My-Dist", "[ebm_plugins]\nmine = mine_x\n", version="4.2", mine_x=module("mine"))
    for allow in (("mine",), ("my_dist",), ("MY.DIST",)):
        found = third(*allow)
        assert (found.providers["mine"].name, found.providers["mine"].version) == ("My-Dist", "4.2")
        assert Path(found.providers["mine"].file).name == "mine_x.py"
        assert found.failures == ()
    assert "mine" in load(builtins=()).families
    assert "mine" not in load(builtins=(), discover=False).families
    assert "mine" not in third().families
    for value, there in (("", False), ("other", False), (" other , mine ", True)):
        monkeypatch.setenv("EBM_PLUGINS", value)
        assert ("mine" in load(builtins=()).families) is there
    assert "mine" in third("mine").families, "the argument goes before the variable"
    with pytest.raises(TypeError, match="several names"):
        load("mine", builtins=())


def test_built_ins_come_before_entry_points(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    built_in = types.ModuleType("zzz")
    vars(built_in).update(families(family("taken", title="Built in")))
    monkeypatch.setitem(sys.modules, "zzz", built_in)
    install("aaa", "[ebm_plugins]\naaa = aaa_x\n", aaa_x=module("taken"))
    found = load(["aaa"], builtins=["zzz"])
    assert found.families["taken"].title == "Built in"
    assert found.failures[0].plugin == "aaa"


def test_a_copy_further_down_the_path_does_not_count(install: Any) -> None:
    install("twice", "[ebm_plugins]\ntwice = twice_x\n", folder="old", version="1.0", twice_x=module("twice"))
    install("twice", "[ebm_plugins]\ntwice = twice_x\n", folder="new", version="2.0", twice_x=module("twice"))
    found = third("twice")
    assert found.providers["twice"].version == "2.0"
    assert found.failures == ()


@pytest.mark.parametrize(
    ("entries", "text", "message"),
    [
        ("[ebm_plugins]\nbad = nowhere_x\n", "", "Its module ‘nowhere_x’ cannot be found."),
        (
            "[ebm_plugins]\nbad = bad_x:plugin\n",
            "",
            "AttributeError: module 'bad_x' has no attribute 'plugin'",
        ),
        (
            "[ebm_plugins]\nbad = bad_x:plugin\n",
            "plugin = None",
            "Its entry point is None, where a module was",
        ),
        ("[ebm_plugins]\nbad = bad_x\n", "def :", "SyntaxError: invalid syntax"),
        (
            "[ebm_plugins]\nbad = bad_x\n",
            "raise SystemExit",
            "It asked the whole program to exit (code None)",
        ),
        (
            "[ebm_plugins]\nbad = bad_x\n",
            "import nowhere_y.z",
            "It needs the module ‘nowhere_y’, which is not",
        ),
        ("[ebm_plugins]\nbad = bad_x\n", "raise GeneratorExit", "GeneratorExit: "),
    ],
)
def test_imports_that_fail(entries: str, text: str, message: str, install: Any) -> None:
    install("bad", entries, bad_x=text)
    install("good", "[ebm_plugins]\ngood = good_x\n", folder="good", good_x=module("good"))
    found = third("bad", "good")
    assert list(found.families) == ["good"]
    ((plugin, stage, said_),) = said(found)
    assert (plugin, stage) == ("bad", "import")
    assert said_.startswith(message)


def test_damaged_metadata_costs_only_its_own_distribution(install: Any) -> None:
    install("damaged", "no section here\n[ebm_plugins]\n= = =\n\x00", folder="damaged")
    install("good", "[ebm_plugins]\ngood = good_x\n", folder="good", good_x=module("good"))
    assert list(third("good").families) == ["good"]


def test_a_taken_plugin_name_names_both_distributions(install: Any) -> None:
    install("first", "[ebm_plugins]\nsame = first_x\n", folder="a", first_x=module("first"))
    install("second", "[ebm_plugins]\nsame = second_x\n", folder="b", second_x=module("second"))
    found = third("same")
    assert list(found.families) == ["first"]
    assert said(found) == [
        (
            "same",
            "registration",
            "The plugin name ‘same’ is already taken by first 1.0 (first_x); second 1.0 has to choose another "
            "entry-point name.",
        )
    ]


def test_the_examples_of_the_hooks_run() -> None:
    outcome = doctest.testmod(hookspecs)
    assert outcome.attempted >= 15
    assert outcome.failed == 0
