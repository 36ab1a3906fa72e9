"""What is expected to fail, and why: what an author states, looked at before anything is run.

A mapping {check: reason} says what cannot pass; a name ``check:field=value`` leaves one variant of the config out of a
check that looks at several. A plugin's module states it as ``EXPECTED_FAILURES``, {key: {check: reason}}.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from ebm_plugins.records import FAULTS, Family, Sampler
from ebm_plugins.registry import Registry
from ebm_plugins.testing.kit import CHECKS, Skip, Wrong
from ebm_plugins.testing.subject import Subject
from ebm_plugins.testing.varied import variants

NAME = "EXPECTED_FAILURES"
VARIED = ("no_drift", "sampled_is_exact", "rank_uniform")  # the checks that a variant can be left out of


class ExpectationError(ValueError):
    """What is expected to fail is stated wrongly: it names what is not there, or gives no reason."""


def expected_failures(record: Family | Sampler, registry: Registry) -> dict[str, str]:
    """What a record's own module expects to fail: its ``EXPECTED_FAILURES``, {key: {check: reason}}. Raises
    ExpectationError where that is no such mapping, or names a record that the module does not bring."""
    provider = registry.providers.get(record.key)
    module = sys.modules.get(provider.module) if provider else None
    stated = getattr(module, NAME, {})
    where = f"{NAME} in {module.__name__ if module else '?'}"
    if not isinstance(stated, Mapping):
        raise ExpectationError(f"{where}: expected {{key: {{check: reason}}}}, got {stated!r}")
    own = [key for key, p in registry.providers.items() if module and p.module == module.__name__]
    for key, reasons in stated.items():
        if not registry.failures:  # a record that was not let in may be the one that is meant
            _known(where, "key", key, own)
        if not isinstance(reasons, Mapping):
            raise ExpectationError(
                f"{where}: expected {{check: reason}} under {key!r}, got {reasons!r}; give each check its reason"
            )
    found = dict(stated.get(record.key, {}))
    _looked_at(f"{where}, {record.key}", found)
    return found


def look_at(stated: Mapping[str, str], subject: Subject) -> None:
    """Raise ExpectationError for a check that there is not, a reason that is none, or a variant that is none of this
    subject's."""
    _looked_at(f"what {subject.record.key} is expected to fail", stated)
    named = [name for name in stated if ":" in name]
    if not named:
        return
    try:
        known = {v for made in subject.plans for v in variants(made.sample_config)} - {""}
    except (Skip, Wrong, *FAULTS):
        return  # a check says what is wrong with its example
    for name in named:
        _known(f"{name!r}", "variant", name.split(":", 1)[1], known)


def of_record(key: str, given: Mapping[str, Any], keys: Iterable[str]) -> dict[str, str]:
    """What ``given``, {check: reason} for all records or {key: {check: reason}}, says of the record of this key."""
    for name, value in given.items():
        if isinstance(value, Mapping):
            _known("expected_failures", "record", name, keys)
        elif name in keys:
            raise ExpectationError(
                f"expected_failures: expected {{check: reason}} under {name!r}, got {value!r}"
            )
    own = {name: reason for name, reason in given.items() if not isinstance(reason, Mapping)}
    found = own | dict(given.get(key, {}))
    _looked_at("expected_failures", found)
    return found


def _looked_at(where: str, stated: Mapping[str, str]) -> None:
    for name, reason in stated.items():
        check, colon, variant = str(name).partition(":")
        _known(where, "check", check, CHECKS)
        if not isinstance(reason, str) or not reason.strip():
            raise ExpectationError(f"{where}: expected a reason for {name!r}, got {reason!r}")
        if colon and check not in VARIED:
            raise ExpectationError(
                f"{where}: {name!r}: a variant can be left out of {', '.join(VARIED)}, not of {check}"
            )
        if colon and not variant:
            raise ExpectationError(f"{where}: {name!r}: expected {check}:field=value")


def _known(where: str, what: str, name: object, names: Iterable[str]) -> None:
    names = list(names)
    if name in names:
        return
    near = get_close_matches(str(name), names, 1)
    advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(names) or 'none'}"
    raise ExpectationError(f"{where}: there is no {what} {name!r}; {advice}")
