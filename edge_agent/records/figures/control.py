"""A control chart of the share of anomalous pictures (p-chart): its limits, and the points that stand out.

Montgomery, Introduction to Statistical Quality Control, 7th ed., chapter 7, for p-charts with groups of different size;
Laney, "Improved control charts for attributes", Quality Engineering 14 (2002), for large groups, whose shares vary more
than those of coins would; Western Electric, Statistical Quality Control Handbook (1956), for the rules.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

Basis = Literal["stable", "few", "shown", "training"]
Rule = Literal["", "beyond", "two_of_three", "four_of_five", "eight_in_a_row"]

#: groups that a stable period has, and the least from which limits are taken at all
STABLE_GROUPS, LEAST_GROUPS = 20, 8
_SIGMAS = 3.0
_RUN = 8
#: mean moving range of a normal distribution, in standard deviations (d2 of two)
_D2 = 1.128


#: where fewer anomalies than that are expected in a group, their number is skewed: the upper limit is the binomial
#: distribution's own, and where fewer than the second, runs on one side say nothing
_FEW_EXPECTED, _TOO_FEW_EXPECTED = 20.0, 5.0
_TAIL = 0.00135  # of a normal distribution beyond three standard deviations


class Group(NamedTuple):
    """What was counted in a period."""

    total: int
    anomalous: int


class Limits(NamedTuple):
    """Where the share is to be expected."""

    center: float
    #: how many times more the shares vary than chance alone would have it; at least 1
    spread: float
    basis: Basis
    #: how many groups, or (training) pictures, they come from; `first` is the place of the first of these groups
    groups: int
    first: int = 0

    def deviation(self, total: int) -> float:
        """Give the standard deviation of the share of a group."""
        return self.spread * math.sqrt(self.center * (1 - self.center) / total)

    def at(self, total: int) -> tuple[float, float]:
        """Give the lower and the upper limit for a group of so many pictures."""
        reach = _SIGMAS * self.deviation(total)
        high = self.center + reach
        if total * self.center < _FEW_EXPECTED:
            high = max(high, _rarely_reached(total, self.center) / total)
        return max(0.0, self.center - reach), min(1.0, high)


def limits_of(groups: Sequence[Group], basis: Basis, first: int = 0) -> Limits | None:
    """Take limits from groups; None when nothing was counted in them.

    The centre is drawn towards a half by half a picture, so that a line without any anomaly has an upper limit too.
    """
    counted = [group for group in groups if group.total]
    total = sum(group.total for group in counted)
    if not total:
        return None
    center = (sum(group.anomalous for group in counted) + 0.5) / (total + 1)
    plain = Limits(center, 1.0, basis, len(counted), first)
    scores = [_z(group, plain) for group in counted]
    ranges = [abs(after - before) for before, after in itertools.pairwise(scores)]
    spread = sum(ranges) / len(ranges) / _D2 if ranges else 1.0
    return plain._replace(spread=max(1.0, spread))


def stable_limits(groups: Sequence[Group]) -> Limits | None:
    """Take limits from the first groups in a row of which none stands out.

    Where there are fewer than that takes, or none of them keeps still, from all of them; None below the least.
    """
    places = [place for place, group in enumerate(groups) if group.total]
    for start in range(len(places) - STABLE_GROUPS + 1):
        window = [groups[place] for place in places[start : start + STABLE_GROUPS]]
        limits = limits_of(window, "stable", places[start])
        if limits is not None and not any(signals(window, limits)):
            return limits
    if len(places) < LEAST_GROUPS:
        return None
    return limits_of(groups, "few" if len(places) < STABLE_GROUPS else "shown", places[0])


def training_limits(false_alarms: int, normal: int) -> Limits | None:
    """Take the share of good training pictures that were judged anomalous when held out; None without any."""
    return Limits((false_alarms + 0.5) / (normal + 1), 1.0, "training", normal) if normal else None


def signals(groups: Sequence[Group], limits: Limits) -> list[Rule]:
    """Say for each group by which rule it stands out; periods in which nothing was counted do not end a run."""
    found: list[Rule] = []
    past: list[float] = []
    for group in groups:
        if not group.total:
            found.append("")
            continue
        share, (low, high) = group.anomalous / group.total, limits.at(group.total)
        past.append(_z(group, limits) if group.total * limits.center >= _TOO_FEW_EXPECTED else 0.0)
        found.append("beyond" if not low <= share <= high else _rule(past))
    return found


def _rarely_reached(total: int, share: float) -> int:
    """Give the largest number that is exceeded less often than a limit is: of a binomial distribution."""
    probability = (1 - share) ** total
    reached, number = probability, 0
    while 1 - reached > _TAIL and number < total:
        probability *= (total - number) / (number + 1) * share / (1 - share)
        number += 1
        reached += probability
    return number


def _z(group: Group, limits: Limits) -> float:
    deviation = limits.deviation(group.total)
    if abs(group.anomalous - group.total * limits.center) < 0.5:  # no whole number lies nearer to the centre
        return 0.0
    return (group.anomalous / group.total - limits.center) / deviation if deviation else 0.0


def _rule(past: Sequence[float]) -> Rule:
    """Judge the last of some groups, in standard deviations from the centre, by those before it."""
    side = math.copysign(1.0, past[-1])
    if side * past[-1] > 2 and _count(past[-3:], side, 2) >= 2:
        return "two_of_three"
    if side * past[-1] > 1 and _count(past[-5:], side, 1) >= 4:
        return "four_of_five"
    if _count(past[-_RUN:], side, 0) >= _RUN:
        return "eight_in_a_row"
    return ""


def _count(past: Sequence[float], side: float, sigmas: float) -> int:
    return sum(side * z > sigmas for z in past)
