"""A process beside the daemon: started, started again when it dies, and ended with the daemon.

The daemon holds both ends of the socket pair. What the kernel has taken is therefore not lost when the process dies:
the next one reads it. The process ends by itself when the daemon's end has closed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
from collections.abc import Callable

from edge_agent.access.rights import describe_refusal
from edge_agent.children.command import child_command

log = logging.getLogger(__name__)

_BUFFER = 1 << 22  # the kernel gives what net.core.wmem_max allows
_LOOK_SECONDS = 1.0
_END_SECONDS = 5.0
#: that the kernel may take to end it
_KILL_SECONDS = 2.0
_FIRST_RESTART, _LONGEST_RESTART = 1.0, 60.0


class Child:
    """The process and the daemon's end of the socket to it. Lives in one event loop."""

    def __init__(self, module: str, what: str, argument: str) -> None:
        """Run `main()` of a module, with the number of a SOCK_SEQPACKET socket and `argument` as its command line.

        `what` it is called in the log.
        """
        self._module, self._what, self._argument = module, what, argument
        self._process: subprocess.Popen[bytes] | None = None
        self._started = self._start_at = 0.0
        self._pause = _FIRST_RESTART
        self._look: asyncio.TimerHandle | None = None
        #: called when the process has been started, the first time and every other
        self.on_start: Callable[[], None] = lambda: None
        self._has_spoken = asyncio.Event()
        self._given_up = False

    @property
    def pid(self) -> int:
        """The process's id; 0 while there is none."""
        return self._process.pid if self._process is not None else 0

    def open(self, on_readable: Callable[[], None]) -> None:
        """Start the process; `on_readable` is called when it has said something."""
        self._loop = asyncio.get_running_loop()
        #: the daemon's end; it does not block
        self.channel, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.setblocking(False)
        self.channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)

        def heard() -> None:
            on_readable()
            self._has_spoken.set()

        self._loop.add_reader(self.channel.fileno(), heard)
        self._start()
        self._look = self._loop.call_later(_LOOK_SECONDS, self._look_after)

    async def first_word(self, seconds: float) -> None:
        """Wait until it has said something, once in the daemon's life and for so many seconds at the most."""
        if not self._given_up:
            try:
                await asyncio.wait_for(self._has_spoken.wait(), seconds)
            except asyncio.TimeoutError:  # before Python 3.11 it is another one
                self._given_up = True

    def _start(self) -> None:
        self._started = self._loop.time()
        number = self._theirs.fileno()
        try:
            self._process = subprocess.Popen(
                child_command(self._module, str(number), self._argument),
                pass_fds=(number,),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            file = f" ({os.fsdecode(error.filename)})" if error.filename else ""
            log.warning("%s can't be started%s: %s", self._what, file, describe_refusal(error))
            self._plan_start()
        else:
            self.on_start()

    def _plan_start(self) -> None:
        if self._loop.time() - self._started > _LONGEST_RESTART:
            self._pause = _FIRST_RESTART
        self._start_at = self._loop.time() + self._pause
        self._pause = min(2 * self._pause, _LONGEST_RESTART)

    def _look_after(self) -> None:
        """Start the process again when it has died: looked at every second, since nothing is lost meanwhile."""
        self._look = self._loop.call_later(_LOOK_SECONDS, self._look_after)
        if self._process is not None and (status := self._process.poll()) is not None:
            log.warning("%s ended with status %d; it is started again", self._what, status)
            self._process = None
            self._plan_start()
        if self._process is None and self._loop.time() >= self._start_at:
            self._start()

    def let_go(self) -> None:
        """Close the socket: the process ends when it has read what it was sent. Twice is harmless."""
        if self._look is not None:
            self._look.cancel()
            self._look = None
            self._loop.remove_reader(self.channel.fileno())
            self.channel.close()
            self._theirs.close()

    async def close(self) -> None:
        """Let the process finish, for a few seconds at the most. Closing twice is harmless."""
        self.let_go()
        process, self._process = self._process, None
        if process is None:
            return
        try:
            await asyncio.to_thread(process.wait, _END_SECONDS)
        except subprocess.TimeoutExpired:
            log.warning("%s did not end in time; it is killed", self._what)
            process.kill()
            try:
                await asyncio.to_thread(process.wait, _KILL_SECONDS)
            except subprocess.TimeoutExpired:  # no signal ends one that waits for a disk, and may do so for ever
                log.warning("%s waits for a disk that does not answer; it is left behind", self._what)
