"""Whether a client could open a file itself, so that it does not use the agent to get at what is not its own."""

from __future__ import annotations

import os

from edge_agent.access.peer import ROOT, Peer

_READ, _WRITE = 0o4, 0o2  # of the mode's last three bits; the group's are the three before


def may_open(peer: Peer, status: os.stat_result, *, write: bool) -> bool:
    """Decide as the kernel does, by the file's owner, group and mode; inode(7).

    Its owner may always: it can change the mode. Where the file has an access control list, the group's bits are the
    most that the list gives to anybody but the owner, and users whom it names count as all others; acl(5).
    """
    if peer.uid in (ROOT, status.st_uid):
        return True
    bits = status.st_mode >> 3 if status.st_gid in peer.groups else status.st_mode
    return bool(bits & (_WRITE if write else _READ))
