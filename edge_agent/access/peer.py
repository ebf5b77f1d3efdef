"""Who is at the other end of a Unix socket. The kernel says so, not the client: it can't be made up.

SO_PEERCRED in unix(7), SO_PEERGROUPS in socket(7). Both tell what the client was when it connected; one that takes on
another user or group afterwards, or hands its connection to another process, is still served as what it was.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
from pathlib import Path
from typing import Protocol

import msgspec

from edge_agent.access.namespace import ambiguous_id

log = logging.getLogger(__name__)

ROOT = 0
#: stands for a user whom the agent can't tell from others: nobody's id, no file's owner
UNKNOWN = -1

_UCRED = struct.Struct("iII")  # struct ucred: pid, uid, gid
_SO_PEERGROUPS = 59  # asm-generic/socket.h; the module socket does not have it
_GROUPS_BYTES = 1024  # the most that the module socket asks the kernel for: 256 groups of 4 bytes


class Peer(msgspec.Struct, frozen=True, array_like=True):
    """A client: its user id, or UNKNOWN, the ids of its groups, the primary one among them, and its process id."""

    uid: int
    groups: tuple[int, ...]
    #: 0 where the kernel can't tell: the process is in another namespace
    pid: int = 0


class _Socket(Protocol):
    def getsockopt(self, level: int, option: int, buflen: int, /) -> bytes: ...


def read_peer(connection: _Socket) -> Peer:
    """Ask the kernel who is at the other end of a connected Unix socket."""
    pid, uid, gid = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    try:
        others = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _GROUPS_BYTES)
    except OSError as error:  # more than 256, or a kernel before 4.13
        log.warning("of user %d, who has connected, only the primary group is known (%s)", uid, error.strerror)
        others = b""
    return _known(uid, (gid, *memoryview(others).cast("I")), pid)


def own_peer() -> Peer:
    """Return this process as it would be seen at the other end of a socket."""
    return _known(os.geteuid(), (os.getegid(), *os.getgroups()), os.getpid())


def _known(uid: int, groups: tuple[int, ...], pid: int) -> Peer:
    """Leave out what may stand for several users or groups: it must not pass for any of them."""
    ambiguous = ambiguous_id("gid")
    return Peer(
        UNKNOWN if uid == ambiguous_id("uid") else uid,
        tuple(dict.fromkeys(group for group in groups if group != ambiguous)),
        pid,
    )


def program_of(pid: int) -> str:
    """Return the name of a process's program, as `ps` shows it; "" when it is gone, or hidden from this user."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").rstrip("\n")
    except OSError:
        return ""
