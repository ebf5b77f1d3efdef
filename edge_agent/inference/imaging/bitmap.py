"""What a request may ask for: bitmaps and places in shared memory, checked before a pixel is touched.

This module needs neither numpy nor OpenCV, so that the front process can use it without loading them.
"""

from __future__ import annotations

import functools
import re

import msgspec

from edge_agent.errors import InvalidRequest
from edge_agent.inference.imaging.pixel_formats import recognise

#: bytes of a pixel: packed, interleaved RGB888
CHANNELS = 3
#: smallest and largest width and height in pixels, as the guide gives them
MIN_SIDE, MAX_SIDE = 64, 4096

_SHOWN = 80  # characters of a refused name in a message
_NAME_MAX = 255  # of a path component, which is what a segment's name becomes
_KNOWN_NAMES = 256
_SEGMENT_NAME = re.compile(r"/?[^/\0]+")


class Place(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Bytes [offset, offset + size) of the POSIX shared memory object `name`."""

    name: str
    size: int
    offset: int


def bitmap_bytes(width: int, height: int) -> int:
    """Return the size in bytes of a bitmap of `width` x `height` pixels."""
    return width * height * CHANNELS


def check_size(width: int, height: int, *, model: str, expected: tuple[int, int]) -> None:
    """Refuse a bitmap that no model takes, or whose size differs from the `model`'s training pictures.

    Raises:
        InvalidRequest: a side is out of 64..4096, or (width, height) is not `expected`.
    """
    if not (MIN_SIDE <= width <= MAX_SIDE and MIN_SIDE <= height <= MAX_SIDE):
        raise InvalidRequest(
            f"bitmap is {width}x{height}, expected a width and a height of {MIN_SIDE} to {MAX_SIDE} pixels"
        )
    if (width, height) != expected:
        raise InvalidRequest(f"bitmap is {width}x{height}, model '{model}' was trained on {expected[0]}x{expected[1]}")


def check_byte_count(count: int, width: int, height: int, *, what: str, head: bytes = b"") -> None:
    """Refuse pixel data that is not exactly width * height * 3 bytes long; `what` begins the message, as "it has".

    `head` are the first of the bytes, where they are known: a file's may be recognised by them.
    """
    expected = bitmap_bytes(width, height)
    if count != expected:
        probably = recognise(count, width, height, head)
        raise InvalidRequest(
            f"{what} {count} bytes, expected {expected} ({width} x {height} x {CHANNELS} for packed RGB888)"
            + (f"; {probably}" if probably else "")
        )


def check_place(place: Place, *, what: str) -> None:
    """Refuse a segment name that is not one path component; a single leading slash is shm_open's own form."""
    _check_segment_name(place.name, what)


@functools.lru_cache(_KNOWN_NAMES)  # a client names the same segments in every call
def _check_segment_name(name: str, what: str) -> None:
    if not name:
        raise InvalidRequest(f"the shared memory handle of the {what} has no name, expected that of a segment")
    bare = name[1:] if name.startswith("/") else name
    if not _SEGMENT_NAME.fullmatch(name) or bare in (".", ".."):
        raise InvalidRequest(
            f"segment name {name[:_SHOWN]!r} of the {what} is not allowed, expected one name without a slash inside"
        )
    if len(bare.encode()) > _NAME_MAX:
        raise InvalidRequest(f"segment name of the {what} has {len(bare.encode())} bytes, expected at most {_NAME_MAX}")
