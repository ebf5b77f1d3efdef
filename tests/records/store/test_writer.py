"""Batches go in whole, sums agree with them, and what is old or too much goes out."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from edge_agent.errors import RecordsError
from edge_agent.records.store import writer as store_writer
from edge_agent.records.store.calendar import Calendar
from edge_agent.records.store.schema import DAY, QUARTER, VERSION
from edge_agent.records.store.writer import RecordWriter
from tests.support.records import record, rows


def test_a_batch_is_added_up_by_quarter_label_and_day(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path, days=90, mib=64)
    day = 20_000 * DAY
    writer.write(
        [
            record(day + 1, milliseconds=2.0),
            record(day + 2, milliseconds=8.0, anomalous=True, score=0.9, areas={"crack": 0.25}),
            record(day + QUARTER, anomalous=True, score=1.0, areas={"crack": 0.5, "dent": 0.125}),
        ]
    )
    writer.write([record(day + 3, milliseconds=4.0, areas={"crack": 0.01}), record(day + 4, version="2.0.0")])
    writer.close()
    first = day // QUARTER
    assert rows(tmp_path, "SELECT * FROM quarters ORDER BY quarter, model") == [
        (first, 1, 3, 1, 14.0, 8.0),
        (first, 2, 1, 0, 2.5, 2.5),
        (first + 1, 1, 1, 1, 2.5, 2.5),
    ]
    # What a normal picture has of a label is below what makes it anomalous: it is no anomaly of that kind.
    assert rows(tmp_path, "SELECT * FROM label_quarters ORDER BY quarter, label") == [
        (first, 1, "crack", 1, 0.25),
        (first + 1, 1, "crack", 1, 0.5),
        (first + 1, 1, "dent", 1, 0.125),
    ]
    assert rows(tmp_path, "SELECT bin, pictures FROM score_days WHERE model = 1 ORDER BY bin") == [
        (12, 2), (45, 1), (49, 1),
    ]  # fmt: skip


def test_a_batch_that_fails_leaves_nothing(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path, days=90, mib=64)
    with pytest.raises(sqlite3.Error):
        writer.write([record(1, model="new"), record(2, score=None)])
    assert rows(tmp_path, "SELECT (SELECT count(*) FROM records), (SELECT count(*) FROM models)") == [(0, 0)]
    writer.write([record(3, model="new")])
    writer.close()
    assert rows(tmp_path, "SELECT records.id, name FROM records JOIN models ON models.id = model") == [(3, "new")]


def test_a_long_batch_takes_breaths_and_a_short_one_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    breaths: list[bool] = []
    monkeypatch.setattr(store_writer, "breathe", lambda: breaths.append(True))
    writer = RecordWriter(tmp_path, days=90, mib=64)
    writer.write([record(number) for number in range(1, 11)])
    assert not breaths
    writer.write([record(number) for number in range(11, 71)])
    assert len(breaths) == 2 * 3, "60 records, once for the rows and once for the sums, after every 20"
    assert writer.connection.execute("SELECT count(*) FROM records").fetchone() == (70,)
    writer.close()


def test_ids_rise_even_when_the_clock_was_set_back(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path, days=90, mib=64)
    writer.write([record(100), record(50), record(101)])
    writer.close()
    assert rows(tmp_path, "SELECT id, at FROM records ORDER BY id") == [(100, 100), (101, 50), (102, 101)]


def test_what_is_older_than_the_days_is_deleted_in_steps_and_its_sums_stay(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path, days=10, mib=64)
    now = time.time_ns() // 1000
    writer.write([record(now - 11 * DAY + number) for number in range(4500)] + [record(now)])
    steps = 1
    while writer.tidy():
        steps += 1
    writer.close()
    assert steps == 4  # 2000, 2000, 500, and none
    assert rows(tmp_path, "SELECT id FROM records") == [(now,)]
    assert rows(tmp_path, "SELECT sum(total) FROM quarters") == [(4501,)]


def test_a_clock_that_is_ahead_for_a_while_deletes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = RecordWriter(tmp_path, days=10, mib=64)
    now, ahead = time.time_ns(), 400 * DAY
    first = now // 1000 - DAY
    writer.write([record(first)])
    monkeypatch.setattr(time, "time_ns", lambda: now + 1000 * ahead)
    monkeypatch.setattr(time, "time", lambda: now / 1e9 + ahead / 1e6)
    writer = _opened_anew(writer, tmp_path)
    writer.write([record(now // 1000 + ahead)])
    assert not writer.tidy()
    writer = _opened_anew(writer, tmp_path)  # what was just written does not vouch for the clock
    assert not writer.tidy()
    monkeypatch.undo()
    writer.write([record(now // 1000)])  # its id is after that of a time to come
    assert not writer.tidy()
    assert rows(tmp_path, "SELECT at - ? FROM records ORDER BY id", now // 1000) == [(-DAY,), (ahead,), (0,)]
    assert rows(tmp_path, "SELECT sum(total) FROM quarters") == [(3,)]
    writer.close()


def _opened_anew(writer: RecordWriter, folder: Path) -> RecordWriter:
    writer.close()
    return RecordWriter(folder, days=10, mib=64)


def test_what_was_written_after_a_clock_was_ahead_gets_old_all_the_same(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path, days=10, mib=64)
    now = time.time_ns() // 1000
    times = [now - 12 * DAY, now + 400 * DAY, now - 11 * DAY, now - DAY]
    writer.write([record(now + 400 * DAY + number, at=at) for number, at in enumerate(times)])
    while writer.tidy():
        pass
    writer.close()
    assert rows(tmp_path, "SELECT at FROM records ORDER BY id") == [(times[1],), (times[3],)]


def test_many_records_of_a_time_to_come_hide_none_that_are_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_writer, "_DELETED_AT_ONCE", 2)
    writer = RecordWriter(tmp_path, days=10, mib=64)
    now = time.time_ns() // 1000
    times = [*[now + 400 * DAY] * 7, now - 11 * DAY, now - 12 * DAY, now - 11 * DAY, now - DAY]
    writer.write([record(number + 1, at=at) for number, at in enumerate(times)])
    while writer.tidy():
        pass
    writer.close()
    assert rows(tmp_path, "SELECT id FROM records ORDER BY id") == [*[(number,) for number in range(1, 8)], (11,)]


def test_a_clock_is_believed_when_it_has_stayed_ahead_for_an_hour() -> None:
    now = [1.0e9, 50.0]  # the clock, and seconds that pass
    calendar = Calendar(int(now[0] * 1e6), clock=lambda: now[0], steady=lambda: now[1])

    def after(seconds: float, set_by: float = 0.0) -> bool:
        now[0] += seconds + set_by
        now[1] += seconds
        return calendar.is_believed()

    assert after(1.0) and after(1.0, -500_000.0) and after(1.0, 80_000.0)
    assert not after(1.0, 90_000.0)
    assert not after(3500.0)
    assert after(200.0)
    assert after(10 * 86_400.0)
    assert not Calendar(int((now[0] - 90_000) * 1e6), clock=lambda: now[0], steady=lambda: now[1]).is_believed()
    assert Calendar(0, clock=lambda: now[0], steady=lambda: now[1]).is_believed()


@pytest.mark.long
def test_the_file_stays_as_large_as_it_may_be(tmp_path: Path) -> None:
    mib = 8
    writer = RecordWriter(tmp_path, days=90, mib=mib)
    begun = time.time_ns() // 1000
    for batch in range(80):
        writer.write([record(begun + 2000 * batch + number, part=f"part-{number:040}") for number in range(2000)])
        for _ in range(4):
            writer.tidy()
    while writer.tidy():
        pass
    kept = rows(tmp_path, "SELECT count(*), max(id) FROM records")[0]
    size = writer.path.stat().st_size
    writer.close()
    assert size < (mib + 3) << 20
    assert kept[0] > 30_000
    assert kept[1] == begun + 2000 * 80 - 1  # the newest are those that stay


def test_a_database_of_a_newer_agent_is_left_alone(tmp_path: Path) -> None:
    RecordWriter(tmp_path, days=90, mib=64).close()
    connection = sqlite3.connect(tmp_path / "records.db")
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    with pytest.raises(RecordsError, match="was made by a newer agent"):
        RecordWriter(tmp_path, days=90, mib=64)
