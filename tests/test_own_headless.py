"""A link with somebody's own data, without a page: found in the store, asked for, recognised; and in a script."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from ebm_plugins import RunSpec, link, own, runs, store, stored, takeaway
from ebm_plugins.__main__ import main
from ebm_plugins.files import read

RAW = b"a,b\n" + b"\n".join(b"%d,%d" % (i, i * i % 17) for i in range(60))


@pytest.fixture
def spec(registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunSpec:
    """A short run that learns wells from sixty points, with these in a store of its own."""
    monkeypatch.setenv(store.FOLDER, str(tmp_path / "store"))
    monkeypatch.setenv("EBM_PLUGINS", "")
    stored._load.cache_clear()
    content = read([("points.csv", RAW)])
    key = own.keep(own.make(content, own.Choice("points", columns=(1, 0))))
    train = {"landscape": "learned", "epochs": 3}
    return RunSpec(family="langevin", dataset=key, train=train, sample={"steps": 20}, seed=2)


def empty_the_store() -> None:
    for path in Path(store.uploads().url).iterdir():
        path.unlink()
    stored._load.cache_clear()


def test_run_finds_the_data_or_says_what_is_missing_and_takes_the_file(
    spec, registry, tmp_path: Path
) -> None:
    address = link.write(runs.resolve(spec, registry), registry, full=True)
    digest = runs.spec_digest(spec, registry)
    found = CliRunner().invoke(main, ["run", address])
    assert found.exit_code == 0, found.output
    assert digest in found.output
    empty_the_store()
    lost = CliRunner().invoke(main, ["run", address])
    assert lost.exit_code == 1
    assert "--data FILE" in lost.output
    assert stored.digest_of(spec.dataset) in lost.output
    other = tmp_path / "other.csv"
    other.write_bytes(RAW[:-1] + b"9")
    wrong = CliRunner().invoke(main, ["run", address, "--data", str(other)])
    assert wrong.exit_code == 1
    assert "no way to read" in wrong.output
    (tmp_path / "points.csv").write_bytes(RAW)
    again = CliRunner().invoke(main, ["run", address, "--data", str(tmp_path / "points.csv")])
    assert again.exit_code == 0, again.output
    assert digest in again.output


def test_the_script_takes_the_data_that_lie_beside_it(spec, registry, tmp_path: Path, root: Path) -> None:
    made = runs.run(spec, registry)
    name, content = takeaway.data_file(made)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "again.py").write_text(takeaway.script(made, registry), encoding="utf-8")
    environment = {
        "PYTHONPATH": str(root), "PATH": "", "EBM_PLUGINS": "", "EBM_STORE": str(folder / "store"),
    }  # fmt: skip
    command = [sys.executable, str(folder / "again.py")]
    options = {"capture_output": True, "text": True, "env": environment, "timeout": 120}
    alone = subprocess.run(command, **options)
    assert alone.returncode != 0
    assert "give the file" in alone.stderr
    (folder / name).write_bytes(content)
    done = subprocess.run(command, **options)
    assert done.returncode == 0, done.stderr
    assert "same settings, data and plugins: True" in done.stdout


def test_the_download_of_the_data_is_recognised_too(spec, registry) -> None:
    made = runs.run(spec, registry)
    name, content = takeaway.data_file(made)
    assert store.uploads().put(content) == stored.digest_of(spec.dataset)
    again = own.recognise(read([(name, content)]), spec.dataset)
    assert again is not None
    assert (again.x == made.data.x).all()
    plain = runs.run(RunSpec(family="langevin", sample={"steps": 2}), registry)
    assert takeaway.data_file(plain) is None


def test_pictures_are_recognised_by_their_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ebm_plugins import Vectors

    monkeypatch.setenv(store.FOLDER, str(tmp_path / "store"))
    x = np.round(255 * np.random.default_rng(0).random((9, 12))) / 255
    key, content = stored.content_of(x, Vectors(12, (3, 4)))
    again = own.recognise(read([("data.npy", content)]), key)
    assert again is not None
    assert (again.x == x).all()
