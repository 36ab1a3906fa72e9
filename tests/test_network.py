"""The small network and its derivatives: against finite differences in float64, and Adam against its formula."""

from __future__ import annotations

import numpy as np
import pytest

from ebm_plugins import network

SMOOTH = ("silu", "softplus", "tanh")


def setup(sizes=(3, 7, 6, 1), n=5, seed=0):
    rng = np.random.default_rng(seed)
    weights = network.start(sizes, rng, np.float64)
    weights = tuple(w + 0.1 * rng.standard_normal(w.shape) for w in weights)
    return weights, rng.standard_normal((n, sizes[0])), rng.standard_normal((n, sizes[0])), rng


def value(weights, x, activation):
    return network.forward(weights, x, network.ACTIVATIONS[activation]).out[0]


def moved(weights, k, index, step):
    out = [w.copy() for w in weights]
    out[k][index] += step
    return tuple(out)


def by_differences(f, weights, h=1e-5):
    """∂f/∂weights by central differences, the fourth-order formula."""
    out = []
    for k, w in enumerate(weights):
        g = np.zeros_like(w)
        for index in np.ndindex(w.shape):
            at = [f(moved(weights, k, index, s * h)) for s in (-2, -1, 1, 2)]
            g[index] = (8 * (at[2] - at[1]) - (at[3] - at[0])) / (12 * h)
        out.append(g)
    return out


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_of_the_activations(name):
    """Each derivative is the slope of the one before it. Central differences at h = 1e-5 are good to 1e-9."""
    phi = network.ACTIVATIONS[name]
    a, h = np.linspace(-9, 9, 101), 1e-5
    up, down, here = phi(a + h, 3), phi(a - h, 3), phi(a, 3)
    for order in range(3):
        np.testing.assert_allclose((up[order] - down[order]) / (2 * h), here[order + 1], atol=2e-9)
    for order in range(3):
        assert len(phi(a, order)) == order + 1


@pytest.mark.parametrize("name", SMOOTH)
def test_a_jet_carries_the_first_and_second_derivative_along_its_direction(name):
    weights, x, v, _ = setup()
    jet = network.forward(weights, np.stack([x, v, 0 * x]), network.ACTIVATIONS[name]).out
    f = {t: value(weights, x + t * v, name) for t in (-2e-3, -1e-3, 0.0, 1e-3, 2e-3)}
    h = 1e-3
    first = (8 * (f[h] - f[-h]) - (f[2 * h] - f[-2 * h])) / (12 * h)
    second = (16 * (f[h] + f[-h]) - (f[2 * h] + f[-2 * h]) - 30 * f[0.0]) / (12 * h * h)
    np.testing.assert_allclose(jet[0], f[0.0], atol=1e-14)
    np.testing.assert_allclose(jet[1], first, atol=1e-9)
    np.testing.assert_allclose(jet[2], second, atol=1e-7)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("name", SMOOTH)
def test_weight_gradients_of_a_jet_equal_finite_differences(name, order):
    """∂/∂weights of Σ bar·(f, ⟨v, ∇f⟩, vᵀ∇²f v), to 1e-7 in float64; order 2 is what DSM with an energy needs."""
    weights, x, v, rng = setup()
    jet = np.stack([x, v, 0 * x])[:order]
    bar = rng.standard_normal((order, len(x), 1))
    phi = network.ACTIVATIONS[name]
    gradients, below = network.backward(weights, network.forward(weights, jet, phi), bar)
    expected = by_differences(lambda w: float((bar * network.forward(w, jet, phi).out).sum()), weights)
    for got, want in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(got, want, atol=1e-7)
    by_input = by_differences(lambda j: float((bar * network.forward(weights, j[0], phi).out).sum()), [jet])
    np.testing.assert_allclose(below, by_input[0], atol=1e-7)


def test_gradient_of_the_directional_slope_without_the_jet():
    """∇_θ⟨v, ∇ₓE⟩ by the jet equals finite differences of a ∇ₓE that a plain reverse pass computes."""
    weights, x, v, _ = setup(n=4)

    def slope(w):
        done = network.forward(w, x)
        return float((v * network.backward(w, done, np.ones((4, 1)))[1][0]).sum())

    done = network.forward(weights, np.stack([x, v]))
    bar = np.stack([np.zeros((4, 1)), np.ones((4, 1))])
    for got, want in zip(
        network.backward(weights, done, bar)[0], by_differences(slope, weights), strict=True
    ):
        np.testing.assert_allclose(got, want, atol=1e-7)


@pytest.mark.parametrize("sizes", [(3, 7, 6, 1), (3, 5, 1), (2, 4, 5, 3, 1), (3, 1)])
@pytest.mark.parametrize("name", SMOOTH)
def test_the_shared_passes_give_the_same_as_the_jet_and_as_finite_differences(name, sizes):
    weights, x, v, _ = setup(sizes)
    phi = network.ACTIVATIONS[name]
    done = network.slope(weights, x, phi)
    plain = network.forward(weights, x, phi)
    np.testing.assert_allclose(done.value, plain.out[0, :, 0], atol=1e-13)
    np.testing.assert_allclose(
        done.gradient, network.backward(weights, plain, np.ones_like(plain.out))[1][0], atol=1e-13
    )
    got = network.slope_gradients(weights, done, v)
    jet = network.forward(weights, np.stack([x, v]), phi)
    bar = np.stack([np.zeros((len(x), 1)), np.ones((len(x), 1))])
    want = network.backward(weights, jet, bar)[0]
    slow = by_differences(lambda w: float((v * network.slope(w, x, phi).gradient).sum()), weights)
    for a, b, c in zip(got, want, slow, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)
        np.testing.assert_allclose(a, c, atol=1e-7)


def test_a_plain_network_takes_plain_points():
    weights, x, _, rng = setup((3, 5, 2))
    bar = rng.standard_normal((5, 2))
    done = network.forward(weights, x, network.relu)
    hidden = np.maximum(x @ weights[0] + weights[1], 0)
    np.testing.assert_allclose(done.out[0], hidden @ weights[2] + weights[3], rtol=1e-14)
    gradients, below = network.backward(weights, done, bar)
    np.testing.assert_allclose(gradients[2], hidden.T @ bar, rtol=1e-13)
    np.testing.assert_allclose(below[0], ((bar @ weights[2].T) * (hidden > 0)) @ weights[0].T, rtol=1e-13)


def test_names_go_round():
    weights, *_ = setup()
    params = network.named(weights, "left_")
    assert list(params)[:2] == ["left_weight_1", "left_bias_1"]
    back = network.unnamed(params, "left_")
    assert all(a is b for a, b in zip(weights, back, strict=True))
    assert network.unnamed(params, "left_", np.float32)[0].dtype == np.float32
    with pytest.raises(KeyError, match="right_weight_1"):
        network.unnamed(params, "right_")


def test_float32_stays_float32():
    weights = network.start((3, 4, 1), np.random.default_rng(0))
    x = np.ones((2, 5, 3), np.float32)
    done = network.forward(weights, x)
    gradients, below = network.backward(weights, done, np.ones_like(done.out))
    assert {a.dtype for a in (done.out, below, *gradients)} == {np.dtype(np.float32)}
    new, state = network.adam(weights, gradients, network.moments(weights), 0.01)
    assert {a.dtype for a in (*new, state.first, state.second)} == {np.dtype(np.float32)}


def test_adam_is_its_formula_and_leaves_the_old_weights_alone():
    rng = np.random.default_rng(1)
    weights = (rng.standard_normal((2, 3)), rng.standard_normal(3))
    kept = [w.copy() for w in weights]
    state, current = network.moments(weights), weights
    m = [np.zeros_like(w) for w in weights]
    v = [np.zeros_like(w) for w in weights]
    want = [w.copy() for w in weights]
    for t in range(1, 6):
        gradients = tuple(rng.standard_normal(w.shape) for w in weights)
        current, state = network.adam(current, gradients, state, 0.1)
        for k, g in enumerate(gradients):
            m[k], v[k] = 0.9 * m[k] + 0.1 * g, 0.999 * v[k] + 0.001 * g * g
            want[k] -= 0.1 * (m[k] / (1 - 0.9**t)) / (np.sqrt(v[k] / (1 - 0.999**t)) + 1e-8)
    for a, b, w, k in zip(current, want, weights, kept, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
        np.testing.assert_array_equal(w, k)
