"""What a check is, and what it can say. Each module ``checks_*`` registers its checks here by :func:`check`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

OUTCOMES = ("pass", "fail", "skip", "expected failure")


class Wrong(AssertionError):
    """A check found something wrong; the message is for the author of the record."""


class Skip(Exception):
    """A check does not apply to this record; the message says why."""


@dataclass(frozen=True)
class Finding:
    """What a check that passed has measured: a few words or numbers, and its p-value where it is a statistical test."""

    figure: str = ""
    p: float = math.nan


@dataclass(frozen=True)
class Result:
    """What came of one check. Plain data, so that it travels between processes and into JSON.

    ``outcome`` is one of :data:`OUTCOMES`; ``figure`` is what was measured, ``message`` why it failed or was skipped,
    ``p`` the p-value of a statistical check (NaN of any other), uniform on [0, 1] for a correct record. ``traceback`` is
    that of the plugin's exception, where one was the reason.
    """

    check: str
    outcome: str
    figure: str = ""
    seconds: float = 0.0
    message: str = ""
    p: float = math.nan
    traceback: str = ""


@dataclass(frozen=True)
class Check:
    """A named check: what it holds is in its docstring. ``kinds`` are the records it is for, ``family`` or ``sampler``;
    ``false_alarm`` is the most likely it is to fail a correct record, over seeds (0: it never does)."""

    name: str
    kinds: tuple[str, ...]
    false_alarm: float
    function: Callable[[Any], Finding | None]

    @property
    def holds(self) -> str:
        """What it holds, in its own words."""
        return " ".join((self.function.__doc__ or "").split())

    @property
    def module(self) -> str:
        """The module that it is written in."""
        return self.function.__module__


CHECKS: dict[str, Check] = {}
Function = Callable[[Any], "Finding | None"]


def check(*kinds: str, false_alarm: float = 0.0) -> Callable[[Function], Function]:
    """Register a function of a subject as a check under its own name."""

    def register(function: Function) -> Function:
        CHECKS[function.__name__] = Check(function.__name__, kinds, false_alarm, function)
        return function

    return register


def require(condition: Any, message: str) -> None:
    """Raise :class:`Wrong` with this message unless the condition holds."""
    if not condition:
        raise Wrong(message)
