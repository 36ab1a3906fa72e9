"""Which axis of a figure is the run's own time, so that a page can mark on it the moment that it shows.

A figure says so in its layout's ``meta``: ``{"x": "step"}``, and its x axes count the steps of sampling. Any figure may,
those of third parties too; what says nothing, or anything else, gets no mark.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ebm_plugins.records import Run

AXES = ("step", "snapshot", "training step", "training snapshot")


def timed(axis: str) -> dict[str, str]:
    """The ``meta`` of a layout whose x axes count ``axis``, one of :data:`AXES`; 0 is the start, of training none."""
    if axis not in AXES:
        raise ValueError(f"an axis of a run is one of {', '.join(AXES)}; got {axis!r}")
    return {"x": axis}


@overload
def reached(config: Any, snapshots: int) -> int: ...
@overload
def reached(config: Any, snapshots: NDArray[np.int64]) -> NDArray[np.int64]: ...
def reached(config: Any, snapshots: Any) -> Any:
    """How many steps (or epochs) of a config are done after so many snapshots, one number or (n,): min(every · n, steps).

    The last snapshot takes what is left, so it is less than ``every`` steps after the one before where that does not
    divide the length; a config that says no length has no end.
    """
    done = max(1, int(getattr(config, "every", 1) or 1)) * np.asarray(snapshots, dtype=np.int64)
    total = getattr(config, "steps", getattr(config, "epochs", None))
    if isinstance(total, int):
        done = np.minimum(done, total)
    return done if np.ndim(snapshots) else int(done)


def axis_of(figure: Any) -> str:
    """What the x axes of a figure (Plotly's, or its dictionary) count of its run; empty where they do not."""
    spec = figure if isinstance(figure, Mapping) else figure.to_plotly_json()
    layout = spec.get("layout") or {}
    meta = layout.get("meta") if isinstance(layout, Mapping) else None
    axis = meta.get("x") if isinstance(meta, Mapping) else None
    return axis if isinstance(axis, str) and axis in AXES else ""


def cursor(figure: Any, run: Run, stage: str) -> dict[str, Any] | None:
    """What marks a moment of ``run`` on a figure, None where no axis of it is the run's time.

    On an axis of sampling it follows the stage under the key ``stage``, ``{"stage", "per"}``, with ``per`` steps a unit
    of x (the last unit takes what is left of them). On one of training it stands, ``{"at"}``, where the params are from that the stage's states are drawn with.
    """
    axis = axis_of(figure)
    if not axis:
        return None
    training = axis.startswith("training")
    config = run.configs.train if training else run.configs.sample
    if training:
        taken = int(run.training.steps[-1]) + 1
        return {"at": reached(config, taken) if axis.endswith("step") else taken}
    return {"stage": stage, "per": 1 if axis == "step" else max(1, int(getattr(config, "every", 1) or 1))}
