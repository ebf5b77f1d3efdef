"""Which files of a folder were closed after writing, or moved in: inotify(7), by the C library."""

from __future__ import annotations

import ctypes
import errno
import os
import select
import struct
from pathlib import Path

_CLOSE_WRITE, _MOVED_TO = 0x08, 0x80
_DELETE_SELF, _MOVE_SELF, _UNMOUNT, _IGNORED = 0x400, 0x800, 0x2000, 0x8000
_HEAD = struct.Struct("iIII")


class Watch:
    """A watched folder."""

    def __init__(self, folder: Path) -> None:
        """Begin to watch.

        Raises:
            OSError: the folder is not there, or there are too many watches.
        """
        self._folder = folder
        library = ctypes.CDLL(None, use_errno=True)
        self._descriptor = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        added = self._descriptor >= 0 and library.inotify_add_watch(
            self._descriptor, os.fsencode(folder), _CLOSE_WRITE | _MOVED_TO | _DELETE_SELF | _MOVE_SELF
        )
        if self._descriptor < 0 or added < 0:
            number = ctypes.get_errno()
            self.close()
            raise OSError(number, os.strerror(number), str(folder))

    def wait(self, seconds: float) -> set[str]:
        """Wait for news, at most so long; return the names of files that are whole.

        Raises:
            FileNotFoundError: the folder has gone, or was moved away.
        """
        if not select.select([self._descriptor], [], [], seconds)[0]:
            return set()
        data, names, at = os.read(self._descriptor, 1 << 16), set(), 0
        while at < len(data):
            _, mask, _, length = _HEAD.unpack_from(data, at)
            if mask & (_DELETE_SELF | _MOVE_SELF | _UNMOUNT | _IGNORED):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self._folder))
            at += _HEAD.size
            if name := data[at : at + length].rstrip(b"\0"):
                names.add(os.fsdecode(name))
            at += length
        return names

    def close(self) -> None:
        """Stop watching; closing twice is harmless."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
