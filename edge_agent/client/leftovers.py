"""Segments whose client was killed: nobody else removes them from /dev/shm, which is the device's memory."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from pathlib import Path
from typing import NamedTuple

from edge_agent.inference.imaging.segment import SHM_DIR

#: those that segment.py makes, whose owner holds a lock; how an older client named its own does not say if it lives
_NAME = re.compile(r"edge-agent-[a-z-]+-\d+-1-[0-9a-f]{16}")


class Leftover(NamedTuple):
    """A segment that belongs to no process any more."""

    path: Path
    size: int
    #: whose it was
    uid: int


def remove_leftovers(folder: Path = SHM_DIR) -> list[Leftover]:
    """Remove the leftovers that this user may remove; return those that are gone."""
    return [left for left in _look(folder, remove=True) if not left.path.exists()]


def find_leftovers(folder: Path = SHM_DIR) -> list[Leftover]:
    """Return the leftovers of all users."""
    return _look(folder, remove=False)


def _look(folder: Path, *, remove: bool) -> list[Leftover]:
    try:
        paths = [path for path in folder.iterdir() if _NAME.fullmatch(path.name)]
    except OSError:
        return []
    found = []
    for path in paths:
        with contextlib.suppress(OSError):  # it has gone, or is not for this user
            left = _examine(path, remove=remove)
            if left is not None:
                found.append(left)
    return found


def _examine(path: Path, *, remove: bool) -> Leftover | None:
    """Return what a segment is when its owner has died; it is removed, if that is wanted and allowed."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # its owner, if there is one, has it
        status = os.fstat(descriptor)
        if remove and status.st_nlink:
            with contextlib.suppress(PermissionError):  # another user's; /dev/shm is sticky
                path.unlink()
        return Leftover(path, status.st_size, status.st_uid)
    except BlockingIOError:
        return None
    finally:
        os.close(descriptor)
