"""Pictures as files, a few rows at a time: whoever makes one can rest at any row, and a call never waits for long.

PNG is written here, since no library gives it row by row: the chunks and filters of https://www.w3.org/TR/png-3/ around
a zlib stream. OpenCV makes a whole file in one go, which takes more than twice as long as this does with ISA-L.
"""

from __future__ import annotations

import functools
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import IO, TYPE_CHECKING, cast

import numpy as np

from edge_agent.inference.imaging.bitmap import CHANNELS
from edge_agent.inference.imaging.resize import U8
from edge_agent.records.pictures.deflating import Deflating

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

#: called between two pieces of work; returns when it may go on
Rest = Callable[[], None]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB, _SUB = 2, 1  # the colour type, and the filter: each byte less the one of the pixel before it
_JPEG_QUALITY = 95
#: of pixels that are copied between two rests, before a JPEG library gets them all; compresses nothing
JPEG_STRIP_BYTES = 48 << 10
_JPEG_PIECE = 4096  # bytes of the file between two rests


def read_strips(descriptor: int, start: int, width: int, height: int, rest: Rest, *, strip_bytes: int) -> Iterator[U8]:
    """Read a bitmap that begins at `start` of a file: uint8 [rows, width * 3], valid until the next.

    A strip has `strip_bytes`, or one row where that is longer; `rest` is called before each.
    """
    row = width * CHANNELS
    buffer = np.empty((max(1, strip_bytes // row), row), np.uint8)
    for first in range(0, height, len(buffer)):
        rest()
        strip = buffer[: height - first]
        os.preadv(descriptor, [strip.reshape(-1).data], start + first * row)
        yield strip


def encode_png(strips: Iterable[U8], width: int, height: int, deflating: Deflating) -> Iterator[bytes]:
    """Give the pieces of a PNG file of strips: uint8 [rows, width * 3]."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = deflating.crc32(data, deflating.crc32(kind, 0))
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    yield _SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, _RGB, 0, 0, 0))
    compressor = deflating.compressor()
    filtered = np.empty((0, 0), np.uint8)
    for strip in strips:
        if len(filtered) < len(strip):
            filtered = np.full((len(strip), 1 + width * CHANNELS), _SUB, np.uint8)
        part = filtered[: len(strip)]
        part[:, 1 : 1 + CHANNELS] = strip[:, :CHANNELS]
        np.subtract(strip[:, CHANNELS:], strip[:, :-CHANNELS], out=part[:, 1 + CHANNELS :])
        if data := compressor.compress(part.data):
            yield chunk(b"IDAT", data)
    yield chunk(b"IDAT", compressor.flush()) + chunk(b"IEND", b"")


def encode_jpeg(strips: Iterable[U8], width: int, height: int, rest: Rest) -> list[bytes]:
    """Give the pieces of a JPEG file of strips: uint8 [rows, width * 3]; `rest` is called between them."""
    from PIL import Image, ImageFile

    canvas, row = _canvas(width, height), 0
    for strip in strips:
        canvas.paste(Image.frombuffer("RGB", (width, len(strip)), strip, "raw", "RGB", 0, 1), (0, row))
        row += len(strip)
    pieces = _Pieces(rest)
    ImageFile.MAXBLOCK = _JPEG_PIECE
    canvas.save(cast("IO[bytes]", pieces), "JPEG", quality=_JPEG_QUALITY)
    return pieces.written


@functools.lru_cache(maxsize=1)
def _canvas(width: int, height: int) -> Picture:
    """Give memory for a picture, the same as the last time: its pages are there."""
    from PIL import Image

    return Image.new("RGB", (width, height))


class _Pieces:
    """A file that is written to a list."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self.written: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self.written.append(bytes(piece))
        self._rest()
        return len(piece)

    def flush(self) -> None:
        """Do nothing: what is written is there."""
