"""What a run leaves behind: the script reproduces it, the tables hold its states, the archive its params."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from ebm_plugins import curves, numbers, own, pictures, runs, studies, takeaway
from ebm_plugins.records import ConfigError, PluginError
from ebm_plugins.specs import RunSpec


@pytest.fixture(scope="module")
def plane(registry):
    return runs.run(RunSpec(family="langevin", sample={"steps": 20}, seed=3), registry)


@pytest.fixture(scope="module")
def grid(registry):
    return runs.run(next(iter(registry.families["hopfield"].presets.values())), registry)


def test_the_script_makes_the_same_run_again(plane, registry, tmp_path, root):
    path = tmp_path / "again.py"
    path.write_text(takeaway.script(plane, registry), encoding="utf-8")
    environment = {"PYTHONPATH": str(root), "PATH": "", "EBM_PLUGINS": ""}
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, env=environment, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "same settings, data and plugins: True" in done.stdout
    said = done.stdout.splitlines()
    assert f"expected {runs.result_digest(plane)}" in said
    if "Monte-Carlo error" not in done.stdout:
        assert f"result digest {runs.result_digest(plane)}" in said
    assert "bit for bit: True" in done.stdout or "Monte-Carlo error" in done.stdout


def test_the_csv_holds_every_state_in_full(plane):
    rows = list(csv.DictReader(io.StringIO(takeaway.states_csv(plane))))
    assert [[float(r["x"]), float(r["y"])] for r in rows] == plane.sampling.last.tolist()


def test_cells_are_named_by_row_and_column(grid):
    names = takeaway.coordinate_names(grid)
    assert names[0] == "r0c0"
    assert names[-1] == f"r{grid.space.rows - 1}c{grid.space.cols - 1}"
    assert len(names) == grid.space.dim


def test_the_archive_holds_the_params_without_pickle(grid):
    with np.load(io.BytesIO(takeaway.params_npz(grid)), allow_pickle=False) as held:
        assert set(held) == set(grid.params)
        assert all((held[k] == grid.params[k]).all() for k in held)


def test_exact_marginals_are_densities_and_lie_beside_the_sampled_ones(plane):
    for panel in curves.comparison(plane):
        area, exact = panel.figure["data"]
        x, y = np.asarray(exact["x"]), np.asarray(exact["y"])
        inside = float(
            plane.truth.mass.sum()
        )  # the rest lies outside the box that the truth was worked out on
        assert float(np.trapezoid(y, x)) == pytest.approx(inside, abs=0.02)
        x, y = np.asarray(area["x"]), np.asarray(area["y"])
        assert 0.5 < float(np.trapezoid(y, x)) <= 1.0001  # what is outside the window is not drawn
        assert "exact" in panel.alt


def test_the_numbers_are_those_of_the_verdict(plane):
    from ebm_plugins.verdict import compare

    held, found = compare(plane), numbers.of(plane)
    assert found.total_variation == held.total_variation
    assert (found.floor_low, found.floor_middle, found.floor_high) == held.floor
    assert found.mean_energy == held.energy
    assert found.log_z == plane.truth.log_partition


def test_a_picture_shows_the_row(grid):
    image = pictures.picture(grid.data, 0)
    assert image.dtype == np.uint8
    step = image.shape[0] // grid.space.rows
    cells = image[step // 2 :: step, step // 2 :: step, 3][: grid.space.rows, : grid.space.cols]
    assert ((cells == 255) == (grid.data.x[0].reshape(grid.space.rows, grid.space.cols) == 1)).all()
    assert pictures.picture(grid.data, 10**6) is None


def test_a_row_of_ones_own_joins_the_data_once(grid):
    from ebm_plugins.datasets import inline

    state = 1 - grid.data.x[0]
    key = own.with_row(grid.data, state)
    assert (inline(key).x[-1] == state).all()
    assert (inline(key).x[:-1] == grid.data.x).all()
    assert own.with_row(grid.data, grid.data.x[0]) is None


def test_a_figure_with_the_same_axes_redraws_the_one_before():
    import plotly.graph_objects as go

    def figure(y, title):
        return go.Figure(go.Scatter(y=y), layout={"yaxis": {"title": {"text": title}}})

    first, other, again = figure([1], "a"), figure([2], "b"), figure([3], "a")
    assert studies.latest([first, other, again]) == [again, other]


def test_a_study_is_the_same_for_the_same_seed_and_guarded(registry):
    family = registry.families["hopfield"]

    def noisy(config, rng):
        import plotly.graph_objects as go

        yield go.Figure(go.Scatter(y=rng.random(3)))

    def broken(config, rng):
        yield "no figure"

    model = next(iter(family.studies.values()))[0]
    changed = replace(family, studies={"noisy": (model, noisy), "broken": (model, broken)})
    fake = replace(registry, families={"hopfield": changed})
    draws = [next(studies.study("hopfield", "noisy", {}, seed, fake)).data[0].y for seed in (1, 1, 2)]
    assert (np.asarray(draws[0]) == np.asarray(draws[1])).all()
    assert (np.asarray(draws[0]) != np.asarray(draws[2])).all()
    with pytest.raises(PluginError, match="a figure was expected"):
        list(studies.study("hopfield", "broken", {}, 1, fake))
    with pytest.raises(ConfigError, match="study"):
        list(studies.study("hopfield", "nothing", {}, 1, fake))
