"""Periods of local time, also where the clock is changed or half an hour off."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from edge_agent.errors import RecordsError
from edge_agent.records.figures.periods import Period, fitting_step, periods
from edge_agent.records.statistics import parse_shifts

_SECOND = 1_000_000
_HOUR = 3600 * _SECOND
SHIFTS = parse_shifts("06:00,14:00,22:00")


@pytest.fixture
def in_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    def change(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield change
    monkeypatch.undo()
    time.tzset()


def at(text: str, zone: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * _SECOND


def hours(found: list[Period]) -> list[float]:
    return [(period.end - period.begin) / _HOUR for period in found]


def test_days_and_shifts_follow_the_local_clock_when_it_is_changed(in_zone: Callable[[str], None]) -> None:
    zone = "Europe/Berlin"
    in_zone(zone)
    since, until = at("2026-10-24T12:00", zone), at("2026-10-26T12:00", zone)
    days = periods(since, until, "day", SHIFTS)
    assert hours(days) == [24, 25, 24]
    assert [day.offset for day in days] == [120, 120, 60]
    assert days[0].begin == at("2026-10-24T00:00", zone)
    shifts = periods(since, until, "shift", SHIFTS)
    assert shifts[0].begin == at("2026-10-24T06:00", zone)
    assert hours(shifts) == [8, 8, 9, 8, 8, 8, 8]
    nights = periods(since, until, "day", SHIFTS, SHIFTS[2])
    assert [night.begin for night in nights] == [at("2026-10-24T22:00", zone), at("2026-10-25T22:00", zone)]
    night_hours = periods(since, until, "hour", SHIFTS, SHIFTS[2])
    assert len(night_hours) == 9 + 8
    assert night_hours[0].begin == at("2026-10-24T22:00", zone)


def test_hours_begin_with_the_local_ones(in_zone: Callable[[str], None]) -> None:
    zone = "Asia/Kolkata"
    in_zone(zone)
    found = periods(at("2026-03-01T10:10", zone), at("2026-03-01T12:10", zone), "hour", SHIFTS)
    assert found[0].begin == at("2026-03-01T10:00", zone)
    assert (len(found), found[0].offset) == (3, 330)


def test_what_can_not_be_shown_is_refused() -> None:
    with pytest.raises(RecordsError, match="more than 3000 periods"):
        periods(0, 365 * 24 * _HOUR, "hour", SHIFTS)
    with pytest.raises(RecordsError, match="no shift begins at 07:00, expected one of 06:00, 14:00, 22:00"):
        periods(0, _HOUR, "hour", SHIFTS, parse_shifts("07:00")[0])
    with pytest.raises(RecordsError, match="ends before it begins"):
        periods(_HOUR, _HOUR, "hour", SHIFTS)
    assert [fitting_step(0, count * _HOUR) for count in (8, 72, 336, 720)] == ["quarter", "hour", "shift", "day"]
