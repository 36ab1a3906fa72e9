"""What a file from a stranger may hold: the limits of every reader, in one place, and how a refusal is said.

They are asked before memory is taken for what they limit: of the file itself, of a header, of a directory.
"""

from __future__ import annotations

from ebm_plugins.records import ConfigError

MOST_BYTES = 20_000_000  # of one file, and of all the files of one upload
MOST_VALUES = 4_000_000  # numbers in a table, 32 MB as float64
MOST_ROWS = 100_000
MOST_COLUMNS = 4_096  # 64 × 64 cells
MOST_LINE = 1_000_000  # bytes of one line of text
MOST_FILES = 200  # pictures of one upload; also members of an .npz
MOST_PIXELS = 16_000_000  # of one picture
MOST_PIXELS_TOGETHER = 64_000_000  # of all pictures of one upload: about 1.5 s of work
KEPT_ROWS = 10_000  # rows that are used; of more, evenly spaced ones
PARQUET_MEMORY = 1_500_000_000  # address space of the process that reads Parquet, in bytes
PARQUET_SECONDS = 20


def refuse(expected: str, got: object) -> ConfigError:
    """The error of a file that cannot be used."""
    return ConfigError("data", expected, got)


def check_size(rows: int, columns: int, what: str = "a table") -> None:
    """Raise ConfigError unless a table of this size may be read."""
    if columns > MOST_COLUMNS:
        raise refuse(f"{what} of at most {MOST_COLUMNS:,} columns", f"{columns:,}")
    if rows > MOST_ROWS:
        raise refuse(f"{what} of at most {MOST_ROWS:,} rows", f"{rows:,}")
    if rows * columns > MOST_VALUES:
        raise refuse(f"{what} of at most {MOST_VALUES:,} numbers", f"{rows * columns:,}")
    if rows < 1 or columns < 1:
        raise refuse(f"{what} with rows and columns", "an empty one")
