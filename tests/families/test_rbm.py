"""The RBM family: what it is held to, its presets, clamping and bad input."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from ebm_plugins import runs
from ebm_plugins.datasets import from_arrays
from ebm_plugins.families import rbm, rbm_studies
from ebm_plugins.families.rbm import FAMILY, SampleConfig, TrainConfig
from ebm_plugins.rbm_core import free_energy, log_partition
from ebm_plugins.rbm_measures import roc
from ebm_plugins.records import ConfigError, Data
from ebm_plugins.spaces import BinaryGrid, Vectors

SLOW = bool(os.environ.get("EBM_SLOW"))


@cache
def dataset(key: str) -> Data:
    return rbm_studies.data(key)


def trained(data: Data, seed: int = 0, **values: Any) -> list[Any]:
    return list(rbm.train(data, TrainConfig(**values), np.random.default_rng(seed)))


def grid(x: Any, rows: int, cols: int, **more: Any) -> Data:
    return from_arrays(x, BinaryGrid(rows, cols), **more)


# --- Held to ----------------------------------------------------------------------------------------------------


def test_bars_and_stripes_come_within_0_08_nats_of_the_best_possible():
    """Median of the seeds 0 to 4 with the preset's settings, each in under 20 s of one core."""
    data, config = dataset("bars-and-stripes-3x3"), FAMILY.presets["Bars and stripes, all but perfect"].train
    reached = []
    for seed in range(5):
        began = time.process_time()
        reached.append(trained(data, seed, **{**config, "every": 1000})[-1].metrics["log_likelihood"])
        assert time.process_time() - began < 20
    assert np.median(reached) > -np.log(14) - 0.08
    assert max(reached) < -np.log(14)


def test_cd_1_with_20_units_stalls_far_from_the_best_possible():
    """Median of the same seeds: over 0.3 nats short, after 3,000 epochs and after 10,000."""
    data, config = (
        dataset("bars-and-stripes-3x3"),
        FAMILY.presets["Bars and stripes by CD-1: it stalls"].train,
    )
    for epochs in (3000, 10_000) if SLOW else (3000,):
        asked = {**config, "epochs": epochs, "every": 1000}
        reached = [trained(data, seed, **asked)[-1].metrics["log_likelihood"] for seed in range(5)]
        assert np.median(reached) < -np.log(14) - 0.3


def test_held_out_likelihood_of_digits_beats_scikit_learns_in_five_seeds_of_five():
    """64 hidden units, 100 epochs, batches of 50 for both: the lower end of our bracket above the upper end of the
    other's. The short form gives scikit-learn the best of the rates that were tried (0.1), the long form three."""
    digits = dataset("digits-binary")
    assert digits.test_x is not None
    for seed in range(5):
        rng = np.random.default_rng(seed)
        ours = rbm_studies.learned(digits.x, rng, hidden=64, epochs=100, **rbm_studies.OUR_SETTINGS)
        low, _ = rbm_studies.held_out_interval(ours, digits.test_x, rng)
        for rate in rbm_studies.RIVAL_RATES if SLOW else (0.1,):
            other = rbm_studies.rivals(digits.x, 64, 100, seed, rate)
            _, high = rbm_studies.held_out_interval(other, digits.test_x, rng)
            assert low > high + 0.5


def test_the_articles_setting_ends_at_an_error_of_0_17():
    """Mean over 20 seeds of the expected error after 400 epochs. The article's program, run here as well, gives
    0.168 on average and 0.145 to 0.191 in single draws; both means have standard errors under 0.003, so 0.015 is
    over 4 of the difference's."""
    data, config = dataset("article-six"), {**FAMILY.presets["As in the article"].train, "every": 400}
    ends = [trained(data, seed, **config)[0].metrics for seed in range(20)]
    errors = [m["reconstruction_error"] for m in ends]
    program = [article_program(data.x, seed) for seed in range(20)]
    assert np.mean(program) == pytest.approx(0.168, abs=0.001)
    assert min(program) == pytest.approx(0.145, abs=0.001)
    assert max(program) == pytest.approx(0.191, abs=0.001)
    assert np.mean(errors) == pytest.approx(np.mean(program), abs=0.015)
    likelihoods = [m["log_likelihood"] for m in ends]
    assert max(likelihoods) < -np.log(3) - 1.5  # the exact figure beside it: hardly anything is learned


def article_program(x: np.ndarray, seed: int) -> float:
    """Plain CD-1 in the article's setting (6×4, rate 0.1, weights of 0.01, whole batch): its error at epoch 400."""
    rng = np.random.default_rng(seed)
    w, b, c = 0.01 * rng.normal(size=(6, 4)), np.zeros(6), np.zeros(4)

    def on(a: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-a))

    error = 1.0
    for _ in range(401):
        p = on(x @ w + c)
        q = on((rng.random(p.shape) < p) @ w.T + b)
        v = (rng.random(q.shape) < q) * 1.0
        after = on(v @ w + c)
        w = w + 0.1 * (x.T @ p - v.T @ after) / len(x)
        b, c = b + 0.1 * (x - v).mean(axis=0), c + 0.1 * (p - after).mean(axis=0)
        error = float(((x - q) ** 2).mean())
    return error


def test_the_articles_rows_can_be_learned():
    data, config = dataset("article-six"), FAMILY.presets["The article's six rows, learned"].train
    reached = [trained(data, seed, **config)[-1].metrics["log_likelihood"] for seed in range(3)]
    assert np.median(reached) > -np.log(3) - 0.15


def test_reconstruction_error_falls_while_the_likelihood_falls():
    """Fischer, Igel 2010, on bars and stripes 4×4 by CD-1: from the best of 10,000 epochs to the last, the exact
    likelihood loses over half a nat while the error falls to a half or less (seeds 0 to 4 lose 0.98 to 1.28 nats);
    tempered chains at a falling rate lose nothing like it."""
    data, config = dataset("bars-and-stripes-4x4"), FAMILY.presets["Error falls, likelihood falls"].train
    for seed in range(3):
        snapshots = trained(data, seed, **config)
        exact = np.array([s.metrics["log_likelihood"] for s in snapshots])
        error = np.array([s.metrics["reconstruction_error"] for s in snapshots])
        best = int(exact.argmax())
        assert exact[best] - exact[-1] > 0.5
        assert error[-1] < 0.5 * error[best]
    mended = {
        **config,
        "method": "tempering",
        "schedule": "linear",
        "chains": 100,
        "replicas": 5,
        "epochs": 2000,
    }
    exact = np.array([s.metrics["log_likelihood"] for s in trained(data, 0, **mended)])
    assert exact.max() - exact[-1] < 0.3


def test_centering_learns_inverted_digits_as_well_and_plain_learning_does_not():
    """16 hidden units, held-out exact log-likelihood after 40 epochs, seeds 0 and 1: centered within 0.5 nats of
    itself on inverted digits, plain over 3 nats worse there; and centered no worse than plain on the digits."""
    digits = dataset("digits-binary")
    assert digits.test_x is not None
    values = {
        "hidden": 16,
        "epochs": 40,
        "learning_rate": 0.1,
        "schedule": "constant",
        "start_at_data": False,
    }
    for seed in (0, 1):
        reached = {}
        for centering in (True, False):
            for inverted in (0, 1):
                x, test = np.abs(digits.x - inverted), np.abs(digits.test_x - inverted)
                params = rbm_studies.learned(x, np.random.default_rng(seed), **values, centering=centering)
                reached[centering, inverted] = rbm_studies.mean_log_likelihood(params, test)
        assert abs(reached[True, 0] - reached[True, 1]) < 0.5
        assert reached[False, 1] < reached[False, 0] - 3
        assert reached[True, 0] > reached[False, 0]


# --- Learning to be checked -------------------------------------------------------------------------------------


def test_free_energy_finds_the_digit_that_was_left_out():
    """Held-out noughts against held-out other digits, never having learned a nought: area over 0.85; and when
    noughts are learned, they are not found. The area equals scikit-learn's."""
    from sklearn.metrics import roc_auc_score

    digits = dataset("digits-binary")
    assert digits.test_x is not None
    assert digits.test_labels is not None
    areas = []
    for leave_out in (0, -1):
        params = trained(digits, hidden=64, epochs=60, every=60, learning_rate=0.3, leave_out=leave_out)[
            -1
        ].value
        score, odd = free_energy(params, digits.test_x), digits.test_labels == 0
        alarms, hits, area = roc(score[~odd], score[odd])
        assert area == pytest.approx(roc_auc_score(odd, score), abs=1e-12)
        assert (np.diff(alarms) >= 0).all()
        assert alarms[-1] == hits[-1] == 1
        areas.append(area)
    assert areas[0] > 0.85
    assert areas[1] < 0.6


def test_roc_counts_ties_half():
    alarms, hits, area = roc(np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0]))
    assert area == pytest.approx((0.5 + 0.5 + 0 + 1 + 1 + 0.5) / 6)
    assert (alarms[0], hits[0]) == (0, 0)


def test_overfitting_opens_the_gap_and_weight_decay_narrows_it():
    """60 digits, 64 hidden units: held-out rows end over 5 nats of free energy above learned ones; with all 1,300
    rows the gap is under 1; weight decay narrows the first. It equals the difference of the log-likelihoods."""
    digits = dataset("digits-binary")
    few = replace(digits, x=digits.x[:60], labels=None, names=())
    values = {"hidden": 64, "learning_rate": 0.3, "batch": 20, "every": 1000}
    wide = trained(few, epochs=1000, **values)[-1]
    decayed = trained(few, epochs=1000, weight_decay=0.01, **values)[-1]
    whole = trained(digits, epochs=50, **values)[-1]
    assert wide.metrics["overfitting_gap"] > 5
    assert decayed.metrics["overfitting_gap"] < wide.metrics["overfitting_gap"] - 1
    assert whole.metrics["overfitting_gap"] < 1
    m = whole.metrics
    gap = m["log_likelihood_ais"] - m["held_out_log_likelihood_ais"]
    assert gap == pytest.approx(m["overfitting_gap"], abs=1e-9)


def test_likelihood_metrics_are_what_their_names_say():
    data = dataset("bars-and-stripes-3x3")
    last = trained(data, hidden=6, epochs=40)[-1]
    exact = -float(free_energy(last.value, data.x).mean()) - log_partition(last.value)
    assert last.metrics["log_likelihood"] == pytest.approx(exact, abs=1e-10)
    large = trained(dataset("digits-binary"), hidden=32, epochs=2)[-1].metrics
    assert "log_likelihood_ais" in large
    assert "log_likelihood" not in large


@pytest.mark.parametrize("name", list(FAMILY.presets))
def test_reconstruction_error_never_stands_alone_and_training_can_be_watched(name, registry):
    """Every preset asks for at least 20 snapshots, and each has a likelihood beside the error."""
    spec = runs.resolve(FAMILY.presets[name], registry)
    config = TrainConfig(**spec.train)
    assert runs.length_of(config) >= 20
    short = config.model_copy(update={"epochs": 2, "every": 1})
    data = dataset(spec.dataset)
    for snapshot in rbm.train(data, short, np.random.default_rng(0)):
        names = set(snapshot.metrics)
        assert "reconstruction_error" in names
        assert names & {"log_likelihood", "log_likelihood_ais"}


def test_measuring_does_not_change_what_is_learned():
    data = dataset("bars-and-stripes-2x2")
    often, once = (trained(data, hidden=4, epochs=20, every=e) for e in (1, 20))
    assert (len(often), len(once)) == (20, 1)
    for name, value in once[-1].value.items():
        np.testing.assert_array_equal(value, often[-1].value[name])


def test_snapshots_are_not_edited_and_a_seed_repeats():
    data = dataset("bars-and-stripes-2x2")
    stream = rbm.train(data, TrainConfig(hidden=4, epochs=10, every=1), np.random.default_rng(0))
    first = next(stream)
    copy = {k: v.copy() for k, v in first.value.items()}
    rest = list(stream)
    again = trained(data, hidden=4, epochs=10, every=1)
    for name, value in copy.items():
        np.testing.assert_array_equal(first.value[name], value)
        np.testing.assert_array_equal(rest[-1].value[name], again[-1].value[name])


# --- Presets ----------------------------------------------------------------------------------------------------


def test_the_page_opens_alive_in_three_seconds_of_one_core(registry):
    name = next(iter(FAMILY.presets))
    runs.resolve(FAMILY.presets[name], registry)  # loads the data
    began = time.process_time()
    run = runs.run(FAMILY.presets[name], registry)
    assert time.process_time() - began < 3
    assert run.truth is not None
    assert run.truth.kind == "closed form"


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("Bars and stripes, all but perfect", "good"),
        ("As in the article", "good"),
        ("Two rows of an eight, against the exact answer", "good"),
        ("Error falls, likelihood falls", "bad"),
    ],
)
def test_presets_say_what_they_are_there_to_say(name, status, registry):
    """With the preset's seed and two others, two of three times or more: the verdict doubts a perfect sampler 3 times
    in 100, so twice in three 3 times in 1,000, and these seeds are fixed."""
    preset = FAMILY.presets[name]
    verdicts = [runs.run(replace(preset, seed=preset.seed + k), registry).verdict for k in range(3)]
    assert sum(v is not None and v.status == status for v in verdicts) >= 2
    if name.startswith("Error"):
        assert all(v is not None and "log-likelihood fell too" in v.text for v in verdicts)


# --- Bad input --------------------------------------------------------------------------------------------------


def test_data_that_cannot_be_learned_from_is_named():
    bare = Data(x=np.zeros((0, 4)), space=BinaryGrid(2, 2), name="Empty")
    with pytest.raises(ConfigError, match="at least one row"):
        next(rbm.train(bare, TrainConfig(), np.random.default_rng(0)))
    holes = Data(x=np.array([[0.0, np.nan]]), space=Vectors(2))
    with pytest.raises(ConfigError, match="finite"):
        next(rbm.train(holes, TrainConfig(), np.random.default_rng(0)))


@pytest.mark.parametrize(("labels", "leave_out"), [(None, 3), ([0, 0, 1], 7), ([2, 2, 2], 2)])
def test_a_label_that_cannot_be_left_out_is_named(labels, leave_out):
    data = grid(np.eye(3), 1, 3, labels=labels)
    with pytest.raises(ConfigError) as caught:
        next(rbm.train(data, TrainConfig(leave_out=leave_out), np.random.default_rng(0)))
    assert caught.value.field == "leave_out"


@pytest.mark.parametrize("space", [BinaryGrid(1, 3), Vectors(3)])
@pytest.mark.parametrize("x", [[[1, 0, 1]], [[0, 0, 0]] * 5, [[1, 1, 1]]])
def test_one_row_and_constant_data_are_learned(space, x):
    data = from_arrays(np.array(x, dtype=float), space)
    snapshots = trained(data, hidden=3, epochs=200, every=100)
    assert all(np.isfinite(v).all() for s in snapshots for v in s.value.values())
    stream = rbm.sample(
        snapshots[-1].value, SampleConfig(every=30), np.random.default_rng(0), np.zeros((200, 3))
    )
    states = next(stream).value
    assert np.abs(states.mean(axis=0) - np.array(x[0])).max() < 0.35


def test_real_data_of_any_scale_are_learned_alike():
    """Data × 10⁴ + 10⁶: the same machine in other units, so log p falls by log 10⁴ a coordinate (float32 inside)."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 3))
    here, there = (
        trained(from_arrays(a, Vectors(3)), hidden=4, epochs=20, every=20)[-1].metrics["log_likelihood"]
        for a in (x, 1e4 * x + 1e6)
    )
    assert there == pytest.approx(here - 3 * np.log(1e4), abs=0.05)


def bounds() -> list[dict[str, Any]]:
    from ebm_plugins.config import knobs

    found = []
    for knob in knobs(TrainConfig):
        if knob.kind in ("int", "float") and knob.name not in ("epochs", "every", "leave_out"):
            found += [{knob.name: knob.ge}, {knob.name: knob.le}]
        elif knob.kind == "choice":
            found += [{knob.name: option} for option in knob.options]
        elif knob.kind == "bool":
            found += [{knob.name: True}, {knob.name: False}]
    return found


@pytest.mark.parametrize("values", bounds(), ids=str)
@pytest.mark.parametrize("key", ["bars-and-stripes-2x2", "vectors"])
def test_every_train_knob_at_its_bounds_is_learned_or_diverges_in_plain_sight(key, values):
    rng = np.random.default_rng(0)
    data = dataset(key) if key != "vectors" else from_arrays(rng.normal(size=(20, 3)), Vectors(3))
    method = {"method": "tempering"} if "replicas" in values else {}
    snapshots = trained(data, **{"hidden": 4, "epochs": 3, "every": 1, "chains": 20, **method, **values})
    assert 1 <= len(snapshots) <= 3
