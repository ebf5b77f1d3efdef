"""Writing to a file without a buffer, to the end."""

from __future__ import annotations

import io


def write_whole(file: io.FileIO, data: bytes) -> None:
    """Write all of `data`; a disk that is nearly full takes a part first, and then says that it is full.

    Raises:
        OSError: it can't be written; a part of it may have been.
    """
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]
