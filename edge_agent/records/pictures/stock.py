"""What is kept of pictures, as the process that keeps them tells the daemon, for metrics."""

from __future__ import annotations

import msgspec


class Stock(msgspec.Struct, frozen=True, array_like=True):
    """The pictures of one kind."""

    kind: str
    pictures: int
    bytes: int


encode_stock = msgspec.msgpack.Encoder().encode
decode_stock = msgspec.msgpack.Decoder(tuple[Stock, ...]).decode
