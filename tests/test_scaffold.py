"""``new`` writes a package that installs, conforms and has a page; so does the guide's second worked example."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

import ebm_plugins
from ebm_plugins.__main__ import main
from ebm_plugins.scaffold import BadNameError, write

ROOT = Path(ebm_plugins.__file__).parents[1]
PACKAGES = [Path(__file__).parent / "installed" / name for name in ("modern_hopfield", "ising", "flips")]
PAGE = """
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash
at = AppTest.from_file({app!r}, default_timeout=120)
at._page_hash = calc_hash({key!r})
at.run()
print([e.value for e in at.exception], [t.value for t in at.title] + [h.value for h in at.header], len(at.markdown))
"""


def test_what_is_written(tmp_path: Path) -> None:
    folder = write("my-valley", tmp_path)
    names = ["README.md", "ebm_my_valley.py", "pyproject.toml", "test_ebm_my_valley.py"]
    assert sorted(path.name for path in folder.iterdir()) == names
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == "ebm-my-valley"
    assert project["entry-points"]["ebm_plugins"] == {"my-valley": "ebm_my_valley"}
    assert project["optional-dependencies"] == {"test": ["pytest"]}  # what its README tells to run
    assert "pip install -e '.[test]'" in (folder / "README.md").read_text(encoding="utf-8")
    for path in folder.iterdir():
        text = path.read_text(encoding="utf-8")
        assert "{key}" not in text
        assert "{{" not in text
    assert write("ebm-other", tmp_path).name == "ebm-other"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("My Valley", "expected a name of at most 40 lowercase letters"),
        ("../valley", "expected a name of at most 40 lowercase letters"),
        ("", "expected a name of at most 40 lowercase letters"),
        ("a" * 41, "expected a name of at most 40 lowercase letters"),
        ("valley.py", "expected a name of at most 40 lowercase letters"),
        ("store", "is a page or a link parameter"),
        ("hopfield", "is built in; choose another name"),
        ("parallel-tempering", "is built in; choose another name"),
    ],
)
def test_bad_names_are_refused_in_words(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BadNameError, match=message):
        write(name, tmp_path)
    result = CliRunner().invoke(main, ["new", name, "--into", str(tmp_path)])
    assert result.exit_code == 1
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "ebm-valley").mkdir()
    (tmp_path / "ebm-valley" / "mine.txt").write_text("mine")
    result = CliRunner().invoke(main, ["new", "valley", "--into", str(tmp_path)])
    assert result.exit_code == 1
    assert "exists already, and nothing in it was touched" in result.stderr
    assert [path.name for path in (tmp_path / "ebm-valley").iterdir()] == ["mine.txt"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A fresh environment with this project, a package that ``new`` wrote, and the third-party packages that are worked
    examples; its Python and the new package's folder."""
    home = tmp_path_factory.mktemp("scaffold")
    written = CliRunner().invoke(main, ["new", "two-hills", "--into", str(home)])
    assert written.exit_code == 0, written.output
    assert "python -m ebm_plugins check two-hills" in written.stdout
    folder = home / "ebm-two-hills"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home / "venv")], check=True)
    python = home / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    site = _run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip()
    seen = [str(path) for path in map(Path, sys.path) if path.name in ("site-packages", "dist-packages")]
    lines = dict.fromkeys([str(ROOT), sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *seen])
    (Path(site) / "running.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _run(
        python,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        str(folder),
        *map(str, PACKAGES),
    )
    return python, folder


def _run(python: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("EBM_PLUGINS", "PYTHONPATH")}
    done = subprocess.run(
        [str(python), *arguments], capture_output=True, text=True, cwd=cwd, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


@pytest.mark.installs
def test_it_is_found_and_conforms(installed: tuple[Path, Path]) -> None:
    python, _ = installed
    listing = json.loads(_run(python, "-m", "ebm_plugins", "list", "--json").stdout)
    found = {r["key"]: r["provider"]["name"] for r in listing["families"]}
    assert (found["two-hills"], found["modern-hopfield"]) == ("ebm-two-hills", "ebm-modern-hopfield")
    keys = ("two-hills", "modern-hopfield", "ising", "flips")
    said = _run(python, "-m", "ebm_plugins", "check", *keys).stdout
    assert said.count("0 failed, 0 expected failures") == len(keys)
    assert "  no_drift " in said


@pytest.mark.installs
def test_its_own_tests_pass(installed: tuple[Path, Path]) -> None:
    python, folder = installed
    said = _run(
        python,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(folder),
        str(folder),
        cwd=folder,
    )
    assert "failed" not in said.stdout
    assert int(said.stdout.rsplit(" passed", 1)[0].rsplit(maxsplit=1)[-1]) >= 35


@pytest.mark.installs
@pytest.mark.parametrize("key", ["two-hills", "modern-hopfield"])
def test_it_has_a_page_without_an_edit(installed: tuple[Path, Path], key: str) -> None:
    python, _ = installed
    app = ROOT / "dashboard" / "app_main.py"
    said = _run(python, "-c", PAGE.format(app=str(app), key=key), cwd=ROOT).stdout
    title = {"two-hills": "Two hills", "modern-hopfield": "Modern Hopfield network"}[key]
    assert said.splitlines()[-1].startswith("[] ")
    assert title in said
