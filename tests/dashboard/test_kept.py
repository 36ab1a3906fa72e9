"""What is made of a run, of data or of a picture is made once, and not once longer than what it was made of."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
from dashboard_tools import open_page, settled

from dashboard import kept
from ebm_plugins import curves, digests, numbers, stamps
from ebm_plugins.datasets import from_arrays
from ebm_plugins.pictures import picture
from ebm_plugins.records import Data
from ebm_plugins.registry import Registry
from ebm_plugins.runs import run
from ebm_plugins.spaces import BinaryGrid, Plane


def test_a_rerun_makes_nothing_anew_and_a_new_run_makes_all(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def counted(module: Any, name: str) -> None:
        whole = getattr(module, name)

        def call(*args: Any) -> Any:
            made.append(name)
            return whole(*args)

        call.__module__, call.__qualname__ = whole.__module__, whole.__qualname__
        monkeypatch.setattr(module, name, call)

    counted(numbers, "of")
    counted(curves, "comparison")
    at = settled(open_page("langevin", {"seed": "8642"}))  # one that no other test has made
    at.run()
    first = len(made)
    assert first >= 2
    at.run()
    assert len(made) == first
    again = settled(open_page("langevin", {"seed": "4321"}))
    assert not again.exception
    assert len(made) > first


def test_what_was_made_goes_with_its_run(registry: Registry) -> None:
    example = registry.families["langevin"].example
    assert example is not None
    one, other = run(example, registry), run(example, registry)
    stamp = kept.of(one, stamps.stamp)
    assert kept.of(one, stamps.stamp) is stamp
    assert kept.of(other, stamps.stamp) is not stamp
    held = len(kept._made)
    del one
    gc.collect()
    assert len(kept._made) == held - 1


def test_the_digest_of_data_that_may_change_is_taken_each_time() -> None:
    fixed = from_arrays(np.zeros((3, 2)), Plane())
    assert digests.of_data(fixed) == digests.of_data(fixed)
    x = np.zeros((3, 2))
    seen = x[:]
    seen.setflags(write=False)  # a view of what can be written to
    for data in (Data(x=x, space=Plane()), Data(x=seen, space=Plane())):
        before = digests.of_data(data)
        x[0, 0] += 1.0
        assert digests.of_data(data) != before


def test_pictures_of_different_rows_differ_and_cannot_be_drawn_over() -> None:
    data = from_arrays(np.array([[0, 1, 0, 1], [1, 1, 0, 0]]), BinaryGrid(2, 2))
    first, second = picture(data, 0), picture(data, 1)
    assert first is not None
    assert second is not None
    assert (first != second).any()
    assert not first.flags.writeable
