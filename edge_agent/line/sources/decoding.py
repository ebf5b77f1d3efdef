"""From bytes that were sent, or a file, to a part's picture."""

from __future__ import annotations

import os
from pathlib import Path

from edge_agent.access.rights import describe_refusal
from edge_agent.errors import InvalidRequest
from edge_agent.inference.imaging.picture import PixelFormat, read_picture
from edge_agent.inference.imaging.raw_pixels import read_raw
from edge_agent.inference.imaging.resize import U8
from edge_agent.line.tables.sources import Pictures


def decode_file(table: Pictures, path: Path) -> U8:
    """Read a file, raw or a picture.

    Raises:
        InvalidRequest: it can't be read, or is none.
    """
    if table.pixels is None:
        return read_picture(path, PixelFormat(table.bits, table.bayer))
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"{path} can't be read: {describe_refusal(error, path)}") from None
    try:
        return read_raw(data, table.pixels.raw)
    except InvalidRequest as error:
        raise InvalidRequest(f"{path} has {error}") from None


def decode(table: Pictures, data: bytes) -> U8:
    """Read what was sent, raw or a picture.

    Raises:
        InvalidRequest: it is none.
    """
    if table.pixels is not None:
        return read_raw(data, table.pixels.raw)
    # The reader of pictures takes files: here is one without a place.
    descriptor = os.memfd_create("picture", os.MFD_CLOEXEC)
    path = f"/proc/self/fd/{descriptor}"
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(data)
        return decode_file(table, Path(path))
    except InvalidRequest as error:
        raise InvalidRequest(str(error).replace(path, "what was sent")) from None
    finally:
        os.close(descriptor)
