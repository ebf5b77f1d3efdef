"""In a worker: shows the newest pictures while somebody watches. It costs a look at the clock while nobody does.

What is shown is bounded: a few pictures, shrunk by leaving pixels out, some of them a second. A picture is copied
before the answer lets the client change it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import struct
import time
from pathlib import Path

import numpy as np

from edge_agent.component.manifest import Manifest
from edge_agent.inference.imaging.bitmap import CHANNELS
from edge_agent.inference.imaging.resize import U8, Pixels
from edge_agent.inference.pipeline import Inspection
from edge_agent.records.live.frames import DEADLINE, HEAD, NUMBER, SLOTS, Frame, encode, slot_bytes, step_of
from edge_agent.records.live.place import ASKED

#: between two looks whether somebody watches
_LOOK_SECONDS = 0.2
#: between two pictures that are shown, and the same where one is anomalous, of which none should be missed
_NORMAL_SECONDS, _ANOMALOUS_SECONDS = 0.25, 0.05
#: a wish for longer than that is taken for a mistake
_LONGEST_WISH = 60.0
#: so many times the size of the file has to be free: shared memory is the clients' first
_ROOM = 4


class LiveTap:
    """Writes the newest pictures of one worker into a file of its own. Used by one thread."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._folder, self._manifest = folder, manifest
        self._path = folder / str(os.getpid())
        self._step = step_of(manifest.image.width, manifest.image.height)
        self._shape = (-(-manifest.image.height // self._step), -(-manifest.image.width // self._step), CHANNELS)
        self._asked = self._file = -1
        self._look_at = self._normal_at = self._anomalous_at = 0.0
        self._is_watched = False
        self._count = self._last = 0
        atexit.register(self._forget)

    def show(self, pixels: Pixels, inspection: Inspection) -> None:
        """Show a picture, if somebody watches and the last one was not shown just now.

        Raises:
            InvalidRequest: the client has truncated the segment that the picture is read from.
        """
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + _LOOK_SECONDS
            self._look(now)
        if not self._is_watched or now < (self._anomalous_at if inspection.verdict.is_anomalous else self._normal_at):
            return
        self._normal_at, self._anomalous_at = now + _NORMAL_SECONDS, now + _ANOMALOUS_SECONDS
        try:
            self._write(pixels, inspection)
        except OSError:  # no room, or the folder has gone: tried again after the next look
            self._forget()

    def _look(self, now: float) -> None:
        try:
            if self._asked < 0:
                self._asked = os.open(self._folder / ASKED, os.O_RDONLY | os.O_CLOEXEC)
            # Read, and not mapped: who may ask could also cut the file short.
            (deadline,) = DEADLINE.unpack(os.pread(self._asked, DEADLINE.size, 0))
        except (OSError, struct.error):
            deadline = 0
        self._is_watched = now <= deadline / 1e6 <= now + _LONGEST_WISH
        if not self._is_watched and self._file >= 0:
            self._forget()

    def _write(self, pixels: Pixels, inspection: Inspection) -> None:
        image, step = self._manifest.image, self._step
        if self._file < 0:
            self._make()
        shown = self._shrunk(pixels)
        mask = None
        if inspection.mask is not None and inspection.verdict.is_anomalous:
            whole = np.frombuffer(b"".join(inspection.mask), np.uint8).reshape(image.height, image.width, CHANNELS)
            mask = np.ascontiguousarray(whole[::step, ::step])
        self._last = max(self._last + 1, time.time_ns() // 1000)
        told = encode(
            Frame(
                self._last, self._manifest.name, self._manifest.version, self._shape[1], self._shape[0],
                mask is not None, inspection.verdict,
            )
        )  # fmt: skip
        if len(told) > HEAD - NUMBER.size:
            return
        start = self._count % SLOTS * slot_bytes(self._shape[1], self._shape[0])
        number = 2 * self._count + 1
        self._put(NUMBER.pack(number, 0), start)
        self._put(told, start + NUMBER.size)
        self._put(shown.data, start + HEAD)
        if mask is not None:
            self._put(mask.data, start + HEAD + shown.nbytes)
        self._put(NUMBER.pack(number + 1, len(told)), start)
        self._count += 1

    def _shrunk(self, pixels: Pixels) -> U8:
        image = self._manifest.image
        if self._step == 1:
            whole = np.empty(self._shape, np.uint8)
            pixels.read_into(whole)
            return whole
        shown = np.empty(self._shape, np.uint8)
        for place in range(self._shape[0]):
            row = place * self._step
            shown[place] = pixels.rows(row, row + 1).reshape(image.width, CHANNELS)[:: self._step]
        return shown

    def _put(self, data: bytes | memoryview, position: int) -> None:
        os.pwrite(self._file, data, position)

    def _make(self) -> None:
        """Make the file whole: what is not there then, another could not be given either."""
        self._remove_orphans()
        size = SLOTS * slot_bytes(self._shape[1], self._shape[0])
        room = os.statvfs(self._folder)
        if room.f_bavail * room.f_frsize < _ROOM * size:
            raise OSError("there is too little shared memory to show pictures")
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        os.posix_fallocate(self._file, 0, size)

    def _remove_orphans(self) -> None:
        """Remove what workers that were killed have left."""
        for path in self._folder.iterdir():
            if path.name.isdecimal() and not Path("/proc", path.name).exists():
                path.unlink(missing_ok=True)

    def _forget(self) -> None:
        self._is_watched = False
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            with contextlib.suppress(OSError):
                self._path.unlink()
        if self._asked >= 0:
            os.close(self._asked)
            self._asked = -1
