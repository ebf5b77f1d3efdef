"""POSIX shared memory segments: the agent's careful look at a client's. The client's own: client/segment.py.

On Linux `shm_open(name)` is `open("/dev/shm/" + name)` with O_NOFOLLOW; opening the file ourselves keeps Python's
resource tracker (which would unlink a client's segment) out of it. Segments are opened anew for every call, which costs
3 µs: a client may grow one, or unlink and make it anew under the same name, between two calls.

A client can truncate its segment at any moment. Pixels are moved with pread and pwrite, which then just come back
short, or through a mapping that is guarded against that (guarded.py).
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from edge_agent.access.files import may_open
from edge_agent.access.names import describe_user
from edge_agent.access.peer import UNKNOWN, Peer
from edge_agent.access.rights import describe_rights
from edge_agent.errors import InvalidRequest
from edge_agent.inference.imaging.bitmap import Place

SHM_DIR = Path("/dev/shm")  # noqa: S108  the mount that glibc's and musl's shm_open use

_OPEN_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # as shm_open; O_NONBLOCK so that a FIFO can't hold us
_FULL = (errno.ENOSPC, errno.ENOMEM, errno.EDQUOT)
_IOV_MAX = 1024  # buffers that one pwritev takes (Linux UIO_MAXIOV)


class OpenSegment(NamedTuple):
    """A file descriptor of ours, and which file it is."""

    descriptor: int
    device: int
    inode: int


def path_of(name: str) -> str:
    """Return the file of a segment."""
    return f"{SHM_DIR}/{name.lstrip('/')}"


def identify(status: os.stat_result) -> tuple[int, int]:
    """Return which file it is: device and inode."""
    return status.st_dev, status.st_ino


def open_segment(place: Place, peer: Peer, *, write: bool, what: str) -> OpenSegment:
    """Open the segment of `place` for `peer`, and check that the whole range lies inside it.

    Raises:
        InvalidRequest: it does not exist, may not be opened by the agent or by the peer, is not a shared memory object,
            or is too small.
    """
    path = path_of(place.name)
    try:
        descriptor = os.open(path, (os.O_RDWR if write else os.O_RDONLY) | _OPEN_FLAGS)
    except OSError as error:
        raise InvalidRequest(
            f"segment '{place.name}' of the {what} {_why_not_opened(path, error, write=write)}"
        ) from None
    try:
        status = os.fstat(descriptor)
        if not may_open(peer, status, write=write):
            raise _not_the_peers(place, peer, status, write=write, what=what)
        if not stat.S_ISREG(status.st_mode):
            raise InvalidRequest(f"segment '{place.name}' of the {what} is not a shared memory object")
        if place.offset + place.size > status.st_size:
            raise _too_small(place, status.st_size, what)
    except BaseException:
        os.close(descriptor)
        raise
    return OpenSegment(descriptor, *identify(status))


@contextlib.contextmanager
def opened(place: Place, peer: Peer, *, write: bool, what: str) -> Iterator[int]:
    """Give a segment's descriptor for the length of a block; the errors are those of open_segment."""
    descriptor = open_segment(place, peer, write=write, what=what).descriptor
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _why_not_opened(path: str, error: OSError, *, write: bool) -> str:
    if isinstance(error, FileNotFoundError):
        return (
            f"does not exist in the agent's {SHM_DIR}, expected one that the client has created before the call; "
            "a client in a container has another unless it shares the device's (docker run --ipc=host)"
        )
    if isinstance(error, PermissionError):
        rights = ""
        with contextlib.suppress(OSError):
            rights = f"; it {describe_rights(os.lstat(path))}"
        user = describe_user(os.geteuid())
        return f"may not be opened for {'writing' if write else 'reading'} by the agent's user, {user}{rights}"
    return f"can't be opened ({os.strerror(error.errno or 0)})"


def _not_the_peers(place: Place, peer: Peer, status: os.stat_result, *, write: bool, what: str) -> InvalidRequest:
    user = "an unknown user" if peer.uid == UNKNOWN else describe_user(peer.uid)
    return InvalidRequest(
        f"segment '{place.name}' of the {what} may not be opened for {'writing' if write else 'reading'} by the client "
        f"({user}); it {describe_rights(status)}"
    )


def _too_small(place: Place, size: int, what: str) -> InvalidRequest:
    return InvalidRequest(
        f"segment '{place.name}' of the {what} has {size} bytes, "
        f"expected at least {place.offset + place.size} (offset {place.offset} + size {place.size})"
    )


def read_into(descriptor: int, buffer: memoryview, offset: int, *, place: Place, what: str) -> None:
    """Fill `buffer` from `offset` of an open segment.

    Raises:
        InvalidRequest: the client truncated the segment while it was read.
    """
    done = 0
    while done < len(buffer):
        count = os.preadv(descriptor, [buffer[done:]], offset + done)
        if count == 0:
            raise _too_small(place, os.fstat(descriptor).st_size, what)
        done += count


def check_still_large_enough(descriptor: int, place: Place, *, what: str) -> None:
    """Refuse a segment that the client truncated since it was opened: a write behind its end would grow it.

    Raises:
        InvalidRequest: so it is.
    """
    size = os.fstat(descriptor).st_size
    if place.offset + place.size > size:
        raise _too_small(place, size, what)


def write_from(descriptor: int, buffers: Sequence[memoryview], offset: int) -> None:
    """Write `buffers`, one after the other, at `offset` of an open segment.

    The same buffer may stand in the sequence many times: a mask's repeated rows are then never laid out in memory.

    Raises:
        InvalidRequest: the memory behind /dev/shm is full.
    """
    left = buffers
    while left:
        batch = left[:_IOV_MAX]
        try:
            count = os.pwritev(descriptor, batch, offset)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            if error.errno in _FULL:
                reason = f"{reason}: {SHM_DIR} is full, and the segment has less memory than it is long"
            raise InvalidRequest(f"the mask can't be written to its segment ({reason})") from None
        offset += count
        left = _rest(left, count)


def _rest(buffers: Sequence[memoryview], count: int) -> Sequence[memoryview]:
    """Return what is left of buffers when `count` bytes of them have been written."""
    for place, buffer in enumerate(buffers):
        if count < len(buffer):
            return [buffer[count:], *buffers[place + 1 :]]
        count -= len(buffer)
    return []
