"""Memory that the front process and the workers both see, for pixels that travel inside messages.

A message with a bitmap is read from the client's socket straight into a parcel, a worker reads the pixels where they
lie and writes the mask into another, and the answer is sent from there: nothing is copied from process to process.
A parcel is a memfd, sealed so that neither side can make the other's mapping point at nothing (SIGBUS).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import mmap
import os
import time
from collections.abc import Callable

#: from this size on a message is received in a parcel
LARGE = 1 << 16
#: where a mask begins in its parcel: before it there is room for the part of the answer that comes before the mask,
#: 255 labels of 64 characters of four bytes included
MASK_AT = 1 << 17

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
_KEEP_SECONDS = 30.0  # making one anew costs as much as filling it; on a slow line a part comes every few seconds
_MOST_TOO_LARGE = 4  # a parcel may be so many times larger than what is put into it


class Parcel:
    """So many bytes, for whoever holds it; it goes back to its shelf when the last of them has released it."""

    __slots__ = ("_holders", "_map", "_shelf", "descriptor", "free_since", "memory", "number", "size", "white")

    def __init__(self, shelf: ParcelShelf, number: int, size: int) -> None:
        self._shelf, self.number, self.size = shelf, number, size
        self._holders = 1
        self.free_since = 0.0
        #: bytes from MASK_AT on that are white, as the mask of a normal picture has left them; 0 when that is not known
        self.white = 0
        self.descriptor = os.memfd_create("edge-agent-parcel", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self.descriptor, size)  # pages that are never used take no memory
            fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, _SEALS)
            self._map = mmap.mmap(self.descriptor, size)
        except BaseException:
            os.close(self.descriptor)
            raise
        self.memory = memoryview(self._map)

    def hold(self) -> Parcel:
        """Be one more who needs it."""
        self._holders += 1
        return self

    def release(self) -> None:
        """Need it no more."""
        self._holders -= 1
        if not self._holders:
            self._shelf.take_back(self)

    def destroy(self) -> None:
        """Give its memory back to the system, as far as this process is concerned."""
        self.memory.release()
        with contextlib.suppress(BufferError):  # somebody still looks at it; the mapping goes with the last view
            self._map.close()
        os.close(self.descriptor)


class ParcelShelf:
    """Parcels that nobody needs at the moment, the last used first: it is the one that the caches know."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._free: list[Parcel] = []
        self._made = 0
        self._trimming: asyncio.TimerHandle | None = None
        #: who is told the numbers of parcels that are no more
        self.watchers: set[Callable[[list[int]], None]] = set()

    def __len__(self) -> int:
        return len(self._free)

    def get(self, size: int) -> Parcel:
        """Give a parcel of `size` bytes or more; it holds whatever was in it. OSError when there is none to be had."""
        parcel = self._take(size, white=0)
        parcel.white = 0
        return parcel

    def get_for_mask(self, size: int) -> Parcel:
        """Give a parcel for a mask of `size` bytes from MASK_AT on, one that is white already if there is one.

        Whoever writes to it says how much of it is white then. OSError when there is none to be had.
        """
        return self._take(MASK_AT + size, white=size)

    def _take(self, size: int, white: int) -> Parcel:
        """Take one from the shelf that fits, the last used of those with so many white bytes first; or make one."""
        found = -1
        for place in range(len(self._free) - 1, -1, -1):
            parcel = self._free[place]
            if not size <= parcel.size <= max(size, LARGE) * _MOST_TOO_LARGE:
                continue
            if parcel.white == white:
                return self._free.pop(place).hold()
            found = max(found, place)
        if found >= 0:
            return self._free.pop(found).hold()
        self._made += 1
        return Parcel(self, self._made, -(-size // LARGE) * LARGE)

    def take_back(self, parcel: Parcel) -> None:
        """Keep a parcel for the next who needs one, for a while."""
        parcel.free_since = self._clock()
        self._free.append(parcel)
        if self._trimming is None:
            self._trim_later()

    def _trim_later(self) -> None:
        self._trimming = asyncio.get_running_loop().call_later(_KEEP_SECONDS, self.trim)

    def trim(self) -> None:
        """Destroy the parcels that nobody has needed for some time."""
        self._trimming = None
        until = self._clock() - _KEEP_SECONDS
        old = [parcel for parcel in self._free if parcel.free_since <= until]
        self._free = [parcel for parcel in self._free if parcel.free_since > until]
        self._destroy(old)
        if self._free:
            self._trim_later()

    def _destroy(self, parcels: list[Parcel]) -> None:
        for parcel in parcels:
            parcel.destroy()
        numbers = [parcel.number for parcel in parcels]
        for tell in self.watchers if numbers else ():
            tell(numbers)

    def close(self) -> None:
        """Destroy all that are free; closing twice is harmless."""
        if self._trimming is not None:
            self._trimming.cancel()
            self._trimming = None
        free, self._free = self._free, []
        self._destroy(free)
