"""The Hopfield family: what is stored, how it is recalled, what its options change, and what it says of a run."""

from dataclasses import replace
from functools import cache
from itertools import islice

import numpy as np
import pytest

from ebm_plugins import ConfigError, registry, runs, starts
from ebm_plugins.config import knobs
from ebm_plugins.datasets import inline_key
from ebm_plugins.families.hopfield import FAMILY, SampleConfig, TrainConfig, exactness, sample, train
from ebm_plugins.families.hopfield_text import explain, pattern_names
from ebm_plugins.memories import RULES, energy, memorise
from ebm_plugins.palette import CATEGORIES_LIGHT, LIGHT
from ebm_plugins.recall import moving_cells, settle
from ebm_plugins.records import Data
from ebm_plugins.spaces import BinaryGrid
from ebm_plugins.specs import RunSpec


def coins(count, cells, seed=0):
    return np.random.default_rng(seed).integers(0, 2, (count, cells)) * 2.0 - 1.0


def data_of(xi, rows=1):
    return Data(x=(np.asarray(xi) + 1) / 2, space=BinaryGrid(rows, np.shape(xi)[1] // rows), name="test")


def learned(xi, **options):
    return list(train(data_of(xi), TrainConfig(**options), np.random.default_rng(0)))


@cache
def found():
    return registry.load(builtins=["ebm_plugins.datasets", "ebm_plugins.families.hopfield"], discover=False)


@cache
def run_of(name, seed=None):
    spec = FAMILY.example if name == "example" else FAMILY.presets[name]
    return runs.run(spec if seed is None else replace(spec, seed=seed), found())


# --- Training -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
def test_training_ends_in_the_same_params_as_storing_at_once(rule):
    xi = coins(5, 24)
    snapshots = learned(xi, rule=rule, order=4, sharpness=0.5, threshold=0.1)
    wanted = memorise(rule, xi, order=4, sharpness=0.5, threshold=0.1)
    last = snapshots[-1].value
    assert last.keys() == wanted.keys()
    for name in wanted:
        np.testing.assert_allclose(last[name], wanted[name], atol=1e-13)
    assert len(snapshots) == (5 if rule in ("hebb", "storkey") else 1)
    for count, snapshot in enumerate(snapshots if len(snapshots) > 1 else [], start=1):
        np.testing.assert_allclose(
            snapshot.value["weights"], memorise(rule, xi[:count])["weights"], atol=1e-13
        )


def test_training_metrics_say_load_stability_and_how_many_patterns_rest():
    xi = coins(12, 30)
    for snapshot in learned(xi, rule="hebb", count=12):
        params = snapshot.value
        s, count = params["patterns"], len(params["patterns"])
        aligned = s * (s @ params["weights"])
        assert snapshot.metrics["load"] == count / 30
        assert snapshot.metrics["stability"] == pytest.approx(aligned.min(), abs=1e-12)
        assert snapshot.metrics["resting"] == (moving_cells(params, (s + 1) / 2) == 0).sum()


def test_large_weights_are_kept_less_often():
    kept = learned(coins(40, 1024), rule="hebb", count=40)
    assert len(kept) == 3
    assert len(kept[-1].value["patterns"]) == 40


def test_rows_and_count_choose_what_is_stored():
    xi = coins(20, 16)
    np.testing.assert_array_equal(learned(xi, patterns=(3, 7))[-1].value["patterns"], xi[[3, 7]])
    np.testing.assert_array_equal(learned(xi, count=4)[-1].value["patterns"], xi[:4])
    np.testing.assert_array_equal(learned(xi, count=400)[-1].value["patterns"], xi)


@pytest.mark.parametrize(
    ("data", "config", "field", "words"),
    [
        (Data(x=np.zeros((0, 64)), space=BinaryGrid(8, 8), name="Empty 8×8 grid"), {}, "patterns", "bare space"),
        (data_of(coins(3, 9)), {"patterns": (0, 3)}, "patterns", "from 0 to 2"),
        (Data(x=np.full((2, 4), np.nan), space=BinaryGrid(2, 2)), {}, "patterns", "0 or 1"),
        (Data(x=np.full((2, 4), 0.5), space=BinaryGrid(2, 2)), {}, "patterns", "0 or 1"),
        (Data(x=np.ones((1, 1)), space=BinaryGrid(1, 1)), {}, "patterns", "two cells"),
        (Data(x=np.ones((1, 4097)), space=BinaryGrid(1, 4097)), {"rule": "storkey"}, "rule", "4,096 cells"),
    ],
)  # fmt: skip
def test_what_cannot_be_stored_is_said_at_the_control_that_mends_it(data, config, field, words):
    with pytest.raises(ConfigError) as caught:
        next(train(data, TrainConfig(**config), np.random.default_rng(0)))
    assert caught.value.field == field
    assert words in str(caught.value)


def test_a_huge_grid_is_held_by_a_dense_rule():
    xi = coins(2, 5000)
    params = learned(xi, rule="dense-exponential")[-1].value
    assert (moving_cells(params, (xi + 1) / 2) == 0).all()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("xi", [np.ones((4, 9)), -np.ones((1, 9)), np.tile(coins(1, 9), (3, 1))])
def test_constant_and_repeated_patterns_are_memories_like_others(rule, xi):
    params = learned(xi, rule=rule)[-1].value
    assert (moving_cells(params, (xi + 1) / 2) == 0).all()
    assert all(np.isfinite(v).all() for v in params.values())


@pytest.mark.parametrize("model", [TrainConfig, SampleConfig])
def test_every_option_works_at_its_bounds(model):
    for knob in knobs(model):
        assert knob.help
        values = knob.options or [v for v in (knob.ge, knob.le) if v is not None]
        assert values or knob.kind == "rows"
        for value in values:
            value = int(value) if knob.kind == "int" else value
            config = model(**{knob.name: value})
            trained = config if model is TrainConfig else TrainConfig()
            sampled = config if model is SampleConfig else SampleConfig()
            if knob.name in ("order", "sharpness"):
                rule = "dense-polynomial" if knob.name == "order" else "dense-exponential"
                trained = TrainConfig(rule=rule, **{knob.name: value})
            if knob.name == "temperature":
                sampled = SampleConfig(update="stochastic", temperature=value)
            params = list(train(data_of(coins(3, 9)), trained, np.random.default_rng(0)))[-1].value
            x = (coins(5, 9, seed=1) + 1) / 2
            for snapshot in islice(sample(params, sampled, np.random.default_rng(0), x), 3):
                assert ((snapshot.value == 0) | (snapshot.value == 1)).all()
                assert np.isfinite(energy(params, snapshot.value)).all()


# --- Options: each changes the result in the known direction ---------------------------------------------------


def test_more_thorough_rules_hold_more_patterns():
    """Resting patterns of 30 random ones in 64 cells: Hebb < Storkey < pseudo-inverse = all; a polynomial of
    degree 2 is Hebb, of degree 4 holds all, as the exponential does."""
    xi = coins(30, 64)
    rests = {
        (rule, order): int((moving_cells(memorise(rule, xi, order=order), (xi + 1) / 2) == 0).sum())
        for rule, order in [(r, 2) for r in RULES] + [("dense-polynomial", 3), ("dense-polynomial", 4)]
    }
    assert (
        rests["hebb", 2]
        == rests["dense-polynomial", 2]
        < rests["storkey", 2]
        < rests["pseudo-inverse", 2]
        == 30
    )
    assert rests["dense-polynomial", 2] < rests["dense-polynomial", 3] <= rests["dense-polynomial", 4] == 30
    assert rests["dense-exponential", 2] == 30


@pytest.mark.parametrize("rule", RULES)
def test_a_threshold_switches_cells_off(rule):
    xi, x = coins(3, 40), (coins(60, 40, seed=1) + 1) / 2
    share = [
        settle(memorise(rule, xi, sharpness=0.1, threshold=t), x, np.random.default_rng(0)).mean()
        for t in (-4.0, -0.3, 0.3, 4.0)
    ]
    assert share[0] >= share[1] > share[2] >= share[3]
    assert share[0] == 1
    assert share[3] == 0


def test_a_higher_temperature_gives_a_higher_energy_and_less_overlap():
    params, x = memorise("hebb", coins(2, 36)), (coins(200, 36, seed=1) + 1) / 2
    seen = []
    for temperature in (0.1, 0.6, 2.0, 20.0):
        config = SampleConfig(update="stochastic", temperature=temperature)
        *_, last = islice(sample(params, config, np.random.default_rng(0), x), 30)
        seen.append((last.metrics["energy"], -last.metrics["overlap"]))
    assert seen == sorted(seen)


def test_pace_and_every_change_what_is_seen_and_not_where_it_ends():
    params, x = memorise("storkey", coins(4, 49)), (coins(30, 49, seed=1) + 1) / 2
    ends, lengths = [], []
    for pace, every in (("flip", 1), ("flip", 5), ("sweep", 1)):
        shots = list(sample(params, SampleConfig(pace=pace, every=every), np.random.default_rng(3), x))
        ends.append(shots[-1].value)
        lengths.append(len(shots))
        before = x
        for shot in shots:
            changed = (shot.value != before).sum(axis=1)
            assert shot.metrics["flips"] >= changed.mean() - 1e-12
            assert pace == "sweep" or changed.max() <= every
            before = shot.value
    np.testing.assert_array_equal(ends[0], ends[1])
    np.testing.assert_array_equal(ends[0], ends[2])
    assert lengths[1] == -(-lengths[0] // 5)
    assert lengths[2] < lengths[0]


def test_synchronous_updates_alternate_where_asynchronous_ones_rest():
    params, x = memorise("hebb", np.array([[1.0, 1.0, -1.0, -1.0]])), np.array([[1.0, 0, 1, 0]])
    both = [
        s.value
        for s in islice(sample(params, SampleConfig(update="synchronous"), np.random.default_rng(0), x), 6)
    ]
    assert (both[0] != both[1]).any()
    np.testing.assert_array_equal(both[1], both[3])
    *_, last = sample(params, SampleConfig(), np.random.default_rng(0), x)
    assert moving_cells(params, last.value)[0] == 0


def test_exactness_follows_the_update():
    kinds = [exactness(SampleConfig(update=u)) for u in ("asynchronous", "synchronous", "stochastic")]
    assert kinds == ["descent", "biased", "asymptotic"]


@pytest.mark.parametrize("update", ["asynchronous", "synchronous", "stochastic"])
@pytest.mark.parametrize("pace", ["flip", "sweep"])
def test_sampling_respects_clamps_seeds_and_the_states_it_was_given(update, pace):
    params, x = memorise("hebb", coins(3, 20)), (coins(9, 20, seed=1) + 1) / 2
    free = np.arange(20) >= 8
    config, kept = SampleConfig(update=update, pace=pace), x.copy()
    first = list(islice(sample(params, config, np.random.default_rng(5), x, free=free), 8))
    copies = [s.value.copy() for s in first]
    again = list(islice(sample(params, config, np.random.default_rng(5), x, free=free), 8))
    assert (x == kept).all()
    for one, two, copy in zip(first, again, copies, strict=True):
        np.testing.assert_array_equal(one.value, two.value)
        np.testing.assert_array_equal(one.value, copy)
        assert (one.value[:, :8] == x[:, :8]).all()


def test_a_start_at_rest_yields_one_snapshot():
    xi = coins(2, 20)
    for update in ("asynchronous", "synchronous"):
        shots = list(
            sample(
                memorise("pseudo-inverse", xi),
                SampleConfig(update=update),
                np.random.default_rng(0),
                (xi + 1) / 2,
            )
        )
        assert len(shots) == 1
        assert shots[0].metrics["flips"] == 0


# --- Presets and runs -----------------------------------------------------------------------------------------


def test_the_first_preset_recalls_flip_by_flip():
    """19 wrong cells at the start, none at the end, 19 flips, the energy falling at each."""
    run = run_of("Three patterns, mended")
    assert (run.sampling.frames[0] != run.data.x[0]).sum() == 19
    assert (run.sampling.last == run.data.x[0]).all()
    assert len(run.sampling.frames) == 20
    assert (np.diff(run.sampling.energies[:, 0]) < 0).all()
    assert run.sampling.energies[-1, 0] == pytest.approx(
        -30.5
    )  # ½(64 − 3): three patterns span three dimensions
    assert explain(run) == ""
    assert pattern_names(run) == ["Bar", "Line", "Diagonal"]


def test_the_articles_preset_has_its_setting_and_says_why_it_fails():
    run = run_of("As in the article")
    np.testing.assert_array_equal(run.params["patterns"], 2 * run.data.x - 1)
    overlaps = run.params["patterns"] @ run.params["patterns"].T
    assert [overlaps[0, 1], overlaps[0, 2], overlaps[1, 2]] == [32, 32, 36]
    assert (run.sampling.frames[0] != run.data.x[0]).sum() == 19
    np.testing.assert_array_equal(moving_cells(run.params, run.data.x), [9, 7, 7])
    assert (run.sampling.last != run.data.x[0]).sum() == 9
    assert "‘Bar’ is not a resting state (9 of its cells move)" in explain(run)
    assert "Pseudo-inverse" in explain(run)


def test_half_a_pattern_is_completed_from_the_other_half():
    run = run_of("Half is given")
    assert (run.sampling.frames[0, 0].reshape(8, 8)[:4] == run.data.x[0].reshape(8, 8)[:4]).all()
    assert (run.sampling.last == run.data.x[0]).all()


def test_digits_are_recalled_within_and_beyond_hebbs_capacity():
    ten = run_of("Digits as memories")
    assert sorted(ten.data.labels[list(ten.configs.train.patterns)]) == list(range(10))
    assert (ten.sampling.last == ten.data.x[3]).all()
    many = run_of("A hundred digits in 64 cells")
    assert (many.sampling.last == many.data.x[:6]).all(axis=1).sum() >= 5
    hebb = runs.run(replace(many.spec, train={"rule": "hebb", "count": 100}), found())
    assert not (hebb.sampling.last == hebb.data.x[:6]).all(axis=1).any()


def test_the_two_cycle_preset_alternates():
    frames = run_of("All cells at once: a 2-cycle").sampling.frames
    assert (frames[-1] != frames[-2]).any()
    np.testing.assert_array_equal(frames[-1], frames[-3])


@pytest.mark.parametrize("name", ["Warm: Glauber against the exact answer", "example"])
def test_warm_runs_agree_with_their_exact_answer(name):
    """Total variation under the most that exact draws reach: the bound of its mean plus McDiarmid's term,
    false-alarm rate 1e-6."""
    run = run_of(name)
    cells, n = run.space.dim, len(run.sampling.last)
    x = ((np.arange(2**cells)[:, None] >> np.arange(cells)) & 1).astype(float)
    weight = np.exp(-run.target.energy(x))
    p = weight / weight.sum()
    seen = np.bincount((run.sampling.last @ 2.0 ** np.arange(cells)).astype(int), minlength=len(p)) / n
    distance = 0.5 * np.abs(seen - p).sum()
    assert distance < 0.5 * np.sqrt(p * (1 - p) / n).sum() + np.sqrt(np.log(1e6) / (2 * n))
    assert run.truth.total_variation(run.sampling.last) <= distance + 1e-9  # its cells may be coarser


def test_the_seed_changes_the_run_and_the_same_seed_repeats_it():
    one, other = run_of("Three patterns, mended"), run_of("Three patterns, mended", seed=5)
    again = runs.run(one.spec, found())
    assert (one.sampling.frames[0] != other.sampling.frames[0]).any()
    np.testing.assert_array_equal(one.sampling.frames, again.sampling.frames)


def test_explain_names_what_to_change():
    def ended(**train_options):
        spec = RunSpec(family="hopfield", dataset="article-patterns", train=train_options,
                       start=starts.Corrupted(rows=(1,), amount=0.1))  # fmt: skip
        return explain(runs.run(spec, found()))

    assert ended(rule="storkey") == ""
    assert "a threshold of 0" in ended(rule="pseudo-inverse", threshold=2.0)
    assert "a larger sharpness" in ended(rule="dense-exponential", sharpness=0.01)
    assert "not stored" in ended(patterns=(0, 2))
    full = RunSpec(family="hopfield", dataset=inline_key(np.eye(4), BinaryGrid(2, 2)))
    assert "nothing is corrected" in explain(runs.run(full, found()))


def colours(figure):
    import re

    return set(re.findall(r"#[0-9A-Fa-f]{6}", figure.to_json()))


@pytest.mark.parametrize("title", list(FAMILY.figures))
@pytest.mark.parametrize("name", [*FAMILY.presets, "example"])
def test_every_figure_is_drawn_for_every_preset_in_colours_that_can_turn_dark(name, title):
    figure = FAMILY.figures[title](run_of(name))
    assert figure.data
    assert colours(figure) <= {*LIGHT.values(), *CATEGORIES_LIGHT}
    assert not figure.layout.showlegend


@pytest.mark.parametrize("title", list(FAMILY.figures))
def test_figures_are_drawn_when_another_sampler_made_the_run(title):
    run = run_of("Three patterns, mended")
    other = replace(run, configs=replace(run.configs, sample=object()))
    assert FAMILY.figures[title](other).data


def test_resting_states_are_shown_for_every_rule():
    table = FAMILY.figures["Is each stored pattern a resting state?"](run_of("As in the article")).data[0]
    columns = dict(zip(table.header.values, table.cells.values, strict=True))
    assert list(columns["Pattern"]) == ["Bar", "Line", "Diagonal"]
    assert list(columns["Hebb"]) == ["✗ 9 cells move", "✗ 7 cells move", "✗ 7 cells move"]
    assert list(columns["Storkey"]) == list(columns["Pseudo-inverse"]) == ["✓ rests"] * 3
