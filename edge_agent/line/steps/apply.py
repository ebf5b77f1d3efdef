"""The steps of a line, in their order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_agent.inference.imaging.resize import U8
from edge_agent.line.steps.cut import cut, places
from edge_agent.line.steps.find import find
from edge_agent.line.steps.size import resized
from edge_agent.line.tables.steps import Crop, Find, Flip, Mask, Rotate, Step


def apply(steps: Sequence[Step], picture: U8) -> U8:
    """Apply steps in their order; the picture that was given stays as it is.

    Raises:
        InvalidRequest: a region lies outside the picture, or a template was not found.
    """
    for step in steps:
        picture = _apply(step, picture)
    return np.ascontiguousarray(picture)


def _apply(step: Step, picture: U8) -> U8:
    if isinstance(step, Rotate):
        return np.rot90(picture, -step.degrees // 90)
    if isinstance(step, Flip):
        return picture[:, ::-1] if step.axis == "left-right" else picture[::-1]
    if isinstance(step, Crop):
        return cut(picture, step, "step crop")
    if isinstance(step, Mask):
        where = places(step, picture, "step mask")
        picture = picture.copy()
        picture[where] = 0
        return picture
    if isinstance(step, Find):
        return find(step, picture)
    return resized(picture, step.width, step.height)
