"""Senders to the device itself: files, datagrams, named pipes."""

from __future__ import annotations

import csv
import io
import os
import select
import socket
import stat
from io import FileIO
from pathlib import Path

from edge_agent.access.rights import describe_refusal
from edge_agent.records.events.event import Event
from edge_agent.records.events.rules import Datagram, File, Pipe
from edge_agent.records.events.sender import SendFailed
from edge_agent.records.telling import cell
from edge_agent.records.whole import write_whole

#: how long a program on the device may take to read
_SECONDS = 5.0
#: bytes, and more than any event has
_LONGEST_LINE = 1 << 20
COLUMNS = (
    "id", "time", "device", "model", "version", "verdict", "anomaly_score", "anomaly_threshold", "confidence", "areas",
    "width", "height", "milliseconds", "part_id", "station", "picture",
)  # fmt: skip
#: of a line's events, which also tell what was done with a part
LINE_COLUMNS = (
    "id", "time", "device", "line", "model", "part_id", "outcome", "reason", "verdict", "anomaly_score",
    "anomaly_threshold", "confidence", "areas", "milliseconds", "station", "models",
)  # fmt: skip


class FileSender:
    """Appends lines to a file."""

    def __init__(self, rule: File, device: str) -> None:
        self._rule, self._path = rule, Path(rule.path)

    def send(self, events: list[Event]) -> None:
        if self._path.exists() and self._path.stat().st_size >= self._rule.most_mib << 20:
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        # Without a buffer, which would write the rest of a line that did not fit when the file is closed.
        with self._path.open("a+b", buffering=0) as file:
            size = _end_of_lines(file)
            if self._rule.format == "csv":
                data = _csv(events, head=size == 0)
            else:
                data = b"".join(event.payload + b"\n" for event in events)
            try:
                write_whole(file, data)
                os.fsync(file.fileno())
            except OSError as error:
                file.truncate(size)  # half a line would spoil the next
                raise OSError(error.errno, error.strerror, str(self._path)) from None

    def idle(self) -> None:
        """Nothing is open."""

    def close(self) -> None:
        """Nothing is open."""


def _end_of_lines(file: FileIO) -> int:
    """Return the size of a file, without what is left of a line in which the process was killed: that comes again."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 1))
    if file.read(1) in (b"\n", b""):
        return size
    begin = file.seek(max(0, size - _LONGEST_LINE))
    whole = file.read(_LONGEST_LINE).rfind(b"\n") + 1
    if begin and not whole:  # it is not a file of lines
        return size
    file.truncate(begin + whole)
    return begin + whole


def _csv(events: list[Event], *, head: bool) -> bytes:
    text = io.StringIO()
    rows = [event.fields for event in events]
    columns = LINE_COLUMNS if any("line" in fields for fields in rows) else COLUMNS
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    if head:
        writer.writeheader()
    for fields in rows:
        areas, models = fields.get("areas", {}), fields.pop("models", [])
        fields["areas"] = ";".join(f"{label}={fraction:.6g}" for label, fraction in areas.items())
        if models:
            fields["models"] = ";".join(f"{one['model']}={one['anomaly_score']:.6g}" for one in models)
        writer.writerow({name: cell(value) for name, value in fields.items()})
    return text.getvalue().encode()


class DatagramSender:
    """Sends a datagram for each event."""

    def __init__(self, rule: Datagram, device: str) -> None:
        self._rule = rule
        self._socket: socket.socket | None = None

    def send(self, events: list[Event]) -> None:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.settimeout(_SECONDS)
            try:
                self._socket.connect(self._rule.path)
            except OSError as error:
                said = describe_refusal(error, Path(self._rule.path))
                raise SendFailed(f"nobody listens at {self._rule.path}: {said}") from None
        for event in events:
            self._socket.send(event.payload)

    def idle(self) -> None:
        """A datagram socket needs no care."""

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class PipeSender:
    """Writes a line for each event into a named pipe that somebody reads."""

    def __init__(self, rule: Pipe, device: str) -> None:
        self._path = Path(rule.path)
        self._descriptor = -1

    def send(self, events: list[Event]) -> None:
        if self._descriptor < 0:
            if not self._path.exists():
                os.mkfifo(self._path, 0o640)
            if not stat.S_ISFIFO(self._path.stat().st_mode):
                raise SendFailed(f"{self._path} is not a named pipe")
            try:
                self._descriptor = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                raise SendFailed(f"nobody reads {self._path} ({describe_refusal(error, Path(self._path))})") from None
        for event in events:
            self._write(event.payload + b"\n")

    def _write(self, line: bytes) -> None:
        left = memoryview(line)
        while left:
            if not select.select([], [self._descriptor], [], _SECONDS)[1]:
                raise SendFailed(f"whoever reads {self._path} has not read for {_SECONDS:g} s")
            left = left[os.write(self._descriptor, left) :]

    def idle(self) -> None:
        """A pipe needs no care."""

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
