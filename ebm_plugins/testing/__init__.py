"""The conformance kit: named checks that tell the author of a family or sampler what is wrong with it.

As tests:          ``@parametrize_with_checks("my_plugin")`` over ``def test_conforms(check): check()``
From the shell:    ``python -m ebm_plugins check KEY``
From code:         ``check_all(record, registry, seed=0) -> list[Result]``; ``conformance(key, registry)``

What each check holds is in its docstring, ``CHECKS[name].holds``, and in docs/plugins.md. ``statistics`` has the tests
they are made of, which other tests may use: ``rank_test``, ``fit_test``, ``two_sample_test``, ``pairing_test``,
``confirm``. Needs NumPy and what the core needs; pytest only for :func:`parametrize_with_checks`.
"""

from __future__ import annotations

from ebm_plugins.testing.expected import ExpectationError, expected_failures
from ebm_plugins.testing.kit import CHECKS, Check, Finding, Result, Skip, Wrong, check
from ebm_plugins.testing.running import (
    Conformance,
    check_all,
    checking,
    checks_for,
    conformance,
    parametrize_with_checks,
    record_of,
    summary,
    with_records,
)
from ebm_plugins.testing.subject import Subject

__all__ = [
    "CHECKS", "Check", "Conformance", "ExpectationError", "Finding", "Result", "Skip", "Subject", "Wrong", "check", "check_all", "checking",
    "checks_for", "conformance", "expected_failures", "parametrize_with_checks", "record_of", "summary",
    "with_records",
]  # fmt: skip
