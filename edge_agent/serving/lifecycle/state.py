"""The lifecycle of a model as a table: which event leads from which status to which.

STOPPED ──START──> STARTING ──READY──> RUNNING ──STOP──> STOPPING ──ENDED──> STOPPED
                      │  ^                └──DIED──> FAILED
                      │  └──START── FAILED <──────────┘
                      └──DIED──> FAILED
"""

from __future__ import annotations

import enum


class Status(enum.IntEnum):
    """A model's status; the numbers are those of the contract's ModelStatus."""

    STOPPED = 0
    STARTING = 1
    RUNNING = 2
    FAILED = 3
    STOPPING = 4


class Event(enum.Enum):
    """What happens to a model."""

    START = enum.auto()  # somebody wants it to run
    READY = enum.auto()  # its workers are loaded and warmed up
    DIED = enum.auto()  # a worker ended, or could not be started
    STOP = enum.auto()  # somebody wants it to stop
    ENDED = enum.auto()  # its workers are gone


_TABLE: dict[tuple[Status, Event], Status] = {
    (Status.STOPPED, Event.START): Status.STARTING,
    (Status.FAILED, Event.START): Status.STARTING,
    (Status.STARTING, Event.READY): Status.RUNNING,
    (Status.STARTING, Event.DIED): Status.FAILED,
    (Status.RUNNING, Event.DIED): Status.FAILED,
    (Status.RUNNING, Event.STOP): Status.STOPPING,
    (Status.STOPPING, Event.ENDED): Status.STOPPED,
}


def next_status(status: Status, event: Event) -> Status | None:
    """Return the status that follows, or None when the event is not allowed in this status."""
    return _TABLE.get((status, event))
