"""Files that are being sent in parts: each lies here until it is whole, also over restarts of browser and studio."""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from pathlib import Path

from edge_agent.errors import Conflict, StudioError

#: how files begin into which a request's body is received
RECEIVING = ".receiving-"
_KEY = re.compile(r"[0-9a-f]{16,64}")
#: files that nobody went on sending go after that many seconds
_KEPT = 7 * 24 * 3600.0
_MOST = 200  # at once
_BLOCK = 1 << 20


def remove_received(root: Path) -> None:
    """Remove what a studio that was killed was receiving; to be called while no other can be."""
    for path in root.glob(f"{RECEIVING}*"):
        path.unlink(missing_ok=True)


class Partial:
    """The folder of unfinished files, each under a key that its sender has chosen."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def received(self, key: str) -> int:
        """Return how many bytes of a file are here; StudioError for what can't be a key."""
        path = self._path(key)
        return path.stat().st_size if path.is_file() else 0

    def append(self, key: str, offset: int, part: Path, most: int) -> int:
        """Add a part that begins at `offset`, and return how many bytes are here then.

        Raises:
            Conflict: that is not where the file goes on; the text says where it does.
            StudioError: the file gets more than `most` bytes, or too many are being sent.
        """
        with self._lock:
            return self._append(self._path(key), self.received(key), offset, part, most)

    def _append(self, path: Path, here: int, offset: int, part: Path, most: int) -> int:
        if offset != here:
            raise Conflict(
                f"{here} bytes of this file are here, expected the next part to begin there, not at {offset}"
            )
        if here + part.stat().st_size > most:
            raise StudioError(f"the file has more than {most >> 20} MiB, which no picture needs")
        self._folder.mkdir(exist_ok=True)
        if not here:
            self._make_room()
        with path.open("ab") as file, part.open("rb") as more:
            shutil.copyfileobj(more, file, _BLOCK)
            file.flush()
            os.fsync(file.fileno())
        return path.stat().st_size

    def take(self, key: str, received: Path) -> Path:
        """Move a whole file to the place of the last part that was received, and return that."""
        self._path(key).replace(received)
        return received

    def _make_room(self) -> None:
        found = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime)
        old = [path for path in found if path.stat().st_mtime < time.time() - _KEPT]
        for path in old:
            path.unlink(missing_ok=True)
        if len(found) - len(old) >= _MOST:
            raise StudioError(f"{_MOST} files are being sent in parts; send these to their end first")

    def _path(self, key: str) -> Path:
        if _KEY.fullmatch(key) is None:
            raise StudioError(
                f"'{key[:80]}' is no key of a file that is sent in parts, expected 16 to 64 digits of hex"
            )
        return self._folder / key
