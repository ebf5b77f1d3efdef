"""Rates and their intervals, times, and shifts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from edge_agent.errors import RecordsError
from edge_agent.records.span import moment, utc_text
from edge_agent.records.statistics import begin_of, parse_shifts
from edge_agent.records.words import Word, rate, rates


# Wilson's interval as others print it: R's prop.test(x, n, correct = FALSE).
@pytest.mark.parametrize(
    ("wrong", "of", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (1, 100, 0.0018, 0.0545), (10, 10, 0.7225, 1.0)],
)
def test_an_interval_is_right_for_small_numbers_too(wrong: int, of: int, low: float, high: float) -> None:
    found = rate(wrong, of)
    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(high, abs=5e-5)


def test_rates_are_shares_of_what_was_confirmed() -> None:
    said = [Word(0, "echo", anomalous, "normal") for anomalous in (True, False, False)]
    said += [Word(0, "echo", anomalous, "anomaly") for anomalous in (True, False)]
    found = rates(said)
    assert (found.false_reject.wrong, found.false_reject.of) == (1, 3)
    assert (found.escape.wrong, found.escape.of) == (1, 2)


@pytest.fixture
def calcutta(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A zone that is half an hour off."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("calcutta")
def test_a_shift_goes_over_midnight_in_local_time() -> None:
    shifts = parse_shifts("06:00,14:00,22:00")
    at = int(datetime(2026, 3, 2, 5, 30).timestamp() * 1e6)
    assert begin_of(at, "shift", shifts, 0) == int(datetime(2026, 3, 1, 22, 0).timestamp() * 1e6)
    assert begin_of(at, "hour", shifts, 0) == int(datetime(2026, 3, 2, 5, 0).timestamp() * 1e6)
    assert utc_text(begin_of(at, "day", shifts, 0)) == "2026-03-01T18:30:00.000000Z"
    assert shifts == [timedelta(hours=6), timedelta(hours=14), timedelta(hours=22)]


@pytest.mark.usefixtures("calcutta")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90m", "2026-02-28T22:30:00.000000Z"),
        ("2d", "2026-02-27T00:00:00.000000Z"),
        ("2026-02-01", "2026-01-31T18:30:00.000000Z"),
        ("2026-02-01T06:00Z", "2026-02-01T06:00:00.000000Z"),
    ],
)
def test_times_as_people_write_them(text: str, expected: str) -> None:
    now = int(datetime.fromisoformat("2026-03-01T00:00:00+00:00").timestamp() * 1e6)
    assert utc_text(moment(text, now)) == expected


@pytest.mark.parametrize("text", ["", "1", "1y", "-1h", "tomorrow", "2026-13-01", "99999999999h"])
def test_what_is_not_a_time_is_refused(text: str) -> None:
    with pytest.raises(RecordsError, match="is not a time"):
        moment(text, 0)
