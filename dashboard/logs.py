"""What the server says of itself: one line an event on stderr, and nothing of any visitor in it.

``EBM_LOG=json`` writes JSON lines, ``EBM_LOG=text`` short ones for people, anything else none. An event is a name and
plain values of ours: counts, seconds, bytes, keys of families, states of a job. No address, session, query, question,
file name, e-mail address or traceback belongs here: a plugin's message may quote what a visitor gave it. So a text is
taken only where it is one short word, and everything else is left out by its type.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import sys
from datetime import UTC, datetime

from dashboard import limits

VARIABLE = limits.variable("log")  # read as it is: a log never stops anything
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+ -]{0,47}")
LEFT_OUT = "(left out)"
# Loggers of others that say what a request held: its address and query, its Origin, what a provider answered.
OTHERS = (
    "uvicorn.access",
    "uvicorn.error",
    "streamlit.auth_util",
    "streamlit.web.server.starlette.starlette_auth_routes",
    "streamlit.web.server.starlette.starlette_websocket",
)
Value = str | int | float | bool | None


def event(name: str, **values: Value) -> None:
    """Say that something happened. Never raises: a log that cannot be written stops nothing."""
    form = os.environ.get(VARIABLE, "").strip().lower()
    if form not in ("json", "text"):
        return
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    said = {key: _plain(value) for key, value in values.items()}
    if form == "json":
        line = json.dumps({"time": now, "event": _plain(name), **said}, allow_nan=False)
    else:
        line = " ".join([now, str(_plain(name)), *(f"{key}={value}" for key, value in said.items())])
    try:
        print(line, file=sys.stderr, flush=True)
    except (OSError, ValueError):  # the other end has gone
        return


def _plain(value: Value) -> Value:
    """A number, a truth, nothing, or one short word; all else is left out."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value if isinstance(value, str) and WORD.fullmatch(value) else LEFT_OUT


def quiet() -> None:
    """Have the server's own loggers say what happened without the words of whoever asked."""
    for name in OTHERS:
        logger = logging.getLogger(name)
        if _without_words not in logger.filters:
            logger.addFilter(_without_words)


def _without_words(record: logging.LogRecord) -> bool:
    """Texts are left out of a message; of an error its kind stays."""
    if isinstance(record.args, tuple):
        record.args = tuple(LEFT_OUT if isinstance(one, str | bytes) else one for one in record.args)
    if record.name != "uvicorn.error" and record.exc_info and record.exc_info[0] is not None:
        record.msg, record.exc_info = f"{record.msg} ({record.exc_info[0].__name__})", None
    return True
