"""Mosaics of a camera's colour filter: recognised in grey pictures, and turned into colours when told the pattern."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

#: colours of the first two pixels of the first two rows; OpenCV's names count from the second row and column
PATTERNS = {
    "RGGB": cv2.COLOR_BayerBG2RGB,
    "BGGR": cv2.COLOR_BayerRG2RGB,
    "GRBG": cv2.COLOR_BayerGB2RGB,
    "GBRG": cv2.COLOR_BayerGR2RGB,
}
#: neighbours differ so much more than every second pixel does
_ROUGHER = 1.5
_LEAST = 2.0  # grey levels that the means of the mosaic's pixels are apart


def demosaic(pixels: npt.NDArray[Any], pattern: str) -> npt.NDArray[Any]:
    """Make RGB, [height, width, 3], of a mosaic, [height, width], uint8 or uint16."""
    found: npt.NDArray[Any] = cv2.cvtColor(pixels, PATTERNS[pattern])
    return found


def looks_like_mosaic(pixels: npt.NDArray[Any]) -> bool:
    """Tell whether a grey picture, [height, width] of 0..255, looks like a mosaic of colours."""
    grey = pixels.astype(np.float32)
    if min(grey.shape) < 8:
        return False
    means = [grey[row::2, column::2].mean() for row in (0, 1) for column in (0, 1)]
    if max(means) - min(means) < _LEAST:
        return False
    near = (np.abs(grey[:, 1:] - grey[:, :-1]).mean() + np.abs(grey[1:] - grey[:-1]).mean()) / 2
    second = (np.abs(grey[:, 2:] - grey[:, :-2]).mean() + np.abs(grey[2:] - grey[:-2]).mean()) / 2
    return bool(near > _ROUGHER * second)
