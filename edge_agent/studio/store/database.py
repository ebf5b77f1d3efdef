"""The index: SQLite with one writer at a time and many readers, on a local disk."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge_agent.access.rights import describe_refusal
from edge_agent.errors import StudioError
from edge_agent.studio.store.migrations import MIGRATIONS

Values = Sequence[object] | Mapping[str, object]

_PATIENCE = 10.0  # seconds that a writer waits for one in another process, such as `studio reindex`


class Database:
    """Open connections: one to write, for whoever holds the lock, and one for each thread that reads."""

    def __init__(self, path: Path, migrations: Sequence[str] = MIGRATIONS) -> None:
        """Open the index, or make it, and bring it to the newest of its forms.

        Raises:
            StudioError: it can't be opened, or a newer program has written it.
        """
        self._path, self._migrations = path, migrations
        self._lock = threading.Lock()
        self._mine = threading.local()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._open()
            self._writer.execute("PRAGMA journal_mode = WAL")
            self._writer.execute("PRAGMA synchronous = NORMAL")
            self._migrate()
        except (sqlite3.Error, OSError) as error:
            raise StudioError(f"{path} can't be used as the studio's index: {_said(error, path)}") from None

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    def _migrate(self) -> None:
        (version,) = self._writer.execute("PRAGMA user_version").fetchone()
        if version > len(self._migrations):
            raise StudioError(
                f"{self._path} has form {version}, this program knows {len(self._migrations)}: "
                "it needs a newer edge-agent"
            )
        for number, script in enumerate(self._migrations[version:], start=version + 1):
            self._writer.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT;")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection that writes, inside a transaction which an exception undoes."""
        with self._lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")

    def rows(self, query: str, values: Values = ()) -> list[sqlite3.Row]:
        """Read rows."""
        reader: sqlite3.Connection | None = getattr(self._mine, "reader", None)
        if reader is None:
            reader = self._mine.reader = self._open()
        return reader.execute(query, values).fetchall()

    def row(self, query: str, values: Values = ()) -> sqlite3.Row | None:
        """Read one row; None when there is none."""
        found = self.rows(query, values)
        return found[0] if found else None

    def value(self, query: str, values: Values = ()) -> Any:
        """Read one value."""
        found = self.row(query, values)
        return None if found is None else found[0]

    def close(self) -> None:
        """Close what this thread has opened, and the writer."""
        reader: sqlite3.Connection | None = getattr(self._mine, "reader", None)
        if reader is not None:
            reader.close()
        self._writer.close()


def _said(error: Exception, path: Path) -> str:
    """Give an error's words; SQLite's do not say which right is lacking."""
    if isinstance(error, OSError):
        return describe_refusal(error)
    beside = path.with_name(path.name + "-wal")  # what it keeps there
    for file in (path, beside):
        place = file if file.exists() else file.parent
        if not os.access(place, os.W_OK):
            return describe_refusal(PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file)))
    return str(error)
