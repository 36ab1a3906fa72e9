"""Thumbnails show the run: each test changes the states or the energy and asks the picture for the difference."""

from __future__ import annotations

import re
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

from ebm_plugins import BinaryGrid, Data, Pairs, Plane, Space, Vectors, thumbs
from ebm_plugins.isolines import regions
from ebm_plugins.palette import DARK, LIGHT

SVG = "{http://www.w3.org/2000/svg}"


def a_run(space, frames, energy=lambda x: (x**2).sum(axis=1), last=None, data=None, free=None):
    """The parts of a Run that a thumbnail reads."""
    frames = np.asarray(frames, dtype=float)
    last = frames[-1] if last is None else np.asarray(last, dtype=float)
    data = np.zeros((0, space.dim)) if data is None else data
    return SimpleNamespace(
        space=space,
        free=free,
        sampling=SimpleNamespace(frames=frames, last=last),
        target=SimpleNamespace(energy=energy),
        data=Data(x=data, space=space),
    )


def drawn(run):
    """The picture as a parsed tree: it must be well-formed XML that holds no word and names no request."""
    text = thumbs.svg(run)
    assert not re.search(r"script|href|url\(|on\w+=", text)
    assert "nan" not in text.lower()
    assert "inf" not in text.lower()
    return ElementTree.fromstring(text)


def circles(tree, name):
    groups = [g for g in tree.iter(f"{SVG}g") if g.get("fill") == LIGHT[name]]
    return [(float(c.get("cx")), float(c.get("cy"))) for g in groups for c in g]


def squares(tree, name, least=0.0):
    paths = [p for p in tree.iter(f"{SVG}path") if p.get("fill") == LIGHT[name]]
    return sum(p.get("d").count("M") for p in paths if float(p.get("opacity", 1)) > least)


def area(polygons):
    """Signed area by the shoelace formula: holes run the other way round and count against it."""
    return sum(
        0.5 * np.sum(p[:, 0] * np.roll(p[:, 1], -1) - np.roll(p[:, 0], -1) * p[:, 1]) for p in polygons
    )


@pytest.mark.parametrize("radius", [5.0, 12.3, 19.0])
def test_region_of_a_cone_has_the_area_of_a_disc(radius):
    """Linear interpolation of a cone on a unit grid errs by at most 1/8r in radius, so by 1/4r² in area."""
    y, x = np.mgrid[0:41, 0:41] - 20.0
    assert area(regions(np.hypot(x, y), radius)) == pytest.approx(np.pi * radius**2, rel=0.25 / radius**2)


def test_region_of_a_ring_has_a_hole_and_regions_at_the_border_close():
    """|r − 12| < 4 is an annulus of area 2π·12·8; a half-plane closes along the border of the grid."""
    y, x = np.mgrid[0:61, 0:61] - 30.0
    ring = regions(np.abs(np.hypot(x, y) - 12.0), 4.0)
    assert len(ring) == 2
    assert area(ring) == pytest.approx(2 * np.pi * 12 * 8, rel=1e-2)
    assert area(regions(x, 0.0)) == pytest.approx(30 * 60, rel=1e-9)
    assert regions(x, -100.0) == []


def test_area_of_random_fields_equals_the_count_of_points_below():
    """A smooth random field: the region's area is the share of a 10 times finer grid below the level, to 3 %."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:1:81j, 0:1:81j]
    fine_y, fine_x = np.mgrid[0:1:801j, 0:1:801j]
    for _ in range(10):
        waves = [(rng.normal(), *rng.uniform(1, 9, 2), rng.uniform(0, 6)) for _ in range(6)]

        def field(u, v, waves=waves):
            return sum(a * np.sin(p * u + q * v + c) for a, p, q, c in waves)

        level = float(np.quantile(field(x, y), 0.4))
        expected = (field(fine_x, fine_y) < level).mean() * 80 * 80
        assert area(regions(field(x, y), level)) == pytest.approx(expected, rel=0.03)


def test_values_that_are_not_finite_count_as_above():
    """A NaN cuts out the diamond of its four neighbours, of area 2, and no coordinate is NaN."""
    values = np.zeros((9, 9))
    values[4, 4] = np.nan
    found = regions(values, 1.0)
    assert all(np.isfinite(p).all() for p in found)
    assert area(found) == pytest.approx(64.0 - 2.0, abs=1e-9)


def test_plane_shows_every_state_where_it_is_and_the_lowest_energy_darkest():
    """Two particles left and right of a well between them: order and symmetry survive, and bands are drawn."""
    frames = np.tile([[-1.0, 0.0], [1.0, 0.0]], (3, 1, 1))
    tree = drawn(a_run(Plane(), frames))
    (x0, y0), (x1, y1) = circles(tree, "model")
    assert x0 < thumbs.WIDTH / 2 < x1
    assert x0 + x1 == pytest.approx(thumbs.WIDTH)
    assert y0 == y1 == thumbs.HEIGHT / 2
    bands = [p for p in tree.iter(f"{SVG}path") if p.get("fill-rule") == "evenodd"]
    assert len(bands) == thumbs.BANDS - 1
    assert bands[-1].get("fill") == "#0A1C3F"


def test_plane_without_an_energy_shows_its_states_and_data():
    """A model that has only a gradient returns NaN energies: no bands, but data and samples."""
    nowhere = lambda x: np.full(len(x), np.nan)  # noqa: E731
    run = a_run(Plane(), np.random.default_rng(0).normal(size=(4, 30, 2)), nowhere, data=np.ones((5, 2)))
    tree = drawn(run)
    assert len(circles(tree, "model")) > 20
    assert len(circles(tree, "data")) == 5
    assert not [p for p in tree.iter(f"{SVG}path") if p.get("fill-rule")]


def test_long_trails_do_not_hide_the_picture():
    """Small steps: a trail for each of 60 particles. Jumps across the whole view: trails of 4,000 units at most."""
    rng = np.random.default_rng(0)
    for size, least, most in ((0.01, 60, 60), (3.0, 1, 20)):
        frames = rng.normal(size=(1, 60, 2)) + size * rng.normal(size=(9, 60, 2))
        trails = [p for p in drawn(a_run(Plane(), frames)).iter(f"{SVG}path") if p.get("fill") == "none"]
        assert least <= trails[0].get("d").count("M") <= most


def test_grid_film_shows_start_middle_and_end():
    """A state that gains one cell a frame, from 0 to 6: the film holds 0, 3 and 6 cells."""
    frames = np.array([[np.arange(9) < k] for k in range(7)], dtype=float)
    tree = drawn(a_run(BinaryGrid(3, 3), frames))
    assert squares(tree, "off") == 27
    assert squares(tree, "model") == 0 + 3 + 6


def test_many_grids_are_a_sheet_and_a_subclass_is_drawn_as_its_parent():
    """18 states with k cells on each: all of them are on the sheet."""

    class Torus(BinaryGrid):
        pass

    states = np.zeros((20, 4))
    states[:, 0] = 1
    tree = drawn(a_run(Torus(2, 2), states[None]))
    assert squares(tree, "off") == 18 * 4
    assert squares(tree, "model") == 18


def test_images_are_shaded_by_value():
    """An image whose left half is at 1 and right half at ½: two opacities, 2 cells each."""
    states = np.tile([1.0, 0.5, 1.0, 0.5], (2, 1))
    tree = drawn(a_run(Vectors(4, (2, 2)), states[None]))
    assert squares(tree, "model") == 8
    assert squares(tree, "model", least=0.9) == 4


def test_pairs_show_who_belongs_to_whom():
    """Five pairs whose energy is the distance of their halves: the diagonal is the darkest colour."""
    space = Pairs(Vectors(1), Vectors(1))
    states = np.repeat(np.arange(5.0)[:, None], 2, axis=1)
    tree = drawn(a_run(space, states[None], lambda x: np.abs(x[:, 0] - x[:, 1])))
    darkest = next(p for p in tree.iter(f"{SVG}path") if p.get("fill") == "#0A1C3F")
    assert darkest.get("d").count("M") == 5


def test_a_strange_space_gets_a_projection_and_a_lost_run_an_empty_surface():
    """A space that is none of ours, and a run whose states are all NaN, are pictures too."""

    class Ring(Space):
        dim = 5

    rng = np.random.default_rng(0)
    assert len(circles(drawn(a_run(Ring(), rng.normal(size=(1, 40, 5)))), "model")) > 30
    for space in (Ring(), Plane(), BinaryGrid(2, 2), Vectors(4, (2, 2)), Vectors(3), Pairs(Plane(), Plane())):
        lost = np.full((2, 3, space.dim), np.nan)
        assert circles(drawn(a_run(space, lost)), "model") == []


def test_both_themes_are_in_the_picture():
    """Every colour is a pair: the light value never stands without its dark one."""
    text = thumbs.svg(a_run(Plane(), np.zeros((2, 3, 2))))
    assert f"light-dark({LIGHT['model']},{DARK['model']})" in text
    assert text.count("<path") + text.count("<rect") + text.count("<g") <= text.count("light-dark(")
    assert len(text) < 60_000
