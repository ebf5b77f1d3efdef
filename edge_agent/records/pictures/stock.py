"""What is kept of pictures, as the process that keeps them tells the daemon, for metrics."""

from __future__ import annotations

import msgspec


class Stock(msgspec.Struct, frozen=True, array_like=True):
    """The pictures of one kind."""

    kind: str
    pictures: int
    bytes: int


class Told(msgspec.Struct, frozen=True, array_like=True):
    """What there is, and how many pictures could not be stored since it was told last."""

    stock: tuple[Stock, ...]
    lost: int = 0


encode_stock = msgspec.msgpack.Encoder().encode
decode_stock = msgspec.msgpack.Decoder(Told).decode
