"""Which frames are parts."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from edge_agent.line.sources.inbox import Inbox, early
from edge_agent.line.sources.source import Answer, Part, named


class Choosing(Protocol):
    """Says of each frame whether it is a part."""

    @property
    def problem(self) -> str:
        """Why no trigger can come now; "" when they can."""

    def take(self, at: float) -> Part | None:
        """Give the part that a frame of this time is, without its picture; None: it is none."""

    def missed(self, until: float) -> list[Part]:
        """Take the parts that should have had a frame by then, and got none."""

    def wait(self, seconds: float) -> bool:
        """Wait until a part wants its frame, at most so long; tell whether one does."""

    def close(self) -> None:
        """Let go of everything."""


class Clocked:
    """Every frame is a part, or the first in each interval."""

    problem = ""

    def __init__(self, interval: float) -> None:
        self._interval, self._due, self._count = interval, 0.0, 0

    def take(self, at: float) -> Part | None:
        self._count += 1
        if at < self._due:
            return None
        # From when it was due: else each interval would be longer by the time to the next frame.
        self._due = self._due + self._interval if at < self._due + self._interval else at + self._interval
        return Part(f"frame-{self._count}", None, at=at)

    def missed(self, until: float) -> list[Part]:
        return []

    def wait(self, seconds: float) -> bool:
        left = self._due - time.monotonic()
        time.sleep(max(0.0, min(left, seconds)))
        return left <= seconds

    def close(self) -> None:
        """Nothing is open."""


class Listener(Protocol):
    """What fires."""

    @property
    def problem(self) -> str:
        """Why it can't; "" when it can."""

    def close(self) -> None:
        """End it."""


class Gate:
    """Parts are announced from outside; each is the first frame from its time on."""

    def __init__(self, delay: float, inbox: Inbox, listen: Callable[[Gate], Listener]) -> None:
        self._delay, self._inbox = delay, inbox
        self._due: deque[Part] = deque()
        self._changed = threading.Condition()
        self._listener = listen(self)

    @property
    def problem(self) -> str:
        return self._listener.problem

    def fire(self, name: str = "", answer: Answer | None = None) -> None:
        """Announce a part, from any thread."""
        part = Part(name or named("part"), None, answer=answer, at=time.monotonic() + self._delay)
        with self._changed:
            if len(self._due) + self._inbox.waiting() >= self._inbox.most:
                self._inbox.leave_out(early(part, self._inbox.most))
                return
            self._due.append(part)
            self._changed.notify_all()

    def take(self, at: float) -> Part | None:
        with self._changed:
            return self._due.popleft() if self._due and self._due[0].at <= at else None

    def missed(self, until: float) -> list[Part]:
        parts = []
        with self._changed:
            while self._due and self._due[0].at <= until:
                parts.append(self._due.popleft())
        return parts

    def wait(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        with self._changed:
            while True:
                now = time.monotonic()
                due = self._due[0].at if self._due else end + 1
                if due <= now:
                    return True
                if now >= end:
                    return False
                self._changed.wait(min(due, end) - now)

    def close(self) -> None:
        self._listener.close()
