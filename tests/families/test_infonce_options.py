"""The InfoNCE family's options: each changes what comes out, in the known direction. Held-out digits, short trainings."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ebm_plugins import Data, paired
from ebm_plugins.datasets import register_datasets
from ebm_plugins.families import infonce
from ebm_plugins.families import infonce_model as model


@pytest.fixture(scope="module")
def data() -> dict[str, Data]:
    wanted = ("digits", "digits-named", "gaussian-pairs")
    return {d.key: d.load() for d in (*register_datasets(), *paired.register_datasets()) if d.key in wanted}


def learned(data: Data, seed: int = 0, **values):
    """The last snapshot of a training."""
    *_, last = infonce.train(
        data, infonce.TrainConfig(**{"every": 1000, **values}), np.random.default_rng(seed)
    )
    return last


@pytest.fixture(scope="module")
def small(data):
    """A short training on two views of digits."""
    return learned(data["digits"], steps=150)


def test_low_temperature_picks_the_nearest_key_and_high_temperature_any(small) -> None:
    params, x = small.value, np.zeros((4000, 128))

    def drawn(temperature: float) -> np.ndarray:
        config = infonce.SampleConfig(temperature=temperature, queries=1)
        return next(infonce.sample(params, config, np.random.default_rng(0), x)).value

    best = infonce.energy(params, infonce.support(params, drawn(1.0))).min()
    cold, usual, hot = (infonce.energy(params, drawn(t)) for t in (0.01, 1.0, 100.0))
    assert (cold < best + 0.2).mean() > 0.99
    assert cold.mean() < usual.mean() < hot.mean()
    even = infonce.energy(params, infonce.support(params, drawn(1.0))).mean()
    assert hot.mean() == pytest.approx(even, abs=0.05 * abs(best) + 0.3)


def test_more_steps_and_more_negatives_find_more_keys(data, small) -> None:
    d = data["digits"]
    assert small.metrics["held_out_matched"] > learned(d, steps=20).metrics["held_out_matched"] + 0.05
    few = learned(d, steps=150, batch=8).metrics
    assert small.metrics["held_out_bound"] > few["held_out_bound"] + 0.2


def test_raw_values_learn_nothing_but_tau(data) -> None:
    raw = learned(data["digits"], steps=100, encoder="raw")
    assert not [name for name in raw.value if "weight" in name]
    assert raw.metrics["held_out_matched"] < 0.2
    assert raw.metrics["temperature"] != pytest.approx(0.1, rel=0.01)


def test_a_fixed_temperature_stays_and_a_learned_one_falls_as_the_encoders_improve(data, small) -> None:
    fixed = learned(data["digits"], steps=150, learn_temperature=False)
    assert fixed.metrics["temperature"] == pytest.approx(0.1)
    assert small.metrics["temperature"] < 0.1
    held = learned(data["digits"], steps=60, temperature=0.01, learning_rate=0.1)
    assert held.metrics["temperature"] >= 0.01 * (1 - 1e-6), "as in CLIP, 1/τ is at most 100"


def test_weak_views_are_found_more_easily(data, small) -> None:
    """Without any change of the image both views are the same, and matched at once."""
    weak = learned(data["digits"], steps=20, shift=0, brightness=0.0, dropped=0.0, noise=0.0)
    assert weak.metrics["held_out_matched"] == 1.0
    assert weak.metrics["held_out_alignment"] == pytest.approx(0, abs=1e-9)
    for harder in ({"shift": 3}, {"dropped": 0.5}, {"noise": 0.5}):
        found = learned(data["digits"], steps=150, **harder).metrics
        assert found["held_out_matched"] < small.metrics["held_out_matched"] - 0.05, harder
    bright = learned(data["digits"], steps=150, brightness=1.0).metrics["held_out_loss"]
    assert bright > small.metrics["held_out_loss"]


def test_hardness_brings_matching_views_nearer_and_spreads_the_whole_less(data, small) -> None:
    hard = learned(data["digits"], steps=150, hardness=2.0).metrics
    assert hard["held_out_alignment"] < small.metrics["held_out_alignment"]
    assert hard["held_out_uniformity"] > small.metrics["held_out_uniformity"]


def test_the_symmetric_loss_learns_to_find_the_query_of_a_key_too(data) -> None:
    """Digits with names: asked from name to image, one-way InfoNCE leaves the loss higher."""
    d = data["digits-named"]
    back = {}
    for loss in ("InfoNCE", "symmetric"):
        params = learned(d, steps=300, loss=loss).value
        table = model.logits(params, d.test_x[:256, :64], d.test_x[:256, 64:])
        top = table.max(axis=0)
        back[loss] = (np.log(np.exp(table - top).sum(axis=0)) + top - np.diagonal(table)).mean()
    assert back["symmetric"] < back["InfoNCE"]


def test_nt_xent_tells_queries_apart_too(data) -> None:
    """Its loss counts the other queries as well, so it is larger: by up to log(2N − 1) − log N at the start."""
    first = {
        loss: learned(data["digits"], steps=1, loss=loss).metrics["loss"] for loss in ("InfoNCE", "NT-Xent")
    }
    assert first["NT-Xent"] > first["InfoNCE"] + 0.3


def test_the_dot_product_says_more_of_gaussian_pairs_than_the_cosine(data) -> None:
    asked = {"steps": 400, "batch": 256, "temperature": 1.0, "loss": "InfoNCE"}
    dot = learned(data["gaussian-pairs"], similarity="dot", **asked).metrics["held_out_bound"]
    cosine = learned(data["gaussian-pairs"], similarity="cosine", **asked).metrics["held_out_bound"]
    assert dot > cosine + 0.1


def test_weight_decay_shrinks_the_weights_and_a_constant_rate_moves_them_further(data, small) -> None:
    def size(params) -> float:
        return math.sqrt(sum(float((v.astype(float) ** 2).sum()) for k, v in params.items() if "weight" in k))

    decayed = learned(data["digits"], steps=150, weight_decay=1.0, learning_rate=0.01)
    plain = learned(data["digits"], steps=150, learning_rate=0.01)
    assert size(decayed.value) < size(plain.value)
    constant = learned(data["digits"], steps=150, schedule="constant")
    assert size(constant.value) > size(small.value)


def test_sizes_are_those_asked_for(data) -> None:
    params = learned(data["digits"], steps=2, hidden=20, embedding=6, bank=10).value
    assert params["left_weight_1"].shape == (64, 20)
    assert params["left_weight_2"].shape == (20, 6)
    assert len(params["bank_keys"]) == 10
    many = list(
        infonce.train(data["digits"], infonce.TrainConfig(steps=45, every=10), np.random.default_rng(0))
    )
    assert len(many) == 5
