"""The numbers of a run that descends: counted by hand on a few cells."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from ebm_plugins import link, numbers
from ebm_plugins.runs import run


def with_traces(made, traces, energies):
    sampling = replace(made.sampling, traces=np.array(traces, dtype=float), energies=np.array(energies))
    return replace(made, sampling=sampling)


def test_flips_cells_changed_and_energy_are_counted(registry):
    """Two chains of four cells: one flips a cell there and back, the other two cells for good; one step goes up."""
    made = run(link.parse("/hopfield", registry)[0], registry)
    assert made.exactness == "descent"
    there, back, stays = [0, 0, 0, 1], [0, 0, 1, 1], [1, 1, 1, 1]
    found = numbers.descent(
        with_traces(
            made, [[there, there], [back, back], [there, stays]], [[0.0, 0.0], [1.0, -1.0], [0.0, -3.0]]
        )
    )
    assert (found.first, found.last) == (0.0, -1.5)
    assert (found.rises, found.steps, found.chains) == (1, 4, 2)
    assert (found.flips, found.changed, found.cells) == ((2 + 3) / 2, (0 + 3) / 2, 4)
    assert math.isnan(found.moved)


def test_a_recall_counts_as_many_flips_as_its_verdict(registry):
    made = run(link.parse("/hopfield", registry)[0], registry)
    found = numbers.descent(made)
    assert found.rises == 0
    assert found.changed <= found.flips
    assert found.last < found.first


def test_annealing_may_climb_and_is_told_apart_from_a_descent(registry):
    address = "/metropolis-hastings?preset=Müller–Brown, cooled to its deepest basin"
    made = run(link.parse(address, registry)[0], registry)
    found = numbers.descent(made)
    assert found.rises > 100
    assert math.isnan(found.flips)
    traces = made.sampling.traces
    assert found.moved == pytest.approx(np.linalg.norm(traces[-1] - traces[0], axis=1).mean())
    assert found.moved > 0.5
    assert "going down" not in made.verdict.head
