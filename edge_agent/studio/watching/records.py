"""The agent's records as the studio sees them, with kept pictures and people's words."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import cv2
import msgspec
import numpy as np

from edge_agent.errors import NotThere, RecordsError
from edge_agent.inference.imaging.overlay import laid_over
from edge_agent.inference.imaging.resize import U8
from edge_agent.records.figures.periods import offset_at
from edge_agent.records.options import pictures_folder
from edge_agent.records.pictures.ring import VERDICT
from edge_agent.records.pictures.stored import Stored, stored
from edge_agent.records.span import SECOND
from edge_agent.records.store.reading import Found, Query, find, get, reading
from edge_agent.records.store.schema import DAY, FILE_NAME
from edge_agent.records.words import Truth, confirm

#: how long a page may have to wait for records
_SECONDS = 3.0
MOST_RECORDS = 200
#: seconds from a verdict to its picture's file, at the most
_WRITTEN_WITHIN = 60
_THUMBNAIL = 360


class Record(msgspec.Struct, frozen=True):
    """One verdict; times in seconds since 1970. `picture` tells whether its picture was kept."""

    #: as text: it has more digits than a number of JavaScript holds for sure
    id: str
    at: float
    #: minutes that the device's local time was ahead of UTC then
    offset: int
    model: str
    version: str
    verdict: Literal["normal", "anomaly"]
    score: float
    threshold: float
    milliseconds: float
    width: int
    height: int
    part: str
    station: str
    program: str
    areas: dict[str, float]
    #: called anomalous by a model that makes masks, and nothing is marked
    unmarked: bool
    picture: bool
    truth: str
    labels: list[str]
    who: str


class RecordFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which records: of a model ("" for all), from `since` until `until` (seconds since 1970, the end excluded).

    `wrong` are those that a person has found to be another class than the verdict; `doubt` an unconfirmed verdict.
    """

    model: str = ""
    version: str = ""
    since: float = 0.0
    until: float = 1e11
    verdict: Literal["", "normal", "anomaly"] = ""
    word: Literal["", "none", "any", "false_reject", "escape", "normal", "anomaly"] = ""
    label: str = ""
    part: str = ""
    station: str = ""
    score_from: float = 0.0
    score_to: float = 2.0
    slower_than: float = 0.0
    faster_than: float = 1e12
    pictured: bool = False

    def query(self) -> Query:
        """Give the same as the records' own reader wants it."""
        wrong = {"false_reject": ("anomaly", "normal"), "escape": ("normal", "anomaly")}.get(self.word)
        verdict, truth = wrong or (self.verdict, self.word if self.word in ("normal", "anomaly") else "")
        whole = self.score_from <= 0.0 and self.score_to > 1.0
        any_time = self.slower_than <= 0.0 and self.faster_than >= 1e12
        return Query(
            model=self.model, version=self.version, since=round(self.since * SECOND), until=round(self.until * SECOND),
            anomalous={"normal": False, "anomaly": True}.get(verdict), part=self.part, station=self.station,
            pictured=self.pictured, confirmed={"none": False, "any": True}.get(self.word), label=self.label,
            truth=truth,
            scores=None if whole else (self.score_from, self.score_to),
            milliseconds=None if any_time else (self.slower_than, self.faster_than),
        )  # fmt: skip


class RecordPage(msgspec.Struct, frozen=True):
    """A part of a list, the newest first; `next` continues it, "" at its end.

    `cut` tells that looking for more took too long: a shorter time, or fewer conditions, lead further.
    """

    records: list[Record]
    next: str
    cut: bool
    #: minutes that the device's local time is ahead of UTC now
    offset: int
    #: no agent has ever written records here
    none: bool = False


class Records:
    """The records in an agent's state folder."""

    def __init__(self, state: Path) -> None:
        self.state, self.folder = state, state / "records"

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Open the records.

        Raises:
            RecordsError: there are none, or they can't be read.
        """
        with reading(self.folder, seconds=_SECONDS) as connection:
            yield connection

    @property
    def are_there(self) -> bool:
        """Tell whether an agent has ever written records here."""
        return (self.folder / FILE_NAME).exists()

    @property
    def are_readable(self) -> bool:
        """Tell whether the state folder can be looked into."""
        try:
            self.folder.stat()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def page(self, wanted: RecordFilter, beyond: str, limit: int) -> RecordPage:
        """List records, the newest first.

        Raises:
            RecordsError: they can't be read.
        """
        zone = offset_at(time.time_ns() // 1000)
        if self.are_readable and not self.are_there:
            return RecordPage([], "", cut=False, offset=zone, none=True)
        query = wanted.query()
        # An id is nearly its time: beyond a day after the end there is nothing unless a clock ran ahead for longer.
        last = min(query.until + DAY, 1 << 62)
        query = query._replace(beyond=min(last, _number(beyond)) if beyond else last)
        found: list[Found] = []
        try:
            with self.reading() as connection:
                for record in find(connection, query):
                    found.append(record)
                    if len(found) > limit:
                        break
        except RecordsError as error:
            if "within" not in str(error):
                raise
            return RecordPage([self._told(record) for record in found[:limit]], "", cut=True, offset=zone)
        more = str(found[limit - 1].id) if len(found) > limit else ""
        return RecordPage([self._told(record) for record in found[:limit]], more, cut=False, offset=zone)

    def get(self, number: str) -> Record:
        """Give one record; NotThere when there is none of that number."""
        return self._told(self._found(number))

    def _found(self, number: str) -> Found:
        with self.reading() as connection:
            try:
                return get(connection, _number(number))
            except RecordsError as error:
                raise NotThere(str(error)) from None

    def stored(self, number: str) -> Stored:
        """Give the files of a record's kept picture; NotThere when there are none (any more)."""
        record = self._found(number)
        if not record.picture:
            raise NotThere(f"the picture of record {number} was not kept")
        try:
            return stored(pictures_folder(self.folder), record.picture)
        except RecordsError as error:
            raise NotThere(str(error)) from None

    def thumbnail(self, number: str) -> bytes:
        """Make a small copy of a kept picture, JPEG."""
        picture = _read(self.stored(number).picture)
        return jpeg(_small(picture, cv2.INTER_AREA))

    def layer(self, number: str, *, small: bool) -> bytes:
        """Make what the model marked on a kept picture, PNG, transparent where it marked nothing."""
        kept = self.stored(number)
        if kept.mask is None:
            raise NotThere(f"the model makes no masks, or marked nothing on the picture of record {number}")
        mask = _read(kept.mask)
        return marked_png(_small(mask, cv2.INTER_NEAREST) if small else mask)

    def confirm(self, number: str, truth: Truth, labels: Sequence[str], who: str) -> Record:
        """Write down what a person says of a record."""
        self._found(number)
        return self._told(confirm(self.folder, _number(number), truth, labels, who))

    def has_picture(self, record: Found) -> bool:
        """Tell whether a picture was kept with a record, and is there: on a busy line it is written seconds later."""
        if not record.picture or record.at < time.time_ns() // 1000 - _WRITTEN_WITHIN * SECOND:
            return bool(record.picture)
        return (pictures_folder(self.folder) / f"{record.picture}{VERDICT}").exists()

    def _told(self, record: Found) -> Record:
        return Record(
            str(record.id), record.at / SECOND, offset_at(record.at), record.model, record.version,
            "anomaly" if record.anomalous else "normal", record.score, record.threshold, record.milliseconds,
            record.width, record.height, record.part, record.station, record.program, dict(record.areas),
            record.is_unmarked, self.has_picture(record), record.truth, list(record.labels), record.who,
        )  # fmt: skip


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 19:
        raise NotThere(f"there is no record '{text[:40]}'")
    return min(int(text), (1 << 63) - 1)


def _read(path: Path) -> U8:
    data = np.fromfile(path, np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if picture is None:
        raise NotThere(f"{path.name} is no picture that can be read")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def _small(picture: U8, kind: int) -> U8:
    height, width, _ = picture.shape
    factor = min(1.0, _THUMBNAIL / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(picture, size, interpolation=kind), np.uint8)


def jpeg(picture: U8) -> bytes:
    """Write a picture, uint8 [height, width, 3] RGB, as JPEG."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes())


def marked_png(mask: U8) -> bytes:
    """Write what is laid over a picture whose mask this is, RGB and white where nothing is marked, as PNG."""
    shown = cv2.cvtColor(laid_over(mask), cv2.COLOR_RGBA2BGRA)
    return bytes(cv2.imencode(".png", shown, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes())
