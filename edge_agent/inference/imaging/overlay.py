"""What a model marked, over the picture: an outline around it and a light fill, so that the defect stays visible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]

#: of 255: how much of a label's colour lies over what it marks, and over its outline
_FILL, _LINE = 36, 255
_SIDES = 400  # an outline is a pixel wide for so many of the picture's longer side


class Marked(Protocol):
    """An answer with a mask, uint8 [height, width, 3], white where nothing is marked, or without one."""

    @property
    def mask(self) -> U8 | None:
        """The mask."""


def layer(classes: U8, colors: Sequence[tuple[int, int, int]]) -> U8:
    """Give what is laid over a picture, RGBA [height, width, 4]: `classes` is 0 for nothing, i for `colors[i - 1]`.

    The outline lies around what is marked, never on it: a scratch of a pixel's width is not painted over.
    """
    height, width = classes.shape
    line = max(1, round(max(height, width) / _SIDES))
    kernel = np.ones((2 * line + 1, 2 * line + 1), np.uint8)
    laid = np.zeros((height, width, 4), np.uint8)
    empty = classes == 0
    for number, color in enumerate(colors, start=1):
        region = classes == number
        if not region.any():
            continue
        around = cv2.dilate(region.astype(np.uint8), kernel).astype(bool) & empty
        laid[around] = (*color, _LINE)
        laid[region] = (*color, _FILL)
    return laid


def laid_over(mask: U8) -> U8:
    """Give what is laid over a picture, RGBA as `layer`; `mask`, [height, width, 3], is white for nothing."""
    marked = (mask != 255).any(axis=2)
    packed = mask[marked].astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    found = np.unique(packed)[:255]
    classes = np.zeros(mask.shape[:2], np.uint8)
    numbers = np.searchsorted(found, packed) + 1
    classes[marked] = np.where(numbers > 255, 0, numbers)
    return layer(classes, [(value >> 16, value >> 8 & 255, value & 255) for value in map(int, found)])


def lay_over(picture: U8, mask: U8) -> U8:
    """Mark in a picture what is not white in its mask, in the mask's colours; both [height, width, 3]."""
    laid = laid_over(mask)
    if not laid[..., 3].any():
        return np.array(picture)
    share = laid[..., 3:].astype(np.float32) / 255
    return np.asarray(np.rint(picture * (1 - share) + laid[..., :3] * share), np.uint8)


def draw(picture: U8, result: Marked) -> U8:
    """Give a picture with what was found in it: an outline in each label's colour, and a light fill.

    `picture` is uint8 [height, width, 3] in the order of channels in which it was sent; so is what comes back, a copy.
    Without a mask (a classification model, or nothing found) it is the picture as it was.
    """
    return picture.copy() if result.mask is None else lay_over(picture, result.mask)
