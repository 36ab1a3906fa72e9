"""The Plugins page's badges say what the kit says, and cost a visitor nothing until asked for."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.app_pages import conformance as page
from dashboard.jobs import Engine
from ebm_plugins import testing
from ebm_plugins.registry import load

REGISTRY = load(discover=False)


def registry(**changes: Any) -> Any:
    """Two families alone, with every sampler; ``changes`` are made to the first."""
    chosen = replace(REGISTRY.families["langevin"], **changes)
    one = testing.with_records(REGISTRY, chosen)
    return replace(one, families={k: one.families[k] for k in ("langevin", "hopfield")})


def opened(engine: Engine) -> AppTest:
    def script(engine):  # type: ignore[no-untyped-def]
        from dashboard.app_pages.conformance import conformance

        conformance(engine)

    test = AppTest.from_function(script, kwargs={"engine": engine}, default_timeout=60).run()
    assert not test.exception
    return test


def badges(test: AppTest) -> list[str]:
    return [m.value for m in test.markdown if "-badge[" in m.value]


def test_nothing_is_checked_until_somebody_asks() -> None:
    engine = Engine(registry())
    found = badges(opened(engine))
    assert len(found) == 2 + len(engine.registry.samplers)
    assert all("Not checked" in one for one in found)
    assert engine.computed == 0


@pytest.mark.parametrize("broken", [False, True])
def test_a_badge_says_what_the_kit_says(broken: bool) -> None:
    """One family, correct or with a gradient of the wrong sign: the kit's own result, check by check."""
    correct = REGISTRY.families["langevin"].gradient
    assert correct is not None
    engine = Engine(registry(gradient=(lambda params, x: -correct(params, x))) if broken else registry())
    test = opened(engine)
    test.button(key="check langevin").click().run()
    job = engine.checked("langevin")
    assert job is not None
    assert job.wait(90)
    assert job.error is None
    test.run()
    kit = testing.check_all(engine.registry.families["langevin"], engine.registry)
    assert [(r.check, r.outcome) for r in job.results] == [(r.check, r.outcome) for r in kit]
    first, second = badges(test)[:2]
    assert ("Conforms" in first) is not broken
    assert ("gradient" in first) is broken
    assert "Not checked" in second
    total = testing.summary(kit)
    text = "\n".join(m.value for m in test.markdown)
    assert f"{total.passed} checks hold" in text
    listed = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(listed) == len(kit)
    assert ("fails" in listed[0]) is broken
    assert engine.checked("hopfield") is None


def test_a_check_that_kills_its_thread_is_a_badge_too() -> None:
    """SystemExit in a plugin's energy: its own row says so, the others stay."""

    def leave(params: Any, x: Any) -> Any:
        raise SystemExit("bye")

    engine = Engine(registry(energy=leave))
    test = opened(engine)
    test.button(key="check langevin").click().run()
    job = engine.checked("langevin")
    assert job is not None
    assert job.wait(60)
    test.run()
    assert not test.exception
    assert re.search("Could not be checked|Fails", badges(test)[0])
    assert len(badges(test)) == 2 + len(engine.registry.samplers)


def test_words_of_the_table_mean_nothing_in_markdown() -> None:
    """A plugin's message is shown, not rendered, and cannot break the table."""
    hostile = testing.Result(
        "no_drift", "fail", "a|b", 0.1, "[click](http://example.com) | <script>\n| :red[x]"
    )
    lines = page.table([hostile]).splitlines()
    assert len(lines) == 3
    assert "[click](" not in lines[2]
    assert len(re.findall(r"(?<!\\)\|", lines[2])) == 5


def test_a_sampler_that_was_never_run_does_not_conform() -> None:
    from dashboard.job import Job

    job = Job("x", state="done")
    job.results = [
        testing.Result("sample_snapshots", "skip", message="the kit has no energy of its own in Pairs")
    ]
    assert page.badge(job)[0].startswith("Not checked")
