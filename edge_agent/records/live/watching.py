"""Watching: asking workers for pictures, a few seconds at a time, and reading those that have come."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from edge_agent.access.rights import describe_refusal
from edge_agent.errors import RecordsError
from edge_agent.inference.imaging.resize import U8
from edge_agent.records.live.frames import DEADLINE, HEAD, NUMBER, SLOTS, Frame, decode, slot_bytes
from edge_agent.records.live.place import ASKED, link_of

#: how long a wish lasts
_WISH_SECONDS = 3.0
#: pictures older than that are not the last seconds'; in microseconds
_OLD = 10_000_000


class Shown(NamedTuple):
    """A picture that a worker has shown, uint8 [height, width, 3], with its mask where something was marked."""

    frame: Frame
    picture: U8
    mask: U8 | None


class Watcher:
    """Reads what the workers of an agent show. Used by one thread at a time."""

    def __init__(self, state: Path) -> None:
        """`state` is the agent's state folder."""
        self._link = link_of(state)
        #: for each worker's file the number that was read last from each slot
        self._seen: dict[str, list[int]] = {}

    def ask(self) -> None:
        """Ask for pictures for some seconds more.

        Raises:
            RecordsError: no agent shows pictures there, or this user may not ask.
        """
        deadline = time.monotonic_ns() // 1000 + int(_WISH_SECONDS * 1e6)
        try:
            descriptor = os.open(self._link / ASKED, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.pwrite(descriptor, DEADLINE.pack(deadline), 0)
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            raise RecordsError(f"no agent shows pictures in {self._link}; is another state folder its own?") from None
        except OSError as error:
            raise RecordsError(f"live pictures can't be asked for: {self._link}: {describe_refusal(error)}") from None

    def news(self) -> list[Shown]:
        """Give the pictures that have come since the last time, in the order of time; [] when there is no agent."""
        found: list[Shown] = []
        try:
            names = [path.name for path in self._link.iterdir() if path.name.isdecimal()]
        except OSError:
            names = []
        self._seen = {name: seen for name, seen in self._seen.items() if name in names}
        for name in names:
            with contextlib.suppress(OSError, msgspec.DecodeError, ValueError):
                found += self._read(name)
        return sorted(found, key=lambda shown: shown.frame.at)

    def _read(self, name: str) -> list[Shown]:
        seen = self._seen.setdefault(name, [0] * SLOTS)
        descriptor = os.open(self._link / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            length = os.fstat(descriptor).st_size // SLOTS
            found = []
            for slot in range(SLOTS):
                shown, number = _read_slot(descriptor, slot * length, length, seen[slot])
                if shown is not None:
                    seen[slot] = number
                    if abs(time.time_ns() // 1000 - shown.frame.at) < _OLD:
                        found.append(shown)
            return found
        finally:
            os.close(descriptor)


def _read_slot(descriptor: int, start: int, length: int, seen: int) -> tuple[Shown | None, int]:
    head = os.pread(descriptor, HEAD, start)
    if len(head) < HEAD:
        return None, 0
    number, told = NUMBER.unpack_from(head)
    if number == seen or number % 2 or not told:
        return None, 0
    frame = decode(head[NUMBER.size : NUMBER.size + told])
    if slot_bytes(frame.width, frame.height) != length:
        return None, 0
    size = frame.width * frame.height * 3
    pixels = os.pread(descriptor, (1 + frame.has_mask) * size, start + HEAD)
    after, _ = NUMBER.unpack(os.pread(descriptor, NUMBER.size, start))
    if after != number or len(pixels) < (1 + frame.has_mask) * size:
        return None, 0
    shape = (frame.height, frame.width, 3)
    whole = np.frombuffer(pixels, np.uint8)
    mask = whole[size:].reshape(shape) if frame.has_mask else None
    return Shown(frame, whole[:size].reshape(shape), mask), number
