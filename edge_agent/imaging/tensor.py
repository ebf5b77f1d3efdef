"""From resized pixels to the input tensor: (value * scale - mean) / std, in the model's layout and type."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge_agent.component.manifest import Input
from edge_agent.imaging.bitmap import CHANNELS
from edge_agent.imaging.resize import U8

Tensor = npt.NDArray[Any]


class Normalizer:
    """Fills one tensor, kept for the life of the model, from uint8 [height, width, 3]."""

    def __init__(self, spec: Input) -> None:
        self._spec = spec
        plane = (spec.height, spec.width)
        shape = (1, CHANNELS, *plane) if spec.layout == "NCHW" else (1, *plane, CHANNELS)
        #: [1, 3, height, width] or [1, height, width, 3]
        self.tensor: Tensor = np.zeros(shape, spec.dtype)
        # (value * scale - mean) / std as one subtraction and one product: (value - mean / scale) * (scale / std)
        scale, mean, std = spec.scale, np.asarray(spec.mean), np.asarray(spec.std)
        self._identity = spec.dtype == "uint8"
        self._zero = scale == 0
        self._subtract = np.zeros(3, np.float32) if self._zero else (mean / scale).astype(np.float32)
        self._factor = (scale / std).astype(np.float32)
        self._constant = (-mean / std).astype(np.float32)
        self._planes = [np.empty(plane, np.uint8) for _ in range(CHANNELS)]
        self._float = np.empty(plane, np.float32)

    def __call__(self, pixels: U8) -> Tensor:
        """Return the tensor, valid until the next call."""
        if self._spec.layout == "NCHW":
            cv2.split(pixels, self._planes)
            for channel, plane in enumerate(self._planes):
                self._fill(channel, plane, self.tensor[0, channel])
        elif self._identity:
            np.copyto(self.tensor[0], pixels)
        else:
            for channel in range(CHANNELS):
                self._fill(channel, pixels[..., channel], self.tensor[0, ..., channel])
        return self.tensor

    def _fill(self, channel: int, plane: U8, target: Tensor) -> None:
        if self._identity:
            np.copyto(target, plane)
        elif self._zero:
            target.fill(self._constant[channel])
        else:
            np.subtract(plane, self._subtract[channel], out=self._float)
            np.multiply(self._float, self._factor[channel], out=target, casting="same_kind")
