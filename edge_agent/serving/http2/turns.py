"""Turns between clients: the calls of one begin a few at a time, however many it sends at once.

The event loop reads, parses and begins what a client has sent in one go. A thousand calls at once would hold up all
other clients, and what the workers answer, for a tenth of a second; so would one that takes much to begin.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

#: calls that begin before others are looked at: about a millisecond's work
_AT_ONCE = 8

T = TypeVar("T")


class Turns(Generic[T]):
    """The calls of one client that have arrived and not begun."""

    def __init__(self, begin: Callable[[T], bool]) -> None:
        """`begin` gets a call when its turn has come, and does about a millisecond's work at most.

        It returns whether there is more to do: then it is others' turn, and it gets the same call again afterwards.
        """
        self._begin = begin
        self._begun = 0
        self._waiting: deque[T] = deque()
        self._loop = asyncio.get_running_loop()

    def renew(self) -> None:
        """Take note that the event loop has come back to this client."""
        self._begun = 0

    def take(self, call: T) -> None:
        """Begin a call, now or when it is this client's turn again."""
        if self._begun < _AT_ONCE and not self._waiting:
            self._begun += 1
            if not self._begin(call):
                return
        if not self._waiting:
            self._loop.call_soon(self._next)
        self._waiting.append(call)

    def _next(self) -> None:
        for _ in range(min(_AT_ONCE, len(self._waiting))):
            if self._begin(self._waiting[0]):
                break
            self._waiting.popleft()
        if self._waiting:
            self._loop.call_soon(self._next)
