"""The client processes of a soak, as the process sees them that gives them orders."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.soak.client import Told

_GRACE = 60.0  # seconds that a client has to end
_SHM = Path("/dev/shm")


class SoakFailed(Exception):
    """Something happened that must not: the sentence says what."""


class ClientProcess:
    """One client, in a session of its own: Ctrl-C is for the soak, which ends it."""

    def __init__(self, socket: str, side: int, steady: str, shaken: str) -> None:
        command = [sys.executable, "-m", "benchmarks.soak.client", socket, str(side), steady, shaken]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )

    def begin(self, calls: int, until: float) -> None:
        """Have it make so many calls, or call until the monotonic clock says `until`."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # result() tells
            self._process.stdin.write(json.dumps({"calls": calls, "until": until}) + "\n")
            self._process.stdin.flush()

    def fileno(self) -> int:
        """The file descriptor that can be read when it has finished: for select."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def result(self) -> Told:
        """Wait for what it says of its order.

        Raises:
            SoakFailed: a call failed or was answered wrongly, or the process has ended.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SoakFailed("a client process has ended early; what it said stands above")
        told: Told = json.loads(line)
        if told["failure"]:
            raise SoakFailed(told["failure"])
        return told

    def segments(self) -> list[Path]:
        """Return the segments that it has made."""
        return list(_SHM.glob(f"edge-agent-bench-*-{self._process.pid}-*"))

    def vanish(self) -> None:
        """Kill it, whatever it is at, and remove what such a client leaves behind."""
        self._process.kill()
        self._close()

    def end(self) -> None:
        """End it; it closes its connections and unlinks its segments."""
        self._process.terminate()
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._close()

    def _close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        for segment in self.segments():
            segment.unlink(missing_ok=True)


@contextlib.contextmanager
def client_processes(count: int, socket: str, side: int, steady: str, shaken: str) -> Iterator[list[ClientProcess]]:
    """Run so many clients."""
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(count):
            client = ClientProcess(socket, side, steady, shaken)
            stack.callback(client.end)
            clients.append(client)
        yield clients
