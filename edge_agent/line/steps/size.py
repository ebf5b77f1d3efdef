"""Bringing a picture to another size."""

from __future__ import annotations

import cv2
import numpy as np

from edge_agent.inference.imaging.resize import U8


def resized(picture: U8, width: int, height: int) -> U8:
    """Shrink by areas, enlarge linearly."""
    smaller = width * height < picture.shape[0] * picture.shape[1]
    way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), (width, height), interpolation=way), np.uint8)
