"""One agent for a state folder: two would write over each other which models run, and only one could be audited.

The lock is flock(2) on a file that stays: the kernel lets go of it however the process ends.
"""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path

from edge_agent.access.rights import describe_refusal
from edge_agent.errors import StateInUse

log = logging.getLogger(__name__)

_FILE_NAME = "agent.lock"


class StateLock:
    """The lock of a state folder, held until `close`."""

    def __init__(self, folder: Path) -> None:
        """Take it. A folder that can't be written to is used without: nothing is kept in it.

        Raises:
            StateInUse: another agent has it.
        """
        self._file = -1
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(folder / _FILE_NAME, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._file, 20, 0).decode(errors="replace").strip()
            self.close()
            raise StateInUse(
                f"another agent{f' (process {holder})' * holder.isdecimal()} keeps its state in {folder}, "
                "expected a folder of its own for each agent (--state-dir)"
            ) from None
        except OSError as error:
            log.warning("the state folder %s can't be locked (%s)", folder, describe_refusal(error))
        else:
            self._tell_whose()

    def _tell_whose(self) -> None:
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        except OSError:  # a full disk; only the process's number is not told
            log.debug("the number of this process can't be written into the lock", exc_info=True)

    def close(self) -> None:
        """Let go of it; closing twice is harmless."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1
