"""What the kit says: where a plugin raised, what it could not check, what was expected wrongly, what was left out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from ebm_plugins import Family, NoConfig, Pairs, Plane, RunSpec, Sampler, Snapshot, load
from ebm_plugins.__main__ import main
from ebm_plugins.registry import BUILTINS, Provider
from ebm_plugins.testing import (
    ExpectationError,
    check_all,
    checks_for,
    parametrize_with_checks,
    record_of,
    summary,
)
from ebm_plugins.testing.kit import OUTCOMES

BUILTIN = load(discover=False)


def energy(params: Any, x: Any) -> Any:
    return 0.5 * (x**2).sum(axis=1)


def train(data: Any, config: Any, rng: Any) -> Iterator[Snapshot]:
    yield Snapshot({"none": np.zeros(1)})


def sample(params: Any, config: Any, rng: Any, x: Any) -> Iterator[Snapshot]:
    while True:
        yield Snapshot(rng.standard_normal(x.shape))


BOWL = Family(
    key="bowl", title="Bowl", summary="Round.", accepts=(Plane,), energy=energy, train=train, sample=sample,
    train_config=NoConfig, sample_config=NoConfig, learns=lambda config: False, exactness="exact",
)  # fmt: skip


def leaves_when_empty(params: Any, x: Any) -> Any:
    if len(x) == 0:
        sys.exit(0)
    return energy(params, x)


def leaves(target: Any, config: Any, rng: Any, x: Any) -> Iterator[Snapshot]:
    raise SystemExit(0)
    yield


@pytest.mark.parametrize(
    "record",
    [
        replace(BOWL, energy=leaves_when_empty),
        Sampler(key="leaves", title="L", summary="L.", accepts=(Plane,), config=NoConfig, sample=leaves),
    ],
    ids=lambda record: record.key,
)
def test_what_asks_to_exit_fails_and_the_checks_go_on(record: Any) -> None:
    results = check_all(record, BUILTIN)
    assert [r.check for r in results] == [check.name for check in checks_for(record)]
    assert {r.outcome for r in results} <= set(OUTCOMES)
    failed = [r for r in results if r.outcome == "fail"]
    assert any("SystemExit" in r.message and "test_conformance_reports.py:" in r.message for r in failed)
    assert any("SystemExit" in r.traceback for r in failed)


def test_the_message_names_the_line_of_the_plugin() -> None:
    def divides(params: Any, x: Any) -> Any:
        return 1 / 0

    (result,) = check_all(replace(BOWL, energy=divides), BUILTIN, names=["energy_shape"])
    line = divides.__code__.co_firstlineno + 1
    assert f"(test_conformance_reports.py:{line}, in divides)" in result.message
    assert result.traceback.rstrip().endswith("ZeroDivisionError: division by zero")


def test_an_energy_that_edits_its_input_is_told_so_though_training_fails_on_it() -> None:
    def edits(params: Any, x: Any) -> Any:
        x -= params["mean"]
        return energy(params, x)

    def fits(data: Any, config: Any, rng: Any) -> Iterator[Snapshot]:
        params = {"mean": data.x.mean(axis=0)}
        yield Snapshot(params, {"energy": float(edits(params, data.x).mean())})

    family = replace(BOWL, energy=edits, train=fits, learns=None)
    failed = {r.check: r.message for r in check_all(family, BUILTIN) if r.outcome == "fail"}
    assert failed["energy_pure"] == "energy changed x"
    assert "read-only" in failed["train_snapshots"]
    assert "in edits)" in failed["train_snapshots"]
    assert not any("Skip" in message for message in failed.values())


# --- What could not be checked --------------------------------------------------------------------------------


def rest(target: Any, config: Any, rng: Any, x: Any) -> Iterator[Snapshot]:
    while True:
        yield Snapshot(x)


PAIRED = Sampler(key="paired", title="P", summary="P.", accepts=(Pairs,), config=NoConfig, sample=rest, exactness="descent")  # fmt: skip


def test_a_sampler_that_was_never_run_does_not_conform() -> None:
    total = summary(check_all(PAIRED, BUILTIN))
    assert total.failed == 0
    assert total.unchecked == "the kit has no energy of its own in Pairs; give the sampler an example"
    assert not total.conforms


def test_a_sampler_with_an_example_is_run_on_it() -> None:
    kept = record_of("infonce", BUILTIN)
    assert isinstance(kept, Family)
    example = replace(kept.example, sampler="", sample={})
    results = check_all(replace(PAIRED, example=example), BUILTIN)
    total = summary(results)
    assert total.unchecked == ""
    assert {r.check: r.outcome for r in results}["sample_snapshots"] == "pass"
    bad = check_all(replace(PAIRED, example=RunSpec(family="nobody")), BUILTIN, names=["sample_snapshots"])
    assert bad[0].outcome == "fail"
    assert "its example does not resolve" in bad[0].message


def _with(monkeypatch: pytest.MonkeyPatch, *records: Any) -> None:
    from ebm_plugins import registry
    from ebm_plugins.testing import with_records

    made = with_records(BUILTIN, *records)
    monkeypatch.setattr(registry, "load", lambda *a, **k: made)


def test_the_command_says_so_and_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    _with(monkeypatch, PAIRED)
    said = CliRunner().invoke(main, ["check", "paired"])
    assert said.exit_code == 1
    assert "paired: not checked: the kit has no energy of its own in Pairs" in said.stdout


def test_the_command_ends_with_1_when_a_plugin_asks_to_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    _with(monkeypatch, replace(BOWL, energy=leaves_when_empty))
    said = CliRunner().invoke(main, ["check", "bowl", "--traceback"])
    assert said.exit_code == 1
    assert "bowl: " in said.stdout
    assert "Traceback (most recent call last)" in said.stdout
    plain = CliRunner().invoke(main, ["check", "bowl", "--json"])
    found = {r["check"]: r for r in json.loads(plain.stdout)["bowl"]}
    assert "sys.exit(0)" in found["energy_shape"]["traceback"]


@pytest.mark.parametrize("seed", ["-1", str(10**23), "many"])
def test_a_seed_that_no_run_could_have_is_refused(seed: str) -> None:
    said = CliRunner().invoke(main, ["check", "gibbs", "--seed", seed])
    assert said.exit_code == 2
    assert "--seed" in said.stderr
    if seed != "many":
        with pytest.raises(ValueError, match=r"seed: expected a whole number from 0 to"):
            check_all(BOWL, BUILTIN, seed=int(seed))


def test_the_largest_seed_is_one(ebm_registry: Any) -> None:
    names = ["links_round_trip", "run_reproducible"]
    assert {r.outcome for r in check_all(BOWL, ebm_registry, seed=2**63 - 1, names=names)} == {"pass"}


# --- What did not load ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [("def broken(:", "SyntaxError"), ("import not_there_at_all", "needs the module ‘not_there_at_all’")],
)
def test_a_key_that_is_missing_comes_with_what_was_left_out(
    text: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ebm_plugins import registry

    (tmp_path / "left_out_plugin.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    made = load(builtins=[*BUILTINS, "left_out_plugin"], discover=False)
    monkeypatch.setattr(registry, "load", lambda *a, **k: made)
    said = CliRunner().invoke(main, ["check", "my-valley"])
    assert said.exit_code == 1
    assert "left_out_plugin was left out (import):" in said.stderr
    assert reason in said.stderr


# --- What is expected to fail ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"no_such": "x"}, "there is no check 'no_such'"),
        ({"no_drfit": "x"}, "did you mean no_drift"),
        ({"no_drift": ""}, "expected a reason for 'no_drift', got ''"),
        ({"no_drift": None}, "expected a reason for 'no_drift', got None"),
        ({"no_drift:": "x"}, "expected no_drift:field=value"),
        ({"no_drift:tempurature=2": "x"}, "there is no variant 'tempurature=2'; did you mean temperature=2"),
        ({"sample_stops:temperature=2": "x"}, "a variant can be left out of no_drift"),
    ],
)
def test_what_is_expected_wrongly_is_said_before_anything_is_run(given: Any, message: str) -> None:
    with pytest.raises(ExpectationError, match=message):
        check_all(record_of("mala", BUILTIN), BUILTIN, expected=given)
    with pytest.raises(ExpectationError, match=message):
        parametrize_with_checks(
            record_of("mala", BUILTIN), registry=BUILTIN, expected_failures={"mala": given}
        )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"bowl": ["no_drift"]}, r"expected \{check: reason\} under 'bowl', got \['no_drift'\]"),
        ({"bowel": {"no_drift": "x"}}, "there is no key 'bowel'; did you mean bowl"),
        (["no_drift"], r"expected \{key: \{check: reason\}\}"),
        ({"bowl": {"no_such": "x"}}, "there is no check 'no_such'"),
    ],
)
def test_a_modules_own_statement_is_looked_at_too(
    given: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "EXPECTED_FAILURES", given, raising=False)
    here = Provider("here", "1", __name__, __file__)
    made = replace(
        BUILTIN,
        families={**BUILTIN.families, "bowl": BOWL},
        providers={**BUILTIN.providers, "bowl": here},
    )
    with pytest.raises(ExpectationError, match=message):
        check_all(BOWL, made)
    from ebm_plugins import registry

    monkeypatch.setattr(registry, "load", lambda *a, **k: made)
    said = CliRunner().invoke(main, ["check", "bowl"])
    assert said.exit_code == 1
    assert said.stderr.startswith("Error: EXPECTED_FAILURES in ")


def test_in_pytest_a_record_that_is_not_there_is_said(ebm_registry: Any) -> None:
    with pytest.raises(ExpectationError, match="there is no record 'bowel'"):
        parametrize_with_checks(BOWL, registry=ebm_registry, expected_failures={"bowel": {"no_drift": "x"}})
