"""Pictures as a camera might have taken them: turned, moved, lit and noisy otherwise."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edge_agent.building.training.features import F32
from edge_agent.inference.imaging.resize import U8

# Far more than a camera does: with few pictures it is what keeps the network from learning them by heart.
_TURN = 180.0  # degrees
_ZOOM, _SHIFT = 0.3, 0.12  # of the size
#: longer one way and narrower across, or the widest crack of ten pictures is the widest that will be marked whole; with
#: twenty pictures outlines that are not so true cost more than that brings
_STRETCH = 0.3
_FEW, _ENOUGH = 10, 20
_LIGHT, _TINT, _CONTRAST, _NOISE = 0.1, 0.03, 0.08, 6.0
_GREY = 127.0
_WHOLE = 255  # a share, in steps that OpenCV averages


def stretch_for(marked: int) -> float:
    """Say how far, as a logarithm, to stretch where so many pictures show a label."""
    return _STRETCH * float(np.clip((_ENOUGH - marked) / (_ENOUGH - _FEW), 0, 1))


def augment(
    picture: U8, classes: U8, labels: int, stride: int, rng: np.random.Generator, stretch: float = _STRETCH
) -> tuple[F32, F32]:
    """Change a picture [h, w, 3] and its classes [h, w], both in the same way.

    Args:
        picture: of the input's size.
        classes: 0 is the background.
        labels: how many there are, the background included.
        stride: of the shares.
        rng: says how.
        stretch: of the sides, as a logarithm, at the most.

    Returns:
        float32 of 0..255 [h, w, 3], and float32 of 0..1 [labels, h / stride, w / stride]: how much of each pixel of
        the smaller map is what. A pixel that an outline crosses is learned as such, wherever the outline comes to lie.
    """
    height, width = picture.shape[:2]
    size = (width // stride, height // stride)
    matrix = cv2.getRotationMatrix2D(
        (width / 2, height / 2), float(rng.uniform(-_TURN, _TURN)), float(np.exp(rng.uniform(-_ZOOM, _ZOOM)))
    )
    # In one matrix with the turn: a picture that is moved twice is learned more blurred than a camera takes it.
    if stretch:
        matrix[:, :2] = matrix[:, :2] @ _stretch(stretch, rng)
    middle = np.array([width / 2, height / 2])
    matrix[:, 2] = middle - matrix[:, :2] @ middle + rng.uniform(-_SHIFT, _SHIFT, 2) * (width, height)

    def move(plane: U8) -> U8:
        moved = cv2.warpAffine(plane, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        return np.asarray(moved, np.uint8)

    moved = move(picture)
    # Moved as they are and shrunk then: pixels of maps of two sizes have their centres at different places, and a
    # smaller map that is moved like the picture comes to lie up to a pixel and a half beside it.
    shares = np.zeros((labels, *size[::-1]), np.float32)
    for label in range(1, labels):
        mask = np.asarray(classes == label, np.uint8) * np.uint8(_WHOLE)
        if mask.any():
            shares[label] = cv2.resize(move(mask), size, interpolation=cv2.INTER_AREA).astype(np.float32) / _WHOLE
    shares[0] = np.maximum(1 - shares[1:].sum(axis=0), 0)  # two labels side by side are rounded each
    for axis in (0, 1):
        if rng.random() < 0.5:
            moved, shares = np.flip(moved, axis), np.flip(shares, axis + 1)
    lit = moved.astype(np.float32) * np.exp(rng.normal(0, _LIGHT)) * np.exp(rng.normal(0, _TINT, 3)).astype(np.float32)
    lit = (lit + rng.normal(0, _NOISE) - _GREY) * np.exp(rng.normal(0, _CONTRAST)) + _GREY
    return np.clip(lit, 0, 255).astype(np.float32), np.ascontiguousarray(shares)


def _stretch(most: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Choose a matrix [2, 2] that stretches along some direction and narrows across it, by as much."""
    angle, amount = float(rng.uniform(0, np.pi)), float(rng.uniform(-most, most))
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    return np.exp(amount) * np.outer(along, along) + np.exp(-amount) * np.outer(across, across)
