"""Tables from strangers, as CSV or Parquet: counted first, then read as numbers, and never held as text.

CSV is read line by line by Python's own ``csv``. Parquet is read by pyarrow in a process of its own with little memory,
since its headers may lie about what a page unpacks to and its reader is native code.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import subprocess
import sys
from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ebm_plugins.file_limits import (
    MOST_COLUMNS,
    MOST_LINE,
    MOST_ROWS,
    MOST_VALUES,
    PARQUET_SECONDS,
    check_size,
    refuse,
)

DELIMITERS = (";", "\t", ",", " ")
GROUPED = (
    re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?"),
    re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d*|[+-]?\d{1,3}(\.\d{3}){2,}"),
)
NAME = 60  # characters of a column's name that are shown


@dataclass(frozen=True)
class Table:
    """Columns of numbers with their names: ``x`` (n, d) float64, NaN where a cell holds no number. ``left_out`` are
    the names of columns that hold no numbers at all."""

    names: tuple[str, ...]
    x: NDArray[np.float64]
    left_out: tuple[str, ...] = ()


def clean(name: object) -> str:
    """A column's name from a stranger, in one line of printable characters."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in str(name)[: 4 * NAME]).split())
    return shown if len(shown) <= NAME else shown[: NAME - 1] + "…"


def named(names: list[str]) -> tuple[str, ...]:
    """Names that are all different and none empty: ``Column 3`` for an empty one, ``x (2)`` for a second x."""
    found: list[str] = []
    taken: set[str] = set()
    for index, name in enumerate(names):
        base = clean(name) or f"Column {index + 1}"
        made, count = base, 2
        while made in taken:
            made, count = f"{base} ({count})", count + 1
        found.append(made)
        taken.add(made)
    return tuple(found)


def from_csv(raw: bytes) -> Table:
    """A table of text: commas, semicolons (numbers may then have decimal commas), tabs or spaces between cells;
    the first line may hold names. Raises ConfigError("data", ...) for what is no such table, or too large a one."""
    lines = _lines(raw)
    between = _delimiter(lines[0])
    width = lines[0].count(between) + 1 if between != " " else len(lines[0].split())
    check_size(len(lines), width)
    reader = csv.reader(io.StringIO("\n".join(lines)), delimiter=between, skipinitialspace=True)
    del lines
    comma = between == ";"
    values, rows, width, names = array("d"), 0, 0, None
    numbers: list[bool] = []
    grouped: dict[int, str] = {}  # column → its first cell with marks between thousands
    try:
        for cells in reader:
            if between == " ":
                cells = [c for c in cells if c]
            if not cells:
                continue
            if not width:
                width = len(cells)
                check_size(1, width)
                numbers = [False] * width
                found = [_number(c, comma) for c in cells]
                if None in found and all(v is None or math.isnan(v) for v in found):
                    names = cells
                    continue
            if len(cells) != width:
                got = f"{len(cells)} in line {reader.line_num}"
                raise refuse(f"{width} cells in every row, as in the first", got)
            for column, cell in enumerate(cells):
                value = _number(cell, comma)
                numbers[column] = numbers[column] or value is not None
                if value is None and column not in grouped and GROUPED[comma].fullmatch(cell.strip()):
                    grouped[column] = cell.strip()
                values.append(math.nan if value is None else value)
            rows += 1
            if rows > MOST_ROWS or len(values) > MOST_VALUES:
                check_size(rows, width)
    except csv.Error as error:
        raise refuse("a table of text", f"a file that cannot be read as one ({error})") from None
    if not rows:
        raise refuse("at least one row of numbers", "none")
    x = np.frombuffer(values, dtype=float).reshape(rows, width)
    telling = np.array(numbers) & ~np.isnan(x).all(axis=0)
    for column, cell in grouped.items():
        if telling[column] or not telling.any():
            raise refuse("numbers without marks between thousands, as in 1000", f"‘{clean(cell)}’")
    return _numeric(named(names or [""] * width), x, np.array(numbers))


def from_parquet(raw: bytes) -> Table:
    """The numeric columns of a Parquet file. Raises ConfigError("data", ...) for a damaged one, one without such
    columns, too large a one, and one that unpacks to more than it says."""
    code = "from ebm_plugins.parquet_reader import main; main()"
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    quiet = {k: os.environ[k] for k in ("PATH", "SYSTEMROOT", "TMPDIR", "LANG") if k in os.environ}
    env = quiet | {"PYTHONPATH": here, "OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    env |= {"OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], input=raw, capture_output=True, timeout=PARQUET_SECONDS, env=env, check=False
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise refuse(f"a Parquet file that is read in {PARQUET_SECONDS} s", "one that takes longer") from None
    head, _, body = done.stdout.partition(b"\n")
    try:
        answer = json.loads(head)
    except ValueError:
        raise refuse(
            "a Parquet file that is whole and unpacks to what it says", "one that cannot be read"
        ) from None
    if "expected" in answer:
        raise refuse(answer["expected"], answer["got"])
    x = np.frombuffer(body, dtype="<f8").reshape(answer["rows"], len(answer["names"]))
    names = named([*answer["names"], *answer["left_out"]])
    return Table(names[: x.shape[1]], x, names[x.shape[1] :])


def _lines(raw: bytes) -> list[str]:
    """The lines that hold anything, once they are known to be short and few."""
    if raw.count(b"\n") > 2 * MOST_ROWS or raw.count(b"\r") > 2 * MOST_ROWS:
        raise refuse(f"a table of at most {MOST_ROWS:,} rows", f"{raw.count(b'%c' % 10):,} lines")
    if max(map(raw.count, (b",", b";", b"\t"))) > MOST_VALUES:
        raise refuse(f"a table of at most {MOST_VALUES:,} numbers", "more than that")
    begin = 0
    while begin < len(raw):
        end = raw.find(b"\n", begin, begin + MOST_LINE + 1)
        if end < 0 and len(raw) - begin > MOST_LINE:
            width = max(raw[begin : begin + 20 * MOST_LINE].count(d.encode()) for d in DELIMITERS[:3]) + 1
            if width > MOST_COLUMNS:
                raise refuse(f"a table of at most {MOST_COLUMNS:,} columns", f"{width:,}")
            raise refuse(f"lines of at most {MOST_LINE / 1e6:g} MB", "a longer one")
        begin = end + 1 if end >= 0 else len(raw)
    if b"\0" in raw:
        raise refuse("a table of text in UTF-8", "a file with zero bytes in it")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise refuse("a table of text in UTF-8", "another encoding, or no text") from None
    text = text.replace("\r\n", "\n") if "\n" in text else text.replace("\r", "\n")
    lines = [line for line in text.split("\n") if line.strip(" ,;\t")]
    if not lines:
        raise refuse("at least one row of numbers", "an empty file")
    return lines


def _delimiter(line: str) -> str:
    """What stands between cells, by the first line: a semicolon, tab or comma if there is one, else spaces."""
    return next((d for d in DELIMITERS if d in line), ",")


def _number(cell: str, comma: bool) -> float | None:
    """The number in a cell, NaN in an empty one, None in one that holds something else."""
    cell = cell.strip()
    if not cell or cell.lower() in ("na", "n/a", "null", "none"):
        return math.nan
    try:
        return float(cell.replace(",", ".") if comma else cell)
    except ValueError:
        return None


def _numeric(names: tuple[str, ...], x: NDArray[np.float64], numbers: NDArray[np.bool_]) -> Table:
    keep = numbers & ~np.isnan(x).all(axis=0)
    if not keep.any():
        raise refuse("at least one column of numbers", "none")
    left = tuple(n for n, kept in zip(names, keep, strict=True) if not kept)
    return Table(tuple(n for n, kept in zip(names, keep, strict=True) if kept), x[:, keep], left)
