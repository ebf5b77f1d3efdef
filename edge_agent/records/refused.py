"""Detections that got no verdict, and so have no record: counted by model and reason, and told of in small packets.

A client may ask a model that is not running a thousand times a second: what is sent does not grow with that.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

#: characters that are kept of what the last one was answered
_LONGEST_DETAILS = 300


class Refused(msgspec.Struct, frozen=True, array_like=True, tag="r"):
    """Calls of one model that were refused or failed for one reason, on their way to the process that writes."""

    #: microseconds since 1970 of the last of them
    at: int
    #: "" where the call named none that is on this device
    model: str
    reason: str
    calls: int
    #: what the last of them was answered
    details: str


class RefusedCalls:
    """What has been counted and not been sent."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str, str], Refused] = {}

    def __bool__(self) -> bool:
        return bool(self._counted)

    def count(self, model: str, reason: str, details: str) -> None:
        """Count a call; models and reasons are few, whatever clients send."""
        before = self._counted.get((model, reason))
        calls = 1 if before is None else before.calls + 1
        at = time.time_ns() // 1000
        self._counted[model, reason] = Refused(at, model, reason, calls, details[:_LONGEST_DETAILS])

    def send(self, send: Callable[[Refused], bool]) -> None:
        """Send what has been counted; what there is no room for stays, to be sent with what comes later."""
        for key, refused in list(self._counted.items()):
            if not send(refused):
                return
            del self._counted[key]
