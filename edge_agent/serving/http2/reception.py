"""Where clients come in: a few at a time, so that many at once hold up nobody who is in already.

asyncio's own server accepts as many connections as its backlog before it looks at anything else, and where no file
descriptor is left it tries, and writes a traceback, as many times again each second (Python 3.10 to 3.12).
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable

from edge_agent.shortage import is_shortage

log = logging.getLogger(__name__)

_BACKLOG = 512  # clients that may be waiting to be accepted
_AT_ONCE = 8
_RETRY_SECONDS = 0.2


class Reception:
    """Accepts the connections of a bound socket, which it owns, until it is closed."""

    def __init__(self, listener: socket.socket, make_protocol: Callable[[], asyncio.BaseProtocol]) -> None:
        self._listener, self._make_protocol = listener, make_protocol
        self._loop = asyncio.get_running_loop()
        self._greeting: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None
        self._exhausted = False
        listener.setblocking(False)
        listener.listen(_BACKLOG)
        self._loop.add_reader(listener.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, _address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if not is_shortage(error):
                    raise
                self._wait(error)
                return
            if self._exhausted:
                self._exhausted = False
                log.info("clients are accepted again")
            task = self._loop.create_task(self._greet(connection))
            self._greeting.add(task)
            task.add_done_callback(self._greeting.discard)

    def _wait(self, error: OSError) -> None:
        """Leave clients waiting for a while: the socket would be readable, in vain, all the time."""
        if not self._exhausted:
            self._exhausted = True
            log.warning("clients have to wait to be accepted: %s", os.strerror(error.errno or 0))
        self._loop.remove_reader(self._listener.fileno())
        self._retry = self._loop.call_later(
            _RETRY_SECONDS, self._loop.add_reader, self._listener.fileno(), self._accept
        )

    async def _greet(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make_protocol, connection)
        except OSError as error:  # the client has gone already
            log.info("a client was not accepted: %s", error)
            connection.close()

    def close(self) -> None:
        """Accept nobody any more; closing twice is harmless."""
        if self._listener.fileno() < 0:
            return
        if self._retry is not None:
            self._retry.cancel()
        self._loop.remove_reader(self._listener.fileno())
        self._listener.close()
