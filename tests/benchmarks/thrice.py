"""Run every race so many times, and write the medians where docs/performance.md has its table.

    python tests/benchmarks/thrice.py [--runs 3] [--before "command that waits for a quiet machine"]

Each file runs in a process of its own. ``--write-only`` makes the table anew from what is in the results file.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

import race  # noqa: E402

PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- races: written by tests/benchmarks/thrice.py -->", "<!-- end of races -->"
BEGIN_PAGES, END_PAGES = "<!-- pages: written by tests/benchmarks/thrice.py -->", "<!-- end of pages -->"
FILES = (
    "rbm_784x500", "rbm_64x128", "block_gibbs", "recall_speed", "metropolis_speed", "ula_10k", "ula_1m", "dsm_speed",
    "infonce_speed", "ais_speed",
)  # fmt: skip


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--runs", type=int, default=3)
    asked.add_argument("--before", default="")
    asked.add_argument("--write-only", action="store_true")
    options = asked.parse_args()
    if not options.write_only:
        os.environ.pop(
            "OPENBLAS_CORETYPE", None
        )  # NumPy alone would be held to an older processor's instructions
        os.environ.setdefault("EBM_RACES", str(ROOT / ".benchmarks" / f"races-{time.time():.0f}.jsonl"))
        for _ in range(options.runs):
            for name in FILES:
                command = [
                    sys.executable,
                    "-m",
                    "pytest",
                    "-q",
                    "--benchmark-only",
                    f"tests/benchmarks/test_{name}.py",
                ]
                done = subprocess.run([*shlex.split(options.before), *command], cwd=ROOT)
                if done.returncode:
                    print(f"{name} failed: it is not in the table of this run", file=sys.stderr)
    runs = [json.loads(line) for line in race.results_file().read_text(encoding="utf-8").splitlines()]
    PAGE.write_text(pages(replaced(PAGE.read_text(encoding="utf-8"), runs, options.runs)), encoding="utf-8")


def pages(page: str) -> str:
    """The page with the table of the last time that test_pages ran here; as it was where it never did."""
    file = race.results_file().with_name("pages.jsonl")
    if not file.is_file():
        return page
    head, *body = race.page_table(json.loads(file.read_text(encoding="utf-8").splitlines()[-1]))
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *body)]
    before, rest = page.split(BEGIN_PAGES)
    return f"{before}{BEGIN_PAGES}\n" + "\n".join(lines) + f"\n{END_PAGES}{rest.split(END_PAGES)[1]}"


def replaced(page: str, runs: list[dict[str, Any]], most: int) -> str:
    """The page with its table made from the last so many runs of each race."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{markdown(runs, most)}\n{END}{rest.split(END)[1]}"


def medians(runs: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """One a race, in the order of FILES: the median ratios of its last runs, and how far they were apart."""
    by_race: dict[str, list[dict[str, Any]]] = {}
    for found in runs:
        by_race.setdefault(found["race"], []).append(found)
    merged = []
    for several in by_race.values():
        last = several[-most:]
        found = dict(last[-1], runs=len(last), spread={})
        names = [n for n in found["ratios"] if all(n in r["ratios"] for r in last)]
        found["ratios"] = {n: statistics.median(r["ratios"][n] for r in last) for n in names}
        found["spread"] = {
            n: (min(r["ratios"][n] for r in last), max(r["ratios"][n] for r in last)) for n in names
        }
        peers = [n for n in names if found["roles"][n] == "peer"]
        found["fastest_peer"] = min(peers, key=found["ratios"].__getitem__, default=None)
        merged.append(found)
    return merged


def markdown(runs: list[dict[str, Any]], most: int) -> str:
    """The table, and what it was made with."""
    merged = medians(runs, most)
    lines = [
        "| work | against | ratio | range | required | stretch | |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    spread = {(found["race"], name): s for found in merged for name, s in found["spread"].items()}
    for work, against, ratio, *bounds in race.table(merged):
        name = against.removesuffix(" (fastest peer)").removeprefix("floor: ").removeprefix("textbook: ")
        low, high = spread.get((work, name), (None, None))
        reach = "" if low is None else f"{low:.2f}–{high:.2f}"
        lines.append("| " + " | ".join((work, against, ratio, reach, *bounds)) + " |")
    made = ", ".join(f"{name} {version}" for name, version in merged[-1]["versions"].items())
    counts = sorted({found["runs"] for found in merged})
    ran = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return "\n".join([*lines, "", f"Medians of {ran} runs. Made with {made}."])


if __name__ == "__main__":
    main()
