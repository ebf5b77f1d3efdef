"""By the hour: the same as counted from the records, and files of an older agent get their sums by and by."""

from __future__ import annotations

import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from edge_agent.errors import RecordsError
from edge_agent.records.store import schema, writer
from edge_agent.records.store.bins import score_bin, time_bin
from edge_agent.records.store.hours import Confirmed, Hour, histograms, hours
from edge_agent.records.store.reading import reading
from edge_agent.records.store.schema import HOUR, QUARTER
from edge_agent.records.store.writer import RecordWriter
from edge_agent.records.words import confirm
from tests.support.records import record, rows

BEGIN = 480_000 * HOUR
#: 3 hours of two models, a picture every 40 seconds
RECORDS = [
    record(
        BEGIN + number * 40_000_000,
        model=("cookies", "lids")[number % 2],
        anomalous=number % 7 == 0,
        score=number % 100 / 100,
        milliseconds=1.0 + number % 30,
        areas={"crack": 0.1, "dent": 0.2} if number % 14 == 0 else {"crack": 0.1},
    )
    for number in range(270)
]


def _filled(folder: Path) -> None:
    made = RecordWriter(folder, days=36_500, mib=64)
    made.write(RECORDS)
    made.close()


def _of(model: str, since: int, until: int, folder: Path) -> list[Hour]:
    with reading(folder) as connection:
        return hours(connection, model=model, since=since, until=until)


def test_hours_are_what_the_records_of_each_say(tmp_path: Path) -> None:
    _filled(tmp_path)
    confirm(tmp_path, BEGIN, "normal")  # judged anomalous
    confirm(tmp_path, BEGIN + 2 * 40_000_000, "anomaly", ("crack",))  # judged normal
    confirm(tmp_path, BEGIN + 14 * 40_000_000, "anomaly")  # judged anomalous
    found = _of("cookies", BEGIN + QUARTER, BEGIN + 2 * HOUR, tmp_path)
    assert [hour.begin for hour in found] == [BEGIN, BEGIN + HOUR]
    for hour in found:
        seen = [one for one in RECORDS if one.model == "cookies" and one.at // HOUR == hour.begin // HOUR]
        assert (hour.model, hour.version) == ("cookies", "1.0.0")
        assert (hour.pictures, hour.anomalous) == (len(seen), sum(one.anomalous for one in seen))
        assert hour.milliseconds == sum(one.milliseconds for one in seen)
        assert hour.slowest == max(one.milliseconds for one in seen)
        assert hour.scores == Counter(score_bin(one.score) for one in seen)
        assert hour.times == Counter(time_bin(one.milliseconds) for one in seen)
        assert hour.labels == Counter(label for one in seen if one.anomalous for label in one.areas or ())
    assert [hour.confirmed for hour in found] == [Confirmed(1, 1, 2, 1), Confirmed()]
    assert len(_of("", BEGIN, BEGIN + 3 * HOUR, tmp_path)) == 6
    assert _of("other", BEGIN, BEGIN + 3 * HOUR, tmp_path) == []


def test_histograms_of_a_time_are_added_up(tmp_path: Path) -> None:
    _filled(tmp_path)
    with reading(tmp_path) as connection:
        both = histograms(connection, since=BEGIN, until=BEGIN + 3 * HOUR)
        one = histograms(connection, model="lids", version="1.0.0", since=BEGIN, until=BEGIN + HOUR)
    assert both.scores == Counter(score_bin(one.score) for one in RECORDS)
    assert one.times == Counter(time_bin(one.milliseconds) for one in RECORDS[:90] if one.model == "lids")


def test_times_of_a_file_without_days_are_added_up_by_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as before:
        before.setattr(schema, "_STEPS", schema._STEPS[:3])
        before.setattr(schema, "VERSION", 3)
        connection = schema.open_writer(tmp_path / "records.db")
        connection.execute("INSERT INTO models VALUES (1, 'cookies', '1.0.0')")
        connection.executemany(
            "INSERT INTO time_hours VALUES (?,1,?,?)", [(47, 3, 5), (48, 3, 1), (71, 3, 2), (71, 9, 4)]
        )
        connection.close()
    RecordWriter(tmp_path, days=36_500, mib=64).close()
    assert rows(tmp_path, "SELECT * FROM time_days") == [(1, 1, 3, 5), (2, 1, 3, 3), (2, 1, 9, 4)]


def test_a_file_of_the_first_version_is_brought_up_to_date_in_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(schema, "_STEPS", schema._STEPS[:1])
        before.setattr(schema, "VERSION", 1)
        connection = schema.open_writer(tmp_path / "records.db")
        connection.execute("INSERT INTO models VALUES (1, 'cookies', '1.0.0'), (2, 'lids', '1.0.0')")
        connection.executemany(
            writer._INSERT, [writer._row(one, one.id, 1 + (one.model == "lids")) for one in RECORDS[:200]]
        )
        connection.close()
    with pytest.raises(RecordsError, match=f"has version 1, expected {schema.VERSION}"), reading(tmp_path):
        pass
    monkeypatch.setattr(writer, "_FILLED_AT_ONCE", 90)
    made = RecordWriter(tmp_path, days=36_500, mib=64)
    assert not rows(tmp_path, "SELECT * FROM score_hours")
    made.fill()
    assert rows(tmp_path, "SELECT sum(pictures) FROM score_hours") == [(90,)]
    made.write(RECORDS[200:])  # while the older ones are being counted
    for _ in range(4):
        made.fill()
    made.close()
    with reading(tmp_path) as connection:
        found = histograms(connection, since=BEGIN, until=BEGIN + 3 * HOUR)
    assert found.scores == Counter(score_bin(one.score) for one in RECORDS)
    assert found.times == Counter(time_bin(one.milliseconds) for one in RECORDS)
    assert dict(rows(tmp_path, "SELECT bin, sum(pictures) FROM time_days GROUP BY 1")) == found.times
    assert sqlite3.connect(tmp_path / "records.db").execute("SELECT * FROM unfilled").fetchall() == []
