"""The verdict on the whole picture: two scores that know different things, brought to one scale and added.

The memory bank knows what good parts look like and needs no anomaly; the logistic regression on pooled features
learns from the anomalies that there are. Both are put in deviations of normal pictures' scores, compressed by asinh(z
/ 3), which is linear for ordinary pictures and logarithmic for extreme ones, and weighted by how well each separates
pictures that it was not fitted on.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_agent.building.datasets.split import folds
from edge_agent.building.training.bank import choose_bank, distances, picture_scores
from edge_agent.building.training.features import F32, Features
from edge_agent.building.training.threshold import (
    F64,
    NORMAL_ONLY_DEVIATIONS,
    Spread,
    balanced_threshold,
    calibration_slope,
    normal_spread,
    threshold_for_precision,
    threshold_for_recall,
)

_COMPRESSION = 3.0  # deviations: half way between linear and logarithmic
_FOLDS, _FOLDS_OF_MANY, _MANY = 10, 5, 150
_STRENGTH = 300.0  # of the regression's fit, divided by the number of features
_TRUSTED_ANOMALIES = 5  # below this many the regression counts for less
_FURTHEST_LOGIT = 5.0  # of the threshold, when it is not where the calibrated score is 0.5
_LEAST_ANOMALIES = 2  # one would leave none to fit on when it is held out

Progress = Callable[[int, int], None]


class Regression(NamedTuple):
    """weights [pooled channels] and bias of a linear score."""

    weights: F32
    bias: float

    def __call__(self, pooled: F32) -> F64:
        return np.asarray(pooled @ self.weights + self.bias, np.float64)


class Scale(NamedTuple):
    """One score's part of the whole: weight * asinh((score - mean) / (3 * deviation))."""

    spread: Spread
    weight: float

    def __call__(self, scores: npt.NDArray[np.floating]) -> F64:
        z = (np.asarray(scores, np.float64) - self.spread.mean) / (self.spread.deviation * _COMPRESSION)
        return np.asarray(self.weight * np.arcsinh(z), np.float64)

    @property
    def divisor(self) -> float:
        """What (score - mean) is divided by."""
        return self.spread.deviation * _COMPRESSION


class Head(NamedTuple):
    """Everything between the features and the verdict."""

    bank: F32
    bank_scale: Scale
    regression: Regression | None
    regression_scale: Scale | None
    #: of the raw score
    threshold: float
    slope: float
    #: where the calibrated score is 0.5
    middle: float
    #: raw scores of the training pictures, each from a head that had not seen it
    out_of_fold: F64
    #: of the anomaly map: what lies above it is marked
    map_threshold: float

    def raw_scores(self, features: Features) -> F64:
        """Score pictures as the finished model does."""
        raw = self.bank_scale(picture_scores(distances(features.patches, self.bank)))
        if self.regression and self.regression_scale:
            raw = raw + self.regression_scale(self.regression(features.pooled))
        return raw

    @property
    def calibrated_threshold(self) -> float:
        """The threshold among calibrated scores."""
        return float(self.calibrated(np.array([self.threshold]))[0])

    def calibrated(self, raw: F64) -> F64:
        """Turn raw scores into 0..1."""
        return np.asarray(1 / (1 + np.exp(-np.clip(self.slope * (raw - self.middle), -700, 700))), np.float64)


class Wanted(NamedTuple):
    """What the threshold is chosen for: the best F1, or at least a recall or a precision."""

    recall: float | None = None
    precision: float | None = None


def fit_head(
    features: Features,
    anomalous: npt.NDArray[np.bool_],
    *,
    seed: int,
    wanted: Wanted,
    progress: Progress,
    same: Sequence[str] = (),
) -> Head:
    """Fit bank, regression, scales, threshold and calibration.

    Args:
        features: of all training pictures.
        anomalous: which of them are.
        seed: everything random follows from it.
        wanted: what the threshold is for.
        progress: told how many of the fits are done.
        same: a key for each picture; those with the same key are copies, which are held out together.

    Raises:
        TrainingError: the wanted precision can't be reached.
    """
    bank_out, regression_out, furthest = _out_of_fold(features, anomalous, seed, same, progress)
    normal = ~anomalous
    bank_spread = normal_spread(bank_out[normal])
    use_regression = anomalous.sum() >= _LEAST_ANOMALIES
    weights = (1.0, 0.0)
    regression_spread = normal_spread(regression_out[normal]) if use_regression else Spread(0.0, 1.0)
    bank_scale, regression_scale = Scale(bank_spread, 1.0), Scale(regression_spread, 1.0)
    if use_regression:
        weights = _weights(bank_scale(bank_out), regression_scale(regression_out), anomalous)
    bank_scale, regression_scale = bank_scale._replace(weight=weights[0]), regression_scale._replace(weight=weights[1])
    raw = bank_scale(bank_out) + (regression_scale(regression_out) if use_regression else 0.0)
    middle = _middle(raw, anomalous)
    slope = calibration_slope(raw[normal], raw[anomalous], middle)
    threshold = _wanted_threshold(raw, anomalous, wanted, middle)
    # Scores are compared at four decimals: a threshold far out would be 0 or 1 there.
    middle = float(np.clip(middle, threshold - _FURTHEST_LOGIT / slope, threshold + _FURTHEST_LOGIT / slope))
    return Head(
        bank=choose_bank(features.patches[normal].reshape(-1, features.patches.shape[2]), seed=seed),
        bank_scale=bank_scale,
        regression=_fit_regression(features.pooled, anomalous) if weights[1] > 0 else None,
        regression_scale=regression_scale if weights[1] > 0 else None,
        threshold=threshold,
        slope=slope,
        middle=middle,
        out_of_fold=raw,
        map_threshold=_map_threshold(furthest[normal], bank_spread),
    )


def _out_of_fold(
    features: Features, anomalous: npt.NDArray[np.bool_], seed: int, same: Sequence[str], progress: Progress
) -> tuple[F64, F64, F64]:
    """Score each picture by a bank and a regression that were made without it, and tell its furthest patch."""
    count = min(_FOLDS if len(anomalous) <= _MANY else _FOLDS_OF_MANY, max(2, int((~anomalous).sum())))
    fold = folds(anomalous.astype(int).tolist(), count, seed=seed, same=same)
    bank_out, regression_out, furthest = (np.zeros(len(anomalous)) for _ in range(3))
    for number in range(count):
        held, kept = fold == number, fold != number
        progress(number, count)
        if not held.any():
            continue
        good = features.patches[kept & ~anomalous]
        if not len(good):  # the normal pictures are all the same one
            good = features.patches[~anomalous]
        bank = choose_bank(good.reshape(-1, good.shape[2]), seed=seed)
        found = distances(features.patches[held], bank)
        bank_out[held], furthest[held] = picture_scores(found), found.max(axis=1)
        if anomalous[kept].any():
            regression_out[held] = _fit_regression(features.pooled[kept], anomalous[kept])(features.pooled[held])
    progress(count, count)
    return bank_out, regression_out, furthest


def _fit_regression(pooled: F32, anomalous: npt.NDArray[np.bool_]) -> Regression:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    mean, deviation = pooled.mean(axis=0), pooled.std(axis=0)
    deviation = np.maximum(deviation, 1e-6 * max(float(np.abs(pooled).max()), 1.0))
    model = LogisticRegression(C=_STRENGTH / pooled.shape[1], class_weight="balanced", max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(((pooled - mean) / deviation).astype(np.float64), anomalous)
    weights = model.coef_[0] / deviation
    return Regression(weights.astype(np.float32), float(model.intercept_[0] - mean @ weights))


def _weights(bank: F64, regression: F64, anomalous: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Weigh the two by a regression on their out-of-fold values; neither counts negatively."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1.0, class_weight="balanced")
    model.fit(np.stack([bank, regression], axis=1), anomalous)
    found = np.maximum(model.coef_[0], 0.0)
    found = found * (1.0, min(1.0, anomalous.sum() / _TRUSTED_ANOMALIES))
    if found.sum() <= 0:
        return 1.0, 0.0
    return float(found[0] / found.sum()), float(found[1] / found.sum())


def _map_threshold(furthest: F64, spread: Spread) -> float:
    """Choose what is marked as anomalous: what hardly any patch of a good part reaches."""
    seen = normal_spread((furthest - spread.mean) / spread.deviation)
    return seen.mean + NORMAL_ONLY_DEVIATIONS * seen.deviation


def _middle(raw: F64, anomalous: npt.NDArray[np.bool_]) -> float:
    if anomalous.any():
        return balanced_threshold(raw[~anomalous], raw[anomalous])
    return float(np.arcsinh(NORMAL_ONLY_DEVIATIONS / _COMPRESSION))


def _wanted_threshold(raw: F64, anomalous: npt.NDArray[np.bool_], wanted: Wanted, middle: float) -> float:
    if not anomalous.any():
        return middle
    if wanted.recall is not None:
        return min(middle, threshold_for_recall(raw[~anomalous], raw[anomalous], wanted.recall))
    if wanted.precision is not None:
        return threshold_for_precision(raw[~anomalous], raw[anomalous], wanted.precision, least=middle)
    return middle
