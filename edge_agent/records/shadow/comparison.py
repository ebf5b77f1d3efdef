"""Where two models differ that judged the same pictures: counts, scores, days, and who was right."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from edge_agent.errors import RecordsError
from edge_agent.records.shadow.wanted import Named
from edge_agent.records.span import SECOND
from edge_agent.records.store.reading import model_names
from edge_agent.records.words import Rate, rate


class Pair(NamedTuple):
    """One picture that both have judged."""

    record: int
    at: int
    #: the verdicts and scores of A and B
    anomalous: tuple[bool, bool]
    scores: tuple[float, float]
    #: name of the picture that was kept because they differ; "" when there is none
    picture: str
    part: str
    #: normal or anomaly; "" when nobody has said
    truth: str
    #: A has answered, and B was its shadow; else it was the other way round
    a_is_first: bool


class Day(NamedTuple):
    """The pictures of one day of local time."""

    day: str
    pictures: int
    only_a: int
    only_b: int


class Right(NamedTuple):
    """How often one of the two was wrong, among the pictures that people have confirmed."""

    false_reject: Rate
    escape: Rate


class Comparison(NamedTuple):
    """What two models say of the same pictures."""

    pictures: int
    both_normal: int
    both_anomalous: int
    only_a: int
    only_b: int
    #: Pearson's, of the scores; None where one of them does not vary
    correlation: float | None
    days: list[Day]
    a: Right
    b: Right
    #: of the pictures that people have confirmed and on which they differ, those on which each was right
    a_right: int
    b_right: int

    @property
    def agree(self) -> int:
        """Pictures on which both say the same."""
        return self.both_normal + self.both_anomalous


def pairs(connection: sqlite3.Connection, a: Named, b: Named, *, since: int, until: int) -> Iterator[Pair]:
    """Give the pictures that both have judged, one of them as the other's shadow, in the order of their records.

    Raises:
        RecordsError: neither has been the other's shadow, or both names fit both.
    """
    names = model_names(connection)
    numbers = [
        (first, shadow, swapped)
        for first, shadow in connection.execute("SELECT DISTINCT model, shadow FROM shadows")
        for swapped in (False, True)
        if (b if swapped else a).fits(names[first]) and (a if swapped else b).fits(names[shadow])
    ]
    if not numbers:
        raise RecordsError(
            f"neither of {a} and {b} has judged pictures of the other; begin with "
            f"`edge-agent models shadow {a.model} --with {b}`"
        )
    if twice := next((pair for *pair, swapped in numbers if [*pair, not swapped] in map(list, numbers)), None):
        one, other = ("@".join(names[number]) for number in twice)
        raise RecordsError(f"{a} and {b} do not say which is which of {one} and {other}: name their versions")
    swaps = {(first, shadow): swapped for first, shadow, swapped in numbers}
    where = " OR ".join(["(shadows.model = ? AND shadow = ?)"] * len(swaps))
    rows = connection.execute(
        "SELECT records.id, records.at, shadows.model, shadow, records.anomalous, records.score, shadows.anomalous, "  # noqa: S608
        "shadows.score, shadows.picture, records.part, words.truth "
        "FROM shadows JOIN records ON records.id = shadows.record "
        "LEFT JOIN words ON words.record = records.id "
        f"WHERE shadows.record >= ? AND records.at >= ? AND records.at < ? AND ({where}) ORDER BY shadows.record",
        [since, since, until, *(number for pair in swaps for number in pair)],
    )
    for row in rows:
        yield _pair(row, swapped=swaps[row[2], row[3]])


def _pair(row: tuple[Any, ...], *, swapped: bool) -> Pair:
    record, at, _, _, anomalous, score, other_anomalous, other_score, picture, part, truth = row
    verdicts, scores = (bool(anomalous), bool(other_anomalous)), (score, other_score)
    if swapped:
        verdicts, scores = (verdicts[1], verdicts[0]), (scores[1], scores[0])
    return Pair(record, at, verdicts, scores, picture or "", part or "", truth or "", not swapped)


class Count:
    """Adds up pairs, one after the other, so that a million of them take no memory."""

    def __init__(self) -> None:
        self._verdicts = {(a, b): 0 for a in (False, True) for b in (False, True)}
        self._days: dict[str, list[int]] = {}
        self._sums = [0.0] * 5  # of x, y, x*x, y*y, x*y
        self._said = {(truth, a, b): 0 for truth in ("normal", "anomaly") for a, b in self._verdicts}

    def add(self, pair: Pair) -> None:
        """Take one."""
        self._verdicts[pair.anomalous] += 1
        day = self._days.setdefault(f"{datetime.fromtimestamp(pair.at / SECOND):%Y-%m-%d}", [0, 0, 0])
        day[0] += 1
        day[1] += pair.anomalous == (True, False)
        day[2] += pair.anomalous == (False, True)
        x, y = pair.scores
        for place, value in enumerate((x, y, x * x, y * y, x * y)):
            self._sums[place] += value
        if pair.truth:
            a, b = pair.anomalous
            self._said[pair.truth, a, b] += 1

    def _said_of(self, truth: str, place: int, anomalous: bool) -> int:
        return sum(count for key, count in self._said.items() if key[0] == truth and key[1 + place] == anomalous)

    def _right(self, place: int) -> Right:
        rejected, passed = (self._said_of("normal", place, anomalous) for anomalous in (True, False))
        found, escaped = (self._said_of("anomaly", place, anomalous) for anomalous in (True, False))
        return Right(rate(rejected, rejected + passed), rate(escaped, found + escaped))

    def result(self) -> Comparison:
        """Return what there is."""
        said = self._said
        return Comparison(
            sum(self._verdicts.values()),
            self._verdicts[False, False],
            self._verdicts[True, True],
            self._verdicts[True, False],
            self._verdicts[False, True],
            self._correlation(),
            [Day(day, *counts) for day, counts in sorted(self._days.items())],
            self._right(0),
            self._right(1),
            said["anomaly", True, False] + said["normal", False, True],
            said["anomaly", False, True] + said["normal", True, False],
        )

    def _correlation(self) -> float | None:
        n = sum(self._verdicts.values())
        x, y, xx, yy, xy = self._sums
        varies = (n * xx - x * x) * (n * yy - y * y)
        if n < 2 or varies <= 1e-12 * n**4:
            return None
        return max(-1.0, min(1.0, (n * xy - x * y) / math.sqrt(varies)))
