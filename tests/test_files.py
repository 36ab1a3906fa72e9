"""Files from strangers: honest ones come out as they went in, hostile ones are refused in words, cheaply."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import hostile_files as hostile
import numpy as np
import pytest

from ebm_plugins import ConfigError, arrays, file_limits, files, own
from ebm_plugins.files import Pictures, read
from ebm_plugins.tables import Table

X = np.random.default_rng(0).normal(size=(30, 3))


def csv(x: np.ndarray = X, head: str = "a,b,c\n", between: str = ",") -> bytes:
    return (head + "\n".join(between.join(repr(float(v)) for v in row) for row in x)).encode()


@pytest.mark.parametrize(
    ("name", "raw", "names"),
    [
        ("p.csv", csv(), ("a", "b", "c")),
        ("P.CSV", csv(head=""), ("Column 1", "Column 2", "Column 3")),
        ("p.csv", csv(head="\ufeffa;b;c\n", between=";").replace(b".", b","), ("a", "b", "c")),
        ("p.tsv", csv(head='"a"\t"b"\t"c"\n', between="\t").replace(b"\n", b"\r\n"), ("a", "b", "c")),
        ("p.txt", csv(head="", between="  "), ("Column 1", "Column 2", "Column 3")),
        ("p.csv", csv(head="größe,größe,\n"), ("größe", "größe (2)", "Column 3")),
        ("p.npy", hostile.npy(X), ("Column 1", "Column 2", "Column 3")),
        ("p.npy", hostile.npy(np.asfortranarray(X.astype(">f8"))), ("Column 1", "Column 2", "Column 3")),
        ("p.npz", hostile.npz(x=X, other=np.zeros(3)), ("Column 1", "Column 2", "Column 3")),
        ("p.parquet", hostile.parquet(dict(zip("abc", X.T, strict=True))), ("a", "b", "c")),
    ],
)
def test_a_table_comes_back_with_its_names(name: str, raw: bytes, names: tuple[str, ...]) -> None:
    table = read([(name, raw)])
    assert isinstance(table, Table)
    assert table.names == names
    assert (table.x == X).all()


def test_cells_without_a_number_are_gaps_and_columns_of_words_are_named() -> None:
    raw = b",x,kind,y\n0,1,red,NA\n1,2,blue,3\n2,oops,red,inf\n"
    table = read([("t.csv", raw)])
    assert isinstance(table, Table)
    assert table.names == ("Column 1", "x", "y")
    assert table.left_out == ("kind",)
    assert np.isnan(table.x[[0, 2], [2, 1]]).all()
    assert np.isinf(table.x[2, 2])
    held = read(
        [
            (
                "t.parquet",
                hostile.parquet({"x": [1, None], "kind": ["a", "b"], "list": [[1], [2]], "y": [True, False]}),
            )
        ]
    )
    assert isinstance(held, Table)
    assert held.names == ("x", "y")
    assert held.left_out == ("kind", "list")
    assert np.isnan(held.x[1, 0])
    assert held.x[:, 1].tolist() == [1, 0]


@pytest.mark.parametrize("form", ["PNG", "GIF", "BMP", "JPEG"])
def test_pictures_come_back_in_grey(form: str) -> None:
    pixels = np.kron(np.array([[0, 255], [128, 64]]), np.ones((8, 8)))
    ending = {"JPEG": "jpg"}.get(form, form.lower())
    found = read([(f"a.{ending}", hostile.image(pixels, form)), (f"b.{ending}", hostile.image(pixels, form))])
    assert isinstance(found, Pictures)
    assert found.names == (f"a.{ending}", f"b.{ending}")
    assert found.pictures[1] == pytest.approx(pixels / 255, abs=0.03 if form == "JPEG" else 1e-9)


def test_what_is_see_through_lies_on_white() -> None:
    pixels = np.zeros((4, 4, 4))
    pixels[0, 0, 3] = 255
    found = read([("a.png", hostile.image(pixels))])
    assert isinstance(found, Pictures)
    assert found.pictures[0][0, 0] == 0
    assert (found.pictures[0].ravel()[1:] == 1).all()


@pytest.mark.parametrize("see_through", [False, True])
def test_a_grey_picture_of_sixteen_bits_keeps_its_greys(see_through: bool) -> None:
    """257 grey levels of 8 bits are one of 16; Pillow's own conversion makes all above the first level white."""
    from PIL import Image

    levels = np.arange(0, 256, dtype=np.uint16).reshape(16, 16)
    out = io.BytesIO()
    Image.fromarray(levels * 257).save(out, "png", **({"transparency": 257 * 7} if see_through else {}))
    found = read([("a.png", out.getvalue())])
    assert isinstance(found, Pictures)
    wanted = levels / 255.0
    if see_through:
        wanted[0, 7] = 1
    assert (found.pictures[0] == wanted).all()


@pytest.mark.parametrize("ending", ["gif", "png"])
def test_of_moving_pictures_it_is_said_that_one_is_read(ending: str) -> None:
    from PIL import Image

    frames = [Image.fromarray(np.full((4, 4), grey, dtype=np.uint8)) for grey in (0, 100, 200)]
    frames[0].putpixel((0, 0), 255)
    moving, still = io.BytesIO(), io.BytesIO()
    frames[0].save(moving, ending, save_all=True, append_images=frames[1:])
    frames[1].save(still, ending)
    found = read([(f"moves.{ending}", moving.getvalue()), (f"still.{ending}", still.getvalue())])
    assert isinstance(found, Pictures)
    assert found.pictures[0][1, 1] == 0
    assert found.dropped == (f"all but the first picture of ‘moves.{ending}’, which moves",)
    made = own.make(found, own.Choice("greys", rows=2, cols=2))
    assert made.dropped[: len(found.dropped)] == found.dropped
    alone = read([(f"still.{ending}", still.getvalue())])
    assert isinstance(alone, Pictures)
    assert alone.dropped == ()


def test_pictures_are_few_enough_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused before the one that is too much is unpacked."""
    side = 100
    monkeypatch.setattr(files, "MOST_PIXELS_TOGETHER", 3 * side * side)
    one = hostile.image(np.zeros((side, side)))
    assert len(read([(f"{i}.png", one) for i in range(3)]).pictures) == 3
    with pytest.raises(ConfigError, match="together"):
        read([(f"{i}.png", one) for i in range(4)])


@pytest.mark.parametrize(
    "raw",
    [
        b'a,b\n"1,000","2,000"\n"3,000","4,000"\n',
        b'a,b\n"1,000",2\n"999",3\n',
        b"a;b\n1.000,5;2\n3,5;3\n",
    ],
)
def test_marks_between_thousands_are_named_as_what_is_wrong(raw: bytes) -> None:
    with pytest.raises(ConfigError, match="between thousands") as caught:
        read([("t.csv", raw)])
    assert "1" in str(caught.value.got)
    assert isinstance(read([("t.csv", b'a,place\n1,"1,000 places"\n2,"2,000"\n')]), Table)


def test_an_array_of_three_axes_is_pictures() -> None:
    found = read([("a.npy", hostile.npy(np.arange(24).reshape(2, 3, 4)))])
    assert isinstance(found, Pictures)
    assert [p.shape for p in found.pictures] == [(3, 4)] * 2
    assert (found.pictures[0].min(), found.pictures[1].max()) == (0, 1)


def test_our_own_npy_is_numpys() -> None:
    for array in (X, np.eye(3, dtype=np.uint8), np.arange(5.0)):
        raw = arrays.npy(array)
        assert raw == hostile.npy(array)
        assert (arrays.from_npy(raw) == array).all()


def bad_files() -> dict[str, tuple[str, bytes, str]]:
    """Name of the case → (file's name, content, what the refusal says)."""
    big = file_limits.MOST_BYTES + 1
    deep = b"\x93NUMPY\x01\x00\xe8\x03" + b"(" * 1000
    whole = hostile.npz(x=X)
    good_parquet = hostile.parquet({"x": X[:, 0], "y": X[:, 1]})
    noise = np.random.default_rng(1).integers(0, 256, (64, 64))
    many = ",".join(map(str, range(1_000_000))).encode()
    return {
        "wrong type": ("p.exe", b"MZ", "ends in"),
        "no ending": ("p", b"1,2", "ends in"),
        "path for a name": ("../../etc/passwd", b"root", "ends in"),
        "unicode name": ("датa\u202egnp.exe", b"1", "ends in"),
        "nothing": ("p.csv", b"", "something in it"),
        "blank": ("p.csv", b"\n \n,,\n", "at least one row"),
        "header alone": ("p.csv", b"a,b\n", "at least one row"),
        "too large": ("p.csv", b"1" * big, "at most 20 MB"),
        "ragged": ("p.csv", b"a,b\n1,2\n3\n", "2 cells in every row"),
        "words": ("p.csv", b"a,b\nc,d\ne,f\n", "column of numbers"),
        "all gaps": ("p.csv", b"a,b\nnan,nan\n,\n", "column of numbers"),
        "not text": ("p.csv", b"\xff\xfe1\x002\x00", "UTF-8"),
        "latin": ("p.csv", "größe\n1\n".encode("latin-1"), "UTF-8"),
        "a million columns": ("p.csv", many + b"\n" + many, "4,096 columns"),
        "one endless line": ("p.csv", b"1" * 10_000_000, "lines of at most"),
        "lines without end": ("p.csv", b"\n" * 19_000_000, "rows"),
        "vertical tabs": ("p.csv", b"\x0b" * 900_000, ""),
        "too many rows": ("p.csv", b"1,2\n" * 100_001, "100,000 rows"),
        "too many cells": ("p.csv", b",".join([b"1"] * 4000) + b"\n" + (b"," * 3999 + b"\n") * 1100, "numbers"),
        "endless quotes": ("p.csv", b'a,b\n"' + b"1,2\n" * 40_000, "cannot be read"),
        "a picture as text": ("p.csv", hostile.image(noise), "what a .csv file holds"),
        "text as a picture": ("p.png", b"1,2\n3,4", "what a .png file holds"),
        "a GIF as PNG": ("p.png", hostile.image(noise, "GIF"), "what a .png file holds"),
        "objects": ("p.npy", hostile.npy(np.array([{"a": 1}]), allow_pickle=True), "never opened"),
        "objects promised": ("p.npy", hostile.promise((3, 2), "|O"), "never opened"),
        "a pickle as npy": ("p.npy", hostile.pickled("MARK"), "never opened"),
        "a pickle as npz": ("p.npz", hostile.pickled("MARK"), "never opened"),
        "a pickle as csv": ("p.csv", hostile.pickled("MARK"), "never opened"),
        "objects in npz": ("p.npz", hostile.npz(x=np.array([{"a": 1}], dtype=object)), "never opened"),
        "records": ("p.npy", hostile.npy(np.zeros(3, dtype=[("a", float), ("b", int)])), "no records"),
        "words in npy": ("p.npy", hostile.npy(np.array([["a", "b"]])), "values of type"),
        "dates": ("p.npy", hostile.npy(np.zeros((3, 2), dtype="M8[s]")), "values of type"),
        "complex": ("p.npy", hostile.npy(np.zeros((3, 2), dtype=complex)), "values of type"),
        "huge promise": ("p.npy", hostile.promise((50_000, 50_000)), "promises"),
        "promise past int64": ("p.npy", hostile.promise((2**62, 2**62)), "promises"),
        "endless promise": ("p.npy", hostile.promise("(" + "9" * 4000 + ", 2)"), "does not write"),
        "negative": ("p.npy", hostile.promise((-3, 2)), "no records"),
        "wide values": ("p.npy", hostile.promise((3, 2), "|V2000000000"), "no records"),
        "nested values": ("p.npy", hostile.promise((3, 2), "(50000,50000)f8"), "no records"),
        "deep header": ("p.npy", deep, "npy"),
        "code in the header": ("p.npy", hostile.promise("__import__('os').system('touch MARK')"), "npy"),
        "empty array": ("p.npy", hostile.npy(np.zeros((0, 3))), "numbers in it"),
        "cut array": ("p.npy", hostile.npy(X)[:-9], "cut off"),
        "cut header": ("p.npy", hostile.npy(X)[:30], "npy"),
        "four axes": ("p.npy", hostile.npy(np.zeros((2, 2, 2, 2))), "two or three axes"),
        "zip bomb": ("p.npz", hostile.zip_bomb(), "unpacks to at most"),
        "lying zip": ("p.npz", hostile.lying_zip(), "archive"),
        "zip that says too little": ("p.npz", hostile.lying_zip(200, 40_000_000), "unpacks to at most"),
        "bzip2": ("p.npz", hostile.packed(zipfile.ZIP_BZIP2), "stored or deflated"),
        "xz": ("p.npz", hostile.packed(zipfile.ZIP_LZMA), "stored or deflated"),
        "cut zip": ("p.npz", whole[:-30], "whole"),
        "many members": ("p.npz", hostile.npz(**{f"a{i}": [1.0] for i in range(300)}), "200 arrays"),
        "50,000 × 50,000": ("p.png", hostile.png_header(50_000, 50_000), "million pixels"),
        "5,000 × 5,000": ("p.png", hostile.png_header(5_000, 5_000), "million pixels"),
        "cut picture": ("p.png", hostile.image(noise)[:-200], "whole PNG"),
        "less than it says": ("p.png", hostile.png_header(3000, 3000), "whole PNG"),
        "header alone, JPEG": ("p.jpg", b"\xff\xd8\xff" + b"\0" * 50, "whole JPEG"),
        "cut GIF": ("p.gif", hostile.image(noise, "GIF")[:300], "whole GIF"),
        "rows of Parquet": ("p.parquet", hostile.parquet({"x": np.zeros(3_000_000)}), "100,000 rows"),
        "columns of Parquet": ("p.parquet", hostile.parquet({f"c{i}": [1.0] for i in range(4200)}), "4,096 columns"),
        "nested Parquet": ("p.parquet", hostile.parquet({"x": [[1.0], [2.0]], "y": [{"a": 1}, {"a": 2}]}), "column of numbers"),
        "words of Parquet": ("p.parquet", hostile.parquet({"x": ["a" * 1000] * 10}), "column of numbers"),
        "long words of Parquet": ("p.parquet", hostile.parquet({"x": np.arange(9.0), "y": ["a" * 20_000_000] * 9}, use_dictionary=False), "unpacks to at most"),
        "cut Parquet": ("p.parquet", good_parquet[:-40], "whole"),
        "no footer": ("p.parquet", b"PAR1" + b"\0" * 500 + b"\xff\xff\xff\x7fPAR1", "whole"),
        "garbled Parquet": ("p.parquet", good_parquet[:4] + bytes(b ^ 0x5A for b in good_parquet[4:-300]) + good_parquet[-300:], ""),
    }  # fmt: skip


BAD = bad_files()


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_in_words(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name, raw, said = BAD[case]
    with pytest.raises(ConfigError) as caught:
        read([(name, raw)])
    assert caught.value.field == "data"
    assert said in str(caught.value)
    assert len(str(caught.value)) < 400
    assert not list(tmp_path.iterdir())  # nothing was run and nothing written


CHEAP = """
import resource, sys
from ebm_plugins import ConfigError
from ebm_plugins.files import read
import PIL.Image, zipfile, csv
name, path = sys.argv[1:]
raw = open(path, "rb").read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read([(name, raw)])
except ConfigError:
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(after - before, child)
"""


@pytest.mark.parametrize(
    "case",
    [
        "zip bomb", "lying zip", "zip that says too little", "50,000 × 50,000", "5,000 × 5,000", "huge promise",
        "a million columns", "one endless line", "lines without end", "too many rows", "rows of Parquet",
        "long words of Parquet", "too large", "deep header", "xz",
    ],
)  # fmt: skip
def test_a_hostile_file_costs_no_memory(case: str, tmp_path: Path, root: Path) -> None:
    """The peak resident size of a process of its own, which knows what is allocated by native code too. At most 64 MB
    more than with the file in memory; the process that reads Parquet at most 400 MB, pyarrow's own 100 included."""
    name, raw, _ = BAD[case]
    path = tmp_path / "file"
    path.write_bytes(raw)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CHEAP), name, str(path)],
        capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": str(root)},
    )  # fmt: skip
    own, child = map(int, done.stdout.split())
    assert own < 64_000
    assert child < 400_000


def test_several_files_are_pictures_or_refused() -> None:
    picture = hostile.image(np.zeros((4, 4)))
    with pytest.raises(ConfigError, match="pictures alone"):
        read([("a.png", picture), ("b.csv", b"1,2\n")])
    with pytest.raises(ConfigError, match="at most 200"):
        read([(f"{i}.png", picture) for i in range(201)])
    with pytest.raises(ConfigError, match="a file"):
        read([])
    with pytest.raises(ConfigError, match="at most 20 MB"):
        read([("a.png", b"1" * 15_000_000), ("b.png", b"1" * 15_000_000)])


@pytest.mark.parametrize("ending", ["csv", "npy", "npz", "png", "parquet"])
def test_mutated_files_are_read_or_refused_and_nothing_else(ending: str) -> None:
    """60 of each kind with one to eight bytes changed or the end cut off (Parquet, which starts a process each, 6)."""
    rng = np.random.default_rng(5)
    honest = {
        "csv": csv(), "npy": hostile.npy(X), "npz": hostile.npz(x=X),
        "png": hostile.image(rng.integers(0, 256, (16, 16))),
        "parquet": hostile.parquet({"x": X[:, 0], "y": X[:, 1]}),
    }[ending]  # fmt: skip
    for _ in range(6 if ending == "parquet" else 60):
        raw = bytearray(honest)
        for at in rng.integers(0, len(raw), rng.integers(1, 9)):
            raw[at] = rng.integers(0, 256)
        if rng.random() < 0.3:
            del raw[rng.integers(1, len(raw)) :]
        try:
            found = read([(f"p.{ending}", bytes(raw))])
        except ConfigError:
            continue
        assert isinstance(found, Table | Pictures)
