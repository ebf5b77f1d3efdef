"""Small copies of pictures, for the grid."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
from PIL import Image

from edge_agent.inference.imaging.resize import U8
from edge_agent.studio.store.writing import write_file

#: pixels of the longer side
SIDE = 320
_QUALITY = 82


def make_thumbnail(picture: U8, path: Path) -> None:
    """Write a copy of a picture, uint8 [height, width, 3] in RGB, whose longer side has SIDE pixels at most."""
    scale = min(1.0, SIDE / max(picture.shape[:2]))
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if scale < 1 else picture
    content = io.BytesIO()
    Image.fromarray(small).save(content, "JPEG", quality=_QUALITY)
    write_file(path, content.getvalue())
