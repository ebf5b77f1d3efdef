from __future__ import annotations

import numpy as np
import pytest

from edge_agent.building.training.threshold import (
    balanced_threshold,
    calibration_slope,
    expected_errors,
    limit_before_drawn,
    normal_limit,
    normal_spread,
    threshold_for_precision,
    threshold_for_recall,
)
from edge_agent.errors import TrainingError

NORMAL = np.random.default_rng(0).normal(0, 1, 20)


def test_one_strange_normal_picture_does_not_widen_the_spread() -> None:
    spread = normal_spread(np.append(NORMAL, 30.0))
    assert spread.deviation == pytest.approx(normal_spread(NORMAL).deviation)
    widened = normal_spread(np.append(NORMAL, [30.0] * 10))
    assert widened.deviation > 5, "but ten are no exception"


def test_a_few_odd_normal_pictures_do_not_lift_the_limit_far() -> None:
    """Four of twenty are too many to be exceptions; described by a deviation alone they would let defects pass."""
    usual = normal_limit(NORMAL)
    odd = np.concatenate([NORMAL[:16], [4.0, 4.5, 5.0, 5.5]])
    mean, deviation = normal_spread(odd)
    assert usual < normal_limit(odd) < mean + 2.25 * deviation - 1
    assert normal_limit(np.zeros(3)) >= 0


def test_drawn_defects_move_the_limit_towards_where_they_are() -> None:
    hidden, near, far = (limit_before_drawn(NORMAL, NORMAL + shift) for shift in (0.0, 4.0, 8.0))
    assert hidden < normal_limit(NORMAL), "where defects hide among normal pictures some of these have to be looked at"
    assert hidden < near < far < 4.0, "most of the way is left to what is less than was drawn"
    odd = np.concatenate([NORMAL + 8, [-9.0] * 4])
    assert limit_before_drawn(NORMAL, odd) == pytest.approx(far, abs=0.2), "a few that can't be seen don't lower it"
    assert limit_before_drawn(NORMAL, NORMAL + 90.0) == normal_limit(NORMAL, 3.0), "real ones may be much smaller"


def test_equal_scores_have_a_spread_to_divide_by() -> None:
    assert normal_spread(np.full(5, 3.0)).deviation > 0
    assert normal_spread(np.array([3.0])).deviation > 0


def test_two_anomalies_far_away_do_not_pull_the_threshold_half_way_to_them() -> None:
    threshold = balanced_threshold(NORMAL, np.array([30.0, 45.0]))
    assert NORMAL.max() < threshold < 15, "the middle of the gap would be 16"


def test_many_anomalies_make_the_observed_gap_count() -> None:
    many = np.linspace(30, 40, 60)
    assert balanced_threshold(NORMAL, many) > balanced_threshold(NORMAL, many[:2])


def test_scores_that_overlap() -> None:
    rng = np.random.default_rng(1)
    anomalous = rng.normal(3, 1, 40)
    threshold = balanced_threshold(rng.normal(0, 1, 40), anomalous)
    assert 0.8 < threshold < 2.2


def test_scores_that_are_all_the_same() -> None:
    assert np.isfinite(balanced_threshold(np.zeros(4), np.zeros(2)))


@pytest.mark.parametrize(("recall", "expected"), [(1.0, 1.0), (0.75, 2.0), (0.5, 3.0), (0.01, 4.0)])
def test_threshold_for_a_recall(recall: float, expected: float) -> None:
    anomalous = np.array([4.0, 1.0, 3.0, 2.0])
    threshold = threshold_for_recall(np.array([0.0, 0.5]), anomalous, recall)
    assert expected - 1 < threshold < expected, "a little below the last that has to be found"
    assert (anomalous >= threshold).mean() >= recall


@pytest.mark.parametrize("precision", [0.5, 0.8, 1.0])
def test_threshold_for_a_precision(precision: float) -> None:
    normal, anomalous = np.array([0.0, 1.0, 2.0, 5.0]), np.array([3.0, 4.0, 6.0, 7.0])
    threshold = threshold_for_precision(normal, anomalous, precision)
    called = (anomalous >= threshold).sum(), (normal >= threshold).sum()
    assert called[0] / sum(called) >= precision
    assert called[0] > 0


def test_a_precision_that_nothing_reaches_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"no threshold has a precision of 0\.9"):
        threshold_for_precision(np.array([5.0]), np.array([1.0]), 0.9)


def test_a_precision_is_not_lost_by_a_higher_threshold() -> None:
    """Precision does not only grow with the threshold: from 3.5 to 5.5 it is worse than at 2.5."""
    normal, anomalous = np.array([0.0, 1.0, 2.0, 5.0]), np.array([3.0, 4.0, 6.0])
    threshold = threshold_for_precision(normal, anomalous, 0.75, least=4.5)
    assert threshold == 5.5


def test_the_further_apart_the_scores_the_surer_the_calibration() -> None:
    apart = calibration_slope(NORMAL, NORMAL + 12, 6.0) * 6.0
    close = calibration_slope(NORMAL, NORMAL + 3, 1.5) * 1.5
    assert apart > close > 0
    assert calibration_slope(NORMAL, np.array([]), 3.0) > 0


def test_many_anomalies_that_lie_apart_are_expected_to_be_found_however_wide_they_lie() -> None:
    """Some ten times as far off as others: a distribution that is so wide reaches down to the good parts."""
    wide = np.array([4.0, 4.5, 5.0, 5.5, 40.0, 45.0, 50.0, 55.0])
    few, many = expected_errors(NORMAL, wide), expected_errors(NORMAL, np.tile(wide, 5))
    assert few > 0.05 > many > 0
    overlapping = np.tile(np.append(wide[:6], [0.0, 0.5]), 5)
    assert expected_errors(NORMAL, overlapping) > 0.15, "and a quarter that lies among good parts is not"
