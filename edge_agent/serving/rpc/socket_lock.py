"""What keeps two agents that start at the same moment from both finding the old socket stale.

A name in the abstract namespace (unix(7)) is given to one of them, and goes with its process, however that ends. But
any user of the device may take a name there. So the kernel is asked who holds it: only root and the agent's own user
are believed to be an agent. Another user's hold keeps nobody from serving; only the order of such starts is lost.

The name is that of the folder and the socket's name in it, and not the path: a service with a /tmp of its own has the
same path and another address, and a link to the folder is another path to the same.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from pathlib import Path

from edge_agent.access.names import describe_user
from edge_agent.access.peer import ROOT, UNKNOWN, read_peer
from edge_agent.errors import AddressInUse

log = logging.getLogger(__name__)

_NAME_BYTES = 60  # of the end of the socket's name: that of a lock has 107 at the most
_PATIENCE = 0.5  # seconds in which an agent that has just taken the name says whose it is


def lock_name(path: Path) -> bytes:
    """Return the abstract name by which the agents of a socket at `path` notice each other."""
    return b"\0edge-agent:" + _identity(path.parent).encode() + b":" + os.fsencode(path.name)[-_NAME_BYTES:]


def _identity(folder: Path) -> str:
    try:
        status = folder.stat()
    except OSError:  # whoever wants the lock is told that when the socket is to be made
        return "none"
    return f"{status.st_dev:x}.{status.st_ino:x}"


class SocketLock:
    """The lock of an agent's socket at `path`, held until `close`."""

    def __init__(self, path: Path) -> None:
        """Take it.

        Raises:
            AddressInUse: another agent of root or of this process's user has it.
        """
        self._folder = path.parent
        self._identity = _identity(self._folder)
        self._name = lock_name(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        end = time.monotonic() + _PATIENCE
        while not self._take():
            holder = self._holder()
            if holder in (ROOT, os.geteuid()):
                self.close()
                raise AddressInUse(f"another agent serves {path}, or is about to")
            if holder is not None or time.monotonic() > end:
                user = "a program that does not say whose it is" if holder is None else describe_user(holder)
                log.warning(
                    "%s holds the name by which agents of %s notice each other; it is served all the same", user, path
                )
                return
            time.sleep(0.01)

    @property
    def is_of_another_folder(self) -> bool:
        """Whether the folder that it was taken for is not what is found at that path any more."""
        return _identity(self._folder) != self._identity

    def _take(self) -> bool:
        try:
            self._socket.bind(self._name)
        except OSError:
            return False
        self._socket.listen(socket.SOMAXCONN)  # nobody is accepted: it listens because its owner can then be asked for
        return True

    def _holder(self) -> int | None:
        """Return the user who holds the name; None where the kernel can't tell."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            try:
                probe.connect(self._name)
            except OSError:  # it does not listen, or not yet, or too many have asked, or it has just let go
                return None
            uid = read_peer(probe).uid
            return None if uid == UNKNOWN else uid

    def close(self) -> None:
        """Let go of it; closing twice is harmless."""
        self._socket.close()
