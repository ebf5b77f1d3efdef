"""A picture as the model's input."""

from __future__ import annotations

import numpy as np

from edge_agent.inference.imaging.resize import U8, ArrayPixels, make_resizer


def shrink(picture: U8, size: tuple[int, int]) -> U8:
    """Shrink a picture to `size` (width, height) as the agent does, into memory of its own."""
    source = (picture.shape[1], picture.shape[0])
    # A resizer keeps its output for the next picture.
    shrunk: U8 = make_resizer(source, size, "area")(ArrayPixels(np.ascontiguousarray(picture))).copy()
    return shrunk


def halve(picture: U8) -> U8:
    """Shrink a picture to half its sides: each pixel is the mean of four."""
    return shrink(picture, (picture.shape[1] // 2, picture.shape[0] // 2))
