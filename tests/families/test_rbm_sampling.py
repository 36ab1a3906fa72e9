"""Sampling from a restricted Boltzmann machine: the exact distribution, clamped or not, by both methods."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from ebm_plugins.exact import floor, total_variation
from ebm_plugins.families import rbm
from ebm_plugins.families.rbm import SampleConfig
from ebm_plugins.rbm_core import free_energy


def small(gaussian: bool = False) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    found = {
        "weights": 1.5 * rng.normal(size=(6, 4)), "visible_bias": rng.normal(size=6),
        "hidden_bias": rng.normal(size=4), "base_bias": np.zeros(6),
    }  # fmt: skip
    return {**found, "scale": rng.uniform(0.5, 1.0, 6)} if gaussian else found


def test_the_last_snapshot_takes_what_is_left_of_the_sweeps() -> None:
    """Seven sweeps in threes are three, three and one: the end is that of seven sweeps one by one, bit for bit."""
    x = np.zeros((5, 6))
    thin, dense = (
        [s.value for s in rbm.sample(small(), SampleConfig(steps=7, every=n), np.random.default_rng(3), x)]
        for n in (3, 1)
    )
    assert (len(thin), len(dense)) == (3, 7)
    for found, step in zip(thin, (3, 6, 7), strict=True):
        np.testing.assert_array_equal(found, dense[step - 1])


def last_states(params: Any, x: np.ndarray, sweeps: int, **options: Any) -> np.ndarray:
    values = {k: options.pop(k) for k in ("method", "replicas", "every") if k in options}
    stream = rbm.sample(params, SampleConfig(steps=sweeps, **values), np.random.default_rng(0), x, **options)
    for _ in range(sweeps):
        state = next(stream).value
    stream.close()
    return state


@pytest.mark.parametrize("method", ["gibbs", "tempering"])
@pytest.mark.parametrize("clamped", [False, True])
def test_samples_have_the_exact_distribution_given_what_is_clamped(method, clamped):
    """20,000 chains after 100 sweeps against enumeration, total variation under the floor's median plus
    √(ln 10⁶/2n) (false alarm 1e-6, McDiarmid; see tests/test_rbm_core.py)."""
    params, n = small(), 20_000
    free = np.array([True, False, True, True, False, True]) if clamped else np.ones(6, dtype=bool)
    start = np.tile([0.0, 1, 0, 0, 0, 1], (n, 1))
    x = last_states(params, start, 100, method=method, replicas=4, **({"free": free} if clamped else {}))
    np.testing.assert_array_equal(x[:, ~free], start[:, ~free])
    inside = ((np.arange(2 ** free.sum())[:, None] >> np.arange(free.sum())[::-1]) & 1).astype(float)
    states = np.tile(start[0], (len(inside), 1))
    states[:, free] = inside
    p = np.exp(-free_energy(params, states))
    p /= p.sum()
    index = (x[:, free] @ (1 << np.arange(free.sum())[::-1])).astype(int)
    share = np.bincount(index, minlength=len(p)) / n
    assert total_variation(share, p) < floor(p, n)[1] + np.sqrt(np.log(1e6) / (2 * n))


def test_clamped_real_coordinates_keep_every_bit_and_the_rest_has_the_exact_mean():
    """Given two of six real coordinates: the others' mean by summing over the 16 hidden states. 40,000 chains,
    within 6 standard errors of each."""
    params, n = small(gaussian=True), 40_000
    free = np.array([True, True, False, True, True, False])
    start = np.tile(np.random.default_rng(8).normal(size=6), (n, 1))
    x = last_states(params, start, 150, free=free)
    np.testing.assert_array_equal(x[:, ~free], start[:, ~free])
    h = ((np.arange(16)[:, None] >> np.arange(4)[::-1]) & 1).astype(float)
    w, b, s2 = params["weights"], params["visible_bias"], params["scale"] ** 2
    mean = h @ w.T + b
    logs = h @ params["hidden_bias"] + ((mean**2 - b**2) / (2 * s2))[:, free].sum(axis=1)
    logs += ((start[0] / s2)[~free] @ w[~free]) @ h.T
    p = np.exp(logs - logs.max())
    p /= p.sum()
    error = x[:, free].std(axis=0) / np.sqrt(n)
    assert (np.abs(x[:, free].mean(axis=0) - p @ mean[:, free]) < 6 * error).all()


def test_every_runs_as_many_sweeps_a_snapshot():
    x = np.zeros((5, 6))
    each = rbm.sample(small(), SampleConfig(), np.random.default_rng(0), x)
    third = rbm.sample(small(), SampleConfig(every=3), np.random.default_rng(0), x)
    singles = [next(each).value for _ in range(6)]
    np.testing.assert_array_equal(next(third).value, singles[2])
    np.testing.assert_array_equal(next(third).value, singles[5])


def test_memory_of_sampling_grows_with_the_states_and_not_with_what_they_are_heard_by():
    """20,000 chains of 16 cells and 512 hidden units, the most that training allows: all hidden units of all chains would
    be 41 MB in float32, and what the free energy makes of them 80 MB an array. The states are 1.3 MB in float32."""
    rng = np.random.default_rng(0)
    params = {
        "weights": rng.standard_normal((16, 512)),
        "visible_bias": np.zeros(16),
        "hidden_bias": np.zeros(512),
    }
    x = rng.integers(0, 2, (20_000, 16)).astype(float)
    tracemalloc.start()
    *_, last = rbm.sample(params, rbm.SampleConfig(steps=2, every=2), rng, x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert last.value.shape == x.shape
    assert peak < 70e6
