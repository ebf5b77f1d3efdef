"""Logistic regression with a penalty on its weights, fitted by Newton's method.

There are more features than pictures, mostly: then the weights lie in the pictures' span, and as few unknowns are
looked for. Each step solves the second-order model of the loss exactly, so that a few reach the optimum to rounding.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]

_MOST_STEPS, _MOST_HALVINGS = 100, 30
_SMALL = 1e-10  # a step that changes no weight by more is the last


class Logistic(NamedTuple):
    """weights [features] and bias of log odds."""

    weights: F64
    bias: float


def fit_logistic(values: F64, truth: npt.NDArray[np.bool_], strength: float) -> Logistic:
    """Fit `truth` [n], which has both kinds, by `values` [n, features].

    The loss is half the weights' squares, and `strength` times the sum of the logistic losses, of which each kind has
    half, whatever its number (C and class_weight="balanced" of scikit-learn's LogisticRegression); the bias is free.
    """
    few, basis = values, None
    if values.shape[1] > len(values):
        basis, triangle = np.linalg.qr(values.T)
        few = triangle.T
    seen = np.column_stack([few, np.ones(len(few))])
    sign = np.where(truth, 1.0, -1.0)
    share = strength * len(truth) / (2 * np.where(truth, truth.sum(), (~truth).sum()))
    penalty = np.ones(seen.shape[1])
    penalty[-1] = 0

    def loss(weights: F64) -> float:
        return float(share @ np.logaddexp(0, -sign * (seen @ weights)) + (penalty * weights**2).sum() / 2)

    found = np.zeros(seen.shape[1])
    here = loss(found)
    for _ in range(_MOST_STEPS):
        wrong = _probability(-sign * (seen @ found))
        slope = penalty * found - seen.T @ (share * sign * wrong)
        curvature = (seen.T * (share * wrong * (1 - wrong))) @ seen
        curvature[np.diag_indices_from(curvature)] += np.maximum(penalty, _SMALL)
        step = np.linalg.solve(curvature, slope)
        # Far from the optimum a whole step may be too long.
        for _ in range(_MOST_HALVINGS):
            there = loss(found - step)
            if there <= here:
                break
            step /= 2
        else:
            break
        found, here = found - step, there
        if np.abs(step).max() <= _SMALL * max(1.0, float(np.abs(found).max())):
            break
    weights = found[:-1] if basis is None else basis @ found[:-1]
    return Logistic(weights, float(found[-1]))


def _probability(log_odds: F64) -> F64:
    return np.asarray(np.exp(-np.logaddexp(0, -log_odds)), np.float64)
