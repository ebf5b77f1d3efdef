"""A walk over protobuf's wire format, for the two places where parsing a whole message would copy too much.

One is a request with a bitmap inside (serving/rpc/messages.py), the other an ONNX file whose weights nobody wants to
read just to learn its inputs (inference/engines/onnx_signature.py). Format: https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, overload

VARINT, I64, LEN, I32 = 0, 1, 2, 5

#: number, wire type, value, position of the tag, position after the field; see `fields`
Field = tuple[int, int, int, int, int]


class Bytes(Protocol):
    """What the walk needs of a buffer: bytes, a memoryview, or a window on a file."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: int, /) -> int: ...
    @overload
    def __getitem__(self, index: slice, /) -> bytes | memoryview: ...


def read_varint(buffer: Bytes, position: int) -> tuple[int, int]:
    """Return the varint at `position` and the position after it; ValueError when it is cut off or too long."""
    value = shift = 0
    while True:
        if position >= len(buffer) or shift > 63:
            raise ValueError("malformed varint")
        byte = buffer[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def encode_varint(value: int) -> bytes:
    """Encode a value that is not negative."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def length_prefix(number: int, length: int) -> bytes:
    """Encode what stands before a length-delimited field of `length` bytes."""
    return encode_varint(number << 3 | LEN) + encode_varint(length)


def fields(buffer: Bytes, start: int = 0, end: int | None = None) -> Iterator[Field]:
    """Walk over a message's fields: (number, wire type, value, position of the tag, position after the field).

    `value` is the integer of a VARINT field and otherwise the position where the field's bytes begin.

    Raises:
        ValueError: the bytes are not a message.
    """
    position, stop = start, len(buffer) if end is None else end
    while position < stop:
        tag_position = position
        tag, position = read_varint(buffer, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == VARINT:
            value, position = read_varint(buffer, position)
        elif wire_type == LEN:
            length, value = read_varint(buffer, position)
            position = value + length
        elif wire_type in (I64, I32):
            value, position = position, position + (8 if wire_type == I64 else 4)
        else:
            raise ValueError(f"wire type {wire_type} is not in use")
        if number == 0 or position > stop:
            raise ValueError("malformed field")
        yield number, wire_type, value, tag_position, position
