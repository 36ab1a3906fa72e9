"""Metropolis–Hastings: the rule itself, four proposals, what the correction is for, and the scale that moves furthest."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from ebm_plugins import ConfigError, Plane, Target, Vectors, landscapes, noise
from ebm_plugins.families import metropolis_hastings_studies as studies
from ebm_plugins.samplers import metropolis
from ebm_plugins.testing.cells import drawn
from ebm_plugins.testing.kernels import drift, ranks

ALARM = 1e-6  # false alarm of each statistical test here
LOPSIDED = ("independent", "drifting", "widening")
KINDS = ("random-walk", *LOPSIDED)
STATED = {1: 0.44, 2: 0.37, 3: 0.33, 5: 0.28, 10: 0.26, 30: 0.24}


def wells() -> Target:
    params = landscapes.params_of("three-wells", 0.05)
    return Target(
        energy=lambda x: landscapes.energy(params, x),
        gradient=None,
        space=Plane(),
        box=landscapes.box(params),
    )


def exact_wells(n: int, seed: int) -> np.ndarray:
    """Rejection from the confining term's own Gaussian: the wells lower the energy by less than 3.1 anywhere."""
    rng, bare, found = np.random.default_rng(seed), landscapes.params_of("three-wells"), []
    while sum(map(len, found)) < n:
        x = rng.standard_normal((200_000, 2)) / math.sqrt(0.1)
        depth = -landscapes.energy(bare, x)
        found.append(x[rng.random(len(x)) < np.exp(depth - 3.1)])
    return np.concatenate(found)[:n]


def run(target: Target, x: np.ndarray, seed: int, **values) -> list[np.ndarray]:
    config = metropolis.Config(**values)
    return [s.value for s in metropolis.sample(target, config, np.random.default_rng(seed), x)]


# --- The rule -------------------------------------------------------------------------------------------------


def test_a_symmetric_proposal_makes_it_metropolis_draw_for_draw() -> None:
    """Metropolis' rule of 1953 written as a plain loop over particles with the same random numbers."""
    x, target = 2 * np.random.default_rng(1).standard_normal((30, 2)), wells()
    ours = run(target, x, 7, scale=0.8, steps=40)
    (block,) = noise.blocks(np.random.default_rng(7), 30)
    state = x.copy()
    for t in range(40):
        xi, u = block.noise.normal(state), block.noise.uniform(30)
        for i in range(30):
            proposal = state[i] + 0.8 * xi[i]
            delta = float(target.energy(proposal[None])[0] - target.energy(state[i][None])[0])
            if delta <= 0 or u[i] < math.exp(-delta):
                state[i] = proposal
        assert np.allclose(ours[t], state, atol=1e-12)
    assert all(
        (a == b).all() for a, b in zip(ours, run(target, x, 7, scale=0.8, steps=40, correction=False), strict=True)
    )  # fmt: skip


class Given:
    """Stands in for the random numbers of a block."""

    def __init__(self, normals: np.ndarray, uniforms: np.ndarray) -> None:
        self.normals, self.uniforms = normals, uniforms

    def normal(self, x: np.ndarray) -> np.ndarray:
        return self.normals.copy()

    def uniform(self, n: int) -> np.ndarray:
        return self.uniforms


def log_q(kind: str, to: np.ndarray, at: np.ndarray, scale: float) -> np.ndarray:
    """log q(to | at) by SciPy's normal density, from the definitions alone. The box of the wells is ±6."""
    mean, sd = at, np.full(at.shape, scale)
    if kind == "drifting":
        mean = at + np.array([0.5 * scale, 0.0])
    elif kind == "widening":
        sd = np.repeat(scale * np.sqrt(1 + (at**2).mean(axis=1, keepdims=True)), 2, axis=1)
    elif kind == "independent":
        mean, sd = np.zeros_like(at), np.full(at.shape, scale * 3.0)
    return np.asarray(stats.norm.logpdf(to, mean, sd).sum(axis=1))


@pytest.mark.parametrize("kind", KINDS)
def test_acceptance_is_hastings_ratio_with_the_full_proposal_densities(kind: str) -> None:
    """Detailed balance π(x) q(x′|x) α(x, x′) = π(x′) q(x|x′) α(x′, x): the step flips at exactly that α."""
    rng, target, scale = np.random.default_rng(20), wells(), 0.9
    x, xi = rng.normal(0, 2, (300, 2)), rng.standard_normal((300, 2))
    proposal = metropolis.proposal_of(kind, target)
    candidate, log_correction = metropolis.propose(proposal, x, xi, scale)
    back, forth = log_q(kind, x, candidate, scale), log_q(kind, candidate, x, scale)
    assert np.allclose(np.broadcast_to(log_correction, 300), back - forth, atol=1e-10)
    alpha = np.exp(np.minimum(target.energy(x) - target.energy(candidate) + back - forth, 0))
    state = metropolis.State(x, target.energy(x), 0, x, np.zeros(300, dtype=bool))
    under = metropolis.step(target, state, Given(xi, alpha * (1 - 1e-9)), scale, proposal)
    over = metropolis.step(target, state, Given(xi, alpha * (1 + 1e-9)), scale, proposal)
    refused = alpha < 1
    assert 20 < refused.sum() < 300
    assert (under.x == candidate).all()
    assert (over.x[refused] == x[refused]).all()
    assert over.accepted == (~refused).sum()
    assert np.allclose(over.energy, target.energy(over.x))


# --- Invariance, and what happens without the correction ---------------------------------------------------------


EXACT = drawn(lambda n, rng: exact_wells(n, int(rng.integers(2**31))), wells().energy)


def uneven(kind: str, correction: bool) -> bool:
    """Whether Gandy and Scott's (2020) rank test, on |x|², speaks against it. False alarm 1e-6."""
    config = metropolis.Config(proposal=kind, scale=1.2, steps=7, correction=correction)

    def walk(x: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        return [s.value for s in metropolis.sample(wells(), config, rng, x)]

    return bool(ranks(walk, EXACT, [lambda x: (x**2).sum(axis=1)], 20_000).against)


@pytest.mark.parametrize("kind", KINDS)
def test_rank_test(kind: str) -> None:
    """False alarm 1e-6 each."""
    assert not uneven(kind, correction=True)


SCALES = {"random-walk": 1.5, "independent": 1.0, "drifting": 1.0, "widening": 0.7}


def drifts(kind: str, correction: bool) -> bool:
    """Whether exact draws are exact no more after 60 steps. False alarm 1e-6."""
    config = metropolis.Config(proposal=kind, scale=SCALES[kind], steps=60, every=60, correction=correction)
    return bool(
        drift(lambda x, rng: next(metropolis.sample(wells(), config, rng, x)).value, EXACT, 20_000).against
    )


@pytest.mark.parametrize("kind", KINDS)
def test_exact_draws_stay_exact(kind: str) -> None:
    """False alarm 1e-6 a kind."""
    assert not drifts(kind, correction=True)


@pytest.mark.parametrize("kind", LOPSIDED)
def test_without_the_hastings_correction_the_tests_fail(kind: str) -> None:
    """Exact draws do not stay exact for any of them. The rank test sees two of the three; the third differs too
    little within its seven steps."""
    assert drifts(kind, correction=False)
    if kind != "widening":
        assert uneven(kind, correction=False)
    assert metropolis.exactness(metropolis.Config(proposal=kind, correction=False)) == "biased"
    assert metropolis.exactness(metropolis.Config(proposal=kind)) == "asymptotic"


def test_an_uncorrected_drift_ends_on_the_right_and_widening_too_far_in() -> None:
    """Far out an uncorrected widening walk moves fast and is soon gone, so too few are there: 9 standard errors here."""
    x = exact_wells(20_000, 1)
    right = run(wells(), x, 2, proposal="drifting", steps=100, every=100, correction=False)[-1]
    assert right[:, 0].mean() > x[:, 0].mean() + 3
    near = run(wells(), x, 2, proposal="widening", steps=100, every=100, correction=False)[-1]
    kept = run(wells(), x, 2, proposal="widening", steps=100, every=100)[-1]
    exact, uncorrected, corrected = ((y**2).sum(axis=1) for y in (x, near, kept))
    error = math.sqrt(2 * exact.var() / len(x))
    assert uncorrected.mean() < exact.mean() - 5 * error
    assert corrected.mean() == pytest.approx(exact.mean(), abs=5 * error)


# --- The scale ---------------------------------------------------------------------------------------------------


def by_quadrature(dim: int, scale: float) -> tuple[float, float]:
    """Acceptance and squared jump of the random walk on N(0, I), integrated over the length r of the noise by SciPy."""

    r = np.linspace(0, math.sqrt(dim) + 12, 4001)
    weight, alpha = stats.chi.pdf(r, dim), 2 * stats.norm.cdf(-scale * r / 2)
    return (
        float(integrate.simpson(weight * alpha, x=r)),
        scale**2 * float(integrate.simpson(weight * r * r * alpha, x=r)),
    )


@pytest.mark.parametrize("dim", list(STATED))
def test_acceptance_at_the_best_expected_squared_jump(dim: int) -> None:
    """0.439, 0.351, 0.315, 0.284, 0.259, 0.242, all at 2.4/√d: measured with 200,000 exact draws a scale, and by a
    one-dimensional integral. At the stated 0.44, 0.37, 0.33, 0.28, 0.26, 0.24 the jump is within 1 % of the best.

    A step accepts N·α ± √(Nα(1 − α)): 5.5 standard errors, false alarm 4e-8 each.
    """
    draws, rng = 200_000, np.random.default_rng(dim)
    ladder = np.geomspace(2.0, 2.9, 40) / math.sqrt(dim)
    curve = np.array([by_quadrature(dim, s) for s in ladder])
    best = int(np.argmax(curve[:, 1]))
    assert ladder[best] * math.sqrt(dim) == pytest.approx(2.4, abs=0.05)
    exact = {1: 0.439, 2: 0.351, 3: 0.315, 5: 0.284, 10: 0.259, 30: 0.242}
    assert curve[best, 0] == pytest.approx(exact[dim], abs=0.004)
    order = np.argsort(curve[:, 0])
    assert np.interp(STATED[dim], curve[order, 0], curve[order, 1]) > 0.99 * curve[best, 1]
    rate, jump = studies.one_step(dim, float(ladder[best]), draws, rng)
    alpha = curve[best, 0]
    assert rate == pytest.approx(alpha, abs=5.5 * math.sqrt(alpha * (1 - alpha) / draws))
    # a squared jump has a variance under 3 squared means for these scales
    assert jump == pytest.approx(curve[best, 1], rel=5.5 * math.sqrt(6 / draws))


def test_the_closed_form_of_the_study_is_that_integral() -> None:
    for dim, scale in ((1, 2.4), (2, 0.3), (5, 1.07), (30, 0.44), (30, 2.0)):
        assert studies.in_closed_form(dim, scale) == pytest.approx(by_quadrature(dim, scale), rel=1e-5)


def test_warm_up_reaches_the_acceptance_it_aims_at_and_then_freezes() -> None:
    """From a scale far too large and far too small. 4,000 chains over 50 correlated steps: well under 0.02."""
    x = exact_wells(4000, 40)
    for scale in (40.0, 0.01):
        for aim in (0.25, 0.37, 0.7):
            config = metropolis.Config(scale=scale, steps=400, every=50, warmup=200, target_acceptance=aim)
            found = [s.metrics for s in metropolis.sample(wells(), config, np.random.default_rng(41), x)]
            assert found[-1]["acceptance"] == pytest.approx(aim, abs=0.02)
            assert len({m["scale"] for m in found[3:]}) == 1


def test_a_larger_scale_is_refused_more_often_and_a_hotter_target_less() -> None:
    x = exact_wells(3000, 42)

    def rate(**values) -> float:
        (found,) = metropolis.sample(
            wells(), metropolis.Config(steps=20, every=20, **values), np.random.default_rng(1), x
        )
        return found.metrics["acceptance"]

    rates = [rate(scale=s) for s in (0.01, 0.3, 3.0, 30.0)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 0.98
    assert rates[-1] < 0.05


def test_independent_proposals_centre_on_the_box_and_refuse_a_warm_up() -> None:
    flat = Target(
        energy=lambda x: np.zeros(len(x)), gradient=None, space=Plane(), box=np.array([[0.0, -4], [8, 0]])
    )
    # of a flat energy every proposal is kept after enough tries; what is proposed is what the box says
    proposal = metropolis.proposal_of("independent", flat)
    xi = np.random.default_rng(0).standard_normal((50_000, 2))
    candidate, _ = metropolis.propose(proposal, np.zeros_like(xi), xi, 1.0)
    assert candidate.mean(axis=0) == pytest.approx([4.0, -2.0], abs=0.05)
    assert candidate.std(axis=0) == pytest.approx([2.0, 1.0], rel=0.02)
    with pytest.raises(ConfigError) as error:
        run(flat, np.zeros((1, 2)), 0, proposal="independent", warmup=5)
    assert error.value.field == "warmup"


def test_replay_is_the_run_itself() -> None:
    """States after the last steps and what was proposed: they fit together, over two tiles and a warm-up as well."""
    for n in (60, 5000):
        x = exact_wells(n, 5)
        values = {"scale": 2.0, "steps": 30, "warmup": 10}
        states = run(wells(), x, 3, **values)
        again = metropolis.replay(
            wells(), metropolis.Config(**values, every=7), np.random.default_rng(3), x, 12
        )
        assert len(again) == 12
        shown = min(n, noise.TILE)
        for t, (state, proposed, taken) in enumerate(again, start=18):
            assert (state == states[t][:shown]).all()
            assert (state[taken] == proposed[taken]).all()
            assert (state[~taken] == states[t - 1][:shown][~taken]).all()


def test_a_proposal_that_overflows_is_refused() -> None:
    quartic = Target(energy=lambda x: (x**4).sum(axis=1), gradient=None, space=Vectors(1))
    start = np.full((5, 1), 1e80)
    assert (run(quartic, start, 0, scale=50.0, steps=5)[-1] == start).all()


def test_what_was_proposed_comes_with_each_snapshot_and_stays_where_it_was_refused() -> None:
    """Of every chain and step: the state is what was offered, or what it was before. Their count is the acceptance."""
    target, before = wells(), np.random.default_rng(0).standard_normal((2500, 2))
    for snapshot in metropolis.sample(target, metropolis.Config(steps=5), np.random.default_rng(1), before):
        assert snapshot.proposed is not None
        taken = (snapshot.value == snapshot.proposed).all(axis=1)
        np.testing.assert_array_equal(snapshot.value[~taken], before[~taken])
        assert snapshot.metrics["acceptance"] == pytest.approx(taken.mean())
        assert 0.05 < taken.mean() < 0.95
        before = snapshot.value
