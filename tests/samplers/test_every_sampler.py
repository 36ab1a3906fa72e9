"""What every built-in sampler keeps, in every space it accepts: streams, blocks, thinning, precision, bounds."""

from __future__ import annotations

import numpy as np
import pytest

from ebm_plugins import BinaryGrid, ConfigError, Plane, Target, Vectors, landscapes
from ebm_plugins.config import build, knobs
from ebm_plugins.records import EXACTNESS, Sampler, exactness_of
from ebm_plugins.registry import load

SAMPLERS = load(discover=False).samplers
SPACES = {"plane": Plane(), "vectors": Vectors(5), "grid": BinaryGrid(2, 3)}
PAIRS = [
    pytest.param(sampler, space, id=f"{key}-{name}")
    for key, sampler in SAMPLERS.items()
    for name, space in SPACES.items()
    if isinstance(space, sampler.accepts)
]
each = pytest.mark.parametrize(("sampler", "space"), PAIRS)


def target(space, chainwise: bool = False) -> Target:
    """Confined wells on the plane, a tilted bowl in vectors, an Ising model with a field on the grid."""
    if isinstance(space, Plane):
        params = landscapes.params_of("three-wells", 0.05)
        return Target(
            energy=lambda x: landscapes.energy(params, x),
            gradient=lambda x: landscapes.gradient(params, x),
            space=space, chainwise=chainwise,
        )  # fmt: skip
    if isinstance(space, Vectors):
        stiff = np.arange(1.0, space.dim + 1)
        return Target(
            energy=lambda x: 0.5 * (stiff.astype(x.dtype) * x * x).sum(axis=1),
            gradient=lambda x: stiff.astype(x.dtype) * x,
            space=space, chainwise=chainwise,
        )  # fmt: skip
    coupling = np.random.default_rng(0).normal(0, 0.5, (space.dim, space.dim))
    coupling = (coupling + coupling.T).astype(np.float32)

    def ising(x: np.ndarray) -> np.ndarray:
        spins = 2 * x - 1
        return -0.5 * ((spins @ coupling.astype(x.dtype)) * spins).sum(axis=1) - 0.2 * spins.sum(axis=1)

    return Target(energy=ising, gradient=lambda x: -2 * (2 * x - 1), space=space, chainwise=chainwise)


def frames(
    sampler: Sampler, space, x: np.ndarray, seed: int = 0, chainwise: bool = False, **values
) -> list[np.ndarray]:
    config = sampler.config(**values)
    stream = sampler.sample(target(space, chainwise), config, np.random.default_rng(seed), x)
    return [snapshot.value for snapshot in stream]


def start(space, n: int) -> np.ndarray:
    return space.noise(n, np.random.default_rng(1))


@each
def test_the_same_seed_gives_the_same_stream_and_another_seed_another(sampler, space) -> None:
    x = start(space, 40)
    one, two, other = (np.stack(frames(sampler, space, x, seed, steps=10)) for seed in (3, 3, 4))
    assert (one == two).all()
    assert (one != other).any()
    assert len(one) == 10


@each
def test_chains_go_different_ways(sampler, space) -> None:
    """From one state, with noise of their own: all but a few of 200 chains part, and no two tiles are alike."""
    x = np.repeat(start(space, 1), 200, axis=0)
    apart = len(np.unique(frames(sampler, space, x, steps=8)[-1], axis=0))
    assert apart > (8 if space.discrete else 60)


@each
def test_no_block_size_changes_a_bit(sampler, space) -> None:
    """5,000 chains are two tiles: moved a tile at a time, or (chainwise) all at once."""
    x = start(space, 5000)
    tiled = frames(sampler, space, x, 5, steps=3)
    whole = frames(sampler, space, x, 5, chainwise=True, steps=3)
    assert all((a == b).all() for a, b in zip(tiled, whole, strict=True))


@each
def test_every_only_thins(sampler, space) -> None:
    x = start(space, 20)
    warm = {"warmup": 7} if "warmup" in sampler.config.model_fields else {}
    dense = frames(sampler, space, x, steps=20, **warm)
    thin = frames(sampler, space, x, steps=20, every=3, **warm)
    assert len(thin) == 7
    assert all((dense[min(3 * i + 2, 19)] == state).all() for i, state in enumerate(thin))


@each
def test_yielded_arrays_and_the_start_are_never_edited(sampler, space) -> None:
    x = start(space, 20)
    before, seen = x.copy(), []
    for snapshot in sampler.sample(target(space), sampler.config(steps=6), np.random.default_rng(0), x):
        seen.append((snapshot.value, snapshot.value.copy()))
    assert (x == before).all()
    assert all((a == b).all() for a, b in seen)


@each
def test_one_chain_no_chain_and_single_precision(sampler, space) -> None:
    for n in (0, 1):
        assert frames(sampler, space, start(space, n), steps=3)[-1].shape == (n, space.dim)
    single = frames(sampler, space, start(space, 5).astype(np.float32), steps=3)[-1]
    assert single.dtype == np.float32
    assert space.contains(single).all()


@each
def test_states_stay_in_their_space_and_metrics_are_numbers(sampler, space) -> None:
    for snapshot in sampler.sample(
        target(space), sampler.config(steps=15), np.random.default_rng(0), start(space, 30)
    ):
        assert space.contains(snapshot.value).all()
        assert all(np.isfinite(value) for value in snapshot.metrics.values())
        assert 0 <= snapshot.metrics.get("acceptance", 0.5) <= 1


@pytest.mark.parametrize("sampler", list(SAMPLERS.values()), ids=lambda s: s.key)
def test_the_record_and_its_bounds(sampler: Sampler) -> None:
    assert exactness_of(sampler, sampler.config()) in EXACTNESS
    assert {"steps", "temperature", "every"} <= {k.name for k in knobs(sampler.config)}
    for knob in knobs(sampler.config):
        assert knob.help
        if knob.kind not in ("int", "float"):
            continue
        assert knob.ge is not None
        assert knob.le is not None
        for bad in (knob.ge - 1, knob.le + 1, float("nan"), True):
            with pytest.raises(ConfigError) as error:
                build(sampler.config, {knob.name: bad})
            assert error.value.field == knob.name
        for good in (knob.ge, knob.le):
            build(sampler.config, {knob.name: int(good) if knob.kind == "int" else good})


@pytest.mark.parametrize(
    "sampler", [s for s in SAMPLERS.values() if s.exactness != "biased"], ids=lambda s: s.key
)
def test_a_model_without_an_energy_is_refused_by_all_that_compare_energies(sampler: Sampler) -> None:
    """A score network has a gradient and NaN for an energy: every proposal would be refused without a word."""
    space = next(space for space in SPACES.values() if isinstance(space, sampler.accepts))
    silent = Target(energy=lambda x: np.full(len(x), np.nan), gradient=lambda x: x, space=space)
    with pytest.raises(ConfigError, match="no energy to compare"):
        next(sampler.sample(silent, sampler.config(steps=2), np.random.default_rng(0), start(space, 4)))


@pytest.mark.parametrize(
    "sampler", [s for s in SAMPLERS.values() if Plane in s.accepts and not s.needs_gradient], ids=lambda s: s.key
)  # fmt: skip
def test_without_a_gradient_it_runs(sampler: Sampler) -> None:
    bare = Target(energy=lambda x: (x * x).sum(axis=1), gradient=None, space=Plane())
    assert next(
        sampler.sample(bare, sampler.config(), np.random.default_rng(0), np.ones((3, 2)))
    ).value.shape == (3, 2)
