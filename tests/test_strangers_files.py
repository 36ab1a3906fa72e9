"""A thousand uploads that were tampered with: each is read or refused in words, soon, and costs little memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import mutations
import pytest

from ebm_plugins import ConfigError, own
from ebm_plugins.files import Content, Pictures, read
from ebm_plugins.spaces import BinaryGrid, Plane, Vectors
from ebm_plugins.tables import Table

COUNT = 1000 if os.environ.get("EBM_SLOW") else 120
SEED = 8
SECONDS = 2.0  # each, of processor time, with that of the process that reads Parquet: a busy machine's clock runs on
# MB above an idle reader: the largest table (4 million numbers as float64, 32 MB) held three times over (as text, as
# numbers, scaled), 64 MB for one picture of 16 million pixels in four bands.
MEMORY = 3 * 32 + 64

READER = """
    import json, resource, sys, time, traceback
    sys.path[:0] = sys.argv[1:]
    import mutations, test_strangers_files as t
    from ebm_plugins.files import read
    for name in ("csv", "npy", "npz", "png", "gif", "jpg", "bmp", "parquet"):
        t.used(read([(f"a.{name}", mutations.honest()[name])]))
    def spent():
        others = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time() + others.ru_utime + others.ru_stime
    def held(what):
        return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(what))
    with open("/proc/self/clear_refs", "w") as peaks:
        peaks.write("5")  # forget the peak so far
    idle = held("VmRSS")
    found = []
    while head := sys.stdin.buffer.readline():  # what makes the files takes memory of its own, elsewhere
        done, name, size = json.loads(head)
        raw = sys.stdin.buffer.read(size)
        began = spent()
        try:
            outcome = t.outcome(name, raw)
        except BaseException:
            outcome = traceback.format_exc()[-1500:]
        peak = held("VmHWM")
        found.append([done, outcome, spent() - began, (peak - idle) / 1024])
    print(json.dumps(found))
"""


def used(content: Content) -> None:
    """Everything that the page does with what a file holds: every way to read it, and its rows as a space's."""
    for kind in own.kinds(content, (Plane, BinaryGrid, Vectors)):
        try:
            made = own.make(content, own.usual(content, kind))
        except ConfigError as error:
            _said(error)
            continue
        assert made.space.contains(made.x).all()
        own.keep(made)


def outcome(name: str, raw: bytes) -> str:
    """``read`` or ``refused``. Anything else is an error."""
    try:
        content = read([(name, raw)])
    except ConfigError as error:
        _said(error)
        return "refused"
    assert isinstance(content, Table | Pictures)
    used(content)
    return "read"


def _said(error: ConfigError) -> None:
    """It is in words: which control, what was expected, what came, in one readable line."""
    assert error.field == "data"
    text = f"{error.expected} {error.got}"
    assert error.expected
    assert str(error.got)
    assert len(text) < 400, text[:200]
    assert text.isprintable(), repr(text[:200])
    assert "Traceback" not in text


def test_tampered_files_are_read_or_refused_in_words(tmp_path: Path, root: Path) -> None:
    """In a process whose peak memory is its own, with a home, a temporary and a working folder to look at."""
    for name in ("home", "tmp", "here", "store"):
        (tmp_path / name).mkdir()
    env = os.environ | {
        "HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp"), "EBM_STORE": str(tmp_path / "store"),
        "XDG_CACHE_HOME": str(tmp_path / "home"), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(root),
    }  # fmt: skip
    code = [sys.executable, "-c", textwrap.dedent(READER), str(root / "tests"), str(root / "tests" / "tools")]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        code, env=env, cwd=tmp_path / "here", stdin=pipe, stdout=pipe, stderr=pipe
    ) as reader:
        assert reader.stdin is not None
        for what, name, raw in mutations.uploads(SEED, COUNT):
            reader.stdin.write(json.dumps([what, name, len(raw)]).encode() + b"\n" + raw)
        out, errors = reader.communicate(timeout=1800)
    assert reader.returncode == 0, errors.decode()[-3000:]
    found = json.loads(out.splitlines()[-1])
    assert len(found) == COUNT
    wrong = [(what, how) for what, how, *_ in found if how not in ("read", "refused")]
    assert not wrong, "\n".join(f"{what}\n{how}" for what, how in wrong[:3])
    share = sum(how == "read" for _, how, *_ in found) / COUNT
    assert 0.05 < share < 0.6  # or the mutations are too wild, or too tame, to test anything
    slowest = max(found, key=lambda one: one[2])
    assert slowest[2] <= SECONDS, slowest
    print(
        f"{COUNT} files: {share:.0%} read; slowest {slowest[2]:.2f} s of processor ({slowest[0]}); peak {found[-1][3]:.0f} MB"
    )
    assert found[-1][3] <= MEMORY, max(
        zip([0, *[f[3] for f in found]], found, strict=False), key=lambda p: p[1][3] - p[0]
    )
    left = [p for p in tmp_path.rglob("*") if p.is_file() and (tmp_path / "store") not in p.parents]
    assert not left
    assert all(
        len(p.name) == 64 for p in (tmp_path / "store").rglob("*") if p.is_file() and "data" in p.parts
    )


@pytest.mark.parametrize("kind", sorted(mutations.honest()))
def test_the_files_are_honest_before_they_are_tampered_with(kind: str) -> None:
    assert isinstance(read([(f"a.{kind.split()[0]}", mutations.honest()[kind])]), Table | Pictures)
