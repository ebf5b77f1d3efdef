"""The front process's side of a worker: start it, talk to it, notice at once when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from edge_agent.children.command import child_command
from edge_agent.children.said import last_words
from edge_agent.errors import WorkerDied
from edge_agent.hardware.library import describe_library, describe_processor
from edge_agent.inference.engines.progress import LOADING
from edge_agent.inference.engines.selection import libraries
from edge_agent.serving.workers.messages import (
    PACKET,
    Forget,
    FromWorker,
    Progress,
    Ready,
    ToWorker,
    decode_from_worker,
    encode,
)
from edge_agent.serving.workers.parcels import Parcel, ParcelShelf

log = logging.getLogger(__name__)

#: where messages of all workers are received, one after the other
_packet = memoryview(bytearray(PACKET))

_REAP_SECONDS = 5.0  # a process whose socket has closed is gone in milliseconds
_LONGEST_PAUSE = 0.05
_MOST_SAID = 1 << 16  # bytes that are looked at


class WorkerLink:
    """One worker process. `on_message` gets its messages, `on_exit` the cause when it has ended, once."""

    def __init__(
        self,
        name: str,
        version: str,
        shelf: ParcelShelf,
        on_message: Callable[[FromWorker], None],
        on_exit: Callable[[str], None],
    ) -> None:
        self.name = name
        self._on_message, self._on_exit = on_message, on_exit
        self._loop = asyncio.get_running_loop()
        self._closing = False
        self._reason = ""
        self._doing = ""  # while it loads
        #: numbers of the parcels that it has been sent
        self._known: set[int] = set()
        self._shelf = shelf
        with contextlib.ExitStack() as undo:  # what is open already when a later step fails
            self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            undo.enter_context(self._channel)
            self._channel.setblocking(False)
            # What it says on standard error until it is ready: a file of its own, so that its end can be explained.
            self._said: int | None = os.memfd_create("said")
            undo.callback(os.close, self._said)
            with theirs:
                self._process = _spawn(name, version, theirs.fileno(), self._said)
            undo.pop_all()
        shelf.watchers.add(self._forget)
        self.exited: asyncio.Future[str] = self._loop.create_future()
        self._loop.add_reader(self._channel.fileno(), self._read)

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    def unknown(self, parcels: Sequence[Parcel]) -> list[Parcel]:
        """Return which of the parcels it has not been sent yet."""
        return [parcel for parcel in parcels if parcel.number not in self._known]

    def send(self, message: ToWorker, parcels: Sequence[Parcel] = ()) -> None:
        """Send a message, and parcels along with it; WorkerDied when nobody is there to take it."""
        try:
            if parcels:
                descriptors = [parcel.descriptor for parcel in parcels]
                socket.send_fds(self._channel, [encode(message)], descriptors)
                self._known.update(parcel.number for parcel in parcels)
            else:
                self._channel.send(encode(message))
        except OSError as error:
            raise WorkerDied(f"the worker of model '{self.name}' is gone ({error.strerror})") from None

    def _forget(self, numbers: list[int]) -> None:
        known = self._known.intersection(numbers)
        if known:
            self._known -= known
            with contextlib.suppress(WorkerDied):  # its end is noticed elsewhere
                self.send(Forget(sorted(known)))

    def _read(self) -> None:
        """Take every message that has arrived; the socket's end is the process's end."""
        while True:
            try:
                size = self._channel.recv_into(_packet)
            except BlockingIOError:
                return
            except OSError:
                size = 0
            if not size:
                break
            try:
                message = decode_from_worker(_packet[:size])
                self._note(message)
                self._on_message(message)
            except Exception:  # a defect; the call in question would never end otherwise
                log.exception("a message of the worker of model %s can't be handled; it is killed", self.name)
                self._process.kill()
        if not self._closing:
            self._closing = True
            self._loop.remove_reader(self._channel.fileno())
            self._reaping = self._loop.create_task(self._reap())

    def _note(self, message: FromWorker) -> None:
        if isinstance(message, Progress):
            self._doing = message.text
        elif isinstance(message, Ready):
            self._doing = ""
            self._pass_on_said()

    def _pass_on_said(self) -> str:
        """Write to our standard error what it has said on its own while it loaded, and return that."""
        if self._said is None:
            return ""
        text = os.pread(self._said, _MOST_SAID, 0).decode(errors="replace")
        os.close(self._said)
        self._said = None
        if text:
            log.warning("the worker of model %s says: %s", self.name, text.strip())
        return text

    async def _reap(self) -> None:
        # To wait for it would need a thread or a file descriptor, and a death must be noticed where there are none.
        late, pause = time.monotonic() + _REAP_SECONDS, 0.001
        while (status := self._process.poll()) is None:
            if time.monotonic() > late:  # it closed its socket and goes on: it is of no use any more
                self._process.kill()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        self._channel.close()
        self._shelf.watchers.discard(self._forget)
        cause = self._reason or self._explain_exit(status)
        self._pass_on_said()
        self.exited.set_result(cause)
        self._on_exit(cause)

    def _explain_exit(self, status: int) -> str:
        """Say how it ended; of a worker that was not ready yet also what it was at, and its last words."""
        cause = _describe_exit(status)
        if self._doing:
            cause += f" while {self._doing}"
        if self._doing.startswith(LOADING):
            names = ", ".join(map(describe_library, libraries(self._doing.removeprefix(LOADING))))
            cause += f" ({names}, on {describe_processor()})"
        words = last_words(self._pass_on_said())
        return f"{cause}: {words}" if words else cause

    def close(self) -> None:
        """Ask the worker to end, after the call that it is in."""
        if not self._closing:
            self._channel.shutdown(socket.SHUT_WR)

    def kill(self, reason: str = "") -> None:
        """End the worker at once; `reason` is then the cause of its end."""
        self._reason = self._reason or reason
        self._process.kill()


def _spawn(name: str, version: str, channel: int, said: int) -> subprocess.Popen[bytes]:
    stderr = os.open(os.devnull, os.O_WRONLY) if sys.stderr is None else os.dup(2)
    try:
        arguments = [name, version, str(os.getpid()), str(channel), str(stderr)]
        return subprocess.Popen(
            child_command("edge_agent.serving.workers.process", *arguments),
            pass_fds=(channel, stderr),
            stdin=subprocess.DEVNULL,
            stderr=said,
            # A terminal's Ctrl-C goes to its foreground group; the workers are the front process's to end.
            start_new_session=True,
        )
    finally:
        os.close(stderr)


def _describe_exit(status: int) -> str:
    if status < 0:
        try:
            return f"killed by {signal.Signals(-status).name}"
        except ValueError:
            return f"killed by signal {-status}"
    return f"exited with status {status}"
