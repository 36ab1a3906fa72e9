"""What the score matching family shows: digits, figures, studies, presets, and what it says of a run."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from ebm_plugins import registry, runs, starts
from ebm_plugins.families import dsm
from ebm_plugins.families import dsm_losses as losses
from ebm_plugins.families import dsm_model as models
from ebm_plugins.palette import CATEGORIES_LIGHT, ENERGY_LIGHT, LIGHT
from ebm_plugins.plans import load_data


@pytest.fixture(scope="module")
def built():
    """The built-in datasets and this family."""
    found = registry.load(builtins=("ebm_plugins.datasets", "ebm_plugins.families.dsm"), discover=False)
    assert not found.failures
    return found


def tiny(spec):
    """The same run with hardly any learning."""
    train = {**spec.train, "steps": 20, "hidden": 8, "every": 10, "batch": 32}
    return dataclasses.replace(
        spec, train=train, sample={**spec.sample, "steps": 6}, start=starts.Noise(n=20)
    )


@pytest.mark.parametrize("model", ["energy", "score"])
def test_digits_are_learned_better_than_a_gaussian(built, model):
    """A short form of the presets: the held-out loss is under that of the Gaussian with the data's mean and covariance,
    which is known in closed form."""
    data = load_data(built.datasets["digits"])
    settings = {
        "largest": 1.0,
        "smallest": 0.05,
        "hidden": 128,
        "steps": 1000,
        "learning_rate": 0.005,
        "every": 500,
    }
    *_, snapshot = dsm.train(data, dsm.TrainConfig(model=model, **settings), np.random.default_rng(0))
    net = models.model_of(snapshot.value, np.float32)
    ours = losses.by_level(net, data.test_x.astype(np.float32), np.random.default_rng(0))
    assert ours.mean() < losses.of_gaussian(data.x, data.test_x, net.sigmas).mean()


def test_the_gaussian_that_is_compared_with():
    """Its loss at each level against noised rows and the score of N(mean, covariance + σ²), 4.5 s.e. (7e-6 a level)."""
    rng = np.random.default_rng(6)
    x, rows = (rng.standard_normal((300, 3)) @ np.diag([2.0, 1.0, 0.2]) + 1.0 for _ in range(2))
    sigmas, n = np.array([1.5, 0.3]), 400
    found = losses.of_gaussian(x, rows, sigmas)
    for level, sigma in enumerate(sigmas):
        eps = rng.standard_normal((n, *rows.shape))
        precision = np.linalg.inv(np.cov(x.T, bias=True) + sigma**2 * np.eye(3))
        off = sigma * (rows + sigma * eps - x.mean(axis=0)) @ precision - eps
        each = 0.5 * (off * off).sum(axis=2).mean(axis=1)
        assert abs(found[level] - each.mean()) < 4.5 * each.std() / np.sqrt(n)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Digits", "Digits by a score network"])
def test_sampled_digits_look_like_digits_and_are_not_copies(built, name):
    """A classifier that is right on 95 % of held-out digits is sure of most samples, finds at least eight classes among
    100, and no fewer than nine in ten are further from the data than the closest fifth of held-out digits are."""
    from sklearn.linear_model import LogisticRegression

    from ebm_plugins.families.dsm_images import nearest

    data = load_data(built.datasets["digits"])
    judge = LogisticRegression(max_iter=500).fit(data.x, data.labels)
    assert judge.score(data.test_x, data.test_labels) > 0.94
    run = runs.run(dsm.FAMILY.presets[name], built)
    chance = judge.predict_proba(run.sampling.last)
    assert np.median(chance.max(axis=1)) > 0.8
    assert len(np.unique(chance.argmax(axis=1))) >= 8
    far = nearest(np.asarray(run.sampling.last, dtype=float), data.x)[1]
    usual = nearest(np.asarray(data.test_x, dtype=float), data.x)[1]
    assert (far > np.quantile(usual, 0.01)).mean() > 0.9


@pytest.mark.parametrize("name", list(dsm.FAMILY.presets))
def test_every_preset_runs_and_all_figures_can_be_drawn_of_it(built, name):
    """Colours come from the palette alone, so that a page can turn them dark; every preset has ≥ 20 snapshots."""
    spec = dsm.FAMILY.presets[name]
    full = runs.resolve(spec, built)
    assert full.train["steps"] / full.train["every"] >= 20
    run = runs.run(tiny(spec), built)
    known = {c.lower() for c in (*LIGHT.values(), *ENERGY_LIGHT, *CATEGORIES_LIGHT)}
    for title, figure in dsm.FAMILY.figures.items():
        text = figure(run).to_json()
        used = {c.lower() for c in re.findall(r"#[0-9A-Fa-f]{6}\b", text)}
        assert used <= known, (title, used - known)


def test_the_figures_say_what_they_measured(built):
    """Shares of modes sum to 1; an energy has no curl; a model that has learned beats the best Gaussian."""
    spec = dsm.FAMILY.presets["Eight Gaussians"]
    train = {**spec.train, "steps": 500, "hidden": 32, "levels": 5, "every": 250}
    run = runs.run(dataclasses.replace(spec, train=train, sample={"steps": 20}), built)
    modes = dsm.FAMILY.figures["Which mode the samples are in"](run)
    np.testing.assert_allclose(sum(modes.data[0].y), 100)
    flat = dsm.FAMILY.figures["Curl"](run)
    assert np.abs(flat.data[0].z).max() < 1e-6
    errors = dsm.FAMILY.figures["Error against the closed form"](run)
    assert (np.asarray(errors.data[0].y)[-3:] < 0.5 * np.asarray(errors.data[1].y)[-3:]).all()


SHORT = {
    "One noise level or a ladder": {"most": 8, "chains": 300},
    "Three losses": {"steps": 100, "hidden": 8, "batch": 32},
    "The score cannot see weights": {"chains": 2000},
    "The article's sampler": {"chains": 500},
}


@pytest.mark.parametrize("title", list(dsm.FAMILY.studies))
def test_studies_draw_what_they_claim(title):
    config, study = dsm.FAMILY.studies[title]
    figures = list(study(config(**SHORT[title]), np.random.default_rng(0)))
    assert len(figures) >= 2
    last = figures[-1]
    if title == "The score cannot see weights":
        alone, ladder = (trace.y[-1] for trace in last.data)
        assert abs(alone - 50) < 5  # what it started with: 1.1 % a standard error
        assert (
            abs(ladder - 80) < 4.5 * 0.9 + 3
        )  # 0.9 % a standard error, and what the last levels have not settled
    if title == "One noise level or a ladder":
        near, least = last.data
        assert least.y[0] == 0
        assert least.y[-1] > 5
        assert near.y[-1] > 95
    if title == "The article's sampler":
        printed, mended, scaled = (trace.y[-1] for trace in last.data)
        assert printed < 1 < 50 < mended
        assert scaled > 99


def test_explain_speaks_where_it_should(built):
    run = runs.run(tiny(dsm.FAMILY.presets["Eight Gaussians"]), built)
    assert "smallest" in dsm.FAMILY.explain(run)  # a model that has learned nothing is off
    single = runs.run(tiny(dsm.FAMILY.presets["One small noise gets lost"]), built)
    assert "one noise level" in dsm.FAMILY.explain(single)
    score = runs.run(tiny(dsm.FAMILY.presets["A score network: arrows without an energy"]), built)
    assert "no energy" in dsm.FAMILY.explain(score)


@pytest.mark.parametrize(
    "name", ["Pinwheel", "Swiss roll", "Two moons by a flow without noise", "One small noise gets lost"]
)
def test_a_ladder_is_never_said_not_to_have_mixed(built, name):
    """Each state is the end of a way down of its own: what is off is the model or the ladder, not the length of a chain."""
    made = runs.run(tiny(dsm.FAMILY.presets[name]), built)
    assert not made.stationary
    assert made.verdict.head != "Has not mixed."
    assert np.isnan(made.report.rhat)


def test_the_ladder_of_noise_ends_where_its_panels_end(built):
    """Two panels in a row, each square, and no point outside of the square that the density is drawn in."""
    made = runs.run(tiny(dsm.FAMILY.presets["Eight Gaussians"]), built)
    figure = dsm.FAMILY.figures["The ladder of noise"](made)
    points = [t for t in figure.data if t.type == "scatter"]
    assert len(points) == 4
    for trace in points:
        names = [f"{axis}axis{getattr(trace, axis + 'axis')[1:]}" for axis in "xy"]
        for values, name in zip((trace.x, trace.y), names, strict=True):
            low, high = figure.layout[name].range
            assert low <= min(values)
            assert max(values) <= high
            assert figure.layout[name].constrain == "domain"
    assert len({figure.layout[f"yaxis{k or ''}"].domain for k in ("", 2, 3, 4)}) == 2
