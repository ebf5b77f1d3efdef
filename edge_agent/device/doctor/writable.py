"""Whether the daemon may write in a folder, and has room there: asked without writing anything."""

from __future__ import annotations

import errno
import os
import socket
import sys
import time
from pathlib import Path
from typing import NamedTuple

from edge_agent.access.files import may_open
from edge_agent.access.names import describe_user
from edge_agent.access.namespace import ambiguous_id
from edge_agent.access.peer import ROOT, UNKNOWN, Peer, read_peer
from edge_agent.access.rights import describe_rights
from edge_agent.settings import Settings

#: bytes without which SQLite can't begin its log
_LEAST = 128 << 10
_SEARCH = 0o1
_LOOK = "see what the kernel says of its disk: dmesg"
_SECONDS = 3.0  # that a disk may take for an empty file
#: The probe's exit code is an error's number and this: Python has 0, 1, 2 and 120 for its own ends, 0 is no error's
#: number, and 20 (ENOTDIR) is none that a folder can have which is there.
_ERRNO = 100
_TRY = f"""
import os, sys
try:
    os.open(sys.argv[1], os.O_TMPFILE | os.O_RDWR, 0o600)
except OSError as error:
    os._exit({_ERRNO} + error.errno)
"""


class Obstacle(NamedTuple):
    """What is in the way, and what to do about it."""

    found: str
    remedy: str
    #: whoever reads there may wait for ever, too
    hangs: bool = False


def daemon_user(settings: Settings) -> Peer | None:
    """Tell as whom the daemon writes: as it runs now, else as its state folder's owner; None where neither is known."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(settings.socket_path))
            if (user := read_peer(probe)).uid != UNKNOWN:
                return user
        except OSError:
            pass
    try:
        status = Path(settings.state_dir).stat()
    except OSError:  # it is not there yet, or a folder above it is closed to whoever asks
        return None
    return None if status.st_uid == ambiguous_id("uid") else Peer(status.st_uid, (status.st_gid,))


def lowest_seen(folder: Path) -> Path:
    """Give the folder, or the lowest above it that is there, as far as whoever asks may see."""
    return next(place for place in (folder.absolute(), *folder.absolute().parents) if _is_seen(place))


def obstacle(path: Path, user: Peer | None) -> Obstacle | None:
    """Say why `user` can't make or write a database at `path`; None where nothing is in the way.

    Of a user who is not known only the disk can be looked at.
    """
    existing = lowest_seen(path.parent)
    is_open = os.access(existing, os.X_OK)  # else what is in it is not to be seen from here, nor on which disk it is
    if user is None:
        return _of_disk(existing, None) if is_open else None
    if user.uid == os.geteuid() or is_open:
        for place in reversed(existing.parents):
            if not _may(place, user, os.X_OK):
                return _refused(place, user, "let that user pass through it")
        if not _may(existing, user, os.W_OK | os.X_OK):
            return _refused(existing, user)
        if (found := _of_disk(existing, user)) is not None:
            return found
    for file in (path, *(Path(f"{path}{ending}") for ending in ("-wal", "-shm"))):
        if _is_seen(file) and not _may(file, user, os.R_OK | os.W_OK):
            return _refused(file, user)
    return None


def _of_disk(folder: Path, user: Peer | None) -> Obstacle | None:
    status = os.statvfs(folder)
    if status.f_flag & os.ST_RDONLY:
        return Obstacle(f"{folder} is on a disk that is mounted read-only", "mount it writable")
    is_root = user is not None and user.uid == ROOT
    free = (status.f_bfree if is_root else status.f_bavail) * status.f_frsize
    if free < _LEAST:
        return Obstacle(f"the disk of {folder} is full, {free} bytes are free", "free some")
    if (said := _refuses(folder, user)) is not None:
        return said
    if status.f_files and not (status.f_ffree if is_root else status.f_favail):
        return Obstacle(f"the disk of {folder} has no inode left for another file", "delete some files")
    return None


def _refuses(folder: Path, user: Peer | None) -> Obstacle | None:
    """Try to make a file without a name, where this process may; a disk with a fault takes none, and looks writable."""
    if os.geteuid() != ROOT and (user is None or user.uid != os.geteuid()):
        return None
    # In a process that can be left behind: no signal ends one that waits for a disk.
    trying = os.posix_spawn(sys.executable, [sys.executable, "-ISc", _TRY, str(folder)], os.environ)
    end = time.monotonic() + _SECONDS
    while (ended := os.waitpid(trying, os.WNOHANG))[0] == 0:
        if time.monotonic() > end:
            return Obstacle(f"the disk of {folder} has not answered for {_SECONDS:g} s", _LOOK, hangs=True)
        time.sleep(0.01)
    number = os.waitstatus_to_exitcode(ended[1]) - _ERRNO
    if number <= 0 or number in (errno.ENOTDIR, errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT):
        return None  # it could, this file system has no such files, or the probe did not come to it
    return Obstacle(f"{folder} can't be written to: {os.strerror(number)}", _LOOK)


def _is_seen(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a folder above it is closed to whoever asks
        return False


def _may(path: Path, user: Peer, needed: int) -> bool:
    if user.uid == os.geteuid():  # the kernel knows more than the mode: access control lists
        return os.access(path, needed, effective_ids=True) or bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    status = path.stat()
    if needed & os.X_OK and user.uid != ROOT:
        shift = 6 if user.uid == status.st_uid else 3 if status.st_gid in user.groups else 0
        if not status.st_mode >> shift & _SEARCH:
            return False
    return not needed & os.W_OK or may_open(user, status, write=True)


def _refused(path: Path, user: Peer, remedy: str = "") -> Obstacle:
    status = path.stat()
    if not remedy:
        remedy = f"chmod u+rwX {path}" if status.st_uid == user.uid else f"sudo chown {user.uid} {path}"
    found = f"{path} {describe_rights(status)}, and the daemon writes as {describe_user(user.uid)}"
    return Obstacle(found, remedy)
