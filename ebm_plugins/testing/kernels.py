"""Two whole tests of a kernel that is at hand as a function, for tests of one's own. See ``statistics`` and ``cells``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ebm_plugins.records import Array, Rng
from ebm_plugins.testing.cells import Exact
from ebm_plugins.testing.statistics import ALARM, Evidence, confirm, rank_test


def drift(
    move: Callable[[Array, Rng], Array], exact: Exact, draws: int, seed: int = 0, alarm: float = ALARM
) -> Evidence:
    """Do exact draws stay exact under ``move(x, rng)``? At first for this many draws, twice as many at each stage.

    ``against`` is empty, but with probability ``alarm``, when they do and chains are independent.
    """

    def stage(number: int) -> float:
        rng = np.random.default_rng([seed, number])
        return exact.fit(move(exact.draw(draws << number, rng), rng), rng)

    return confirm({"drift": stage}, alarm)


def ranks(
    walk: Callable[[Array, Rng], Sequence[Array]],
    exact: Exact,
    orders: Sequence[Callable[[Array], Array]],
    draws: int,
    seed: int = 0,
    alarm: float = ALARM,
) -> Evidence:
    """Is the kernel whose states after each step are ``walk(x, rng)`` reversible with respect to the exact answer?

    Gandy and Scott's rank test by each of the orders; ``against`` as in :func:`drift`.
    """

    def stage(number: int) -> float:
        rng = np.random.default_rng([seed, number])
        return rank_test(walk, exact.draw(draws << number, rng), orders, rng)

    return confirm({"ranks": stage}, alarm)
