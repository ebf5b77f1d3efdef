"""What was counted in each of some periods: read from sums, so that a year takes no longer than a moment."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
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
    spans = [(place, period.begin // QUARTER, period.end // QUARTER) for place, period in enumerate(periods)]
    hours = [(place, *span) for place, first, last in spans if (span := _whole(first, last, 4))]
    ends = [(place, *span) for place, first, last in spans for span in _ends(first, last, 4)]
    for table, unit, parts in (("sum_hours", "hour", hours), ("quarters", "quarter", ends)):
        if not parts:
            continue
        rows = connection.execute(
            f"WITH period(place, first, last) AS (VALUES {_written(parts)}) "  # noqa: S608  # numbers from above
            "SELECT place, sum(total), sum(anomalous), sum(milliseconds), max(slowest) FROM period "
            f"CROSS JOIN {table} ON {unit} >= first AND {unit} < last "
            f"WHERE model IN ({_listed(numbers)}) GROUP BY place"
        )
        for place, *sums in rows:
            found[place] = _added(found[place], Sums(*sums))
    return found


def _added(one: Sums, other: Sums) -> Sums:
    return Sums(
        one.total + other.total,
        one.anomalous + other.anomalous,
        one.milliseconds + other.milliseconds,
        max(one.slowest, other.slowest),
    )


def kinds_of(connection: sqlite3.Connection, numbers: Sequence[int], periods: Sequence[Period]) -> list[Kind]:
    """Give the kinds of anomaly of some periods, the most frequent first. A picture may have several."""
    if not numbers or not periods:
        return []
    pictures, areas = Counter[str](), defaultdict[str, float](float)
    spans = _joined(periods, QUARTER)
    days = [span for first, last in spans if (span := _whole(first, last, 96))]
    ends = [span for first, last in spans for span in _ends(first, last, 96)]
    for table, unit, parts in (("label_days", "day", days), ("label_quarters", "quarter", ends)):
        if not parts:
            continue
        rows = connection.execute(
            f"WITH period(first, last) AS (VALUES {_written(parts)}) "  # noqa: S608  # numbers from above
            "SELECT label, sum(pictures), sum(area) FROM period "
            f"CROSS JOIN {table} ON {unit} >= first AND {unit} < last "
            f"WHERE model IN ({_listed(numbers)}) GROUP BY label"
        )
        for label, count, area in rows:
            pictures[label] += count
            areas[label] += area
    kinds = [Kind(label, count, areas[label] / count) for label, count in pictures.items()]
    return sorted(kinds, key=lambda kind: (-kind.pictures, kind.label))


def distributions_of(
    connection: sqlite3.Connection, numbers: Sequence[int], periods: Sequence[Period]
) -> tuple[list[int], Counter[int]]:
    """Count the pictures of some periods by part of the score, and by part of the time; whole hours of UTC."""
    scores, times = [0] * SCORE_BINS, Counter[int]()
    if not numbers or not periods:
        return scores, times
    hours = _joined(periods, HOUR)
    # They are counted by day, too: of a long time only its ends are read by the hour.
    whole = [span for first, last in hours if (span := _whole(first, last, 24))]
    ends = [span for first, last in hours for span in _ends(first, last, 24)]
    for table, unit, spans in (
        ("score_days", "day", whole),
        ("score_hours", "hour", ends),
        ("time_days", "day", whole),
        ("time_hours", "hour", ends),
    ):
        if not spans:
            continue
        rows = connection.execute(
            f"WITH period(first, last) AS (VALUES {_written(spans)}) "  # noqa: S608  # numbers from above
            f"SELECT bin, sum(pictures) FROM period CROSS JOIN {table} ON {unit} >= first AND {unit} < last "
            f"WHERE model IN ({_listed(numbers)}) GROUP BY bin"
        )
        for part, pictures in rows:
            if table.startswith("time"):
                times[part] += pictures
            else:
                scores[part] += pictures
    return scores, times


def served_in(connection: sqlite3.Connection, numbers: Sequence[int], since: int, until: int) -> list[Served]:
    """Give the versions that have answered in a time, in the order in which they began; to the hour."""
    names = model_names(connection)
    found: dict[int, Served] = {}
    first, last = since // QUARTER, -(-until // QUARTER)
    ends = [("quarters", "quarter", QUARTER, *span) for span in _ends(first, last, 4)]
    whole = _whole(first, last, 4)
    for table, unit, length, begin, end in [*ends, *([("sum_hours", "hour", HOUR, *whole)] if whole else [])]:
        rows = connection.execute(
            f"SELECT model, sum(total), min({unit}), max({unit}) FROM {table} "  # noqa: S608  # numbers from above
            f"WHERE {unit} >= ? AND {unit} < ? AND model IN ({_listed(numbers) or 'NULL'}) GROUP BY model",
            (begin, end),
        )
        for number, total, earliest, latest in rows:
            one = Served(*names[number], total, earliest * length, (latest + 1) * length)
            before = found.get(number, one._replace(pictures=0))
            found[number] = one._replace(
                pictures=before.pictures + total, first=min(before.first, one.first), last=max(before.last, one.last)
            )
    return sorted(found.values(), key=lambda one: one.first)


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


def _whole(first: int, last: int, size: int) -> tuple[int, int] | None:
    """Give the whole larger units of UTC that lie in some units, `size` of which are one; None where there are none."""
    begin, end = -(-first // size), last // size
    return (begin, end) if begin < end else None


def _ends(first: int, last: int, size: int) -> list[tuple[int, int]]:
    """Give what is left of some units without the whole larger ones in them."""
    whole = _whole(first, last, size)
    if whole is None:
        return [(first, last)]
    begin, end = whole[0] * size, whole[1] * size
    return [span for span in ((first, begin), (end, last)) if span[0] < span[1]]


def _written(spans: Sequence[tuple[int, ...]]) -> str:
    return ",".join(f"({','.join(map(str, span))})" for span in spans)


def _listed(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))
