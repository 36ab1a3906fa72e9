"""Two BLAS threads for all, and one table of ratios at the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import race


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """In place of the tests' own fixture: here two threads are what everybody has."""
    import numpy  # noqa: F401
    from threadpoolctl import threadpool_limits

    with threadpool_limits(race.THREADS, user_api="blas"):
        yield


def pytest_report_header() -> str:
    chosen = os.environ.get("OPENBLAS_CORETYPE")
    capped = (
        f", as OPENBLAS_CORETYPE={chosen} asks: unset it, since it holds NumPy alone back" if chosen else ""
    )
    return f"matrix products by {race.versions().get('OpenBLAS', 'another BLAS than OpenBLAS')}{capped}"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    rows = race.table([result.as_json() for result in race.FINISHED])
    if rows:
        terminalreporter.section("ratios: how many times as long as ours (medians over rounds)")
        _write(terminalreporter, [("work", "against", "ratio", "required", "stretch", ""), *rows])
        terminalreporter.write_line(f"appended to {race.results_file()}")
    for found in race.PAGES:
        terminalreporter.section("pages: ratios to an empty Streamlit app")
        _write(terminalreporter, race.page_table(found))


def _write(terminalreporter: Any, rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.rjust(w) if cell[:1].isdigit() else cell.ljust(w)
            for cell, w in zip(row, widths, strict=True)
        ]
        terminalreporter.write_line("  ".join(cells).rstrip())
