"""What drawn parts are made of: light, noise, blots, lines, and the camera at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]


class Part(NamedTuple):
    """A picture [height, width, 3] and which label each pixel belongs to: 0 for none, 1 for the first of its kind."""

    picture: U8
    classes: U8


def plane(height: int, width: int) -> tuple[F32, F32]:
    """Return the row and the column of each pixel."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.asarray(y, np.float32), np.asarray(x, np.float32)


def cloud(rng: np.random.Generator, height: int, width: int, size: float, amount: float) -> F32:
    """Smooth noise [height, width], spots about `size` pixels wide, of a standard deviation of `amount`."""
    step = max(1.0, size / 2)
    small = rng.normal(size=(int(height / step) + 3, int(width / step) + 3)).astype(np.float32)
    small = np.asarray(cv2.GaussianBlur(small, (0, 0), 1.5), np.float32)
    field = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
    return np.asarray((field - field.mean()) * (amount / float(field.std())), np.float32)


def streaks(rng: np.random.Generator, height: int, width: int, length: int, amount: float) -> F32:
    """Noise drawn out along the rows, as brushing leaves it."""
    noise = rng.normal(size=(height, width)).astype(np.float32)
    field = np.asarray(cv2.blur(noise, (length, 1), borderType=cv2.BORDER_REFLECT), np.float32)
    return np.asarray(field * (amount / float(field.std())), np.float32)


def light(rng: np.random.Generator, height: int, width: int, amount: float) -> F32:
    """Light from a side that differs: a factor for each pixel [height, width, 1], 1 in the mean."""
    y, x = plane(height, width)
    angle = rng.uniform(0, 2 * np.pi)
    slope = (x / width - 0.5) * np.cos(angle) + (y / height - 0.5) * np.sin(angle)
    factor = 1 + amount * rng.uniform(0.2, 0.7) * slope + rng.normal(0, amount / 6)
    return np.asarray(factor, np.float32)[..., None]


def cover(part: F32, where: Any, color: Any, opacity: float = 1.0, soft: float = 0.8) -> F32:
    """Paint `color` (values, or a picture) where `where` is true, with a soft edge; `part` itself is painted on."""
    height, width = part.shape[:2]
    left, top, across, down = cv2.boundingRect(np.asarray(where, np.uint8))
    reach = int(4 * soft) + 2
    cut = (
        slice(max(0, top - reach), min(height, top + down + reach)),
        slice(max(0, left - reach), min(width, left + across + reach)),
    )
    paint = np.asarray(color, np.float32)
    if paint.shape[:2] == (height, width):
        paint = paint[cut]
    share = cv2.GaussianBlur(np.asarray(where[cut], np.float32), (0, 0), soft)[..., None] * opacity
    part[cut] = part[cut] * (1 - share) + paint * share
    return part


def ellipse(height: int, width: int, at: tuple[float, float], axes: tuple[float, float], turn: float = 0) -> Any:
    """True inside an ellipse around `at` (x, y)."""
    found = np.zeros((height, width), np.uint8)
    center = (round(at[0]), round(at[1]))
    cv2.ellipse(found, center, (max(1, round(axes[0])), max(1, round(axes[1]))), turn, 0, 360, 1, -1)
    return found > 0


def line(height: int, width: int, points: Sequence[tuple[float, float]] | Any, thickness: int = 1) -> Any:
    """True on a line through points (x, y)."""
    found = np.zeros((height, width), np.uint8)
    cv2.polylines(found, [np.round(np.asarray(points)).astype(np.int32)], False, 1, thickness)
    return found > 0


def wander(
    rng: np.random.Generator, at: tuple[float, float], length: float, bend: float, angle: float | None = None
) -> Any:
    """Points of a line of a length through `at`, which changes its direction a little at every step."""
    steps = 14
    first = rng.uniform(0, 2 * np.pi) if angle is None else angle
    directions = first + np.cumsum(rng.normal(0, bend, steps))
    moves = np.stack([np.cos(directions), np.sin(directions)], axis=1) * (length / steps)
    points = np.concatenate([np.zeros((1, 2)), np.cumsum(moves, axis=0)])
    return points - points[steps // 2] + np.asarray(at)


def move(
    part: F32, classes: U8, rng: np.random.Generator, *, turn: float, shift: float, scale: float = 0.0
) -> tuple[F32, U8]:
    """Lay the part a little differently: turned (degrees), shifted (pixels), nearer or further (all deviations)."""
    height, width = classes.shape
    how = cv2.getRotationMatrix2D((width / 2, height / 2), rng.normal(0, turn), 1 + rng.normal(0, scale))
    how[:, 2] = how[:, 2] + rng.normal(0, shift, 2)
    moved = cv2.warpAffine(part, how, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    labels = cv2.warpAffine(classes, how, (width, height), flags=cv2.INTER_NEAREST)
    return np.asarray(moved, np.float32), np.asarray(labels, np.uint8)


def photograph(part: F32, classes: U8, rng: np.random.Generator, noise: float = 3.0) -> Part:
    """Expose: brightness, colour and noise of a camera."""
    exposed = part * rng.normal(1, 0.03) + rng.normal(0, 2, 3) + rng.normal(0, noise, part.shape)
    return Part(np.clip(np.round(exposed), 0, 255).astype(np.uint8), classes)


def around(rng: np.random.Generator, height: int, width: int, margin: float) -> tuple[float, float]:
    """Choose a place (x, y) at least `margin` pixels from the edges."""
    return float(rng.uniform(margin, width - margin)), float(rng.uniform(margin, height - margin))
