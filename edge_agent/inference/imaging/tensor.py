"""From resized pixels to the input tensor: (value * scale - mean) / std, in the model's layout and type."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edge_agent.component.manifest import Input
from edge_agent.inference.imaging.bitmap import CHANNELS
from edge_agent.inference.imaging.resize import U8

Tensor = npt.NDArray[Any]


class Scaling(NamedTuple):
    """(value * scale - mean) / std as (value - subtract) * factor + add, each float32 [3] for R, G and B."""

    subtract: npt.NDArray[np.float32]
    factor: npt.NDArray[np.float32]
    #: what a scale of 0 leaves of the values, and nothing otherwise
    add: npt.NDArray[np.float32]


def scaling(spec: Input) -> Scaling:
    """Work out the constants of an input."""
    scale, mean, std = spec.scale, np.asarray(spec.mean), np.asarray(spec.std)
    nothing = np.zeros(CHANNELS, np.float32)
    if scale == 0:
        return Scaling(nothing, nothing, (-mean / std).astype(np.float32))
    return Scaling((mean / scale).astype(np.float32), (scale / std).astype(np.float32), nothing)


class Normalizer:
    """Fills one tensor, kept for the life of the model, from bitmaps of uint8 [height, width, 3]."""

    def __init__(self, spec: Input, batch: int = 1) -> None:
        self._spec = spec
        plane = (spec.height, spec.width)
        shape = (batch, CHANNELS, *plane) if spec.layout == "NCHW" else (batch, *plane, CHANNELS)
        #: [batch, 3, height, width] or [batch, height, width, 3]
        self.tensor: Tensor = np.zeros(shape, spec.dtype)
        self._identity = spec.dtype == "uint8"
        self._zero = spec.scale == 0
        self._scaling = scaling(spec)
        self._planes = [np.empty(plane, np.uint8) for _ in range(CHANNELS)]
        self._float = np.empty(plane, np.float32)

    def __call__(self, pixels: U8, place: int = 0) -> Tensor:
        """Fill one place of the tensor and return it, valid until that place is filled again."""
        if self._spec.layout == "NCHW":
            cv2.split(pixels, self._planes)
            for channel, plane in enumerate(self._planes):
                self._fill(channel, plane, self.tensor[place, channel])
        elif self._identity:
            np.copyto(self.tensor[place], pixels)
        else:
            for channel in range(CHANNELS):
                self._fill(channel, pixels[..., channel], self.tensor[place, ..., channel])
        return self.tensor

    def _fill(self, channel: int, plane: U8, target: Tensor) -> None:
        if self._identity:
            np.copyto(target, plane)
        elif self._zero:
            target.fill(self._scaling.add[channel])
        else:
            np.subtract(plane, self._scaling.subtract[channel], out=self._float)
            np.multiply(self._float, self._scaling.factor[channel], out=target, casting="same_kind")
