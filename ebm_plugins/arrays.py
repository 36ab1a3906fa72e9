"""NumPy's own files from strangers: sizes are read and judged before anything is inflated, and nothing is unpickled."""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebm_plugins.file_limits import MOST_FILES, MOST_VALUES, refuse
from ebm_plugins.records import ConfigError

MAGIC = b"\x93NUMPY"
MOST_HEADER = 10_000  # characters; those of honest files are below 200
HEADER = re.compile(
    r"\{'descr': '([^']{1,20})', 'fortran_order': (True|False), "
    r"'shape': \(((?:[0-9]{1,30}, ?)*(?:[0-9]{1,30})?)\),? ?\}[ \n]*"
)
NUMBERS = re.compile(r"[<>|=]?(b1|[iu][1248]|f2|f4|f8|f16)")
INFLATED = 8 * MOST_VALUES + MOST_HEADER + 12  # bytes of one member of an .npz
PLAIN = "a .npy table of numbers (no objects, no records)"


def npy(array: NDArray[Any]) -> bytes:
    """An array as a ``.npy`` file, the same bytes whatever the version of NumPy."""
    array = np.ascontiguousarray(array)
    shape = ", ".join(map(str, array.shape)) + ("," if array.ndim == 1 else "")
    header = f"{{'descr': '{array.dtype.str}', 'fortran_order': False, 'shape': ({shape}), }}"
    header = header.ljust(-(-(len(header) + 11) // 64) * 64 - 11) + "\n"
    return MAGIC + b"\x01\x00" + struct.pack("<H", len(header)) + header.encode() + array.tobytes()


def from_npy(raw: bytes) -> NDArray[Any]:
    """The numbers in a ``.npy`` file. Raises ConfigError("data", ...) for any other content, and for one that
    promises more than it holds or more than :mod:`ebm_plugins.file_limits` allows."""
    shape, fortran, dtype, start = _header(raw)
    size = math.prod(shape)
    if size == 0:
        raise refuse("an array with numbers in it", f"an empty one of shape {_times(shape)}")
    if size > MOST_VALUES:
        raise refuse(f"at most {MOST_VALUES:,} numbers", f"a header that promises {_times(shape)}")
    if size * dtype.itemsize > len(raw) - start:
        held = (len(raw) - start) // dtype.itemsize
        raise refuse(f"the {size:,} numbers that its header promises", f"{held:,} (the file is cut off)")
    flat = np.frombuffer(raw, dtype, count=size, offset=start)
    return flat.reshape(shape, order="F" if fortran else "C")


def from_npz(raw: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of numbers in an ``.npz`` archive, by name, first those that come first. What is not one is left
    out; an archive without any is refused, as is one whose directory or whose members say too much."""
    found: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            members = archive.infolist()
            if len(members) > MOST_FILES:
                raise refuse(f"an archive of at most {MOST_FILES} arrays", f"{len(members):,} members")
            total = sum(m.file_size for m in members)
            if total > INFLATED:
                raise refuse(
                    f"an archive that unpacks to at most {INFLATED / 1e6:.0f} MB", f"{total / 1e6:,.0f} MB"
                )
            for member in members:
                if member.filename.endswith(".npy"):
                    found[member.filename.removesuffix(".npy")] = from_npy(_member(archive, member))
    except ConfigError:
        raise
    except (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error, EOFError, OSError) as error:
        raise refuse("an .npz archive that is whole", f"a damaged one ({type(error).__name__})") from None
    except (NotImplementedError, RuntimeError, ValueError, OverflowError):
        raise refuse("an .npz archive as NumPy writes it", "another kind of archive") from None
    if not found:
        raise refuse("an .npz archive of arrays of numbers", "one without any")
    return found


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """A member's bytes, never more than its directory entry says: of the two kinds of packing whose reader can be
    told to stop."""
    if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise refuse("members that are stored or deflated, as NumPy writes them", "another packing")
    with archive.open(member) as file:
        content = file.read(member.file_size)
        if len(content) != member.file_size or file.read(1):
            raise refuse("members as long as the archive's directory says", "one that is not")
    return content


def _header(raw: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """(shape, Fortran order, dtype, where the numbers begin). Only the one form that NumPy writes is read, and
    nothing in it is evaluated."""
    if raw[:1] == b"\x80" and raw[1:2] < b"\x06":
        raise refuse(PLAIN, "a pickle, which is never opened")
    versions = {b"\x01\x00": ("<H", 10), b"\x02\x00": ("<I", 12), b"\x03\x00": ("<I", 12)}
    size, begin = versions.get(raw[6:8], ("", 0))
    if raw[:6] != MAGIC or not size or len(raw) < begin:
        raise refuse(PLAIN, "something else")
    length = struct.unpack(size, raw[8:begin])[0]
    if length > MOST_HEADER or len(raw) < begin + length:
        raise refuse(PLAIN, "a header that is cut off or far too long")
    match = HEADER.fullmatch(raw[begin : begin + length].decode("latin-1"))
    if match is None:
        raise refuse(PLAIN, "a header that NumPy does not write, or records")
    if "O" in match[1]:
        raise refuse(PLAIN, "Python objects, which are never opened")
    if not NUMBERS.fullmatch(match[1]):
        raise refuse(PLAIN, f"values of type {match[1]}")
    shape = tuple(int(n) for n in match[3].replace(" ", "").split(",") if n)
    return shape, match[2] == "True", np.dtype(match[1]), begin + length


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(f"{n:,}" if abs(n) < 10**12 else f"10^{len(str(n)) - 1}" for n in shape[:6]) or "()"
