"""The dashboard in AppTest, with the built-ins or with three test families in their place."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # for the tools of these tests

from dashboard_tools import open_page, settled  # noqa: E402

RENAMED = "ebm_test_three_families"

Open = Callable[..., AppTest]


@pytest.fixture
def page() -> Open:
    """``page(path, query)`` opens the dashboard with the built-ins and waits for its run."""
    return lambda path="", query=None, **options: settled(open_page(path, query, **options))


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> Open:
    """The same, with the built-ins replaced by three renamed test families."""
    from ebm_plugins import registry

    if RENAMED not in sys.modules:
        spec = importlib.util.spec_from_file_location(RENAMED, HERE / "three_families.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[RENAMED] = module
        spec.loader.exec_module(module)
    monkeypatch.setattr(registry, "BUILTINS", (RENAMED,))
    monkeypatch.setenv(registry.ALLOW_VARIABLE, "")
    return lambda path="", query=None, **options: settled(open_page(path, query, **options))
