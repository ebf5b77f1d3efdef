"""`edge-agent line trigger FILE`: a socket in the line's folder, at which a part is announced and its decision told."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from edge_agent.access.rights import describe_refusal
from edge_agent.errors import EdgeAgentError
from edge_agent.line.sources.source import Answer, SourceFailed
from edge_agent.line.trying import Trying

_NAME = "trigger.sock"
_POLL_SECONDS = 0.5
_ANSWER_SECONDS = 60.0
_MOST_BYTES = 1 << 16


class CommandDoor:
    """Listens until it is closed. Whoever may use the line's folder may trigger it."""

    def __init__(self, folder: Path, fired: Callable[[str, Answer], None]) -> None:
        self._path, self._fired = folder / _NAME, fired
        self._trying = Trying(self._listen, str(self._path))
        self._trying.start()

    @property
    def problem(self) -> str:
        """Why nobody can trigger; "" when they can."""
        return self._trying.problem

    def _listen(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._path.unlink(missing_ok=True)
                with _reachable(self._path) as name:
                    server.bind(name)
                server.listen()
            except OSError as error:
                raise SourceFailed(
                    f"{self._path} can't be listened at: {describe_refusal(error, self._path)}"
                ) from None
            self._trying.well()
            while not self._trying.ending.is_set():
                if select.select([server], [], [], _POLL_SECONDS)[0]:
                    self._take(server.accept()[0])
        self._path.unlink(missing_ok=True)

    def _take(self, client: socket.socket) -> None:
        """Hear who has come, in a thread that waits for its word."""

        def hear() -> None:
            client.settimeout(_ANSWER_SECONDS)
            told = threading.Event()

            def answer(said: Mapping[str, object]) -> None:
                with contextlib.suppress(OSError):  # it may have gone
                    client.send(msgspec.json.encode(said))
                told.set()

            with client, contextlib.suppress(OSError):
                self._fired(client.recv(_MOST_BYTES).decode(errors="replace"), answer)
                told.wait(_ANSWER_SECONDS)

        threading.Thread(target=hear, daemon=True).start()

    def close(self) -> None:
        """Listen no longer."""
        self._trying.close()


def trigger(folder: Path, name: str) -> dict[str, Any]:
    """Announce a part to the line of this folder; return what was decided, as an event tells it.

    Raises:
        EdgeAgentError: no such line runs, or it gave no answer.
    """
    path = folder / _NAME
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(_ANSWER_SECONDS)
        try:
            with _reachable(path) as address:
                client.connect(address)
            client.send((name or " ").encode())
            data = client.recv(_MOST_BYTES)
        except TimeoutError:
            raise EdgeAgentError(f"no decision within {_ANSWER_SECONDS:g} s") from None
        except OSError as error:
            why = describe_refusal(error, path)
            raise EdgeAgentError(
                f"{path} can't be reached ({why}): expected a line that runs, with a trigger of the kind 'command'"
            ) from None
    if not data:
        raise EdgeAgentError("the line ended before it had decided")
    found: dict[str, Any] = msgspec.json.decode(data)
    return found


@contextlib.contextmanager
def _reachable(path: Path) -> Any:
    """Give a name of a socket's path that is short enough: the kernel takes 107 bytes."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
