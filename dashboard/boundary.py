"""A failing part shows its error, not a dead page.

Streamlit's own Stop and Rerun are no failures: they derive from BaseException and pass through.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from dashboard.notices import code, notice, plain
from ebm_plugins import ConfigError, PluginError


@contextmanager
def boundary(who: str, part: str) -> Iterator[None]:
    """Draw what is inside; if it raises, draw the error in its place and go on with the page."""
    try:
        yield
    except (Exception, SystemExit) as error:
        show(error, who, part)


def show(error: BaseException, who: str, part: str, trace: str = "") -> None:
    """The error of ``part`` of ``who``, with the traceback behind an expander."""
    if isinstance(error, PluginError):
        who, part, text = error.plugin, error.part, error.message
    elif isinstance(error, ConfigError):
        text = sentence(error)
    else:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    trace = trace or "".join(traceback.format_exception(error))
    stopped(who, part, text, trace)


def stopped(who: str, part: str, text: str, trace: str = "") -> None:
    """State 10 of the look: who stopped, where, why; and that nothing else did."""
    end = "" if text.rstrip().endswith((".", "!", "?")) else "."
    notice(
        "bad", f"‘{plain(who)}’ stopped in {code(part)}.", f"{plain(text)}{end} Everything else still works."
    )
    if trace:
        with st.expander("Traceback"):
            st.code(trace, language="text", wrap_lines=True)


def sentence(error: ConfigError) -> str:
    """A refused value in one sentence."""
    return f"Expected {error.expected}, got {error.got}."
