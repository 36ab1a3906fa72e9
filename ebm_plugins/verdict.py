"""One rule for what is said of a run, in the lab and in Compare.

A run is 'as close as n draws can be' only when each thing that can be held against the truth is where n exact draws
come to: its total variation under the 97.5 % quantile *and* its mean energy within 2.6 standard errors, missed by chance
2.5 and 0.9 times in 100. Where the energy has wells their shares are a third thing, and the chance of a miss is split anew:
total variation under the 98.5 % quantile, mean energy within 2.8 standard errors, and Pearson's statistic of the shares under
its 99 % quantile, missed 1.5, 0.5 and 1 times in 100. Either way a perfect sampler is doubted about 3 times in 100.
The last states of different chains are independent draws; where there are fewer than 50, the second half of the run is
pooled and counts for its effective draws.

Bad luck is offered as the reason only for a miss that luck explains. It explains none beyond half as far again as the
floor, five standard errors, or shares of the wells that exact draws have less than once in a million times; and no miss of the
shares while the crowd is on its way, or its chains keep to where they are: then it is the start that is still seen.
A run that is far off is called biased only where more of it would change nothing (:mod:`ebm_plugins.settling`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ebm_plugins import moments, recalled, settling
from ebm_plugins.records import Array, Run
from ebm_plugins.wording import count, join, number, percent, plural, power, ratio, told_apart

MOST_ERRORS, MOST_ERRORS_BESIDE_WELLS = 2.6, 2.8  # standard errors of the mean energy
GROSS_ERRORS, GROSS_VARIATION = 5.0, 1.5  # beyond these, chance is no explanation
GROSS_CHANCE = 1e-6  # nor of shares of the wells that exact draws have more seldom than this
FEW = settling.CROWD  # states under which a run's second half is pooled
LEAST = 12  # effective draws under which nothing can be said
SHORT = 20  # steps under which a run that is far off is not called anything, unless it has settled
SEPARATE = settling.AGREE
MOST_STUCK = 0.02  # of the chains that may have stood still since the start before that is named as the cause
STEEP = 3.0  # times as steep as where the others began: that is why they stand
FARTHEST = 1e6  # a start beyond this is to blame for what diverges, whatever the step
MOST_POOLED = 20_000
PERFECT = "A perfect sampler is doubted about 3 times in 100."
RULE = f"The verdict holds this, the mean energy and the shares of the wells, if any, to where exact draws come to. {PERFECT}"


@dataclass(frozen=True)
class Verdict:
    """A sentence or two on a run. ``status`` is good, warn, bad or info; ``head`` is bold, ``text`` follows it."""

    status: str
    head: str
    text: str = ""


class Comparison(NamedTuple):
    """States held against the truth: the draws they are worth, total variation and the floor's quantiles, mean
    energy (units of E) and how many standard errors it is off, both NaN without energies, the wells' shares, how
    far off they are and the chance of it, NaN without wells; and the most that each of the three may be."""

    draws: int
    total_variation: float
    floor: tuple[float, float, float]
    energy: float
    errors: float
    shares: Array
    wells: float
    chance: float
    most_variation: float
    most_errors: float
    most_wells: float

    @property
    def close(self) -> bool:
        """The one rule."""
        return not (
            self.total_variation > self.most_variation
            or abs(self.errors) > self.most_errors
            or self.wells > self.most_wells
        )

    @property
    def gross(self) -> bool:
        """Whether it is off by more than bad luck explains."""
        return (
            self.total_variation > GROSS_VARIATION * self.floor[2]
            or abs(self.errors) > GROSS_ERRORS
            or self.chance < GROSS_CHANCE
        )


def judge(run: Run, explain: str = "", *, resting: bool | None = None) -> Verdict:
    """What to say of a run. ``explain`` is the family's own sentence, said last; ``resting`` is whether the stored
    rows rest under the rule, where that is known. Works for odd runs too: one state, no step, diverged at once."""
    sampling = run.sampling
    if sampling.diverged is not None:
        return _diverged(run, explain)
    if not len(sampling.last):
        return Verdict(
            "info", "Nothing has been sampled yet.", join("Add at least one state to start from.", explain)
        )
    if len(sampling.traces) <= 1 and len(sampling.steps) <= 1:
        return Verdict("info", "This is the start.", join("No step has been taken yet. Run some.", explain))
    if run.exactness == "descent":
        return Verdict(*recalled.words(run, explain, resting))
    if run.space.discrete and _goes_round(sampling.traces):
        text = "Every state comes back after two steps and never rests. Change one cell at a time."
        return Verdict("warn", "Caught in a 2-cycle.", join(explain or text))
    truth = run.truth
    if truth is None:
        return Verdict("info", "The exact answer was not looked for.", join(_mixing(run), explain))
    if truth.kind == "none":
        status = "info" if run.space.discrete or truth.dim > 2 or not truth.dim else "warn"
        return Verdict(status, "There is no exact answer here.", join(truth.reason, explain, _mixing(run)))
    if not truth.comparable:
        return _only_log_partition(run, explain)
    compared = compare(run)
    if compared is None:
        text = "The run is not yet worth a dozen independent draws. Run more steps, or start more states."
        return Verdict("warn", "Too early to tell.", join(text, _mixing(run), explain))
    return _compared(run, compared, explain)


def compare(run: Run) -> Comparison | None:
    """The run's states held against its truth; None without probabilities or with under a dozen draws' worth."""
    truth = run.truth
    if truth is None or not truth.comparable:
        return None
    states, draws = pooled(run)
    if draws < LEAST:
        return None
    variation = truth.total_variation(states, draws)
    energy, errors = float("nan"), float("nan")
    with np.errstate(all="ignore"):
        energies = np.asarray(run.target.energy(states), dtype=float) * run.target.temperature
    if np.isfinite(energies).all() and np.isfinite(truth.mean_energy) and np.isfinite(truth.energy_sd):
        energy = float(energies.mean())
        spread = max(truth.energy_sd, 1e-9 * max(1.0, abs(truth.mean_energy)))
        errors = (energy - truth.mean_energy) / (spread / np.sqrt(draws))
    shares, floor = truth.shares(states), truth.floor(draws)
    wells, most_wells = truth.off_wells(shares, draws)
    parted = np.isfinite(wells)
    return Comparison(
        draws, variation, floor, energy, float(errors), shares, wells, truth.chance_of_wells(shares, draws),
        most_variation=truth.seldom(draws) if parted else floor[2],
        most_errors=MOST_ERRORS_BESIDE_WELLS if parted else MOST_ERRORS, most_wells=most_wells,
    )  # fmt: skip


def pooled(run: Run) -> tuple[Array, int]:
    """The states (m, free dim) to judge by, and how many independent draws they are worth: the last ones, or for
    fewer than 50 the second half of the run with its effective number of draws (the last ones all the same where no
    other frame is a draw of this density)."""
    last = np.asarray(run.sampling.last, dtype=float)
    free = run.free
    if len(last) >= FEW or not run.stationary:
        return (last if free is None else last[:, free]), len(last)
    traces = np.asarray(run.sampling.traces, dtype=float)
    states = traces[(len(traces) + 1) // 2 :].reshape(-1, traces.shape[-1])
    states = states[:: max(1, -(-len(states) // MOST_POOLED))]
    ess = run.report.ess if run.report is not None else float("nan")
    draws = int(min(ess, len(states))) if np.isfinite(ess) else 0
    return (states if free is None else states[:, free]), draws


def too_large(asked: float, limit: float) -> Verdict:
    """What is said of a run that is refused before it starts: state updates asked for, and the limit."""
    text = f"This asks for {number(asked, 0)} state updates; the limit is {number(limit, 0)}."
    return Verdict("bad", "Too large to run here.", f"{text} Ask for fewer steps or particles.")


def _goes_round(traces: Array) -> bool:
    """Whether all chains have flipped between the same two states for the last twelve snapshots (chance would: one
    coin in 1,000)."""
    tail = np.asarray(traces)[-12:]
    if len(tail) < 12 or not tail.size:
        return False
    return bool((tail[2:] == tail[:-2]).all() and (tail[1] != tail[0]).any(axis=-1).all())


def _diverged(run: Run, explain: str) -> Verdict:
    every = int(getattr(run.configs.sample, "every", 1) or 1)
    step = int(run.sampling.diverged or 0)
    if step <= 1:
        shown = "The start is shown." if step == 1 else "The start itself has no finite energy."
    else:
        shown = f"The last good step, {count(moments.reached(run.configs.sample, step - 1))}, is shown."
    stepped = hasattr(run.configs.sample, "step_size")
    begun = float(np.abs(np.asarray(run.sampling.frames[0], dtype=float)).max(initial=0.0))
    if begun > FARTHEST:
        cause = f"It began {power(begun)} away from the origin, where no step is small enough. Rescale the data, or begin elsewhere."
        explain = ""
    elif explain:
        cause = ""
    elif step == 1 and not stepped:
        cause = "The first states that the sampler returned, or their energy, are not finite numbers. That is a fault in one of the two."
    else:
        cause = join(
            "The states or their energy left the range of numbers.", "Try a smaller step." if stepped else ""
        )
    by = "at" if every == 1 else "by"
    return Verdict(
        "bad",
        f"Diverged {by} step {count(moments.reached(run.configs.sample, step))}.",
        join(cause, shown, explain),
    )


def _mixing(run: Run) -> str:
    """What the chains alone say; of chains that are clamped to different values, those that are clamped alike."""
    report = run.report
    if report is None or np.isnan(report.rhat) or (np.isnan(report.ess) and not np.isinf(report.rhat)):
        return ""
    who = "The chains"
    last = np.asarray(run.sampling.last)
    if run.free is not None and (last != last[:1])[:, ~run.free].any():
        many = f"The {count(report.chains)} chains that are clamped as the first one is"
        who = many if report.chains > 1 else "The two halves of the first chain"
    if report.rhat > SEPARATE:
        return f"{who} do not agree with each other yet (R-hat {ratio(report.rhat)})."
    return f"{who} agree (R-hat {ratio(report.rhat)}), worth {count(report.ess)} independent draws."


def _only_log_partition(run: Run, explain: str) -> Verdict:
    truth = run.truth
    assert truth is not None
    if truth.kind == "bracket":
        value = f"log Z lies between {number(truth.lower, 2)} and {number(truth.upper, 2)}, by estimate."
    else:
        value = f"log Z is {number(truth.log_partition, 4)}, exactly."
    apart = run.report is not None and run.report.rhat > SEPARATE
    states = "There are too many states to list, so only the chains themselves can be judged."
    head = "Has not mixed." if apart else "Only log Z is known here."
    return Verdict("warn" if apart else "info", head, join(_mixing(run), value, states, explain))


def _compared(run: Run, found: Comparison, explain: str) -> Verdict:
    if found.close:
        text = join(_whole(run, found), _seldom(run), explain)
        return Verdict("good", f"As close as {count(found.draws)} draws can be.", text)
    thing, state = _worst(run, found), settling.state(run)
    stuck = _stuck(run, explain)
    if stuck:
        rest = "The others have not mixed either: run more steps." if _others_off(run) else ""
        return Verdict("bad", "Has not mixed.", join(thing, stuck, rest))
    settled, biased = state == "settled", run.exactness == "biased"
    begun = found.wells > found.most_wells and state in ("moving", "apart")  # the start is still seen
    if not found.gross and not begun:
        more = f"{PERFECT} {'Run on, or change' if run.stationary else 'Change'} the seed{', ' if run.stationary else ' '}to tell."
        if biased and settled:
            more = f"This method is biased{_more_steps(run)}. " + more
        head = f"Not quite as close as {count(found.draws)} draws can be."
        return Verdict("warn", head, join(thing, more, explain))
    if biased and settled and not run.stationary:
        more = "The shares are settled on the way down, and the way was not one to this density. Come down more slowly, or go on from here by an exact method."
        return Verdict("warn", "Biased.", join(thing, explain or more))
    if not run.stationary and not run.sampling.finished:
        return Verdict(
            "warn", "Not at its end yet.", join(thing, "It was stopped on the way down. Let it go on.")
        )
    if biased and settled:
        more = "This method is not exact, and more steps do not take that away. Take smaller ones, or an exact method."
        return Verdict("warn", "Biased.", join(thing, explain or more))
    rhat = run.report.rhat if run.report is not None else float("nan")
    if settled and (rhat <= 1.01 or run.exactness == "exact"):
        more = "The chains agree with each other, so either all of them miss the same part, or this is not the right target."
        return Verdict("bad", "Mixed, but not to the exact answer.", join(thing, more, explain))
    steps = _steps(run)
    if steps < SHORT or (biased and state == "unknown"):
        more = f"After {plural(steps, 'step')} that may still be where it started. Run more of them."
        return Verdict("warn", "Too early to tell.", join(thing, more))
    return Verdict("bad", "Has not mixed.", join(thing, explain or "Run more steps, or take larger ones."))


def _stuck(run: Run, explain: str) -> str:
    """Which chains have stood still since the start, and what would let them go; empty where hardly any have."""
    still = settling.standing(run)
    if still.sum() <= MOST_STUCK * len(still):
        return ""
    who = "particles" if run.truth is not None and run.truth.dim == 2 else "chains"
    many = f"{percent(float(still.mean()))} of the {who} have never moved: every proposal from where they began is refused."
    if not _overshoots(run, still):
        return join(many, explain or "Take smaller steps, or begin elsewhere.")
    return join(
        many, "They began far out, where a step down the steep slope goes too far. More steps do not help them, and a",
        "step small enough would hardly move the rest. Begin further in, or let Metropolis, which takes no slope, bring them in.",
    )  # fmt: skip


def _others_off(run: Run) -> bool:
    """Whether the states that do move are far off by themselves."""
    still = settling.standing(run)
    sampling = replace(run.sampling, last=run.sampling.last[: len(still)][~still])
    if run.truth is None or len(sampling.last) < FEW:
        return False
    found = compare(replace(run, sampling=sampling))
    return found is not None and found.gross


def _overshoots(run: Run, still: Array) -> bool:
    """Whether a step along the gradient is what fails: the chains that stand began where it is steeper than elsewhere."""
    if run.target.gradient is None or not hasattr(run.configs.sample, "step_size") or still.mean() > 0.95:
        return False
    begun = np.asarray(run.sampling.frames[0], dtype=float)
    with np.errstate(all="ignore"):
        slope = np.linalg.norm(run.target.gradient(begun if run.free is None else begun[:, run.free]), axis=1)
    return bool(np.median(slope[still]) > STEEP * np.median(slope[~still]))


def _more_steps(run: Run) -> str:
    return ", and more steps do not take that away" if run.stationary else ""


def _steps(run: Run) -> int:
    """How many steps each chain has taken."""
    return moments.reached(run.configs.sample, len(run.sampling.traces) - 1)


def _whole(run: Run, found: Comparison) -> str:
    """Sampled beside exact, in one or two sentences."""
    truth = run.truth
    assert truth is not None
    if len(found.shares):
        sampled = ", ".join(percent(s) for s in found.shares)
        exact = ", ".join(percent(w.share) for w in truth.wells)
        return f"The crowd fills the wells {sampled}; exactly it is {exact}."
    low, _, high = found.floor
    parts = [
        f"Total variation is {number(found.total_variation)}; exact draws come to between {number(low)} and {number(high)}."
    ]
    if np.isfinite(found.energy):
        parts.append(f"The mean energy is {number(found.energy)}; exactly it is {number(truth.mean_energy)}.")
    return join(*parts)


def _seldom(run: Run) -> str:
    report = run.report
    if report is None or not report.rhat > SEPARATE:
        return ""
    if run.truth is not None and run.truth.wells:
        start = "But a single particle seldom leaves its well"
    else:
        start = "But a single chain stays among few of the states for long"
    return f"{start}, so averages along one path are not to be trusted yet."


def _worst(run: Run, found: Comparison) -> str:
    """The thing that is most off, named."""
    truth = run.truth
    assert truth is not None
    wells = truth.wells
    if wells and len(found.shares) == len(wells):
        exact = np.array([w.share for w in wells])
        off = (found.shares - exact) / np.sqrt(np.maximum(exact * (1 - exact), 1e-9) / found.draws)
        worst = int(np.argmax(np.abs(off)))
        if abs(off[worst]) > MOST_ERRORS or found.wells > found.most_wells:
            name, share = wells[worst].name.lower(), percent(found.shares[worst])
            return f"The {name} well holds {share} of the particles instead of {percent(exact[worst])}."
    if abs(found.errors) > found.most_errors:
        off_by = number(abs(found.errors), 1) if abs(found.errors) < 1000 else "over 1000"
        energy, exact_energy = told_apart(found.energy, truth.mean_energy)
        return f"The mean energy is {energy} instead of {exact_energy}, {off_by} standard errors off."
    variation, most = told_apart(found.total_variation, found.most_variation)
    return f"Total variation is {variation}, where {count(found.draws)} exact draws seldom pass {most}."


__all__ = ["Comparison", "Verdict", "compare", "judge", "pooled", "too_large"]
