"""A picture as the bytes of a file, in the kinds of files that there are."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from PIL import Image


def encoded(pixels: Any, form: str, orientation: int = 1) -> bytes:
    """Encode pixels, uint8 [height, width, 3] in RGB, with an EXIF orientation."""
    content, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(content, form, exif=exif.tobytes(), **({"quality": 95} if form == "JPEG" else {}))
    return content.getvalue()


def kinds_of(picture: Any) -> Iterator[tuple[str, bytes]]:
    """Give a picture in the kinds of files that there are."""
    for orientation in (1, 3, 6):
        pixels = np.ascontiguousarray(picture.swapaxes(0, 1)) if orientation == 6 else picture
        yield "JPEG", encoded(pixels, "JPEG", orientation)
    image = Image.fromarray(picture)
    for form, mode in [
        ("JPEG", "L"),
        ("JPEG", "CMYK"),
        *(("PNG", mode) for mode in ("RGB", "L", "LA", "RGBA", "P", "1")),
    ]:
        content = io.BytesIO()
        image.convert(mode).save(content, form)
        yield form, content.getvalue()
    for deep in (picture, picture[..., 0]):
        done, deep_file = cv2.imencode(".png", deep.astype(np.uint16) * 257)
        assert done
        yield "PNG", deep_file.tobytes()
