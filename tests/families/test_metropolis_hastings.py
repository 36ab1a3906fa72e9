"""The Metropolis–Hastings family: every landscape against its truth, learning, presets, figures, studies, bad input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ebm_plugins import ConfigError, Data, Plane, RunSpec, landscapes, link, starts
from ebm_plugins.families import metropolis_hastings as family
from ebm_plugins.families import metropolis_hastings_figures as figures
from ebm_plugins.families import metropolis_hastings_studies as studies
from ebm_plugins.families import metropolis_hastings_text
from ebm_plugins.registry import load
from ebm_plugins.runs import resolve, run
from ebm_plugins.studies import study
from ebm_plugins.verdict import compare

FAMILY = family.FAMILY
# four places inside all boxes: far out MALA's proposals overshoot, and it would stand still
INSIDE = starts.pack(np.array([[-1.5, 0], [1.5, 0], [0, 2.0], [0, -1.0]]), Plane())


@pytest.fixture(scope="module")
def registry():
    return load(discover=False)


def on(landscape: str, sampler: str = "metropolis", start=None, seed: int = 3, **sample) -> RunSpec:
    return RunSpec(
        family="metropolis-hastings", dataset="plane", sampler=sampler,
        train={"landscape": landscape, "confinement": 0.05 if landscape == "three-wells" else 0.0},
        sample=sample, start=start or starts.Noise(n=10_000), seed=seed,
    )  # fmt: skip


# --- Every landscape against its truth -------------------------------------------------------------------------------

FROM_NOISE = starts.Noise(n=10_000)  # the page's own start
FROM_INSIDE = starts.Drawn(states=INSIDE, copies=2500)

MIXES = [
    ("metropolis", "three-wells", 1.5, 600, FROM_NOISE),
    ("metropolis", "double-well", 1.5, 600, FROM_NOISE),
    ("metropolis", "banana", 1.5, 1000, FROM_NOISE),
    ("metropolis", "funnel", 1.0, 1500, FROM_NOISE),
    ("metropolis", "ring", 1.5, 600, FROM_NOISE),
    ("metropolis", "muller-brown", 1.2, 2500, FROM_NOISE),
    ("metropolis", "himmelblau", 3.0, 600, FROM_NOISE),
    ("mala", "three-wells", 0.5, 400, FROM_NOISE),
    ("mala", "ring", 0.1, 800, FROM_NOISE),
    ("mala", "muller-brown", 0.1, 1800, FROM_NOISE),
    ("mala", "double-well", 0.15, 600, FROM_INSIDE),
    ("mala", "funnel", 0.3, 1000, FROM_INSIDE),
    ("mala", "himmelblau", 0.15, 1000, FROM_INSIDE),
    ("mala", "banana", 0.02, 6000, FROM_INSIDE),
]


@pytest.mark.parametrize(("sampler", "landscape", "size", "steps", "start"), MIXES)
def test_the_last_frame_is_as_close_as_exact_draws(
    registry, sampler: str, landscape: str, size: float, steps: int, start: starts.Start
) -> None:
    """10,000 independent chains on 20 × 20 cells: total variation within 1.5 times the floor's 97.5 % quantile.

    That is over five standard deviations of what exact draws score (checked here): false alarm under 1e-6. Each begins
    as a link can say: anywhere, or where MALA from anywhere stands still (below) at four places inside, drawn.
    """
    values = {
        "scale" if sampler == "metropolis" else "step_size": size,
        "steps": steps,
        "every": min(steps // 2, 1000),
    }
    asked = resolve(on(landscape, sampler, start, **values), registry)
    assert link.parse(link.write(asked, registry), registry) == (asked, [])
    found = compare(run(asked, registry))
    assert found is not None
    assert found.draws == 10_000
    _, middle, high = found.floor
    assert 1.5 * high - middle > 5 * (high - middle) / 1.96
    assert found.total_variation < 1.5 * high


@pytest.mark.parametrize(
    ("sampler", "landscape", "values"),
    [
        ("metropolis", "muller-brown", {"scale": 0.8, "steps": 1000, "temperature": 0.3}),
        ("mala", "muller-brown", {"step_size": 0.05, "steps": 500, "temperature": 0.3}),
        ("metropolis", "himmelblau", {"scale": 1.0, "steps": 300}),
        ("metropolis", "funnel", {"scale": 0.1, "steps": 300}),
        ("mala", "funnel", {"step_size": 0.3, "steps": 1000}),
        ("mala", "banana", {"step_size": 0.02, "steps": 1000}),
        ("mala", "double-well", {"step_size": 0.15, "steps": 600}),
        ("mala", "himmelblau", {"step_size": 0.15, "steps": 1000}),
    ],
)
def test_where_they_do_not_mix_the_page_says_so(registry, sampler: str, landscape: str, values: dict) -> None:
    """Müller–Brown at a low temperature; the funnel with short steps; MALA from anywhere with the very steps that do
    from inside, where it stands still far out, and the verdict says that this is why."""
    made = run(on(landscape, sampler, **values, every=values["steps"] // 4), registry)
    assert made.verdict is not None
    assert (made.verdict.status, made.verdict.head) == ("bad", "Has not mixed.")
    assert "instead of" in made.verdict.text
    assert ("have never moved" in made.verdict.text) == (sampler == "mala")
    if (
        "temperature" in values and sampler == "mala"
    ) or landscape == "banana":  # which takes 6,000 steps, not 1,000
        assert "The others have not mixed either" in made.verdict.text
    elif landscape == "double-well":
        assert "The others" not in made.verdict.text


# --- Learning --------------------------------------------------------------------------------------------------------


def learned(registry, data: str = "two-moons", **train) -> tuple[dict, dict]:
    config = family.TrainConfig(**{"landscape": "learned", "confinement": 0.2, "epochs": 60, **train})
    *_, last = family.train(registry.datasets[data].load(), config, np.random.default_rng(0))
    return last.value, dict(last.metrics)


def test_wells_learned_by_metropolis_raise_the_exact_log_likelihood(registry) -> None:
    """By a plain grid sum: from the first epoch to the last, on the rows it learned from and on those held out."""
    data = registry.datasets["two-moons"].load()
    config = family.TrainConfig(landscape="learned", confinement=0.2, epochs=120)
    snapshots = list(family.train(data, config, np.random.default_rng(0)))
    assert len(snapshots) == 120
    axis = np.linspace(-8, 8, 801)
    grid = np.stack([a.ravel() for a in np.meshgrid(axis, axis)], axis=1)

    def log_likelihood(params, x) -> float:
        z = np.exp(-family.energy(params, grid)).sum() * (axis[1] - axis[0]) ** 2
        return float(-family.energy(params, x).mean() - np.log(z))

    for rows, name in ((data.x, "log-likelihood"), (data.test_x, "held-out log-likelihood")):
        first, last = (log_likelihood(snapshots[i].value, rows) for i in (0, -1))
        assert last == pytest.approx(snapshots[-1].metrics[name], abs=1e-3)
        assert last > first + 0.3


def test_chains_that_cannot_move_teach_nothing_about_z(registry) -> None:
    """One tiny proposal an epoch leaves the chains at the data, where both means agree: far less is learned."""
    _, stuck = learned(registry, proposals=1, proposal_scale=0.001)
    _, moving = learned(registry)
    assert moving["held-out log-likelihood"] > stuck["held-out log-likelihood"] + 0.2
    _, few = learned(registry, wells=1)
    assert moving["held-out log-likelihood"] > few["held-out log-likelihood"] + 0.2


@pytest.mark.parametrize(
    ("x", "field", "words"),
    [
        (np.empty((0, 2)), "landscape", "no data"),
        (np.array([[1.0, 2.0]]), "landscape", "constant data"),
        (np.full((9, 2), 3.0), "landscape", "constant data"),
        (np.array([[1.0, np.nan], [0, 1]]), "landscape", "1 rows with NaN"),
        (np.array([[1.0, 1e30], [0, 1]]), "landscape", r"a coordinate of 1e\+30"),
    ],
)
def test_data_that_wells_cannot_be_fitted_to_are_named(x: np.ndarray, field: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        next(family.train(Data(x=x, space=Plane()), family.TrainConfig(landscape="learned"), np.random.default_rng(0)))  # fmt: skip
    assert error.value.field == field


def test_a_given_landscape_learns_nothing_and_needs_no_data() -> None:
    config = family.TrainConfig(landscape="ring", confinement=0.1)
    (only,) = family.train(Data(x=np.empty((0, 2)), space=Plane()), config, np.random.default_rng(0))
    assert landscapes.landscape_of(only.value).key == "ring"
    assert only.value["confinement"] == [0.1]
    assert not FAMILY.needs_data(config)
    assert FAMILY.needs_data(family.TrainConfig(landscape="learned"))


# --- Presets ---------------------------------------------------------------------------------------------------------

SAID = {
    "Three wells, confined": "good",
    "As in the article": "warn",
    "Too timid": "bad",
    "Too bold": "bad",
    "The scale tunes itself": "good",
    "A lopsided proposal": "good",
    "Lopsided, and not corrected": "warn",
    "Guess anywhere": "good",
    "Two wells, one start": "bad",
    "Two wells, with hot copies": "good",
    "Müller–Brown, cold": "bad",
    "Müller–Brown, cooled to its deepest basin": "info",
    "Funnel": "good",
    "Wells learned from two moons": "good",
}


@pytest.mark.parametrize("name", FAMILY.presets)
def test_presets_show_what_their_names_say_and_draw_every_figure(registry, name: str) -> None:
    made = run(FAMILY.presets[name], registry)
    assert made.verdict is not None
    assert made.verdict.status == SAID[name], made.verdict
    for draw in FAMILY.figures.values():
        assert len(draw(made).to_json()) > 100


@pytest.mark.parametrize(
    ("scale", "words"), [(21.0, "20"), (0.0341, "0.03"), (0.98, "1"), (3.3, "3"), (333.0, "300")]
)
def test_a_scale_to_try_is_a_number_as_a_reader_sees_them(scale: float, words: str) -> None:
    assert metropolis_hastings_text._try(scale) == f"Try a scale of about {words}."


def test_the_words_on_a_run_name_its_cause(registry) -> None:
    text = {n: run(FAMILY.presets[n], registry).verdict.text for n in ("Too timid", "Too bold", "As in the article", "Lopsided, and not corrected")}  # fmt: skip
    assert "so short that a chain crawls" in text["Too timid"]
    assert "most are too bold" in text["Too bold"]
    assert "Set Confinement above 0" in text["As in the article"]
    assert "Hastings correction is off" in text["Lopsided, and not corrected"]


def test_its_own_sample_is_its_first_method(registry) -> None:
    spec = on("ring", "metropolis-hastings", starts.Noise(n=30), steps=20, scale=0.8)
    own, method = run(spec, registry), run(replace(spec, sampler="metropolis"), registry)
    assert (own.sampling.last == method.sampling.last).all()
    assert resolve(RunSpec(family="metropolis-hastings"), registry).sampler == "metropolis"
    assert own.exactness == "asymptotic"
    off = run(replace(spec, sample={"steps": 5, "proposal": "drifting", "correction": False}), registry)
    assert off.exactness == "biased"


# --- Figures and studies ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [None, 7])
@pytest.mark.parametrize("every", [1, 4])
def test_the_proposals_shown_are_those_of_the_run(registry, every: int, stop: int | None) -> None:
    """Where one was accepted the chain goes there, where it was refused it stays: the run's own last states say so."""
    spec = replace(
        on("three-wells", start=starts.Noise(n=20), steps=40, every=every, warmup=5), sample_stop=stop
    )
    made = run(spec, registry)
    places, candidates, taken = figures.last_proposals(made)
    chains = figures.CHAINS
    ends = np.where(taken[:, None], candidates, places)
    assert np.array_equal(ends[-chains:], made.sampling.last[:chains])
    assert np.array_equal(places[chains:], ends[:-chains])
    assert 0 < taken.mean() < 1
    drawn = figures.proposals(made)
    refused, accepted = drawn.data[-2:]
    assert (refused.marker.symbol, accepted.marker.symbol) == ("circle-open", "circle")
    assert len(accepted.x) == taken.sum()
    assert len(refused.x) == (~taken).sum()


def test_proposals_are_only_shown_where_there_are_any(registry) -> None:
    other = run(on("ring", "mala", starts.Noise(n=5), steps=3), registry)
    assert isinstance(figures.last_proposals(other), str)
    short = run(on("ring", start=starts.Noise(n=3), steps=2), registry)
    places, _, taken = figures.last_proposals(short)
    assert len(places) == len(taken) == 6
    start = run(replace(on("ring", start=starts.Noise(n=3), steps=2), sample_stop=0), registry)
    assert figures.last_proposals(start) == "No step has been taken yet."
    for draw in FAMILY.figures.values():
        draw(start)
        draw(short)


def test_studies_draw_as_they_go(registry) -> None:
    small = {
        "Which scale is best?": {"points": 4, "steps": 100, "chains": 8},
        "Best acceptance by dimension": {"draws": 1000, "points": 5},
        "Effective draws per second": {"steps": 50, "chains": 8},
    }
    assert set(small) == set(FAMILY.studies)
    for title, values in small.items():
        drawn = list(study("metropolis-hastings", title, values, 0, registry))
        assert len(drawn) >= 4
        assert len(drawn[-1].to_json()) > 500


def test_the_scale_study_has_its_best_scale_between_timid_and_bold(registry) -> None:
    *_, figure = study(
        "metropolis-hastings", "Which scale is best?", {"points": 7, "steps": 300}, 0, registry
    )
    scale, worth, rate = (np.asarray(a) for a in (figure.data[0].x, figure.data[0].y, figure.data[1].y))
    best = int(np.argmax(worth))
    assert 0 < best < len(scale) - 1
    assert worth[best] > 2 * max(worth[0], worth[-1])
    assert (np.diff(rate) < 0).all()
    assert 15 < rate[best] < 75


def test_evaluations_are_counted() -> None:
    from ebm_plugins.samplers import hmc, metropolis

    target, asked = studies.counting(studies.landscape_target("ring", 0.0))
    list(metropolis.sample(target, metropolis.Config(steps=10), np.random.default_rng(0), np.ones((5, 2))))
    assert asked == [5 * 11]
    target, asked = studies.counting(studies.landscape_target("ring", 0.0))
    list(hmc.sample(target, hmc.Config(steps=10, leapfrogs=3), np.random.default_rng(0), np.ones((5, 2))))
    assert asked == [5 * (2 + 10 * 4)]
