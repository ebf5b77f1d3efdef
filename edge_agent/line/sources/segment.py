"""A segment of shared memory into which another program writes its pictures, one over the other.

On Linux `shm_open(name)` opens /dev/shm/name. It is opened anew for each look, which costs 3 µs: the program may have
ended and made another of the same name. Pixels are read, never mapped: a mapping of what is truncated raises SIGBUS.
"""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_agent.access.rights import describe_refusal
from edge_agent.inference.imaging.raw_pixels import read_raw
from edge_agent.inference.imaging.resize import U8
from edge_agent.inference.imaging.segment import SHM_DIR
from edge_agent.line.sources.source import SourceFailed
from edge_agent.line.tables.sources import Segment

#: how often a picture is read again that was written meanwhile
_TRIES = 20


class SegmentCamera:
    """A segment. With a counter each new number is a frame; without it a trigger takes what is there."""

    is_file = False

    def __init__(self, table: Segment) -> None:
        self._table, self._raw = table, table.pixels.raw
        self.name = f"segment {table.name}"
        self.is_asked = table.counter_at is None
        self._path = f"{SHM_DIR}/{table.name.lstrip('/')}"
        self._counter = struct.Struct("<Q" if table.counter_bytes == 8 else "<I")
        self._seen: int | None = None

    def open(self) -> None:
        descriptor = self._descriptor()
        try:
            # What lies there already is of a part that has gone.
            self._seen = None if self.is_asked else self._count(descriptor)
        finally:
            os.close(descriptor)

    def _descriptor(self) -> int:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise SourceFailed(f"{self.name} can't be opened: {describe_refusal(error, Path(self._path))}") from None
        size = os.fstat(descriptor).st_size
        needed = self._table.offset + self._raw.size
        if size < needed:
            os.close(descriptor)
            raise SourceFailed(
                f"{self.name} has {size} bytes, expected at least {needed}: {self._raw.width}x{self._raw.height} "
                f"{self._raw.name} from {self._table.offset}"
            )
        return descriptor

    def _count(self, descriptor: int) -> int:
        assert self._table.counter_at is not None
        data = os.pread(descriptor, self._counter.size, self._table.counter_at)
        if len(data) < self._counter.size:
            raise SourceFailed(f"{self.name} has no counter at {self._table.counter_at}: it ends before")
        return int(self._counter.unpack(data)[0])

    def read(self, seconds: float) -> npt.NDArray[Any] | None:
        if self.is_asked:
            descriptor = self._descriptor()
            try:
                return self._pixels(descriptor)
            finally:
                os.close(descriptor)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            descriptor = self._descriptor()
            try:
                if (frame := self._new(descriptor)) is not None:
                    return frame
            finally:
                os.close(descriptor)
            time.sleep(self._table.poll_ms / 1000)
        return None

    def _new(self, descriptor: int) -> npt.NDArray[Any] | None:
        """Read the picture if its number is another one, and is still the same afterwards."""
        for _ in range(_TRIES):
            count = self._count(descriptor)
            if count == self._seen or (self._table.odd_while_writing and count % 2):
                return None
            frame = self._pixels(descriptor)
            if self._count(descriptor) == count:
                self._seen = count
                return frame
        return None

    def _pixels(self, descriptor: int) -> npt.NDArray[Any]:
        data = bytearray(self._raw.size)
        done = 0
        while done < len(data):
            count = os.preadv(descriptor, [memoryview(data)[done:]], self._table.offset + done)
            if not count:
                raise SourceFailed(f"{self.name} was made smaller while it was read")
            done += count
        return np.frombuffer(data, np.uint8)

    def to_rgb(self, frame: npt.NDArray[Any]) -> U8:
        return read_raw(frame, self._raw)

    def close(self) -> None:
        """Nothing stays open."""
