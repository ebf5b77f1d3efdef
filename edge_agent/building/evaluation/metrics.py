"""The figures of the guide's chapter on metrics, with the uncertainty that a few dozen test pictures leave.

Anomalous is the positive class. Intervals are of 95 %, and of a kind that does not shrink to nothing where no mistake
was seen: Wilson's for shares (https://doi.org/10.1080/01621459.1927.10502953), Jeffreys' for F1, Newcombe's fifth
method for the area under the ROC curve (https://doi.org/10.1002/sim.2324).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_DECIMALS = 4  # at which a score is compared with the threshold, as inference/verdict.py does
_Z95 = 1.959964
_DRAWS, _SEED = 20_000, 0

Interval = tuple[float, float]
Scores = npt.NDArray[np.float64]


class Confusion(NamedTuple):
    """How many pictures are what, and are called what."""

    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int


class Classification(NamedTuple):
    """Figures of the verdict; None where the pictures of one kind are missing and there is nothing to divide by."""

    f1: float | None
    precision: float | None
    recall: float | None
    roc_auc: float | None
    average_precision: float | None


class Intervals(NamedTuple):
    """95 % intervals of the same figures."""

    f1: Interval | None
    precision: Interval | None
    recall: Interval | None
    roc_auc: Interval | None


class Pixels(NamedTuple):
    """Figures of one label's mask over all test pictures."""

    label: str
    precision: float
    recall: float
    f1: float
    #: of all pixels together
    iou: float
    #: the mean over the pictures that show the label
    average_iou: float
    pictures: int


def is_anomalous(scores: npt.ArrayLike, threshold: float) -> npt.NDArray[np.bool_]:
    """Apply the verdict's rule."""
    return np.round(np.asarray(scores, np.float64), _DECIMALS) >= round(threshold, _DECIMALS)


def confusion(called: npt.NDArray[np.bool_], anomalous: npt.NDArray[np.bool_]) -> Confusion:
    """Count right and wrong verdicts."""
    return Confusion(
        int((called & anomalous).sum()),
        int((called & ~anomalous).sum()),
        int((~called & ~anomalous).sum()),
        int((~called & anomalous).sum()),
    )


def classification_metrics(scores: npt.ArrayLike, anomalous: npt.NDArray[np.bool_], threshold: float) -> Classification:
    """Measure scores [n] of 0..1 against what the pictures are."""
    values = np.asarray(scores, np.float64)
    counts = confusion(is_anomalous(values, threshold), anomalous)
    found, alarms = _at_each_threshold(values, anomalous)
    return Classification(
        f1=_f1(counts),
        precision=_share(counts.true_positives, counts.true_positives + counts.false_positives),
        recall=_share(counts.true_positives, counts.true_positives + counts.false_negatives),
        roc_auc=_roc_auc(found, alarms) if found[-1] and alarms[-1] else None,
        average_precision=_average_precision(found, alarms) if found[-1] else None,
    )


def _at_each_threshold(values: Scores, anomalous: npt.NDArray[np.bool_]) -> tuple[Scores, Scores]:
    """Count the anomalies and the normal pictures whose scores reach each threshold, from one that none reaches on."""
    thresholds, which = np.unique(-values, return_inverse=True)
    found, alarms = (np.bincount(which[of], minlength=len(thresholds)) for of in (anomalous, ~anomalous))
    return np.append(0.0, found.cumsum()), np.append(0.0, alarms.cumsum())


def _roc_auc(found: Scores, alarms: Scores) -> float:
    return float((np.diff(alarms) * (found[1:] + found[:-1])).sum() / (2 * found[-1] * alarms[-1]))


def _average_precision(found: Scores, alarms: Scores) -> float:
    """Sum up precisions, each times what it finds more."""
    return float((np.diff(found) * found[1:] / (found[1:] + alarms[1:])).sum() / found[-1])


def intervals(scores: npt.ArrayLike, anomalous: npt.NDArray[np.bool_], threshold: float) -> Intervals:
    """Say between what the figures of very many such pictures would lie."""
    values = np.asarray(scores, np.float64)
    called = is_anomalous(values, threshold)
    counts = confusion(called, anomalous)
    found = counts.true_positives
    return Intervals(
        f1=f1_interval(counts),
        precision=wilson(found, found + counts.false_positives),
        recall=wilson(found, found + counts.false_negatives),
        roc_auc=_auc_interval(
            classification_metrics(values, anomalous, threshold).roc_auc,
            found + counts.false_negatives,
            counts.false_positives + counts.true_negatives,
        ),
    )


def wilson(count: int, total: int) -> Interval | None:
    """Wilson's interval of a share."""
    if not total:
        return None
    share, z2 = count / total, _Z95**2
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z95 * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2)) / (1 + z2 / total)
    return max(0.0, middle - half), min(1.0, middle + half)


def pixel_metrics(label: str, counts: Sequence[Confusion]) -> Pixels:
    """Sum up one label's pixels; `counts` has an entry a picture (true negatives are not looked at)."""
    true, false, missed = (
        sum(count[i] for count in counts) for i in (Confusion._fields.index(name) for name in _PIXEL_FIELDS)
    )
    shown = [count for count in counts if count.true_positives + count.false_negatives]
    each = [c.true_positives / (c.true_positives + c.false_positives + c.false_negatives) for c in shown]
    return Pixels(
        label=label,
        precision=true / (true + false) if true + false else 0.0,
        recall=true / (true + missed) if true + missed else 0.0,
        f1=2 * true / (2 * true + false + missed) if true + false + missed else 0.0,
        iou=true / (true + false + missed) if true + false + missed else 0.0,
        average_iou=sum(each) / len(each) if each else 0.0,
        pictures=len(shown),
    )


_PIXEL_FIELDS = ("true_positives", "false_positives", "false_negatives")


def _share(count: int, total: int) -> float | None:
    return count / total if total else None


def _f1(counts: Confusion) -> float | None:
    return _share(
        2 * counts.true_positives, 2 * counts.true_positives + counts.false_positives + counts.false_negatives
    )


def f1_interval(counts: Confusion) -> Interval | None:
    """Jeffreys' interval: recall and false alarms have beta distributions, from which F1's is drawn.

    None where no picture is anomalous.
    """
    positives = counts.true_positives + counts.false_negatives
    negatives = counts.false_positives + counts.true_negatives
    if not positives:
        return None
    rng = np.random.default_rng(_SEED)
    found = rng.beta(counts.true_positives + 0.5, counts.false_negatives + 0.5, _DRAWS) * positives
    alarms = rng.beta(counts.false_positives + 0.5, counts.true_negatives + 0.5, _DRAWS) * negatives
    f1 = 2 * found / (found + alarms + positives)
    least, most = np.quantile(f1, (0.025, 0.975))
    return float(least), float(most)


def _auc_interval(area: float | None, positives: int, negatives: int) -> Interval | None:
    """Newcombe's score interval, which has a width even where every picture is ranked rightly."""
    if area is None:
        return None
    each = (positives + negatives) / 2 - 1

    def excess(theta: float) -> float:
        spread = 1 + each * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return (area - theta) ** 2 - _Z95**2 * theta * (1 - theta) * spread / (positives * negatives)

    return _root(excess, 0.0, area), _root(excess, 1.0, area)


def _root(excess: Callable[[float], float], outside: float, inside: float) -> float:
    """Bisect between a point outside of the interval, where `excess` is positive, and one inside."""
    for _ in range(60):
        middle = (outside + inside) / 2
        if excess(middle) > 0:
            outside = middle
        else:
            inside = middle
    return inside
