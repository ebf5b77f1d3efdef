"""Defects drawn on good parts: where would anomalies score, when nobody has shown one?

Twenty good parts tell where good parts score, and nothing of how far off a defect is: a scratch on a plain surface is
ten times as far as any good part, one on parts that turn is among them. A scar in another colour, or a blotch, on each
good part is no picture of what will break, but says which of both it is. In a large picture a defect may be a small
share of it: half of what is drawn there is small.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edge_agent.inference.imaging.resize import U8

_MOST = 20  # that are drawn: each is looked at like a picture of its own
_SCAR_LENGTH, _SCAR_POINTS, _BENT = (0.05, 0.25), 4, 0.01  # of the longer side; points it goes through, and by how much
_SCAR_WIDTH = (1, 3)  # pixels
_OTHER_COLOR = 25.0  # by which a scar's colour differs from one of the picture's: a deviation
_BLOTCH, _RAGGED, _SOFT = (0.04, 0.16), 0.5, 1.2  # of the longer side; of its outline; pixels
_COVERS = (0.3, 0.8)  # how much of what is below a blotch it hides
_LARGE, _SMALL = 800, 0.25  # pixels of a camera's longer side, from which on half are so many times as large


def chosen_for_drawing(good: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Choose the `good` parts that are drawn on."""
    return chosen_evenly(good, _MOST)


def chosen_evenly(good: npt.NDArray[np.bool_], most: int) -> npt.NDArray[np.intp]:
    """Choose so many of the `good` parts at the most, evenly among all: those of one batch follow each other."""
    found = np.flatnonzero(good)
    evenly = np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(np.intp)
    return np.asarray(found[evenly], np.intp)


def smaller_by(picture: tuple[int, int]) -> float:
    """Give the share of the usual size that half of the defects have in a camera's picture of this width and height."""
    return _SMALL if max(picture) >= _LARGE else 1.0


def draw_defect(picture: U8, number: int, smaller: float = 1.0) -> U8:
    """Draw a defect on a picture of the model's input, a scar if `number` is even, otherwise a blotch; two of four
    numbers draw one of the `smaller` share of the usual size. The same number draws the same one."""
    return (_draw_blotch if number % 2 else _draw_scar)(picture, number, smaller if number % 4 > 1 else 1.0)


def _draw_scar(picture: U8, number: int, size: float) -> U8:
    rng = np.random.default_rng(number)
    height, width = picture.shape[:2]
    longer = max(height, width)
    color = picture[rng.integers(height), rng.integers(width)] + rng.normal(0, _OTHER_COLOR, 3)
    middle = rng.uniform(0.1, 0.9, 2) * (width, height)
    angle, length = rng.uniform(0, np.pi), rng.uniform(*_SCAR_LENGTH) * size * longer
    along = np.linspace(-length / 2, length / 2, _SCAR_POINTS)[:, None] * (np.cos(angle), np.sin(angle))
    points = middle + along + rng.normal(0, _BENT * size * longer, along.shape)
    thickness = int(rng.integers(_SCAR_WIDTH[0], max(_SCAR_WIDTH[0], round(_SCAR_WIDTH[1] * size)) + 1))
    found: U8 = picture.copy()
    cv2.polylines(found, [points.astype(np.int32)], False, np.clip(color, 0, 255).tolist(), thickness, cv2.LINE_AA)
    return found


def _draw_blotch(picture: U8, number: int, size: float) -> U8:
    rng = np.random.default_rng(number)
    height, width = picture.shape[:2]
    side = rng.uniform(*_BLOTCH) * size * max(height, width)
    ragged = cv2.GaussianBlur(rng.normal(size=(height, width)).astype(np.float32), (0, 0), side / 4)
    row, column = rng.integers(height), rng.integers(width)
    rows, columns = np.mgrid[:height, :width]
    inside = 1 - np.hypot(rows - row, columns - column) / (side / 2) + _RAGGED * ragged / ragged.std()
    soft = _SOFT * np.sqrt(size)
    cover = cv2.GaussianBlur((inside > 0).astype(np.float32), (0, 0), soft)[..., None] * rng.uniform(*_COVERS)
    color = (rng.uniform(0, 255, 3) + rng.uniform(0, 255)) / 2
    return np.asarray(np.clip(picture * (1 - cover) + cover * color, 0, 255), np.uint8)
