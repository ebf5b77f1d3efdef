"""Yield and people's words by shift, whatever the shifts are and wherever the line is."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest

from edge_agent.records.statistics import parse_shifts, statistics
from edge_agent.records.store.reading import reading
from edge_agent.records.store.writer import RecordWriter
from edge_agent.records.words import confirm
from tests.support.records import record


@pytest.fixture
def in_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    def change(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield change
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns"])
@pytest.mark.parametrize("text", ["06:00,14:00,22:00", "05:45,17:45", "00:00", "07:30", "00:15,06:00,12:00,18:30"])
def test_every_picture_counts_in_the_shift_that_it_was_taken_in(
    tmp_path: Path, in_zone: Callable[[str], None], zone: str, text: str
) -> None:
    in_zone(zone)
    first = datetime(2026, 3, 1, 0, 7)
    moments = [first + timedelta(minutes=15 * step) for step in range(4 * 72)]  # each quarter of an hour of three days
    writer = RecordWriter(tmp_path, days=36_500, mib=64)
    begun = int(first.timestamp() * 1e6)
    writer.write(
        [
            record(int(moment.timestamp() * 1e6), anomalous=number % 10 == 0, areas={"crack": 0.1})
            for number, moment in enumerate(moments)
        ]
    )
    writer.close()
    expected: dict[datetime, list[int]] = {}
    for number, moment in enumerate(moments):
        counts = expected.setdefault(_begin(moment, text), [0, 0])
        counts[0] += 1
        counts[1] += number % 10 == 0
    with reading(tmp_path) as connection:
        rows = statistics(connection, since=begun - 1, until=begun + 10**12, period="shift", shifts=parse_shifts(text))
    found = {datetime.fromtimestamp(row.begin / 1e6): [row.total, row.anomalous] for row in rows}
    assert found == expected
    assert [row.labels for row in rows] == [{"crack": row.anomalous} if row.anomalous else {} for row in rows]


@pytest.mark.parametrize("period", ["hour", "day"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns"])
def test_every_picture_counts_in_its_hour_and_day(
    tmp_path: Path, in_zone: Callable[[str], None], zone: str, period: Literal["hour", "day"]
) -> None:
    """Over the days on which clocks were set back: that one is longer."""
    in_zone(zone)
    step, count = 900, 4 * 24 * 30  # quarters of an hour
    first = int(datetime(2026, 10, 10, 0, 7).timestamp())
    writer = RecordWriter(tmp_path, days=36_500, mib=64)
    writer.write([record((first + step * number) * 1_000_000) for number in range(count)])
    writer.close()
    form = "%Y-%m-%d %H %z" if period == "hour" else "%Y-%m-%d"
    expected = Counter(f"{datetime.fromtimestamp(first + step * at).astimezone():{form}}" for at in range(count))
    with reading(tmp_path) as connection:
        rows = statistics(connection, since=0, until=1 << 61, period=period)
    found = {f"{datetime.fromtimestamp(row.begin / 1e6).astimezone():{form}}": row.total for row in rows}
    assert found == expected
    assert all(not row.begin % 60_000_000 for row in rows)


def _begin(moment: datetime, text: str) -> datetime:
    """Say when the shift began, by looking at every one of two days."""
    days = [moment.replace(hour=0, minute=0) - timedelta(days=back) for back in (0, 1)]
    hours = [part.split(":") for part in text.split(",")]
    begins = [day.replace(hour=int(hour), minute=int(minute)) for day in days for hour, minute in hours]
    return max(begin for begin in begins if begin <= moment)


def test_false_rejects_and_escapes_by_shift(tmp_path: Path, in_zone: Callable[[str], None]) -> None:
    """Early shift: two of three rejected were good. Night shift, over midnight: one of two accepted was bad."""
    in_zone("Europe/Berlin")
    said = [
        (datetime(2026, 3, 1, 6, 0), True, "normal"), (datetime(2026, 3, 1, 9, 0), True, "normal"),
        (datetime(2026, 3, 1, 13, 59), True, "anomaly"), (datetime(2026, 3, 1, 22, 30), False, "anomaly"),
        (datetime(2026, 3, 2, 5, 59), False, "normal"), (datetime(2026, 3, 2, 6, 0), False, "normal"),
    ]  # fmt: skip
    ids = [int(moment.timestamp() * 1e6) for moment, _, _ in said]
    writer = RecordWriter(tmp_path, days=36_500, mib=64)
    writer.write([record(id, anomalous=anomalous) for id, (_, anomalous, _) in zip(ids, said, strict=True)])
    writer.close()
    for id, (_, _, truth) in zip(ids, said, strict=True):
        confirm(tmp_path, id, truth, (), "inspector")  # type: ignore[arg-type]
    with reading(tmp_path) as connection:
        rows = statistics(
            connection, since=ids[0], until=ids[-1] + 1, period="shift", shifts=parse_shifts("06:00,14:00,22:00")
        )
    found = [
        (row.total, *((rate.wrong, rate.of) for rate in (row.rates.false_reject, row.rates.escape))) for row in rows
    ]
    assert found == [(3, (2, 2), (0, 1)), (2, (0, 1), (1, 1)), (1, (0, 1), (0, 0))]
