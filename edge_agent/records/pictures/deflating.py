"""What compresses the pixels of a PNG, a strip at a time: ISA-L where it is installed, else zlib.

At level 1 ISA-L takes a quarter to a fifth of the time, for files that are as large where pictures have a camera's
noise and up to an eighth larger where they come from JPEG. There are wheels of it for x86-64 and aarch64.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable
from typing import NamedTuple, Protocol

_LEVEL = 1  # of both: zlib's higher ones take several times as long for a few percent


class Compressor(Protocol):
    """One zlib stream."""

    def compress(self, data: memoryview, /) -> bytes:
        """Return what of the stream is ready, perhaps nothing."""

    def flush(self) -> bytes:
        """Return the rest."""


class Deflating(NamedTuple):
    """What is needed of a library."""

    begin: Callable[[int], Compressor]
    crc32: Callable[[bytes, int], int]
    #: of pixels that it compresses in about a fifth of a millisecond: a PNG is made in pieces of it
    strip_bytes: int

    def compressor(self) -> Compressor:
        """Begin a stream."""
        return self.begin(_LEVEL)


ZLIB = Deflating(zlib.compressobj, zlib.crc32, 12 << 10)


@functools.cache
def best_deflating() -> Deflating:
    """Give the fastest that is here."""
    try:
        from isal import isal_zlib
    except ImportError:
        return ZLIB
    return Deflating(isal_zlib.compressobj, isal_zlib.crc32, 48 << 10)
