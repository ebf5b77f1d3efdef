"""Reading records.db, while it is being written or when no daemon runs."""

from __future__ import annotations

import heapq
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from edge_agent.errors import RecordsError
from edge_agent.records.store.schema import FILE_NAME, VERSION

#: SQLite's instructions between two looks at the clock
_STEPS = 10_000

_COLUMNS = """records.id, records.at, records.model, '', records.anomalous, score, threshold, confidence, areas, width,
    height, milliseconds, uid, pid, program, part, station, picture, words.truth, words.labels, words.who
    FROM records LEFT JOIN words ON words.record = records.id"""


class Found(NamedTuple):
    """A record, with what a person has said of it."""

    id: int
    at: int
    model: str
    version: str
    anomalous: bool
    score: float
    threshold: float
    confidence: float
    areas: Mapping[str, float]
    width: int
    height: int
    milliseconds: float
    uid: int
    pid: int
    program: str
    part: str
    station: str
    #: name of its kept picture; "" when it was not kept
    picture: str
    #: normal or anomaly; "" when nobody has said
    truth: str
    labels: tuple[str, ...]
    who: str
    #: the model makes masks; older agents' records don't tell where nothing is marked
    is_masked: bool = False

    @property
    def is_unmarked(self) -> bool:
        """Tell whether a picture is called anomalous on whose mask nothing is marked."""
        return self.anomalous and self.is_masked and not self.areas


class Query(NamedTuple):
    """Which records are wanted: all conditions hold. Times in microseconds since 1970, the end excluded."""

    model: str = ""
    version: str = ""
    since: int = 0
    until: int = 1 << 62
    anomalous: bool | None = None
    part: str = ""
    station: str = ""
    #: only those whose picture was kept
    pictured: bool = False
    #: of those that a person has, or has not, said something of; None: all
    confirmed: bool | None = None
    #: one of the kinds of anomaly that were marked; scores and milliseconds from the first, below the second
    label: str = ""
    scores: tuple[float, float] | None = None
    milliseconds: tuple[float, float] | None = None
    #: only those of which a person says this
    truth: str = ""
    #: only records before (newest first) or after (oldest first) this id: how a page goes on
    beyond: int | None = None
    oldest_first: bool = False


@contextmanager
def reading(folder: Path, *, seconds: float = 60.0) -> Iterator[sqlite3.Connection]:
    """Open the database of a records folder for reading, for so many seconds.

    Raises:
        RecordsError: there is none, it can't be read, or reading takes too long.
    """
    path = folder / FILE_NAME
    if not path.exists():
        raise RecordsError(f'there are no records in {folder}; a daemon writes them there unless records = "off"')
    connection = None
    try:
        connection = _connect(path)
        end = time.monotonic() + seconds
        connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
        yield connection
    except sqlite3.OperationalError as error:
        if str(error) == "interrupted":
            raise RecordsError(f"{path} could not be read within {seconds:g} s; ask for a shorter time") from None
        raise RecordsError(f"{path} can't be read: {error}") from None
    except sqlite3.DatabaseError as error:
        raise RecordsError(f"{path} can't be read: {error}") from None
    finally:
        if connection is not None:
            connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(address, uri=True, timeout=10.0, isolation_level=None)
    try:
        found = connection.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.OperationalError:
        connection.close()
        if path.with_name(f"{path.name}-wal").exists():
            raise
        # Nobody writes it, and this user may not make the files that sharing it with a writer would need.
        connection = sqlite3.connect(f"{address}&immutable=1", uri=True, isolation_level=None)
        found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found != VERSION:
        connection.close()
        raise RecordsError(f"{path} has version {found}, expected {VERSION}: it was made by another agent's version")
    return connection


def find(connection: sqlite3.Connection, query: Query) -> Iterator[Found]:
    """Give the records that are wanted, the newest first unless the query says otherwise.

    Each version of a model is asked for by itself, so that an index gives its records in their order, and the first of
    them at once however many there are.
    """
    names = model_names(connection)
    where, values = _conditions(query)
    order = "ASC" if query.oldest_first else "DESC"
    text = f"SELECT {_COLUMNS} WHERE {where} ORDER BY records.id {order}"  # parts from here
    if not (query.model or query.version):
        rows: Iterator[Any] = connection.execute(text, values)
    else:
        text = text.replace("WHERE", "WHERE records.model = ? AND", 1)  # conditions may have one of their own
        wanted = [
            number
            for number, (name, version) in names.items()
            if query.model in ("", name) and query.version in ("", version)
        ]
        # Generators around the cursors: merge would close a cursor, perhaps after the connection.
        each = [(row for row in connection.execute(text, [number, *values])) for number in wanted]
        rows = heapq.merge(*each, key=lambda row: row[0], reverse=not query.oldest_first)
    for row in rows:
        yield _found(row, names)


def get(connection: sqlite3.Connection, number: int) -> Found:
    """Give one record.

    Raises:
        RecordsError: there is none of that id.
    """
    row = None
    if abs(number) < 1 << 63:  # SQLite has no larger ones
        row = connection.execute(f"SELECT {_COLUMNS} WHERE records.id = ?", (number,)).fetchone()
    if row is None:
        raise RecordsError(f"there is no record {number}; it may have been deleted by age (records_days, records_mib)")
    return _found(row, model_names(connection))


def unknown_model(connection: sqlite3.Connection, name: str) -> str:
    """Say that there are no records of a model, and of which there are; "" where there are some, or none at all."""
    known = {known for known, _ in model_names(connection).values()}
    if not name or not known or name in known:
        return ""
    return f"there are no records of a model '{name}', only of {', '.join(sorted(known))}"


def model_names(connection: sqlite3.Connection) -> dict[int, tuple[str, str]]:
    """Give name and version of every model that there are records of, by number."""
    return {number: (name, version) for number, name, version in connection.execute("SELECT * FROM models")}


def _conditions(query: Query) -> tuple[str, list[object]]:
    # An id is never less than its time: where ids begin, the index on them finds it.
    parts: list[str] = ["records.id >= ?", "records.at >= ?", "records.at < ?"]
    values: list[object] = [query.since, query.since, query.until]
    for column, value in (
        ("part", query.part),
        ("station", query.station),
    ):
        if value:
            parts.append(f"{column} = ?")
            values.append(value)
    if query.anomalous is not None:
        parts.append("records.anomalous" if query.anomalous else "NOT records.anomalous")
    if query.confirmed is not None:
        parts.append("truth IS NOT NULL" if query.confirmed else "truth IS NULL")
    for column, among in (("score", query.scores), ("milliseconds", query.milliseconds)):
        if among is not None:
            parts.append(f"{column} >= ? AND {column} < ?")
            values += among
    if query.label:
        parts.append("areas IS NOT NULL AND EXISTS (SELECT 1 FROM json_each(areas) WHERE key = ?)")
        values.append(query.label)
    if query.truth:
        parts.append("truth = ?")
        values.append(query.truth)
    if query.pictured:
        parts.append("picture IS NOT NULL")
    if query.beyond is not None:
        parts.append("records.id > ?" if query.oldest_first else "records.id < ?")
        values.append(query.beyond)
    return " AND ".join(parts), values


def _found(row: tuple[Any, ...], names: Mapping[int, tuple[str, str]]) -> Found:
    found = Found(*row)  # columns and fields are in the same order
    name, version = names[row[2]]
    return found._replace(
        model=name,
        version=version,
        anomalous=bool(found.anomalous),
        areas=msgspec.json.decode(str(found.areas)) if found.areas else {},
        part=found.part or "",
        station=found.station or "",
        picture=found.picture or "",
        truth=found.truth or "",
        labels=tuple(str(row[19]).split(",")) if row[19] else (),
        who=found.who or "",
        is_masked=found.areas is not None,
    )
