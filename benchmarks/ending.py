"""Ending by a signal: everything that a benchmark has started is ended first."""

from __future__ import annotations

import signal
import sys
from types import FrameType


def end_what_was_started() -> None:
    """Have SIGTERM and Ctrl-C end this process by an exception, so that every `with` on the way ends what it began."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    for other in (signal.SIGTERM, signal.SIGINT):
        signal.signal(other, signal.SIG_IGN)  # a second one must not interrupt the ending
    sys.exit(128 + number)
