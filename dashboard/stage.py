"""Space → what the stage shows: a payload for :func:`dashboard.plot.stage`, and the figure for taking away.

``payload`` and ``legend`` choose by the space, so a subclass gets its parent's stage and a space that nobody
knows a plain projection. Nothing here needs Streamlit: call it in the job, beside the run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import Any

import numpy as np

from ebm_plugins import moments, starts, views
from ebm_plugins.palette import LIGHT
from ebm_plugins.records import Run
from ebm_plugins.spaces import BinaryGrid, Pairs, Plane, Space, Vectors

BUDGET = 1_230_000  # bytes of frames in one payload: 1,000 particles, or 64 pictures of 8×8, and 300 moments
PARTICLES = 1000
PICTURES = 64
BEHIND = 300  # data rows drawn under the states
PATTERNS = 6
PLANE_FPS, CELL_FPS = 32, 5

__all__ = ["kind", "legend", "payload", "stage_key"]


def payload(run: Run) -> dict[str, Any]:
    """What the browser needs to draw this run: plain values and arrays, at most about a megabyte."""
    return {**_common(run), **_payload(run.space, run)}


def kind(space: Space) -> str:
    """The kind of stage that a space gets: ``plane``, ``cells``, ``images``, ``pairs``, else ``scatter``."""
    if isinstance(space, Vectors):
        return "images" if space.shape else "scatter"
    known = {Plane: "plane", BinaryGrid: "cells", Pairs: "pairs"}
    return next((name for of, name in known.items() if isinstance(space, of)), "scatter")


def stage_key(family: str) -> str:
    """The key of the stage on a family's page, which other figures of the page follow it by."""
    return f"{family}:stage"


def legend(run: Run) -> list[tuple[str, str, str]]:
    """The marks of the stage: ``(shape, colour role, words)``; shape is ``disc``, ``line``, ``scale``, ``cell``
    or ``dot``."""
    return [(m["shape"], m["role"], m["words"]) for m in _legend(run.space, run)]


def _common(run: Run) -> dict[str, Any]:
    steps = _common_steps(run)
    kept, count = run.sampling.frames.shape[:2]
    return {
        "dim": run.space.dim,
        "steps": steps,
        "total": int(steps[-1]) if len(steps) else 0,
        "count": count,
        "unit": "step",
        "editable": True,
        "drawn": _drawn(run),
        "begin": _begin(run),
        "diverged": run.sampling.diverged,
        "legend": _legend(run.space, run),
        "alt": f"{count} states of {run.space.describe()} over {kept} moments of sampling.",
    }


# --- the four spaces, and any other ------------------------------------------------------------------------


@singledispatch
def _payload(space: Space, run: Run) -> dict[str, Any]:
    """Any space: its states on their first two principal axes."""
    frames = run.sampling.frames
    rows = np.asarray(run.data.x, dtype=float)
    rows = rows[:BEHIND] if rows.ndim == 2 and rows.shape[1:] == (space.dim,) else np.zeros((0, space.dim))
    mean, axes = views.principal_axes(np.concatenate([frames[-1], frames[0], rows]))
    chosen = views.thin_frames(len(frames), 4 * min(frames.shape[1], PARTICLES), BUDGET)
    places = views.project(frames[chosen][:, :PARTICLES], mean, axes)
    behind = views.project(rows, mean, axes)
    finite = places[np.isfinite(places).all(axis=-1)]
    box = views.visible_box(np.concatenate([finite, behind]), [])
    return {
        "kind": "scatter",
        "fps": PLANE_FPS,
        **_chosen(run, chosen),
        "frames": _places(places, box),
        "box": list(box),
        "behind": behind,
        "axes": ["first principal axis", "second principal axis"] if space.dim > 2 else ["x₁", "x₂"],
        "lift": {"mean": mean, "axes": axes},
        "proposed": _proposed(run, chosen, box, lambda offered: views.project(offered, mean, axes)),
        "editable": not space.discrete,
        "charts": _charts(run, chosen),
    }


@_payload.register
def _(space: Plane, run: Run) -> dict[str, Any]:
    frames, field = run.sampling.frames, run.field
    chosen = views.thin_frames(len(frames), 4 * min(frames.shape[1], PARTICLES), BUDGET)
    exact = run.truth.marginals() if run.truth is not None else []
    limits = np.array([[field.x[0], field.y[0]], [field.x[-1], field.y[-1]]]) if field is not None else None
    box = views.visible_box(views.in_sight(run.sampling), exact, limits)
    out: dict[str, Any] = {
        "kind": "plane",
        "fps": PLANE_FPS,
        **_chosen(run, chosen),
        "frames": _places(frames[chosen][:, :PARTICLES], box),
        "box": list(box),
        "start": np.asarray(frames[0][:PARTICLES], dtype=float) if _drawn(run) else None,
        "field": views.field_levels(field, box) if field is not None else None,
        "charts": _charts(run, chosen),
    }
    rows = np.asarray(run.data.x, dtype=float)
    if rows.ndim == 2 and rows.shape[1] == 2 and len(rows):
        out["behind"] = rows[:: -(-len(rows) // BEHIND)]
        out["legend"] = [*_legend(space, run), _mark("disc", "data", "data")]
    out["proposed"] = _proposed(run, chosen, box)
    if exact:
        (x, px), (y, py) = exact
        out["marginals"] = {"x": x, "px": px, "y": y, "py": py}
    return out


@_payload.register
def _(space: BinaryGrid, run: Run) -> dict[str, Any]:
    frames = run.sampling.frames
    shown = min(frames.shape[1], PICTURES)
    each = 1 if run.sampling.proposed is None else 2  # what was offered is as long as what is
    chosen = views.thin_frames(len(frames), each * shown * ((space.dim + 7) // 8), BUDGET)
    bits = np.packbits(frames[chosen][:, :shown].astype(np.uint8), axis=-1)
    data = run.data
    named = 0 < len(data.x) <= PATTERNS and np.shape(data.x)[1:] == (space.dim,)
    patterns = np.asarray(data.x, dtype=np.uint8) if named else np.zeros((0, space.dim), dtype=np.uint8)
    names = list(data.names[: len(patterns)]) or [f"Pattern {i + 1}" for i in range(len(patterns))]
    origins = starts.origins(run.spec.start) if run.spec.start else None
    if origins is None and named:
        origins = views.nearest(np.asarray(frames[-1][:shown], dtype=float), patterns.astype(float))
    return {
        "kind": "cells",
        "fps": CELL_FPS,
        **_chosen(run, chosen),
        "rows": space.rows,
        "cols": space.cols,
        "shown": shown,
        "frames": {"bits": bits},
        "proposed": _flips(run, chosen, shown),
        "patterns": np.packbits(patterns, axis=-1) if named else None,
        "names": names if named else [],
        "origin": np.asarray(origins[:shown], dtype=np.int64) if named and origins is not None else None,
        "free": np.asarray(run.free, dtype=np.uint8) if run.free is not None else None,
        "charts": _charts(run, chosen, chains=shown, named=named),
    }


@_payload.register
def _(space: Vectors, run: Run) -> dict[str, Any]:
    if space.shape is None:
        return _payload.dispatch(Space)(space, run)
    frames = run.sampling.frames
    shown = min(frames.shape[1], PICTURES)
    chosen = views.thin_frames(len(frames), shown * space.dim, BUDGET)
    low, high = _grey_range(run, frames)
    answer = _answer(run, chosen)
    return {
        "kind": "images",
        "fps": 12,
        **_chosen(run, chosen),
        "rows": space.shape[0],
        "cols": space.shape[1],
        "shown": shown,
        "low": low,
        "high": high,
        "frames": {"grey": views.quantise(frames[chosen][:, :shown], np.array(low), np.array(high), bits=8)},
        "proposed": None if answer is None else {"answer": answer[:, :shown]},
        "free": np.asarray(run.free, dtype=np.uint8) if run.free is not None else None,
        "charts": _charts(run, chosen, chains=shown),
    }


@_payload.register
def _(space: Pairs, run: Run) -> dict[str, Any]:
    frames = run.sampling.frames
    cut = space.left.dim
    left, right, similarity = views.pair_similarity(run)
    if not np.isfinite(similarity).any():
        return _payload.dispatch(Space)(space, run)
    chosen = views.thin_frames(len(frames), 4 * PICTURES, BUDGET)
    begun = views.nearest(frames[0][:1, :cut], left)
    if len(frames) > 1 and np.abs(left[begun] - frames[0][:1, :cut]).max() > 1e-6:
        chosen = chosen[chosen > 0]  # the start is of nothing that is shown: noise, or blank
    moving = frames[chosen][:, :PARTICLES]
    flat = moving.reshape(-1, frames.shape[-1])
    pick = np.stack([views.nearest(flat[:, :cut], left), views.nearest(flat[:, cut:], right)], axis=-1)
    finite = similarity[np.isfinite(similarity)]
    low, high = float(finite.min()), float(finite.max())
    return {
        "kind": "pairs",
        "fps": 12,
        **_chosen(run, chosen),
        "similarity": np.nan_to_num(similarity, nan=low),
        "low": low,
        "high": high,
        "left": _half(space.left, left),
        "right": _half(space.right, right),
        "frames": {"pick": pick.reshape(len(chosen), -1, 2).astype(np.uint8)},
        "editable": False,
        "charts": _charts(run, chosen),
    }


# --- parts ----------------------------------------------------------------------------------------------


def _chosen(run: Run, chosen: np.ndarray[Any, Any]) -> dict[str, Any]:
    """The step numbers of the frames that are sent, and how many there were where some had to be left out."""
    left_out = len(chosen) < len(run.sampling.frames)
    return {
        "steps": _common_steps(run)[chosen],
        "thinned": [len(chosen), len(run.sampling.frames)] if left_out else None,
    }


def _common_steps(run: Run) -> np.ndarray[Any, Any]:
    return moments.reached(run.configs.sample, np.asarray(run.sampling.steps, dtype=np.int64))


def _drawn(run: Run) -> bool:
    return isinstance(run.spec.start, starts.Drawn)


def _begin(run: Run) -> str:
    """Which drawn start this run began from, empty for one that was not drawn."""
    if not isinstance(run.spec.start, starts.Drawn):
        return ""
    return views.start_digest(starts.unpack(run.spec.start.states, run.space), run.free)


def _places(places: np.ndarray[Any, Any], box: tuple[float, ...]) -> dict[str, Any]:
    """Places (f, m, 2) as int16 over three times the window; what strays further is drawn at that edge."""
    low, high = np.array(box[::2]), np.array(box[1::2])
    reach = high - low
    low, high = low - reach, high + reach
    return {"q": views.quantise(places, low, high), "low": low.tolist(), "high": high.tolist()}


def _proposed(
    run: Run, chosen: np.ndarray[Any, Any], box: tuple[float, ...], seen: Callable[[Any], Any] = np.asarray
) -> dict[str, Any] | None:
    """What the first chains were offered before each moment: places (f, p, 2) as they are ``seen``, and the answer."""
    answer = _answer(run, chosen)
    if answer is None or run.sampling.proposed is None:
        return None
    offered = seen(run.sampling.proposed[chosen])
    stood = seen(run.sampling.frames[chosen][:, : answer.shape[1]])
    reach = np.array([box[1] - box[0], box[3] - box[2]])
    # What is sent ends at three times the window: a place beyond that is brought in along its own direction.
    offered = views.towards(stood, offered, np.array(box[::2]) - reach, np.array(box[1::2]) + reach)
    return {"q": _places(offered, box)["q"], "answer": answer}


def _answer(run: Run, chosen: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | None:
    """(f, p): whether what the first chains were offered before each moment was nothing (0), refused (1) or taken (2)."""
    if run.sampling.proposed is None:
        return None
    offered = run.sampling.proposed[chosen]
    states = run.sampling.frames[chosen][:, : offered.shape[1]]
    there = np.isfinite(offered).all(axis=-1)
    return np.where(there, np.where((offered == states).all(axis=-1), 2, 1), 0).astype(np.uint8)


def _flips(run: Run, chosen: np.ndarray[Any, Any], shown: int) -> dict[str, Any] | None:
    """Of the shown chains the cells whose flip was refused last before each moment, packed as the states are."""
    if run.sampling.proposed is None:
        return None
    offered = run.sampling.proposed[chosen][:, :shown]
    states = run.sampling.frames[chosen][:, : offered.shape[1]]
    return {"bits": np.packbits(np.isfinite(offered) & (offered != states), axis=-1)}


def _grey_range(run: Run, frames: np.ndarray[Any, Any]) -> tuple[float, float]:
    """What is drawn black and white: the data's range where there is data, else that of the last frame."""
    values = np.asarray(run.data.x if len(run.data.x) else frames[-1], dtype=float)
    values = values[np.isfinite(values)]
    if not values.size or values.min() == values.max():
        return 0.0, 1.0
    return float(values.min()), float(values.max())


def _half(space: Space, rows: np.ndarray[Any, Any]) -> dict[str, Any]:
    """One side's items: pictures where they have a shape; else names: which of so many, or a number in order."""
    shape = (space.rows, space.cols) if isinstance(space, BinaryGrid) else getattr(space, "shape", None)
    if shape is None:
        one_hot = np.isin(rows, (0.0, 1.0)).all() and (rows.sum(axis=1) == 1).all()
        names = rows.argmax(axis=1) if one_hot and rows.shape[1] > 1 else np.arange(len(rows)) + 1
        return {"count": len(rows), "names": [str(i) for i in names]}
    low, high = float(rows.min()), float(rows.max())
    grey = views.quantise(rows, np.array(low), np.array(high if high > low else low + 1.0), bits=8)
    return {"count": len(rows), "rows": shape[0], "cols": shape[1], "grey": grey}


def _charts(
    run: Run, chosen: np.ndarray[Any, Any], chains: int = 0, named: bool = False
) -> list[dict[str, Any]]:
    """At most two live figures: how full the wells are (or the energy), then the distance from the truth, or where
    there is none the energy or the overlap with patterns that are ``named``."""
    charts: list[dict[str, Any]] = []
    frames, truth = run.sampling.frames, run.truth
    energy, distance = views.trace_energy(run), views.distance_trace(run)
    wells = truth.wells if truth is not None and isinstance(run.space, Plane) else ()
    if truth is not None and wells:
        exact = np.array([well.share for well in wells])
        charts.append(
            {
                "type": "bars",
                "title": "How full is each well?",
                "names": [well.name for well in wells],
                "values": views.well_trace(truth, frames[chosen]),
                "exact": exact,
                "range": views.share_interval(exact, frames.shape[1]),
            }
        )
    elif energy is not None:
        one = chains > 0 and (chains == 1 or distance is None)
        charts.append(_energy_chart(run, energy[chosen], chains if one else 0))
    if distance is not None:
        values, floor = distance
        charts.append(
            {
                "type": "line",
                "title": "Distance from the exact density",
                "role": "model",
                "values": values[chosen],
                "band": list(floor),
                "note": f"grey: {frames.shape[1]} exact draws",
                "zero": True,
            }
        )
    elif energy is not None and charts and charts[0]["type"] == "bars":
        chart = _energy_chart(run, energy[chosen], 0)
        charts.append(
            {**chart, "note": f"{chart.get('note', '')} · a distance needs {views.FEWEST}".lstrip(" ·")}
        )
    elif named:
        charts.append({"type": "overlaps", "title": "Overlap with each pattern"})
    return charts


def _energy_chart(run: Run, energy: np.ndarray[Any, Any], chains: int) -> dict[str, Any]:
    """Energy against step: of the chain that is looked at, or the mean over all with the exact mean."""
    chart: dict[str, Any] = {"type": "line", "title": "Energy", "role": "energy", "step": run.space.discrete}
    if chains:
        return {**chart, "values": energy[:, :chains], "of": "state"}
    chart |= {"title": "Mean energy", "values": energy.mean(axis=1), "step": False}
    exact = views.exact_mean_energy(run)
    if exact is not None:
        half = 1.96 * exact[1] / max(1, energy.shape[1]) ** 0.5
        chart |= {"exact": exact[0], "band": [exact[0] - half, exact[0] + half]}
        followed, count = energy.shape[1], run.sampling.frames.shape[1]
        chart["note"] = f"grey: {followed} exact draws"
        if followed < count:
            chart["note"] = f"of {followed} followed · {chart['note']}"
    return chart


# --- legend ---------------------------------------------------------------------------------------------


def _mark(shape: str, role: str, words: str) -> dict[str, str]:
    assert role in LIGHT or role == "scale", role
    return {"shape": shape, "role": role, "words": words}


@singledispatch
def _legend(space: Space, run: Run) -> list[dict[str, str]]:
    marks = [_mark("disc", "model", "samples")]
    return [*marks, _mark("disc", "data", "data")] if len(run.data.x) else marks


@_legend.register
def _(space: Plane, run: Run) -> list[dict[str, str]]:
    marks = [_mark("disc", "model", "samples")]
    if run.truth is not None and run.truth.comparable:
        marks.append(_mark("line", "truth", "exact"))
    return [*marks, _mark("scale", "energy", "energy, low to high")] if run.field is not None else marks


@_legend.register
def _(space: BinaryGrid, run: Run) -> list[dict[str, str]]:
    return [_mark("cell", "model", "on"), _mark("cell", "off", "off")]


@_legend.register
def _(space: Vectors, run: Run) -> list[dict[str, str]]:
    return _legend.dispatch(Space)(space, run) if space.shape is None else []


@_legend.register
def _(space: Pairs, run: Run) -> list[dict[str, str]]:
    return [
        _mark("disc", "model", "pairs that are held"),
        _mark("scale", "energy", "energy, low to high"),
    ]
