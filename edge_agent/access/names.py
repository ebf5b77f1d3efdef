"""Users and groups by name and by number."""

from __future__ import annotations

import functools
import grp
import pwd

from edge_agent.access.peer import UNKNOWN, Peer
from edge_agent.errors import SettingsError

_KNOWN = 256
_MOST = (1 << 32) - 2  # (gid_t)-1 means "leave it as it is" to chown(2)


def group_id(setting: str, group: str) -> int | None:
    """Return the id of the group that a setting names, or gives by its number; None where it is empty.

    Raises:
        SettingsError: this device has no such group.
    """
    if not group:
        return None
    try:
        number = int(group) if group.isascii() and group.isdecimal() else grp.getgrnam(group).gr_gid
    except KeyError:
        number = -1
    if not 0 <= number <= _MOST:
        raise SettingsError(f"{setting} '{group}' is not a group of this device")
    return number


@functools.lru_cache(_KNOWN)
def describe_user(uid: int) -> str:
    """Return a user's name and number. May ask the network, once, where users are not those of this device alone."""
    if uid == UNKNOWN:
        return "a user of another namespace"
    try:
        return f"user '{pwd.getpwuid(uid).pw_name}' ({uid})"
    except KeyError:
        return f"user {uid}"


def describe_client(peer: Peer, program: str) -> str:
    """Say who a client is: its process, the name of that one's program ("" where it is not known), and its user.

    May ask the network, as describe_user. The program is asked for before, by program_of: a client may soon be gone.
    """
    process = f"process {peer.pid}" if peer.pid else "a process of another namespace"
    return f"{process}{f' ({program})' if program else ''} of {describe_user(peer.uid)}"


@functools.lru_cache(_KNOWN)
def describe_group(gid: int) -> str:
    """Return a group's name and number. May ask the network, as describe_user."""
    try:
        return f"group '{grp.getgrgid(gid).gr_name}' ({gid})"
    except KeyError:
        return f"group {gid}"
