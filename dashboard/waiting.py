"""Who is next: of the runs that wait, the one whose visitor has the fewest at work, and of those the first to come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import count

from dashboard.job import BusyError, Job
from dashboard.limits import Settings

BEHIND = frozenset({"warm", "gallery"})  # visitors of our own, who come after all others


def in_turn(waiting: Iterable[Job], running: Iterable[Job]) -> list[Job]:
    """The waiting jobs in the order in which they will begin, if none that runs ends before.

    A visitor's k-th waiting job comes when that visitor has k more at work, so this is the order in which the rule,
    asked again and again, picks them: what is said of a place is what will happen.
    """
    busy: Counter[str] = Counter(job.visitor for job in running)
    arrival = count()
    ranked = []
    for job in waiting:
        ranked.append(((job.visitor in BEHIND, busy[job.visitor], next(arrival)), job))
        busy[job.visitor] += 1
    return [job for _, job in sorted(ranked, key=lambda pair: pair[0])]


def too_many(job: Job, waiting: Sequence[Job], limits: Settings) -> BusyError | None:
    """Why a new job may not wait, if it may not: its visitor's share of the list is full, or all of it. A full list
    still takes those who have nothing in it, up to twice its length: few tabs that ask for much shut nobody out."""
    mine = sum(other.visitor == job.visitor for other in waiting)
    if job.visitor not in BEHIND and mine >= limits.waiting_per_visitor:
        most = f"at most {limits.waiting_per_visitor} runs of one visitor that wait"
        return BusyError("runs", most, f"one more than the {mine} that wait already: let some end first")
    room = limits.waiting_in_all if mine or job.visitor in BEHIND else 2 * limits.waiting_in_all
    if len(waiting) >= room:
        most = f"at most {room} runs that wait"
        return BusyError("runs", most, "one more: this host is busy, so try again in a minute")
    return None


def was_turned_away(job: Job) -> bool:
    """Whether a job was refused by :func:`too_many`: it may be asked for again."""
    return isinstance(job.error, BusyError)


def next_job(
    waiting: Sequence[Job], running: Sequence[Job], most: int, learning: Collection[str]
) -> Job | None:
    """The one to begin now: no visitor has more than ``most`` at work, and nothing is learned twice at once (``learning``
    are the digests of the trainings that are being learned)."""
    busy = Counter(job.visitor for job in running)
    for job in in_turn(waiting, running):
        if busy[job.visitor] < most and job.request.get("training") not in learning:
            return job
    return None
