"""A unary call that is being received: its message goes straight to where it stays."""

from __future__ import annotations

import contextlib
import mmap
import os
import time

from edge_agent.serving.rpc.exchange import Handler
from edge_agent.serving.rpc.framing import PREFIX_BYTES, CallHeaders, RefusedCall, read_prefix
from edge_agent.serving.rpc.status import Code
from edge_agent.serving.workers.parcels import LARGE, Parcel, ParcelShelf


class Incoming:
    """A call whose message has not come whole."""

    __slots__ = (
        "begun",
        "buffer",
        "compressed",
        "deadline",
        "filled",
        "handler",
        "headers",
        "length",
        "parcel",
        "prefix",
    )

    def __init__(self, headers: CallHeaders, handler: Handler) -> None:
        self.headers, self.handler = headers, handler
        self.begun = time.monotonic()
        self.deadline = None if headers.timeout is None else self.begun + headers.timeout
        self.prefix = b""
        self.length = -1  # of the message, once its prefix is there
        self.compressed = False
        self.parcel: Parcel | None = None
        self.buffer = memoryview(b"")
        self.filled = 0

    def take_prefix(self, data: memoryview, shelf: ParcelShelf, *, may_have_parcel: bool) -> memoryview:
        """Take what is missing of the message's prefix, and return the rest.

        Raises:
            RefusedCall: such a message is not taken, or there is no memory for it.
        """
        missing = PREFIX_BYTES - len(self.prefix)
        self.prefix += bytes(data[:missing])
        if len(self.prefix) == PREFIX_BYTES:
            self.length, self.compressed = read_prefix(self.prefix, self.headers)
            self._make_room(shelf if may_have_parcel else None)
        return data[missing:]

    def _make_room(self, shelf: ParcelShelf | None) -> None:
        """Get memory for the message. A large one's pages take none before data arrives, whatever was announced."""
        if self.length < LARGE:
            self.buffer = memoryview(bytearray(self.length))
            return
        if shelf is not None and not self.compressed:
            with contextlib.suppress(OSError):  # no file descriptor is left: the worker's copy will be another
                self.parcel = shelf.get(self.length)
                self.buffer = self.parcel.memory[: self.length]
                return
        try:
            self.buffer = memoryview(mmap.mmap(-1, self.length))
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise RefusedCall(
                Code.RESOURCE_EXHAUSTED, f"no memory for a message of {self.length} bytes: {reason}"
            ) from None

    def take(self, data: memoryview) -> None:
        """Take a piece of the message; RefusedCall when it has more than was announced."""
        end = self.filled + len(data)
        if end > max(self.length, 0):
            raise RefusedCall(Code.INTERNAL, "a unary call has one message, expected no more data after it")
        if len(data):  # of a prefix that comes in pieces there may be nothing left
            self.buffer[self.filled : end] = data
        self.filled = end

    def forget(self) -> None:
        """Give back the memory for its message."""
        if self.parcel is not None:
            self.parcel.release()
            self.parcel = None
