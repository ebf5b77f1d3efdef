from __future__ import annotations

import numpy as np
import pytest

from edge_agent.building.evaluation.metrics import (
    Confusion,
    classification_metrics,
    confusion,
    intervals,
    is_anomalous,
    pixel_metrics,
    wilson,
)

SCORES = np.array([0.1, 0.4, 0.35, 0.8])
TRUTH = np.array([False, False, True, True])


def test_figures_of_a_worked_example() -> None:
    """Scores and truth of scikit-learn's own documentation of roc_auc_score and average_precision_score."""
    found = classification_metrics(SCORES, TRUTH, 0.5)
    assert found.roc_auc == pytest.approx(0.75)
    assert found.average_precision == pytest.approx(0.8333, abs=1e-4)
    assert (found.precision, found.recall) == (1.0, 0.5)
    assert found.f1 == pytest.approx(2 / 3)
    assert confusion(is_anomalous(SCORES, 0.5), TRUTH) == Confusion(1, 0, 2, 1)


def test_scores_are_compared_at_four_decimals_as_in_the_verdict() -> None:
    assert is_anomalous([0.49995, 0.49994], 0.5).tolist() == [True, False]


def test_what_can_not_be_calculated_is_left_out() -> None:
    normal_only = classification_metrics([0.1, 0.2], np.array([False, False]), 0.5)
    assert normal_only == (None, None, None, None, None)
    assert intervals([0.1, 0.2], np.array([False, False]), 0.5) == (None, None, None, None)


def test_intervals_are_not_empty_where_no_mistake_was_seen() -> None:
    found = intervals([0.1] * 10 + [0.9] * 10, np.arange(20) >= 10, 0.5)
    for interval in found:
        assert interval is not None
        assert interval[1] == pytest.approx(1.0, abs=0.01)
        assert 0.6 < interval[0] < 0.95
    assert wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4), "as published"


def test_more_pictures_make_the_intervals_narrower() -> None:
    def width(count: int) -> float:
        scores = [0.1] * (9 * count) + [0.9] * count + [0.9] * (9 * count) + [0.1] * count
        interval = intervals(scores, np.arange(20 * count) >= 10 * count, 0.5).f1
        assert interval is not None
        return interval[1] - interval[0]

    assert width(20) < 0.5 * width(1)


def test_pixels() -> None:
    counts = [Confusion(80, 20, 0, 20), Confusion(0, 10, 0, 0), Confusion(10, 0, 0, 30)]
    found = pixel_metrics("crack", counts)
    assert (found.precision, found.recall) == (90 / 120, 90 / 140)
    assert found.iou == 90 / 170
    assert found.average_iou == pytest.approx((80 / 120 + 10 / 40) / 2), "over the pictures that show it"
    assert found.pictures == 2
    assert pixel_metrics("none", [Confusion(0, 0, 0, 0)]).f1 == 0.0


@pytest.mark.parametrize("ties", [1, 3, 100])
def test_areas_are_those_of_scikit_learn_where_scores_are_equal_too(ties: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(ties)
    truth = rng.random(40) < 0.3
    scores = np.round(rng.random(40) + 0.3 * truth, 1 if ties > 1 else 6) / ties
    found = classification_metrics(scores, truth, 0.5)
    assert found.roc_auc == pytest.approx(metrics.roc_auc_score(truth, scores), abs=1e-12)
    assert found.average_precision == pytest.approx(metrics.average_precision_score(truth, scores), abs=1e-12)
