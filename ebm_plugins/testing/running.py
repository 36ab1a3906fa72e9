"""Running the checks: on one record, on a registry's, as pytest's tests."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np

from ebm_plugins.records import FAULTS, Family, Sampler
from ebm_plugins.registry import BUILTINS, Registry, load
from ebm_plugins.testing import (  # importing them registers their checks
    checks_energy,
    checks_record,
    checks_run,
    checks_sampling,
    checks_statistics,
    checks_training,
)
from ebm_plugins.testing.expected import expected_failures, look_at, of_record
from ebm_plugins.testing.kit import CHECKS, Check, Finding, Result, Skip, Wrong
from ebm_plugins.testing.places import place_of, traceback_of
from ebm_plugins.testing.subject import Subject

MODULES = (checks_record, checks_energy, checks_training, checks_sampling, checks_statistics, checks_run)
LOOKS = "sample_snapshots"  # the check that is skipped only where the kit cannot run a record's kernel at all


@dataclass(frozen=True)
class Conformance:
    """How a record fared: numbers of checks that passed (expected failures among them not), failed, were expected to
    fail, were skipped; the seconds they took; and the names of those that failed. ``unchecked`` says why the kit could
    not run its kernel at all, where it could not."""

    passed: int
    failed: int
    skipped: int
    seconds: float
    expected: int = 0
    failures: tuple[str, ...] = ()
    unchecked: str = ""

    @property
    def conforms(self) -> bool:
        """Whether it was run, and nothing failed that was not expected to."""
        return self.failed == 0 and not self.unchecked


def checks_for(record: Family | Sampler) -> list[Check]:
    """The checks that a record goes through, in order."""
    kind = "family" if isinstance(record, Family) else "sampler"
    order = [module.__name__ for module in MODULES]
    found = [check for check in CHECKS.values() if kind in check.kinds]
    return sorted(found, key=lambda c: order.index(c.module) if c.module in order else len(order))


def check_all(
    record: Family | Sampler,
    registry: Registry,
    seed: int = 0,
    *,
    expected: Mapping[str, str] | None = None,
    names: Sequence[str] | None = None,
) -> list[Result]:
    """Run every check (or those named) on a record; never raises what a plugin raises, exits included.

    ``registry`` holds the data that its example names; the record itself need not be in it. ``expected`` maps checks
    that should fail to reasons, added to what the record's module states. A check that passes although it is expected
    to fail has failed: the reason no longer holds (unless it is a statistical one, which may miss what it is told of).
    Raises ValueError for a seed that no run could have, and ExpectationError (a ValueError) for what is expected wrongly.
    """
    return list(checking(record, registry, seed, expected=expected, names=names))


def checking(
    record: Family | Sampler,
    registry: Registry,
    seed: int = 0,
    *,
    expected: Mapping[str, str] | None = None,
    names: Sequence[str] | None = None,
) -> Iterator[Result]:
    """:func:`check_all`, each result as it comes: for who wants to show progress, or to stop half-way."""
    stated = {**expected_failures(record, registry), **(expected or {})}
    unknown = sorted(set(names or ()) - set(CHECKS))
    if unknown:
        raise ValueError(f"there is no check {', '.join(unknown)}; the checks are {', '.join(CHECKS)}")
    subject = Subject(record, registry, seed, {k: v for k, v in stated.items() if ":" in k})
    look_at(stated, subject)
    for check in checks_for(record):
        if names is None or check.name in names:
            yield one_check(check, subject, stated.get(check.name))


def one_check(check: Check, subject: Subject, reason: str | None = None) -> Result:
    """Run one check on a subject; ``reason`` says why it is expected to fail, if it is."""
    started = time.perf_counter()
    outcome, message, trace, finding = "pass", "", "", Finding()
    globally = np.random.get_state()  # noqa: NPY002
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            finding = check.function(subject) or Finding()
    except Skip as skip:
        outcome, message = "skip", str(skip)
    except Wrong as wrong:
        outcome, message = "fail", str(wrong)
        if wrong.__cause__ is not None:
            message += place_of(wrong, subject.record)
            trace = traceback_of(wrong)
    except FAULTS as error:
        outcome = "fail"
        message = f"it raised {type(error).__name__}: {error}{place_of(error, subject.record)}"
        trace = traceback_of(error)
    finally:
        np.random.set_state(globally)  # noqa: NPY002
    if reason is not None and outcome == "fail":
        outcome, message = "expected failure", f"{reason} ({message})"
    elif reason is not None and outcome == "pass" and not check.false_alarm:
        outcome, message = "fail", f"it passes, though it was expected to fail: {reason}"
    elif outcome == "pass":
        left_out = [
            f"{k.split(':', 1)[1]}: {v}" for k, v in subject.excused.items() if k.startswith(check.name + ":")
        ]
        message = "; ".join(f"left out: {one}" for one in left_out)
    seconds = time.perf_counter() - started
    return Result(check.name, outcome, finding.figure, seconds, message, float(finding.p), trace)


def summary(results: Iterable[Result]) -> Conformance:
    """Results in numbers."""
    results = list(results)
    count = {
        name: sum(r.outcome == name for r in results) for name in ("pass", "fail", "skip", "expected failure")
    }
    return Conformance(
        passed=count["pass"],
        failed=count["fail"],
        skipped=count["skip"],
        seconds=math.fsum(r.seconds for r in results),
        expected=count["expected failure"],
        failures=tuple(r.check for r in results if r.outcome == "fail"),
        unchecked=next((r.message for r in results if (r.check, r.outcome) == (LOOKS, "skip")), ""),
    )


def conformance(key: str, registry: Registry, seed: int = 0) -> Conformance:
    """The summary of all checks of the family or sampler of this key. Raises KeyError when it is not registered."""
    return summary(check_all(record_of(key, registry), registry, seed))


def record_of(key: str, registry: Registry) -> Family | Sampler:
    """The family or the sampler of a key. Raises KeyError that lists the keys."""
    found = registry.families.get(key) or registry.samplers.get(key)
    if found is None:
        raise KeyError(
            f"{key}; the families are {', '.join(registry.families)}, the samplers {', '.join(registry.samplers)}"
        )
    return found


Item = Family | Sampler | str | ModuleType


def parametrize_with_checks(
    items: Item | Iterable[Item],
    *,
    registry: Registry | None = None,
    expected_failures: Mapping[str, str | Mapping[str, str]] | None = None,
    seed: int = 0,
) -> Any:
    """A pytest mark that turns ``def test_conforms(check): check()`` into one test for each record and check.

    ``items`` are records, or plugin modules (or their names), all of whose families and samplers are meant.
    ``registry`` has the data they need; without one it is made of the built-ins and of those modules, with discovery
    off. ``expected_failures`` maps checks to reasons, for all records, or keys to such mappings.
    """
    import pytest

    listed: list[Item] = [items] if isinstance(items, Family | Sampler | str | ModuleType) else list(items)
    modules = [
        item if isinstance(item, str) else item.__name__
        for item in listed
        if isinstance(item, str | ModuleType)
    ]
    found = registry or load(builtins=list(dict.fromkeys([*BUILTINS, *modules])), discover=False)
    records: list[Family | Sampler] = [item for item in listed if isinstance(item, Family | Sampler)]
    for name in modules:
        failures = [f for f in found.failures if f.plugin == name]
        if failures:
            raise ValueError(f"‘{name}’ does not load: {failures[0].stage}: {failures[0].message}")
        own = [r for part in (found.families, found.samplers) for r in part.values()]
        records += [r for r in own if found.providers[r.key].module == name]
    params = []
    keys = [record.key for record in records]
    for record in records:
        stated = {**_stated(record, found), **of_record(record.key, expected_failures or {}, keys)}
        subject = Subject(record, found, seed, {k: v for k, v in stated.items() if ":" in k})
        look_at(stated, subject)
        for check in checks_for(record):
            prepared = _Prepared(check, subject, stated.get(check.name))
            params.append(pytest.param(prepared, id=f"{record.key}-{check.name}"))
    return pytest.mark.parametrize("check", params)


_stated = expected_failures


@dataclass(frozen=True)
class _Prepared:
    """A check of one record; called, it passes, skips, or fails as a test does."""

    check: Check
    subject: Subject
    reason: str | None

    def __call__(self) -> Result:
        import pytest

        result = one_check(self.check, self.subject, self.reason)
        if result.outcome == "skip":
            pytest.skip(result.message)
        if result.outcome == "expected failure":
            pytest.xfail(result.message)
        if result.outcome == "fail":
            pytest.fail(
                f"{self.subject.record.key}, {self.check.name}: {result.message}\n\nIt holds: {self.check.holds}",
                pytrace=False,
            )
        return result


def with_records(registry: Registry, *records: Family | Sampler) -> Registry:
    """The registry with these families and samplers in it, under their keys."""
    families = {r.key: r for r in records if isinstance(r, Family)}
    samplers = {r.key: r for r in records if isinstance(r, Sampler)}
    return replace(
        registry,
        families=MappingProxyType({**registry.families, **families}),
        samplers=MappingProxyType({**registry.samplers, **samplers}),
    )
