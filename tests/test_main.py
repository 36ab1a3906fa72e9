"""The command line: lists and runs, says what it mended, fails with status 1 and a sentence."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from ebm_plugins import Config, Family, Plane, Snapshot, hookimpl, knob, registry
from ebm_plugins.__main__ import main


class Steps(Config):
    steps: int = knob(5, "Steps.", ge=1, le=50)


def energy(params: Any, x: Any) -> Any:
    return 0.5 * (x**2).sum(axis=1)


def train(data: Any, config: Any, rng: Any) -> Iterator[Snapshot]:
    yield Snapshot({"none": np.zeros(1)}, {"loss": 0.25})


def sample(params: Any, config: Any, rng: Any, x: Any) -> Iterator[Snapshot]:
    print("a plugin that talks")
    while True:
        yield Snapshot(rng.standard_normal(x.shape), {"speed": 2.0})


def stops(params: Any, config: Any, rng: Any, x: Any) -> Iterator[Snapshot]:
    raise OSError("the disk is full")
    yield


@hookimpl
def register_families() -> Iterator[Family]:
    print("a plugin that talks")
    for key, kernel in (("bowl", sample), ("stops", stops)):
        yield Family(
            key=key, title=key.title(), summary="Round.", accepts=(Plane,), energy=energy, train=train, sample=kernel,
            train_config=Config, sample_config=Steps, learns=lambda config: False,
        )  # fmt: skip


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = types.ModuleType("talking")
    plugin.register_families = register_families  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "talking", plugin)
    monkeypatch.setattr(registry, "BUILTINS", ("ebm_plugins.datasets", "talking", "ebm_plugins.not_there"))
    monkeypatch.setenv("EBM_PLUGINS", "")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_list_is_json_even_when_plugins_print() -> None:
    listing = json.loads(call("list", "--json").stdout)
    assert [f["key"] for f in listing["families"]] == ["bowl", "stops"]
    assert listing["families"][0]["provider"]["module"] == "talking"
    assert [f["plugin"] for f in listing["failures"]] == ["ebm_plugins.not_there"]
    assert {"datasets", "samplers", "providers"} <= set(listing)


def test_list_is_a_table() -> None:
    lines = call("list").stdout.splitlines()
    assert lines[0] == "Families"
    assert lines[1].split() == ["bowl", "Bowl", "ebm-plugins", "0.1.0"]
    assert "  ebm_plugins.not_there  import  Its module ‘ebm_plugins.not_there’ cannot be found." in lines


def test_the_same_link_gives_the_same_digests_and_another_seed_does_not() -> None:
    def digests(link: str) -> list[str]:
        result = call("run", link)
        assert result.exit_code == 0, result.output
        return [line.split()[1] for line in result.stdout.splitlines() if line.startswith(("spec", "result"))]

    first, again, other = (
        digests("/bowl?seed=3"),
        digests("https://host/x/bowl?seed=3"),
        digests("/bowl?seed=4"),
    )
    assert first == again
    assert all(len(digest) == 64 for digest in first)
    assert not set(first) & set(other)


def test_run_says_what_it_mended_and_what_came_out(tmp_path: Path) -> None:
    saved = tmp_path / "bowl.npz"
    result = call("run", "/bowl?sample.steps=99&start.n=40&sea=1", "--output", str(saved))
    assert result.exit_code == 0, result.output
    words = {line.split()[0] for line in result.stdout.splitlines()}
    assert words >= {
        "mended",
        "run",
        "verdict",
        "training",
        "sampling",
        "spec",
        "result",
        "environment",
        "saved",
    }
    mended = [line for line in result.stdout.splitlines() if line.startswith("mended")]
    assert mended[0].endswith("sample.steps=99: expected a whole number from 1 to 50; used 5")
    assert "loss 0.25" in result.stdout
    assert "speed 2" in result.stdout
    with np.load(saved) as arrays:
        assert set(arrays) == {"states", "params/none"}
        assert arrays["states"].shape == (40, 2)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("run", "/nobody"), 1, "Error: family: expected one of bowl, stops, got nobody"),
        (("run", "/stops"), 1, "Error: ‘stops’ stopped in sample. It raised OSError: the disk is full"),
        (("run", ""), 1, "Error: family: expected one of bowl, stops, got none"),
        (
            ("run", "/bowl", "--output", "states.pkl"),
            2,
            "expected FILE.npz in a folder that exists, got states.pkl",
        ),
        (("run", "/bowl", "--output", "nowhere/at/all.npz"), 2, "expected FILE.npz in a folder that exists"),
        (("run",), 2, "Missing argument 'LINK'"),
    ],
)
def test_failures_end_with_a_status_and_a_sentence(
    arguments: tuple[str, ...], status: int, message: str
) -> None:
    result = call(*arguments)
    assert result.exit_code == status
    assert message in result.stderr
    assert "Traceback" not in result.output
