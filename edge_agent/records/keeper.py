"""Between the packets that arrive and the database: a bounded line of what waits, a disk that may be full or gone."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from edge_agent.access.rights import describe_refusal
from edge_agent.children.priority import breathe
from edge_agent.errors import RecordsError
from edge_agent.records.condition.keeping import ConditionKeeper
from edge_agent.records.options import RecordsOptions
from edge_agent.records.record import LOST, Notes, Record, State
from edge_agent.records.refused import Refused
from edge_agent.records.shadow.keeping import ShadowKeeper
from edge_agent.records.store.damage import is_damage, set_aside
from edge_agent.records.store.schema import QUARTER
from edge_agent.records.store.writer import RecordWriter

log = logging.getLogger("edge_agent.records")

#: records that wait while nothing can be written: some 10 MiB; the oldest go first
_MOST_WAITING = 20_000
#: records in one transaction
_BATCH = 2000
_FIRST_RETRY, _LONGEST_RETRY = 1.0, 30.0
#: seconds between two looks at what is old
_TIDY_SECONDS = 5.0
_LOOK_SECONDS = 1.0


class Listener(Protocol):
    """Whoever else wants to know of records, once they are written."""

    def __call__(self, records: list[Record]) -> None: ...


class Keeper:
    """Writes down what it is given, sooner or later, and says what was lost."""

    def __init__(self, options: RecordsOptions, clock: Callable[[], float] = time.monotonic) -> None:
        """Open the database, or find out that it can't be opened now."""
        self._options, self._clock = options, clock
        self._waiting: deque[Record] = deque()
        self._writer: RecordWriter | None = None
        self._written = self._lost = self._size = 0
        self._lost_by: dict[str, int] = dict.fromkeys(LOST, 0)
        self._untold: dict[str, int] = {}  # lost, by reason, and not yet in the database
        self._problem = ""
        self._last_id = 0
        #: how scores and cameras are
        self.condition = ConditionKeeper(options.drift_pictures)
        #: what shadow models said
        self.shadows = ShadowKeeper()
        #: calls that got no verdict and are not written down yet, by quarter, model and reason
        self._refused: dict[tuple[int, str, str], Refused] = {}
        self._retry_at, self._retry = 0.0, _FIRST_RETRY
        self._tidy_at = self._look_at = clock()
        self._open()

    @property
    def state(self) -> State:
        """What the daemon is told."""
        return State(
            self._last_id, self._written, self._lost, len(self._waiting), self._problem, self.condition.drifts,
            dict(self._lost_by), self._size,
        )  # fmt: skip

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits that could be written now."""
        return not self._waiting or self._writer is None

    def take(self, notes: Notes) -> None:
        """Take records; when too many wait, the oldest are lost."""
        if notes.dropped:
            self._lose(notes.dropped, "no_room")
        self._waiting.extend(notes.records)
        if (beyond := len(self._waiting) - _MOST_WAITING) > 0:
            for _ in range(beyond):
                self._waiting.popleft()
            self._lose(beyond, "not_written")

    def take_refused(self, refused: Refused) -> None:
        """Take calls that got no verdict. What waits is added up: a disk may be away for days."""
        key = (refused.at // QUARTER, refused.model, refused.reason)
        before = self._refused.get(key)
        calls = refused.calls + (0 if before is None else before.calls)
        self._refused[key] = msgspec.structs.replace(refused, calls=calls)

    def work(self) -> list[Record]:
        """Write what waits, as far as it can be written; delete some of what is old. Returns what was written."""
        now = self._clock()
        if self._writer is None:
            if now < self._retry_at:
                return []
            self._open()
        if self._writer is None:
            return []
        batch = [self._waiting[index] for index in range(min(_BATCH, len(self._waiting)))]
        try:
            looks = now >= self._look_at
            # Each time before it is written to: what is written to a file that has gone is gone with it.
            if (batch or self._refused or looks) and not self._writer.is_there():
                raise FileNotFoundError(2, "it has been deleted", str(self._writer.path))
            if looks:
                self._look_at = now + _LOOK_SECONDS
                self._size = self._writer.size
            if batch:
                lost = sum(self._untold.values())
                numbers = self._writer.write(batch, lost, "; ".join(LOST[why] for why in self._untold))
                self.shadows.written(batch, numbers)
                self._untold.clear()
                self._written += len(batch)
                self._last_id = self._writer.last_id
                for _ in batch:
                    self._waiting.popleft()
                breathe()
            if self._refused:
                self._writer.count_refused(self._refused.values())
                self._refused.clear()
            self.condition.work(self._writer.connection, batch)
            self.shadows.work(self._writer.connection, self._writer.model_number)
            self._writer.fill()
            self._writer.sync()
            if now >= self._tidy_at:
                more = self._writer.tidy()
                self._tidy_at = now if more else now + _TIDY_SECONDS
        except (sqlite3.Error, OSError) as error:
            self._fail(error)
            return []
        if self._problem:
            log.warning("records are written again; %d were lost meanwhile", self._lost)
            self._problem = ""
        return batch

    def _open(self) -> None:
        folder = Path(self._options.folder)
        try:
            self._writer = RecordWriter(folder, days=self._options.days, mib=self._options.mib)
            self.condition.begin(self._writer.connection)
        except (sqlite3.Error, OSError, RecordsError) as error:
            self._fail(error)
            return
        self._last_id = max(self._last_id, self._writer.last_id)
        self._retry = _FIRST_RETRY

    def _fail(self, error: Exception) -> None:
        """Give up for now: the database is opened anew when a disk may have become free, or whole."""
        path = Path(self._options.folder) / "records.db"
        text = f"{path}: {_words(error, path)}"
        if self._writer is not None:
            self._close()
        if is_damage(error):
            text += set_aside(path)
        if text != self._problem:  # it is tried again and again
            log.warning("records can't be written: %s; the line goes on, %d wait", text, len(self._waiting))
        self._problem = text
        self._retry_at = self._clock() + self._retry
        self._retry = min(2 * self._retry, _LONGEST_RETRY)

    def _lose(self, count: int, why: str) -> None:
        if why not in self._untold:
            log.warning("records are being lost: %s", LOST[why])
        self._untold[why] = self._untold.get(why, 0) + count
        self._lost_by[why] += count
        self._lost += count

    def _close(self) -> None:
        writer, self._writer = self._writer, None
        try:
            if writer is not None:
                writer.close()
        except sqlite3.Error as error:
            log.warning("records.db did not close well: %s", error)

    def close(self) -> None:
        """Write what waits, if it can be written, and close the database."""
        while self._waiting and self._writer is not None:
            self.work()
        if self._waiting:
            log.warning("%d records are lost: %s", len(self._waiting), self._problem)
        self._close()


def _words(error: Exception, path: Path) -> str:
    """Say what went wrong; SQLite does not say that a right is lacking, nor whose the file or its folder is."""
    if isinstance(error, OSError):
        return describe_refusal(error)
    place = path if os.path.exists(path) else path.parent  # noqa: PTH110  # a folder that is closed is no error here
    if isinstance(error, sqlite3.OperationalError) and not os.access(place, os.W_OK):
        with contextlib.suppress(OSError):
            if not os.statvfs(place).f_flag & os.ST_RDONLY:
                return describe_refusal(PermissionError(errno.EACCES, os.strerror(errno.EACCES)), place)
    return str(error)
