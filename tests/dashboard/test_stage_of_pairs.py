"""What the stage is sent of pairs: queries beside keys under their names, and no start that is nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dashboard import stage
from ebm_plugins import starts
from ebm_plugins.families.infonce import FAMILY
from ebm_plugins.registry import load
from ebm_plugins.runs import run

REGISTRY = load(discover=False)


def made(preset: str, **more):
    spec = FAMILY.presets[preset]
    spec = replace(spec, train={**spec.train, "steps": 10}, sample={**spec.sample, "steps": 12}, **more)
    return run(spec, REGISTRY)


def test_names_stand_for_keys_that_are_one_of_so_many() -> None:
    """A one-hot key goes by its number, so that an image of a 5 is seen beside 5."""
    one = made("Digits and their names")
    sent = stage.payload(one)
    assert sorted(sent["right"]["names"]) == [str(i) for i in range(10)]
    j = sent["right"]["names"].index("7")
    query = one.params["bank_queries"][0]
    pair = np.r_[query, np.eye(10)[7]][None]
    assert sent["similarity"][0, j] == pytest.approx(-one.target.energy(pair)[0], rel=1e-12)


def test_a_blank_start_is_not_drawn_as_if_it_were_a_pair() -> None:
    sent = stage.payload(made("Two views of a digit"))
    assert sent["steps"].tolist() == list(range(1, 13))
    assert sent["frames"]["pick"].shape[:2] == (12, 320)
    assert sent["left"]["count"] == 8


def test_a_start_of_rows_is_drawn_from_step_0() -> None:
    sent = stage.payload(made("Digits and their names", start=starts.Data(rows=(0, 1), copies=5)))
    assert sent["steps"][0] == 0
    assert sent["left"]["count"] == 2
