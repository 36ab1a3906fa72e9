"""An energy field as flat bands: the right band at each pixel, the top row first."""

from __future__ import annotations

import numpy as np

from ebm_plugins import rasters, views
from ebm_plugins.exact import EnergyField


def test_bands_follow_the_energy_with_the_top_row_first():
    x, y = np.linspace(-2, 2, 41), np.linspace(-3, 3, 61)
    field = EnergyField(x=x, y=y, energy=y[:, None] + 0 * x[None, :])
    box = (-1.0, 1.0, -1.0, 1.0)
    band, edge = rasters.bands(field, box, 100)
    assert (band == band[:, :1]).all(), "it depends on y alone"
    assert (np.diff(band[:, 0].astype(int)) <= 0).all(), "the highest energy is at the top"
    assert set(band[:, 0]) == set(range(rasters.BANDS))
    assert edge.sum() == 100 * (rasters.BANDS - 1)
    shown = views.field_levels(field, box)
    middle = 1 - (np.arange(100) + 0.5) / 50
    unit = (np.clip(middle, shown["low"], shown["high"]) - shown["low"]) / (shown["high"] - shown["low"])
    exact = np.minimum(unit * rasters.BANDS, rasters.BANDS - 1).astype(int)
    assert np.abs(exact - band[:, 0]).max() <= 1
    assert (exact == band[:, 0]).mean() > 0.9


def test_a_flat_field_and_one_with_walls_are_drawn():
    grid = np.linspace(0, 1, 11)
    flat, edge = rasters.bands(EnergyField(x=grid, y=grid, energy=np.zeros((11, 11))), (0, 1, 0, 1), 20)
    assert not flat.any()
    assert not edge.any()
    energy = np.zeros((11, 11))
    energy[:, :5] = np.inf
    walled, _ = rasters.bands(EnergyField(x=grid, y=grid, energy=energy), (0, 1, 0, 1), 20)
    assert np.isfinite(walled).all()
