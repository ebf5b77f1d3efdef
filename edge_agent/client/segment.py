"""A client's own segment of shared memory: made, filled through a mapping, and unlinked by the process that made it.

Everybody can tell whether the owner still lives, also from another container: it holds a lock (flock(2)) on the
segment, which the kernel takes back with the process, however that ends. client/leftovers.py removes what nobody holds.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import multiprocessing.util
import os
import secrets
import shutil
import weakref
from pathlib import Path

from edge_agent.access.rights import describe_refusal
from edge_agent.errors import NoSharedMemory
from edge_agent.inference.imaging.bitmap import Place
from edge_agent.inference.imaging.segment import SHM_DIR

_FULL = (errno.ENOSPC, errno.ENOMEM, errno.EDQUOT)


class OwnedSegment:
    """A segment that this process creates, and unlinks when it closes. A forked child has nothing to do with it."""

    def __init__(self, label: str) -> None:
        """Make an empty one.

        Raises:
            NoSharedMemory: /dev/shm is not there, not for this user, or full.
        """
        # 64 random bits: two clients never meet, and a name can't be guessed and occupied in advance. The 1 says that
        # its owner holds a lock on it.
        self.name = f"edge-agent-{label}-{os.getpid()}-1-{secrets.token_hex(8)}"
        self._path = SHM_DIR / self.name
        self._owner = os.getpid()
        try:
            self._descriptor = _create(self._path)
        except OSError as error:
            raise NoSharedMemory(
                f"no segment can be made in {SHM_DIR}: {describe_refusal(error, self._path)}"
            ) from None
        status = os.fstat(self._descriptor)
        self._identity = status.st_dev, status.st_ino
        # Also when the owner is forgotten, or the interpreter ends, without close(). A child of multiprocessing ends
        # without what other processes do at their end.
        self._unlink = weakref.finalize(self, _unlink, self._path, self._owner)
        multiprocessing.util.Finalize(self, _unlink, (self._path, self._owner), exitpriority=0)
        self._map: mmap.mmap | None = None
        self.size = 0
        _living.add(self)

    @property
    def is_there(self) -> bool:
        """Whether its name leads to it: a clean-up, or logind at the end of a session, removes it, or it is emptied."""
        try:
            status = self._path.stat()
        except OSError:
            return False
        # Its pages beyond the end would end this process: SIGBUS, mmap(2).
        return (status.st_dev, status.st_ino) == self._identity and status.st_size >= self.size

    def buffer(self, size: int) -> memoryview:
        """Give the first `size` bytes, growing the segment if it is smaller; NoSharedMemory when there is no room."""
        if size > self.size:
            if self._map is not None:
                self._map.close()
                self._map, self.size = None, 0
            try:
                # Memory is reserved now: ftruncate alone would promise pages that a full /dev/shm answers with SIGBUS.
                os.posix_fallocate(self._descriptor, 0, size)
                self._map = mmap.mmap(self._descriptor, size)
            except OSError as error:
                raise _no_room(size, error) from None
            self.size = size
        assert self._map is not None
        return memoryview(self._map)[:size]

    def place(self, size: int) -> Place:
        """Give the handle of the first `size` bytes."""
        return Place(name=self.name, size=size, offset=0)

    def close(self) -> None:
        """Unlink the segment; closing twice is harmless."""
        self.forget()
        self._unlink()

    def forget(self) -> None:
        """Let go of it without unlinking it: what a forked child does with its parent's."""
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        with contextlib.suppress(BufferError):  # somebody still looks at it; the mapping goes with the last view
            if self._map is not None:
                self._map.close()
        os.close(descriptor)


def _create(path: Path) -> int:
    """Make a segment that is locked, and give its descriptor."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            # Somebody who looks for leftovers may have it for a moment, and take it for one.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                # The agent usually runs as another user; group and others are let in, whatever the umask is.
                os.fchmod(descriptor, 0o666)
                return descriptor
        except BaseException:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        os.close(descriptor)


def _unlink(path: Path, owner: int) -> None:
    if os.getpid() == owner:  # else a forked child ends, and its parent goes on
        path.unlink(missing_ok=True)


def _no_room(size: int, error: OSError) -> NoSharedMemory:
    if error.errno not in _FULL:
        return NoSharedMemory(f"a segment of {size} bytes can't be made in {SHM_DIR}: {describe_refusal(error)}")
    disk = shutil.disk_usage(SHM_DIR)
    return NoSharedMemory(
        f"{SHM_DIR} has no room for a segment of {size} bytes: {disk.free} of {disk.total} bytes are free; "
        "a container gets 64 MiB unless it is started with --shm-size"
    )


_living: weakref.WeakSet[OwnedSegment] = weakref.WeakSet()


def _forget_the_parents() -> None:
    for segment in list(_living):
        segment.forget()


# A child that goes on for long must not hold the lock of a parent that has died.
os.register_at_fork(after_in_child=_forget_the_parents)
