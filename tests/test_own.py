"""Data of one's own: rows come out as chosen, what is left out is said, and a link finds them again or says it cannot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ebm_plugins import ConfigError, RunSpec, arrays, link, own, runs, store, stored
from ebm_plugins.datasets import inline
from ebm_plugins.files import Pictures, read
from ebm_plugins.own import Choice, make
from ebm_plugins.spaces import BinaryGrid, Pairs, Plane, Vectors
from ebm_plugins.tables import Table

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(200, 2)) * [3, 50] + [10, -4]
PATTERNS = np.eye(16)[:3]


@pytest.fixture(autouse=True)
def _own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(store.FOLDER, str(tmp_path / "store"))
    stored._load.cache_clear()


def table(x: object, names: tuple[str, ...] = ()) -> Table:
    x = np.asarray(x, dtype=float)
    return Table(names or tuple(f"Column {i + 1}" for i in range(x.shape[1])), x)


def test_two_columns_become_points_standardised_or_as_they_are() -> None:
    content = table(np.column_stack([np.arange(200), POINTS]))
    assert own.usual(content, "points").columns == (1, 2)  # not the rows' numbers
    made = make(content, Choice("points", columns=(2, 1)))
    assert made.space == Plane()
    assert made.x.mean(axis=0) == pytest.approx([0, 0], abs=1e-6)
    assert made.x.std(axis=0) == pytest.approx([1, 1], abs=1e-6)
    assert np.corrcoef(made.x[:, 0], POINTS[:, 1])[0, 1] == pytest.approx(1)
    assert (make(content, Choice("points", columns=(1, 2), scaling="keep")).x == POINTS).all()


def test_what_is_left_out_is_said() -> None:
    x = POINTS.copy()
    x[3, 0], x[4, 1], x[5] = np.nan, np.inf, np.nan
    made = make(table(x), Choice("points", scaling="keep"))
    assert len(made.x) == 197
    assert made.dropped == (
        "2 rows without a number in a chosen column",
        "1 row with an infinite number",
    )
    many = make(table(np.column_stack([np.arange(12_000), np.arange(12_000) ** 2])), Choice("points"))
    assert len(many.x) == 10_000
    assert "2,000 rows of 12,000" in many.dropped[0]


@pytest.mark.parametrize(
    ("x", "choice", "said"),
    [
        (np.c_[np.ones(9), np.arange(9)], Choice("points"), "‘Column 1’, which is 1 in every row"),
        (np.c_[np.full(9, 1e300), np.arange(9)], Choice("points"), "vary"),
        (
            np.c_[np.full(9, 1e-300), np.arange(9)],
            Choice("points"),
            "‘Column 1’, which is 1e-300 in every row",
        ),
        (np.c_[np.linspace(0, 1e-9, 9), np.arange(9)], Choice("points", scaling="keep"), "varies by 1e-09"),
        (np.c_[np.linspace(0, 1e9, 9), np.arange(9)], Choice("points", scaling="keep"), "1,000,000"),
        (np.full((9, 2), np.nan), Choice("points"), "finite numbers"),
        (np.arange(2.0)[None], Choice("points"), "two rows"),
        (POINTS, Choice("points", columns=(0, 0)), "two different columns"),
        (np.ones((3, 16)), Choice("patterns", rows=4, cols=4), "vary"),
        (np.zeros((3, 15)), Choice("patterns", rows=4, cols=4), "16 columns"),
        (np.tile([0.0, 0.3], (3, 8)), Choice("patterns", rows=4, cols=4), "every cell off"),
        (np.tile([1.0, 2.0], (50, 1)), Choice("patterns", rows=1, cols=2), "50 times the same"),
        (np.tile([1.0, 2.0], (50, 1)), Choice("greys", rows=1, cols=2), "50 times the same"),
    ],
)
def test_rows_that_teach_nothing_are_refused(x: np.ndarray, choice: Choice, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(table(x), choice)
    assert said in str(caught.value)


@pytest.mark.parametrize("power", [-1070, -1000, -600, 500, 1020])
@pytest.mark.parametrize("kind", ["points", "patterns"])
def test_numbers_near_the_ends_of_their_range_are_read_as_others_are(power: int, kind: str) -> None:
    """Powers of two change no digit of a double: the same rows come out, though their squares overflow or vanish."""
    x = np.array([[1.0, 2.0], [3.0, 1.0], [0.0, 0.0], [-3.0, 2.0]])
    choice = Choice(kind, rows=1, cols=2)
    usual, made = make(table(x), choice), make(table(np.ldexp(x, power)), choice)
    assert np.isfinite(made.x).all()
    assert (made.x == usual.x).all()


def test_what_was_standardised_before_has_the_same_digest_still() -> None:
    """Links name data by their digest: the textbook's formula, to the last of the kept digits."""
    made = make(table(POINTS), Choice("points"))
    assert (made.x == np.round((POINTS - POINTS.mean(axis=0)) / POINTS.std(axis=0), own.DIGITS) + 0.0).all()


def test_a_table_of_cells_is_patterns_and_one_picture_is_one() -> None:
    content = table(PATTERNS)
    assert own.kinds(content, (BinaryGrid,)) == ("patterns",)
    choice = own.usual(content, "patterns")
    assert (choice.rows, choice.cols) == (4, 4)
    made = make(content, choice)
    assert made.inline
    assert (inline(own.keep(made)).x == PATTERNS).all()
    one = table(PATTERNS[1].reshape(4, 4))
    assert (4, 4) in own.sizes(one)
    choice = own.usual(one, "patterns", BinaryGrid(4, 4))
    assert (make(one, choice).x == PATTERNS[1]).all()


def test_the_threshold_and_which_side_is_on_change_the_patterns() -> None:
    grey = np.linspace(0, 1, 16)[None]
    counts = [
        make(table(grey), Choice("patterns", rows=4, cols=4, threshold=t)).x.sum() for t in (0.2, 0.5, 0.8)
    ]
    assert counts == sorted(counts, reverse=True)
    assert len(set(counts)) == 3
    light = make(table(grey), Choice("patterns", rows=4, cols=4)).x
    dark = make(table(grey), Choice("patterns", rows=4, cols=4, dark=True)).x
    assert (light + dark == 1).all()


def test_pictures_are_cut_to_shape_about_the_middle_and_averaged() -> None:
    picture = np.zeros((8, 12))
    picture[:, 2:6] = 1.0  # of the middle 8 × 8, the left half
    content = Pictures((picture, 1 - picture), ("a", "b"))
    made = make(content, Choice("greys", rows=2, cols=2))
    assert made.space == Vectors(4, (2, 2))
    assert made.x == pytest.approx(np.array([[1, 0, 1, 0], [0, 1, 0, 1]]))
    fine = make(content, Choice("greys", rows=8, cols=12))
    assert fine.x[0] == pytest.approx(picture.ravel())
    assert own.usual(content, "patterns", BinaryGrid(5, 7)).cols == 7
    assert own.usual(Pictures((np.full((4, 4), 0.9),), ("ink",)), "patterns").dark


def test_a_family_is_offered_what_it_takes() -> None:
    content = table(POINTS)
    assert own.kinds(content, (Plane,)) == ("points",)
    assert own.kinds(content, (Vectors, Plane)) == ("points", "vectors")
    assert own.kinds(Pictures((np.eye(3),), ("a",)), (Plane,)) == ()
    assert own.kinds(table(np.zeros((2, 64))), (Vectors, Pairs)) == ("greys", "vectors")


@pytest.mark.parametrize(
    ("content", "choice", "kind"),
    [
        (table(POINTS), Choice("points", columns=(1, 0)), "stored:plane:"),
        (table(POINTS), Choice("vectors", scaling="keep"), "stored:vectors2:"),
        (table(RNG.random((2500, 16))), Choice("patterns", rows=4, cols=4, threshold=0.35), "stored:grid4x4:"),
        (Pictures(tuple(RNG.random((5, 20, 20))), tuple("abcde")), Choice("greys", rows=6, cols=5, dark=True), "stored:grey6x5:"),
    ],
)  # fmt: skip
def test_what_a_link_cannot_hold_is_kept_by_its_digest_and_recognised(
    content: object, choice: Choice, kind: str
) -> None:
    made = make(content, choice)
    key = own.keep(made)
    assert key.startswith(kind)
    data = stored.load(key)
    assert data.space == made.space
    assert (data.x == made.x).all()
    assert not stored.missing(key)
    again = own.recognise(content, key)
    assert again is not None
    assert own.keep(again) == key
    assert own.recognise(table(np.exp(POINTS / 50)), key) is None


@pytest.mark.parametrize(
    "key",
    [
        "stored:", "stored:plane:", "stored:plane:" + "z" * 64, "stored:plane:../../etc/passwd", "stored:planet:" + "0" * 64,
        "stored:grid99x99:" + "0" * 64, "stored:grid4:" + "0" * 64, "stored:plane4x4:" + "0" * 64, "stored:vectors9999:" + "0" * 64,
        "stored:grid4x4:" + "0" * 65, "stored:plane:" + "0" * 64 + "\n",
    ],
)  # fmt: skip
def test_a_key_that_is_none_is_refused_in_words(key: str) -> None:
    assert not stored.missing(key)
    with pytest.raises(ConfigError, match="stored:SPACE:SHA256"):
        stored.load(key)


def test_a_key_that_lies_about_its_space_is_refused() -> None:
    digest = stored.digest_of(own.keep(make(table(POINTS), Choice("points"))))
    for kind in ("grid4x4", "grey4x4", "vectors3", "grid1x2"):
        with pytest.raises(ConfigError):
            stored.load(f"stored:{kind}:{digest}")
    garbage = store.uploads().put(b"not an array")
    with pytest.raises(ConfigError, match="npy"):
        stored.load(f"stored:plane:{garbage}")
    gaps = store.uploads().put(arrays.npy(np.full((3, 2), np.nan)))
    with pytest.raises(ConfigError, match="finite"):
        stored.load(f"stored:plane:{gaps}")


def test_a_link_runs_its_data_and_says_when_they_are_gone(registry) -> None:
    family = next(f for f in registry.families.values() if f.accepts[0] is BinaryGrid)
    made = make(table(RNG.random((2500, 16))), Choice("patterns", rows=4, cols=4))
    key = own.keep(made)
    spec = runs.resolve(RunSpec(family=family.key, dataset=key), registry)
    address = link.write(spec, registry, full=True)
    assert link.parse(address, registry) == (spec, [])
    other = own.keep(make(table(RNG.random((2500, 16))), Choice("patterns", rows=4, cols=4)))
    assert runs.spec_digest(spec, registry) != runs.spec_digest(
        RunSpec(**{**spec.as_dict(), "dataset": other, "start": spec.start}), registry
    )
    (Path(store.uploads().url) / stored.digest_of(key)).unlink()
    stored._load.cache_clear()
    assert stored.missing(key)
    with pytest.raises(stored.GoneError, match="give the file"):
        runs.resolve(spec, registry)
    _, mended = link.parse(address, registry)
    assert [m.parameter for m in mended] == ["data"]
    assert "not here" in mended[0].reason or "give the file" in mended[0].reason


def test_a_drawn_row_joins_once() -> None:
    data = inline(own.keep(make(table(PATTERNS), Choice("patterns", rows=4, cols=4))))
    key = own.with_row(data, np.ones(16))
    assert key is not None
    assert (inline(key).x[-1] == 1).all()
    assert own.with_row(inline(key), np.ones(16)) is None


def test_a_file_goes_all_the_way() -> None:
    raw = b"id;x;y;kind\n" + b"".join(b"%d;%d,5;%d;a\n" % (i, i * i, i % 7) for i in range(50))
    content = read([("données.csv", raw)])
    made = make(content, own.usual(content, "points"))
    assert stored.load(own.keep(made)).x.shape == (50, 2)
