"""A record is let in when every field of it can be used; otherwise its author is told which one cannot, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import pytest
from pydantic import BaseModel

from ebm_plugins import (
    BinaryGrid,
    Config,
    Data,
    Dataset,
    Family,
    Lesson,
    NoConfig,
    Plane,
    RunSpec,
    Sampler,
    Snapshot,
    knob,
)  # fmt: skip
from ebm_plugins.admission import RECORDS, Refused, admit

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


def lesson(**fields: Any) -> Lesson:
    usual: dict[str, Any] = {
        "title": "See",
        "spec": RunSpec(family="one"),
        "look": "There.",
        "claim": "It is so.",
    }
    return Lesson(**(usual | fields))


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


def refusal(record: Any, hook: str = "") -> str:
    """What the author of a record is told."""
    hook = hook or next(name for name, kind in RECORDS.items() if isinstance(record, kind))
    with pytest.raises(Refused) as refused:
        admit(record, hook, {})
    return str(refused.value)


def test_good_records_are_let_in() -> None:
    admit(family(), "register_families", {})
    admit(sampler(), "register_samplers", {})
    admit(dataset(), "register_datasets", {})


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
    ({"lessons": [lesson()]}, "lessons: expected a tuple of Lesson records"),
    ({"lessons": ("try it",)}, "lessons: expected a tuple of Lesson records"),
    ({"lessons": (lesson(title=" "),)}, "lessons[' '].title: expected some text, got ' '."),
    ({"lessons": (lesson(look=None),)}, "lessons['See'].look: expected some text, got None."),
    ({"lessons": (lesson(kind="game"),)}, "lessons['See'].kind: expected one of try, failure, got 'game'."),
    ({"lessons": (lesson(spec="/one?seed=1"),)}, "lessons['See'].spec: expected a RunSpec, got a str."),
    ({"lessons": (lesson(), lesson(title="See!"))}, "lessons['See!'].title: expected a title that no other"),
    ({"lessons": (lesson(title="?!"),)}, "lessons['?!'].title: expected a title that no other"),
    ({"presets": ["one"]}, "presets: expected a mapping whose keys are titles, got ['one']."),
    ({"figures": {"": energy}}, "figures: expected a mapping whose keys are titles"),
    ({"figures": {"Energy": 1}}, "figures['Energy']: expected a function, got an int."),
    ({"studies": {"Capacity": energy}}, "studies['Capacity']: expected (config, function), got <function"),
    ({"studies": {"Capacity": (Unfrozen, energy)}}, "studies['Capacity']: Unfrozen is not frozen"),
    ({"studies": {"Capacity": (NoConfig, 1)}}, "studies['Capacity']: expected a function, got an int."),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "message"), BAD_FAMILIES, ids=lambda v: v if isinstance(v, str) else None)
def test_a_bad_family_is_refused_by_the_field_that_is_wrong(fields: dict[str, Any], message: str) -> None:
    assert refusal(family("bad", **fields)).startswith("The family ‘bad’: " + message)


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
def test_bad_samplers_and_datasets(record: Any, message: str) -> None:
    assert refusal(record).startswith(message)


@pytest.mark.parametrize(
    ("record", "what"),
    [
        ({"key": "one"}, "a dict"),
        (Family, "the class Family"),
        (None, "a NoneType"),
        (sampler(), "a Sampler; yield it from register_samplers"),
    ],
)
def test_a_record_of_the_wrong_kind_says_what_came(record: Any, what: str) -> None:
    assert (
        refusal(record, "register_families")
        == f"register_families yields Family records, and this is {what}."
    )


@pytest.mark.parametrize(
    "key",
    ["", "Upper", "two words", "a/b", "../up", "é", "-a", "a-", "a--b", "x" * 41, 3, None, "a\n", ("a",)],
)
def test_a_key_is_a_slug(key: Any) -> None:
    expected = "key: expected at most 40 lowercase letters, digits, hyphens and underscores"
    assert refusal(family(key)).startswith(expected)


@pytest.mark.parametrize(
    "key", ["home", "compare", "plugins", "api", "app", "static", "component", "media", "seed"]
)
def test_a_key_is_no_word_of_pages_or_links(key: str) -> None:
    assert f"‘{key}’ is a page or a link parameter" in refusal(family(key))
