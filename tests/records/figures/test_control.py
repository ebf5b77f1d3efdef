"""Limits of a control chart, and the points that stand out."""

from __future__ import annotations

import pytest

from edge_agent.records.figures.control import Group, limits_of, signals, stable_limits, training_limits


def test_limits_are_those_of_the_books() -> None:
    """p = 0.05 and n = 400: 0.05 ± 3 √(0.05 · 0.95 / 400) = 0.0173 to 0.0827."""
    limits = limits_of([Group(400, 20)] * 30, "stable")
    assert limits is not None
    assert limits.center == pytest.approx(0.05, abs=1e-4)
    assert limits.at(400) == pytest.approx((0.0173, 0.0827), abs=1e-3)
    assert limits.at(100)[0] == 0.0
    assert limits.at(100)[1] == 0.13  # more than 13 of 100 are rarer than three sigmas, though 11.54 would be those


def test_a_line_without_anomalies_has_an_upper_limit() -> None:
    limits = limits_of([Group(50, 0)] * 20, "stable")
    assert limits is not None
    assert signals([Group(50, 1)], limits) == [""]
    assert signals([Group(50, 5)], limits) == ["beyond"]


def test_the_first_stable_time_is_found_behind_a_bad_beginning_and_over_gaps() -> None:
    quiet = [Group(400, 18 + number % 5) for number in range(40)]
    begun = [Group(400, 90), Group(0, 0), Group(400, 95)]
    limits = stable_limits([*begun, *quiet[:10], Group(0, 0), *quiet[10:]])
    assert limits is not None
    assert (limits.basis, limits.first, limits.groups) == ("stable", 3, 20)
    assert limits.center == pytest.approx(0.05, abs=0.002)
    assert stable_limits(quiet[:7]) is None
    few = stable_limits(quiet[:10])
    assert few is not None
    assert few.basis == "few"


def test_large_groups_that_vary_more_than_chance_have_wider_limits() -> None:
    """Laney: of 100,000 pictures each, shares between 1 % and 1.4 % are usual here, though coins would not do that."""
    groups = [Group(100_000, 1000 + 400 * (number % 2)) for number in range(20)]
    limits = limits_of(groups, "stable")
    assert limits is not None
    assert limits.spread > 5
    assert not any(signals(groups, limits))


@pytest.mark.parametrize(
    ("shares", "rule"),
    [
        ([0.05, 0.05, 0.11], "beyond"),
        ([0.075, 0.05, 0.075], "two_of_three"),
        ([0.065, 0.065, 0.05, 0.065, 0.065], "four_of_five"),
        ([0.055] * 8, "eight_in_a_row"),
        ([0.045] * 8, "eight_in_a_row"),
        ([0.055] * 7, ""),
    ],
)
def test_each_rule_has_its_name(shares: list[float], rule: str) -> None:
    limits = limits_of([Group(400, 20)] * 30, "stable")
    assert limits is not None
    groups = [Group(400, round(400 * share)) for share in shares]
    assert signals(groups, limits)[-1] == rule
    assert signals([*groups[:-1], Group(0, 0), groups[-1]], limits)[-2:] == ["", rule]


def test_training_gives_the_share_of_false_alarms() -> None:
    limits = training_limits(1, 49)
    assert limits is not None
    assert limits.center == pytest.approx(0.03)
    assert training_limits(0, 0) is None
