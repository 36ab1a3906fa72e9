"""Runs for every space, made without any family, so that what is tested is the drawing alone."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from ebm_plugins import exact, starts
from ebm_plugins.records import Configs, Data, Run, Sampling, Target, Training
from ebm_plugins.spaces import BinaryGrid, Pairs, Plane, Space, Vectors
from ebm_plugins.specs import RunSpec

WELLS = np.array([[-2.0, -1.0], [2.0, 1.0], [0.0, 3.0]])
DEPTHS = np.array([3.0, 2.5, 2.2])
PATTERNS = np.array(
    [[c in (3, 4) for _ in range(8) for c in range(8)], [i // 8 == 3 for i in range(64)]], dtype=float
)


def run(
    space: Space,
    frames: np.ndarray[Any, Any],
    energy: Any,
    *,
    rows: np.ndarray[Any, Any] | None = None,
    start: starts.Start | None = None,
    truth: Any = None,
    field: Any = None,
    free: Any = None,
    diverged: int | None = None,
) -> Run:
    """A run that holds these frames (f, n, dim)."""
    frames = np.asarray(frames, dtype=float)
    with np.errstate(all="ignore"):
        energies = np.array([energy(frame[:64]) for frame in frames])
    sampling = Sampling(
        frames=frames,
        steps=np.arange(len(frames)),
        last=frames[-1],
        metrics={},
        traces=frames[:, :64],
        energies=energies,
        diverged=diverged,
    )
    data = Data(x=np.zeros((0, space.dim)) if rows is None else rows, space=space)
    return Run(
        spec=RunSpec(family="made", start=start or starts.Noise(n=frames.shape[1])),
        data=data,
        params={},
        target=Target(energy=energy, gradient=None, space=space, box=np.array([[-8.0, -8.0], [8.0, 8.0]])),
        configs=Configs(train=None, sample=SimpleNamespace(every=1)),
        training=Training(frames=({},), steps=np.zeros(1, dtype=np.int64), metrics={}),
        sampling=sampling,
        space=space,
        truth=truth,
        field=field,
        free=free,
    )


def plane_energy(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    squares = ((x[:, None] - WELLS) ** 2).sum(axis=-1)
    return np.asarray(0.1 * (x**2).sum(axis=1) - (DEPTHS * np.exp(-squares / 1.6)).sum(axis=1))


def plane(
    n: int = 300,
    steps: int = 200,
    seed: int = 7,
    drawn: np.ndarray[Any, Any] | None = None,
    space: Space | None = None,
    rows: np.ndarray[Any, Any] | None = None,
) -> Run:
    """Particles that roll into three wells, with the exact answer beside them."""
    space, rng = space or Plane(), np.random.default_rng(seed)
    x = 3.0 * rng.standard_normal((n, 2)) if drawn is None else np.asarray(drawn, dtype=float)
    frames = [x]
    for _ in range(steps):
        pull = np.exp(-((x[:, None] - WELLS) ** 2).sum(axis=-1) / 1.6) * DEPTHS * 1.25
        slope = 0.2 * x + (pull[..., None] * (x[:, None] - WELLS)).sum(axis=1)
        x = x - 0.05 * slope + np.sqrt(0.1) * rng.standard_normal(x.shape)
        frames.append(x)
    start = None if drawn is None else starts.Drawn(states=starts.pack(np.asarray(drawn), Plane()))
    made = run(space, np.array(frames), plane_energy, start=start)
    return run(
        space,
        np.array(frames),
        plane_energy,
        rows=rows,
        start=start,
        truth=exact.truth_of(made.target),
        field=exact.energy_field(made.target),
    )


def flown(n: int = 100, steps: int = 30) -> Run:
    """Particles that are three times as far out at each step: a run that diverged after the last one."""
    begun = plane(n=n, steps=1)
    far = begun.sampling.frames[0] * 3.0 ** np.arange(steps + 1)[:, None, None]
    return run(Plane(), far, plane_energy, field=begun.field, diverged=steps + 1)


def refused(n: int = 4, steps: int = 30, reach: float = 1.0, all_taken: bool = False) -> Run:
    """Particles of which at odd steps those with an even number are refused, ``reach`` times as far away; all else is
    taken."""
    made, rng = plane(n=n, steps=steps), np.random.default_rng(3)
    frames = [made.sampling.frames[0]]
    proposed = [np.full((n, 2), np.nan)]
    for step in range(1, steps + 1):
        offer = np.clip(frames[-1] + rng.normal(size=(n, 2)), -5.0, 5.0)
        stays = ((step % 2 == 1) & (np.arange(n) % 2 == 0) & (not all_taken))[:, None]
        proposed.append(np.where(stays, frames[-1] + reach * (offer - frames[-1]), offer))
        frames.append(np.where(stays, frames[-1], offer))
    sampling = replace(made.sampling, frames=np.array(frames), proposed=np.array(proposed), last=frames[-1])
    return replace(made, sampling=sampling)


def grid(
    first: np.ndarray[Any, Any] | None = None,
    free: Any = None,
    n: int = 1,
    seed: int = 0,
    space: Space | None = None,
) -> Run:
    """Cells that turn, one a step, into the first of two patterns."""
    rng = np.random.default_rng(seed)
    x = (PATTERNS[:1].repeat(n, axis=0) != (rng.random((n, 64)) < 0.3)).astype(float)
    x = x if first is None else np.asarray(first, dtype=float)
    frames = [x]
    for _ in range(24):
        x = x.copy()
        for row in x:
            wrong = np.flatnonzero(
                (row != PATTERNS[0]) & (True if free is None else np.asarray(free, dtype=bool))
            )
            if len(wrong):
                row[wrong[0]] = PATTERNS[0][wrong[0]]
        frames.append(x)
    start = (
        starts.Corrupted(rows=(0,), copies=n)
        if first is None
        else starts.Drawn(states=starts.pack(frames[0], BinaryGrid(8, 8)))
    )
    return run(
        space or BinaryGrid(8, 8),
        np.array(frames),
        lambda x: (x != PATTERNS[0]).sum(axis=1) - 32.0,
        rows=PATTERNS,
        start=start,
        free=free,
    )


def refusing(of: Run, cell: int = 5) -> Run:
    """The same run by a sampler that proposes: at odd moments every chain is refused a change of one coordinate."""
    frames = of.sampling.frames
    proposed = np.array(frames, dtype=float)
    proposed[0] = np.nan
    proposed[1::2, :, cell] = 1.0 - proposed[1::2, :, cell]
    return replace(of, sampling=replace(of.sampling, proposed=proposed))


def images(n: int = 25, steps: int = 40, first: np.ndarray[Any, Any] | None = None) -> Run:
    """Noise that becomes pictures."""
    rng = np.random.default_rng(0)
    ends = np.array(
        [[np.exp(-((r - c * k) ** 2) / 2) for r in range(8) for c in range(8)] for k in np.linspace(0, 1, n)]
    )
    begin = rng.random((n, 64)) if first is None else np.asarray(first)
    ends = ends[: len(begin)]
    frames = [ends * (i / steps) + begin * (1 - i / steps) for i in range(steps + 1)]
    return run(Vectors(64, (8, 8)), np.array(frames), lambda x: (x**2).sum(axis=1), rows=ends)


def vectors(dim: int = 6, n: int = 200, steps: int = 60, space: Space | None = None) -> Run:
    """A cloud in a space that cannot be seen whole."""
    rng = np.random.default_rng(0)
    x = 3.0 * rng.standard_normal((n, dim))
    frames = [x]
    for _ in range(steps):
        x = 0.9 * x + 0.3 * rng.standard_normal((n, dim))
        frames.append(x)
    return run(
        space or Vectors(dim),
        np.array(frames),
        lambda x: (x**2).sum(axis=1),
        rows=rng.standard_normal((50, dim)),
    )


def pairs(n: int = 8, steps: int = 30) -> Run:
    """Left pictures that look for their like on the right."""
    rng = np.random.default_rng(0)
    items = images(10).sampling.frames[-1]
    space = Pairs(Vectors(64, (8, 8)), Vectors(64, (8, 8)))
    frames = [np.hstack([items[:n], items[rng.integers(0, 10, n)]]) for _ in range(steps + 1)]
    return run(space, np.array(frames), lambda x: ((x[:, :64] - x[:, 64:]) ** 2).sum(axis=1))
