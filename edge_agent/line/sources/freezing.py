"""Whether a camera has frozen: the same picture again and again. Noise alone makes two pictures of a camera differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

#: one value in so many is compared first
_SAMPLE = 997


class Freezing:
    """Compares each picture with the one before."""

    def __init__(self, most: int) -> None:
        """Call it frozen at so many pictures like the one before; 0: never."""
        self._most, self._same = most, 0
        self._last: npt.NDArray[Any] | None = None

    def problem(self, pixels: npt.NDArray[Any]) -> str:
        """Look at a picture, which nobody may change afterwards; say that it is frozen, or ""."""
        if not self._most:
            return ""
        same = self._last is not None and _are_equal(pixels, self._last)
        self._same = self._same + 1 if same else 0
        self._last = pixels
        if self._same < self._most:
            return ""
        return f"is frozen: {self._same} pictures are the same as the one before"

    def begin_again(self) -> None:
        """Forget what came: the camera was away."""
        self._same, self._last = 0, None


def _are_equal(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if not np.array_equal(one.ravel()[::_SAMPLE], other.ravel()[::_SAMPLE]):
        return False
    return np.array_equal(one, other)
