"""What is said of a run that descends: whether it came back to what was stored."""

from __future__ import annotations

import numpy as np

from ebm_plugins import starts
from ebm_plugins.records import Array, Run
from ebm_plugins.wording import count, join, number, plural

WORDS = tuple[str, str, str]  # status, head, text
MOST_CELLS, MOST_CHAINS = 1024, 16  # of which it is checked whether they rest
MOST_APART = 16_384  # cells of all chains together, where each is clamped to values of its own


def words(run: Run, explain: str, resting: bool | None) -> WORDS:
    """Status, head and text for a run whose rule only goes downhill, over states of 0 and 1 or not."""
    last = np.asarray(run.sampling.last, dtype=float)
    rows = np.asarray(run.data.x, dtype=float)
    comparable = rows.ndim == 2 and len(rows) > 0 and rows.shape[1] == last.shape[1]
    start = run.spec.start
    origins = starts.origins(start) if start is not None else None
    damaged = isinstance(start, starts.Corrupted) and comparable and run.space.discrete
    if damaged and origins is not None and len(origins) == len(last) and (origins < len(rows)).all():
        return _against(run, last, rows, origins, explain, resting)
    moving = _moving(run)
    if moving and not run.space.discrete and _rises(run):
        some = f"{count(moving)} of {count(last.shape[0])} states"
        text = f"{some} moved in the last step. This method may climb while it is warm: end colder to bring it to rest."
        return "info", "Low, and still moving.", join(text, explain)
    if moving:
        return (
            "info",
            "Still going down.",
            join(
                f"{count(moving)} of {count(last.shape[0])} states moved in the last step. Run more steps.",
                explain,
            ),
        )
    found = (last[:, None, :] == rows[None, :200]).all(axis=2).any(axis=1).sum() if comparable else 0
    where = ""
    if comparable and run.space.discrete:
        where = (
            f"It is {_called(run, _same(last[0], rows))}." if len(last) == 1 and found
            else _beside_nearest(run, last[0], rows) if len(last) == 1
            else f"{count(found)} of {count(len(last))} ended in a stored row."
        )  # fmt: skip
    return "info", "Came to rest.", join(where, _energy_words(run), explain)


def _beside_nearest(run: Run, last: Array, rows: Array) -> str:
    """How far a single chain that ended in no stored row is from the one that it began nearest to (by the cells that
    are held, where some are), and what may bring it there."""
    first = np.asarray(run.sampling.frames[0][0], dtype=float)
    held = np.ones(len(first), dtype=bool) if run.free is None or run.free.all() else ~run.free
    apart = (rows[:, held] != first[held]).sum(axis=1)
    row = int(apart.argmin())
    if (apart == apart[row]).sum() > 1:
        return "It ended in no stored row, and began as near to one as to another."
    name = _called(run, row)
    before, after = (int((state != rows[row]).sum()) for state in (first, last))
    if held.all():
        why, advice = "which it began nearest to", "Spoil fewer cells"
    else:
        why, advice = "which the held cells fit best", "Erase fewer cells, so that more of it is held"
    differ = "cell differs" if after == 1 else "cells differ"
    text = f"{count(after)} {differ} from {name}, {why}; at the start {count(before)} did."
    return f"{text} {advice}, or store fewer patterns."


def _against(run: Run, last: Array, rows: Array, origins: Array, explain: str, resting: bool | None) -> WORDS:
    goal = rows[origins]
    wrong = (last != goal).sum(axis=1)
    first = np.asarray(run.sampling.frames[0], dtype=float)
    shown = min(len(first), len(goal))
    wrong_at_start = (first[:shown] != goal[:shown]).sum(axis=1)
    n, right = len(last), int((wrong == 0).sum())
    moving = _moving(run)
    if n == 1:
        before = int(wrong_at_start[0]) if shown else 0
        if right:
            text = f"{_cells(before).capitalize()} at the start, none at the end, after {plural(_flips(run), 'flip')}."
            return "good", "Recalled, cell for cell.", join(text, _energy_words(run), explain)
        text = f"{_cells(before).capitalize()} at the start, {count(int(wrong[0]))} at the end."
        return (
            "bad",
            "Not recalled.",
            join(text, _why_not(run, last[0], rows, int(origins[0]), resting, moving, explain), explain),
        )
    mean_before = float(wrong_at_start.mean()) if shown else 0.0
    text = f"{number(mean_before, 1)} wrong cells at the start on average, {number(float(wrong.mean()), 1)} at the end."
    if right == n:
        return (
            "good",
            f"Recalled, cell for cell, all {count(n)} times.",
            join(text, _energy_words(run), explain),
        )
    if right:
        return (
            "warn",
            f"Recalled {count(right)} of {count(n)} times, cell for cell.",
            join(text, _energy_words(run), explain),
        )
    missed = int(np.flatnonzero(wrong)[0])
    why = _why_not(run, last[missed], rows, int(origins[missed]), resting, moving, explain)
    return "bad", "Not recalled.", join(f"None of {count(n)} came back. {text}", why, explain)


def _why_not(
    run: Run, state: Array, rows: Array, row: int, resting: bool | None, moving: int, explain: str
) -> str:
    """Where it is instead."""
    if resting is None and not explain and run.free is None:
        lower = _can_fall(run, rows[row])
        resting = None if lower is None else not lower
    if resting is False:
        return f"Under this rule {_called(run, row)} is not a resting state."
    if moving:
        return "It is not at rest yet: run more steps."
    other = _same(state, rows)
    if other is not None:
        return f"It came to rest in {_called(run, other)} instead."
    negative = _same(1.0 - state, rows)
    if negative is not None:
        return f"It came to rest in the negative of {_called(run, negative)}."
    return "It came to rest in a state that was never stored."


def _same(state: Array, rows: Array) -> int | None:
    at = np.flatnonzero((rows == state).all(axis=1))
    return int(at[0]) if len(at) else None


def _called(run: Run, row: int | None) -> str:
    if row is None:
        return "a stored row"
    names = run.data.names
    return f"‘{names[row]}’" if row < len(names) else f"row {row}"


def _cells(n: int) -> str:
    return plural(n, "wrong cell")


def _moving(run: Run) -> int:
    """How many of the first chains are not at rest: a flip of one free cell would lower their energy. Off grids,
    and on large ones, those that changed in the last step."""
    traces, last = run.sampling.traces, np.asarray(run.sampling.last, dtype=float)
    if run.space.discrete and last.shape[1] <= MOST_CELLS:
        free = last if run.free is None else last[:, run.free]
        lower = (
            _each_can_fall(run, free)
            if run.target.chainwise
            else [_can_fall(run, state) for state in free[:MOST_CHAINS]]
        )
        if None not in lower:
            return sum(map(bool, lower))
    return int((traces[-1] != traces[-2]).any(axis=1).sum()) if len(traces) > 1 else 0


def _can_fall(run: Run, state: Array) -> bool | None:
    """Whether flipping one cell of a state (free dim,) lowers its energy; None where the energy is not known."""
    flipped = np.vstack([state, np.where(np.eye(len(state), dtype=bool), 1.0 - state, state)])
    with np.errstate(all="ignore"):
        e = np.asarray(run.target.energy(flipped), dtype=float)
    if not np.isfinite(e).all():
        return None
    return bool(e[1:].min(initial=np.inf) < e[0] - 1e-9 * max(1.0, abs(float(e[0]))))


def _each_can_fall(run: Run, states: Array) -> list[bool | None]:
    """The same of the first states (n, free dim) of chains that are clamped to values of their own: their target takes
    all chains together, so one cell at a time is flipped in each."""
    if states.size > MOST_APART:
        return [None]
    with np.errstate(all="ignore"):
        here = np.asarray(run.target.energy(states), dtype=float)
        there = [
            np.asarray(run.target.energy(_turned(states, cell)), dtype=float)
            for cell in range(states.shape[1])
        ]
    if not np.isfinite([here, *there]).all():
        return [None]
    lowest = np.min(there, axis=0, initial=np.inf)
    return [bool(falls) for falls in (lowest < here - 1e-9 * np.maximum(1.0, np.abs(here)))[:MOST_CHAINS]]


def _turned(states: Array, cell: int) -> Array:
    turned = states.copy()
    turned[:, cell] = 1.0 - turned[:, cell]
    return turned


def _flips(run: Run) -> int:
    """How often a cell of the first chain changed, between one snapshot and the next."""
    traces = run.sampling.traces
    return int((traces[1:, 0] != traces[:-1, 0]).sum()) if traces.ndim == 3 and traces.shape[1] else 0


def _energy_words(run: Run) -> str:
    """Whether the energy of any followed chain ever rose."""
    rises = _rises(run)
    if rises is None:
        return ""
    return "The energy never rose." if rises == 0 else f"The energy rose in {plural(rises, 'step')}."


def _rises(run: Run) -> int | None:
    """In how many steps the energy of a followed chain rose; None where that is not known."""
    e = np.asarray(run.sampling.energies, dtype=float)
    if e.ndim != 2 or len(e) < 2 or not np.isfinite(e).all():
        return None
    tolerance = 1e-9 * max(1.0, float(np.abs(e).max()))
    return int((np.diff(e, axis=0) > tolerance).any(axis=1).sum())
