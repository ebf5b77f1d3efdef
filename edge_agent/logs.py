"""Where log lines go: to the journal of systemd with fields, or to standard error, as text for a person or as JSON.

To the journal, a line takes what it is about along: `journalctl -u edge-agent MODEL=cookies`, `PID=4711`,
`-p warning`. Where only standard error leads to it, each line begins with its priority, and is without the time, which
the journal has. See sd-daemon(3), for JOURNAL_STREAM systemd.exec(5), and for the socket
https://systemd.io/JOURNAL_NATIVE_PROTOCOL/.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import struct
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TextIO

#: by this variable a format reaches the processes that the daemon starts
FORMAT_VARIABLE = "EDGE_AGENT_LOG_FORMAT"

_JOURNAL = Path("/run/systemd/journal/socket")
_PRIORITIES = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}  # syslog(3)
_LONGEST = 60_000  # bytes of a field's value: with the others it has to fit into one datagram
_IDENTIFIER = "edge-agent"


def fields(**values: object) -> dict[str, dict[str, object]]:
    """Give the argument `extra` of a log call: what a line is about, for those who look for it by field."""
    return {"fields": {name: value for name, value in values.items() if value not in ("", None)}}


def log_to_stderr(level: str, source: str = "", stream: TextIO | None = None, **about: object) -> None:
    """Log from `level` on to `stream`, or standard error; of libraries nothing below `info`.

    `source` stands before the messages, and has %% for a percent sign. `about` are fields of all lines of this process.
    """
    stream = stream or sys.stderr
    handler: logging.Handler = logging.StreamHandler(stream)
    if os.environ.get(FORMAT_VARIABLE) == "json":
        handler.setFormatter(_JsonFormatter(source, about))
    elif not _is_journal(stream):
        handler.setFormatter(logging.Formatter(f"%(asctime)s %(levelname)s {source}%(message)s"))
    elif _JOURNAL.exists():
        handler = _JournalHandler(stream, source, about)
    else:
        handler.setFormatter(_PriorityFormatter(f"{source}%(message)s"))
    logging.basicConfig(level=max(logging.INFO, getattr(logging, level.upper())), handlers=[handler], force=True)
    logging.getLogger("edge_agent").setLevel(level.upper())


class _PriorityFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        prefix = _prefix(record)
        # The journal takes each line for a message of its own; those of a traceback belong to their error.
        return "\n".join(prefix + line for line in super().format(record).splitlines())


class _JsonFormatter(logging.Formatter):
    """One object a line."""

    def __init__(self, source: str, about: Mapping[str, object]) -> None:
        super().__init__()
        self._source, self._about = source, about

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        line: dict[str, object] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._source.replace("%%", "%") + record.getMessage(),
        }
        line |= {name.lower(): value for name, value in _about(record, self._about).items()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class _JournalHandler(logging.StreamHandler[TextIO]):
    """Sends lines to the journal's own socket; what it does not take goes to the stream, which leads to it too."""

    def __init__(self, stream: TextIO, source: str, about: Mapping[str, object]) -> None:
        super().__init__(stream)
        self.setFormatter(_PriorityFormatter("%(message)s"))
        self._source, self._about = source, about
        self._plain = logging.Formatter(f"{source}%(message)s")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def emit(self, record: logging.LogRecord) -> None:
        values: dict[str, object] = {
            "MESSAGE": self._plain.format(record),
            "PRIORITY": _PRIORITIES.get(record.levelno, 6),
            "SYSLOG_IDENTIFIER": _IDENTIFIER,
            "LOGGER": record.name,
        }
        values |= _about(record, self._about)
        try:
            self._socket.sendto(b"".join(_field(name, str(value)) for name, value in values.items()), str(_JOURNAL))
        except OSError:
            super().emit(record)


def _about(record: logging.LogRecord, about: Mapping[str, object]) -> dict[str, object]:
    return {**about, **getattr(record, "fields", {})}


def _field(name: str, value: str) -> bytes:
    data = value.encode(errors="replace")[:_LONGEST]
    if b"\n" in data:
        return name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"
    return name.encode() + b"=" + data + b"\n"


def _prefix(record: logging.LogRecord) -> str:
    return f"<{_PRIORITIES.get(record.levelno, 6)}>"


def _is_journal(stream: TextIO) -> bool:
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # closed, or not a file
        return False
    # The variable is inherited by whoever redirects standard error to somewhere else, so it names the stream it means.
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
