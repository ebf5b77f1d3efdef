"""Where log lines go: to standard error, for a person to read or for the journal of systemd.

To the journal, each line begins with its priority, and without the time, which the journal has: `journalctl -p warning`
then shows what it says. See sd-daemon(3) and, for JOURNAL_STREAM, systemd.exec(5).
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TextIO

_PRIORITIES = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}  # syslog(3)


class _JournalFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        prefix = f"<{_PRIORITIES.get(record.levelno, 6)}>"
        # The journal takes each line for a message of its own; those of a traceback belong to their error.
        return "\n".join(prefix + line for line in super().format(record).splitlines())


def log_to_stderr(level: str, source: str = "", stream: TextIO | None = None) -> None:
    """Log from `level` on to standard error, or to the stream that stands for it; `source` before the messages."""
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    if _is_journal(stream):
        handler.setFormatter(_JournalFormatter(f"{source}%(message)s"))
    else:
        handler.setFormatter(logging.Formatter(f"%(asctime)s %(levelname)s {source}%(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def _is_journal(stream: TextIO) -> bool:
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # closed, or not a file
        return False
    # The variable is inherited by whoever redirects standard error to somewhere else, so it names the stream it means.
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def fields(**values: object) -> dict[str, dict[str, object]]:
    """Give the argument `extra` of a log call: what a line is about, for those who look for it by field."""
    return {"fields": {name: value for name, value in values.items() if value not in ("", None)}}
