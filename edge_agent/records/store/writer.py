"""The one who writes records: batches in, one transaction each, and what is old goes out a little at a time."""

from __future__ import annotations

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from edge_agent.children.priority import breathe
from edge_agent.records.record import Record
from edge_agent.records.refused import Refused
from edge_agent.records.store.bins import score_bin, time_bin
from edge_agent.records.store.calendar import Calendar
from edge_agent.records.store.schema import DAY, FILE_NAME, HOUR, QUARTER, open_writer

_SYNC_SECONDS = 1.0
#: records that are dealt with in one go: 0.2 ms
_AT_ONCE = 20
#: records deleted in one transaction: a few milliseconds' work, so that the line of those to be written stays short
_DELETED_AT_ONCE = 2000
#: records of a time to come are passed over for so long
_AHEAD_SECONDS = 3600.0
#: records of an older agent that are counted by hours in one transaction: some 20 ms
_FILLED_AT_ONCE = 10_000
#: pages given back to the file system in one go
_PAGES_AT_ONCE = 500
#: what is added up by quarters is small, and kept for at least so many days
_LEAST_DAYS_OF_SUMS = 400

_INSERT = "INSERT INTO records VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_ADD_SUMS = """INSERT INTO {} VALUES (?,?,?,?,?,?) ON CONFLICT DO UPDATE SET
    total = total + excluded.total, anomalous = anomalous + excluded.anomalous,
    milliseconds = milliseconds + excluded.milliseconds, slowest = max(slowest, excluded.slowest)"""
_ADD_LABEL = """INSERT INTO {} VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE SET
    pictures = pictures + excluded.pictures, area = area + excluded.area"""
_ADD_BIN = """INSERT INTO {} VALUES (?,?,?,?) ON CONFLICT DO UPDATE SET pictures = pictures + excluded.pictures"""

_ADD_REFUSED = """INSERT INTO refused VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE SET
    calls = calls + excluded.calls, details = excluded.details"""

_T = TypeVar("_T")

#: pictures by time, model, and part of what a value can be
Bins = Counter[tuple[int, int, int]]


class _Sums(dict[tuple[int, int], list[float]]):
    """Pictures, anomalous ones, milliseconds together and the longest, by time and model."""

    def add(self, key: tuple[int, int], record: Record) -> None:
        sums = self.setdefault(key, [0, 0, 0.0, 0.0])
        sums[0] += 1
        sums[1] += record.anomalous
        sums[2] += record.milliseconds
        sums[3] = max(sums[3], record.milliseconds)

    def rows(self) -> list[tuple[float, ...]]:
        return [(*key, *sums) for key, sums in self.items()]


class _Labels(dict[tuple[int, int, str], list[float]]):
    """Anomalous pictures and their area together, by time, model and label."""

    def add(self, key: tuple[int, int, str], area: float) -> None:
        sums = self.setdefault(key, [0, 0.0])
        sums[0] += 1
        sums[1] += area

    def rows(self) -> list[tuple[object, ...]]:
        return [(*key, *sums) for key, sums in self.items()]


class RecordWriter:
    """The database, open for writing."""

    def __init__(self, folder: Path, *, days: int, mib: int) -> None:
        """Open or make records.db in `folder`; records older than `days`, or beyond `mib`, are deleted by `tidy`.

        Raises:
            sqlite3.Error, OSError, RecordsError: see open_writer.
        """
        self.path = folder / FILE_NAME
        self._connection = open_writer(self.path)
        self._identity = _identity(self.path)
        self._days, self._bytes = days, mib << 20
        self._models = {
            (name, version): number
            for number, name, version in self._connection.execute("SELECT id, name, version FROM models")
        }
        #: the largest id that is written
        self.last_id: int = self._connection.execute("SELECT coalesce(max(id), 0) FROM records").fetchone()[0]
        # Nothing of the last hour vouches for the clock: it may have been set ahead before a restart.
        an_hour_ago = (time.time_ns() // 1000 - HOUR) // QUARTER
        (newest,) = self._connection.execute(
            "SELECT max(quarter) FROM quarters WHERE quarter < ?", (an_hour_ago,)
        ).fetchone()
        self._calendar = Calendar(0 if newest is None else (newest + 1) * QUARTER)
        #: records up to this id are of a time to come, and when they are looked at again
        self._ahead_to, self._ahead_until = 0, 0.0
        self._synced = time.monotonic()
        self._dirty = False
        self._is_filled = False

    @property
    def connection(self) -> sqlite3.Connection:
        """For what else is written by the same process, between two batches."""
        return self._connection

    def is_there(self) -> bool:
        """Tell whether the file that is open still has its name: it, its folder or its disk may have gone."""
        try:
            return _identity(self.path) == self._identity
        except OSError:
            return False

    @property
    def size(self) -> int:
        """Bytes of the file, and of what is not in it yet.

        Raises:
            OSError: it has gone.
        """
        return self.path.stat().st_size + Path(f"{self.path}-wal").stat().st_size

    def write(self, records: Sequence[Record], lost: int = 0, why: str = "") -> list[int]:
        """Write records, in the order of their ids, and how many were lost before them; all or nothing.

        Returns the ids under which they are written.

        Raises:
            sqlite3.Error: they can't be written.
        """
        known, last_id = dict(self._models), self.last_id
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            rows = []
            for record in records:
                model = self.model_number(record.model, record.version)
                # Ids rise already, unless the daemon began before it knew the last one and the clock was set back.
                self.last_id = max(record.id, self.last_id + 1)
                rows.append(_row(record, self.last_id, model))
            self._connection.executemany(_INSERT, _unhurried(rows))
            self._add_up(records)
            if lost:
                execute("INSERT INTO losses VALUES (?,?,?)", (time.time_ns() // 1000, why, lost))
            execute("COMMIT")
        except BaseException:
            self._models, self.last_id = known, last_id
            if self._connection.in_transaction:
                self._connection.rollback()
            raise
        self._dirty = True
        return [row[0] for row in rows]

    def model_number(self, name: str, version: str) -> int:
        """Return the number of a model's version, which is made where there is none; sqlite3.Error."""
        number = self._models.get((name, version))
        if number is None:
            cursor = self._connection.execute("INSERT INTO models (name, version) VALUES (?,?)", (name, version))
            number = self._models[name, version] = cursor.lastrowid or 0
        return number

    def _add_up(self, records: Sequence[Record]) -> None:
        quarters, hours = _Sums(), _Sums()
        labels, label_days = _Labels(), _Labels()
        score_days, score_hours, time_days, time_hours = Bins(), Bins(), Bins(), Bins()
        for record in _unhurried(records):
            model, quarter = self._models[record.model, record.version], record.at // QUARTER
            quarters.add((quarter, model), record)
            hours.add((record.at // HOUR, model), record)
            if record.anomalous and record.areas:
                for label, area in record.areas.items():
                    labels.add((quarter, model, label), area)
                    label_days.add((record.at // DAY, model, label), area)
            score, taken = score_bin(record.score), time_bin(record.milliseconds)
            score_days[record.at // DAY, model, score] += 1
            score_hours[record.at // HOUR, model, score] += 1
            time_days[record.at // DAY, model, taken] += 1
            time_hours[record.at // HOUR, model, taken] += 1
        many = self._connection.executemany
        many(_ADD_SUMS.format("quarters"), quarters.rows())
        many(_ADD_SUMS.format("sum_hours"), hours.rows())
        many(_ADD_LABEL.format("label_quarters"), labels.rows())
        many(_ADD_LABEL.format("label_days"), label_days.rows())
        self._add_bins(score_days=score_days, score_hours=score_hours, time_days=time_days, time_hours=time_hours)

    def _add_bins(self, **tables: Bins) -> None:
        for table, counts in tables.items():
            self._connection.executemany(_ADD_BIN.format(table), [(*key, count) for key, count in counts.items()])

    def count_refused(self, refused: Iterable[Refused]) -> None:
        """Add up calls that got no verdict; sqlite3.Error when they can't be written, and then none is."""
        rows = [(one.at // QUARTER, one.model, one.reason, one.calls, one.details) for one in refused]
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(_ADD_REFUSED, rows)
        self._dirty = True

    def fill(self) -> None:
        """Count some of the records that an older agent has written by hours, the newest first, until all are.

        Raises:
            sqlite3.Error: they can't be written.
        """
        if self._is_filled:
            return
        found = self._connection.execute("SELECT record FROM unfilled").fetchone()
        if found is None:
            self._is_filled = True
            return
        rows = self._connection.execute(
            "SELECT id, at, model, score, milliseconds FROM records WHERE id < ? ORDER BY id DESC LIMIT ?",
            (found[0], _FILLED_AT_ONCE),
        ).fetchall()
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._add_bins(
                score_hours=Bins((at // HOUR, model, score_bin(score)) for _, at, model, score, _ in rows),
                time_hours=Bins((at // HOUR, model, time_bin(taken)) for _, at, model, _, taken in rows),
                time_days=Bins((at // DAY, model, time_bin(taken)) for _, at, model, _, taken in rows),
            )
            if rows:
                self._connection.execute("UPDATE unfilled SET record = ?", (rows[-1][0],))
            else:
                self._connection.execute("DELETE FROM unfilled")
        self._dirty = True

    def sync(self) -> None:
        """See to it, once a second, that what has been written survives a loss of power.

        SQLite itself syncs in WAL mode only at a checkpoint. Opening the log by its name is safe: unlike the database
        and -shm, it carries no locks that closing it could drop (https://www.sqlite.org/howtocorrupt.html, 2.2).
        """
        now = time.monotonic()
        if not self._dirty or now - self._synced < _SYNC_SECONDS:
            return
        self._synced, self._dirty = now, False
        descriptor = os.open(f"{self.path}-wal", os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def tidy(self) -> bool:
        """Delete some of what is too old or too much; tell whether there is more to delete.

        Age is by the clock's time, which is not always in the order of ids: the clock may have been wrong for a while.

        Raises:
            sqlite3.Error: it can't be written.
        """
        execute = self._connection.execute
        now = time.time_ns() // 1000
        oldest = now - self._days * DAY
        pages, free, size = (
            execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        too_large = (pages - free) * size > self._bytes
        if self._ahead_to and time.monotonic() > self._ahead_until:
            self._ahead_to = 0
        first = 0 if too_large else self._ahead_to
        last = execute(
            "SELECT id FROM records WHERE id > ? ORDER BY id LIMIT 1 OFFSET ?", (first, _DELETED_AT_ONCE)
        ).fetchone()
        is_believed, more = self._calendar.is_believed(), True
        limit = 1 << 62 if last is None else last[0]
        if too_large and last is not None:
            execute("DELETE FROM records WHERE id < ?", (limit,))
        else:
            more = is_believed and self._delete_old(first, limit, oldest, now, is_last=last is None)
        execute(
            "DELETE FROM shadows WHERE record < ? AND NOT EXISTS (SELECT 1 FROM records WHERE id = record)", (limit,)
        )
        if is_believed and not more:
            sums = now - max(self._days, _LEAST_DAYS_OF_SUMS) * DAY
            for table, column, unit in (
                ("quarters", "quarter", QUARTER),
                ("label_quarters", "quarter", QUARTER),
                ("sum_hours", "hour", HOUR),
                ("label_days", "day", DAY),
                ("score_days", "day", DAY),
                ("score_hours", "hour", HOUR),
                ("time_days", "day", DAY),
                ("time_hours", "hour", HOUR),
                ("refused", "quarter", QUARTER),
                ("losses", "at", 1),
                ("notices", "at", 1),
            ):
                execute(f"DELETE FROM {table} WHERE {column} < ?", (sums // unit,))  # noqa: S608  # names from above
        if free > _PAGES_AT_ONCE or pages * size > self._bytes:
            execute(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})").fetchall()
        self._dirty = True
        return more

    def _delete_old(self, first: int, limit: int, oldest: int, now: int, *, is_last: bool) -> bool:
        """Delete what is too old of the records between two ids; tell whether there may be more behind them."""
        execute = self._connection.execute
        span = "id > ? AND id < ?"
        if execute(f"DELETE FROM records WHERE {span} AND at < ?", (first, limit, oldest)).rowcount:  # noqa: S608
            return True
        if is_last or execute(f"SELECT 1 FROM records WHERE {span} AND at <= ?", (first, limit, now)).fetchone():  # noqa: S608
            return False
        # A clock that was ahead has left so many that what is behind them would never be looked at.
        self._ahead_to, self._ahead_until = limit - 1, time.monotonic() + _AHEAD_SECONDS
        return True

    def close(self) -> None:
        """Close the database; what the log holds goes into it."""
        self._connection.close()


def _unhurried(items: Sequence[_T]) -> Iterator[_T]:
    """Give items, with a breath now and then: a call may be waiting for this core."""
    for place, item in enumerate(items, 1):
        yield item
        if place % _AT_ONCE == 0:
            breathe()


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _row(record: Record, number: int, model: int) -> tuple[Any, ...]:
    return (
        number,
        record.at,
        model,
        record.anomalous,
        record.score,
        record.threshold,
        record.confidence,
        None if record.areas is None else msgspec.json.encode(record.areas).decode(),
        record.width,
        record.height,
        round(record.milliseconds, 3),
        record.uid,
        record.pid,
        record.program,
        record.part or None,
        record.station or None,
        record.picture or None,
    )
