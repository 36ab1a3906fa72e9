"""One binary payload a component: a JSON header, then the arrays' bytes. ``js/envelope.js`` opens it.

Layout: uint32 length of the header (little-endian), the header in UTF-8 padded with spaces to a multiple of 8,
then the arrays, each at a multiple of 8. In the header an array stands as ``{"$a": [dtype, shape, offset]}``,
where dtype is one of ``f4 i2 i4 u1 u2`` and offset counts from the end of the header.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

KINDS = {"f4", "i2", "i4", "u1", "u2"}


def pack(content: Mapping[str, Any]) -> bytes:
    """The content as one block of bytes. Arrays of float64 travel as float32, other integers as int32."""
    blocks: list[bytes] = []
    size = 0

    def store(array: np.ndarray[Any, Any]) -> dict[str, Any]:
        nonlocal size
        array = _narrow(array)
        raw = array.tobytes()
        entry = {"$a": [array.dtype.str[1:], list(array.shape), size]}
        blocks.append(raw + b"\0" * (-len(raw) % 8))
        size += len(blocks[-1])
        return entry

    def walk(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return store(value) if value.dtype.kind in "fiub" else [walk(v) for v in value.tolist()]
        if isinstance(value, Mapping):
            if "bdata" in value and "dtype" in value:  # Plotly's own base64 array
                return store(_typed_array(value))
            return {str(k): walk(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [walk(v) for v in value]
        return value

    header = orjson.dumps(walk(content), option=orjson.OPT_SERIALIZE_NUMPY, default=str)
    header += b" " * (-(len(header) + 4) % 8)
    return struct.pack("<I", len(header)) + header + b"".join(blocks)


def digest(raw: bytes) -> str:
    """A short name for the content, so that the browser can tell a repeat from a change."""
    return hashlib.blake2b(raw, digest_size=9).hexdigest()


def _narrow(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The smallest of the dtypes that travel which holds these values (float32 for all floats)."""
    if array.dtype.kind == "f":
        return np.ascontiguousarray(array, dtype="<f4")
    if array.dtype.kind == "b":
        return np.ascontiguousarray(array, dtype="u1")
    kind = array.dtype.newbyteorder("<")
    return np.ascontiguousarray(array, dtype=kind if kind.str[1:] in KINDS else "<i4")


def _typed_array(value: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    flat = np.frombuffer(base64.b64decode(value["bdata"]), dtype=value["dtype"])
    shape = value.get("shape")
    return flat.reshape([int(n) for n in str(shape).split(",")]) if shape else flat
