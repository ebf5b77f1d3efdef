"""Large pictures of parts that lie nearly alike, with defects of a few pixels."""

from __future__ import annotations

import cv2
import numpy as np

from benchmarks.objects.canvas import (
    F32,
    Part,
    cloud,
    cover,
    ellipse,
    light,
    line,
    move,
    photograph,
    plane,
    streaks,
    wander,
)

_FONT = cv2.FONT_HERSHEY_SIMPLEX
#: rows, columns, their distance, and the holes' radius
_ROWS, _COLUMNS, _STEP, _RADIUS = 7, 10, 148, 30


def plate(defect: str | None, rng: np.random.Generator) -> Part:
    """A drilled and engraved plate: a burr at a hole, a hole without chamfer, a chip, a gap in a line, a scratch."""
    height, width = 1200, 1600
    y, x = plane(height, width)
    gray = 150 + streaks(rng, height, width, 61, 4) + cloud(rng, height, width, 200, 4)
    part: F32 = np.asarray(gray[..., None] * np.array([0.98, 1.0, 1.03]), np.float32)
    classes = np.zeros((height, width), np.uint8)
    holes = [(134 + column * _STEP, 110 + row * _STEP) for row in range(_ROWS) for column in range(_COLUMNS)]
    chosen = int(rng.integers(len(holes)))
    for number, (left, top) in enumerate(holes):
        here = number == chosen
        radius = _RADIUS if number % 3 else 18
        window = (slice(top - 50, top + 50), slice(left - 50, left + 50))
        far, angle = np.hypot(x[window] - left, y[window] - top), np.arctan2(y[window] - top, x[window] - left)
        flat = here and defect == "chamfer"
        if not flat:
            shine = 150 + 70 * np.cos(angle + 2.2)
            cover(part[window], far < radius + 6, np.repeat(shine[..., None], 3, axis=2), 0.9)
        cover(part[window], far < radius, (38, 38, 40), 0.95)
        if flat:
            classes[window][abs(far - radius - 3) < 3] = 2
        if here and defect == "burr":
            way = rng.uniform(0, 2 * np.pi)
            at = (left + radius * np.cos(way), top + radius * np.sin(way))
            where = ellipse(height, width, at, (rng.uniform(6, 9), rng.uniform(4, 6)), np.degrees(way))
            classes[where] = 1
            part = cover(part, where, (196, 196, 192), rng.uniform(0.8, 0.95))
    numbers = np.zeros((height, width), np.uint8)
    for column in range(_COLUMNS):
        cv2.putText(numbers, f"{column + 1:02d}", (108 + column * _STEP, 1150), _FONT, 1.1, 1, 3, cv2.LINE_8)
    part = cover(part, numbers > 0, (70, 70, 72), 0.9)
    broken = int(rng.integers(_ROWS - 1))
    for row in range(_ROWS - 1):
        middle = 110 + row * _STEP + _STEP // 2
        engraved = line(height, width, [(60, middle), (width - 60, middle)], 3)
        if defect == "line" and row == broken:
            start = int(rng.uniform(80, width - 120))
            gone = np.zeros_like(engraved)
            gone[:, start : start + int(rng.uniform(16, 28))] = True
            classes[gone & engraved] = 4
            engraved &= ~gone
        part = cover(part, engraved, (84, 84, 86), 0.9)
    # Between the holes, where a defect lies on what is plain.
    spot = (holes[chosen][0] + rng.choice([-1, 1]) * rng.uniform(48, 60), holes[chosen][1] + rng.uniform(-40, 40))
    if defect == "swarf":
        where = line(height, width, wander(rng, spot, rng.uniform(16, 28), 0.5), 4)
        classes[where] = 3
        part = cover(part, where, (228, 226, 220), rng.uniform(0.8, 0.95))
    elif defect == "scratch":
        where = line(height, width, wander(rng, spot, rng.uniform(40, 80), 0.1), 2)
        classes[where] = 5
        part = cover(part, where, (212, 212, 208), rng.uniform(0.7, 0.9), 0.6)
    part, classes = move(part, classes, rng, turn=0.08, shift=3)
    return photograph(part * light(rng, height, width, 0.25), classes, rng)
