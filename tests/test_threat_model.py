"""docs/threat-model.md names the tests that hold it: they are there, and each who attacks has one."""

from __future__ import annotations

import re
from pathlib import Path

NAMED = re.compile(r"`(tests/[a-z_/]+\.py)::(test_[a-z0-9_]+)`")


def test_every_test_that_the_threat_model_names_is_there(root: Path) -> None:
    named = NAMED.findall((root / "docs" / "threat-model.md").read_text(encoding="utf-8"))
    assert len(named) > 15
    for path, name in named:
        assert (root / path).is_file(), path
        assert f"def {name}(" in (root / path).read_text(encoding="utf-8"), f"{path}::{name}"


def test_everybody_who_may_attack_is_held_by_a_test(root: Path) -> None:
    rows = [
        line
        for line in (root / "docs" / "threat-model.md").read_text(encoding="utf-8").splitlines()
        if line[:4] == "| **"
    ]
    assert len(rows) >= 10
    for row in rows:
        assert NAMED.search(row), row[:60]
