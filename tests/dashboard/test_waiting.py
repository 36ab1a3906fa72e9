"""Who is next, and that what is said of a place is what happens."""

from __future__ import annotations

import random
from collections import Counter

from dashboard.job import Job
from dashboard.waiting import in_turn, next_job


def job(visitor: str, number: int, training: str = "") -> Job:
    return Job(f"{visitor}{number}", visitor=visitor, number=number, request={"training": training})


def keys(jobs: list[Job]) -> list[str]:
    return [one.key for one in jobs]


def test_the_visitor_with_the_fewest_at_work_is_next() -> None:
    waits = [job("a", 1), job("a", 2), job("a", 3), job("b", 4), job("c", 5)]
    assert keys(in_turn(waits, [job("a", 0)])) == ["b4", "c5", "a1", "a2", "a3"]
    assert keys(in_turn(waits, [])) == ["a1", "b4", "c5", "a2", "a3"]


def test_our_own_come_after_all_others() -> None:
    waits = [job("warm", 1), job("gallery", 2), job("a", 3), job("a", 4)]
    assert keys(in_turn(waits, [job("a", 0)])) == ["a3", "a4", "warm1", "gallery2"]


def test_places_are_what_the_rule_picks_when_it_is_asked_again_and_again() -> None:
    rng = random.Random(0)
    for _ in range(200):
        waits = [job(rng.choice("abcd"), n) for n in range(rng.randrange(12))]
        running = [job(rng.choice("abcd"), 100 + n) for n in range(rng.randrange(4))]
        said, left, at_work, picked = in_turn(waits, running), list(waits), list(running), []
        while (found := next_job(left, at_work, 1000, ())) is not None:
            left.remove(found)
            at_work.append(found)
            picked.append(found)
        assert keys(picked) == keys(said)


def test_no_visitor_has_more_at_work_than_allowed() -> None:
    waits = [job("a", 1), job("a", 2), job("b", 3)]
    running = [job("a", 0), job("b", 9)]
    assert next_job(waits, running, 1, ()) is None
    at_work = Counter(one.visitor for one in running)
    assert max(at_work.values()) == 1
    found = next_job(waits, running, 2, ())
    assert found is not None
    assert found.key == "a1"


def test_nothing_is_learned_twice_at_once() -> None:
    waits = [job("a", 1, "digits"), job("b", 2, "digits"), job("c", 3, "moons"), job("d", 4)]
    running = [job("x", 0, "digits")]
    found = next_job(waits, running, 5, {"digits"})
    assert found is not None
    assert found.key == "c3"
