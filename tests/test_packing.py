"""Plain data as bytes and back: equal, lazy, and nothing else is read."""

from __future__ import annotations

import contextlib
import io
import math
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from ebm_plugins.packing import TREE, PackingError, pack, unpack


@dataclass(frozen=True)
class Leaf:
    x: Any
    name: str = ""


plain = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(max_size=5),
    lambda inner: (
        some.lists(inner, max_size=3)
        | some.lists(inner, max_size=3).map(tuple)
        | some.dictionaries(some.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(some.dictionaries(some.text(max_size=5), plain, max_size=4))
def test_plain_data_come_back_as_they_were(content: dict[str, Any]) -> None:
    back = unpack(pack(content))
    assert back == content
    assert repr(back) == repr(content)  # tuples stay tuples, floats floats


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int16).reshape(2, 3),
        np.array(1.5),
        np.empty((0, 4), dtype=np.float32),
        np.array([True, False]),
        np.array(["a", "ü"]),
        np.arange(10.0)[::2],
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array([np.nan, np.inf, -0.0]),
    ],
)
def test_arrays_come_back_with_their_kind_and_shape(array: np.ndarray[Any, Any]) -> None:
    back = unpack(pack({"a": [array]}))["a"][0]
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()


def test_records_and_floats_that_are_not_finite() -> None:
    back = unpack(pack({"leaf": Leaf((np.ones(2), math.inf), "n"), "nan": math.nan}), (Leaf,))
    assert back["leaf"].name == "n"
    assert back["leaf"].x[1] == math.inf
    assert math.isnan(back["nan"])


def test_one_array_in_two_places_is_written_once() -> None:
    big = np.ones(100_000)
    assert len(pack({"a": big, "b": {"c": big}})) < 1.1 * big.nbytes


def test_a_part_is_read_alone() -> None:
    raw = pack({"small": {"x": np.ones(3)}, "big": np.ones(10)})
    with zipfile.ZipFile(io.BytesIO(raw)) as file:
        names = file.namelist()
        members = {name: file.read(name) for name in names if name != "big.npy"}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    assert unpack(out.getvalue(), part="small")["x"].sum() == 3
    with pytest.raises(PackingError):
        unpack(out.getvalue(), part="big")


def test_numpy_reads_it_without_us() -> None:
    raw = pack({"params": {"W": np.eye(3)}})
    with np.load(io.BytesIO(raw), allow_pickle=False) as file:
        assert (file["params/W"] == np.eye(3)).all()


def test_what_is_no_plain_data_is_not_written() -> None:
    for bad in (object(), {1, 2}, np.array([object()]), b"bytes"):
        with pytest.raises(PackingError):
            pack({"x": bad})


def test_other_bytes_are_refused_in_words_and_never_unpickled() -> None:
    raw = pack({"x": np.arange(4.0), "leaf": Leaf(1)})
    hostile = io.BytesIO()
    np.savez(hostile, x=np.array([object()], dtype=object))
    tree = io.BytesIO()
    with zipfile.ZipFile(tree, "w") as file:
        file.writestr(TREE, '{"x":{"$array":["../../etc/passwd","<f8",[1],false]}}')
    for bad in (b"", b"junk", raw[:-30], raw[: len(raw) // 2], hostile.getvalue(), tree.getvalue(), raw):
        with pytest.raises(PackingError):
            unpack(bad)  # the last one holds a record that the reader did not name


@pytest.mark.parametrize("seed", range(60))
def test_bytes_that_were_changed_are_read_or_refused(seed: int) -> None:
    rng = np.random.default_rng(seed)
    raw = bytearray(pack({"x": np.arange(40.0), "deep": [{"y": (1, 2.5)}, np.arange(3)]}))
    for place in rng.integers(0, len(raw), 3):
        raw[place] = rng.integers(0, 256)
    with contextlib.suppress(PackingError):
        unpack(bytes(raw))
