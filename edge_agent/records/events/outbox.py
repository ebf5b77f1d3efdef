"""The outbox: events on disk until whoever they are for has taken them. Bounded, a line for each rule, in order.

One process has it, whose threads share a connection and a lock; each statement takes well under a millisecond.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from edge_agent.records.events.event import Event
from edge_agent.records.events.line import EventLine
from edge_agent.records.events.rules import Rule

FILE_NAME = "outbox.db"

_TABLES = """
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT, rule TEXT NOT NULL, payload BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS events_rule ON events (rule, number);
CREATE TABLE IF NOT EXISTS lines (
    rule TEXT PRIMARY KEY, sent INTEGER NOT NULL DEFAULT 0, dropped INTEGER NOT NULL DEFAULT 0,
    problem TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
"""


class LineState(NamedTuple):
    """How a rule's line stands."""

    rule: str
    waiting: int
    sent: int
    dropped: int
    #: why nothing can be sent now; "" while all is well
    problem: str


class Outbox:
    """Events that wait to be sent."""

    def __init__(self, folder: Path, rules: Iterable[Rule]) -> None:
        """Open or make the outbox; what rules that are no more had to send is deleted.

        Raises:
            sqlite3.Error, OSError: it can't be opened.
        """
        self._path = folder / FILE_NAME
        self._rules = {rule.name: rule for rule in rules}
        self._lock = threading.Lock()
        self._news = {name: threading.Event() for name in self._rules}
        self._failed: dict[str, int] = dict.fromkeys(self._rules, 0)
        self._waiting: dict[str, int] = dict.fromkeys(self._rules, 0)
        self._connection = self._open()
        self._looked_into: dict[str, sqlite3.Connection] = {}
        self._identity = _identity(self._path)
        self._count()

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        connection = sqlite3.connect(self._path, timeout=10.0, isolation_level=None, check_same_thread=False)
        try:
            execute = connection.execute
            execute("PRAGMA journal_mode = WAL")
            execute("PRAGMA synchronous = NORMAL")
            execute("PRAGMA journal_size_limit = 4194304")
            connection.executescript(_TABLES)
            for table in ("events", "lines"):
                known = {name for (name,) in execute(f"SELECT DISTINCT rule FROM {table}")}  # noqa: S608  # from above
                for name in known - self._rules.keys():
                    execute(f"DELETE FROM {table} WHERE rule = ?", (name,))  # noqa: S608
            for name in self._rules:
                execute("INSERT OR IGNORE INTO lines (rule) VALUES (?)", (name,))
        except BaseException:
            connection.close()
            raise
        return connection

    def _count(self) -> None:
        self._waiting = dict.fromkeys(self._rules, 0)
        self._waiting.update(self._connection.execute("SELECT rule, count(*) FROM events GROUP BY rule"))
        for name, waiting in self._waiting.items():
            if waiting:
                self._news[name].set()

    def renew(self) -> int | None:
        """Begin a new file where the one that is open has lost its name, and take along what waits in it.

        Its folder was moved or deleted, or its disk has gone or come back. Returns how many events were taken along,
        None when all is as it was; those that wait in a file that has the name now are kept, and come first.

        Raises:
            sqlite3.Error, OSError: that can't be done now; the old file stays in use.
        """
        with contextlib.suppress(OSError):
            if _identity(self._path) == self._identity:
                return None
        with self._lock:
            connection = self._open()
            try:
                events, lines = [], []
                with contextlib.suppress(sqlite3.Error):  # its disk is not to be read any more
                    events = self._connection.execute("SELECT rule, payload FROM events ORDER BY number").fetchall()
                    lines = self._connection.execute("SELECT sent, dropped, problem, rule FROM lines").fetchall()
                with connection:
                    connection.execute("BEGIN IMMEDIATE")
                    connection.executemany("INSERT INTO events (rule, payload) VALUES (?, ?)", events)
                    connection.executemany(
                        "UPDATE lines SET sent = max(sent, ?), dropped = max(dropped, ?), problem = ? WHERE rule = ?",
                        lines,
                    )
            except BaseException:
                connection.close()
                raise
            old, self._connection, self._identity = self._connection, connection, _identity(self._path)
            self._count()
            with contextlib.suppress(sqlite3.Error):
                old.execute("DELETE FROM events")  # should it come back, they are not sent twice
            with contextlib.suppress(sqlite3.Error):
                old.close()
        return len(events)

    def put(self, payloads: Mapping[str, list[bytes]]) -> int:
        """Add events to the lines of rules, by name; returns how many had to be dropped, of them or of older ones.

        Raises:
            sqlite3.Error: they can't be written.
        """
        total = 0
        with self._lock, self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            for name, told in payloads.items():
                rule = self._rules[name]
                excess = max(0, self._waiting[name] + len(told) - rule.most)
                new = told[: len(told) - excess] if rule.keep == "oldest" else told[-rule.most :]
                self._connection.executemany(
                    "INSERT INTO events (rule, payload) VALUES (?, ?)", [(name, payload) for payload in new]
                )
                old = excess - (len(told) - len(new))
                if old > 0:
                    self._connection.execute(
                        "DELETE FROM events WHERE number IN "
                        "(SELECT number FROM events WHERE rule = ? ORDER BY number LIMIT ?)",
                        (name, old),
                    )
                if excess:
                    self._connection.execute("UPDATE lines SET dropped = dropped + ? WHERE rule = ?", (excess, name))
                total += excess
        for name, told in payloads.items():
            self._waiting[name] = min(self._waiting[name] + len(told), self._rules[name].most)
            self._news[name].set()
        return total

    def wait(self, name: str, seconds: float) -> None:
        """Wait until a rule has an event to send, or for so many seconds."""
        self._news[name].wait(seconds)

    def wake(self) -> None:
        """Let all who wait go on."""
        for news in self._news.values():
            news.set()

    def next(self, name: str, count: int) -> list[Event]:
        """Return a rule's first events; they stay until they are `done`."""
        with self._lock:
            self._looked_into[name] = self._connection
            self._news[name].clear()
            rows = self._connection.execute(
                "SELECT number, payload FROM events WHERE rule = ? ORDER BY number LIMIT ?", (name, count)
            ).fetchall()
        if len(rows) == count:
            self._news[name].set()
        return [Event(number, payload) for number, payload in rows]

    def done(self, name: str, events: list[Event], *, late: int = 0) -> None:
        """Take events out: the first `late` of them are dropped, the others whoever they are for has taken."""
        with self._lock, self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            if self._looked_into.get(name) is self._connection:
                gone = self._connection.execute(
                    "DELETE FROM events WHERE rule = ? AND number <= ?", (name, events[-1].number)
                ).rowcount
            else:  # they have other numbers now
                gone = self._connection.executemany(
                    "DELETE FROM events WHERE rule = ? AND payload = ?", [(name, event.payload) for event in events]
                ).rowcount
            self._connection.execute(
                "UPDATE lines SET sent = sent + ?, dropped = dropped + ? WHERE rule = ?",
                (len(events) - late, late, name),
            )
            self._waiting[name] -= gone

    def tell_problem(self, name: str, problem: str) -> None:
        """Write down why a rule's events can't be sent, for `edge-agent records events`."""
        with self._lock:
            self._connection.execute("UPDATE lines SET problem = ? WHERE rule = ?", (problem, name))

    def count_failure(self, name: str) -> None:
        """Count an attempt to send a rule's events that failed."""
        self._failed[name] += 1

    def lines(self, lost: Mapping[str, int]) -> tuple[EventLine, ...]:
        """Tell how the lines stand; `lost` are events that could not be put in, by rule.

        Raises:
            sqlite3.Error: they can't be read.
        """
        found = []
        with self._lock:
            for name in self._rules:
                sent, dropped = self._connection.execute(
                    "SELECT sent, dropped FROM lines WHERE rule = ?", (name,)
                ).fetchone()
                first = self._connection.execute(
                    "SELECT number, payload FROM events WHERE rule = ? ORDER BY number LIMIT 1", (name,)
                ).fetchone()
                oldest = Event(*first).at if first is not None else 0.0
                waiting, failed = self._waiting[name], self._failed[name]
                found.append(EventLine(name, waiting, sent, failed, dropped + lost.get(name, 0), oldest))
        return tuple(found)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def line_states(folder: Path) -> list[LineState]:
    """Tell how every rule's line stands, for whoever is not the process that has it; [] when there is no outbox.

    Raises:
        sqlite3.Error: it can't be read.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return []
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10.0)
    try:
        rows = connection.execute(
            "SELECT rule, (SELECT count(*) FROM events WHERE events.rule = lines.rule), sent, dropped, problem "
            "FROM lines"
        ).fetchall()
    finally:
        connection.close()
    return [LineState(*row) for row in rows]
