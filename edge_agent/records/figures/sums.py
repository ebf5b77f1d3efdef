"""What was counted in each of some periods: read from sums, so that a year takes no longer than a moment."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from edge_agent.records.figures.periods import Period
from edge_agent.records.store.reading import model_names
from edge_agent.records.store.schema import HOUR, QUARTER, SCORE_BINS


class Sums(NamedTuple):
    """What was counted in a period; `milliseconds` together, from arrival to answer, and the longest."""

    total: int = 0
    anomalous: int = 0
    milliseconds: float = 0.0
    slowest: float = 0.0


class Kind(NamedTuple):
    """A kind of anomaly: in how many pictures it was marked, and the mean share of their area."""

    label: str
    pictures: int
    area: float


class Served(NamedTuple):
    """A version of a model, and from when to when it has answered."""

    model: str
    version: str
    pictures: int
    first: int
    last: int


def numbers_of(connection: sqlite3.Connection, model: str) -> list[int]:
    """Give the numbers of a model's versions, of all models for ""."""
    return [number for number, (name, _) in model_names(connection).items() if model in ("", name)]


def sums_of(connection: sqlite3.Connection, numbers: Sequence[int], periods: Sequence[Period]) -> list[Sums]:
    """Add up periods, which begin and end at quarters of an hour."""
    found = [Sums()] * len(periods)
    if not numbers or not periods:
        return found
    places = ",".join(
        f"({place},{period.begin // QUARTER},{period.end // QUARTER})" for place, period in enumerate(periods)
    )
    rows = connection.execute(
        f"WITH period(place, first, last) AS (VALUES {places}) "  # noqa: S608  # numbers from above
        "SELECT place, sum(total), sum(anomalous), sum(milliseconds), max(slowest) FROM period "
        f"CROSS JOIN quarters ON quarter >= first AND quarter < last WHERE model IN ({_listed(numbers)}) GROUP BY place"
    )
    for place, *sums in rows:
        found[place] = Sums(*sums)
    return found


def kinds_of(connection: sqlite3.Connection, numbers: Sequence[int], periods: Sequence[Period]) -> list[Kind]:
    """Give the kinds of anomaly of some periods, the most frequent first. A picture may have several."""
    if not numbers or not periods:
        return []
    rows = connection.execute(
        f"WITH period(first, last) AS (VALUES {_written(_joined(periods, QUARTER))}) "  # noqa: S608  # numbers from above
        "SELECT label, sum(pictures) AS often, sum(area) / sum(pictures) FROM period "
        f"CROSS JOIN label_quarters ON quarter >= first AND quarter < last WHERE model IN ({_listed(numbers)}) "
        "GROUP BY label ORDER BY often DESC, label"
    )
    return [Kind(*row) for row in rows]


def distributions_of(
    connection: sqlite3.Connection, numbers: Sequence[int], periods: Sequence[Period]
) -> tuple[list[int], Counter[int]]:
    """Count the pictures of some periods by part of the score, and by part of the time; whole hours of UTC."""
    scores, times = [0] * SCORE_BINS, Counter[int]()
    if not numbers or not periods:
        return scores, times
    hours = _joined(periods, HOUR)
    # Scores are counted by day, too: of a long time only its ends are read by the hour.
    whole = [(-(-first // 24), last // 24) for first, last in hours if -(-first // 24) < last // 24]
    ends = [span for first, last in hours for span in _without_days(first, last)]
    for table, unit, spans in (
        ("score_days", "day", whole),
        ("score_hours", "hour", ends),
        ("time_hours", "hour", hours),
    ):
        if not spans:
            continue
        rows = connection.execute(
            f"WITH period(first, last) AS (VALUES {_written(spans)}) "  # noqa: S608  # numbers from above
            f"SELECT bin, sum(pictures) FROM period CROSS JOIN {table} ON {unit} >= first AND {unit} < last "
            f"WHERE model IN ({_listed(numbers)}) GROUP BY bin"
        )
        for part, pictures in rows:
            if table == "time_hours":
                times[part] = pictures
            else:
                scores[part] += pictures
    return scores, times


def served_in(connection: sqlite3.Connection, numbers: Sequence[int], since: int, until: int) -> list[Served]:
    """Give the versions that have answered in a time, in the order in which they began."""
    names = model_names(connection)
    rows = connection.execute(
        "SELECT model, sum(total), min(quarter), max(quarter) FROM quarters "  # noqa: S608  # numbers from above
        f"WHERE quarter >= ? AND quarter < ? AND model IN ({_listed(numbers) or 'NULL'}) GROUP BY model ORDER BY 3",
        (since // QUARTER, -(-until // QUARTER)),
    )
    return [Served(*names[number], total, first * QUARTER, (last + 1) * QUARTER) for number, total, first, last in rows]


def begun(connection: sqlite3.Connection, numbers: Sequence[int]) -> int | None:
    """Give when something was first counted; None when nothing was."""
    row = connection.execute(
        f"SELECT min(quarter) FROM quarters WHERE model IN ({_listed(numbers) or 'NULL'})"  # noqa: S608
    ).fetchone()
    return None if row[0] is None else int(row[0]) * QUARTER


def _joined(periods: Sequence[Period], unit: int) -> list[tuple[int, int]]:
    """Give periods in whole units, those that follow one another as one."""
    joined: list[tuple[int, int]] = []
    for period in periods:
        first, last = period.begin // unit, -(-period.end // unit)
        if joined and joined[-1][1] >= first:
            joined[-1] = joined[-1][0], last
        else:
            joined.append((first, last))
    return joined


def _without_days(first: int, last: int) -> list[tuple[int, int]]:
    """Give what is left of some hours without the whole days of UTC in them."""
    begin, end = -(-first // 24) * 24, last // 24 * 24
    if begin >= end:
        return [(first, last)]
    return [span for span in ((first, begin), (end, last)) if span[0] < span[1]]


def _written(spans: Sequence[tuple[int, int]]) -> str:
    return ",".join(f"({first},{last})" for first, last in spans)


def _listed(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))
