"""Every dataset against an independent way to make it; and bad data, refused in the user's words."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ebm_plugins import BinaryGrid, ConfigError, Data, Plane, Vectors, shapes, starts
from ebm_plugins.datasets import from_arrays, inline, inline_key, mixture, register_datasets

RECORDS = {record.key: record for record in register_datasets()}
SHAPES = ["two-moons", "eight-gaussians", "rings", "checkerboard", "pinwheel", "swiss-roll"]


def load(key: str) -> Data:
    return RECORDS[key].load()


def test_every_key_is_there_once() -> None:
    keys = [record.key for record in register_datasets()]
    assert keys == [
        "plane", "grid-8x8", "grid-4x4", "article-patterns", "article-six", "bars-and-stripes-2x2",
        "bars-and-stripes-3x3", "bars-and-stripes-4x4", "digits", "digits-binary", *SHAPES,
    ]  # fmt: skip


@pytest.mark.parametrize("key", RECORDS)
def test_record_and_data_agree(key: str) -> None:
    record, data = RECORDS[key], load(key)
    assert record.title == data.name or record.title.removeprefix("Empty ") in data.name
    assert record.summary.endswith(".")
    assert data.space == record.space
    assert data.x.dtype == np.float64
    assert data.x.shape[1] == record.space.dim
    assert record.space.contains(data.x).all()
    assert len(data.names) in (0, len(data.x))
    for x, labels in ((data.x, data.labels), (data.test_x, data.test_labels)):
        assert labels is None or len(labels) == len(x)
    assert data.test_x is None or record.space.contains(data.test_x).all()


@pytest.mark.parametrize("key", RECORDS)
def test_loading_twice_gives_the_same_and_nobody_can_change_it(key: str) -> None:
    first, second = load(key), load(key)
    assert np.array_equal(first.x, second.x)
    with pytest.raises(ValueError, match="read-only"):
        first.x[...] = 7.0


def test_bare_spaces_have_no_rows() -> None:
    for key, dim in (("plane", 2), ("grid-8x8", 64), ("grid-4x4", 16)):
        assert load(key).bare
        assert load(key).x.shape == (0, dim)


def test_article_patterns_are_its_cells_and_overlap_by_32_32_36() -> None:
    cells = (
        [3, 4, 11, 12, 19, 20, 27, 28, 35, 36, 43, 44],
        range(24, 32),
        range(0, 64, 9),
    )
    data = load("article-patterns")
    for row, on in zip(data.x, cells, strict=True):
        assert np.flatnonzero(row).tolist() == list(on)
    spins = 2 * data.x - 1
    overlaps = spins @ spins.T
    assert sorted(overlaps[np.triu_indices(3, 1)]) == [32, 32, 36]
    assert data.names == ("Bar", "Line", "Diagonal")


def test_article_six_keeps_its_duplicates() -> None:
    data = load("article-six")
    assert data.space == BinaryGrid(1, 6)
    assert data.x.tolist() == [
        [1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1],
        [0, 0, 0, 0, 1, 1], [1, 0, 1, 0, 1, 0], [1, 0, 1, 0, 1, 0],
    ]  # fmt: skip


@pytest.mark.parametrize(("n", "best"), [(2, -1.7918), (3, -2.6391), (4, -3.4012)])
def test_bars_and_stripes_by_brute_force(n: int, best: float) -> None:
    """Of all 2^(n²) grids, those whose rows are all alike or whose columns are all alike; each once."""
    wanted = set()
    for cells in itertools.product((0, 1), repeat=n * n):
        rows = {cells[i * n : (i + 1) * n] for i in range(n)}
        columns = {cells[i::n] for i in range(n)}
        if len(rows) == 1 or len(columns) == 1:
            wanted.add(cells)
    data = load(f"bars-and-stripes-{n}x{n}")
    found = [tuple(int(v) for v in row) for row in data.x]
    assert len(found) == len(set(found))
    assert set(found) == wanted
    assert round(-np.log(len(found)), 4) == best
    grids = data.x.reshape(-1, n, n)
    for grid, label in zip(grids, data.labels, strict=True):
        assert (grid[0] == grid).all() if label == 0 else (grid[:, :1] == grid).all()


def test_digits_are_the_real_ones_in_the_fixed_split() -> None:
    from sklearn.datasets import load_digits

    real = load_digits()
    order = np.random.default_rng(0).permutation(1797)
    data, binary = load("digits"), load("digits-binary")
    assert (len(data.x), len(data.test_x)) == (1300, 497)
    assert np.array_equal(np.vstack([data.x, data.test_x]) * 16, real.data[order])
    assert np.array_equal(np.concatenate([data.labels, data.test_labels]), real.target[order])
    assert (data.x.min(), data.x.max()) == (0.0, 1.0)
    assert np.array_equal(binary.x, data.x >= 0.5)
    assert np.array_equal(binary.test_x, data.test_x >= 0.5)
    assert np.array_equal(binary.labels, data.labels)
    assert set(data.labels) == set(data.test_labels) == set(range(10))
    assert data.names[12] == f"{data.labels[12]} (row 12)"


def test_the_split_is_the_same_on_every_machine() -> None:
    """PCG64's permutation is integer arithmetic: these rows were written down once."""
    assert np.random.default_rng(0).permutation(1797)[:6].tolist() == [360, 1773, 1482, 600, 850, 196]


@pytest.mark.parametrize("key", SHAPES)
def test_shapes_are_standardised_by_their_train_part(key: str) -> None:
    data = load(key)
    assert data.space == Plane()
    assert (data.x.shape, data.test_x.shape) == ((2000, 2), (1000, 2))
    np.testing.assert_allclose(data.x.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(data.x.std(axis=0), 1.0, atol=1e-12)
    # The test part is scaled by the train part, so its own moments are near 0 and 1 and not equal to them.
    assert 0.0 < abs(data.test_x.mean(axis=0)).max() < 6 * np.sqrt(1 / 1000 + 1 / 2000)
    assert (data.test_x.std(axis=0) != 1.0).all()
    assert not (data.x[:1000] == data.test_x).all(axis=1).any()


@pytest.mark.parametrize(
    ("key", "parts"),
    [("two-moons", 2), ("eight-gaussians", 8), ("rings", 3), ("checkerboard", 8), ("pinwheel", 5)],
)
def test_parts_of_a_shape_are_equally_likely(key: str, parts: int) -> None:
    """Each count is within 6 binomial deviations: a false alarm in 2e-9 a part, 1e-7 for the test."""
    counts = np.bincount(load(key).labels, minlength=parts)
    assert len(counts) == parts
    assert (abs(counts - 2000 / parts) < 6 * np.sqrt(2000 / parts * (1 - 1 / parts))).all()


def test_checkerboard_fills_the_dark_squares_and_only_those() -> None:
    x, part, _, _ = shapes._drawn("checkerboard")
    squares = np.floor(x).astype(int)
    assert ((squares.sum(axis=1) % 2) == 0).all()
    assert {(a, b, p) for (a, b), p in zip(squares.tolist(), part.tolist(), strict=True)} == {
        (column, row, 2 * (row + 2) + (column + 2) // 2)
        for row in range(-2, 2)
        for column in range(-2, 2)
        if (row + column) % 2 == 0
    }


def test_rings_have_radius_1_2_and_3() -> None:
    """Mean radius of each ring within 6 standard errors (0.08 / √n): a false alarm in 1e-8."""
    x, part, _, _ = shapes._drawn("rings")
    for ring in range(3):
        radius = np.hypot(*x[part == ring].T)
        assert abs(radius.mean() - (ring + 1)) < 6 * 0.08 / np.sqrt(len(radius))


def test_mixture_is_the_density_of_the_eight_gaussians() -> None:
    """It integrates to 1, and held-out data have its mean log-density (−entropy) within 6 standard errors."""
    found = mixture("eight-gaussians")
    assert found is not None
    axis = np.linspace(-4, 4, 401)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    log_p = found.log_density(grid)
    cell = (axis[1] - axis[0]) ** 2
    assert abs(np.exp(log_p).sum() * cell - 1) < 1e-9
    expected = (np.exp(log_p) * log_p).sum() * cell
    on_data = found.log_density(load("eight-gaussians").test_x)
    assert abs(on_data.mean() - expected) < 6 * on_data.std() / np.sqrt(len(on_data))
    assert mixture("two-moons") is None


@pytest.mark.parametrize("noise", [0.0, 0.3, 2.0])
def test_mixture_score_is_the_gradient_of_its_log_density(noise: float) -> None:
    found = mixture("eight-gaussians")
    assert found is not None
    x = np.random.default_rng(1).standard_normal((20, 2))
    h = 1e-5
    for i in range(2):
        step = h * np.eye(2)[i]
        slope = (found.log_density(x + step, noise) - found.log_density(x - step, noise)) / (2 * h)
        np.testing.assert_allclose(found.score(x, noise)[:, i], slope, rtol=1e-6, atol=1e-6)


def test_mixture_with_noise_is_the_convolution() -> None:
    """p at noise σ is ∫ p(x − u) N(u; 0, σ²) du, here by a sum over a grid."""
    found = mixture("eight-gaussians")
    assert found is not None
    axis = np.linspace(-6, 6, 601)
    u = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    kernel = np.exp(-(u**2).sum(axis=1) / (2 * 0.4**2)) / (2 * np.pi * 0.4**2) * (axis[1] - axis[0]) ** 2
    for x in ([0.0, 0.0], [1.2, -0.3], [-0.5, 1.9]):
        direct = (np.exp(found.log_density(np.array(x) - u)) * kernel).sum()
        assert found.log_density(np.array([x]), 0.4)[0] == pytest.approx(np.log(direct), abs=1e-6)


@pytest.mark.parametrize(
    ("x", "space", "expected", "got"),
    [
        ([[0, 1], [1]], BinaryGrid(1, 2), "rows of equal length", "different lengths"),
        ([], Plane(), "at least one row", "none"),
        (np.zeros((0, 2)), Plane(), "at least one row", "none"),
        ([[]], Plane(), "at least one row", "none"),
        ([[0.0, np.nan]], Plane(), "finite numbers", "nan in row 0, column 1"),
        ([[0.0, 0.0], [-np.inf, 0.0]], Plane(), "finite numbers", "-inf in row 1, column 0"),
        ([[0.0, 1.0, 2.0]], Plane(), "a table of 2 columns", "1 × 3"),
        ([0.0, 1.0], Plane(), "a table of 2 columns", "one of 2"),
        (0.0, Plane(), "a table of 2 columns", "one of"),
        ([[0, 1], [0, -1]], BinaryGrid(1, 2), "a 1 × 2 grid of cells 0 or 1", "-1 in row 1, column 1"),
        ([[0, 0.5]], BinaryGrid(1, 2), "a 1 × 2 grid of cells 0 or 1", "0.5 in row 0, column 1"),
        (np.zeros((1, 3, 2)), BinaryGrid(2, 3), "a table of 6 columns", "1 × 3 × 2"),
        ([["a", "b"]], Plane(), "numbers only", "'a'"),
        ([[1.0, None]], Plane(), "numbers only", "'None'"),
        ([[1.0, 1j]], Plane(), "numbers only", "j"),
        ({"x": 1}, Plane(), "numbers only", "'x'"),
        ([[10**400, 1]], Plane(), "numbers only", "…"),
    ],
)
def test_bad_data_are_refused_in_the_users_words(x: object, space: object, expected: str, got: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_arrays(x, space)
    assert caught.value.field == "data"
    assert expected in caught.value.expected
    assert got in str(caught.value.got)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"labels": [1]}, "2 labels, one a row"),
        ({"labels": [[1], [2]]}, "2 labels, one a row"),
        ({"labels": [None, object()]}, "labels that are numbers or words"),
        ({"test_x": [[np.nan, 0]]}, "finite numbers"),
        ({"test_x": [[0, 0]], "test_labels": [1, 2]}, "1 test labels"),
        ({"test_labels": [1, 2]}, "test labels only with test rows"),
        ({"names": ["one"]}, "2 names, one a row"),
    ],
)
def test_labels_names_and_test_rows_must_match(more: dict[str, object], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_arrays([[0, 0], [1, 1]], Plane(), **more)
    assert caught.value.field == "data"
    assert expected in caught.value.expected


def test_good_arrays_are_copied_and_kept() -> None:
    mine = np.array([[[0, 1], [1, 0]]], dtype=np.uint8)
    data = from_arrays(mine, BinaryGrid(2, 2), labels=["cross"], names=["mine"], name="Mine")
    mine[:] = 1
    assert data.x.tolist() == [[0, 1, 1, 0]]
    assert (data.labels.tolist(), data.names, data.name) == (["cross"], ("mine",), "Mine")
    assert from_arrays([[True, False]], BinaryGrid(1, 2)).x.tolist() == [[1, 0]]
    assert from_arrays(np.ones((3, 2, 2)), Vectors(4, (2, 2))).x.shape == (3, 4)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_inline_patterns_come_back_whole(draw: st.DataObject) -> None:
    rows, cols = draw.draw(st.integers(1, 10)), draw.draw(st.integers(1, 10))
    n = draw.draw(st.integers(1, 12))
    x = draw.draw(arrays(np.uint8, (n, rows * cols), elements=st.integers(0, 1)))
    space = BinaryGrid(rows, cols)
    key = inline_key(x, space)
    data = inline(key)
    assert data.space == space
    assert np.array_equal(data.x, x)
    assert inline_key(data.x, data.space) == key
    assert len(data.names) == n


@pytest.mark.parametrize(
    "key",
    [
        "inline:", "inline:2x2", "inline:2x2:", "inline:0x2:AA", "inline:2x0:AA", "inline:-1x2:AA", "inline:2:AA",
        "inline:02x2:AA", "inline:2x2x2:AA", "inline:2x2:A", "inline:2x2:AAA=", "inline:2x2:A+", "inline:2x2:é",
        "inline:2x2: gA", "inline:2x2:gA\n", "Inline:2x2:gA", "inline:8x8:gA", "inline:65x65:gA",
        "inline:999999x999999:gA", "inline:2x2:gB", "inline:2x2:CA", "inline:8x8:" + "A" * 4100,
        "inline:8x8:" + "A" * 100_000, "inline:2x2:%67%41", "inline:٢x2:gA",
    ],
)  # fmt: skip
def test_malformed_inline_keys_are_refused(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        inline(key)
    assert caught.value.field == "data"
    assert len(str(caught.value)) < 300


def test_inline_key_refuses_what_a_link_cannot_carry() -> None:
    most = 384  # 4,096 characters are 3,072 bytes; an 8 × 8 pattern takes 8
    assert len(inline(inline_key(np.ones((most, 64)), BinaryGrid(8, 8))).x) == most
    with pytest.raises(ConfigError, match=f"at most {most} patterns"):
        inline_key(np.ones((most + 1, 64)), BinaryGrid(8, 8))
    with pytest.raises(ConfigError, match="cells 0 or 1"):
        inline_key([[0.0, 1.0]], Plane())
    with pytest.raises(ConfigError, match="cells 0 or 1"):
        inline_key([[0.0, 2.0]], BinaryGrid(1, 2))
    with pytest.raises(ConfigError, match="64 × 64"):
        inline_key(np.ones((1, 65)), BinaryGrid(1, 65))
    assert starts.MAX_INLINE == 4096


def test_loading_the_plugin_imports_neither_sklearn_nor_scipy() -> None:
    code = (
        "import sys; from ebm_plugins import datasets; list(datasets.register_datasets());"
        "print([m for m in ('sklearn', 'scipy', 'pandas', 'plotly', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
