"""What systemd is told of the daemon: that it serves, that its loop turns, and that it ends. See sd_notify(3).

Without systemd (no NOTIFY_SOCKET) nothing is told, and nothing else is different.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, MutableMapping

log = logging.getLogger(__name__)

_STATUS_SECONDS = 5.0  # how old the sentence that `systemctl status` shows may be
_SEND_SECONDS = 1.0  # systemd reads at once; were it hung, calls must not wait for it longer than this


class Readiness:
    """The daemon's end of systemd's notification socket. Telling never raises: serving goes on without systemd."""

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        """Take systemd's variables out of `environ`: a worker must neither inherit them nor speak for the daemon."""
        address = environ.pop("NOTIFY_SOCKET", "")
        microseconds = environ.pop("WATCHDOG_USEC", "")
        watched = environ.pop("WATCHDOG_PID", "") or str(os.getpid())
        #: seconds within which systemd has to hear that the loop turns; 0 when it does not watch
        self.watchdog = int(microseconds) / 1e6 if microseconds.isdigit() and watched == str(os.getpid()) else 0.0
        self._status = ""
        self._beating: asyncio.Task[None] | None = None
        self._socket: socket.socket | None = None
        if not address:
            return
        if address[0] not in "/@":
            log.warning("NOTIFY_SOCKET is %s, expected a path or an abstract socket; systemd is told nothing", address)
            return
        # An abstract socket's name begins with a zero byte, which the variable writes as "@".
        self._address = address.replace("@", "\0", 1) if address[0] == "@" else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(_SEND_SECONDS)

    def ready(self, status: Callable[[], str]) -> None:
        """Tell that the socket listens; from now on the event loop tells that it turns, and what `status` says."""
        if self._socket is None:
            return
        self._tell("READY=1")
        self._beating = asyncio.get_running_loop().create_task(self._beat(status))

    async def _beat(self, status: Callable[[], str]) -> None:
        # Half of what systemd allows, as sd_watchdog_enabled(3) recommends. In the loop that answers the calls, not in
        # a thread: a loop that hangs must fall silent.
        pause = min(self.watchdog / 2 or _STATUS_SECONDS, _STATUS_SECONDS)
        while True:
            if self.watchdog:
                self._tell("WATCHDOG=1")
            try:
                now = status()
            except Exception:  # a defect in a sentence must not look like a loop that hangs
                log.exception("the status for systemd can't be said")
                now = self._status
            if now != self._status and self._tell(f"STATUS={now}"):
                self._status = now  # what could not be told is told with the next beat
            await asyncio.sleep(pause)

    def stopping(self) -> None:
        """Tell that the end has begun. The loop goes on telling that it turns while calls are finished."""
        self._tell("STOPPING=1")

    def close(self) -> None:
        """Fall silent; closing twice is harmless."""
        if self._beating is not None:
            self._beating.cancel()
        if self._socket is not None:
            self._socket.close()
        self._beating = self._socket = None

    def _tell(self, message: str) -> bool:
        if self._socket is None:
            return False
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError as error:
            log.warning("systemd was not told %s (%s)", message, error)
            return False
        return True
