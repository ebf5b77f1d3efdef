"""A wait for the next piece of a picture without a turn of the event loop, while nobody else wants one.

A client's socket holds a fifteenth of a picture, so that front and client take turns many times for each. A turn of
asyncio costs 20 µs beside the system calls; docs/performance-tried.md says what that makes of a call.
"""

from __future__ import annotations

import asyncio
import select
import selectors
import time
from collections.abc import Collection

#: a timer, which has no descriptor to wake us, may have to wait for so long, and for one poll's millisecond more
_MOST_SECONDS = 0.001


class Lull:
    """Waits for whatever the event loop would be woken by next."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait in the place of a loop, which waits by epoll; with one that does not there are no lulls."""
        self._poll: select.poll | None = None
        self._until = 0.0
        #: what the loop has to do already; it has to be able to go on with that
        self._ready: Collection[object] = getattr(loop, "_ready", ())
        # Descriptors stay ready in it until they are dealt with (epoll's default), and so make it ready itself.
        selector = getattr(loop, "_selector", None)
        if isinstance(selector, selectors.EpollSelector):
            self._poll = select.poll()
            self._poll.register(selector.fileno(), select.POLLIN)

    def begin(self) -> None:
        """Begin a turn: no wait of it begins later than a millisecond from now."""
        self._until = time.monotonic() + _MOST_SECONDS

    def wait(self) -> bool:
        """Wait until anything is ready, and tell whether that is so."""
        if self._poll is None or self._ready or time.monotonic() >= self._until:
            return False
        return bool(self._poll.poll(1))
