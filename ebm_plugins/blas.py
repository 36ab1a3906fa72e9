"""How many threads multiply matrices: one in processes of our own, and one for each part of shared work.

The models here multiply small matrices. Two BLAS threads gain nothing on them, and wait for each other by spinning:
on a busy machine that made one training of two seconds take two minutes. So the server, its workers and the command
line limit BLAS to one thread (:func:`one_thread`). A library call (``ebm_plugins.run``) leaves the caller's threads as
they were. Where it can share its own work between as many threads as BLAS may use, it does (:func:`team`), with one BLAS thread
in each: then the functions between the products are shared too. Whoever does a part, it has random numbers of its own,
so the number of threads changes no result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from threading import Lock, local
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController, threadpool_limits

T = TypeVar("T")
Share = Callable[[Sequence[Callable[[], T]]], list[T]]

_limiting = Lock()  # the limit is the process's: one team at a time sets it and puts it back


def one_thread() -> None:
    """Let the BLAS of this process use one thread from now on."""
    import numpy  # noqa: F401  (its BLAS must be loaded to be limited)

    threadpool_limits(limits=1, user_api="blas")


@cache
def _libraries() -> ThreadpoolController:
    import numpy  # noqa: F401

    return ThreadpoolController().select(user_api="blas")


def threads() -> int:
    """How many threads BLAS may use now."""
    return max((library.num_threads for library in _libraries().lib_controllers), default=1)


def one_by_one(tasks: Sequence[Callable[[], T]]) -> list[T]:
    """What all of the tasks return, done by the caller: a ``share`` without a team."""
    return [task() for task in tasks]


def cut(rows: slice, parts: int) -> list[slice]:
    """Rows in so many parts, nearly as long as each other."""
    edges = [rows.start + (rows.stop - rows.start) * i // parts for i in range(parts + 1)]
    return [slice(*edge) for edge in pairwise(edges)]


@contextmanager
def team(most: int) -> Iterator[Share[Any]]:
    """``share(tasks)``, which does all of some tasks, in up to ``most`` threads, and returns what they return in order.

    One task is done by the caller. Without threads to share with, or while another team is at work, it does all. Inside
    :func:`alone` nothing has to be limited anew, which is for work that is shared at every step.
    """
    helpers = min(most, threads()) - 1
    if helpers < 1:
        yield one_by_one
        return
    with ThreadPoolExecutor(helpers) as pool:

        def together(tasks: Sequence[Callable[[], T]]) -> list[T]:
            others = [pool.submit(task) for task in tasks[1:]]
            return [tasks[0](), *(other.result() for other in others)]

        def share(tasks: Sequence[Callable[[], T]]) -> list[T]:
            if len(tasks) > 1 and _limiter.is_mine:
                return together(tasks)
            with alone() as mine:
                return together(tasks) if mine else one_by_one(tasks)

        yield share


class _Limiter(local):
    is_mine = False  # whether this thread set the limit


_limiter = _Limiter()


@contextmanager
def alone() -> Iterator[bool]:
    """One BLAS thread inside a ``with``, for work that is shared in another way or too small to be; whether this is
    what set it so (and puts it back). A product in two BLAS threads waits for both, spinning: on two busy cores that
    makes it slower than in one."""
    if not _limiting.acquire(blocking=False):
        yield False
        return
    _limiter.is_mine = True
    try:
        with _libraries().limit(limits=1):
            yield True
    finally:
        _limiter.is_mine = False
        _limiting.release()
