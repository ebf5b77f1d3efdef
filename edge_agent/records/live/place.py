"""Where workers show their newest pictures: a folder in shared memory, which a link in the state folder leads to.

In it lie `asked`, which says until when somebody watches, and a file for each worker that has been asked.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
from pathlib import Path

from edge_agent.access.rights import describe_refusal

log = logging.getLogger(__name__)

ASKED = "asked"
_MEMORY = Path("/dev/shm")  # noqa: S108  # the folder in it has a name that nobody can guess
_PREFIX = "edge-agent-live-"


def link_of(state: Path) -> Path:
    """Give the link by which whoever watches finds the folder."""
    return state / "live"


class LivePlace:
    """The daemon's side: makes the folder, and removes it."""

    def __init__(self, state: Path, memory: Path = _MEMORY, *, is_on: bool = True) -> None:
        """Choose a name that nobody else has; nothing is made yet, nor ever unless `is_on`."""
        self._link, self._memory, self._is_on = link_of(state), memory, is_on
        self.folder = memory / f"{_PREFIX}{os.geteuid()}-{secrets.token_hex(8)}"

    @property
    def told(self) -> str:
        """What workers are told: the folder, "" where nothing is shown."""
        return str(self.folder) if self._is_on else ""

    def open(self) -> None:
        """Make the folder. Where that can't be done there is no live view; the line does not wait for one."""
        if not self._is_on:
            return
        try:
            self._remove_former()
            self.folder.mkdir(mode=0o750)
            asked = self.folder / ASKED
            asked.write_bytes(bytes(8))
            # The group may ask, as it may call: the setting of the socket says who that is, and so does the folder.
            asked.chmod(0o660)
            self._link.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._link.with_name(f".{self._link.name}-{os.getpid()}")
            temporary.symlink_to(self.folder)
            temporary.replace(self._link)
        except OSError as error:
            file = error.filename2 or error.filename or self.folder
            log.warning("there are no live pictures: %s: %s", file, describe_refusal(error))

    def _remove_former(self) -> None:
        """Remove what a daemon that was killed has left, and nothing that is not such a folder of ours."""
        with contextlib.suppress(OSError):
            former = self._link.readlink()
            is_ours = former.parent == self._memory and former.name.startswith(f"{_PREFIX}{os.geteuid()}-")
            if is_ours and not former.is_symlink():
                shutil.rmtree(former, ignore_errors=True)

    def close(self) -> None:
        """Remove the folder. Closing twice is harmless."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            if self._link.readlink() == self.folder:
                self._link.unlink()
