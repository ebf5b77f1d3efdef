"""What passes from a worker to the process that keeps pictures: a memfd with the pixels, and what belongs to them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from edge_agent.inference.verdict import Verdict
from edge_agent.records.pictures.rules import KeepRules

#: in the folder of kept pictures
SOCKET_NAME = "keeper.sock"
#: the first byte of a slot says whether it is taken; the picture begins here, the mask behind it
HEAD = 4096
FREE, TAKEN = 0, 1
PACKET = 1 << 16


class Keeping(msgspec.Struct, frozen=True, array_like=True):
    """What a worker needs to know: where pictures go, and which."""

    folder: str
    rules: KeepRules


class Picture(msgspec.Struct, frozen=True, array_like=True):
    """What belongs to the pixels in a slot."""

    #: KIND/TIME-PROCESS, without an ending
    name: str
    model: str
    version: str
    width: int
    height: int
    has_mask: bool
    verdict: Verdict
    #: what a shadow model said of it, and which; its mask is behind the other
    shadow: Verdict | None = None
    shadow_model: str = ""
    shadow_version: str = ""
    has_shadow_mask: bool = False


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Picture).decode


@contextmanager
def socket_address(folder: Path, name: str = SOCKET_NAME) -> Iterator[str]:
    """Give an address of the socket in a folder that fits into sun_path, however long the folder's name is; unix(7).

    Raises:
        OSError: there is no such folder.
    """
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
