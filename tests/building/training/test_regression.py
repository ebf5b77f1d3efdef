"""The regression's optimum is the one that scikit-learn comes near to."""

from __future__ import annotations

import numpy as np
import pytest

from edge_agent.building.training.regression import fit_logistic


@pytest.mark.parametrize("anomalies", [1, 10, 25])
@pytest.mark.parametrize(("features", "strength", "apart"), [(456, 300 / 456, 0.2), (5, 1.0, 1.0), (5, 1e4, 4.0)])
def test_the_weights_are_those_of_scikit_learn(anomalies: int, features: int, strength: float, apart: float) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(anomalies)
    truth = np.arange(30) < anomalies
    values = rng.normal(size=(30, features)) + apart * truth[:, None]
    found = fit_logistic(values, truth, strength)
    other = linear_model.LogisticRegression(C=strength, class_weight="balanced", max_iter=100_000, tol=1e-12)
    other.fit(values, truth)
    np.testing.assert_allclose(found.weights, other.coef_[0], rtol=1e-4, atol=1e-4 * np.abs(found.weights).max())
    assert found.bias == pytest.approx(other.intercept_[0], rel=1e-3, abs=1e-3)


def test_the_slope_of_the_loss_is_nothing_there() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(40) < 4
    values = rng.normal(size=(40, 100)) + truth[:, None]
    found = fit_logistic(values, truth, 0.5)
    share = 0.5 * np.where(truth, 40 / 8, 40 / 72)
    probability = 1 / (1 + np.exp(-(values @ found.weights + found.bias)))
    np.testing.assert_allclose(values.T @ (share * (truth - probability)), found.weights, atol=1e-9)
    assert share @ (truth - probability) == pytest.approx(0, abs=1e-6)


def test_features_that_never_differ_count_for_nothing() -> None:
    truth = np.arange(8) < 3
    values = np.zeros((8, 3))
    values[:, 0] = truth
    found = fit_logistic(values, truth, 1.0)
    assert found.weights[0] > 0.5
    np.testing.assert_array_equal(found.weights[1:], 0)
