"""Which figures mark the moment that the stage shows: those whose layout says what their x axis counts of the run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ebm_plugins import curves, moments

RUN: Any = SimpleNamespace(
    configs=SimpleNamespace(train=SimpleNamespace(every=5), sample=SimpleNamespace(every=10)),
    training=SimpleNamespace(steps=np.array([0, 3, 6])),
)


def figure(meta: Any) -> dict[str, Any]:
    return {"data": [], "layout": {"meta": meta}}


@pytest.mark.parametrize(
    ("axis", "mark"),
    [
        ("step", {"stage": "a:stage", "per": 1}),
        ("snapshot", {"stage": "a:stage", "per": 10}),
        ("training step", {"at": 35}),  # the seventh snapshot, of five steps each
        ("training snapshot", {"at": 7}),
    ],
)
def test_an_axis_that_is_named_is_marked_in_its_own_unit(axis: str, mark: dict[str, Any]) -> None:
    assert moments.cursor(figure(moments.timed(axis)), RUN, "a:stage") == mark


@pytest.mark.parametrize("meta", [None, {}, {"x": "lag"}, {"x": ["step"]}, {"x": {}}, "step", 3, ["x"]])
def test_any_other_figure_gets_no_mark(meta: Any) -> None:
    assert moments.cursor(figure(meta), RUN, "a:stage") is None


def test_a_plotly_figure_says_it_in_the_same_way() -> None:
    go = pytest.importorskip("plotly.graph_objects")
    fig = go.Figure(go.Scatter(x=[0, 1], y=[0, 1]))
    assert moments.axis_of(fig) == ""
    fig.update_layout(meta={"x": "step"})
    assert moments.axis_of(fig) == "step"


def test_an_axis_that_no_run_has_is_refused() -> None:
    with pytest.raises(ValueError, match="one of step, snapshot"):
        moments.timed("lag")


@pytest.mark.parametrize("length", ["steps", "epochs"])
def test_the_last_snapshot_takes_what_is_left(length: str) -> None:
    """7 in threes are 3, 6 and 7; 9 in threes are three whole ones; what says no length has no end."""
    seven, nine = (SimpleNamespace(every=3, **{length: total}) for total in (7, 9))
    assert moments.reached(seven, np.arange(4)).tolist() == [0, 3, 6, 7]
    assert moments.reached(nine, np.arange(4)).tolist() == [0, 3, 6, 9]
    assert moments.reached(seven, 3) == 7
    assert moments.reached(SimpleNamespace(every=3), 3) == 9
    assert moments.reached(SimpleNamespace(**{length: 2}), np.arange(3)).tolist() == [0, 1, 2]
    assert moments.reached(None, 4) == 4


@pytest.mark.parametrize(("axis", "at"), [("training step", 32), ("training snapshot", 7)])
def test_a_mark_of_training_ends_where_training_does(axis: str, at: int) -> None:
    """32 steps in fives: the seventh snapshot is two steps after the sixth."""
    short: Any = SimpleNamespace(
        configs=SimpleNamespace(train=SimpleNamespace(every=5, steps=32)),
        training=SimpleNamespace(steps=np.array([0, 3, 6])),
    )
    assert moments.cursor(figure(moments.timed(axis)), short, "a:stage") == {"at": at}


def test_a_metric_curve_ends_where_the_run_does() -> None:
    config = SimpleNamespace(every=50, steps=130)
    made = curves.metric_curve("loss", [3.0, 2.0, 1.0], "step", config, "training step")
    assert made["data"][0]["x"].tolist() == [50, 100, 130]
    assert curves.metric_curve("loss", [3.0, 2.0], "snapshot")["data"][0]["x"].tolist() == [1, 2]


def test_lags_are_no_moments() -> None:
    assert moments.axis_of(curves.lagged(np.array([1.0, 0.5]), "x").figure) == ""
    assert (
        moments.axis_of(curves.metric_curve("", [1.0, 2.0], "epoch", axis="training step")) == "training step"
    )
