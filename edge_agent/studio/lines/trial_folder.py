"""A folder for trials that is removed even when the studio was killed: by the next studio of the same user.

Each is locked as long as its studio lives; the kernel unlocks it when that ends, however it does. Where folders can't
be locked (NFS as TMPDIR), what a killed studio leaves stays.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

_PREFIX = "edge-agent-trials-"


class TrialFolder:
    """A new folder in the folder for temporary files; those that nobody has any more are removed first."""

    def __init__(self) -> None:
        _remove_left()
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
            try:
                self._lock = _lock(self.path)
            except OSError:
                self._lock = None  # nobody can lock it, and so nobody takes it for one that was left
                return
            if self._lock is not None and self.path.exists():
                return
            self.close()  # another studio, which began at the same moment, has taken it for one that was left

    def close(self) -> None:
        """Remove it; doing so twice is harmless."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _remove_left() -> None:
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if path.lstat().st_uid == os.geteuid() and (lock := _lock(path)) is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(lock)


def _lock(folder: Path) -> int | None:
    """Lock a folder; None where somebody else has, or where it is none. OSError where folders can't be locked."""
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(opened)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return opened
