"""The Langevin family: the article's experiment, presets, options, bad input, figures and studies."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from ebm_plugins import ConfigError, Data, Plane, RunSpec, landscapes, link, settling, starts
from ebm_plugins.config import build, knobs
from ebm_plugins.families import langevin, langevin_studies
from ebm_plugins.registry import load
from ebm_plugins.runs import resolve, result_digest, run
from ebm_plugins.samplers import ula
from ebm_plugins.verdict import compare

FAMILY = langevin.FAMILY
SIGMAS = 5.0  # two-sided false alarm 6e-7 each


@pytest.fixture(scope="module")
def registry():
    return load(discover=False)


def spec(sampler: str = "ula", n: int = 300, seed: int = 7, train: dict | None = None, **sample) -> RunSpec:
    return RunSpec(
        family="langevin", dataset="plane", sampler=sampler, train=train or {}, sample=sample,
        start=starts.Noise(n=n), seed=seed,
    )  # fmt: skip


def trained(**values) -> dict:
    *_, snapshot = langevin.train(
        Data(x=np.empty((0, 2)), space=Plane()), langevin.TrainConfig(**values), np.random.default_rng(0)
    )
    return snapshot.value


# --- The article's experiment ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "stated", "n"), [(200, 0.32, 20_000), (2000, 0.07, 8000), (20_000, 0.007, 1500)]
)
def test_without_walls_fewer_and_fewer_particles_are_near_a_well(steps: int, stated: float, n: int) -> None:
    """32 %, 7 % and 0.7 % of particles within 1.5 of a well after 200, 2,000 and 20,000 steps of η = 0.05.

    Half a unit of the last stated digit plus five binomial standard errors: false alarm under 1e-6 each.
    """
    rng = np.random.default_rng(3)
    target = langevin_studies.landscape_target("three-wells", 0.0)
    x = langevin_studies.after(ula, target, 3 * rng.standard_normal((n, 2)), 0.05, steps, rng)
    share = langevin_studies.near_a_well(x, landscapes.params_of("three-wells")["centres"])
    rounding = 0.005 if stated > 0.01 else 0.0005
    assert share == pytest.approx(stated, abs=rounding + SIGMAS * math.sqrt(stated * (1 - stated) / n))


def test_the_shares_far_on_follow_from_free_spreading() -> None:
    """∫_near e^−E / 2π(9 + 2ηt): no simulation. 7 % and 0.7 % to their last digit."""
    assert langevin_studies.free_share(np.array([2000.0]), 0.05)[0] == pytest.approx(0.07, abs=0.005)
    assert langevin_studies.free_share(np.array([20_000.0]), 0.05)[0] == pytest.approx(0.007, abs=0.0005)


def test_as_in_the_article_is_the_articles_setting(registry) -> None:
    made = resolve(FAMILY.presets["As in the article"], registry)
    assert made.train["landscape"] == "three-wells"
    assert made.train["confinement"] == 0.0
    assert (made.sampler, made.sample["step_size"], made.sample["steps"]) == ("ula", 0.05, 200)
    assert made.start == starts.Noise(n=300)
    params = trained(confinement=0.0)
    assert params["centres"].tolist() == [[-2, -1], [2, 1], [0, 3]]
    assert params["heights"].tolist() == [3.0, 2.0, 2.5]
    assert params["widths"].tolist() == [0.8, 1.0, 0.7]
    found = run(FAMILY.presets["As in the article"], registry)
    assert found.truth is not None
    assert found.truth.kind == "none"
    assert "Set Confinement above 0" in found.verdict.text
    near = langevin_studies.near_a_well(found.sampling.last, params["centres"])
    assert near == pytest.approx(0.32, abs=0.005 + SIGMAS * math.sqrt(0.32 * 0.68 / 300))


def test_the_default_preset_is_confined_and_has_a_truth(registry) -> None:
    name, first = next(iter(FAMILY.presets.items()))
    assert name == "Three wells, confined"
    made = resolve(first, registry)
    assert (made.train["confinement"], made.sampler, made.sample["step_size"], made.sample["steps"], made.seed) == (
        0.05, "ula", 0.05, 200, 19,
    )  # fmt: skip
    truth = run(first, registry).truth
    assert truth.kind == "quadrature"
    assert truth.mean_energy == pytest.approx(-0.288, abs=5e-4)
    shares = {tuple(np.round(w.centre)): w.share for w in truth.wells}
    assert [shares[c] for c in ((-2, -1), (2, 1), (0, 3))] == pytest.approx([0.444, 0.326, 0.230], abs=0.01)


# --- Presets and truth ----------------------------------------------------------------------------------------


def test_every_preset_resolves_and_runs(registry) -> None:
    for name, preset in FAMILY.presets.items():
        short = replace(preset, sample_stop=5, train_stop=3)
        found = run(short, registry)
        assert np.isfinite(found.sampling.last).all(), name
        assert found.exactness == ("asymptotic" if preset.sampler in ("mala", "hmc") else "biased")


def test_the_default_seed_is_the_most_ordinary_of_21(registry) -> None:
    """By its ranks in the three things that the verdict compares: how far the farthest is from the middle one."""
    preset = next(iter(FAMILY.presets.values()))
    found = [compare(run(replace(preset, seed=seed), registry)) for seed in range(21)]
    off = np.array([(one.total_variation, abs(one.errors), one.wells) for one in found])
    ranks = off.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    far = np.abs(ranks - 10).max(axis=1)
    assert int(far.argmin()) == preset.seed
    assert (far == far.min()).sum() == 1


def test_a_seed_changes_every_number_and_the_same_seed_none(registry) -> None:
    example = FAMILY.example
    one, two = run(example, registry), run(example, registry)
    assert result_digest(one) == result_digest(two)
    other = run(replace(example, seed=example.seed + 1), registry)
    assert (other.sampling.last != one.sampling.last).all()


@pytest.mark.parametrize("key", ["banana", "funnel", "ring"])
def test_closed_form_and_quadrature_of_the_host_agree(registry, key: str) -> None:
    found = run(spec(n=4, steps=1, step_size=1e-5, train={"landscape": key, "confinement": 0.0}), registry)
    assert found.truth.kind == "closed form"
    assert found.truth.second == pytest.approx(found.truth.log_partition, abs=2e-3)


def test_a_diverged_run_says_where_and_which_step_size_to_try(registry) -> None:
    """The step that is advised does run."""
    preset = FAMILY.presets["A step that diverges"]
    found = run(preset, registry)
    assert found.sampling.diverged is not None
    assert np.isfinite(found.sampling.last).all()
    advice = found.verdict.text.split("Try η ≤ ")[1].rstrip(".")
    assert 0 < float(advice) < 0.05
    calm = run(replace(preset, sample={**preset.sample, "step_size": float(advice)}), registry)
    assert calm.sampling.diverged is None


def test_too_large_a_step_is_seen_and_mala_mends_it(registry) -> None:
    """The same step: ULA's mean energy is over five standard errors off, MALA's within the rule."""
    biased = run(FAMILY.presets["Too large a step"], registry)
    assert (biased.verdict.status, biased.verdict.head) == ("warn", "Biased.")
    assert "Try η ≤" in biased.verdict.text
    assert run(FAMILY.presets["MALA removes the bias"], registry).verdict.status == "good"


# --- Options --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("landscape", "sampler"), [("banana", "mala"), ("double-well", "mala"), ("banana", "hmc")]
)
def test_chains_that_stand_still_are_named_and_not_the_step(registry, landscape: str, sampler: str) -> None:
    """From the page's own start many begin so far out that a step down overshoots: no advice on η can help those, and
    what the verdict says instead does: Metropolis brings all of them in."""
    asked = link.parse(
        f"/langevin?train.landscape={landscape}&sampler={sampler}&train.confinement=0", registry
    )[0]
    found = run(asked, registry)
    still = settling.standing(found)
    assert still.mean() > 0.1
    assert found.verdict.head == "Has not mixed."
    assert f"{100 * still.mean():.0f}\u202f% of the particles have never moved" in found.verdict.text
    assert "let Metropolis" in found.verdict.text
    assert "Try" not in found.verdict.text
    assert "larger ones" not in found.verdict.text
    other = run(replace(asked, sampler="metropolis", sample={}), registry)
    assert not settling.standing(other).any()
    assert other.verdict.status == "good"


def test_mala_mixes_on_the_banana_when_begun_inside(registry) -> None:
    """The preset, and the same settings from anywhere."""
    preset = FAMILY.presets["Banana by MALA, begun inside"]
    assert run(preset, registry).verdict.status == "good"
    anywhere = run(replace(preset, start=starts.Noise(n=300), sample_stop=50), registry)
    assert "have never moved" in anywhere.verdict.text


def test_sample_delegates_to_ula_at_its_temperature(registry) -> None:
    """family.sample and the registered sampler give the same states; temperature T is exp(−E/T)."""
    for temperature in (1.0, 2.5):
        values = {"steps": 15, "step_size": 0.05, "temperature": temperature}
        own = run(spec("langevin", n=40, **values), registry)
        other = run(spec("ula", n=40, **values), registry)
        assert (own.sampling.last == other.sampling.last).all()


def test_temperature_spreads_the_particles(registry) -> None:
    """Mean energy at T = 0.5, 1, 3 rises as the exact one does. 2,000 particles; MALA; five standard errors."""
    means = []
    for temperature in (0.5, 1.0, 3.0):
        found = run(
            spec("mala", n=2000, steps=600, every=200, step_size=0.4, temperature=temperature), registry
        )
        mean = float(langevin.energy(found.params, found.sampling.last).mean())
        assert mean == pytest.approx(
            found.truth.mean_energy, abs=SIGMAS * found.truth.energy_sd / math.sqrt(2000) + 0.02
        )
        means.append(mean)
    assert means == sorted(means)


def test_confinement_draws_the_particles_in(registry) -> None:
    spreads = [
        float(
            run(
                spec("mala", n=500, steps=200, every=100, train={"confinement": c}), registry
            ).sampling.last.std()
        )
        for c in (0.0, 0.05, 0.5)
    ]
    assert spreads[0] > 1.2 * spreads[1] > 1.2 * 1.2 * spreads[2]


def test_every_landscape_is_reachable_and_differs(registry) -> None:
    x = np.array([[0.7, 1.3]])
    energies = {
        name: float(FAMILY.energy(trained(landscape=name, confinement=0.0), x)[0])
        for name in next(k for k in knobs(langevin.TrainConfig) if k.name == "landscape").options
        if name != "learned"
    }
    assert len(set(energies.values())) == 7
    assert set(energies) == {one.key for one in landscapes.LANDSCAPES} - {"learned"}


def test_only_learned_wells_use_data() -> None:
    assert FAMILY.needs_data(langevin.TrainConfig(landscape="learned"))
    assert not FAMILY.needs_data(langevin.TrainConfig())


# --- Bad input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [langevin.TrainConfig, langevin.SampleConfig])
def test_every_knob_has_help_and_holds_its_bounds(model) -> None:
    for knob in knobs(model):
        assert knob.help
        if knob.kind in ("int", "float"):
            for value in (knob.ge - 1, knob.le + 1, float("nan"), float("inf")):
                with pytest.raises(ConfigError, match=knob.name):
                    build(model, {knob.name: value})


@pytest.mark.parametrize("name", ["step_size", "steps", "temperature", "every"])
@pytest.mark.parametrize("end", ["ge", "le"])
def test_runs_at_the_bounds_of_a_control(registry, name: str, end: str) -> None:
    knob = next(k for k in knobs(ula.Config) if k.name == name)
    value = getattr(knob, end)
    values = {"steps": 5, name: int(value) if knob.kind == "int" else value}
    found = run(replace(spec(n=3, **values), sample_stop=5), registry)
    assert np.isfinite(found.sampling.last).all()


def learned(x: np.ndarray, **values) -> list:
    config = langevin.TrainConfig(landscape="learned", **{"epochs": 3, "wells": 4, "chains": 20, **values})
    return list(langevin.train(Data(x=x, space=Plane()), config, np.random.default_rng(0)))


@pytest.mark.parametrize(
    ("x", "values", "field", "words"),
    [
        (np.empty((0, 2)), {}, "landscape", "a dataset to learn the wells from"),
        (np.ones((50, 2)), {}, "landscape", "some spread"),
        (np.ones((1, 2)), {}, "landscape", "some spread"),
        (np.array([[0.0, 1.0], [np.nan, 2.0]]), {}, "landscape", "finite numbers"),
        (np.random.default_rng(0).standard_normal((50, 2)), {"confinement": 0.0}, "confinement", "above 0"),
    ],
)
def test_data_that_wells_cannot_be_learned_from_are_refused_before_the_first_yield(
    x, values, field, words
) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        learned(x, **values)
    assert error.value.field == field


def test_learned_wells_on_the_bare_plane_name_the_control_that_mends_it(registry) -> None:
    with pytest.raises(ConfigError) as error:
        run(spec(train={"landscape": "learned"}), registry)
    assert error.value.field == "data"


def test_two_rows_more_wells_than_rows_and_data_on_a_line_can_be_learned() -> None:
    for x in (np.array([[0.0, 0.0], [1.0, 1.0]]), np.stack([np.linspace(-1, 1, 30), np.zeros(30)], axis=1)):
        *_, last = learned(x, wells=10)
        assert all(np.isfinite(value).all() for value in last.value.values())


def test_one_state_and_a_start_far_out(registry) -> None:
    assert run(spec(n=1, steps=3), registry).sampling.last.shape == (1, 2)
    far = starts.Drawn(states=starts.pack(np.array([[31.0, -31.0]]), Plane()))
    found = run(replace(spec("mala", steps=3, train={"landscape": "himmelblau"}), start=far), registry)
    assert np.isfinite(found.sampling.last).all()


def test_one_coordinate_can_be_clamped(registry) -> None:
    """On the line y = −1 through the left well the free coordinate ends up there."""
    start = starts.Noise(n=200, free=(True, False))
    found = run(replace(spec("mala", steps=200, every=50, step_size=0.5), start=start), registry)
    assert (found.sampling.last[:, 1] == found.sampling.frames[0][:, 1]).all()
    assert (found.sampling.last[:, 0] != found.sampling.frames[0][:, 0]).all()


def test_more_chains_than_a_tile_can_each_be_clamped_to_their_own_value(registry) -> None:
    start = starts.Noise(n=5000, free=(True, False))
    found = run(replace(spec("hmc", steps=2), start=start), registry)
    assert (found.sampling.last[:, 1] != 0).all()


# --- Figures and studies --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["Three wells, confined", "As in the article", "A step that diverges", "Banana"]
)
def test_figures_of_a_run(registry, name: str) -> None:
    found = run(replace(FAMILY.presets[name], sample_stop=10), registry)
    for title, figure in FAMILY.figures.items():
        assert figure(found).to_json(), title


def test_figures_of_learned_wells(registry) -> None:
    found = run(
        replace(FAMILY.presets["Wells learned from two moons"], sample_stop=3, train_stop=3), registry
    )
    circles = [
        trace
        for trace in FAMILY.figures["Wells and data"](found).data
        if getattr(trace, "mode", "") == "lines"
    ]
    assert len(circles) == len(found.params["heights"])


def test_marginals_are_the_truths(registry) -> None:
    found = run(replace(FAMILY.presets["Three wells, confined"], sample_stop=5), registry)
    lines = [
        trace for trace in FAMILY.figures["Marginals"](found).data if getattr(trace, "mode", "") == "lines"
    ]
    for trace, (places, density) in zip(lines, found.truth.marginals(), strict=True):
        assert np.allclose(trace.x, places)
        assert np.allclose(trace.y, density)


def test_bias_study_shows_the_law_and_mala_without_it() -> None:
    """The measured variances follow 1/(1 − η/2) for ULA and 1 for MALA (five standard errors a point, 4 points);
    ULA leaves the floor at the largest step and MALA does not leave it beyond chance."""
    config = langevin_studies.BiasConfig(chains=4000, steps=100, points=4, largest=1.6)
    *_, variances, variations = langevin_studies.bias(config, np.random.default_rng(5))
    curves = {trace.hovertemplate.split(":")[0]: trace for trace in variances.data if trace.hovertemplate}
    error = SIGMAS * math.sqrt(2 / 4000)
    etas = np.array(curves["ULA"].x)
    assert np.array(curves["ULA"].y) == pytest.approx(1 / (1 - etas / 2), rel=error)
    assert np.array(curves["MALA"].y) == pytest.approx(np.ones(4), rel=2 * error)
    curves = {trace.hovertemplate.split(":")[0]: trace for trace in variations.data if trace.hovertemplate}
    top = variations.layout.shapes[0].y1
    assert curves["ULA"].y[-1] > 2 * top
    assert max(curves["MALA"].y) < 1.3 * top


def test_bias_study_where_there_is_no_density() -> None:
    config = langevin_studies.BiasConfig(confinement=0.0, chains=100, steps=10, points=3)
    *_, last = langevin_studies.bias(config, np.random.default_rng(0))
    assert "infinite" in last.layout.annotations[0].text


def test_escape_study_falls_without_walls_and_stays_with_them() -> None:
    *_, figure = langevin_studies.escape(langevin_studies.EscapeConfig(chains=500), np.random.default_rng(1))
    shares = {trace.hovertemplate.split(":")[0]: trace.y for trace in figure.data}
    assert shares["no walls"][-1] < 15 < 40 < shares["confined"][-1]


def test_the_summary_of_the_record() -> None:
    assert FAMILY.section == "Samplers"
    assert FAMILY.methods[0] == "ula"
    assert FAMILY.lens is not None
    assert "As in the article" in FAMILY.presets
