"""Patterns of one's own: from the stage or a file into the link, and nothing hostile gets in or costs memory."""

from __future__ import annotations

import io
import tracemalloc

import numpy as np
import pytest

from ebm_plugins import ConfigError
from ebm_plugins.datasets import inline
from ebm_plugins.own import from_file, with_row
from ebm_plugins.spaces import BinaryGrid

GRID = BinaryGrid(4, 4)
PATTERNS = np.eye(16)[:3]


def npy(array: np.ndarray, **options: bool) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("p.npy", npy(PATTERNS)),
        ("P.NPY", npy(PATTERNS.astype(bool))),
        ("p.npy", npy(PATTERNS.astype(np.uint8))),
        ("p.csv", "\n".join(",".join(str(int(v)) for v in row) for row in PATTERNS).encode()),
        ("p.txt", "\r\n".join(" ".join(str(int(v)) for v in row) for row in PATTERNS).encode("utf-8-sig")),
        ("p.csv", "\n".join(";".join(str(v) for v in row) for row in PATTERNS).encode()),
    ],
)
def test_a_file_of_patterns_comes_back_from_the_link(name: str, raw: bytes) -> None:
    data = inline(from_file(name, raw, GRID))
    assert data.space == GRID
    assert (data.x == PATTERNS).all()


def test_one_picture_of_the_grids_shape_is_one_pattern() -> None:
    picture = PATTERNS[1].reshape(4, 4)
    assert (inline(from_file("p.npy", npy(picture), GRID)).x == PATTERNS[1]).all()


def promise(shape: tuple[int, ...]) -> bytes:
    """A header that promises far more than the file holds."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return file.getvalue() + b"\0" * 64


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("p.exe", b"1,0"),
        ("p", b"1,0"),
        ("p.csv", b""),
        ("p.csv", b"\xff\xfe\x00"),
        ("p.csv", b"a,b\nc,d"),
        ("p.csv", b"1,0\n1"),
        ("p.csv", b"1,0,1\n0,0,0"),
        ("p.csv", b",".join([b"2"] * 16)),
        ("p.csv", b",".join([b"nan"] * 16)),
        ("p.csv", b"1" * 70_000),
        ("p.npy", b"not an array"),
        ("p.npy", npy(np.array([{"a": 1}]), allow_pickle=True)),
        ("p.npy", npy(np.zeros(16))),
        ("p.npy", promise((50_000, 50_000))),
        ("p.npy", promise((2**62, 2**62))),
        ("p.npy", npy(np.full((2, 16), 0.5))),
    ],
)
def test_anything_else_is_refused_in_words_before_it_costs_memory(name: str, raw: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(ConfigError) as caught:
        from_file(name, raw, GRID)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.field == "data"
    assert peak < 5_000_000


def test_a_drawn_row_joins_once() -> None:
    data = inline(from_file("p.npy", npy(PATTERNS), GRID))
    key = with_row(data, np.ones(16))
    assert key is not None
    assert (inline(key).x[-1] == 1).all()
    assert with_row(inline(key), np.ones(16)) is None
