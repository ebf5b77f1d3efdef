"""In the process that writes records: looks at scores as they come, and takes note of what the camera is said to be."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections import deque
from collections.abc import Iterable

from edge_agent.logs import fields
from edge_agent.records.condition.drift import DriftWatch
from edge_agent.records.condition.notice import Camera, Drift, Notice, Reference
from edge_agent.records.record import Record
from edge_agent.records.store.conditions import (
    first_weeks,
    last_seen,
    number_of,
    read_cameras,
    read_drifts,
    write_camera,
    write_drift,
    write_notice,
)
from edge_agent.records.store.schema import DAY

log = logging.getLogger("edge_agent.records")

#: versions of models whose scores are looked at, at the most
_MOST = 64
#: what has been said of cameras and could not be written yet
_MOST_CAMERAS = 1000

_Key = tuple[str, str]


class ConditionKeeper:
    """How all models' lines are. Its database may be opened anew at any time."""

    def __init__(self, size: int) -> None:
        """Compare the last `size` scores of each version; 0: none."""
        self._size = size
        self._trained: dict[_Key, Reference] = {}
        #: of versions that are not looked at: what the database had to say of them, or the last look
        self._found: dict[_Key, Drift] = {}
        self._first_weeks: dict[_Key, tuple[int, Reference | None]] = {}
        self._watches: dict[_Key, tuple[int, DriftWatch]] = {}
        self._cameras: deque[Camera] = deque(maxlen=_MOST_CAMERAS)
        self._last_id = 0
        #: to be told, until somebody takes them
        self.untold: list[Notice] = []

    @property
    def drifts(self) -> tuple[Drift, ...]:
        """How the scores of every version are that has had pictures lately, or was looked at before a restart."""
        if not self._size:
            return ()
        looked_at = {key: watch.now for key, (_, watch) in self._watches.items()}
        return tuple((self._found | looked_at).values())

    def know(self, model: str, version: str, scores: tuple[int, ...]) -> None:
        """Take note of how a version's scores were distributed in training."""
        self._trained[model, version] = Reference("training", scores)

    def see(self, camera: Camera) -> None:
        """Take note of what the camera is said to be."""
        self._cameras.append(camera)

    def begin(self, connection: sqlite3.Connection) -> None:
        """Take another database, in which numbers are others.

        Raises:
            sqlite3.Error: it can't be read.
        """
        self._watches.clear()
        self._first_weeks.clear()
        latest = sorted(read_drifts(connection), key=lambda drift: drift.at)[-_MOST:]
        self._found = {(drift.model, drift.version): drift for drift in latest}

    def work(self, connection: sqlite3.Connection, written: Iterable[Record]) -> None:
        """Look at what has been written, and write down what is found.

        Raises:
            sqlite3.Error: it can't be written.
        """
        while self._cameras:
            self._take(connection, self._cameras[0])
            self._cameras.popleft()
        if not self._size:
            return
        for record in written:
            key = record.model, record.version
            if key not in self._watches:
                self._begin(connection, key)
                continue  # it is among those that were read
            number, watch = self._watches[key]
            if watch.add(record.score, record.anomalous):
                self._look(connection, key, number, watch)

    def _begin(self, connection: sqlite3.Connection, key: _Key) -> None:
        number = number_of(connection, *key)
        known = {(drift.model, drift.version): drift for drift in read_drifts(connection)}
        watch = DriftWatch(self._size, known.get(key) or Drift(*key), last_seen(connection, number, self._size))
        self._found.pop(key, None)
        while len(self._watches) >= _MOST:
            oldest = next(iter(self._watches))
            _, left = self._watches.pop(oldest)
            self._found[oldest] = left.now
        while len(self._found) > _MOST:
            del self._found[next(iter(self._found))]
        self._watches[key] = number, watch
        self._look(connection, key, number, watch)

    def _look(self, connection: sqlite3.Connection, key: _Key, number: int, watch: DriftWatch) -> None:
        now = time.time_ns() // 1000
        before = watch.now.state
        drift = watch.look(self._reference(connection, key, number, now // DAY), now)
        write_drift(connection, number, drift)
        if drift.state == "drifted" and before != "drifted":
            log.warning("model %s: %s", drift.model, drift.text, extra=fields(MODEL=drift.model))
            self._tell(connection, drift.model, drift.version, "drift", "drifted", drift.text)
        elif before == "drifted" and drift.state != "drifted":
            text = "scores are distributed as they were again"
            log.warning("model %s: %s", drift.model, text, extra=fields(MODEL=drift.model))
            self._tell(connection, drift.model, drift.version, "drift", "stable", text)

    def _reference(self, connection: sqlite3.Connection, key: _Key, number: int, today: int) -> Reference | None:
        if key in self._trained:
            return self._trained[key]
        known = self._first_weeks.get(key)
        if known is None or known[0] != today or known[1] is None:
            known = self._first_weeks[key] = today, first_weeks(connection, number, today=today, size=self._size)
        return known[1]

    def _take(self, connection: sqlite3.Connection, camera: Camera) -> None:
        before = read_cameras(connection).get(camera.model)
        if before is not None and before.state == camera.state:
            return  # of before a restart: since then it has been so
        write_camera(connection, camera)
        if before is not None or camera.state != "ok":
            text = camera.text or "the pictures look as they should again"
            self._tell(connection, camera.model, camera.version, "camera", camera.state, text)

    def _tell(self, connection: sqlite3.Connection, *about: str) -> None:
        now = time.time_ns() // 1000
        self._last_id = max(self._last_id + 1, now)
        notice = Notice(self._last_id, now, *about)  # type: ignore[arg-type]  # of the kinds above
        write_notice(connection, notice)
        self.untold.append(notice)
