"""What is on its way to a client: buffers that are sent from where they lie.

asyncio's transport copies what a socket does not take at once, and moves the rest to the front for each piece that
goes: for a mask that travels as bytes that was most of what a call cost. docs/performance-tried.md has the figures.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

#: buffers that are given to the kernel at once
_MOST = 256
_ASK_AGAIN = 0.002  # seconds until a client that nobody can wait for is asked whether it takes more


class Told(NamedTuple):
    """Whom an outbox tells what becomes of it."""

    #: the client does not take everything at once
    on_blocked: Callable[[], None]
    #: it has taken everything after all
    on_drained: Callable[[], None]
    #: it is gone, and with it what was still to be sent
    on_broken: Callable[[], None]


class Outbox:
    """Sends through a socket that somebody else reads, closes and owns."""

    def __init__(self, descriptor: int, told: Told) -> None:
        self._descriptor, self._told = descriptor, told
        #: what is still to be sent; a function stands behind what must have gone before it is called
        self._queue: deque[memoryview | Callable[[], None]] = deque()
        self._loop = asyncio.get_running_loop()
        # asyncio waits for a transport's descriptor itself; with another number for the same socket it waits for us.
        self._watched = -1
        self._blocked = self._broken = False

    @property
    def is_empty(self) -> bool:
        """Whether everything has been sent."""
        return not self._queue

    @property
    def is_blocked(self) -> bool:
        """Whether the client does not take what is sent at the moment, or has gone."""
        return self._blocked or self._broken

    def write(self, *parts: bytes | memoryview) -> None:
        """Send buffers after all that came before. They must stay as they are until they have gone; see `then`."""
        if self._broken:
            return
        if self._queue:
            self._queue.extend(map(memoryview, parts))
            return
        try:  # nearly always the client takes it at once
            sent = os.writev(self._descriptor, parts) if len(parts) <= _MOST else 0
        except OSError:  # the longer way tells what it is
            sent = 0
        if sent < sum(map(len, parts)):
            self._queue.extend(map(memoryview, parts))
            self._forget(sent)
            self._send()

    def then(self, call: Callable[[], None]) -> None:
        """Call a function when nothing from before is needed any more: it has gone, or the client has."""
        if self._queue:
            self._queue.append(call)
        else:
            call()

    def close(self) -> None:
        """Forget what was still to be sent; closing twice is harmless."""
        self._broken = True
        queue, self._queue = self._queue, deque()
        self._watch(False)
        for entry in queue:
            if not isinstance(entry, memoryview):
                entry()

    def _send(self) -> None:
        while self._queue:
            first = self._queue[0]
            if not isinstance(first, memoryview):
                self._queue.popleft()
                first()
                continue
            try:
                sent = os.writev(self._descriptor, list(self._next()))
            except BlockingIOError:
                self._watch(True)
                return
            except OSError:
                self.close()
                self._told.on_broken()
                return
            self._forget(sent)
        self._watch(False)

    def _next(self) -> Iterator[memoryview]:
        for number, part in enumerate(self._queue):
            if number == _MOST or not isinstance(part, memoryview):
                return
            yield part

    def _forget(self, sent: int) -> None:
        """Take off the queue what the kernel has taken."""
        while sent or (self._queue and isinstance(self._queue[0], memoryview) and not len(self._queue[0])):
            part = self._queue.popleft()
            assert isinstance(part, memoryview)
            if sent < len(part):
                self._queue.appendleft(part[sent:])
                return
            sent -= len(part)

    def _watch(self, wanted: bool) -> None:
        if wanted and not self._blocked:
            self._blocked = True
            self._told.on_blocked()
        if wanted and self._watched < 0:
            try:
                self._watched = os.dup(self._descriptor)
            except OSError:  # no file descriptor is left to wait with
                self._loop.call_later(_ASK_AGAIN, self._send)
                return
            self._loop.add_writer(self._watched, self._send)
        elif not wanted and self._blocked:
            self._blocked = False
            if self._watched >= 0:
                self._loop.remove_writer(self._watched)
                os.close(self._watched)
                self._watched = -1
            if not self._broken:
                self._told.on_drained()
