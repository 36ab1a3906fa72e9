"""An engine with worker processes of its own, and plugins in them that misbehave."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboard.jobs import Engine
from dashboard.limits import Settings
from ebm_plugins import registry as registries

HOSTILE = Path(__file__).resolve().parents[1] / "installed" / "hostile"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The plugins of ``tests/installed/hostile``, as if they were installed: here and in every worker process."""
    folder = tmp_path_factory.mktemp("installed")
    (folder / "ebm_hostile.py").write_text((HOSTILE / "ebm_hostile.py").read_text())
    about = folder / "ebm_hostile-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: ebm-hostile\nVersion: 0.1.0\n")
    (about / "entry_points.txt").write_text("[ebm_plugins]\nhostile = ebm_hostile\n")
    before = {name: os.environ.get(name) for name in ("PYTHONPATH", "EBM_PLUGINS", "EBM_DASK_ADDRESS")}
    root = str(Path(__file__).resolve().parents[2])
    os.environ["PYTHONPATH"] = os.pathsep.join((str(folder), root))
    os.environ["EBM_PLUGINS"] = "hostile"
    os.environ.pop("EBM_DASK_ADDRESS", None)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


@pytest.fixture(scope="module")
def engines(hostile: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Engine]]:
    """``engines(**options)`` is an engine with an embedded cluster; it ends with the module."""
    os.environ["EBM_STORE"], before = str(tmp_path_factory.mktemp("store")), os.environ["EBM_STORE"]
    made: list[Engine] = []

    def make(**options: Any) -> Engine:
        settings = Settings(**{"workers": 2, "run_silence": 3.0, "run_memory_mb": 300, **options})
        made.append(Engine(registries.load(), settings=settings, address=""))
        return made[-1]

    yield make
    for engine in made:
        engine.close()
    os.environ["EBM_STORE"] = before
