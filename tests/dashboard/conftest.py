"""The dashboard in AppTest, with the built-ins or with three test families in their place."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # for the tools of these tests

from dashboard_tools import open_page, settled  # noqa: E402

RENAMED = "ebm_test_three_families"

Open = Callable[..., AppTest]


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """The address of a Dask cluster in this very process: what tests replace or count here is what its workers see.
    Worker processes, and what ends them, have tests of their own (tests/hosting). Some workers more than elsewhere,
    since a thread that hangs cannot be ended before its test is over."""
    import dask
    from distributed import LocalCluster

    from dashboard import work
    from dashboard.cluster import SETTINGS

    work.warm()  # pytest rewrites what is imported, which CPython 3.11 does not take in several threads at once

    with dask.config.set(SETTINGS):
        made = LocalCluster(
            n_workers=6,
            threads_per_worker=1,
            processes=False,
            dashboard_address="127.0.0.1:0",
            silence_logs=50,
        )
        yield made.scheduler_address
        with suppress(TimeoutError):
            made.close(
                timeout=1
            )  # engines of pages are connected as long as the process lives: it would wait a minute


@pytest.fixture(scope="module", autouse=True)
def _engines_are_told(cluster: str) -> Iterator[None]:
    """Engines made by the tests of this folder are told of that address; no server that another folder's start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EBM_DASK_ADDRESS", cluster)
        yield


@pytest.fixture
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store in which nothing is yet."""
    monkeypatch.setenv("EBM_STORE", str(tmp_path / "store"))


@pytest.fixture
def page() -> Open:
    """``page(path, query)`` opens the dashboard with the built-ins and waits for its run."""
    return lambda path="", query=None, **options: settled(open_page(path, query, **options))


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
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
    yield lambda path="", query=None, **options: settled(open_page(path, query, **options))
    sys.modules[RENAMED].let_go()
