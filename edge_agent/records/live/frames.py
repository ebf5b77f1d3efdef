"""How pictures lie in a worker's file: a few slots in turn, each a head and the pixels of the picture and its mask.

The writer makes a slot's number odd before it changes the slot, and even afterwards. Who reads looks at the number
before and after: the slot has not changed meanwhile when both are the same and even.
"""

from __future__ import annotations

import struct

import msgspec

from edge_agent.inference.verdict import Verdict

SLOTS = 4
#: the longer side of a picture that is shown; of a larger one, every second, third … pixel
LONGEST_SIDE = 1280
HEAD = 1 << 16
NUMBER = struct.Struct("<QI")  # the number, and the length of what is told
#: when somebody watches no more, in microseconds of the system-wide monotonic clock
DEADLINE = struct.Struct("<q")


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """What is told of a picture; its pixels, and those of the mask, are RGB888, `width * height * 3` bytes each."""

    #: when it was inspected, in microseconds since 1970
    at: int
    model: str
    version: str
    width: int
    height: int
    has_mask: bool
    verdict: Verdict


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Frame).decode


def step_of(width: int, height: int) -> int:
    """Say which pixels of a picture are shown: every so many-th of a row and of a column."""
    return -(-max(width, height) // LONGEST_SIDE)


def slot_bytes(width: int, height: int) -> int:
    """Give the size of a slot for pictures that are shown so large."""
    return HEAD + 2 * width * height * 3
