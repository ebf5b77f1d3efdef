"""Pixels of 16 bits as grey levels of 8: by one factor for every picture of a set, never by a picture's own.

Cameras of 10, 12 or 14 bits write 16-bit files that use the lower bits alone. Taken for full ones, 12 bits become 16
grey levels, and a model of them knows nothing of the line's 8-bit pictures.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge_agent.errors import InvalidRequest
from edge_agent.inference.imaging.resize import U8

U16 = npt.NDArray[np.uint16]
#: bits that a 16-bit file may use
USED_BITS = (10, 12, 14, 16)


def read_deep(path: Path) -> U16:
    """Read a file of 16 bits a channel as uint16 [height, width] or, in RGB, [height, width, 3], not turned.

    Raises:
        InvalidRequest: it can't be decoded.
    """
    data = np.frombuffer(path.read_bytes(), np.uint8)
    pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None or pixels.dtype != np.uint16:
        raise InvalidRequest(f"{path} can't be read as a picture of 16 bits a channel")
    if pixels.ndim == 3:
        channels = pixels.shape[2]
        pixels = pixels[..., 0] if channels == 2 else pixels[..., 2::-1]
    return np.ascontiguousarray(pixels)


def to_grey_levels(pixels: U16, bits: int) -> U8:
    """Scale values of so many used bits to 0..255, rounded; what is larger than they hold becomes 255."""
    full = (1 << bits) - 1
    scaled = (pixels.astype(np.uint32) * 255 + full // 2) // full
    return np.minimum(scaled, 255).astype(np.uint8)


def used_bits(peak: int) -> int:
    """Give the least of USED_BITS that holds a value."""
    return next(bits for bits in USED_BITS if peak < 1 << bits)
