"""A temporary folder that is this process's alone, and is removed even when the process was killed: by the next one.

It is locked (flock(2)) as long as its process lives; the kernel unlocks it when that ends, however it does. Where
folders can't be locked (NFS as TMPDIR), what a killed process leaves stays.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: what opening says of a folder that is gone, or of what is none
_IS_NONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
#: what flock(2) says where folders can't be locked
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


class LockedFolder:
    """A new folder of mode 0700 among the temporary files (TMPDIR, else /tmp), and a context that closes it."""

    def __init__(self, prefix: str) -> None:
        """Make it, after those of this user whose names begin with `prefix` and that nobody has any more are removed.

        Raises:
            OSError: there is no room for it, or no descriptor; nothing is left of it then.
        """
        _remove_left(prefix)
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=prefix))
            try:
                self._lock = _lock(self.path)
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    self.path.rmdir()  # without a descriptor, of which there may be none
                    raise
                self._lock = None  # nobody can lock it, and so nobody takes it for one that was left
                return
            if self._lock is not None and self.path.exists():
                return
            self.close()  # another process, which began at the same moment, has taken it for one that was left

    def close(self) -> None:
        """Remove it; doing so twice is harmless."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.close()


def _remove_left(prefix: str) -> None:
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            if path.lstat().st_uid == os.geteuid() and (lock := _lock(path)) is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(lock)


def _lock(folder: Path) -> int | None:
    """Lock a folder; None where somebody else has, or where it is none. OSError where it can't be opened or locked."""
    try:
        opened = os.open(folder, _FOLDER)
    except OSError as error:
        if error.errno in _IS_NONE:
            return None
        raise
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(opened)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return opened
