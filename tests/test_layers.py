"""Imports go down only: ``dashboard`` may use ``ebm_plugins``, never the other way; no page knows a family."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ebm_plugins

CORE = Path(ebm_plugins.__file__).parent
DASHBOARD = CORE.parent / "dashboard"
ABOVE = {"streamlit", "dashboard"}

BLOCKED = """
import importlib, pkgutil, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("streamlit", "dashboard", "dask", "distributed", "orjson", "fsspec"):
            raise ImportError(f"{name} is above this layer")

sys.meta_path.insert(0, Blocked())
import ebm_plugins
for module in pkgutil.walk_packages(ebm_plugins.__path__, "ebm_plugins."):
    importlib.import_module(module.name)
from click.testing import CliRunner
from ebm_plugins.__main__ import main
result = CliRunner().invoke(main, ["list", "--json"])
assert result.exit_code == 0, result.output
"""


def _sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def _imports(path: Path) -> set[str]:
    """The first part of every module that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in (
            "import_module",
            "__import__",
        ):
            found |= {str(a.value).split(".")[0] for a in node.args if isinstance(a, ast.Constant)}
    return found


@pytest.mark.parametrize("path", _sources(CORE), ids=lambda p: str(p.relative_to(CORE)))
def test_the_core_never_imports_what_is_above_it(path: Path) -> None:
    assert not _imports(path) & ABOVE


def test_relative_imports_do_not_climb_out() -> None:
    for path in _sources(CORE):
        depth = len(path.relative_to(CORE).parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.ImportFrom) and node.level > depth), path


def test_every_module_and_the_command_line_work_without_streamlit() -> None:
    done = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True, cwd=CORE.parent)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_dashboard_names_no_family() -> None:
    """Nor a module of one: the words of every family's key appear in no .py file of the dashboard."""
    keys = [path.stem for path in _sources(CORE / "families") if path.stem != "__init__"]
    keys = sorted(
        {spelling for key in keys for spelling in (key, key.replace("_", "-"), key.replace("_", " "))}
    )
    assert keys, "no families were found to look for"
    names = re.compile(r"(?<![a-z])(?:" + "|".join(map(re.escape, keys)) + r")(?![a-z])", re.IGNORECASE)
    for path in _sources(DASHBOARD):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            assert not names.search(line), f"{path.name}:{number}: {line.strip()}"


def test_every_fragment_stands_in_a_container_of_its_own() -> None:
    """``dashboard.fragments`` says why; whoever calls Streamlit's own leaves that out."""
    own = DASHBOARD / "fragments.py"
    assert "st.fragment(" in own.read_text(encoding="utf-8")
    others = [path for path in _sources(DASHBOARD) if path != own]
    assert [
        path.name for path in others if re.search(r"\bst\.fragment\b", path.read_text(encoding="utf-8"))
    ] == []


def test_nothing_is_unpickled_or_evaluated() -> None:
    for path in _sources(CORE) + _sources(DASHBOARD):
        assert not _imports(path) & {"pickle", "cloudpickle", "dill", "marshal", "shelve"}, path
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec"), f"{path}:{node.lineno}"


def test_import_is_light() -> None:
    """``import ebm_plugins`` takes at most three times ``import numpy``: best of seven fresh processes each."""

    def best(module: str) -> float:
        code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
        runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=CORE.parent)
                for _ in range(7)]  # fmt: skip
        return min(float(done.stdout) for done in runs)

    ratio = best("ebm_plugins") / best("numpy")
    assert ratio <= 3, f"import ebm_plugins takes {ratio:.2f} times import numpy"


def test_import_leaves_the_heavy_packages_alone() -> None:
    code = "import sys, ebm_plugins; print(*sorted(m for m in sys.modules if '.' not in m))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=CORE.parent, check=True
    )
    loaded = set(done.stdout.split())
    assert not loaded & {
        "scipy",
        "sklearn",
        "plotly",
        "pandas",
        "pydantic",
        "arviz_stats",
        "streamlit",
        "click",
    }
