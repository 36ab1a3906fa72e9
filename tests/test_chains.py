"""What the gradient samplers share: reproducible noise, blocks, thinning, and bad input, for each of them."""

from __future__ import annotations

import numpy as np
import pytest

from ebm_plugins import Plane, Target, chains, landscapes, noise
from ebm_plugins.config import build, knobs
from ebm_plugins.records import EXACTNESS, ConfigError, Sampler
from ebm_plugins.samplers import annealed_langevin, hmc, mala, ula, underdamped

SAMPLERS = [module.SAMPLER for module in (ula, mala, hmc, underdamped, annealed_langevin)]
each = pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: s.key)


def target(chainwise: bool = False, dtype: type | None = None) -> Target:
    params = landscapes.params_of("three-wells", 0.05)
    return Target(
        energy=lambda x: landscapes.energy(params, x),
        gradient=lambda x: landscapes.gradient(params, x),
        space=Plane(),
        chainwise=chainwise,
    )


def frames(
    sampler: Sampler, x: np.ndarray, seed: int = 0, bound: Target | None = None, **values
) -> list[np.ndarray]:
    config = sampler.config(**values)
    return [s.value for s in sampler.sample(bound or target(), config, np.random.default_rng(seed), x)]


@each
def test_the_same_seed_gives_the_same_stream_and_another_seed_another(sampler: Sampler) -> None:
    x = np.random.default_rng(1).standard_normal((50, 2))
    one, two, other = (np.stack(frames(sampler, x, seed, steps=20)) for seed in (3, 3, 4))
    assert (one == two).all()
    assert (one[0] != other[0]).any()


@each
def test_no_block_size_changes_a_bit(sampler: Sampler) -> None:
    """10,000 chains are three tiles: moved a tile at a time, or (chainwise) all at once."""
    x = 3 * np.random.default_rng(1).standard_normal((10_000, 2))
    tiled = frames(sampler, x, 5, steps=6, every=3)
    whole = frames(sampler, x, 5, target(chainwise=True), steps=6, every=3)
    assert all((a == b).all() for a, b in zip(tiled, whole, strict=True))


def test_noise_is_keyed_to_tiles() -> None:
    n, shape = 3 * noise.TILE + 17, (3 * noise.TILE + 17, 2)
    drawn = []
    for size in (1, 2, 3, 10):
        parts = noise.blocks(np.random.default_rng(7), n, size)
        assert parts[0].rows.start == 0
        assert parts[-1].rows.stop == n
        x = np.empty(shape)
        drawn.append(
            [
                np.concatenate([p.noise.normal(x[p.rows]) for p in parts]),
                np.concatenate([p.noise.uniform(p.rows.stop - p.rows.start) for p in parts]),
            ]
        )
    for other in drawn[1:]:
        assert (other[0] == drawn[0][0]).all()
        assert (other[1] == drawn[0][1]).all()
    first, second = drawn[0][0][: noise.TILE], drawn[0][0][noise.TILE : 2 * noise.TILE]
    assert not np.intersect1d(first, second).size


@each
def test_every_only_thins(sampler: Sampler) -> None:
    """Every third state of a run is the run with every = 3, the last one being the last step."""
    x = np.random.default_rng(1).standard_normal((30, 2))
    warm = {"warmup": 7} if "warmup" in sampler.config.model_fields else {}
    dense, thin = frames(sampler, x, steps=20, **warm), frames(sampler, x, steps=20, every=3, **warm)
    assert len(dense) == 20
    assert len(thin) == 7
    assert all((dense[min(3 * i + 2, 19)] == state).all() for i, state in enumerate(thin))


@each
def test_yielded_arrays_and_the_start_are_never_edited(sampler: Sampler) -> None:
    x = np.random.default_rng(1).standard_normal((30, 2))
    before, seen = x.copy(), []
    for snapshot in sampler.sample(target(), sampler.config(steps=6), np.random.default_rng(0), x):
        seen.append((snapshot.value, snapshot.value.copy()))
    assert (x == before).all()
    assert all((a == b).all() for a, b in seen)
    assert len({id(a) for a, _ in seen}) == 6


@each
def test_one_chain_and_no_chain(sampler: Sampler) -> None:
    for n in (0, 1):
        assert frames(sampler, np.zeros((n, 2)), steps=3)[-1].shape == (n, 2)


@each
def test_single_precision_is_kept(sampler: Sampler) -> None:
    assert frames(sampler, np.zeros((5, 2), dtype=np.float32), steps=3)[-1].dtype == np.float32


@each
def test_states_that_are_not_numbers_reach_the_host_without_a_warning(sampler: Sampler) -> None:
    x = np.array([[np.nan, 0.0], [np.inf, 1.0], [0.5, 0.5]])
    final = frames(sampler, x, steps=5)[-1]
    assert not np.isfinite(final[:2]).all(axis=1).any()
    assert np.isfinite(final[2]).all()


@each
def test_the_record_and_its_bounds(sampler: Sampler) -> None:
    assert sampler.needs_gradient
    assert sampler.exactness in EXACTNESS
    assert sampler.exactness == ("asymptotic" if sampler.key in ("mala", "hmc") else "biased")
    names = [k.name for k in knobs(sampler.config)]
    assert {"step_size", "steps", "temperature", "every"} <= set(names)
    for knob in knobs(sampler.config):
        assert knob.help
        assert knob.ge is not None
        assert knob.le is not None
        for bad in (knob.ge - 1, knob.le + 1, float("nan"), True):
            with pytest.raises(ConfigError) as error:
                build(sampler.config, {knob.name: bad})
            assert error.value.field == knob.name
        for good in (knob.ge, knob.le):
            build(sampler.config, {knob.name: int(good) if knob.kind == "int" else good})


def test_counts_add_up_to_the_steps() -> None:
    for steps in (1, 7, 20):
        for every in (1, 3, 20, 50):
            found = list(chains.counts(steps, every))
            assert sum(found) == steps
            assert len(found) == -(-steps // every)


def test_tuning_moves_towards_the_aim() -> None:
    assert chains.tuned(1.0, 0.9, 0.6, 1) > 1.0 > chains.tuned(1.0, 0.2, 0.6, 1)
    assert abs(np.log(chains.tuned(1.0, 1.0, 0.5, 1000))) < abs(np.log(chains.tuned(1.0, 1.0, 0.5, 2)))
