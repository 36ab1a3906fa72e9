"""docs/oracles.md can fail: every fact in it names tests that exist."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

# how many facts each section has: a line that goes missing is noticed, and one that is added is counted here
FACTS = {
    "The article's own claims": 12,
    "Hopfield": 14,
    "RBM": 13,
    "Denoising score matching": 13,
    "InfoNCE": 10,
    "Metropolis-Hastings": 6,
    "Langevin": 16,
    "Samplers in general": 11,
}
SECTIONS = tuple(FACTS)
NAMED = re.compile(r"`(tests/[\w/.-]+\.py)((?:::\w+)+)(?:\[[^`]*\])?`")
RULE = re.compile(r"\|[\s:|-]+\|")


def facts(text: str) -> Iterator[tuple[str, str]]:
    """(section, line) of every fact: a row of a table below its head, or a bullet. Code blocks are left out."""
    section, previous = "", ""
    for line in re.sub(r"```.*?```", "", text, flags=re.DOTALL).splitlines():
        line = line.strip()
        if line.startswith("#"):
            section = line.lstrip("# ")
        row = line.startswith("|") and previous.startswith("|") and not RULE.fullmatch(line)
        if row or line.startswith(("- ", "* ")):
            yield section, line
        previous = line


@cache
def names_in(path: Path) -> frozenset[str]:
    """``::name`` and ``::Class::name`` of every test in a file."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"::{node.name}" if isinstance(node, ast.ClassDef) else ""
        found |= {
            f"{prefix}::{f.name}"
            for f in inner
            if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef) and f.name.startswith("test_")
        }
    return frozenset(found)


def faults(text: str, root: Path) -> list[str]:
    """What is wrong with a map, a line each."""
    found, rows = [], list(facts(text))
    for section, line in rows:
        named = NAMED.findall(line)
        if not named:
            found.append(f"names no test: {section}: {line}")
        for file, name in named:
            if not (root / file).is_file():
                found.append(f"no such file: {file}")
            elif name not in names_in(root / file):
                found.append(f"no such test: {file}{name}")
    sections = {section for section, _ in rows}
    return found + [f"no facts under: {name}" for name in SECTIONS if name not in sections]


def test_every_fact_names_a_test_that_exists(root: Path) -> None:
    text = (root / "docs" / "oracles.md").read_text()
    assert faults(text, root) == []


def test_no_fact_goes_missing(root: Path) -> None:
    """Also that taking any one line away changes the count of its section."""
    text = (root / "docs" / "oracles.md").read_text()
    assert Counter(section for section, _ in facts(text)) == FACTS
    for _, line in facts(text):
        left = text.replace(f"{line}\n", "", 1)
        assert Counter(section for section, _ in facts(left)) != FACTS, line


GOOD = "`tests/test_oracles_map.py::test_every_fact_names_a_test_that_exists`"
HEAD = "| fact | test |\n| --- | --- |\n"
WHOLE = "".join(f"## {name}\n{HEAD}| true | {GOOD} |\n" for name in SECTIONS)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda text: text, None),
        (lambda text: text + "| another | " + GOOD.replace("every", "no") + " |\n", "no such test"),
        (
            lambda text: text + "| another | " + GOOD.replace("oracles_map", "nothing") + " |\n",
            "no such file",
        ),
        (lambda text: text + "| another | later |\n", "names no test"),
        (lambda text: text + "- a bullet\n", "names no test"),
        (lambda text: text + f"- a bullet {GOOD}\n", None),
        (lambda text: text + "| helper | `tests/test_oracles_map.py::faults` |\n", "no such test"),
        (lambda text: text.replace("## Hopfield", "## Hop"), "no facts under: Hopfield"),
        (
            lambda text: text.replace("## Langevin\n" + HEAD, "## Langevin\n" + HEAD + "\n## Other\n"),
            "no facts",
        ),
    ],
)
def test_a_broken_map_is_caught(root: Path, change: object, fault: str | None) -> None:
    found = faults(change(WHOLE), root)
    assert (found == []) if fault is None else any(fault in line for line in found)
