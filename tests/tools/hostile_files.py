"""Files as a stranger with bad intentions would make them."""

from __future__ import annotations

import io
import pickle  # noqa: TID251  (to write what must never be read)
import struct
import zipfile
import zlib
from typing import Any

import numpy as np


class Trap:
    """Unpickled, it leaves a mark: the file named in ``path``."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.path, "w")


def pickled(path: str) -> bytes:
    """A pickle that runs code when it is read."""
    return pickle.dumps(Trap(path))


def npy(array: Any, **options: bool) -> bytes:
    """An array as NumPy writes it."""
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def npz(**arrays: Any) -> bytes:
    """Arrays as NumPy zips them."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def promise(shape: object, descr: str = "<f8", body: bytes = b"\0" * 64) -> bytes:
    """A ``.npy`` header that says whatever is asked for, and a small body."""
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header = header.ljust(-(-(len(header) + 11) // 64) * 64 - 11) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


def zip_bomb(megabytes: int = 2000) -> bytes:
    """A member of zeros that unpacks to this much."""
    file = io.BytesIO()
    block = b"\0" * 1_000_000
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("x.npy", "w", force_zip64=True) as member,
    ):
        member.write(promise((megabytes * 125_000, 1), body=b""))
        for _ in range(megabytes):
            member.write(block)
    return file.getvalue()


def lying_zip(megabytes: int = 200, says: int = 1000) -> bytes:
    """The same, but the directory and the member's header say that it unpacks to ``says`` bytes."""
    raw = bytearray(zip_bomb(megabytes))
    with zipfile.ZipFile(io.BytesIO(bytes(raw))) as archive:
        archive.getinfo("x.npy")
    central = raw.rfind(b"PK\x01\x02")
    raw[central + 24 : central + 28] = struct.pack("<I", says)
    return bytes(raw)


def packed(compression: int) -> bytes:
    """An honest archive in another packing, whose reader cannot be told to stop."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("x.npy", npy(np.zeros((1000, 1000))))
    return file.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that says how large it is and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", size)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def image(array: Any, form: str = "PNG", mode: str | None = None) -> bytes:
    """Pixels as a picture file."""
    from PIL import Image

    file = io.BytesIO()
    made = Image.fromarray(np.asarray(array, dtype=np.uint8))
    (made.convert(mode) if mode else made).save(file, form)
    return file.getvalue()


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    """Columns as a Parquet file."""
    import pyarrow as pa
    from pyarrow import parquet as writer

    file = io.BytesIO()
    writer.write_table(pa.table(columns), file, **options)
    return file.getvalue()
