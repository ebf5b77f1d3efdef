"""Scores, thresholds and confidence."""

from __future__ import annotations

import math

import pytest

from edge_agent.component.manifest import Calibration
from edge_agent.errors import EngineFailed
from edge_agent.inference.verdict import calibrate, decide


@pytest.mark.parametrize(
    ("score", "threshold", "anomalous"),
    [
        (0.5, 0.5, True),
        (0.49996, 0.5, True),
        (0.49994, 0.5, False),
        (0.5, 0.50004, True),
        (0.0, 0.0, True),
        (0.9, 1.0, False),
    ],
)
def test_score_and_threshold_are_compared_at_four_decimals(score: float, threshold: float, anomalous: bool) -> None:
    assert decide(score, threshold).is_anomalous is anomalous


def test_confidence() -> None:
    assert decide(0.9, 0.5).confidence == 0.9
    assert decide(0.1, 0.5).confidence == pytest.approx(0.9)


@pytest.mark.parametrize(("raw", "score"), [(-3.0, 0.0), (0.25, 0.25), (7.0, 1.0), (math.inf, 1.0), (-math.inf, 0.0)])
def test_without_calibration_scores_are_clipped(raw: float, score: float) -> None:
    assert calibrate(raw, None) == score


@pytest.mark.parametrize("raw", [-1e308, -5.0, 0.0, 2.0, 5.0, 1e308, math.inf, -math.inf])
def test_a_logistic_calibration_stays_in_0_to_1_and_rises(raw: float) -> None:
    calibration = Calibration(slope=2.0, intercept=-4.0)
    score = calibrate(raw, calibration)
    assert 0.0 <= score <= 1.0
    assert (score >= 0.5) == (raw >= 2.0)


def test_a_score_that_is_no_number_is_the_engines_failure() -> None:
    with pytest.raises(EngineFailed, match="not a number"):
        calibrate(math.nan, None)


def test_an_infinite_score_with_a_slope_of_0_is_refused() -> None:
    with pytest.raises(EngineFailed, match="score is inf, which the calibration can't turn into one"):
        calibrate(math.inf, Calibration(slope=0.0, intercept=1.0))
