"""Plain data with arrays as one block of bytes, and back: an ``.npz`` file whose member ``content.json`` is a tree.

The tree holds None, booleans, whole numbers, floats (also those that are not finite), text, lists, tuples, mappings
of text, arrays of numbers or text, and the records that are named when it is read. Nothing else is written, nothing
else is read, and nothing is ever unpickled. Reading is lazy: only the arrays of the part that is asked for are loaded.
"""

from __future__ import annotations

import dataclasses
import io
import json
import math
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ebm_plugins.records import Array

TREE = "content.json"
KINDS = "biufU"
ARRAY, TUPLE, RECORD, FLOAT, PAIRS = "$array", "$tuple", "$record", "$float", "$pairs"


class PackingError(ValueError):
    """Bytes that are not what :func:`pack` wrote, or a value that it does not write."""


def pack(content: Mapping[str, Any]) -> bytes:
    """The bytes of ``content``. Its arrays are members named by where they stand (``sampling/last.npy``), so that
    ``numpy.load`` reads them too; one array in two places is written once. Raises PackingError."""
    arrays: dict[str, Array] = {}
    names: dict[int, str] = {}

    def walk(value: Any, place: str) -> Any:
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, bool | int | str):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {FLOAT: repr(value)}
        if isinstance(value, np.ndarray):
            if value.dtype.kind not in KINDS:
                raise PackingError(f"{place}: expected an array of numbers or text, got {value.dtype}")
            if id(value) not in names:
                names[id(value)] = place
                arrays[place] = value
            fortran = bool(value.flags.f_contiguous and not value.flags.c_contiguous)
            return {ARRAY: [names[id(value)], value.dtype.str, list(value.shape), fortran]}
        if isinstance(value, tuple) and not hasattr(value, "_fields"):
            return {TUPLE: [walk(v, f"{place}/{i}") for i, v in enumerate(value)]}
        if isinstance(value, list | tuple):
            return [walk(v, f"{place}/{i}") for i, v in enumerate(value)]
        if isinstance(value, Mapping):
            if all(isinstance(k, str) and not k.startswith("$") for k in value):
                return {k: walk(v, f"{place}/{k}" if place else k) for k, v in value.items()}
            return {
                PAIRS: [[walk(k, place), walk(v, f"{place}/{i}")] for i, (k, v) in enumerate(value.items())]
            }
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            inner = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
            return {RECORD: type(value).__name__, "fields": walk(inner, place)}
        raise PackingError(f"{place}: expected plain data, got {type(value).__name__}")

    tree = json.dumps(walk(content, ""), separators=(",", ":"), allow_nan=False).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as file:
        file.writestr(TREE, tree)
        for place, array in arrays.items():
            with file.open(f"{place}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return out.getvalue()


def unpack(raw: bytes, records: Iterable[type] = (), part: str = "") -> Any:
    """What :func:`pack` wrote, or one ``part`` of it by name. ``records`` are the dataclasses that it may hold.

    Raises PackingError for anything else.
    """
    known = {record.__name__: record for record in records}
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as file:
            tree = json.loads(file.read(TREE))
            return _grow(tree[part] if part else tree, file, known, {})
    except PackingError:
        raise
    except (KeyError, ValueError, TypeError, OSError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
        raise PackingError(f"expected bytes that pack() wrote, got others ({error})") from error


def _grow(value: Any, file: zipfile.ZipFile, known: Mapping[str, type], read: dict[str, Array]) -> Any:
    if isinstance(value, list):
        return [_grow(v, file, known, read) for v in value]
    if not isinstance(value, dict):
        return value
    if ARRAY in value:
        name = str(value[ARRAY][0])
        if name not in read:
            read[name] = _array(file.read(f"{name}.npy"), *value[ARRAY][1:])
        return read[name]
    if TUPLE in value:
        return tuple(_grow(v, file, known, read) for v in value[TUPLE])
    if FLOAT in value:
        return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[value[FLOAT]]
    if PAIRS in value:
        return {_grow(k, file, known, read): _grow(v, file, known, read) for k, v in value[PAIRS]}
    if RECORD in value:
        if value[RECORD] not in known:
            raise PackingError(f"expected one of {', '.join(known) or 'no records'}, got {value[RECORD]}")
        return known[value[RECORD]](**_grow(value["fields"], file, known, read))
    return {k: _grow(v, file, known, read) for k, v in value.items()}


def _array(member: bytes, kind: str, shape: list[int], fortran: bool) -> Array:
    """An array, read-only, from its member. What the tree says of it is what ``.npy`` says in its header too, as Python
    text; parsing that is slow, and CPython 3.11 sometimes fails at it in several threads at once."""
    dtype = np.dtype(kind)
    if dtype.kind not in KINDS or member[:6] != b"\x93NUMPY":
        raise PackingError(f"expected an array of numbers or text, got {dtype}")
    wide = member[6] > 1
    begin = (12 if wide else 10) + int.from_bytes(member[8 : 12 if wide else 10], "little")
    return np.frombuffer(member, dtype, offset=begin).reshape(shape, order="F" if fortran else "C")
