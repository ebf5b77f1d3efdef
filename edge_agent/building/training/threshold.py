"""Where normal ends and anomalous begins, from the scores of a few dozen pictures.

The ranking of pictures is nearly always right; what goes wrong with few pictures is the threshold. The one with the
best F1 is anywhere between the highest normal and the lowest anomalous score, and with two anomalies that is a wide
gap. Here both kinds are described by a distribution (Student's t, for what a further picture may score), a normal
picture far out of the others' range not counting, and the threshold is half way from where hardly any normal picture
comes to where the errors of both are smallest together. With many anomalies the middle of the observed gap gains
weight. docs/model-quality-tried.md compares.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_agent.building.training.student import share_below
from edge_agent.errors import TrainingError

F64 = npt.NDArray[np.float64]

_OUTLIER = 4.0  # deviations above the mean of the others
_OUTLIER_SHARE = 10  # at most one in this many normal pictures is left out
#: deviations above what is usual of normal pictures, when there are no others
NORMAL_ONLY_DEVIATIONS = 2.0
#: the same, when it is known where drawn defects score, and how much of the way to there is gone
_DRAWN_DEVIATIONS, _DRAWN_SHARE = 1.5, 0.2
_MOST_DEVIATIONS = 3.0  # however far off they are: real defects may be much smaller
_LEAST_DRAWN = 0.2  # of them lie below the score that is taken for where they are
_NORMAL_DEVIATIONS = 2.25  # the same, when there are some: what they score decides with it
_NORMAL_QUARTILES = 1.349  # deviations between the quartiles of a normal distribution
_PRIOR_COUNT = 3  # anomalies' worth of belief that their scores spread as widely as they lie apart
_PARAMETRIC_COUNT = 15.0  # anomalies from which on what is observed counts as much as the distributions
_STEPS = 400
_SMOOTHING = 0.05  # of a picture, in the targets of the calibration; measured, see docs/model-quality-tried.md
#: slope of the calibration in the normal-only case: nobody knows what anomalies score
_NORMAL_ONLY_SLOPE = 5.0
#: what the slope is believed to be before any score is seen, and by how much: what fits kinds of parts in the mean
_USUAL_SLOPE, _SLOPE_BELIEF = 6.0, 2.0


class Spread(NamedTuple):
    """Mean and standard deviation."""

    mean: float
    deviation: float


def normal_spread(scores: F64) -> Spread:
    """Describe normal pictures' scores; a few that lie far above all others are left out."""
    ordered = np.sort(scores)
    for _ in range(max(1, len(scores) // _OUTLIER_SHARE)):
        rest = ordered[:-1]
        if len(rest) < 5 or ordered[-1] <= rest.mean() + _OUTLIER * rest.std(ddof=1):
            break
        ordered = rest
    deviation = ordered.std(ddof=1) if len(ordered) > 1 else 0.0
    return Spread(float(ordered.mean()), max(float(deviation), 1e-6 * max(1.0, abs(float(ordered.mean())))))


def normal_limit(scores: F64, deviations: float = NORMAL_ONLY_DEVIATIONS) -> float:
    """Say where hardly any normal picture comes, this many deviations above what is usual.

    Half of it comes from mean and deviation, half from median and quartiles: a few odd pictures of twenty, too many to
    be left out as exceptions, would lift the former until defects pass below it; and quartiles of twenty alone vary.
    """
    mean, deviation = normal_spread(scores)
    low, median, high = np.quantile(scores, [0.25, 0.5, 0.75])
    return float((mean + median) / 2 + deviations * (deviation + (high - low) / _NORMAL_QUARTILES) / 2)


def limit_before_drawn(normal: F64, drawn: F64) -> float:
    """Say where normal ends from normal pictures and such with drawn defects.

    Where those are far off there is room for normal pictures of a kind that the few did not show; where they are among
    normal ones, a threshold that lets all of these pass finds nothing.
    """
    low = normal_limit(normal, _DRAWN_DEVIATIONS)
    found = low + _DRAWN_SHARE * max(0.0, float(np.quantile(drawn, _LEAST_DRAWN)) - low)
    return min(found, normal_limit(normal, _MOST_DEVIATIONS))


def deviations_to_drawn(normal: F64, drawn: F64) -> float:
    """Say how far off drawn defects score, in deviations of normal pictures."""
    mean, deviation = normal_spread(normal)
    return (float(np.quantile(drawn, _LEAST_DRAWN)) - mean) / deviation


def balanced_threshold(normal: F64, anomalous: F64) -> float:
    """Choose the threshold between scores of both kinds; there must be at least one of each."""
    parametric = (_least_error(normal, anomalous) + normal_limit(normal, _NORMAL_DEVIATIONS)) / 2
    low, high = _best_gap(normal, anomalous)
    count = len(anomalous)
    return float((_PARAMETRIC_COUNT * parametric + count * (low + high) / 2) / (_PARAMETRIC_COUNT + count))


def threshold_for_recall(normal: F64, anomalous: F64, recall: float) -> float:
    """Choose the highest threshold with which at least `recall` of these anomalies are found.

    It lies between the last score that has to be found and the next one below, so that rounding can't lose it.
    """
    ordered = np.sort(anomalous)[::-1]
    last = ordered[max(int(np.ceil(recall * len(ordered) - 1e-9)), 1) - 1]
    below = np.concatenate([normal[normal < last], anomalous[anomalous < last]])
    return float((last + below.max()) / 2 if len(below) else last)


def threshold_for_precision(normal: F64, anomalous: F64, precision: float, *, least: float = -np.inf) -> float:
    """Choose the lowest threshold with which at least `precision` of what is called anomalous is, from `least` on.

    Raises:
        TrainingError: there is none, because a normal picture scores highest.
    """
    scores = np.unique(np.concatenate([normal, anomalous]))
    middles = np.concatenate([[scores[0]], (scores[1:] + scores[:-1]) / 2])
    reached = []
    for threshold in np.append(middles, least)[np.isfinite(np.append(middles, least))]:
        true, false = int((anomalous >= threshold).sum()), int((normal >= threshold).sum())
        if true and true / (true + false) >= precision:
            reached.append(float(threshold))
    if not reached:
        raise TrainingError(
            f"no threshold has a precision of {precision:g} on pictures that were held out: a normal one scores highest"
        )
    return min([threshold for threshold in reached if threshold >= least] or [max(reached)])


def calibration_slope(normal: F64, anomalous: F64, threshold: float) -> float:
    """Fit the slope of the logistic curve that is 0.5 at the threshold: Platt's method with weak smoothing.

    A slope far from the usual one has to be shown by many pictures: where a few lie apart by luck, any slope fits them.
    """
    if not len(anomalous):
        return _NORMAL_ONLY_SLOPE
    scores = np.concatenate([normal, anomalous]) - threshold
    targets = np.concatenate([
        np.full(len(normal), _SMOOTHING / (len(normal) + 2 * _SMOOTHING)),
        np.full(len(anomalous), (len(anomalous) + _SMOOTHING) / (len(anomalous) + 2 * _SMOOTHING)),
    ])  # fmt: skip
    slopes = np.logspace(-1, 2, _STEPS)
    logits = slopes[:, None] * scores
    loss = (np.logaddexp(0, logits) - targets * logits).sum(axis=1)
    loss += _SLOPE_BELIEF * np.log(slopes / _USUAL_SLOPE) ** 2
    return float(slopes[loss.argmin()])


def expected_errors(normal: F64, anomalous: F64) -> float:
    """Give the shares of further normal pictures above and anomalous ones below the best threshold, together.

    A few anomalies, which may lie apart by luck, tell it by how far off they are; of many it also counts which are on
    the wrong side, since what lies very far off makes a distribution wide that none comes near. There must be at least
    one of each.
    """
    found = np.sort(anomalous)
    missed = np.arange(len(found) + 1) / len(found)
    alarms = (normal[:, None] >= np.append(found, np.inf)).mean(axis=0)
    observed, count = float((missed + alarms).min()), len(found)
    expected = float(_errors(normal, anomalous)[1].min())
    return (_PARAMETRIC_COUNT * expected + count * observed) / (_PARAMETRIC_COUNT + count)


def _least_error(normal: F64, anomalous: F64) -> float:
    """Find the least sum of the shares of normal pictures above and anomalous ones below."""
    grid, errors = _errors(normal, anomalous)
    return float(grid[errors.argmin()])


def _errors(normal: F64, anomalous: F64) -> tuple[F64, F64]:
    """Give thresholds, and for each the sum of the shares of normal pictures above and anomalous ones below."""
    mean, deviation = normal_spread(normal)
    count = len(anomalous)
    other = float(anomalous.mean())
    believed = max(deviation, (other - mean) / 3)
    spread = np.sqrt((((anomalous - other) ** 2).sum() + _PRIOR_COUNT * believed**2) / (count - 1 + _PRIOR_COUNT))
    grid = np.linspace(mean, max(other, mean + 6 * deviation), _STEPS)
    missed = share_below((grid - other) / (spread * np.sqrt(1 + 1 / count)), count - 1 + _PRIOR_COUNT)
    alarms = share_below((mean - grid) / (deviation * np.sqrt(1 + 1 / len(normal))), max(len(normal) - 1, 1))
    return grid, np.asarray(missed + alarms, np.float64)


def _best_gap(normal: F64, anomalous: F64) -> tuple[float, float]:
    """Find the neighbouring scores between which a threshold has the best F1, the widest such range."""
    scores = np.unique(np.concatenate([normal, anomalous]))
    if len(scores) == 1:
        return float(scores[0]), float(scores[0])
    middles = (scores[1:] + scores[:-1]) / 2
    true = (anomalous[:, None] >= middles).sum(axis=0)
    false = (normal[:, None] >= middles).sum(axis=0)
    f1 = 2 * true / (true + false + len(anomalous))
    best = np.flatnonzero(f1 >= f1.max() - 1e-9)
    return float(scores[best[0]]), float(scores[best[-1] + 1])
