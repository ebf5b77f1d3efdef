"""The last part's picture, with what was found marked in it, for who looks at the line: a JPEG beside its status."""

from __future__ import annotations

from pathlib import Path

import cv2

from edge_agent.inference.imaging.overlay import draw
from edge_agent.line.inspecting import Inspected
from edge_agent.line.status import PICTURE_NAME

LONGEST_SIDE = 640
_QUALITY = 85


def show(found: Inspected, folder: Path) -> None:
    """Replace the picture in the line's folder, whole or not at all.

    Raises:
        OSError: it can't be written.
    """
    picture = draw(found.picture, found.detection)[..., ::-1]
    height, width = picture.shape[:2]
    if (longest := max(height, width)) > LONGEST_SIDE:
        size = (max(1, width * LONGEST_SIDE // longest), max(1, height * LONGEST_SIDE // longest))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f".{PICTURE_NAME}.new"
    new.write_bytes(data.tobytes())
    new.replace(folder / PICTURE_NAME)
