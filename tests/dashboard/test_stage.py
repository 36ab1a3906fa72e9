"""What the stage is given for every space, also for odd runs; and the figure that can be taken away."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from dashboard import exports, stage
from dashboard.plot import KINDS, envelope
from ebm_plugins import starts, views
from ebm_plugins.spaces import BinaryGrid, Plane, Space, Vectors

MADE = Path(__file__).resolve().parents[1] / "browser" / "stage_app" / "made.py"


def _made() -> ModuleType:
    spec = importlib.util.spec_from_file_location("stage_runs_made", MADE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


made = _made()


@dataclass(frozen=True)
class Torus(BinaryGrid):
    """A third party's grid."""


@dataclass(frozen=True)
class Bowl(Plane):
    """A third party's plane."""


@dataclass(frozen=True)
class Sphere(Space):
    """A space that nobody knows."""

    @property
    def dim(self) -> int:
        return 4


RUNS: dict[str, tuple[str, Any]] = {
    "plane": ("plane", lambda: made.plane(steps=30)),
    "plane, dropped": ("plane", lambda: made.plane(steps=30, drawn=np.array([[0.0, 0.0], [1.0, 2.0]]))),
    "plane, no truth": ("plane", lambda: replace(made.plane(steps=30), truth=None, field=None)),
    "plane of another's": ("plane", lambda: made.plane(steps=10, space=Bowl())),
    "one state": ("plane", lambda: made.plane(n=1, steps=30)),
    "one frame": ("plane", lambda: made.plane(steps=0)),
    "grid": ("cells", made.grid),
    "many grids": ("cells", lambda: made.grid(n=60)),
    "grid of another's": ("cells", lambda: made.grid(space=Torus(8, 8))),
    "clamped grid": ("cells", lambda: made.grid(free=np.arange(64) < 32)),
    "pictures": ("images", made.images),
    "vectors": ("scatter", made.vectors),
    "line": ("scatter", lambda: made.vectors(dim=1)),
    "a space that nobody knows": ("scatter", lambda: made.vectors(dim=4, space=Sphere())),
    "pairs": ("pairs", made.pairs),
}


@pytest.mark.parametrize("name", RUNS)
def test_every_space_gets_a_stage_and_a_figure(name: str) -> None:
    kind, make = RUNS[name]
    run = make()
    payload = stage.payload(run)
    assert payload["kind"] == kind
    assert kind in KINDS
    assert kind == stage.kind(run.space)
    assert len(payload["steps"]) == next(iter(_arrays(payload["frames"]))).shape[0]
    assert payload["total"] == run.sampling.steps[-1]
    assert payload["alt"]
    header = envelope.pack(payload)
    assert b"NaN" not in header[:4000]
    assert len(header) < 1_500_000
    figure = exports.export(run)
    assert len(figure.frames) >= 1
    assert figure.layout.updatemenus[0].buttons[0].method == "animate"
    figure.to_json()


def _arrays(values: dict[str, Any]) -> list[np.ndarray[Any, Any]]:
    return [v for v in values.values() if isinstance(v, np.ndarray)]


@pytest.mark.parametrize(
    "run",
    [
        lambda: made.run(
            Plane(),
            np.broadcast_to(0.0, (300, 1000, 2)) + np.linspace(-1, 1, 1000)[:, None],
            made.plane_energy,
        ),
        lambda: made.run(BinaryGrid(28, 28), np.broadcast_to(0.0, (300, 1000, 784)), lambda x: x.sum(axis=1)),
        lambda: made.run(
            Vectors(784, (28, 28)), np.broadcast_to(0.0, (300, 300, 784)), lambda x: x.sum(axis=1)
        ),
        lambda: made.run(Vectors(64), np.broadcast_to(0.0, (300, 1000, 64)), lambda x: x.sum(axis=1)),
    ],
    ids=["plane", "grid", "pictures", "vectors"],
)
def test_the_largest_runs_that_the_host_keeps_fit_the_wire(run: Any) -> None:
    payload = stage.payload(run())
    assert len(envelope.pack(payload)) < 1_300_000  # the page's 1.5 MB, less what else is on it
    assert payload["steps"][0] == 0
    assert payload["steps"][-1] == 299


@pytest.mark.parametrize("name", ["plane", "vectors", "pictures"])
def test_a_run_that_diverged_is_drawn_as_far_as_it_went(name: str) -> None:
    run = RUNS[name][1]()
    frames = run.sampling.frames.copy()
    frames[-1, ::2] = np.nan
    frames[-1, 1::2] = np.inf
    broken = replace(
        run, sampling=replace(run.sampling, frames=frames, last=frames[-1], diverged=len(frames) - 1)
    )
    payload = stage.payload(broken)
    assert payload["diverged"] == len(frames) - 1
    assert np.isfinite(payload.get("box", [0.0])).all()
    exports.export(broken)


def test_a_crowd_that_flew_off_leaves_the_window_where_it_began() -> None:
    """Threefold at each step, 30 steps: the window is on the frames near the start, and so is the landscape."""
    run = made.plane(steps=30)
    grown = run.sampling.frames[:1] * 3.0 ** np.arange(len(run.sampling.frames))[:, None, None]
    flew = replace(run.sampling, frames=grown, last=grown[-1], diverged=len(grown))
    begun = np.abs(run.sampling.frames[0]).max()
    for truth in (run.truth, None):
        payload = stage.payload(replace(run, sampling=flew, truth=truth, field=None))
        assert payload["box"][1] - payload["box"][0] < 40 * begun
    assert payload["box"][1] > 0.5 * np.abs(run.sampling.frames[0]).mean()
    assert np.abs(grown[-1]).max() > 1e12
    steady = replace(flew, diverged=None)
    assert np.array_equal(views.in_sight(steady), grown[-1]), "one that did not diverge is shown where it is"


def test_energies_that_are_not_known_leave_their_figure_out() -> None:
    run = made.vectors()
    unknown = replace(
        run, sampling=replace(run.sampling, energies=np.full_like(run.sampling.energies, np.nan))
    )
    assert [c["type"] for c in stage.payload(unknown)["charts"]] == []


def test_particles_are_where_they_were_to_a_pixel() -> None:
    """Whole numbers of 16 bits over three windows: 500 pixels of the window are 1/40 of a step each."""
    run = made.plane(steps=5)
    payload = stage.payload(run)
    q, low, high = (
        payload["frames"]["q"],
        np.array(payload["frames"]["low"]),
        np.array(payload["frames"]["high"]),
    )
    back = low + (q.astype(float) + 32768) / 65535 * (high - low)
    inside = ((run.sampling.frames > low) & (run.sampling.frames < high)).all(axis=-1)
    pixel = (payload["box"][1] - payload["box"][0]) / 500
    assert np.abs(back - run.sampling.frames)[inside].max() < 0.05 * pixel


def test_the_live_truth_says_what_the_exact_module_says() -> None:
    run = made.plane(steps=20)
    bars, line = stage.payload(run)["charts"]
    assert bars["names"] == [well.name for well in run.truth.wells]
    np.testing.assert_allclose(bars["values"][-1], run.truth.shares(run.sampling.frames[-1]))
    np.testing.assert_allclose(bars["exact"], [well.share for well in run.truth.wells])
    assert line["values"][-1] == pytest.approx(run.truth.total_variation(run.sampling.frames[-1]))
    assert line["band"] == [run.truth.floor(300)[0], run.truth.floor(300)[2]]


def test_no_room_is_kept_for_overlaps_with_patterns_that_there_are_none_of() -> None:
    """A figure that is not drawn would leave a blank of its height under the stage on a phone."""
    run = made.grid()
    assert "overlaps" in [c["type"] for c in stage.payload(run)["charts"]]
    many = replace(run, data=replace(run.data, x=np.zeros((9, run.space.dim)), names=()))
    assert "overlaps" not in [c["type"] for c in stage.payload(many)["charts"]]


def test_steps_are_counted_in_steps_and_not_in_snapshots() -> None:
    run = made.plane(steps=10)
    run.configs.sample.every = 5
    assert stage.payload(run)["total"] == 50


def test_a_grid_knows_which_pattern_it_came_from() -> None:
    payload = stage.payload(made.grid())
    assert payload["origin"].tolist() == [0]
    assert payload["names"] == ["Pattern 1", "Pattern 2"]
    bits = np.unpackbits(payload["frames"]["bits"], axis=-1)[:, 0, :64]
    np.testing.assert_array_equal(bits[-1], made.PATTERNS[0])


def test_a_drawn_plane_can_be_drawn_on() -> None:
    drawn = np.array([[0.0, 0.5], [1.0, 2.0]])
    run = made.plane(steps=3, drawn=drawn)
    assert isinstance(run.spec.start, starts.Drawn)
    np.testing.assert_allclose(stage.payload(run)["start"], drawn, atol=1e-3)
    assert stage.payload(made.plane(steps=3))["start"] is None


def test_legend_names_colours_by_meaning() -> None:
    assert stage.legend(made.plane(steps=3)) == [
        ("disc", "model", "samples"),
        ("line", "truth", "exact"),
        ("scale", "energy", "energy, low to high"),
    ]
    assert ("cell", "model", "on") in stage.legend(made.grid())


def test_a_thousand_particles_and_64_pictures_are_sent_whole_for_300_moments() -> None:
    zeros, energy = np.zeros((300, 1000, 2)), made.plane_energy
    payload = stage.payload(made.run(Plane(), zeros, energy))
    assert payload["frames"]["q"].shape == (300, 1000, 2)
    assert payload["thinned"] is None
    pictures = stage.payload(made.images(n=64, steps=299))
    assert pictures["frames"]["grey"].shape == (300, 64, 64)
    assert pictures["thinned"] is None


def test_moments_that_are_left_out_are_counted() -> None:
    run = made.run(BinaryGrid(28, 28), np.zeros((300, 64, 784)), lambda x: x.sum(axis=1))
    payload = stage.payload(run)
    kept, of = payload["thinned"]
    assert of == 300
    assert kept == len(payload["steps"]) < 300


def test_refused_and_taken_proposals_are_told_apart() -> None:
    run = made.refused(n=4, steps=6)
    answer = stage.payload(run)["proposed"]["answer"]
    wanted = [[0] * 4] + [[1, 2, 1, 2] if step % 2 else [2] * 4 for step in range(1, 7)]
    assert answer.tolist() == wanted
    assert stage.payload(made.plane(n=4, steps=6))["proposed"] is None


def test_a_place_refused_beyond_what_is_sent_keeps_its_direction() -> None:
    """In units of 1/65535 of what is sent a place is off by a half at most, and so is where the line begins."""
    run = made.refused(n=60, steps=6, reach=40.0)
    payload = stage.payload(run)
    low, high = np.array(payload["frames"]["low"]), np.array(payload["frames"]["high"])
    sent = low + (payload["proposed"]["q"].astype(float) + 32768) / 65535 * (high - low)
    refused = payload["proposed"]["answer"] == 1
    stood, meant, seen = run.sampling.frames[refused], run.sampling.proposed[refused], sent[refused]
    beyond = ((meant < low) | (meant > high)).any(axis=1)
    assert beyond.sum() > refused.sum() / 2
    go, shown = meant - stood, seen - stood
    across = np.abs(go[:, 0] * shown[:, 1] - go[:, 1] * shown[:, 0]) / np.hypot(
        *go.T
    )  # from the line, in its units
    assert across.max() <= np.hypot(*(high - low)) / 65535
    edge = (np.abs(seen - low) <= 1e-9 * (high - low)) | (np.abs(seen - high) <= 1e-9 * (high - low))
    assert edge[beyond].any(axis=1).all()
    assert np.abs(seen - meant)[~beyond].max(initial=0.0) <= ((high - low) / 65535).max()


def test_of_a_grid_the_cells_are_sent_whose_flip_was_refused_last() -> None:
    """As long as the states: 64 chains of 8 × 8 and 300 moments keep within the budget, without leaving one out."""
    run = made.refusing(made.grid(n=3), cell=5)
    payload = stage.payload(run)
    refused = np.unpackbits(payload["proposed"]["bits"], axis=-1)
    wanted = np.zeros_like(refused)
    wanted[1::2, :, 5] = 1
    assert (refused == wanted).all()
    assert stage.payload(made.grid(n=3))["proposed"] is None
    frames = np.random.default_rng(0).integers(0, 2, (300, 64, 64)).astype(float)
    long = made.refusing(made.run(BinaryGrid(8, 8), frames, lambda x: x.sum(axis=1)))
    assert stage.payload(long)["thinned"] is None


def test_of_pictures_and_of_a_cloud_it_is_known_who_was_refused() -> None:
    answer = stage.payload(made.refusing(made.images(n=4, steps=6)))["proposed"]["answer"]
    assert answer.tolist() == [[0] * 4] + [[1] * 4 if step % 2 else [2] * 4 for step in range(1, 7)]
    run = made.refusing(made.vectors(dim=6, n=20, steps=4), cell=0)
    offered = stage.payload(run)["proposed"]
    assert offered["answer"][1:].tolist() == [[1] * 20, [2] * 20] * 2
    assert offered["q"].shape == (5, 20, 2)
    places = stage.payload(run)["frames"]["q"]
    assert (offered["q"][2] == places[2]).all()  # what was taken is where it is
    assert (offered["q"][1] != places[1]).any()
