"""Where in a plugin something was raised, so that its author need not look for it."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import FrameType

from ebm_plugins.records import Family, Sampler

LONGEST = 6_000  # characters of a traceback: its end says where
KIT = __name__.rpartition(".")[0]


def root_of(error: BaseException) -> BaseException:
    """The exception that all began with."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def place_of(error: BaseException, record: Family | Sampler) -> str:
    """`` (file.py:12, in energy)``: the innermost line of the record's own package that it came through; empty where
    there is none."""
    functions = [getattr(record, name, None) for name in ("energy", "gradient", "train", "sample")]
    homes = {str(getattr(f, "__module__", "")).partition(".")[0] for f in functions if f is not None}
    found = ""
    for frame, line in traceback.walk_tb(root_of(error).__traceback__):
        if _module(frame).partition(".")[0] in homes and not _module(frame).startswith(KIT):
            code = frame.f_code
            found = f" ({Path(code.co_filename).name}:{line}, in {code.co_name})"
    return found


def traceback_of(error: BaseException) -> str:
    """The traceback of what it began with, at most its last few thousand characters."""
    text = "".join(traceback.format_exception(root_of(error)))
    return text if len(text) <= LONGEST else "…" + text[-LONGEST:]


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))
