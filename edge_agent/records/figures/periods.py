"""Periods of the device's local time in which pictures are counted together. Times are microseconds since 1970."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from edge_agent.errors import RecordsError
from edge_agent.records.span import SECOND
from edge_agent.records.store.schema import QUARTER

Step = Literal["quarter", "hour", "shift", "day"]

#: how long a span may be for a step that nobody has chosen, in hours
_HALF_A_DAY, _THREE_DAYS, _TWO_WEEKS = 12, 3 * 24, 15 * 24
_HOUR = 3600 * SECOND
#: what a chart can show, and a page can draw at once
MOST_PERIODS = 3000


class Period(NamedTuple):
    """From `begin` to `end`, the end excluded."""

    begin: int
    end: int

    @property
    def offset(self) -> int:
        """Minutes that the local time is ahead of UTC when it begins."""
        return offset_at(self.begin)


def offset_at(at: int) -> int:
    """Give the minutes that the device's local time is ahead of UTC."""
    offset = datetime.fromtimestamp(at / SECOND).astimezone().utcoffset()
    return 0 if offset is None else round(offset.total_seconds() / 60)


def fitting_step(since: int, until: int) -> Step:
    """Choose periods for a span: enough of them for a chart, with enough pictures in each."""
    hours = (until - since) / _HOUR
    if hours <= _HALF_A_DAY:
        return "quarter"
    if hours <= _THREE_DAYS:
        return "hour"
    return "shift" if hours <= _TWO_WEEKS else "day"


def periods(
    since: int, until: int, step: Step, shifts: Sequence[timedelta], only: timedelta | None = None
) -> list[Period]:
    """Give the periods that lie in a span, whole ones: the first may begin before it.

    With `only`, those of the shift that begins then; a day is then that shift of it.

    Raises:
        RecordsError: there would be more than can be shown, or no shift begins at `only`.
    """
    if only is not None and only not in shifts:
        raise RecordsError(f"no shift begins at {_clock(only)}, expected one of {', '.join(map(_clock, shifts))}")
    if until <= since:
        raise RecordsError("the time ends before it begins")
    if step == "shift" or (step == "day" and only is not None):
        found = [period for period, begin in _shifts(since, until, shifts) if only in (None, begin)]
    elif step == "day":
        found = list(_days(since, until))
    else:
        found = list(_equal(since, until, QUARTER if step == "quarter" else _HOUR))
        if only is not None:
            found = _inside(found, [period for period, begin in _shifts(since, until, shifts) if begin == only])
    return found


def _days(since: int, until: int) -> Iterator[Period]:
    day = _midnight(since)
    begin = _at(day)
    while begin < until:
        day += timedelta(days=1)  # of the calendar: the clock's change makes it 23 or 25 hours
        yield Period(begin, begin := _at(day))


def _shifts(since: int, until: int, shifts: Sequence[timedelta]) -> Iterator[tuple[Period, timedelta]]:
    day = _midnight(since) - timedelta(days=1)
    last: tuple[int, timedelta] | None = None
    while last is None or last[0] < until:
        for shift in shifts:
            begin = _at(day + shift)
            if last is not None and begin > since and last[0] < until:
                yield Period(last[0], begin), last[1]
            last = begin, shift
        day += timedelta(days=1)


def _equal(since: int, until: int, length: int) -> Iterator[Period]:
    if (until - since) // length > MOST_PERIODS:
        raise RecordsError(f"that is more than {MOST_PERIODS} periods; choose longer ones, or a shorter time")
    # Aligned with the local clock, which in some countries is half an hour off UTC's.
    shift = offset_at(since) * 60 * SECOND % length
    begin = (since + shift) // length * length - shift
    while begin < until:
        yield Period(begin, begin := begin + length)


def _inside(found: list[Period], wider: list[Period]) -> list[Period]:
    begins = [period.begin for period in wider]
    kept = []
    for period in found:
        place = bisect_right(begins, period.begin) - 1
        if place >= 0 and period.begin < wider[place].end:
            kept.append(period)
    return kept


def _midnight(at: int) -> datetime:
    return datetime.fromtimestamp(at / SECOND).replace(hour=0, minute=0, second=0, microsecond=0)


def _at(local: datetime) -> int:
    return int(local.timestamp()) * SECOND


def _clock(shift: timedelta) -> str:
    minutes = int(shift.total_seconds()) // 60
    return f"{minutes // 60:02}:{minutes % 60:02}"
