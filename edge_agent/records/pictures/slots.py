"""From a worker to another process: pictures in memory of which there are a few pieces, used again and again.

Their pages are there, and memory is bounded. When all are taken, or nobody takes pictures, there is no piece to be had.
A piece is a memfd; its first byte says whether it is taken, and whoever has done with it says that it is free. With it
goes an event (eventfd(2)) by which the worker says that a call has ended, when somebody waits for that.
"""

from __future__ import annotations

import array
import contextlib
import mmap
import os
import socket
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge_agent.inference.imaging.mask import copy_mask
from edge_agent.inference.imaging.resize import U8, ArrayPixels, Pixels
from edge_agent.records.pictures.passing import FREE, HEAD, TAKEN, socket_address
from edge_agent.records.pictures.stillness import introduce, is_awaited, tell_busy, tell_end, tell_pause

#: between two looks whether the taker of pictures is still there, while all slots are taken
_PROBE_SECONDS = 1.0
#: the last so many pauses say how long the next one may be
_PAUSES = 8


class Slot:
    """A piece of memory: HEAD bytes, then pictures one behind the other."""

    def __init__(self, what: str, size: int, pictures: int) -> None:
        """Make one for `pictures` of `size` bytes; OSError when there is no memory."""
        self.descriptor = os.memfd_create(what)
        os.ftruncate(self.descriptor, HEAD + pictures * size)
        self.memory = mmap.mmap(self.descriptor, 0)
        introduce(self.memory)
        self._size = size

    @property
    def is_free(self) -> bool:
        """Whether nobody has it."""
        return bool(self.memory[0] == FREE)

    def take(self) -> None:
        """Say that it is taken."""
        self.memory[0] = TAKEN

    def free(self) -> None:
        """Say that it is free."""
        self.memory[0] = FREE

    def begin(self, pause: float) -> None:
        """Say that its worker has a call, and how long the shortest of its last pauses was."""
        tell_busy(self.memory, 1)
        tell_pause(self.memory, pause)

    def end(self, at: float) -> None:
        """Say that its worker has no call any more, and since when."""
        tell_end(self.memory, at)
        tell_busy(self.memory, 0)

    def catch_up(self, pause: float, ended: float, *, busy: bool) -> None:
        """Say what its worker's other slots say: it may have been made in a call."""
        tell_pause(self.memory, pause)
        tell_end(self.memory, ended)
        tell_busy(self.memory, int(busy))

    @property
    def is_awaited(self) -> bool:
        """Whether who has the slot wants to be told when a call ends."""
        return is_awaited(self.memory)

    def picture(self, shape: tuple[int, ...]) -> U8:
        """Give the first picture's pixels, to be written."""
        return np.frombuffer(self.memory, np.uint8, self._size, HEAD).reshape(shape)

    def warm(self) -> None:
        """Touch the pages of the first picture and of the mask, so that no call has to wait for them."""
        np.frombuffer(self.memory, np.uint8, 2 * self._size, HEAD)[:: mmap.PAGESIZE] = 0

    def put(self, place: int, buffers: list[memoryview]) -> None:
        """Write the picture number `place`, from 0, which is a mask's buffers."""
        copy_mask(buffers, np.frombuffer(self.memory, np.uint8, self._size, HEAD + place * self._size))


class _Held(NamedTuple):
    """What is to be sent."""

    slot: Slot
    #: that are not in the slot yet
    pixels: ArrayPixels | None
    mask: list[memoryview] | None
    packet: bytes


class Slots:
    """The slots of one worker, and its way to whoever takes pictures at the socket of a folder. Used by one thread."""

    def __init__(
        self,
        folder: Path,
        name: str,
        what: str,
        *,
        size: int,
        pictures: int,
        most: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Send to the socket `name` in `folder`; slots are for so many pictures of `size` bytes, `most` of them."""
        self._folder, self._name, self._what = folder, name, what
        self._size, self._pictures, self._most = size, pictures, most
        self._slots: list[Slot] = []
        self._socket: socket.socket | None = None
        self._probed = 0.0
        self._held: list[_Held] = []
        self._ended = -1  # the event; -1 while there is no slot
        self._clock = clock
        self._ended_at = 0.0
        self._is_busy = False
        self._pauses: deque[float] = deque(maxlen=_PAUSES)

    @property
    def needs_pixels(self) -> bool:
        """Whether `settle` has pixels to copy, which must stay as they are until then."""
        return any(held.pixels is not None for held in self._held)

    def copy(self, pixels: Pixels, mask: list[memoryview] | None, packet: bytes) -> bool:
        """Copy a picture, to be sent by `settle`; False where no slot is free or nobody is there.

        Pixels that are in memory are ours, not the client's: `settle` copies them.

        Raises:
            InvalidRequest: the client has truncated the segment that the picture is read from.
        """
        try:
            slot = self.free_slot()
            if slot is None:
                return False
            if isinstance(pixels, ArrayPixels):
                return self.hold(slot, mask, packet, pixels)
            pixels.read_into(slot.picture((self._size,)))
            return self.hold(slot, mask, packet)
        except OSError:  # nobody is there, or there is no memory: the next picture tries again
            self.forget()
            return False

    def hold(self, slot: Slot, mask: list[memoryview] | None, packet: bytes, pixels: ArrayPixels | None = None) -> bool:
        """Have a slot with a picture in it sent by `settle`, with its mask and what belongs to it.

        `pixels` are to be copied into it first.
        False where whoever takes pictures has no room for more.

        Raises:
            OSError: nobody is there.
        """
        if self._socket is None:
            raise FileNotFoundError
        try:
            self._socket.send(b"")  # who is not there any more shall not be said to have the picture
        except BlockingIOError:
            return False
        slot.take()
        self._held.append(_Held(slot, pixels, mask, packet))
        return True

    def settle(self) -> None:
        """Send what is held. What is ours, as the mask is, is copied now, when the call has been answered."""
        held, self._held = self._held, []
        for slot, pixels, mask, packet in held:
            try:
                if pixels is not None:
                    pixels.read_into(slot.picture((self._size,)))
                if mask is not None:
                    slot.put(1, mask)
                self.send(slot, packet)
            except BlockingIOError:
                slot.free()
            except OSError:
                self.forget()
                return
        if held and len(self._slots) < self._most:  # the next picture will find its pages there
            with contextlib.suppress(OSError):
                self._add().warm()

    def begin(self) -> None:
        """Say that there is a call: whoever has a slot rests; see stillness.py."""
        self._is_busy = True
        self._pauses.append(self._clock() - self._ended_at)
        if self._slots:
            pause = min(self._pauses)
            for slot in self._slots:
                slot.begin(pause)

    def end(self) -> None:
        """Say that there is none."""
        self._is_busy = False
        self._ended_at = self._clock()
        is_awaited = False
        for slot in self._slots:
            slot.end(self._ended_at)
            is_awaited = is_awaited or slot.is_awaited
        if is_awaited:
            os.eventfd_write(self._ended, 1)

    def free_slot(self) -> Slot | None:
        """Return a slot that is free; None when all are taken.

        Raises:
            OSError: nobody is at the socket, or there is no memory.
        """
        if self._socket is None:
            self._connect()
        for slot in self._slots:
            if slot.is_free:
                return slot
        if len(self._slots) < self._most:
            return self._add()
        if self._socket is not None and time.monotonic() - self._probed > _PROBE_SECONDS:
            self._probed = time.monotonic()
            self._socket.send(b"")  # fails when the taker has gone, which will then never free a slot
        return None

    def _add(self) -> Slot:
        if self._ended < 0:
            self._ended = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        slot = Slot(self._what, self._size, self._pictures)
        slot.catch_up(min(self._pauses, default=0.0), self._ended_at, busy=self._is_busy)
        self._slots.append(slot)
        return slot

    def send(self, slot: Slot, packet: bytes) -> None:
        """Pass a slot on, with what belongs to it.

        Raises:
            OSError: nobody takes it; it is free again.
        """
        assert self._socket is not None
        slot.take()
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [slot.descriptor, self._ended]))
        try:
            self._socket.sendmsg([packet], [rights])
        except OSError:
            slot.free()
            raise

    def _connect(self) -> None:
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        channel.setblocking(False)
        try:
            with socket_address(self._folder, self._name) as address:
                channel.connect(address)
        except OSError:
            channel.close()
            raise
        self._socket = channel

    def forget(self) -> None:
        """Begin anew: whoever was at the other end has gone, perhaps with slots that it had not freed."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        for slot in self._slots:
            os.close(slot.descriptor)
        self._slots.clear()
        if self._ended >= 0:
            os.close(self._ended)
            self._ended = -1
        self._held.clear()
