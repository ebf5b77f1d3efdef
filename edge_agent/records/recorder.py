"""The daemon's side of records: each verdict becomes a packet to a process of its own, and nothing here ever waits.

The daemon holds both ends of the socket pair. What the kernel has taken is therefore not lost when the process dies:
the next one reads it. What the kernel does not take waits in a bounded line, and is counted when that is full.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable
from typing import TypeVar

import msgspec

from edge_agent.children.command import child_command
from edge_agent.inference.verdict import Verdict
from edge_agent.records.options import RecordsOptions
from edge_agent.records.record import PACKET, Note, Origin, Record, State, decode_state, encode, short_name

log = logging.getLogger(__name__)

#: packets that wait here when the kernel takes no more: at 500 a second, for 8 seconds
_MOST_WAITING = 4096
_BUFFER = 1 << 22  # the kernel gives what net.core.wmem_max allows
_LOOK_SECONDS = 1.0
_END_SECONDS = 5.0
_FIRST_RESTART, _LONGEST_RESTART = 1.0, 60.0

_M = TypeVar("_M")


class Recorder:
    """Sends records to the process that writes them, and keeps that process alive. Lives in one event loop."""

    def __init__(self, options: RecordsOptions) -> None:
        self._options = options
        self._waiting: deque[bytes] = deque()
        self._last_id = 0
        #: records that there was no room for, and how many of them the process has not been told of
        self.dropped = self._untold = 0
        #: what the process has said last
        self.state = State()
        self._process: subprocess.Popen[bytes] | None = None
        self._started = self._start_at = 0.0
        self._pause = _FIRST_RESTART
        self._look: asyncio.TimerHandle | None = None
        self._is_writing = False

    @property
    def waiting(self) -> int:
        """Records that the kernel has not taken yet."""
        return len(self._waiting)

    @property
    def pid(self) -> int:
        """The process's id; 0 while there is none."""
        return self._process.pid if self._process is not None else 0

    def open(self) -> None:
        """Start the process."""
        self._loop = asyncio.get_running_loop()
        self._channel, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.setblocking(False)
        self._channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        self._loop.add_reader(self._channel.fileno(), self._read_state)
        self._start()
        self._look = self._loop.call_later(_LOOK_SECONDS, self._look_after)

    def noting(
        self,
        on_answer: Callable[[Verdict, _M], None],
        *,
        model: str,
        version: str,
        size: tuple[int, int],
        origin: Origin,
    ) -> Callable[[Verdict, _M], None]:
        """Have an answer's verdict written down, after it has been given."""
        begun = time.monotonic()

        def answered(verdict: Verdict, mask: _M) -> None:
            on_answer(verdict, mask)
            self._note(model, version, verdict, size, (time.monotonic() - begun) * 1000, origin)

        return answered

    def _note(
        self, model: str, version: str, verdict: Verdict, size: tuple[int, int], milliseconds: float, origin: Origin
    ) -> None:
        at = time.time_ns() // 1000
        self._last_id = number = max(self._last_id + 1, at)
        record = Record(
            number,
            at,
            model,
            version,
            verdict.is_anomalous,
            verdict.score,
            verdict.threshold,
            verdict.confidence,
            {area.label: area.fraction for area in verdict.areas[1:]},
            *size,
            milliseconds,
            origin.uid,
            origin.pid,
            origin.program,
            short_name(origin.part),
            short_name(origin.station),
        )
        packet = encode(Note(record, self._untold))
        if not self._waiting:
            with contextlib.suppress(OSError):  # no room; or no memory for it, now
                self._channel.send(packet)
                self._untold = 0
                return
        if len(self._waiting) >= _MOST_WAITING:
            self.dropped += 1
            self._untold += 1
            return
        self._waiting.append(packet)
        self._untold = 0
        if not self._is_writing:
            self._is_writing = True
            self._loop.add_writer(self._channel.fileno(), self._send_waiting)

    def _send_waiting(self) -> None:
        try:
            while self._waiting:
                self._channel.send(self._waiting[0])
                self._waiting.popleft()
        except OSError:
            return
        self._is_writing = False
        self._loop.remove_writer(self._channel.fileno())

    def _read_state(self) -> None:
        try:
            while True:
                self.state = decode_state(self._channel.recv(PACKET))
                self._last_id = max(self._last_id, self.state.last_id)
        except (OSError, msgspec.DecodeError):
            return

    # The process's life

    def _start(self) -> None:
        self._started = self._loop.time()
        try:
            self._process = _spawn(self._theirs.fileno(), self._options)
        except OSError as error:
            log.warning("the process that writes records can't be started: %s", error.strerror)
            self._plan_start()

    def _plan_start(self) -> None:
        if self._loop.time() - self._started > _LONGEST_RESTART:
            self._pause = _FIRST_RESTART
        self._start_at = self._loop.time() + self._pause
        self._pause = min(2 * self._pause, _LONGEST_RESTART)

    def _look_after(self) -> None:
        """Start the process again when it has died: looked at every second, since nothing is lost meanwhile."""
        self._look = self._loop.call_later(_LOOK_SECONDS, self._look_after)
        if self._process is not None and (status := self._process.poll()) is not None:
            log.warning("the process that writes records ended with status %d; it is started again", status)
            self._process = None
            self._plan_start()
        if self._process is None and self._loop.time() >= self._start_at:
            self._start()

    def _let_go(self) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None
            self._loop.remove_reader(self._channel.fileno())
            if self._is_writing:
                self._loop.remove_writer(self._channel.fileno())
            self._channel.close()
            self._theirs.close()

    async def close(self) -> None:
        """Let the process write what it has been sent, for a few seconds at the most. Closing twice is harmless."""
        self._let_go()
        process, self._process = self._process, None
        if self._waiting:
            log.warning("%d records are lost: they could not be written before the end", len(self._waiting))
            self._waiting.clear()
        if process is None:
            return
        try:
            await asyncio.to_thread(process.wait, _END_SECONDS)
        except subprocess.TimeoutExpired:
            log.warning("the process that writes records did not end in time; it is killed")
            process.kill()
            process.wait()

    def kill(self) -> None:
        """End at once; the process ends by itself when it has written what it was sent."""
        self._let_go()


def _spawn(channel: int, options: RecordsOptions) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        child_command("edge_agent.records.process", str(channel), msgspec.json.encode(options).decode()),
        pass_fds=(channel,),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
