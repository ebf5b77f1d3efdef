"""Decompressing a message a piece at a time: 64 kB may become 64 MiB, and others must not wait for that."""

from __future__ import annotations

import contextlib
import zlib

from edge_agent.serving.rpc.contract import MAX_MESSAGE_BYTES
from edge_agent.serving.rpc.framing import RefusedCall
from edge_agent.serving.rpc.status import Code
from edge_agent.serving.workers.parcels import LARGE, Parcel, ParcelShelf

#: bytes that a step makes at the most: some tenths of a millisecond's work
_STEP = 1 << 17
#: bytes that zlib is given at once: what it has not used of them it copies
_GIVEN = 1 << 15


class Inflation:
    """A compressed message on its way to what it was. Where it is large it ends in a parcel, as other messages do."""

    def __init__(self, compressed: memoryview, window_bits: int, shelf: ParcelShelf) -> None:
        """`window_bits` are those of zlib; `compressed` has to stay as it is until the message is there."""
        self._inflater = zlib.decompressobj(window_bits)
        self._compressed, self._position = compressed, 0
        self._shelf = shelf
        self._pieces: list[bytes] = []
        self._size = self._uncopied = 0
        #: where the message lies; None for a small one
        self.parcel: Parcel | None = None
        #: the message, once it is there; whoever takes it gives the parcel back
        self.message: memoryview | None = None

    @property
    def held(self) -> int:
        """Bytes of memory that it takes."""
        return len(self._compressed) + self._size

    def step(self) -> bool:
        """Do a part of the work, and return whether there is more to do.

        Raises:
            RefusedCall: the message is damaged, or larger than we take.
        """
        if self._inflater.eof:
            return self._copy()
        try:
            self._inflate()
        except zlib.error as error:
            raise RefusedCall(Code.INTERNAL, f"the message can't be decompressed: {error}") from None
        if self._size > MAX_MESSAGE_BYTES:
            raise RefusedCall(
                Code.RESOURCE_EXHAUSTED, f"the message has more than {MAX_MESSAGE_BYTES} bytes, decompressed"
            )
        if not self._inflater.eof:
            if self._position == len(self._compressed) and not self._inflater.unconsumed_tail:
                raise RefusedCall(Code.INTERNAL, "the compressed message is cut off")
            return True
        self._compressed = memoryview(b"")
        if self._size >= LARGE:
            with contextlib.suppress(OSError):  # no file descriptor is left: the worker's copy will be another
                self.parcel = self._shelf.get(self._size)
                self._uncopied = self._size
                return True
        self.message = memoryview(b"".join(self._pieces))
        return False

    def _inflate(self) -> None:
        room = _STEP
        while room > 0 and not self._inflater.eof:
            given = self._inflater.unconsumed_tail
            if not given:
                given = bytes(self._compressed[self._position : self._position + _GIVEN])
                self._position += len(given)
            piece = self._inflater.decompress(given, room)
            if piece:
                self._pieces.append(piece)
                self._size += len(piece)
                room -= len(piece)
            elif self._position == len(self._compressed):
                return

    def _copy(self) -> bool:
        """Put some of the pieces together in the parcel.

        The last ones first: the allocator gives memory back from its end, and would give all of it back at once, which
        takes milliseconds for 64 MiB, if the last piece were the last to be freed.
        """
        assert self.parcel is not None
        until = self._uncopied - _STEP
        while self._pieces and self._uncopied > until:
            piece = self._pieces.pop()
            self._uncopied -= len(piece)
            self.parcel.memory[self._uncopied : self._uncopied + len(piece)] = piece
        if self._pieces:
            return True
        self.message = self.parcel.memory[: self._size]
        return False

    def forget(self) -> None:
        """Give up: nobody wants the message."""
        self._pieces.clear()
        if self.parcel is not None:
            self.parcel.release()
            self.parcel = None
