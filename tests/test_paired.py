"""Data in pairs, and what is known of them in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from ebm_plugins import paired


@pytest.fixture(scope="module")
def data():
    return {d.key: d.load() for d in paired.register_datasets()}


def test_mutual_information_is_that_of_the_covariance() -> None:
    """I = ½ log(det Σx det Σy / det Σ), by determinants of the joint covariance."""
    for rho, dim in ((0.8, 1), (0.9, 5), (0.9, 20), (0.0, 3)):
        eye = np.eye(dim)
        joint = np.block([[eye, rho * eye], [rho * eye, eye]])
        by_determinant = -0.5 * np.linalg.slogdet(joint)[1]
        assert paired.mutual_information(rho, dim) == pytest.approx(by_determinant, abs=1e-10)
    assert paired.mutual_information(0.8, 1) == pytest.approx(0.511, abs=5e-4)
    assert paired.mutual_information(0.9, 5) == pytest.approx(4.152, abs=5e-4)
    assert paired.mutual_information(0.9, 20) == pytest.approx(16.607, abs=5e-4)


def test_the_best_critic_is_the_log_ratio_of_densities() -> None:
    """log p(x, y) − log p(x) − log p(y), by SciPy's multivariate normal."""
    rho, dim = 0.7, 2
    x, y = paired.gaussian(5, rho, dim, np.random.default_rng(0))
    eye = np.eye(dim)
    joint = multivariate_normal(cov=np.block([[eye, rho * eye], [rho * eye, eye]]))
    one = multivariate_normal(cov=eye)
    found = paired.best_critic(x, y, rho)
    for i in range(5):
        for j in range(5):
            ratio = joint.logpdf(np.r_[x[i], y[j]]) - one.logpdf(x[i]) - one.logpdf(y[j])
            assert found[i, j] == pytest.approx(ratio, abs=1e-10)


def test_gaussian_pairs_have_the_stated_moments(data) -> None:
    """Five standard errors for each of 10 variances and 25 cross-moments: false alarm under 2e-5."""
    d = data["gaussian-pairs"]
    x, y = d.x[:, :5], d.x[:, 5:]
    n = len(x)
    assert np.abs((d.x**2).mean(axis=0) - 1).max() < 5 * math.sqrt(2 / n)
    cross = x.T @ y / n
    spread = math.sqrt(1 + paired.CORRELATION**2)
    assert np.abs(cross - paired.CORRELATION * np.eye(5)).max() < 5 * spread / math.sqrt(n)
    assert d.test_x is not None
    assert len(d.test_x) == paired.GAUSSIAN_TEST_ROWS


def test_named_digits_are_the_digits_in_their_split(data) -> None:
    """The shuffled one is the split of the digits; the unshuffled one keeps scikit-learn's order."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    for key, order in (
        ("digits-named", np.random.default_rng(0).permutation(1797)),
        ("digits-named-new-writers", np.arange(1797)),
    ):
        d = data[key]
        assert d.test_x is not None
        rows, labels = np.vstack([d.x, d.test_x]), np.r_[d.labels, d.test_labels]
        assert (len(d.x), len(d.test_x)) == (1300, 497)
        np.testing.assert_array_equal(rows[:, :64], digits.data[order] / 16)
        np.testing.assert_array_equal(labels, digits.target[order])
        np.testing.assert_array_equal(rows[:, 64:].argmax(axis=1), labels)
        assert (rows[:, 64:].sum(axis=1) == 1).all()


def test_the_articles_query_and_key_stand_first(data) -> None:
    assert data["article-keys"].x[0].tolist() == [1.0, 0.0, 0.0, 0.9, 0.1, 0.0]
    assert data["article-keys"].x.shape == (6, 6)
