"""Denoising score matching as a family: what it learns, what each option changes, and what it is held to."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest

from ebm_plugins import exact, registry, runs
from ebm_plugins.datasets import from_arrays, mixture
from ebm_plugins.families import dsm
from ebm_plugins.families import dsm_losses as losses
from ebm_plugins.families import dsm_model as models
from ebm_plugins.families.dsm_figures import mode_shares
from ebm_plugins.plans import load_data
from ebm_plugins.records import ConfigError, Data
from ebm_plugins.spaces import Plane, Vectors

DENSITY = mixture("eight-gaussians")
SMALL = {"hidden": 24, "levels": 5, "batch": 128, "every": 100, "steps": 400}


@pytest.fixture(scope="module")
def built():
    """The built-in datasets, the samplers that need a gradient or none, and this family."""
    names = (
        "ebm_plugins.datasets", "ebm_plugins.samplers.ula", "ebm_plugins.samplers.mala", "ebm_plugins.families.dsm",
    )  # fmt: skip
    found = registry.load(builtins=names, discover=False)
    assert not found.failures
    return found


@pytest.fixture(scope="module")
def eight(built):
    return load_data(built.datasets["eight-gaussians"])


@pytest.fixture(scope="module")
def preset(built):
    """The run of the first preset, as the page opens."""
    return runs.run(dsm.FAMILY.presets["Eight Gaussians"], built)


@pytest.fixture(scope="module")
def crowd(preset):
    """10,000 samples with the preset's settings, by annealed Langevin."""
    assert preset.spec.sample["method"] == "annealed"
    return sampled(preset.params, 10_000, **{**preset.spec.sample, "every": 1000})


def learned(data, rng=0, **settings):
    """The last snapshot of training."""
    *_, last = dsm.train(data, dsm.TrainConfig(**settings), np.random.default_rng(rng))
    return last


def sampled(params, n=1000, seed=1, start=None, **settings):
    """The last states from a random start."""
    x = 3 * np.random.default_rng(seed).standard_normal((n, 2)) if start is None else start
    config = dsm.SampleConfig(**{"every": 1000, **settings})
    *_, last = dsm.sample(params, config, np.random.default_rng(seed + 1), x)
    return np.asarray(last.value, dtype=float)


def error(params, draws=500):
    """½σ²·E|s − s*|² (L,), over fresh exact draws."""
    return losses.score_errors(models.model_of(params, np.float32), DENSITY, np.random.default_rng(99), draws)


def blind(params, draws=500):
    """The same for a network that says nothing: what knowing only the data's mean and spread comes to."""
    quiet = {k: 0 * v for k, v in params.items() if k.startswith(("weight", "bias"))}
    return error({**params, **quiet}, draws)


def energy_distance(a, b):
    """2E|a − b| − E|a − a'| − E|b − b'|, over different rows, so that its mean is 0 for two samples of one density."""
    from scipy.spatial.distance import cdist, pdist

    return 2 * cdist(a, b).mean() - pdist(a).mean() - pdist(b).mean()


# What it is held to ----------------------------------------------------------------------------------------------


def test_all_eight_modes_are_found_with_the_presets_settings(crowd):
    """Each mode has between 9.5 and 15.5 % of 10,000 samples, and at least 99 % are within 4 sd of a component."""
    shares = mode_shares(DENSITY, crowd)
    assert shares[:8].min() >= 0.095
    assert shares[:8].max() <= 0.155
    assert shares[-1] <= 0.01


def test_samples_are_as_near_to_held_out_data_as_its_halves_are_to_each_other(crowd, eight):
    """The energy distance to the held-out points is at most twice that between their two halves: for all samples and
    all 1,000 points, and for samples as many as a half has, on average over 20 lots of 500 and both halves."""
    halves = np.split(eight.test_x, 2)
    between = energy_distance(*halves)
    assert between > 0
    assert energy_distance(crowd[:5000], eight.test_x) <= 2 * between
    lots = [energy_distance(lot, half) for lot in np.split(crowd, 20) for half in halves]
    assert np.mean(lots) <= 2 * between


@pytest.mark.slow
def test_the_modes_are_found_from_other_seeds_too(eight, preset):
    for seed in range(1, 5):
        snapshot = learned(eight, seed, **preset.spec.train)
        x = sampled(snapshot.value, 10_000, seed, **{**preset.spec.sample, "every": 1000})
        shares = mode_shares(DENSITY, x)
        assert shares[:8].min() >= 0.095, seed
        assert shares[:8].max() <= 0.155, seed
        assert shares[-1] <= 0.01, seed


def test_the_learned_score_is_close_to_the_closed_form_at_every_level(preset):
    """Weighted by p_σ, ½σ²E|s − s*|² is under 0.02, and where modes have parted (σ < 0.5) a tenth of the best Gaussian's."""
    found = error(preset.params)
    assert found.max() < 0.02
    parted = preset.params["sigmas"] < 0.5
    assert parted.sum() >= 4
    assert (found[parted] < 0.1 * blind(preset.params)[parted]).all()


def test_the_default_run_is_compared_with_an_exact_answer(preset, built):
    assert preset.truth.kind == "quadrature"
    assert preset.training.count >= 20
    assert {"loss", "denoising loss", "held-out denoising loss", "score error"} <= set(
        preset.training.metrics
    )
    spec = dsm.FAMILY.presets["Eight Gaussians"]
    short = dataclasses.replace(spec, train=SMALL, sample={"steps": 20})
    twice = [runs.run(short, built) for _ in range(2)]
    assert runs.result_digest(twice[0]) == runs.result_digest(twice[1])


def test_a_gaussian_is_learned_to_its_least_loss():
    """Data N(0, I) on the line: half of s²/(s² + σ²) at each level is the least possible; learning from random weights
    comes within 4.5 standard errors of a fresh 20,000 rows, plus a hundredth for what is not learned yet."""
    rng = np.random.default_rng(0)
    data = from_arrays(rng.standard_normal((5000, 1)), Vectors(1), name="Gaussian")
    snapshot = learned(data, largest=2.0, smallest=0.2, **SMALL)
    model = models.model_of(snapshot.value)
    n = 20_000
    found = losses.by_level(model, rng.standard_normal((n, 1)), rng)
    least = 0.5 / (1 + model.sigmas**2)
    np.testing.assert_array_less(np.abs(found - least), 0.01 + 4.5 * least * np.sqrt(2 / n))


# Each option changes the result in the known direction -----------------------------------------------------------


@pytest.mark.parametrize("model", ["energy", "score"])
@pytest.mark.parametrize("loss", ["denoising", "sliced", "explicit"])
def test_every_loss_and_model_learns_the_score(eight, model, loss):
    """All have the same minimum, so all end below half of what the best Gaussian comes to."""
    snapshot = learned(eight, model=model, loss=loss, **{**SMALL, "steps": 800})
    assert error(snapshot.value).mean() < 0.5 * blind(snapshot.value).mean()


BETTER = {
    "steps": ({"steps": 50, "every": 50}, {"steps": 800}),
    "learning_rate": ({"learning_rate": 1e-4}, {"learning_rate": 0.01}),
    "hidden": ({"hidden": 2}, {"hidden": 32}),
    "layers": ({"layers": 1, "hidden": 8}, {"layers": 3, "hidden": 8, "steps": 800}),
    "batch": ({"batch": 2}, {"batch": 256}),
    "slices": ({"loss": "sliced", "slices": 1}, {"loss": "sliced", "slices": 16}),
}


@pytest.mark.parametrize("option", BETTER)
def test_more_of_an_option_learns_better(eight, option):
    """More steps, a faster rate, wider, deeper, larger batches, more slices: a smaller error."""
    worse, better = ({**SMALL, **settings} for settings in BETTER[option])
    errors = [
        np.mean([error(learned(eight, seed, **s).value).mean() for seed in range(2)]) for s in (worse, better)
    ]
    assert errors[1] < 0.95 * errors[0]


def test_averaged_weights_are_calmer_while_the_rate_is_large(eight):
    """Half way down the cosine, at a rate of 0.03, the running mean is nearer to the closed form than the last weights."""
    errors = []
    for averaging in (0.0, 0.99):
        config = dsm.TrainConfig(
            **{**SMALL, "steps": 800, "every": 400, "averaging": averaging, "learning_rate": 0.03}
        )
        middle = next(iter(dsm.train(eight, config, np.random.default_rng(0))))
        errors.append(error(middle.value).mean())
    assert errors[1] < 0.9 * errors[0]


def test_activations_are_what_they_say(eight):
    """Each learns another function, and each learns."""
    found = [learned(eight, activation=a, **SMALL) for a in models.ACTIVATIONS]
    x = np.linspace(-2, 2, 20).reshape(10, 2)
    values = [models.score(f.value, x) for f in found]
    for i in range(3):
        assert int(found[i].value["activation"][0]) == i
        assert error(found[i].value).mean() < 0.9 * blind(found[i].value).mean()
        for j in range(i):
            assert np.abs(values[i] - values[j]).max() > 1e-2


def test_plain_weights_neglect_the_large_noise(eight):
    """λ = 1 gives the smallest of five levels (σ from 2.8 to 0.1) over 80 % of the weight, the largest a thousandth."""
    balanced, plain = (error(learned(eight, weighting=w, **SMALL).value) for w in ("balanced", "plain"))
    assert plain[0] > 2 * balanced[0]


def test_levels_and_their_ends_are_the_ladder(eight):
    params = learned(eight, **{**SMALL, "levels": 7, "largest": 4.0, "smallest": 0.25, "steps": 1}).value
    np.testing.assert_allclose(params["sigmas"], models.ladder(4.0, 0.25, 7))
    assert len(learned(eight, **{**SMALL, "levels": 1, "steps": 1}).value["sigmas"]) == 1


def test_with_one_small_noise_the_samples_get_lost(eight):
    """Same steps and rate: the ladder brings many more of the samples near a mode, and shares them out."""
    ladder = learned(eight, **{**SMALL, "steps": 1000, "hidden": 48, "smallest": 0.05, "levels": 10})
    single = learned(eight, **{**SMALL, "steps": 1000, "hidden": 48, "smallest": 0.05, "levels": 1})
    start = DENSITY.means[0] + 0.1 * np.random.default_rng(3).standard_normal((1000, 2))
    with_ladder, alone = (mode_shares(DENSITY, sampled(s.value, start=start)) for s in (ladder, single))
    assert with_ladder[:8].min() > 0.05
    assert alone[3:6].sum() < 0.01


def test_a_largest_noise_below_the_distance_of_the_modes_leaves_them_apart(eight):
    """From one mode, σ up to 0.15 does not reach the opposite one; up to 2.8 it does."""
    start = DENSITY.means[0] + 0.1 * np.random.default_rng(3).standard_normal((1000, 2))
    settings = {**SMALL, "steps": 800, "hidden": 48}
    shares = [
        mode_shares(DENSITY, sampled(learned(eight, **{**settings, "largest": s}).value, start=start))[4]
        for s in (0.15, 2.8)
    ]
    assert shares[0] < 0.01 < 0.05 < shares[1]


def test_a_smaller_smallest_noise_is_sharper(eight):
    """Samples spread about their mode by √(sd² + σ²): at σ = 0.3 twice as far as at 0.05, by closed form 1.93."""
    spreads = []
    for smallest in (0.3, 0.05):
        x = sampled(learned(eight, **{**SMALL, "steps": 1000, "hidden": 48, "smallest": smallest}).value)
        nearest = np.linalg.norm(x[:, None] - DENSITY.means, axis=2).min(axis=1)
        spreads.append(np.median(nearest))
    assert 1.3 < spreads[0] / spreads[1] < 2.2


def test_sampling_options(preset):
    """Too large a step is too wide; too few steps do not settle; denoising draws in; the flow repeats itself.

    A large step is 8 % too wide; of 4,000 draws the ratio has a standard deviation of 1.3 %, over seeds."""
    params = preset.params

    def spread(n=1000, **settings):
        x = sampled(params, n, **settings)
        return float(np.median(np.linalg.norm(x[:, None] - DENSITY.means, axis=2).min(axis=1)))

    usual = spread()
    assert spread(4000, step_size=1.0) > 1.03 * spread(4000)
    assert spread(step_size=0.001) > 1.5 * usual
    assert spread(steps=10) > 1.1 * usual
    assert spread(denoise=True) < 0.95 * usual
    flows = [sampled(params, 50, method="probability-flow", steps=40) for _ in range(2)]
    np.testing.assert_array_equal(*flows)
    others = sampled(params, 50, method="predictor-corrector", steps=40)
    assert np.abs(others - flows[0]).max() > 0.1
    assert abs(spread(method="predictor-corrector") / usual - 1) < 0.15


def test_noise_on_the_start_forgets_where_it_was(preset):
    """A flow from one point ends in one place; with the largest noise put on it first, in all modes, though not alike:
    that noise is as wide as the modes are apart and no wider."""
    point = np.repeat(DENSITY.means[:1], 1000, axis=0)
    drawn = sampled(preset.params, start=point, method="probability-flow", steps=50)
    noised = sampled(preset.params, start=point, method="probability-flow", steps=50, begin="noised")
    assert np.ptp(drawn, axis=0).max() < 1e-6
    assert mode_shares(DENSITY, noised)[:8].min() > 0.02


def test_snapshots_come_every_so_many_steps(eight):
    """And the last one at the end; the averaged weights are those of the last step when nothing is averaged."""
    config = dsm.TrainConfig(**{**SMALL, "steps": 250, "every": 100})
    assert len(list(dsm.train(eight, config, np.random.default_rng(0)))) == 3
    x = np.zeros((3, 2))
    states = list(
        dsm.sample(
            learned(eight, **SMALL).value, dsm.SampleConfig(steps=7, every=3), np.random.default_rng(0), x
        )
    )
    assert len(states) == 3


# Any sampler on its energy; clamping; odd data -------------------------------------------------------------------


def test_mala_on_the_learned_energy_keeps_its_exact_answer(built, preset):
    """10,000 chains from exact draws of exp(−E), by quadrature, after 20 steps of MALA: within 1.5 times the floor's
    97.5 % quantile."""
    from ebm_plugins.samplers import mala
    from ebm_plugins.targets import bind

    target = bind(dsm.FAMILY, preset.params, Plane())
    truth = exact.truth_of(target)
    start = truth.draw(4000, np.random.default_rng(0))
    *_, last = mala.sample(
        target, mala.Config(step_size=0.01, steps=20, every=20), np.random.default_rng(1), start
    )
    assert truth.total_variation(last.value) < 1.5 * truth.floor(4000)[2]


def test_a_score_network_runs_without_an_exact_answer(built):
    spec = runs.resolve(dsm.FAMILY.presets["A score network: arrows without an energy"], built)
    run = runs.run(dataclasses.replace(spec, train={**spec.train, **SMALL}), built)
    assert run.truth.kind == "none"
    assert run.sampling.diverged is None
    assert np.isnan(run.sampling.energies).all()


def test_the_lower_half_is_filled_in(built):
    """A short form of the preset: what is held stays to the bit, and the rest is drawn."""
    spec = dsm.FAMILY.presets["Fill in the lower half"]
    short = {**spec.train, "steps": 100, "hidden": 32, "every": 50}
    run = runs.run(dataclasses.replace(spec, train=short, sample={**spec.sample, "steps": 40}), built)
    held = np.repeat(run.data.x[[3, 18, 4, 33, 11]], 5, axis=0)
    np.testing.assert_array_equal(run.sampling.last[:, :32], held[:, :32])
    assert (run.sampling.last[:, 32:] != held[:, 32:]).any()


@pytest.mark.parametrize(
    ("settings", "field"),
    [({"smallest": 3.0}, "smallest"), ({"largest": 0.01, "smallest": 0.01}, "smallest")],
)
def test_a_ladder_upside_down_is_refused(eight, settings, field):
    with pytest.raises(ConfigError) as caught:
        learned(eight, **{**SMALL, **settings})
    assert caught.value.field == field


def test_data_that_cannot_be_learned_from_are_refused(built):
    nan = Data(x=np.array([[0.0, np.nan], [1.0, 1.0]]), space=Plane())
    for data, field in ((nan, "data"), (load_data(built.datasets["plane"]), "data")):
        with pytest.raises(ConfigError) as caught:
            learned(data, **SMALL)
        assert caught.value.field == field
    with pytest.raises(ConfigError) as caught:
        learned(load_data(built.datasets["digits"]), loss="explicit", **SMALL)
    assert caught.value.field == "loss"


@pytest.mark.parametrize("x", [np.ones((1, 2)), np.full((5, 2), 3.0), np.array([[0.0, 0.0], [1e6, 0.0]])])
def test_one_row_constant_rows_and_huge_ones_are_learned(x):
    """One point with noise σ is N(point, σ²): its score is exact at once, and samples end near it."""
    snapshot = learned(from_arrays(x, Plane()), **{**SMALL, "steps": 20})
    assert np.isfinite(models.energy(snapshot.value, x)).all()
    if np.ptp(x) == 0:
        out = sampled(snapshot.value, 200, steps=200)
        assert np.abs(np.median(out, axis=0) - x[0]).max() < 0.2


def test_configs_at_their_bounds_run(eight):
    tiny = learned(
        eight, steps=1, batch=1, hidden=2, layers=1, levels=1, every=1, smallest=0.001, largest=0.01
    )
    assert np.isfinite(models.gradient(tiny.value, eight.x[:5])).all()
    assert np.isfinite(sampled(tiny.value, 5, steps=1, step_size=1e-4)).all()
    deep = learned(eight, steps=2, batch=16, hidden=16, layers=6, levels=100, every=1)
    assert np.isfinite(sampled(deep.value, 5, steps=10)).all()


THREADS = """
import hashlib
import numpy as np
from ebm_plugins import registry
from ebm_plugins.families import dsm
data = registry.load(discover=False).datasets["two-moons"].load()
config = dsm.TrainConfig(batch=dsm.ROWS, hidden=dsm.WIDE, steps=6, every=6)
assert dsm._parts(config) == dsm.PARTS
*_, last = dsm.train(data, config, np.random.default_rng(0))
print(hashlib.sha256(b"".join(last.value[k].tobytes() for k in sorted(last.value))).hexdigest())
"""


def test_a_large_batch_is_learned_to_the_same_bits_by_one_thread_and_by_two():
    said = [
        subprocess.run(
            [sys.executable, "-c", THREADS], capture_output=True, text=True, check=True, env={**os.environ, "OPENBLAS_NUM_THREADS": n}
        ).stdout
        for n in ("1", "2")
    ]  # fmt: skip
    assert len(said[0]) == 65
    assert said[0] == said[1]
