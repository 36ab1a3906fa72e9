"""What was offered comes with each snapshot of the samplers that accept or refuse, in an array of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ebm_plugins.records import Target
from ebm_plugins.registry import load
from ebm_plugins.samplers import bit_flip
from ebm_plugins.spaces import BinaryGrid, Plane

SAMPLERS = load(discover=False).samplers
WELLS = np.array([[-2.0, 0.0], [2.0, 0.0]])


def wells() -> Target:
    def energy(x: Any) -> Any:
        return -np.logaddexp.reduce(-2.0 * ((x[:, None] - WELLS) ** 2).sum(axis=2), axis=1)

    def gradient(x: Any) -> Any:
        pull = np.exp(-2.0 * ((x[:, None] - WELLS) ** 2).sum(axis=2) + energy(x)[:, None])
        return 4.0 * (pull[:, :, None] * (x[:, None] - WELLS)).sum(axis=1)

    return Target(energy=energy, gradient=gradient, space=Plane())


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("metropolis", {"scale": 1.5}),
        ("mala", {"step_size": 0.5}),
        ("hmc", {"step_size": 0.8}),
        ("mala", {"step_size": 0.5, "warmup": 3}),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_state_is_what_was_offered_or_what_it_was(
    key: str, settings: dict[str, Any], dtype: Any
) -> None:
    """Over two tiles and more; how many took it is the acceptance. What was yielded is not edited later."""
    before = np.random.default_rng(0).standard_normal((4500, 2)).astype(dtype)
    config = SAMPLERS[key].config(steps=5, **settings)
    kept = []
    for snapshot in SAMPLERS[key].sample(wells(), config, np.random.default_rng(1), before):
        assert snapshot.proposed is not None
        taken = (snapshot.value == snapshot.proposed).all(axis=1)
        np.testing.assert_array_equal(snapshot.value[~taken], before[~taken])
        assert snapshot.metrics["acceptance"] == pytest.approx(taken.mean())
        assert 0.05 < taken.mean() < 0.95
        before = snapshot.value
        kept.append((snapshot, snapshot.value.copy(), snapshot.proposed.copy()))
    for snapshot, value, proposed in kept:
        assert (snapshot.value == value).all()
        assert (snapshot.proposed == proposed).all()


@pytest.mark.parametrize("flips", [1, 3])
def test_of_a_sweep_the_last_flip_is_told(flips: int) -> None:
    """A chain that took it is what was offered; of any other as many cells differ as are flipped together, one in
    d + 1 of which may be none."""
    weights = np.random.default_rng(2).normal(size=9)
    target = Target(energy=lambda x: 3.0 * x @ weights, gradient=None, space=BinaryGrid(3, 3))
    config = bit_flip.Config(steps=4, flips=flips)
    start = np.zeros((4500, 9))
    seen = set()
    for snapshot in bit_flip.sample(target, config, np.random.default_rng(1), start):
        assert snapshot.proposed is not None
        assert np.isin(snapshot.proposed, (0.0, 1.0)).all()
        apart = (snapshot.proposed != snapshot.value).sum(axis=1)
        seen |= set(apart.tolist())
        assert 0.05 < (apart == 0).mean() < 0.95
    assert seen == ({0, 1} if flips == 1 else {0, 2, 3})


@pytest.mark.parametrize("key", ["ula", "nuts"])
def test_what_neither_accepts_nor_refuses_one_state_offers_none(key: str) -> None:
    config = SAMPLERS[key].config(steps=3)
    start = np.zeros((10, 2))
    for snapshot in SAMPLERS[key].sample(wells(), config, np.random.default_rng(1), start):
        assert snapshot.proposed is None
