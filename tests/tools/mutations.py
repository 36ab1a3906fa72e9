"""Files that were honest until somebody changed them: flipped, cut, spliced, with headers that lie."""

from __future__ import annotations

import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO

import hostile_files as hostile
import numpy as np

TABLE = np.random.default_rng(0).normal(size=(40, 3))
GREY = np.random.default_rng(1).integers(0, 256, (24, 24))


def honest() -> dict[str, bytes]:
    """One file of each kind that is read, by a name for it: its ending comes first."""
    text = "a,b,c\n" + "\n".join(",".join(map(repr, map(float, row))) for row in TABLE)
    return {
        "csv": text.encode(),
        "tsv": text.replace(",", "\t").replace("\n", "\r\n").encode("utf-8-sig"),
        "txt": text.replace(",", "  ").encode(),
        "csv semicolons": text.replace(",", ";").replace(".", ",").encode(),
        "npy": hostile.npy(TABLE),
        "npy pictures": hostile.npy(GREY.reshape(4, 12, 12).astype(np.uint8)),
        "npy halves": hostile.npy(np.asfortranarray(TABLE.astype(">f2"))),
        "npz": hostile.npz(x=TABLE, y=np.arange(5)),
        "npz stored": _stored(),
        "parquet": hostile.parquet({"x": TABLE[:, 0], "y": TABLE[:, 1], "z": ["word"] * 40}),
        "parquet plain": hostile.parquet({"x": TABLE[:, 0]}, compression="none", use_dictionary=False),
        "png": hostile.image(GREY),
        "png clear": hostile.image(np.stack([GREY] * 4, axis=2)),
        "gif": hostile.image(GREY, "GIF"),
        "jpg": hostile.image(GREY, "JPEG"),
        "bmp": hostile.image(GREY, "BMP"),
        "png sixteen": _sixteen(),
        "gif moving": _moving(),
    }  # fmt: skip


def uploads(seed: int, count: int, parquet: float = 0.08) -> Iterator[tuple[str, str, bytes]]:
    """``count`` of (what was done, file name, content), the same for the same seed; ``parquet`` is the share of that
    kind, of which each is read in a process of its own."""
    random_ = random.Random(seed)
    files = honest()
    kinds = [kind for kind in files if not kind.startswith("parquet")]
    for _ in range(count):
        kind = random_.choice(["parquet", "parquet plain"] if random_.random() < parquet else kinds)
        name, raw, done = f"a file.{kind.split()[0]}", bytearray(files[kind]), []
        for _ in range(random_.choice([1, 1, 1, 2, 4])):
            change = random_.choice(CHANGES)
            done.append(change.__name__)
            raw = bytearray(change(random_, raw, files))
        if random_.random() < 0.05:
            name = random_.choice(["../../x", "x" * 5000, "\u202e", "a\x00b", "<b>", "~", "."]) + name
        yield f"{kind}: {', '.join(done)}", name, bytes(raw)


# What may be done to a file: each takes the generator, the bytes and all honest files ----------------------------


def flip(random_: random.Random, raw: bytearray, files: dict[str, bytes]) -> bytes:
    """A few bits anywhere."""
    for _ in range(random_.choice([1, 2, 8, 64])):
        if raw:
            raw[random_.randrange(len(raw))] ^= 1 << random_.randrange(8)
    return bytes(raw)


def flip_head(random_: random.Random, raw: bytearray, files: dict[str, bytes]) -> bytes:
    """A few bytes where headers are, but not in what says which kind of file it is."""
    for _ in range(random_.choice([1, 2, 4])):
        if len(raw) > 10:
            raw[random_.randrange(8, min(len(raw), 128))] = random_.randrange(256)
    return bytes(raw)


def flip_tail(random_: random.Random, raw: bytearray, files: dict[str, bytes]) -> bytes:
    """A few bytes where Parquet's footer and a zip's directory are."""
    for _ in range(random_.choice([1, 2, 4])):
        if len(raw) > 10:
            raw[-random_.randrange(1, min(len(raw), 400))] = random_.randrange(256)
    return bytes(raw)


def cut(random_: random.Random, raw: bytearray, files: dict[str, bytes]) -> bytes:
    return bytes(raw[: random_.randrange(len(raw) + 1)])


def drop(random_: random.Random, raw: bytearray, files: dict[str, bytes]) -> bytes:
    """A piece from the middle is missing."""
    begin = random_.randrange(len(raw) + 1)
    return bytes(raw[:begin] + raw[begin + random_.choice([1, 7, 64]) :])


def repeat(random_: random.Random, raw: bytearray, files: dict[str, bytes]) -> bytes:
    begin = random_.randrange(len(raw) + 1)
    piece = raw[begin : begin + random_.choice([1, 9, 300])]
    return bytes(raw[:begin] + piece * random_.choice([2, 50, 400]) + raw[begin:])


def splice(random_: random.Random, raw: bytearray, files: dict[str, bytes]) -> bytes:
    """The beginning of this and the end of another."""
    other = random_.choice(list(files.values()))
    return bytes(raw[: random_.randrange(len(raw) + 1)] + other[random_.randrange(len(other)) :])


def numbers(random_: random.Random, raw: bytearray, files: dict[str, bytes]) -> bytes:
    """Four bytes become one of the numbers that overflow."""
    if len(raw) > 12:
        at = random_.randrange(4, len(raw) - 4)
        value = random_.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x10000, 0xFFFF])
        raw[at : at + 4] = struct.pack(random_.choice("<>") + "I", value)
    return bytes(raw)


def noise(random_: random.Random, raw: bytearray, files: dict[str, bytes]) -> bytes:
    """All but its first eight bytes is noise."""
    return bytes(raw[:8]) + random_.randbytes(random_.choice([0, 10, 1000]))


def lie(random_: random.Random, raw: bytearray, files: dict[str, bytes]) -> bytes:
    """A header that promises what is not there, or the kind of thing that is never opened."""
    shape = random_.choice(
        [
            "(9999999999, 2)",
            "(3, -2)",
            "(2, 2, 2, 2)",
            "()",
            "(0, 3)",
            "(1e9,)",
            "(4, 3)",
            "(100000, 41)",
            "(True, 2)",
        ]
    )
    kind = random_.choice(
        ["<f8", "|O", "<U9", "<M8[s]", "<c16", "|V99", "<f2", ">i8", "<f16", "|b1", "<u3", "f8,f8"]
    )
    if raw[:6] == b"\x93NUMPY":
        return hostile.promise(shape, kind, bytes(raw[128:]))
    if raw[:8] == b"\x89PNG\r\n\x1a\n":
        sides = [0, 1, 4000, 65_535, 50_000, 2**31 - 1]
        head = struct.pack(
            ">IIBBBBB",
            random_.choice(sides),
            random_.choice(sides),
            random_.choice([1, 8, 16, 99]),
            random_.randrange(8),
            0,
            0,
            random_.randrange(2),
        )
        return bytes(raw[:16]) + head + struct.pack(">I", zlib.crc32(b"IHDR" + head)) + bytes(raw[33:])
    if raw[:2] == b"PK":
        file = BytesIO()
        with zipfile.ZipFile(
            file, "w", random_.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
        ) as archive:
            archive.writestr(
                random_.choice(["x.npy", "../../x.npy", "/tmp/x.npy", "x", "con.npy", "a" * 200 + ".npy"]),
                hostile.promise(shape, kind),
            )
        return file.getvalue()
    if raw[:3] == b"GIF":
        raw[6:10] = struct.pack("<HH", random_.choice([0, 1, 65_535]), random_.choice([0, 1, 65_535]))
    return bytes(raw)


def bomb(random_: random.Random, raw: bytearray, files: dict[str, bytes]) -> bytes:
    """What unpacks to far more than it is."""
    if raw[:8] == b"\x89PNG\r\n\x1a\n":
        return _png_bomb(random_.choice([3_900, 20_000]))
    if raw[:2] == b"PK":
        return (
            hostile.lying_zip(60, random_.choice([10, 1000, 40_000_000]))
            if random_.random() < 0.5
            else hostile.zip_bomb(60)
        )
    if raw[:4] == b"PAR1":
        return (
            hostile.parquet({"x": np.zeros(2_000_000)})
            if random_.random() < 0.5
            else hostile.parquet({"x": ["a" * 2000] * 100_000})
        )
    return bytes(raw) + b"," * random_.choice([100, 5_000_000]) + b"\n" * random_.choice([1, 1_000_000])


CHANGES = [
    flip,
    flip,
    flip_head,
    flip_head,
    flip_tail,
    cut,
    drop,
    repeat,
    splice,
    numbers,
    numbers,
    noise,
    lie,
    lie,
    bomb,
]


def _png_bomb(side: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(b"\0" * (side + 1)) for _ in range(min(side, 4000))) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _stored() -> bytes:
    file = BytesIO()
    np.savez(file, states=TABLE)
    return file.getvalue()


def _sixteen() -> bytes:
    from PIL import Image

    file = BytesIO()
    Image.fromarray((GREY * 257).astype(np.uint16)).save(file, "PNG")
    return file.getvalue()


def _moving() -> bytes:
    from PIL import Image

    file, frames = BytesIO(), [Image.fromarray(np.roll(GREY, i, axis=0).astype(np.uint8)) for i in range(5)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    return file.getvalue()
