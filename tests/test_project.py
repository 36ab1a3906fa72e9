"""The set-up that the README promises, and what a host gets from requirements.txt."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import time
import tomllib
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RUN = 'pip install -e ".[dashboard]" && streamlit run dashboard'
TEST = 'pip install -e ".[test]" && pytest'
NAME = re.compile(r"[A-Za-z0-9._-]+")


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


def pins(root: Path) -> dict[str, str]:
    lines = (root / "requirements.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith(("#", "-e")))


def test_readme_has_the_two_commands_and_ci_runs_one_of_them(root: Path) -> None:
    readme = (root / "README.md").read_text()
    assert RUN in readme
    assert TEST in readme
    ci = (root / ".ci" / "run").read_text()
    assert 'pip install --quiet -e ".[test]" && pytest' in ci
    assert os.access(root / ".ci" / "run", os.X_OK)


def test_requirements_pin_every_direct_dependency_within_its_range(
    root: Path, project: dict[str, Any]
) -> None:
    from packaging.requirements import Requirement

    wanted = [Requirement(r) for r in project["dependencies"] + project["optional-dependencies"]["dashboard"]]
    pinned = pins(root)
    assert set(pinned) == {r.name for r in wanted} | {"Authlib"}  # of streamlit[auth], for sign-in
    for requirement in wanted:
        assert requirement.specifier.contains(pinned[requirement.name]), requirement
    assert "-e .[dashboard,login]" in (root / "requirements.txt").read_text().splitlines()


def test_the_plugin_in_the_readme_is_the_one_that_is_installed_and_run(root: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (root / "README.md").read_text(), flags=re.DOTALL)
    plugin = (root / "tests" / "installed" / "ising" / "ebm_ising.py").read_text()
    assert [block.strip() for block in blocks] == [plugin.strip()]
    assert sum(bool(line.strip()) for line in plugin.splitlines()) <= 40


def test_test_extra_includes_the_dashboard(project: dict[str, Any]) -> None:
    assert "ebm-plugins[dashboard,login]" in project["optional-dependencies"]["test"]


def test_nothing_that_is_committed_names_a_registry_or_this_machine(root: Path) -> None:
    for name in ("requirements.txt", "pyproject.toml", ".ci/run", "README.md", "CHANGELOG.md"):
        text = (root / name).read_text()
        assert not re.search(r"index-url|find-links|pypi\.org|files\.pythonhosted|/work/|/root/|/home/", text)


def test_the_dashboard_runs_where_the_project_is_not_installed(
    root: Path, tmp_path: Path, serve: Callable[..., Any]
) -> None:
    """A host may install the dependencies and not the project: the entry file then finds the packages itself."""
    python = _with_dependencies_only(tmp_path / "host")
    found = subprocess.run([python, "-P", "-c", "import ebm_plugins"], cwd=tmp_path, capture_output=True)
    if found.returncode == 0:
        pytest.skip("the project is installed as a copy here, not with -e: there is nothing to leave out")
    assert b"No module named 'ebm_plugins'" in found.stderr
    server = serve(python, ("--server.scriptHealthCheckEnabled=true",), {"EBM_PLUGINS": ""})
    assert _script_health(server.url) == 200, server.log.read_text()[-4000:]


@pytest.mark.installs
@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("EBM_SLOW"), reason="the long form; set EBM_SLOW=1")
def test_requirements_alone_make_a_host(root: Path, tmp_path: Path, serve: Callable[..., Any]) -> None:
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "host"], check=True)
    python = str(tmp_path / "host" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", "-r", "requirements.txt"], cwd=root, check=True)
    server = serve(python, ("--server.scriptHealthCheckEnabled=true",), {"EBM_PLUGINS": ""})
    assert _script_health(server.url) == 200, server.log.read_text()[-4000:]


def _with_dependencies_only(folder: Path) -> str:
    """A Python with this one's packages except those installed with -e: .pth files are not followed twice."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    paths = sysconfig.get_paths()
    here = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (here / "dependencies.pth").write_text("\n".join(sorted({paths["purelib"], paths["platlib"]})) + "\n")
    return str(folder / "bin" / "python")


def _script_health(url: str) -> int:
    """200 when the page's script runs without an error; it may take a while the first time."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    status = 0
    for _ in range(3):
        try:
            with opener.open(f"{url}/_stcore/script-health-check", timeout=60) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            status = error.code
        time.sleep(1)
    return status
