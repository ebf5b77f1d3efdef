"""Who may use an entry of the cache, and who may change it: a lock between processes, in the entry's own folder.

The kernel lets go of it when its holder ends, however it ends. https://man7.org/linux/man-pages/man2/flock.2.html
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

LOCK = "lock"
_ATTEMPTS = 100


class EntryLock:
    """The lock of an entry; taking it again changes its kind, and lets others in for a moment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor = -1

    def take(self, *, exclusive: bool, wait: bool) -> bool:
        """Take the lock, and tell whether it was had.

        Raises:
            OSError: the folder can't be written.
        """
        operation = (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | (0 if wait else fcntl.LOCK_NB)
        while True:
            if self._descriptor < 0:
                self._open()
            try:
                fcntl.flock(self._descriptor, operation)
            except BlockingIOError:
                return False
            if self._is_the_file():
                return True
            self.close()  # whoever held the lock has removed the entry, and with it the file that was waited for

    def close(self) -> None:
        """Let go."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> EntryLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> None:
        for attempt in range(_ATTEMPTS, 0, -1):
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._descriptor = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
                return
            except (FileNotFoundError, FileExistsError):
                # Removed by someone else in this moment, or indeed a file where a folder should be.
                if attempt == 1:
                    raise

    def _is_the_file(self) -> bool:
        try:
            found = (self._folder / LOCK).stat()
        except FileNotFoundError:
            return False
        held = os.fstat(self._descriptor)
        return (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino)
