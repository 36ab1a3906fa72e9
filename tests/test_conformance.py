"""The kit on ourselves, and the kit itself: outcomes, expected failures, pytest, the command line, time."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from ebm_plugins import Config, Family, NoConfig, Plane, Sampler, Snapshot, knob, load
from ebm_plugins.__main__ import main
from ebm_plugins.testing import (
    CHECKS,
    Conformance,
    check_all,
    checks_for,
    conformance,
    expected_failures,
    parametrize_with_checks,
    record_of,
    summary,
)
from ebm_plugins.testing.kit import OUTCOMES
from ebm_plugins.testing.reference import REFERENCES, wells_draw, with_references

BUILTIN = load(discover=False)
OURS = [*BUILTIN.families.values(), *BUILTIN.samplers.values()]


@parametrize_with_checks(OURS, registry=BUILTIN)
def test_everything_built_in_conforms(check: Any) -> None:
    """The false alarm is that of the checks: 1e-6 for each of the statistical ones, and the seed is fixed."""
    check()


@pytest.mark.parametrize("key", list(BUILTIN.families))
def test_a_family_takes_less_than_20_seconds_of_one_core(key: str) -> None:
    started = time.process_time()
    results = check_all(BUILTIN.families[key], BUILTIN, seed=1)
    assert time.process_time() - started < 20
    assert summary(results).conforms


class Walk(Config):
    """Of the family below."""

    steps: int = knob(30, "How many.", ge=1, le=1_000)
    scale: float = knob(1.0, "How wide a proposal is.", ge=0.1, le=4.0)


def energy(params: Any, x: Any) -> Any:
    return 0.5 * (x**2).sum(axis=1)


def train(data: Any, config: Any, rng: Any) -> Iterator[Snapshot]:
    yield Snapshot({"none": np.zeros(1)})


def greedy(params: Any, config: Any, rng: Any, x: Any) -> Iterator[Snapshot]:
    for _ in range(config.steps):
        proposal = x + config.scale * rng.standard_normal(x.shape)
        x = np.where((energy(params, proposal) < energy(params, x))[:, None], proposal, x)
        yield Snapshot(x)


BOWL = Family(
    key="bowl", title="Bowl", summary="Round.", accepts=(Plane,), energy=energy, train=train, sample=greedy,
    train_config=NoConfig, sample_config=Walk, learns=lambda config: False,
)  # fmt: skip


def outcome(record: Any, name: str, **options: Any) -> Any:
    (result,) = check_all(record, BUILTIN, names=[name], **options)
    return result


def test_results_are_plain_data_in_the_order_of_the_list() -> None:
    results = check_all(BOWL, BUILTIN)
    assert [r.check for r in results] == [check.name for check in checks_for(BOWL)]
    assert {r.outcome for r in results} <= set(OUTCOMES)
    assert results[0].check == "record_admitted"
    for result in results:
        json.dumps(vars(result))
        assert result.message or result.outcome == "pass"
        assert math.isnan(result.p) or 0 < result.p <= 1
    assert {r.check for r in results if r.outcome == "fail"} == {"no_drift", "sampled_is_exact"}
    total = summary(results)
    assert isinstance(total, Conformance)
    assert (total.failed, total.failures, total.conforms) == (2, ("no_drift", "sampled_is_exact"), False)
    assert total.passed + total.failed + total.skipped + total.expected == len(results)


def test_the_same_seed_gives_the_same_results_and_another_others() -> None:
    def figures(seed: int) -> list[tuple[str, str, str]]:
        found = check_all(record_of("mala", BUILTIN), BUILTIN, seed, names=["no_drift", "rank_uniform"])
        return [(r.check, r.outcome, r.figure) for r in found]

    assert figures(3) == figures(3)
    assert figures(3) != figures(4)


def test_expected_failures_have_a_reason_and_must_fail() -> None:
    expected = outcome(BOWL, "no_drift", expected={"no_drift": "it is greedy"})
    assert expected.outcome == "expected failure"
    assert expected.message.startswith("it is greedy (exact draws do not stay exact")
    odd = outcome(BOWL, "energy_shape", expected={"energy_shape": "it used to be wrong"})
    assert (odd.outcome, odd.message) == (
        "fail",
        "it passes, though it was expected to fail: it used to be wrong",
    )
    with pytest.raises(ValueError, match="there is no check 'no_drfit'; did you mean no_drift"):
        check_all(BOWL, BUILTIN, expected={"no_drfit": "?"})


def greedy_when_wide(target: Any, config: Any, rng: Any, x: Any) -> Iterator[Snapshot]:
    """Metropolis, but at a scale above 2 it only goes down."""
    for _ in range(config.steps):
        proposal = x + config.scale * rng.standard_normal(x.shape)
        gain = target.energy(x) - target.energy(proposal)
        x = np.where(
            (np.log(rng.random(len(x))) < gain if config.scale < 2 else gain > 0)[:, None], proposal, x
        )
        yield Snapshot(x)


def test_one_variant_can_be_left_out() -> None:
    kernel = Sampler(
        key="wide", title="Wide", summary="", accepts=(Plane,), config=Walk, sample=greedy_when_wide
    )
    assert "scale=2.5" in outcome(kernel, "no_drift").message
    result = outcome(kernel, "no_drift", expected={"no_drift:scale=2.5": "far steps go wrong"})
    assert result.outcome == "pass"
    assert "left out: scale=2.5: far steps go wrong" in result.message


def test_a_module_states_what_it_expects() -> None:
    assert set(expected_failures(record_of("parallel-tempering", BUILTIN), BUILTIN)) == {"no_drift"}
    assert expected_failures(record_of("mala", BUILTIN), BUILTIN) == {}


def test_a_plugin_that_raises_everywhere_fails_and_harms_nothing() -> None:
    def broken(*args: Any, **more: Any) -> Any:
        raise KeyError("weights")

    state = np.random.get_state()[1].tobytes()  # noqa: NPY002
    results = check_all(replace(BOWL, energy=broken, train=broken, sample=broken), BUILTIN)
    assert state == np.random.get_state()[1].tobytes()  # noqa: NPY002
    failed = {r.check: r.message for r in results if r.outcome == "fail"}
    assert re.fullmatch(
        r"it raised KeyError: 'weights' \(test_conformance.py:\d+, in broken\)", failed["train_snapshots"]
    )
    skipped = {r.check: r.message for r in results if r.outcome == "skip"}
    assert skipped["energy_shape"].startswith("training fails, see train_snapshots")


def test_the_references_are_what_they_say() -> None:
    """Their closed draws against quadrature, which shares no code with them. Total variation of 20,000 draws is
    under the 97.5 % quantile of chance, times 1.5; the seed is fixed."""
    from ebm_plugins.exact import truth_of
    from ebm_plugins.targets import bind

    reference = REFERENCES[Plane]
    params = next(
        iter(reference.family.train(reference.dataset.load(), None, np.random.default_rng(0)))
    ).value
    truth = truth_of(bind(reference.family, params, Plane()))
    assert truth.log_partition == pytest.approx(math.log(2 * math.pi), abs=1e-4)
    states = wells_draw(params, 20_000, np.random.default_rng(1))
    assert truth.total_variation(states) < 1.5 * truth.floor(len(states))[2]
    for kind, one in REFERENCES.items():
        result = check_all(one.family, with_references(BUILTIN))
        assert [r for r in result if r.outcome == "fail"] == [], kind


# --- pytest ---------------------------------------------------------------------------------------------------

PLUGIN = """
import numpy as np
from ebm_plugins import Family, NoConfig, Plane, Snapshot, hookimpl

def energy(params, x):
    return 0.5 * (x**2).sum(axis=1)

def train(data, config, rng):
    yield Snapshot({"none": np.zeros(1)})

def sample(params, config, rng, x):
    while True:
        yield Snapshot(1.1 * rng.standard_normal(x.shape))

@hookimpl
def register_families():
    yield Family(key="wide", title="Wide", summary="Too wide.", accepts=(Plane,), energy=energy, train=train,
                 sample=sample, train_config=NoConfig, sample_config=NoConfig, learns=lambda c: False, exactness="exact")
"""
TESTS = """
from ebm_plugins.testing import parametrize_with_checks

@parametrize_with_checks("wide_plugin")
def test_conforms(check):
    check()

@parametrize_with_checks("wide_plugin", expected_failures={"wide": {"no_drift": "1.1", "sampled_is_exact": "1.1"}})
def test_expected(check):
    check()

def test_fixture(ebm_registry):
    assert "hopfield" in ebm_registry.families
    assert all(p.name == "ebm-plugins" for p in ebm_registry.providers.values())
"""


def test_in_pytest_each_check_of_each_record_is_a_test(tmp_path: Path) -> None:
    (tmp_path / "wide_plugin.py").write_text(PLUGIN)
    (tmp_path / "test_wide.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rfx", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    failed = [line.split("::")[1].split(" ")[0] for line in lines if line.startswith("FAILED")]
    assert failed == ["test_conforms[wide-no_drift]", "test_conforms[wide-sampled_is_exact]"], done.stdout
    expected = [line.split("::")[1].split(" ")[0] for line in lines if line.startswith("XFAIL")]
    assert expected == ["test_expected[wide-no_drift]", "test_expected[wide-sampled_is_exact]"]
    assert "exact draws do not stay exact" in done.stdout
    assert CHECKS["no_drift"].holds[:60] in done.stdout


def test_a_module_that_does_not_load_says_so() -> None:
    with pytest.raises(ValueError, match="‘not_there_at_all’ does not load: import: Its module"):
        parametrize_with_checks("not_there_at_all")
    with pytest.raises(KeyError, match="nobody; the families are hopfield"):
        conformance("nobody", BUILTIN)
    mark = parametrize_with_checks(sys.modules["ebm_plugins.samplers.gibbs"])
    assert isinstance(sys.modules["ebm_plugins.samplers.gibbs"], ModuleType)
    assert all(p.id.startswith("gibbs-") for p in mark.args[1])


def test_the_pytest_plugin_imports_nothing_heavy() -> None:
    """Next to pytest, which is there already: our two modules, and nothing of anybody else's."""
    code = (
        "import sys, pytest; before = set(sys.modules); import ebm_plugins.pytest_plugin; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["ebm_plugins", "ebm_plugins.pytest_plugin"]


def test_the_kit_needs_no_pytest() -> None:
    code = "import sys; sys.modules['pytest'] = None; import ebm_plugins.testing as t; print(len(t.CHECKS))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == len(CHECKS) >= 40


# --- command line ---------------------------------------------------------------------------------------------


def test_check_prints_a_table_and_ends_with_0_or_1(monkeypatch: pytest.MonkeyPatch) -> None:
    good = CliRunner().invoke(main, ["check", "gibbs", "bit-flip", "--seed", "2"])
    assert good.exit_code == 0, good.output
    lines = good.stdout.splitlines()
    assert lines[0] == "Gibbs, by cell (gibbs)"
    assert lines[1].split() == ["check", "result", "figure", "time"]
    names = [check.name for check in checks_for(record_of("gibbs", BUILTIN))]
    assert [line.split()[0] for line in lines[2 : 2 + len(names)]] == names
    assert "no_drift" in good.stdout
    assert any(line.startswith("gibbs: ") and "0 failed" in line for line in lines)
    from ebm_plugins import registry

    monkeypatch.setattr(
        registry, "load", lambda *a, **k: replace(BUILTIN, families={**BUILTIN.families, "bowl": BOWL})
    )
    bad = CliRunner().invoke(main, ["check", "bowl", "--json"])
    assert bad.exit_code == 1
    found = {r["check"]: r["outcome"] for r in json.loads(bad.stdout)["bowl"]}
    assert found["no_drift"] == "fail"
    unknown = CliRunner().invoke(main, ["check", "nobody"])
    assert unknown.exit_code == 1
    assert "expected an installed family or sampler, got nobody; the families are" in unknown.stderr
