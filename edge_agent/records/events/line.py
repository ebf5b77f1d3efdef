"""How the line of one rule's events stands, for metrics."""

from __future__ import annotations

import msgspec


class EventLine(msgspec.Struct, frozen=True, array_like=True):
    """One rule's line."""

    rule: str
    waiting: int = 0
    sent: int = 0
    #: attempts to send that failed, since the process started
    failed: int = 0
    #: events that were dropped: more waited than may, they were too late, or the outbox could not be written
    dropped: int = 0
    #: when the oldest of those that wait happened, in seconds since 1970; 0 when none waits
    oldest: float = 0.0
