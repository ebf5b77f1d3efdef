"""Pictures as a camera might have taken them: turned, moved, lit and noisy otherwise."""

from __future__ import annotations

import cv2
import numpy as np

from edge_agent.building.training.features import F32
from edge_agent.inference.imaging.resize import U8

# Far more than a camera does: with few pictures it is what keeps the network from learning them by heart.
_TURN = 180.0  # degrees
_ZOOM, _SHIFT = 0.3, 0.12  # of the size
_LIGHT, _TINT, _CONTRAST, _NOISE = 0.1, 0.03, 0.08, 6.0
_GREY = 127.0


def augment(picture: U8, classes: U8, rng: np.random.Generator) -> tuple[F32, U8]:
    """Change a picture [h, w, 3] and its classes [h', w'], both in the same way; returns float32 of 0..255 and
    uint8."""
    height, width = picture.shape[:2]
    small_height, small_width = classes.shape
    matrix = cv2.getRotationMatrix2D(
        (width / 2, height / 2), float(rng.uniform(-_TURN, _TURN)), float(np.exp(rng.uniform(-_ZOOM, _ZOOM)))
    )
    matrix[:, 2] = matrix[:, 2] + rng.uniform(-_SHIFT, _SHIFT, 2) * (width, height)
    moved = cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    # The same movement in the coordinates of the smaller map, both of which are of pixels' centres. Without the halves
    # a label would be up to a pixel and a half beside what it marks, another way in each picture.
    x, y = small_width / width, small_height / height
    scale = np.array([[x, 0, x / 2 - 0.5], [0, y, y / 2 - 0.5], [0, 0, 1]])
    small = (scale @ np.vstack([matrix, [0, 0, 1]]) @ np.linalg.inv(scale))[:2]
    labels = cv2.warpAffine(
        classes, small, (small_width, small_height), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT
    )
    for axis in (0, 1):
        if rng.random() < 0.5:
            moved, labels = np.flip(moved, axis), np.flip(labels, axis)
    lit = moved.astype(np.float32) * np.exp(rng.normal(0, _LIGHT)) * np.exp(rng.normal(0, _TINT, 3)).astype(np.float32)
    lit = (lit + rng.normal(0, _NOISE) - _GREY) * np.exp(rng.normal(0, _CONTRAST)) + _GREY
    return np.clip(lit, 0, 255).astype(np.float32), np.ascontiguousarray(labels).astype(np.uint8)
