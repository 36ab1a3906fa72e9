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
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from threading import Lock
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


@contextmanager
def team(most: int) -> Iterator[Share[Any]]:
    """``share(tasks)``, which does all of some tasks, in up to ``most`` threads, and returns what they return in order.

    One task is done by the caller. Without threads to share with, or while another team is at work, it does all.
    """
    helpers = min(most, threads()) - 1
    if helpers < 1:
        yield lambda tasks: [task() for task in tasks]
        return
    with ThreadPoolExecutor(helpers) as pool:

        def share(tasks: Sequence[Callable[[], T]]) -> list[T]:
            if not _limiting.acquire(blocking=False):
                return [task() for task in tasks]
            try:
                with _libraries().limit(limits=1):
                    others = [pool.submit(task) for task in tasks[1:]]
                    return [tasks[0](), *(other.result() for other in others)]
            finally:
                _limiting.release()

        yield share


@contextmanager
def _one() -> Iterator[None]:
    if not _limiting.acquire(blocking=False):
        yield
        return
    try:
        with _libraries().limit(limits=1):
            yield
    finally:
        _limiting.release()


def alone() -> AbstractContextManager[None]:
    """One BLAS thread inside a ``with``: for products too small to be shared."""
    return _one() if threads() > 1 else nullcontext()
