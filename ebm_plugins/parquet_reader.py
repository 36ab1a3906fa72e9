"""Reads Parquet from standard input in a process of its own: little memory, little time, numbers out.

The answer is one line of JSON (``names``, ``left_out``, ``rows``; or ``expected`` and ``got``), then float64 values.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from ebm_plugins.file_limits import (
    MOST_BYTES,
    MOST_VALUES,
    PARQUET_MEMORY,
    PARQUET_SECONDS,
    check_size,
    refuse,
)
from ebm_plugins.records import ConfigError

BATCH = 8192
DAMAGED = "a Parquet file that is whole and unpacks to what it says"


def main() -> None:
    """What :func:`ebm_plugins.tables.from_parquet` starts."""
    _bound()
    try:
        answer, body = read(sys.stdin.buffer.read(MOST_BYTES + 1))
    except ConfigError as error:
        answer, body = {"expected": error.expected, "got": str(error.got)}, b""
    except MemoryError:
        answer, body = {"expected": DAMAGED, "got": "one that asks for far more memory"}, b""
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + body)


def read(raw: bytes) -> tuple[dict[str, Any], bytes]:
    """The answer and the values of a Parquet file, its sizes judged from its footer first."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise refuse("a CSV or .npy file (this host cannot read Parquet)", "Parquet") from None
    try:
        file = parquet.ParquetFile(pa.BufferReader(raw))
        about, schema = file.metadata, file.schema_arrow
        check_size(about.num_rows, max(1, about.num_columns), "a Parquet file")
        unpacked = sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups))
        if unpacked > 16 * MOST_VALUES:
            raise refuse(
                f"one that unpacks to at most {16 * MOST_VALUES / 1e6:.0f} MB", f"{unpacked / 1e6:,.0f} MB"
            )
        numeric = [i for i, field in enumerate(schema) if _is_number(pa, field.type)]
        if not numeric:
            kinds = ", ".join(dict.fromkeys(str(f.type)[:30] for f in list(schema)[:4])) or "none"
            raise refuse("at least one column of numbers", f"columns of {kinds}")
        names = [schema.field(i).name for i in numeric]
        if len(set(names)) < len(names):
            raise refuse("columns with names that differ", "two of one name")
        blocks, rows = [], 0
        for batch in file.iter_batches(batch_size=BATCH, columns=names, use_threads=False):
            rows += batch.num_rows
            check_size(rows, len(names), "a Parquet file")
            blocks.append(np.column_stack([_floats(pa, batch.column(n)) for n in names]))
    except (ConfigError, MemoryError):
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError):
        raise refuse(DAMAGED, "a damaged one, or none") from None
    check_size(rows, len(names), "a Parquet file")
    left_out = [field.name for i, field in enumerate(schema) if i not in numeric]
    answer = {"names": names, "left_out": left_out, "rows": rows}
    return answer, np.concatenate(blocks).astype("<f8").tobytes()


def _is_number(pa: Any, kind: Any) -> bool:
    types = pa.types
    return bool(
        types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind)
    )


def _floats(pa: Any, column: Any) -> np.ndarray[Any, Any]:
    """A column as float64, NaN where it is null."""
    kind = column.type
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=float)


def _bound() -> None:
    """Take from this process what it does not need. (There is no such call on Windows.)"""
    try:
        import resource
    except ImportError:
        return
    for what, most in ((resource.RLIMIT_AS, PARQUET_MEMORY), (resource.RLIMIT_CPU, PARQUET_SECONDS)):
        _, hard = resource.getrlimit(what)
        if hard == resource.RLIM_INFINITY or hard > most:
            resource.setrlimit(what, (most, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
