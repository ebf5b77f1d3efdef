"""What is done to a picture before the model sees it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from edge_agent.errors import InvalidRequest
from edge_agent.inference.imaging.resize import U8
from edge_agent.line.tables.steps import Crop, Flip, Mask, Rotate, Step


def apply(steps: Sequence[Step], picture: U8) -> U8:
    """Apply steps in their order; the picture that was given stays as it is.

    Raises:
        InvalidRequest: a region lies outside the picture.
    """
    for step in steps:
        picture = _apply(step, picture)
    return np.ascontiguousarray(picture)


def _apply(step: Step, picture: U8) -> U8:
    if isinstance(step, Rotate):
        return np.rot90(picture, -step.degrees // 90)
    if isinstance(step, Flip):
        return picture[:, ::-1] if step.axis == "left-right" else picture[::-1]
    if isinstance(step, Crop | Mask):
        height, width, _ = picture.shape
        if step.x + step.width > width or step.y + step.height > height:
            raise InvalidRequest(
                f"step {step.do}: {step.width}x{step.height} at {step.x},{step.y} is not within the picture, "
                f"{width}x{height}"
            )
        rows, columns = slice(step.y, step.y + step.height), slice(step.x, step.x + step.width)
        if isinstance(step, Crop):
            return picture[rows, columns]
        picture = picture.copy()
        picture[rows, columns] = 0
        return picture
    smaller = step.width * step.height < picture.shape[0] * picture.shape[1]
    way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), (step.width, step.height), interpolation=way), np.uint8)
