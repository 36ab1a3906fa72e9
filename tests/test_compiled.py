"""The kernels that numba compiles: right functions, NumPy's own random numbers, and chains that go where NumPy sends
them. Without numba the same functions are plain Python, which shows the same on fewer chains."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ebm_plugins import (
    Plane,
    PluginError,
    compiled,
    compiled_kernels,
    digests,
    landscapes,
    memories,
    noise,
    recall,
)
from ebm_plugins.families import langevin, metropolis_hastings
from ebm_plugins.samplers import metropolis, ula
from ebm_plugins.targets import bind

needs_numba = pytest.mark.skipif(
    not compiled_kernels.COMPILES, reason="numba is not installed: pip install 'ebm-plugins[fast]'"
)
SIZES = [1, 2, 37, *(pytest.param(n, marks=needs_numba) for n in (9_001, 2 * noise.TILE + 77))]
WELLS = landscapes.params_of("three-wells", 0.05)
RUNS = [
    (langevin.FAMILY, ula.Config(step_size=0.05, steps=7, every=3)),
    (langevin.FAMILY, ula.Config(step_size=0.1, steps=5, every=5, temperature=0.5)),
    (metropolis_hastings.FAMILY, metropolis.Config(scale=1.2, steps=7, every=3)),
    (metropolis_hastings.FAMILY, metropolis.Config(scale=1.2, steps=9, every=3, warmup=6, temperature=2.0)),
]


@pytest.fixture(autouse=True)
def _plain_python_wraps_without_a_word() -> Any:
    with np.errstate(over="ignore"):
        yield


@pytest.fixture
def by(monkeypatch) -> Any:
    """``by(means)``: whatever runs next runs by ``"kernel"``, however short, or by ``"NumPy"``."""

    def choose(means: str) -> None:
        monkeypatch.setattr(compiled, "WORTH", {"kernel": 0, "NumPy": np.inf}[means])
        monkeypatch.setattr(compiled, "_usable", lambda name: True)

    return choose


def start(n: int) -> Any:
    return 3 * np.random.default_rng(1).standard_normal((n, 2))


def stream(family: Any, config: Any, x: Any, params: Any = WELLS) -> list[Any]:
    return list(family.sample(params, config, np.random.default_rng(4), x))


# --- Functions --------------------------------------------------------------------------------------------------------


def test_the_logarithm_and_the_exponential_are_right_to_a_few_roundings() -> None:
    """To 3 units of 2⁻²⁴, relative; the exponential to 2⁻²⁴ of its argument, too."""
    u = np.concatenate(
        [2.0 ** -np.linspace(0, 33, 400), 1 - 2.0 ** -np.arange(1, 25), [0.5**0.5, 0.70710671]]
    )
    u = u.astype(np.float32)
    found = np.array([compiled_kernels.log(value) for value in u], dtype=float)
    assert np.abs(found - np.log(u.astype(float))).max() < 33 * np.log(2) * 2.0**-24
    near = u[u > 0.5]
    wanted = np.log(near.astype(float))
    assert (np.abs(found[u > 0.5] - wanted) <= 3 * 2.0**-24 * np.abs(wanted)).all()
    x = -np.concatenate([np.linspace(0, 86.9, 700), 2.0 ** -np.arange(30)]).astype(np.float32)
    found = np.array([compiled_kernels.exp(value) for value in x], dtype=float)
    wanted = np.exp(x.astype(float))
    assert (np.abs(found - wanted) <= (3 - x) * 2.0**-24 * wanted).all()
    assert compiled_kernels.exp(np.float32(0)) == 1
    for value, edge in ((-87.1, 0), (-1e30, 0), (-np.inf, 0), (np.nan, np.nan)):
        np.testing.assert_equal(float(compiled_kernels.exp(np.float32(value))), edge)


def test_the_words_are_those_of_numpys_generator() -> None:
    bits = np.random.SFC64(7)
    state = bits.state["state"]["state"].copy()
    for n in (1, 3, 50):
        out = np.empty(n, np.uint64)
        compiled_kernels.words(state, out)
        assert (out == bits.random_raw(n)).all()


def test_the_normals_are_those_of_noise() -> None:
    """Of a radius up to 6.8 a few roundings of 2⁻²⁴ each; also at the extremes of a word."""
    n = 501
    bits = np.random.default_rng(3).integers(0, 2**32, 2 * n, dtype=np.uint32)
    bits[:4], bits[n : n + 6] = (0, 2**32 - 1, 2**31, 1), (0, 2**31, 2**31 - 1, 2**32 - 1, 2**30, 3 * 2**30)
    wanted, found = np.empty((1, 2 * n), np.float32), np.empty((2, n), np.float32)
    noise.box_muller(bits[None], wanted)
    compiled_kernels.normals(bits[:n], bits[n:], *found)
    assert np.abs(found.ravel() - wanted[0]).max() < 8 * 6.8 * 2.0**-24


# --- Chains -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "config"), RUNS)
@pytest.mark.parametrize("n", SIZES)
def test_a_chain_goes_where_numpy_would_send_it(family, config, n: int, by) -> None:
    """To 1e-4 in these few steps, which grow a rounding a hundredfold at most; but for one proposal in 10,000, which a
    rounding may accept or refuse."""
    by("NumPy")
    wanted = stream(family, config, start(n))
    by("kernel")
    found = stream(family, config, start(n))
    assert len(found) == len(wanted)
    rest = (
        np.linalg.norm(
            np.concatenate([a.value - b.value for a, b in zip(found, wanted, strict=True)]), axis=1
        )
        > 1e-4
    )
    assert rest.sum() <= (n * config.steps * 1e-4 if family is metropolis_hastings.FAMILY else 0)
    for a, b in zip(found, wanted, strict=True):
        assert a.value.dtype == b.value.dtype
        assert a.metrics == pytest.approx(b.metrics, abs=2e-4)
        assert (a.proposed is None) == (b.proposed is None)
        if a.proposed is not None and not rest.any():
            assert np.abs(a.proposed - b.proposed).max() < 1e-4


@pytest.mark.parametrize(("family", "config"), RUNS)
@pytest.mark.parametrize("n", [37, pytest.param(2 * noise.TILE + 77, marks=needs_numba)])
def test_no_thread_no_snapshot_and_no_precision_of_the_start_changes_a_bit(
    family, config, n: int, by, monkeypatch
) -> None:
    by("kernel")
    ends = []
    for count, every, dtype in ((1, 3, float), (2, 3, float), (5, 1, float), (2, 100, np.float32)):
        monkeypatch.setattr(noise, "threads", lambda count=count: count)
        settings = config.model_copy(update={"every": every})
        ends.append(stream(family, settings, start(n).astype(np.float32).astype(dtype))[-1].value)
    assert all((end == ends[0]).all() for end in ends[1:])


@pytest.mark.parametrize("name", ["langevin", "metropolis"])
def test_no_block_changes_a_bit(name: str, monkeypatch) -> None:
    """Of 1,024 chains, or of 7 or 100, where more of them are left over from whole vectors."""
    n = 2_501 if compiled_kernels.COMPILES else 60
    ends = []
    for block in (7, 100, compiled_kernels.BLOCK):
        monkeypatch.setattr(compiled_kernels, "BLOCK", block)
        kernel = getattr(compiled_kernels, name)
        if compiled_kernels.COMPILES:
            import numba

            kernel = numba.njit(kernel.py_func, **compiled_kernels._OPTIONS)
        wells = np.array([[-2, -1, -0.8, 3], [2, 1, -0.5, 2], [0.05, 0, 0, 0]], np.float32)
        x = np.ascontiguousarray(start(n).T, dtype=np.float32)
        more = (np.zeros(n, np.float32), x.copy(), np.zeros(n, bool)) if name == "metropolis" else ()
        state = np.random.SFC64(7).state["state"]["state"].copy()
        kernel(wells, state, x, *more, np.float32(0.1), 9)
        ends.append(x)
    assert all((end == ends[0]).all() for end in ends[1:])


@pytest.mark.parametrize(("family", "config"), RUNS[::2])
@pytest.mark.parametrize("confinement", [0.0, 0.05])
def test_what_overflows_does_so_as_in_numpy(family, config, confinement: float, by) -> None:
    """Far out, infinite or NaN: the same chains are finite after it, and nothing is said."""
    x = np.array(
        [[1e10, 0], [1e30, -1e30], [0, 3e38], [np.inf, 0], [-np.inf, np.inf], [np.nan, 0], [0.5, 0.5]]
    )
    ends = []
    for means in ("NumPy", "kernel"):
        by(means)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            ends.append(stream(family, config, x, landscapes.params_of("three-wells", confinement))[-1].value)
    assert (np.isfinite(ends[0]) == np.isfinite(ends[1])).all()
    assert np.isfinite(ends[1][-1]).all()
    both = np.isfinite(ends[0])
    np.testing.assert_allclose(ends[1][both], ends[0][both], rtol=1e-5, atol=1e-4)


@needs_numba
@pytest.mark.parametrize("scale", [1e-3, 50.0])
def test_the_limits_of_the_configs(scale: float, by) -> None:
    by("kernel")
    walk = metropolis.Config(scale=scale, steps=2_000, every=1_000, temperature=0.05)
    drift = ula.Config(step_size=5.0 if scale > 1 else 1e-5, steps=2_000, every=1_000, temperature=20.0)
    for family, config in ((metropolis_hastings.FAMILY, walk), (langevin.FAMILY, drift)):
        assert np.isfinite(stream(family, config, start(50))[-1].value).all()


@pytest.mark.parametrize("n", [1, 5, pytest.param(600, marks=needs_numba)])
@pytest.mark.parametrize("count", [1, 4, 9])
@pytest.mark.parametrize("clamped", [False, True])
def test_recall_by_the_kernel_is_the_same_to_the_cell(n: int, count: int, clamped: bool, by) -> None:
    """Every sweep, every count of flips; with an even number of patterns there are ties. In blocks of states, too."""
    rng = np.random.default_rng(5)
    params = memories.memorise("hebb", rng.choice([-1.0, 1.0], (count, 25)))
    x = rng.integers(0, 2, (n, 25)).astype(float)
    sites = np.flatnonzero(rng.random(25) < 0.6) if clamped else np.arange(25)
    found = {}
    for means in ("NumPy", "kernel"):
        by(means)
        net = recall.network(params)
        assert net.low_rank
        s = recall.columns(net, x)
        stream = recall.sweeps(net, s, sites, np.random.default_rng(6))
        found[means] = [(flips.tolist(), s.copy()) for flips in stream]
    assert len(found["kernel"]) == len(found["NumPy"])
    for (flips, s), (more, other) in zip(found["kernel"], found["NumPy"], strict=True):
        assert flips == more
        assert (s == other).all()


def test_the_kernel_of_recall_is_for_whole_numbers_and_enough_of_them(monkeypatch) -> None:
    """Not for thresholds, other rules or heat; and not before a process has done a fair amount of it."""
    asked: list[int] = []
    monkeypatch.setattr(compiled, "recall", lambda cells: asked.append(cells))
    rng = np.random.default_rng(0)
    xi = rng.choice([-1.0, 1.0], (3, 16))
    for rule, threshold, heat in (("hebb", 0.1, 0.0), ("storkey", 0.0, 0.0), ("hebb", 0.0, 0.5)):
        net = recall.network(memories.memorise(rule, xi, threshold=threshold))
        recall.sweep(net, recall.columns(net, (xi + 1) / 2), np.arange(16), heat, rng)
    assert asked == []
    net = recall.network(memories.memorise("hebb", xi))
    recall.sweep(net, recall.columns(net, (xi + 1) / 2), np.arange(16))
    assert asked == [3 * 16]
    monkeypatch.undo()
    monkeypatch.setattr(compiled, "_usable", lambda name: True)
    monkeypatch.setitem(compiled._VISITED, "cells", 0)
    assert compiled.recall(compiled.WORTH - 1) is None
    assert compiled.recall(1) is not None


# --- When -------------------------------------------------------------------------------------------------------------


def asked(target: Any, n: int, steps: int) -> Any:
    return compiled.kernel("langevin", target.gradient, noise.blocks(np.random.default_rng(0), n), steps)


def test_it_is_taken_for_wells_on_the_plane_and_long_runs_alone(monkeypatch) -> None:
    monkeypatch.setattr(compiled, "_usable", lambda name: True)
    target = bind(langevin.FAMILY, WELLS, Plane())
    assert asked(target, 10_000, 300) is not None
    assert asked(target, 300, 300) is None
    counted = replace(target, gradient=lambda x: target.gradient(x))  # somebody looks at what is asked of it
    assert asked(counted, 10_000, 300) is None
    assert asked(bind(langevin.FAMILY, landscapes.params_of("ring"), Plane()), 10_000, 300) is None
    monkeypatch.setattr(compiled, "_usable", lambda name: False)
    assert asked(target, 10_000, 300) is None


def test_a_target_has_the_wells_over_its_temperature() -> None:
    target = bind(langevin.FAMILY, WELLS, Plane(), temperature=2.0)
    for function in (target.energy, target.gradient):
        assert function.wells.heights == pytest.approx([1.5, 1.0, 1.25])
        assert function.wells.confinement == 0.025
    clamped = bind(langevin.FAMILY, WELLS, Plane(), free=np.array([True, False]), fixed=np.zeros((1, 2)))
    assert not hasattr(clamped.energy, "wells")


@pytest.mark.parametrize(
    "wells", [3, (np.ones((2, 2)), np.ones(3), np.ones(2), 0.1), (np.ones(2), 1.0, 1.0, "a"), ()]
)
def test_wells_that_are_none_are_the_plugins_fault(wells: Any) -> None:
    family = replace(langevin.FAMILY, single_precision=lambda p: (*landscapes.single_precision(p)[:2], wells))
    with pytest.raises(PluginError, match="wells are not"):
        bind(family, WELLS, Plane())


def test_what_cannot_be_compiled_is_done_by_numpy(monkeypatch) -> None:
    def broken(*arguments: Any) -> None:
        raise RuntimeError("no such processor")

    compiled._usable.cache_clear()
    monkeypatch.setattr(compiled, "version", lambda: "0.0")
    monkeypatch.setattr(compiled_kernels, "COMPILES", True)
    monkeypatch.setattr(compiled_kernels, "langevin", broken)
    monkeypatch.setattr(compiled, "WORTH", 0)
    try:
        with pytest.warns(UserWarning, match="NumPy is used: no such processor"):
            stream(langevin.FAMILY, RUNS[0][1], start(5))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            stream(langevin.FAMILY, RUNS[0][1], start(5))  # said once
    finally:
        compiled._usable.cache_clear()


def test_numba_is_part_of_what_a_result_is_compared_by(monkeypatch) -> None:
    """Where it is installed: its rounding is another. And it is not imported for that."""
    digests.environment.cache_clear()
    assert digests.environment().get("numba") == compiled.version()
    monkeypatch.setitem(sys.modules, "numba", None)
    digests.environment.cache_clear()
    assert "numba" not in digests.environment()
    digests.environment.cache_clear()


@needs_numba
def test_it_is_picked_up_by_itself(monkeypatch) -> None:
    """A long run goes by the kernel, and a short one does not import numba."""
    import subprocess

    code = """
import sys
import numpy as np
from ebm_plugins import compiled, landscapes
from ebm_plugins.families import langevin
for n in (100, 10_000):
    config = langevin.SampleConfig(steps=300, every=300)
    list(langevin.sample(landscapes.params_of("three-wells", 0.05), config, np.random.default_rng(0), np.zeros((n, 2))))
    print("numba" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
    assert importlib.util.find_spec("numba") is not None
