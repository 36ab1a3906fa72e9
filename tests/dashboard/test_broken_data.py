"""A dataset that does not load costs no page: the others are offered, and it is named with its reason."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from ebm_plugins import Data, Dataset, hookimpl, registry
from ebm_plugins.families import hopfield, langevin
from ebm_plugins.spaces import BinaryGrid, Plane


def _missing() -> Data:
    raise FileNotFoundError("my-data.csv")


@hookimpl
def register_datasets() -> Iterator[Dataset]:
    yield Dataset(key="gone", title="Gone", summary="Broken.", space=Plane(), load=_missing)
    yield Dataset(
        key="gone-grid", title="Gone grid", summary="Broken.", space=BinaryGrid(8, 8), load=_missing
    )
    yield Dataset(
        key="nan", title="NaN", summary="Broken.", space=Plane(),
        load=lambda: Data(x=np.full((3, 2), np.nan), space=Plane()),
    )  # fmt: skip


@pytest.mark.parametrize("key", [hopfield.FAMILY.key, langevin.FAMILY.key])
def test_every_control_is_there_and_the_broken_data_are_named(
    key: str, monkeypatch: pytest.MonkeyPatch, page
) -> None:
    monkeypatch.setattr(registry, "BUILTINS", (__name__, *registry.BUILTINS))
    at = page(key)
    assert not at.exception
    assert len(at.slider) + len(at.select_slider) >= 2
    text = " ".join(m.value for m in at.markdown)
    assert "csv" in text
    assert text.count("stopped in") == text.count("stopped in load"), "nothing else stopped"
