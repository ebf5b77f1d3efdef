"""Parts of scores and of times, and what is read from them."""

from __future__ import annotations

from collections import Counter

import pytest

from edge_agent.records.store.bins import (
    TIME_BINS,
    milliseconds_of,
    score_bin,
    score_of,
    time_bin,
    time_quantile,
)


@pytest.mark.parametrize(("score", "part"), [(-0.1, 0), (0.0, 0), (0.0199, 0), (0.02, 1), (0.999, 49), (1.0, 49)])
def test_scores_are_counted_in_equal_parts(score: float, part: int) -> None:
    assert score_bin(score) == part
    assert score_of(part) <= max(score, 0.0)


@pytest.mark.parametrize("milliseconds", [0.07, 0.5, 1.0, 1.5, 14.2, 1000.0, 50_000.0])
def test_a_time_lies_in_a_part_that_is_a_fifth_wide(milliseconds: float) -> None:
    part = time_bin(milliseconds)
    assert milliseconds_of(part) <= milliseconds < milliseconds_of(part + 1) <= 1.19 * milliseconds_of(part) + 1e-9


def test_no_time_is_too_short_or_too_long_for_a_part() -> None:
    assert [time_bin(value) for value in (-1.0, 0.0, 0.001, 1e9)] == [0, 0, 0, TIME_BINS - 1]
    assert milliseconds_of(0) == 0.0


def test_a_quantile_is_at_most_a_fifth_too_long() -> None:
    parts = Counter(time_bin(float(number)) for number in range(1, 1001))
    for share in (0.5, 0.95, 0.99):
        assert 1000 * share <= time_quantile(parts, share) <= 1000 * share * 1.2
    assert time_quantile({}, 0.5) == 0.0
