"""Records on their way: each is encoded when it comes, and many are sent in one packet.

A verdict that waited as objects would keep them alive while the next calls make theirs in memory that no cache holds:
8 of 400 microseconds a call. Its bytes are a hundred, at the end of a buffer that the last one has just used.
"""

from __future__ import annotations

from edge_agent.records.record import PACKET, Notes, Record, encode, encode_into

#: what Notes begins with in MessagePack: an array of three, its tag, and an array whose length is two bytes
_HEAD = encode(Notes([]))[:-2] + b"\xdc"
#: bytes in the buffer with which it is full: the next record, as large as one can be, still finds room
_FULL = PACKET // 4


class Packing:
    """A packet of records that is being filled."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._buffer = bytearray()
        #: records in it
        self.count = 0

    def add(self, record: Record) -> bool:
        """Put a record in, and tell whether the packet should go now."""
        begin = len(self._buffer)
        try:
            encode_into(record, self._buffer, -1)
        except BaseException:
            del self._buffer[begin:]  # half a record would spoil the others
            raise
        self.count += 1
        return self.count >= self._most or len(self._buffer) > _FULL

    def take(self, dropped: int) -> bytes:
        """Return the packet, Notes as decode_told reads them, and begin the next."""
        packet = b"".join((_HEAD, self.count.to_bytes(2, "big"), self._buffer, encode(dropped)))
        self._buffer.clear()
        self.count = 0
        return packet
