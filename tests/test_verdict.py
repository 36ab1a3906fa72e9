"""The verdict: its false-alarm rate, its words, and that no run is too odd for it."""

from __future__ import annotations

import dataclasses
import re
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binom

from ebm_plugins import diagnostics, exact, minima, starts
from ebm_plugins.records import Configs, Data, Run, Sampling, Target, Training
from ebm_plugins.spaces import BinaryGrid, Plane, Vectors
from ebm_plugins.specs import RunSpec
from ebm_plugins.verdict import Verdict, _worst, compare, judge, pooled, too_large
from ebm_plugins.wording import told_apart

CENTRES = np.array([(-2.0, -1.0), (2.0, 1.0), (0.0, 3.0)])


def three_wells(confinement):
    def energy(x):
        squares = ((x[:, None, :] - CENTRES) ** 2).sum(axis=-1)
        return confinement * (x**2).sum(axis=1) - np.exp(-squares / (2 * np.array([0.8, 1.0, 0.7]) ** 2)) @ [
            3,
            2,
            2.5,
        ]

    return energy


WELLS = Target(energy=three_wells(0.05), gradient=None, space=Plane())
TRUTH = exact.truth_of(WELLS)


def made(states, target=WELLS, truth=TRUTH, *, space=None, data=None, start=None, traces=None, **changes):
    """A run that ended in these states (n, dim), with traces that follow the first chains (default: independent)."""
    states = np.asarray(states, dtype=float)
    space = space or target.space
    n, dim = states.shape
    if traces is None:
        traces = np.stack([states[:64], states[:64]])
    energies = np.array([np.asarray(target.energy(t)) for t in traces]).reshape(len(traces), -1)
    report = changes.pop("report", None) or diagnostics.report(traces, energies, {})
    fields = {"diverged": changes.pop("diverged", None)}
    sampling = Sampling(
        frames=traces[[0, -1]], steps=np.array([0, len(traces) - 1]), last=states, metrics={}, traces=traces,
        energies=energies, **fields,
    )  # fmt: skip
    nothing = Data(x=np.empty((0, dim)), space=space)
    return Run(
        spec=RunSpec(family="test", start=start or starts.Noise(n)), data=data or nothing, params={}, target=target,
        configs=Configs(train=None, sample=SimpleNamespace(every=changes.pop("every", 1))),
        training=Training(frames=({},), steps=np.array([0]), metrics={}), sampling=sampling, space=space,
        truth=truth, report=report, **changes,
    )  # fmt: skip


def bowl():
    target = Target(energy=lambda x: 0.5 * (x**2).sum(axis=1), gradient=None, space=Plane())
    return target, exact.truth_of(target)


@pytest.mark.parametrize(
    ("target", "truth", "least", "most", "unknown"),
    [(WELLS, TRUTH, 0.015, 0.0301, 0.0034), (*bowl(), 0.025, 0.0343, 0.0035)],
    ids=["wells", "no wells"],
)
def test_a_perfect_sampler_is_doubted_about_three_times_in_a_hundred(target, truth, least, most, unknown):
    """Total variation, mean energy and the wells are missed by chance with probabilities 0.015, 0.0051 and 0.01, without
    wells the first two with 0.025 and 0.0093: together between the largest and their sum. Over 1,000 sets of 300 exact
    draws the count must lie in the central 1 − 1e-6 of the binomials with those rates (widened by three times what 2,000
    replicates leave unknown of the floor, 0.0027 or 0.0035, and 20,000 of the wells, 0.0007)."""
    rng = np.random.default_rng(11)
    run = made(np.zeros((300, 2)), target, truth)
    doubted = 0
    for _ in range(1000):
        last = truth.draw(300, rng)
        doubted += not compare(
            dataclasses.replace(run, sampling=dataclasses.replace(run.sampling, last=last))
        ).close
    low, high = least - 3 * unknown, most + 3 * unknown
    assert binom.ppf(5e-7, 1000, low) <= doubted <= binom.ppf(1 - 5e-7, 1000, high)


def test_wells_in_wrong_shares_are_doubted_where_nothing_else_is():
    """Exact draws within each well, in shares that exact draws have 7 times in 1,000: total variation and energy pass."""
    rng = np.random.default_rng(12)
    pool = TRUTH.draw(3000, rng)
    well = minima.nearest(pool, TRUTH.well_centres)
    states = np.concatenate([pool[well == i][:n] for i, n in enumerate((124, 84, 92))])
    run = made(states[rng.permutation(300)])
    found = compare(run)
    assert found.total_variation < found.floor[2]
    assert abs(found.errors) < 2.6
    assert found.wells == pytest.approx(9.8, abs=0.3)
    assert found.wells > found.most_wells
    verdict = judge(run)
    assert (verdict.status, verdict.head) == ("warn", "Not quite as close as 300 draws can be.")
    assert verdict.text.startswith("The top well holds 31\u202f% of the particles instead of 23\u202f%.")


def test_the_limit_of_the_wells_is_that_of_chi_square():
    """The 99 % quantile of χ² of two degrees of freedom, −2 log 0.01; its standard error of 20,000 draws is 0.14, and
    whole counts add as much."""
    assert TRUTH.off_wells(np.array([0.4, 0.3, 0.3]), 300)[1] == pytest.approx(-2 * np.log(0.01), abs=0.7)
    assert np.isnan(bowl()[1].off_wells(np.empty(0), 300)).all()


@pytest.mark.parametrize("n", [12, 40, 300])
@pytest.mark.parametrize("share", [0.5, 0.2, 0.01])
def test_the_chance_of_the_wells_promises_no_more_than_it_keeps(share, n):
    """Exact: of two wells, by every count that n draws can have. Counts of a chance under c come at most that often,
    and it is at most four times too careful (two tails, two wells) where counts are fine enough to come near."""
    truth = dataclasses.replace(TRUTH, well_centres=CENTRES[:2], well_shares=np.array([share, 1 - share]))
    counts = np.arange(n + 1)
    chances = np.array([truth.chance_of_wells(np.array([k, n - k]) / n, n) for k in counts])
    weights = binom.pmf(counts, n, share)
    assert chances.max() == 1
    for least in (0.3, 1e-2, 1e-4, 1e-6):
        assert weights[chances < least].sum() <= least
    assert chances[0] == pytest.approx(min(1.0, 4 * min(weights[0], 1.0)))
    assert np.isnan(bowl()[1].chance_of_wells(np.empty(0), n))


def in_shares(*counts):
    """Exact draws within each well, this many of them."""
    pool = TRUTH.draw(3000, np.random.default_rng(12))
    well = minima.nearest(pool, TRUTH.well_centres)
    states = np.concatenate([pool[well == i][:n] for i, n in enumerate(counts)])
    return states[np.random.default_rng(14).permutation(len(states))]


def test_a_miss_of_the_wells_that_luck_does_not_explain_is_not_put_down_to_it():
    """A well of 23 % with 40 % of 300: exact draws do that once in 10¹⁰ times, though total variation and energy may pass."""
    states = in_shares(104, 77, 119)
    found = compare(made(states))
    assert found.total_variation < 1.5 * found.floor[2]
    assert abs(found.errors) < 5
    assert found.chance < 1e-8
    assert found.gross
    verdict = judge(made(states, traces=stuck(states)))
    assert (verdict.status, verdict.head) == ("bad", "Has not mixed.")
    assert "seed" not in verdict.text


def test_a_small_miss_of_the_wells_is_luck_only_where_the_start_is_forgotten():
    """Shares that exact draws have 7 times in 1,000: luck may be the reason of independent draws, but chains that keep to
    their wells hold the shares that they began with."""
    states = in_shares(124, 84, 92)
    rng = np.random.default_rng(15)
    well = minima.nearest(states, TRUTH.well_centres)
    keeping = np.array([[rng.choice(np.flatnonzero(well == w)) for w in well] for _ in range(40)])
    traces = np.concatenate([states[keeping], states[None]])
    keeps, free = made(states, traces=traces), made(states)
    assert not compare(keeps).gross
    assert judge(keeps).head == "Has not mixed."
    assert judge(free).head == "Not quite as close as 300 draws can be."


def test_exact_draws_are_as_close_as_draws_can_be():
    verdict = judge(made(TRUTH.draw(300, np.random.default_rng(0))))
    assert verdict.status == "good"
    assert verdict.head == "As close as 300 draws can be."
    assert re.fullmatch(
        "The crowd fills the wells .*\u202f%.*; exactly it is 44\u202f%, 33\u202f%, 23\u202f%\\.",
        judge(made(TRUTH.draw(300, np.random.default_rng(0)))).text,
    )


def test_chains_that_stay_in_their_wells_are_named_even_where_the_crowd_is_right():
    states = TRUTH.draw(300, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    traces = states[None, :64] + 0.05 * rng.standard_normal((100, 64, 2))
    verdict = judge(made(states, traces=traces))
    assert verdict.status == "good"
    assert "a single particle seldom leaves its well" in verdict.text


def stuck(states, draws=40):
    """Chains that stay where these states (n, 2) are, but for a little: traces (draws, ≤ 64, 2)."""
    rng = np.random.default_rng(13)
    return states[None, :64] + 0.05 * rng.standard_normal((draws, min(64, len(states)), 2))


def test_a_missed_well_is_named_first():
    rng = np.random.default_rng(2)
    states = TRUTH.draw(3000, rng)
    right = states[:, 0] > 0.9
    keep = np.concatenate([states[~right], states[right][: len(states[right]) // 5]])[:1500]
    keep = keep[rng.permutation(len(keep))][:300]
    verdict = judge(made(keep, traces=stuck(keep)))
    assert verdict.status == "bad"
    assert verdict.head == "Has not mixed."
    assert verdict.text.startswith("The right well holds ")
    assert "instead of 33\u202f%." in verdict.text


def wide(n=3000, seed=3):
    """Draws of a normal 1.2 times too wide, for the standard normal: as a biased sampler leaves them."""
    target = Target(energy=lambda x: 0.5 * (x**2).sum(axis=1), gradient=None, space=Plane())
    return target, exact.truth_of(target), 1.2 * np.random.default_rng(seed).standard_normal((n, 2))


def agreeing(chains=64, draws=200):
    return np.random.default_rng(4).standard_normal((draws, chains, 2))


def test_bias_is_told_from_not_mixing():
    target, truth, states = wide()
    biased = judge(made(states, target, truth, traces=agreeing(), exactness="biased"))
    assert (biased.status, biased.head) == ("warn", "Biased.")
    assert "The mean energy is 1.4" in biased.text
    assert "instead of 1.00" in biased.text
    unfaithful = judge(made(states, target, truth, traces=agreeing()))
    assert unfaithful.head == "Mixed, but not to the exact answer."
    apart = agreeing() + np.linspace(-3, 3, 64)[None, :, None]
    assert judge(made(states, target, truth, traces=apart)).head == "Has not mixed."


def test_a_way_down_that_ends_elsewhere_is_wrong_and_not_too_short():
    """The frames of a ladder are not draws of one density: chains that differ along it say nothing about mixing."""
    target, truth, states = wide()
    apart = agreeing() + np.linspace(-3, 3, 64)[None, :, None]
    ladder = made(states, target, truth, traces=apart, exactness="biased", stationary=False)
    verdict = judge(ladder)
    assert (verdict.status, verdict.head) == ("warn", "Biased.")
    assert "Come down more slowly" in verdict.text
    assert "R-hat" not in verdict.text
    short = dataclasses.replace(ladder, sampling=dataclasses.replace(ladder.sampling, finished=False))
    assert judge(short).head == "Not at its end yet."
    few = dataclasses.replace(ladder, sampling=dataclasses.replace(ladder.sampling, last=states[:20]))
    assert pooled(few)[1] == 20, "each chain's end is a draw, however many there are"


def test_a_start_out_of_reach_is_named_and_not_the_sampler():
    far = made(np.full((300, 2), 1e30), diverged=1)
    text = judge(far, "Try η ≤ 0.2.").text
    assert "It began 1.0 × 10³⁰ away from the origin" in text
    assert "η" not in text


def test_a_small_miss_is_not_called_wrong():
    """Means 3 standard errors high, which is beyond 2.6 and under 5. There are no wells."""
    target, truth, _ = wide()
    rng = np.random.default_rng(5)
    states = truth.draw(300, rng)
    scale = np.sqrt((1 + 3 / np.sqrt(300)) / (0.5 * (states**2).sum(axis=1)).mean())
    verdict = judge(made(scale * states, target, truth))
    assert verdict.status == "warn"
    assert verdict.head == "Not quite as close as 300 draws can be."
    assert "3 times in 100" in verdict.text


def test_numbers_that_differ_are_seen_to_differ():
    """0.1230 against 0.1221: with two decimals a doubt would rest on a tie."""
    assert told_apart(0.1230, 0.1221) == ("0.123", "0.122")
    assert told_apart(0.3, 0.12) == ("0.30", "0.12")
    assert told_apart(1.0, 1.0) == ("1.00", "1.00")
    target, truth, _ = wide()
    run = made(truth.draw(300, np.random.default_rng(16)), target, truth)
    found = compare(run)
    for less in (2e-2, 2e-3, 2e-4, 2e-5):
        words = _worst(run, found._replace(most_variation=found.total_variation - less, errors=0.0))
        variation, most = (float(one) for one in re.findall(r"\d+\.\d+", words))
        assert variation > most, words


def test_no_confinement_no_exact_answer():
    target = Target(energy=three_wells(0.0), gradient=None, space=Plane())
    verdict = judge(made(np.zeros((300, 2)), target, exact.truth_of(target)), "Set Confinement above 0.")
    assert verdict.status == "warn"
    assert verdict.head == "There is no exact answer here."
    assert (
        verdict.text == "exp(−E) never falls below 1, so its integral is infinite. Set Confinement above 0."
    )


def test_a_grid_too_large_to_list_says_so():
    target = Target(energy=lambda x: x.sum(axis=1), gradient=None, space=BinaryGrid(8, 8))
    truth = exact.truth_of(target)
    verdict = judge(made(np.zeros((100, 64)), target, truth))
    assert verdict.status == "info"
    assert "64 cells have 1.8 × 10¹⁹ states" in verdict.text
    known = exact.truth_of(target, log_partition=12.34567)
    verdict = judge(made(np.zeros((100, 64)), target, known))
    assert verdict.head == "Only log Z is known here."
    assert "12.3457" in verdict.text


def test_divergence_names_the_step_and_what_is_shown():
    verdict = judge(made(np.zeros((300, 2)), diverged=23), "Try η ≤ 0.2.")
    assert verdict == Verdict("bad", "Diverged at step 23.", "The last good step, 22, is shown. Try η ≤ 0.2.")
    assert judge(made(np.zeros((300, 2)), diverged=23, every=10)).head == "Diverged by step 230."
    assert "The start is shown." in judge(made(np.zeros((300, 2)), diverged=1)).text
    assert judge(made(np.zeros((300, 2)), diverged=0)).status == "bad"


def test_one_chain_is_judged_by_what_its_second_half_is_worth():
    target, truth, _ = wide()
    rng = np.random.default_rng(6)
    good = judge(made(np.zeros((1, 2)), target, truth, traces=rng.standard_normal((2001, 1, 2))))
    assert good.status == "good"
    draws = int(re.search(r"As close as (\d+) draws", good.head)[1])
    assert 500 < draws <= 1000
    slow = np.cumsum(0.02 * rng.standard_normal((400, 1, 2)), axis=0)
    assert judge(made(np.zeros((1, 2)), target, truth, traces=slow)).head == "Too early to tell."


BAR, LINE = (np.eye(16)[0:4].sum(axis=0), np.eye(16)[8:12].sum(axis=0))
PATTERNS = Data(x=np.array([BAR, LINE]), space=BinaryGrid(4, 4), names=("Bar", "Line"))
SINK = Target(energy=lambda x: -x @ (2 * BAR - 1), gradient=None, space=BinaryGrid(4, 4))


EVEN = Target(energy=lambda x: 0.0 * x[:, 0], gradient=None, space=BinaryGrid(4, 4))


def recall(ends, begins, energies=None, target=None, **changes):
    ends, begins = np.atleast_2d(ends), np.atleast_2d(begins)
    start = starts.Corrupted(rows=(0,), copies=len(ends))
    run = made(
        ends,
        target or EVEN,
        None,
        data=PATTERNS,
        start=start,
        traces=np.stack([begins, ends, ends]),
        exactness="descent",
        **changes,
    )
    return (
        run
        if energies is None
        else dataclasses.replace(run, sampling=dataclasses.replace(run.sampling, energies=energies))
    )


def damaged(*cells):
    x = BAR.copy()
    x[list(cells)] = 1 - x[list(cells)]
    return x


def test_recall_is_counted_cell_for_cell():
    down = np.array([[0.0], [-3.0], [-3.0]])
    verdict = judge(recall(BAR, damaged(0, 1, 5), down))
    assert verdict == Verdict(
        "good", "Recalled, cell for cell.",
        "3 wrong cells at the start, none at the end, after 3 flips. The energy never rose.",
    )  # fmt: skip
    up = np.array([[0.0], [1.0], [-3.0]])
    assert "The energy rose in one step." in judge(recall(BAR, damaged(0), up)).text


def test_a_drawing_that_ends_in_no_stored_row_is_held_beside_the_one_it_was_meant_to_be():
    """Half of a pattern is erased: the held cells say which one it was, though the end is nearer to none."""
    free = np.zeros(len(BAR), dtype=bool)
    free[len(BAR) // 2 :] = True
    start = starts.Drawn(states=starts.pack(BAR[None], EVEN.space), free=tuple(bool(b) for b in free))
    end = damaged(len(BAR) - 1, len(BAR) - 2)
    run = dataclasses.replace(
        recall(end, damaged(len(BAR) - 1), free=free),
        spec=dataclasses.replace(recall(end, end).spec, start=start),
    )
    verdict = judge(run)
    assert (verdict.status, verdict.head) == ("info", "Came to rest.")
    assert verdict.text.startswith(
        "2 cells differ from ‘Bar’, which the held cells fit best; at the start 1 did. Erase fewer cells"
    )
    drawn = dataclasses.replace(run, free=None)
    assert "which it began nearest to" in judge(drawn).text
    assert "Spoil fewer cells" in judge(drawn).text


def test_no_recall_says_where_it_ended():
    verdict = judge(recall(LINE, damaged(0)), "Try Pseudo-inverse.")
    assert (verdict.status, verdict.head) == ("bad", "Not recalled.")
    assert (
        verdict.text
        == "One wrong cell at the start, 8 at the end. It came to rest in ‘Line’ instead. Try Pseudo-inverse."
    )
    assert "the negative of ‘Bar’" in judge(recall(1 - BAR, damaged(0))).text
    assert "never stored" in judge(recall(damaged(9), damaged(0), target=EVEN)).text
    assert (
        "Under this rule ‘Bar’ is not a resting state."
        in judge(recall(damaged(9), damaged(0)), resting=False).text
    )


def test_rest_is_read_from_the_energy_not_from_the_last_step():
    """A rule that ends with its last flip has moved in the last step, and rests."""
    run = recall(damaged(9), damaged(0), target=SINK)
    assert "not at rest yet" in judge(run).text, "cell 9 can still be put right"
    assert "Under this rule" not in judge(run).text, "Bar does rest under this energy"
    moved = dataclasses.replace(
        run,
        sampling=dataclasses.replace(
            run.sampling, traces=np.stack([damaged(0), BAR])[:, None], last=BAR[None]
        ),
    )
    noise = dataclasses.replace(moved, spec=dataclasses.replace(moved.spec, start=starts.Noise(1)))
    assert judge(noise).head == "Came to rest."
    uphill = Target(energy=lambda x: x @ (2 * BAR - 1), gradient=None, space=BinaryGrid(4, 4))
    assert "‘Bar’ is not a resting state" in judge(dataclasses.replace(run, target=uphill)).text


def test_a_two_cycle_is_seen():
    states = np.stack([BAR, 1 - BAR] * 10)[:, None]
    run = made(states[-1], SINK, exact.truth_of(SINK), traces=states, exactness="biased")
    assert judge(run).head == "Caught in a 2-cycle."
    fair = np.random.default_rng(8).integers(0, 2, (40, 1, 16)).astype(float)
    assert judge(made(fair[-1], SINK, exact.truth_of(SINK), traces=fair)).head != "Caught in a 2-cycle."


def test_many_probes_are_counted():
    ends, begins = np.array([BAR, BAR, LINE, BAR]), np.tile(damaged(0, 1), (4, 1))
    assert judge(recall(ends, begins)).head == "Recalled 3 of 4 times, cell for cell."
    assert judge(recall(ends[:2], begins[:2])).head == "Recalled, cell for cell, all 2 times."
    assert judge(recall(ends[2:3].repeat(2, axis=0), begins[:2])).text.startswith("None of 2 came back.")


def test_too_large_names_both_numbers():
    assert too_large(4.0e9, 2.0e8).text.startswith(
        "This asks for 4.0 × 10⁹ state updates; the limit is 2.0 × 10⁸."
    )


@pytest.mark.parametrize("dim", [1, 2, 9, 64])
@pytest.mark.parametrize("discrete", [True, False])
def test_no_run_is_too_odd(dim, discrete):
    rng = np.random.default_rng(7)
    space = BinaryGrid(1, dim) if discrete else Plane() if dim == 2 else Vectors(dim)
    data = Data(x=space.noise(2, rng), space=space)
    bowl, broken, flat = (
        (lambda x: 0.5 * (x**2).sum(axis=1)),
        (lambda x: np.full(len(x), np.nan)),
        (lambda x: 0.0 * x[:, 0]),
    )
    for energy, n, steps in product((bowl, broken, flat), (0, 1, 49, 60), (0, 1, 9)):
        target = Target(energy=energy, gradient=None, space=space)
        traces = np.array([space.noise(n, rng) for _ in range(steps + 1)])
        first = made(space.noise(n, rng), target, exact.truth_of(target), traces=traces, data=data)
        for exactness, diverged in product(("exact", "asymptotic", "biased", "descent"), (None, 0, 1)):
            for start in (starts.Noise(max(n, 1)), starts.Corrupted(rows=(0,), copies=max(n, 1)), None):
                sampling = dataclasses.replace(first.sampling, diverged=diverged)
                spec = dataclasses.replace(first.spec, start=start)
                verdict = judge(dataclasses.replace(first, sampling=sampling, spec=spec, exactness=exactness))
                assert verdict.status in ("good", "warn", "bad", "info")
                assert verdict.head.endswith(".")
                assert not re.search(r"\b(nan|inf)\b", f"{verdict.head} {verdict.text}", re.IGNORECASE)
