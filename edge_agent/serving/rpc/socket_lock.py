"""What keeps two agents that start at the same moment from both finding the old socket stale.

A name in the abstract namespace (unix(7)) is given to one of them, and goes with its process, however that ends. But
any user of the device may take a name there. So the kernel is asked who holds it: only root and the agent's own user
are believed to be an agent. Another user's hold keeps nobody from serving; only the order of such starts is lost.
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

_NAME_BYTES = 90  # of the path's end: a socket's name has 107 at the most
_PATIENCE = 0.5  # seconds in which an agent that has just taken the name says whose it is


class SocketLock:
    """The lock of an agent's socket at `path`, held until `close`."""

    def __init__(self, path: Path) -> None:
        """Take it.

        Raises:
            AddressInUse: another agent of root or of this process's user has it.
        """
        self._name = b"\0edge-agent:" + os.fsencode(path)[-_NAME_BYTES:]
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
