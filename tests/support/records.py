"""Records for tests: made up, or written by a process as the daemon starts it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from edge_agent.records.events.rules import AnyRule, parse_events
from edge_agent.records.options import RecordsOptions
from edge_agent.records.record import Record
from edge_agent.records.store.schema import FILE_NAME


def record(number: int, **changes: Any) -> Record:
    """Make a record of a normal picture at `number` microseconds; `changes` replace fields of it."""
    fields: dict[str, Any] = {
        "id": number, "at": number, "model": "echo", "version": "1.0.0", "anomalous": False, "score": 0.25,
        "threshold": 0.5, "confidence": 0.75, "areas": {}, "width": 64, "height": 48, "milliseconds": 2.5, "uid": 1000,
        "pid": 42, "program": "line", "part": "", "station": "",
    }  # fmt: skip
    return Record(**(fields | changes))


def options(folder: Path, **changes: Any) -> RecordsOptions:
    """Give options for records in a folder."""
    fields: dict[str, Any] = {"folder": str(folder), "days": 90, "mib": 64, "log_level": "info"}
    return RecordsOptions(**(fields | changes))


def rows(folder: Path, text: str, *values: object) -> list[Any]:
    """Ask the database of a folder."""
    connection = sqlite3.connect(folder / FILE_NAME)
    try:
        return connection.execute(text, values).fetchall()
    finally:
        connection.close()


def rules(**table: Any) -> tuple[AnyRule, ...]:
    """Read the table of an event whose name is `line`."""
    return parse_events([{"name": "line", **table}])


def told(*numbers: int) -> list[Record]:
    """Make records of these numbers: the odd ones are anomalous."""
    return [record(number, anomalous=number % 2 == 1) for number in numbers]
