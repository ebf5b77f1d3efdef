"""Yield and kinds of anomaly over time: by hour, shift or day, from what was added up when it was written."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from edge_agent.errors import RecordsError
from edge_agent.records.span import SECOND
from edge_agent.records.store.reading import model_names
from edge_agent.records.store.schema import QUARTER
from edge_agent.records.words import Rates, Word, rates, words

Period = Literal["all", "hour", "shift", "day"]
DEFAULT_SHIFTS = "06:00,14:00,22:00"


class Row(NamedTuple):
    """One model in one period. Times are microseconds since 1970."""

    begin: int
    model: str
    total: int
    anomalous: int
    #: mean and longest, from arrival to answer
    milliseconds: float
    slowest: float
    #: anomalous pictures by label; one picture may have several
    labels: dict[str, int]
    rates: Rates

    @property
    def good_share(self) -> float:
        """The yield: the share of pictures that were found normal."""
        return 1 - self.anomalous / self.total if self.total else 0.0


def parse_shifts(text: str) -> list[timedelta]:
    """Read when shifts begin, such as "06:00,14:00,22:00", in the device's time zone.

    Raises:
        RecordsError: it is not such a list.
    """
    found = []
    for part in text.split(","):
        match = re.fullmatch(r"([01]?\d|2[0-3]):(00|15|30|45)", part.strip())
        if match is None:
            raise RecordsError(f"shift '{part.strip()}' is not a time such as 06:00, on a quarter of an hour")
        found.append(timedelta(hours=int(match[1]), minutes=int(match[2])))
    if sorted(set(found)) != found:
        raise RecordsError(f"shifts '{text}' do not begin one after the other, expected such as {DEFAULT_SHIFTS}")
    return found


def begin_of(at: int, period: Period, shifts: Sequence[timedelta], since: int) -> int:
    """Return when the period began that a time lies in."""
    if period == "all":
        return since
    local = datetime.fromtimestamp(at / SECOND)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        begin = midnight
    elif period == "hour":
        begin = local.replace(minute=0, second=0, microsecond=0)
    else:
        passed = [shift for shift in shifts if midnight + shift <= local]
        begin = midnight + passed[-1] if passed else midnight - timedelta(days=1) + shifts[-1]
    return int(begin.timestamp() * SECOND)


def statistics(
    connection: sqlite3.Connection,
    *,
    model: str = "",
    since: int,
    until: int,
    period: Period = "all",
    shifts: Sequence[timedelta] = (),
) -> list[Row]:
    """Add up what was recorded from the quarter of an hour that `since` lies in, in the order of time and model."""
    first, last = since // QUARTER, -(-until // QUARTER)
    since = first * QUARTER
    names = {number: name for number, (name, _) in model_names(connection).items() if model in ("", name)}
    sums: dict[tuple[int, str], list[float]] = defaultdict(lambda: [0, 0, 0.0, 0.0])
    labels: dict[tuple[int, str], Counter[str]] = defaultdict(Counter)
    said: dict[tuple[int, str], list[Word]] = defaultdict(list)
    begins: dict[int, int] = {}

    def begin(quarter: int) -> int:
        # The calendar is slow, and asked once for each quarter: in India and Nepal an hour begins within one of UTC's.
        if quarter not in begins:
            begins[quarter] = begin_of(quarter * QUARTER, period, shifts, since)
        return begins[quarter]

    for quarter, number, total, anomalous, milliseconds, slowest in connection.execute(
        "SELECT quarter, model, total, anomalous, milliseconds, slowest FROM quarters "
        "WHERE quarter >= ? AND quarter < ?",
        (first, last),
    ):
        if number in names:
            row = sums[begin(quarter), names[number]]
            row[0] += total
            row[1] += anomalous
            row[2] += milliseconds
            row[3] = max(row[3], slowest)
    for quarter, number, label, pictures in connection.execute(
        "SELECT quarter, model, label, pictures FROM label_quarters WHERE quarter >= ? AND quarter < ?", (first, last)
    ):
        if number in names:
            labels[begin(quarter), names[number]][label] += pictures
    for word in words(connection, model=model, since=since, until=until):
        said[begin(word.at // QUARTER), word.model].append(word)
    return [
        Row(
            *place,
            int(row[0]),
            int(row[1]),
            row[2] / row[0],
            row[3],
            dict(labels[place].most_common()),
            rates(said[place]),
        )
        for place, row in sorted(sums.items())
    ]


def losses(connection: sqlite3.Connection, *, since: int, until: int) -> list[tuple[int, str, int]]:
    """Give when records were lost, why, and how many."""
    rows = connection.execute(
        "SELECT at, why, records FROM losses WHERE at >= ? AND at < ? ORDER BY at", (since, until)
    )
    return [(at, why, count) for at, why, count in rows]
