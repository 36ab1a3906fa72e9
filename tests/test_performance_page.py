"""docs/performance.md and the races that fill it: every race is in the command, every peer in the extra."""

from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parent / "benchmarks"


def _module(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def thrice(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setitem(sys.modules, "race", _module("race"))
    return _module("thrice")


def run(ratio: float, race: str = "Sums") -> dict[str, Any]:
    """One line of the results file: ours, a peer, the floor, a peer that is missing."""
    return {
        "race": race,
        "ratios": {"ours": 1.0, "JAX": ratio, "PyTorch": 2 * ratio, "the sums alone": 0.5},
        "roles": {"ours": "ours", "JAX": "peer", "PyTorch": "peer", "the sums alone": "floor"},
        "fastest_peer": "JAX",
        "bounds": [{"against": "JAX", "required": 2.0, "stretch": 3.0}, {"against": "PyTorch", "required": 2.0, "stretch": None}],
        "missing": {"thrml": "thrml is not installed"},
        "versions": {"numpy": "2.0"},
    }  # fmt: skip


def test_the_table_is_of_the_medians_of_the_last_runs_and_says_what_is_missed(
    thrice: Any, root: Path
) -> None:
    page = (root / "docs" / "performance.md").read_text(encoding="utf-8")
    made = thrice.replaced(page, [run(9.0), run(1.5), run(1.0), run(1.2)], 3)
    assert "| Sums | JAX (fastest peer) | 1.20 | 1.00–1.50 | 2 | 3 | missed by 40% |" in made
    assert "| Sums | PyTorch | 2.40 | 2.00–3.00 | 2 |  | met |" in made
    assert "| Sums | floor: the sums alone | 0.50 | 0.50–0.50 |" in made
    assert "| Sums | thrml | – |  |  |  | thrml is not installed |" in made
    assert "Medians of 3 runs." in made
    assert thrice.replaced(made, [run(3.5)], 3).count("| Sums | JAX") == 1
    assert "stretch met" in thrice.replaced(made, [run(3.5)], 3)


def test_rows_of_growth_take_the_place_of_the_same_ones_and_the_others_stay(root: Path) -> None:
    growth = _module("growth")
    page = (root / "docs" / "performance.md").read_text(encoding="utf-8")
    (old,) = (line for line in page.splitlines() if line.startswith("| RBM learning, 64 × 128 | rows |"))
    new = "| RBM learning, 64 × 128 | rows | anew |"
    assert growth.replaced(page, [new]) == page.replace(old, new)


def test_every_race_has_its_file_in_the_command_and_every_peer_is_in_the_extra(
    thrice: Any, root: Path
) -> None:
    files = {f.stem.removeprefix("test_") for f in BENCHMARKS.glob("test_*.py")}
    assert files == {*thrice.FILES, "pages"}
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    extra = project["optional-dependencies"]["bench"]
    assert "torch==2.13.0" in extra
    known = {re.split(r"[<>=]", r)[0] for r in (*extra, *project["dependencies"])}
    assert set(thrice.race.PEERS) <= known


def test_the_page_is_linked_and_what_it_runs_is_there(root: Path) -> None:
    page = (root / "docs" / "performance.md").read_text(encoding="utf-8")
    assert "docs/performance.md" in (root / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b((?:tests|dashboard)/[\w./]+\.py)", page))
    assert len(named) >= 4
    assert [name for name in named if not (root / name).is_file()] == []
    for what in ("races", "pages", "growth"):
        assert page.count(f"<!-- {what}: written by") == page.count(f"<!-- end of {what} -->") == 1
