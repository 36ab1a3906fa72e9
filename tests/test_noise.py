"""Random numbers and chains in single precision: their law, and that no thread, block or chunk changes a bit."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy import stats

from ebm_plugins import Plane, chains, landscapes, noise
from ebm_plugins.families import langevin, metropolis_hastings
from ebm_plugins.samplers import metropolis, ula
from ebm_plugins.targets import bind

N = 400_000
SIGMAS = 5.5  # two-sided 4e-8


def columns(n: int, dim: int = 2) -> np.ndarray:
    return np.zeros((dim, n), dtype=np.float32).T


def source(n: int, seed: int = 0) -> noise.Noise:
    (part,) = noise.blocks(np.random.default_rng(seed), n, tiles=n)
    return part.noise


def test_box_muller_is_normal_in_law_and_its_halves_are_independent() -> None:
    """Four moments, the tails, and Kolmogorov's distance; false alarm 4e-8 for each of the first six, 1e-7 for it."""
    z = source(N, 1).normal(columns(N)).astype(float)
    assert z.mean() == pytest.approx(0, abs=SIGMAS / np.sqrt(2 * N))
    for power, moment in ((2, 1), (4, 3), (6, 15)):
        spread = np.sqrt((z ** (2 * power)).mean() / (2 * N))
        assert (z**power).mean() == pytest.approx(moment, abs=SIGMAS * spread)
    assert (z[:, 0] * z[:, 1]).mean() == pytest.approx(0, abs=SIGMAS / np.sqrt(N))
    far = stats.norm.sf(3) * 2
    assert (abs(z) > 3).mean() == pytest.approx(far, abs=SIGMAS * np.sqrt(far / (2 * N)))
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-7


def test_the_extremes_of_a_word_are_finite() -> None:
    bits = np.array([[0, 0, 2**32 - 1, 2**32 - 1, 0, 2**31, 2**31 - 1, 2**32 - 1]], dtype=np.uint32)
    out = np.empty((1, 8), dtype=np.float32)
    noise.box_muller(bits, out)
    assert np.isfinite(out).all()
    assert abs(out).max() == pytest.approx(np.sqrt(66 * np.log(2)), rel=1e-6)
    u = np.empty((1, 8), dtype=np.float32)
    noise.uniforms(bits, u)
    assert u.min() == 2.0**-33
    assert u.max() == 1


def test_uniforms_are_uniform() -> None:
    """Kolmogorov's distance: false alarm 1e-7."""
    assert (
        stats.kstest(source(N, 2).draw(noise.space(("uniform",), columns(N), 1)).__next__(), "uniform").pvalue
        > 1e-7
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "dim"), [(7, 1), (33, 3), (noise.TILE + 5, 2)])
def test_numbers_drawn_ahead_are_those_drawn_step_by_step(n: int, dim: int, dtype: type, monkeypatch) -> None:
    """In a thread or not, in chunks of any size."""
    for x in (np.zeros((n, dim), dtype=dtype), np.zeros((dim, n), dtype=dtype).T):
        plain = source(n)
        wanted = []
        for _ in range(11):
            wanted += [plain.normal(x), plain.uniform(n, dtype)]
        for chunk in (1, 3 * n * (dim + 1), 10**7):
            for worth in (0, 10**9):
                monkeypatch.setattr(noise, "CHUNK", chunk)
                monkeypatch.setattr(noise, "SMALL_CHUNK", chunk)
                monkeypatch.setattr(noise, "WORTH_A_THREAD", worth)
                monkeypatch.setattr(noise, "threads", lambda: 2)
                drawn = noise.Ahead(source(n), ("normal", "uniform"), x, 11, alone=True)
                for t in range(11):
                    assert (drawn.normal(x) == wanted[2 * t]).all()
                    assert (drawn.uniform(n) == wanted[2 * t + 1]).all()


RUNS = [
    (langevin.FAMILY, ula.Config(step_size=0.05, steps=7, every=3)),
    (metropolis_hastings.FAMILY, metropolis.Config(scale=1.2, steps=7, every=3)),
    (metropolis_hastings.FAMILY, metropolis.Config(scale=1.2, steps=9, every=3, warmup=4)),
]


@pytest.mark.parametrize(("family", "config"), RUNS)
@pytest.mark.parametrize("n", [300, 9_000, 2 * noise.TILE + 77])
def test_no_thread_changes_a_bit(family, config, n: int, monkeypatch) -> None:
    params = landscapes.params_of("three-wells", 0.05)
    x = 3 * np.random.default_rng(1).standard_normal((n, 2))
    streams = []
    for count in (1, 2, 5):
        monkeypatch.setattr(noise, "threads", lambda count=count: count)
        streams.append([s.value for s in family.sample(params, config, np.random.default_rng(4), x)])
    for other in streams[1:]:
        assert all((a == b).all() for a, b in zip(other, streams[0], strict=True))


@pytest.mark.parametrize(("family", "config"), RUNS)
def test_what_is_yielded_has_the_precision_of_the_start_and_the_same_states(family, config) -> None:
    """The chains are float32 inside, whatever the start: rounded, it goes the same way."""
    params = landscapes.params_of("three-wells", 0.05)
    x = np.random.default_rng(1).standard_normal((50, 2))
    double = [s.value for s in family.sample(params, config, np.random.default_rng(4), x)]
    single = [s.value for s in family.sample(params, config, np.random.default_rng(4), x.astype(np.float32))]
    assert all(a.dtype == np.float64 and b.dtype == np.float32 for a, b in zip(double, single, strict=True))
    assert all((a == b).all() for a, b in zip(double, single, strict=True))


@pytest.mark.parametrize("key", landscapes.BY_KEY)
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_single_precision_is_the_same_energy_and_gradient(key: str, temperature: float) -> None:
    """To 2e-5 of the largest in the box: a few dozen roundings of 6e-8. In any layout, and in new arrays."""
    params = landscapes.params_of("three-wells" if key == "learned" else key, 0.05)
    if key == "learned":
        rng = np.random.default_rng(0)
        params |= {
            "landscape": np.array([landscapes.BY_KEY[key]]),
            "centres": 900 + rng.standard_normal((100, 2)),  # far out, where x·μ would lose all its digits
            "heights": rng.uniform(0.5, 2, 100),
            "widths": rng.uniform(0.2, 1, 100),
        }
    target = bind(langevin.FAMILY, params, Plane(), temperature=temperature)
    low, high = target.box
    x = np.random.default_rng(1).uniform(low, high, (1000, 2)).astype(np.float32)
    if key == "learned":
        x = (900 + np.random.default_rng(1).standard_normal((1000, 2))).astype(np.float32)
    for function in (target.energy, target.gradient):
        double = function(x.astype(float))
        for layout in (x, np.asfortranarray(x)):
            single = function(layout)
            assert single.dtype == np.float32
            assert single.shape == double.shape
            assert not np.may_share_memory(single, layout)
            assert np.abs(single - double).max() < 2e-5 * np.abs(double).max()
        assert function(x[:0]).shape == double[:0].shape


def test_the_same_state_has_the_same_energy_in_any_batch() -> None:
    target = bind(langevin.FAMILY, landscapes.params_of("three-wells", 0.05), Plane())
    x = np.asfortranarray(np.random.default_rng(1).standard_normal((1001, 2)), dtype=np.float32)
    assert (target.energy(x)[500:] == target.energy(x[500:])).all()
    assert (target.gradient(x)[500:] == target.gradient(x[500:])).all()


def test_choosing_by_bits_is_choosing() -> None:
    rng = np.random.default_rng(0)
    taken = rng.random(40) < 0.5
    for dtype in (np.float32, np.float64, np.float16, np.int64):
        old, new = (rng.standard_normal((40, 3)).astype(dtype) for _ in range(2))
        if dtype in (np.float32, np.float64):
            old[3], new[5], new[6] = np.nan, np.inf, -0.0
        wanted = np.where(taken[:, None], new, old)
        assert chains.choose(taken, new, old).tobytes() == wanted.tobytes()
        assert chains.choose(taken, new[:, 0], old[:, 0]).tobytes() == wanted[:, 0].tobytes()
        assert (chains.choose(taken, np.asfortranarray(new), old).T.tobytes()) == wanted.T.tobytes()
    assert chains.choose(taken, new.astype(float), old).dtype == float


@pytest.mark.parametrize(("family", "config"), RUNS[:2])
def test_memory_is_bounded_by_the_chains_and_not_by_their_steps(family, config) -> None:
    """200,000 chains of 8 bytes are 1.6 MB: a few copies of them and some blocks' scratch, in 20 steps as in 200."""
    params = landscapes.params_of("three-wells", 0.05)
    x = np.zeros((200_000, 2), dtype=np.float32)
    peaks = []
    for steps in (20, 200):
        made = config.model_copy(update={"steps": steps, "every": steps})
        tracemalloc.start()
        for _ in family.sample(params, made, np.random.default_rng(0), x):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
    assert peaks[1] < 40e6


@pytest.mark.parametrize(("family", "config"), RUNS[:2])
@pytest.mark.parametrize("n", [1, 500])
def test_the_longest_run_that_the_configs_allow_begins_in_little_memory(family, config, n: int) -> None:
    """100,000 steps, 1,000 a snapshot: the numbers of 500 chains would be 400 MB for all, and 4 MB for a snapshot."""
    steps, every = type(config).model_fields["steps"], type(config).model_fields["every"]
    most = {"steps": steps.metadata[-1].le, "every": every.metadata[-1].le}
    assert most == {"steps": 100_000, "every": 1_000}
    params = landscapes.params_of("three-wells", 0.05)

    def begun():
        return next(family.sample(params, type(config)(**most), np.random.default_rng(0), np.zeros((n, 2))))

    begun()  # what a first run imports is not counted
    tracemalloc.start()
    first = begun()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.isfinite(first.value).all()
    assert peak < 2e6


def test_an_error_of_a_plugin_in_a_thread_is_raised_where_the_run_is(monkeypatch) -> None:
    from dataclasses import replace

    from ebm_plugins import PluginError

    def single_precision(params):
        def broken(x):
            raise ZeroDivisionError("in a thread")

        return broken, broken

    monkeypatch.setattr(noise, "threads", lambda: 2)
    family = replace(langevin.FAMILY, single_precision=single_precision)
    target = bind(family, landscapes.params_of("three-wells", 0.05), Plane())
    with pytest.raises(PluginError, match="in a thread"):
        list(ula.sample(target, ula.Config(steps=2), np.random.default_rng(0), np.zeros((40_000, 2))))


def test_normals_of_any_shape_and_an_odd_number_of_them() -> None:
    """Mean and variance of 400,003 normals; each by chance outside in 4e-8."""
    drawn = noise.normals(np.random.default_rng(5), (N + 3, 1))
    assert drawn.shape == (N + 3, 1)
    assert drawn.dtype == np.float32
    assert abs(drawn.mean(dtype=float)) < SIGMAS / np.sqrt(N)
    assert abs((drawn.astype(float) ** 2).mean() - 1) < SIGMAS * np.sqrt(2 / N)
    assert noise.normals(np.random.default_rng(5), (0, 3)).shape == (0, 3)
